"""An SQLite file that is opened in WAL mode, brought up to date by migrations, and set aside when it is damaged.

Safe under threads, and under several processes. Knows nothing of what is kept in it.
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

    migrations: lists of statements, in order; the file's `user_version` says how many it has seen.
    """

    migrations: tuple[tuple[str, ...], ...] = ()

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notice = ""
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = self._open()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) and "malformed" not in str(error):
                raise LibraryError(f"The library {path} cannot be opened: {error}. Check its permissions.") from error
            self._set_aside()
            self._connection = self._open()
        except OSError as error:
            raise LibraryError(f"The library's folder {path.parent} cannot be made: {error.strerror}.") from error

    def close(self) -> None:
        with self._lock:
            self._connection.close()

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
            raise LibraryError(
                f"The library {self.path} was written by a newer MusicGen Studio. Update the studio to open it."
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

    def _set_aside(self) -> None:
        """Keep the damaged file under another name and begin a new one."""
        kept = self.path.with_name(f"{self.path.name}.damaged-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}")
        self.path.replace(kept)
        for suffix in ("-wal", "-shm"):
            beside = self.path.with_name(self.path.name + suffix)
            if beside.exists():
                beside.replace(kept.with_name(kept.name + suffix))
        self.notice = f"The library was damaged and was set aside as {kept.name}. Your music is untouched: import its folders again."

    def read(self, query: str, values: Any = ()) -> list[sqlite3.Row]:
        """The answer to a question in SQL that changes nothing."""
        return self._rows(query, values)

    def _rows(self, query: str, values: Any = ()) -> list[sqlite3.Row]:
        with self._guarded() as connection:
            return connection.execute(query, values).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._guarded() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _guarded(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._connection
            except sqlite3.DatabaseError as error:
                raise LibraryError(
                    "The disk is full: the library could not be written. Free some space; what was imported is kept."
                    if "full" in str(error)
                    else f"The library could not be read or written ({error}). Restart the studio and try again."
                ) from error
