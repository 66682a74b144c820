"""The library: every track of the user's own music that was ever imported, in SQLite.

With the files it is the truth; the vector store is only an index over it and can be built again from the vectors kept
here. Safe under threads. Knows nothing of how a track is heard or found.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rag.database import Database, LibraryError
from rag.features import Features
from rag.filters import EVERYTHING, Filters
from rag.text import folded
from rag.track_schema import MIGRATIONS

__all__ = ["LibraryError", "State", "Track", "Tracks"]

State = Literal["present", "gone", "broken"]
_ORDERS = {
    "added": "added_at DESC, id DESC", "title": "reading(title, path), id",
    "artist": "artist = '', reading(artist, ''), reading(title, path), id",
    "tempo": "tempo_bpm, id", "key": "key, id", "energy": "energy, id", "year": "year IS NULL, year, id", "seconds": "seconds, id",
    "id": "id",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Track:
    """One piece of music. id: 0 until it is in the library.

    hash: of the file's bytes. take_id: set for the studio's own takes; owner: whose take it is ("" the studio's user).
    state: present, gone (the file is not there any more) or broken (`reason` says why, as a sentence). genre_tags: what
    the file says of itself. genre, moods: what the studio makes of it, `genre_by` and `moods_by` the tier that said so:
    "tags", "folder", "rules", "clap", "take" or "" for nothing. description: words it can be found by. heard_by: identity of the
    analysis behind `features`.
    """

    path: str
    hash: str = ""
    size: int = 0
    mtime_ns: int = 0
    state: State = "present"
    reason: str = ""
    take_id: str | None = None
    owner: str = ""
    title: str = ""
    artist: str = ""
    album: str = ""
    year: int | None = None
    genre_tags: tuple[str, ...] = ()
    description: str = ""
    seconds: float = 0.0
    sample_rate_hz: int = 0
    channels: int = 0
    features: Features | None = None
    genre: str = ""
    genre_by: str = ""
    moods: tuple[str, ...] = ()
    moods_by: str = ""
    heard_by: str = ""
    added_at: datetime | None = None
    id: int = 0

    @property
    def label(self) -> str:
        """“Artist – Title”, or the file's name when it has no title."""
        title = self.title or Path(self.path).stem
        return f"{self.artist} – {title}" if self.artist else title


class Tracks(Database):
    """The library at `path`, made when absent. `notice` tells the user of anything odd at opening, else ""."""

    noun = "library"
    error = LibraryError
    migrations = MIGRATIONS
    remedy = "Restart the studio and try again."
    set_aside = (
        "The library was damaged and was set aside as {name}. Your music is untouched: import its folders again."
    )

    def _open(self) -> sqlite3.Connection:
        connection = super()._open()
        connection.create_function("reading", 2, _reading, deterministic=True)
        return connection

    # ------------------------------------------------------------------------------------------------ tracks

    def add(
        self,
        track: Track,
        *,
        vectors: Mapping[tuple[str, str], np.ndarray] | None = None,
        fingerprint: bytes | None = None,
    ) -> Track:
        """Put a track in, or write the one at its path anew, with what was heard in it: all in one commit.

        vectors: by (model identity, name), each (width,) or (windows, width); kept as half floats. Returns the track
        with its id.
        """
        with self.writing() as connection:
            return self._put(connection, track, vectors, fingerprint)

    def update(self, track_id: int, **changes: Any) -> Track:
        """Change fields of a track. Raises LibraryError when there is no such track."""
        with self.writing() as connection:
            return self._put(connection, replace(self._known(track_id), **changes), None, None)

    def get(self, track_id: int, *, owner: str | None = None) -> Track | None:
        """The track, or None when there is none (or it is another owner's)."""
        rows = self.read("SELECT * FROM tracks WHERE id = ? AND (? IS NULL OR owner = ?)", (track_id, owner, owner))
        return _track(rows[0]) if rows else None

    def many(self, track_ids: Iterable[int]) -> dict[int, Track]:
        """Those of the tracks that are there, by id."""
        found: dict[int, Track] = {}
        ids = list(track_ids)
        for start in range(0, len(ids), 500):
            some = ids[start : start + 500]
            rows = self.read(f"SELECT * FROM tracks WHERE id IN ({', '.join('?' * len(some))})", some)
            found |= {row["id"]: _track(row) for row in rows}
        return found

    def by_path(self, path: str | Path) -> Track | None:
        rows = self.read("SELECT * FROM tracks WHERE path = ?", (str(path),))
        return _track(rows[0]) if rows else None

    def takes(self) -> dict[str, tuple[int, str]]:
        """The studio's own takes in the library, (id, state) by take id."""
        rows = self.read("SELECT take_id, id, state FROM tracks WHERE take_id IS NOT NULL")
        return {row["take_id"]: (row["id"], row["state"]) for row in rows}

    def listing(
        self,
        filters: Filters = EVERYTHING,
        *,
        words: str = "",
        state: State | None = "present",
        order: str = "added",
        limit: int = 50,
        offset: int = 0,
    ) -> list[Track]:
        """A page of tracks. words: each must begin a word of title, artist, album, path, tags or description.

        order: added (newest first), title, artist, tempo, key, energy, year, seconds or id.
        """
        clause, values = self._where(filters, words, state)
        rows = self.read(
            f"SELECT * FROM tracks WHERE {clause} ORDER BY {_ORDERS[order]} LIMIT ? OFFSET ?", (*values, limit, offset)
        )
        return [_track(row) for row in rows]

    def count(self, filters: Filters = EVERYTHING, *, words: str = "", state: State | None = "present") -> int:
        clause, values = self._where(filters, words, state)
        return int(self.read(f"SELECT count(*) AS n FROM tracks WHERE {clause}", values)[0]["n"])

    def stream(
        self, filters: Filters = EVERYTHING, *, state: State | None = "present", at_a_time: int = 500
    ) -> Iterator[Track]:
        """Every track by id, a few hundred in memory at once; the library may change meanwhile."""
        clause, values = self._where(filters, "", state)
        last = 0
        while rows := self.read(
            f"SELECT * FROM tracks WHERE {clause} AND id > ? ORDER BY id LIMIT ?", (*values, last, at_a_time)
        ):
            yield from (_track(row) for row in rows)
            last = rows[-1]["id"]

    def ids(self, filters: Filters = EVERYTHING, *, words: str = "", state: State | None = "present") -> list[int]:
        clause, values = self._where(filters, words, state)
        return [row["id"] for row in self.read(f"SELECT id FROM tracks WHERE {clause} ORDER BY id", values)]

    def mark_gone(self, track_ids: Iterable[int]) -> None:
        """Note that the files are not there any more; what was heard in them is kept."""
        with self.writing() as connection:
            connection.executemany("UPDATE tracks SET state = 'gone' WHERE id = ?", [(each,) for each in track_ids])

    def forget(self, track_ids: Iterable[int]) -> None:
        """Drop tracks from the library for good; their files stay."""
        with self.writing() as connection:
            for track_id in track_ids:
                for table, column in (("vectors", "track_id"), ("fingerprints", "track_id"), ("track_words", "rowid")):
                    connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (track_id,))
                connection.execute("DELETE FROM tracks WHERE id = ?", (track_id,))

    def known_files(self, under: str = "") -> dict[str, tuple[int, int, int, str]]:
        """What the library knows of the files under a folder: by path (id, size, mtime_ns, state)."""
        rows = self.read(
            "SELECT path, id, size, mtime_ns, state FROM tracks WHERE path >= ? AND path < ?",
            (under, under + "\U0010ffff"),
        )
        return {row["path"]: (row["id"], row["size"], row["mtime_ns"], row["state"]) for row in rows}

    def ids_under(self, folder: Path, *, state: State | None = None) -> list[int]:
        """Tracks whose files lie in a folder or below it; the studio's own takes are left out."""
        first = str(folder).rstrip(os.sep) + os.sep
        after = first[:-1] + chr(ord(os.sep) + 1)
        rows = self.read(
            "SELECT id FROM tracks WHERE path >= ? AND path < ? AND take_id IS NULL AND (? IS NULL OR state = ?)",
            (first, after, state, state),
        )
        return [row["id"] for row in rows]

    def heard_otherwise(self, analysis: str) -> list[int]:
        """Tracks whose figures come of another analysis than this."""
        return [
            row["id"] for row in self.read("SELECT id FROM tracks WHERE heard_by <> ? AND heard_by <> ''", (analysis,))
        ]

    # ----------------------------------------------------------------------------- what was heard, as vectors

    def vectors(self, track_ids: Iterable[int], model: str, name: str) -> dict[int, np.ndarray]:
        """A kind of vector of these tracks, float32, (width,) or (windows, width); those that have one."""
        found: dict[int, np.ndarray] = {}
        ids = list(track_ids)
        for start in range(0, len(ids), 500):
            some = ids[start : start + 500]
            rows = self.read(
                f"SELECT track_id, width, data FROM vectors WHERE model = ? AND name = ? AND track_id IN "
                f"({', '.join('?' * len(some))})",
                (model, name, *some),
            )
            found |= {row["track_id"]: _unpacked(row) for row in rows}
        return found

    def add_vectors(self, track_id: int, vectors: Mapping[tuple[str, str], np.ndarray]) -> None:
        """Keep more vectors of a track, by (model identity, name)."""
        with self.writing() as connection:
            _put_vectors(connection, track_id, vectors)

    def without_vector(self, model: str, name: str, filters: Filters = EVERYTHING) -> list[int]:
        """Present tracks that this model has not yet heard."""
        clause, values = self._where(filters, "", "present")
        rows = self.read(
            f"SELECT id FROM tracks WHERE {clause} AND features IS NOT NULL AND NOT EXISTS (SELECT 1 FROM vectors "
            "WHERE track_id = tracks.id AND model = ? AND name = ?) ORDER BY id",
            (*values, model, name),
        )
        return [row["id"] for row in rows]

    def fingerprint(self, track_id: int) -> bytes | None:
        rows = self.read("SELECT print FROM fingerprints WHERE track_id = ?", (track_id,))
        return bytes(rows[0]["print"]) if rows else None

    # ----------------------------------------------------------------------------------------------- folders

    def add_folder(self, folder: Path, *, watched: bool = False) -> None:
        """Remember a folder that is imported from."""
        with self.writing() as connection:
            connection.execute(
                "INSERT INTO folders (path, added_at, watched) VALUES (?, ?, ?) "
                "ON CONFLICT (path) DO UPDATE SET watched = excluded.watched",
                (str(folder), datetime.now(UTC).isoformat(), watched),
            )

    def folders(self) -> dict[Path, bool]:
        """The folders imported from, and whether each is watched."""
        return {Path(row["path"]): bool(row["watched"]) for row in self.read("SELECT * FROM folders ORDER BY path", ())}

    def forget_folder(self, folder: Path) -> None:
        with self.writing() as connection:
            connection.execute("DELETE FROM folders WHERE path = ?", (str(folder),))

    # ---------------------------------------------------------------------------------------------- the rest

    def _known(self, track_id: int) -> Track:
        track = self.get(track_id)
        if track is None:
            raise LibraryError("There is no such track in the library.")
        return track

    def _put(
        self,
        connection: sqlite3.Connection,
        track: Track,
        vectors: Mapping[tuple[str, str], np.ndarray] | None,
        fingerprint: bytes | None,
    ) -> Track:
        if track.added_at is None:
            track = replace(track, added_at=datetime.now(UTC))
        row = _row(track)
        held = [name for name in row if name not in ("id", "added_at")]
        named = list(row) if track.id else [name for name in row if name != "id"]
        target = "id" if track.id else "path"
        found = connection.execute(
            f"INSERT INTO tracks ({', '.join(named)}) VALUES ({', '.join('?' * len(named))}) ON CONFLICT ({target}) "
            f"DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in held)} RETURNING id",
            [row[name] for name in named],
        ).fetchone()
        track = replace(track, id=found["id"])
        connection.execute("DELETE FROM track_words WHERE rowid = ?", (track.id,))
        tags = " ".join((*track.genre_tags, track.genre.replace("_", " "), *track.moods))
        connection.execute(
            "INSERT INTO track_words (rowid, title, artist, album, path, tags, description) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (track.id, track.title, track.artist, track.album, track.path, tags, track.description),
        )
        _put_vectors(connection, track.id, vectors or {})
        if fingerprint is not None:
            connection.execute("INSERT OR REPLACE INTO fingerprints VALUES (?, ?)", (track.id, fingerprint))
        return track

    def _where(self, filters: Filters, words: str, state: State | None) -> tuple[str, list[Any]]:
        clause, values = filters.sql()
        if state is not None:
            clause += " AND state = ?"
            values.append(state)
        if words.strip():
            wanted = " ".join(f'"{word}"*' for word in re.findall(r"\w+", words))
            clause += " AND id IN (SELECT rowid FROM track_words WHERE track_words MATCH ?)" if wanted else " AND 0"
            values += [wanted] if wanted else []
        return clause, values


def _reading(name: str, path: str) -> str:
    """What a list is ordered by: the name, or the file's when there is none, without accents and case."""
    return folded(name or Path(path).stem)


def _put_vectors(connection: sqlite3.Connection, track_id: int, vectors: Mapping[tuple[str, str], np.ndarray]) -> None:
    for (model, name), vector in vectors.items():
        packed = np.atleast_2d(vector).astype("<f2")
        width = -packed.shape[1] if np.ndim(vector) == 2 else packed.shape[1]
        connection.execute(
            "INSERT OR REPLACE INTO vectors (track_id, model, name, width, data) VALUES (?, ?, ?, ?, ?)",
            (track_id, model, name, width, packed.tobytes()),
        )


def _unpacked(row: sqlite3.Row) -> np.ndarray:
    flat = np.frombuffer(row["data"], "<f2").astype(np.float32)
    return flat.reshape(-1, -row["width"]) if row["width"] < 0 else flat


def _row(track: Track) -> dict[str, Any]:
    row = {each.name: getattr(track, each.name) for each in fields(Track)}
    heard = track.features
    row |= {
        "genre_tags": json.dumps(track.genre_tags), "moods": json.dumps(track.moods),
        "added_at": (track.added_at or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="microseconds"),
        "features": json.dumps(heard.as_dict()) if heard else None, "tempo_bpm": heard.tempo_bpm if heard else None,
        "key": heard.key if heard else None, "energy": heard.energy if heard else None,
    }  # fmt: skip
    return row


def _track(row: sqlite3.Row) -> Track:
    values = {each.name: row[each.name] for each in fields(Track)}
    values |= {
        "genre_tags": tuple(json.loads(row["genre_tags"])), "moods": tuple(json.loads(row["moods"])),
        "added_at": datetime.fromisoformat(row["added_at"]),
        "features": Features.from_dict(json.loads(row["features"])) if row["features"] else None,
    }  # fmt: skip
    return Track(**values)
