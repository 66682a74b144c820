"""An SQLite file that is opened in WAL mode, brought up to date by migrations, and set aside when it is damaged.

Safe under threads, and under several processes. Knows nothing of what is kept in it: the library of tracks and the history
of takes both stand on it.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


class LibraryError(Exception):
    """The library cannot be read or written; the message is a sentence for the user."""


class Database:
    """The file at `path`, made when absent. `notice` tells the user of anything odd at opening, else "".

    A subclass says what it keeps:
    noun: what the user calls it.
    error: the exception raised when it cannot be read or written; its message is a sentence for the user.
    migrations: lists of statements, in order; the file's `user_version` says how many it has seen.
    remedy: what is not lost, and what to do, when it fails while in use.
    set_aside: what becomes of a damaged file; {name} is what it is called from then on.
    """

    noun: str
    error: type[Exception]
    migrations: tuple[tuple[str, ...], ...]
    remedy: str
    set_aside: str

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notice = ""
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = self._open()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) and "malformed" not in str(error):
                raise self.error(f"The {self.noun} {path} cannot be opened: {error}. Check its permissions.") from error
            self._keep_damaged()
            self._connection = self._open()
        except OSError as error:
            raise self.error(f"The {self.noun}'s folder {path.parent} cannot be made: {error.strerror}.") from error

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection, for this thread alone. Raises `error` when the file cannot be read or written."""
        with self._lock:
            try:
                yield self._connection
            except sqlite3.DatabaseError as error:
                raise self.error(self._failed(error)) from error

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: whole when the block ends, undone when it raises."""
        with self.reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def read(self, query: str, values: Any = ()) -> list[sqlite3.Row]:
        """The answer to a question in SQL that changes nothing."""
        with self.reading() as connection:
            return connection.execute(query, values).fetchall()

    def _failed(self, error: sqlite3.DatabaseError) -> str:
        if "full" in str(error):
            return f"The disk is full: the {self.noun} could not be written. Free some space and try again; what was kept stays."
        return f"The {self.noun} could not be read or written ({error}). {self.remedy}"

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None, timeout=30.0)
        try:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            if (verdict := connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
                raise sqlite3.DatabaseError(f"malformed: {verdict}")
            self._migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _migrate(self, connection: sqlite3.Connection) -> None:
        """Run the migrations this file has not seen, each whole or not at all."""
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > len(self.migrations):
            raise self.error(
                f"The {self.noun} {self.path} was written by a newer MusicGen Studio. Update the studio to open it."
            )
        for number in range(version, len(self.migrations)):
            connection.execute("BEGIN IMMEDIATE")
            try:
                if connection.execute("PRAGMA user_version").fetchone()[0] == number:
                    for statement in self.migrations[number]:
                        connection.execute(statement)
                    connection.execute(f"PRAGMA user_version = {number + 1}")
                connection.execute("COMMIT")
            except BaseException:
                connection.execute("ROLLBACK")
                raise

    def _keep_damaged(self) -> None:
        """Keep the damaged file under another name, so that a new one can be begun."""
        kept = self.path.with_name(f"{self.path.name}.damaged-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}")
        self.path.replace(kept)
        for suffix in ("-wal", "-shm"):
            beside = self.path.with_name(self.path.name + suffix)
            if beside.exists():
                beside.replace(kept.with_name(kept.name + suffix))
        self.notice = self.set_aside.format(name=kept.name)
