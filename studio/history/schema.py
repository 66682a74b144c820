"""The history's migrations, in order; a database's `user_version` says how many of them it has seen.

A migration once released is never changed: add another.
"""

from __future__ import annotations

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    # 1: takes and jobs
    (
        """CREATE TABLE takes (
            id TEXT PRIMARY KEY, owner TEXT NOT NULL, created_at TEXT NOT NULL, title TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('kept', 'binned', 'missing')),
            seconds REAL NOT NULL, engine TEXT NOT NULL, complete INTEGER NOT NULL, manifest TEXT NOT NULL
        )""",
        "CREATE INDEX takes_by_time ON takes (state, created_at DESC)",
        """CREATE TABLE jobs (
            id TEXT PRIMARY KEY, owner TEXT NOT NULL, title TEXT NOT NULL, state TEXT NOT NULL,
            request TEXT NOT NULL, take_id TEXT, error TEXT NOT NULL, created_at TEXT NOT NULL, changed_at TEXT NOT NULL
        )""",
    ),
    # 2: search by words
    (
        """CREATE VIRTUAL TABLE take_words USING fts5(
            take_id UNINDEXED, title, words, prompt, genre, moods, engine, music,
            tokenize = "unicode61 remove_diacritics 2", prefix = "2 3"
        )""",
        """INSERT INTO take_words (take_id, title, words, prompt, genre, moods, engine, music)
            SELECT id, title, json_extract(manifest, '$.plan.brief.words'),
                json_extract(manifest, '$.plan.prompt.value'),
                replace(json_extract(manifest, '$.plan.genre.value'), '_', ' '),
                replace((SELECT group_concat(value, ' ') FROM json_each(manifest, '$.plan.moods.value')), '_', ' '),
                engine || ' ' || json_extract(manifest, '$.engine.label'),
                replace((SELECT group_concat(value, ' ') FROM json_each(manifest, '$.plan.instruments.value')), '_', ' ')
            FROM takes""",
    ),
    # 3: which job made a take, so that a job cut off after its take was kept counts as done
    (
        "ALTER TABLE takes ADD COLUMN job TEXT NOT NULL DEFAULT ''",
        "UPDATE takes SET job = coalesce(json_extract(manifest, '$.job'), '')",
        "CREATE INDEX takes_by_job ON takes (job)",
    ),
    # 4: which engine a job was for, so that an interrupted one is shown without asking the engine
    ("ALTER TABLE jobs ADD COLUMN engine TEXT NOT NULL DEFAULT '{}'",),
    # 5: what each agent was asked and answered, and refinements with their whole state
    (
        """CREATE TABLE agent_steps (
            id INTEGER PRIMARY KEY, owner TEXT NOT NULL, about TEXT NOT NULL, agent TEXT NOT NULL, asked TEXT NOT NULL,
            answered TEXT NOT NULL, model TEXT NOT NULL, tier TEXT NOT NULL, seconds REAL NOT NULL,
            created_at TEXT NOT NULL
        )""",
        "CREATE INDEX agent_steps_by_about ON agent_steps (about, id)",
        """CREATE TABLE refinements (
            id TEXT PRIMARY KEY, owner TEXT NOT NULL, title TEXT NOT NULL, request TEXT NOT NULL, state TEXT NOT NULL,
            ended TEXT NOT NULL, created_at TEXT NOT NULL, changed_at TEXT NOT NULL
        )""",
    ),
    # 6: indexes over opinions.jsonl and deeds.jsonl
    (
        """CREATE TABLE deeds (
            id TEXT PRIMARY KEY, owner TEXT NOT NULL, take_id TEXT NOT NULL, kind TEXT NOT NULL, detail TEXT NOT NULL,
            created_at TEXT NOT NULL
        )""",
        "CREATE INDEX deeds_by_take ON deeds (take_id, kind)",
        "CREATE TABLE opinions (id TEXT PRIMARY KEY, owner TEXT NOT NULL, created_at TEXT NOT NULL, opinion TEXT NOT NULL)",
    ),
)
