"""The library's migrations, in order; a database's `user_version` says how many of them it has seen.

A migration once released is never changed: add another.
"""

from __future__ import annotations

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    # 1: tracks, what was heard in them, their vectors
    (
        """CREATE TABLE tracks (
            id INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL UNIQUE, hash TEXT NOT NULL, size INTEGER NOT NULL,
            mtime_ns INTEGER NOT NULL, state TEXT NOT NULL CHECK (state IN ('present', 'gone', 'broken')),
            reason TEXT NOT NULL DEFAULT '', take_id TEXT, owner TEXT NOT NULL DEFAULT '',
            title TEXT NOT NULL DEFAULT '', artist TEXT NOT NULL DEFAULT '', album TEXT NOT NULL DEFAULT '',
            year INTEGER, genre_tags TEXT NOT NULL DEFAULT '[]', description TEXT NOT NULL DEFAULT '',
            seconds REAL NOT NULL DEFAULT 0, sample_rate_hz INTEGER NOT NULL DEFAULT 0,
            channels INTEGER NOT NULL DEFAULT 0, features TEXT,
            tempo_bpm REAL, key INTEGER, energy REAL,
            genre TEXT NOT NULL DEFAULT '', genre_by TEXT NOT NULL DEFAULT '',
            moods TEXT NOT NULL DEFAULT '[]', moods_by TEXT NOT NULL DEFAULT '',
            heard_by TEXT NOT NULL DEFAULT '', added_at TEXT NOT NULL
        )""",
        "CREATE INDEX tracks_by_hash ON tracks (hash)",
        "CREATE INDEX tracks_by_state ON tracks (state, added_at DESC)",
        "CREATE UNIQUE INDEX tracks_by_take ON tracks (take_id) WHERE take_id IS NOT NULL",
        "CREATE TABLE fingerprints (track_id INTEGER PRIMARY KEY REFERENCES tracks ON DELETE CASCADE, print BLOB NOT NULL)",
        """CREATE TABLE vectors (
            track_id INTEGER NOT NULL REFERENCES tracks ON DELETE CASCADE, model TEXT NOT NULL, name TEXT NOT NULL,
            width INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (track_id, model, name)
        ) WITHOUT ROWID""",
        """CREATE TABLE folders (
            path TEXT PRIMARY KEY, added_at TEXT NOT NULL, watched INTEGER NOT NULL DEFAULT 0, scanned_at TEXT
        )""",
    ),
    # 2: search by words
    (
        """CREATE VIRTUAL TABLE track_words USING fts5(
            title, artist, album, path, tags, description, tokenize = "unicode61 remove_diacritics 2", prefix = "2 3"
        )""",
    ),
)
