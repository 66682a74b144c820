"""Defaults that move to what is liked, once there is evidence, in sight and reversibly.

Kept in one small file. A default moved is shown with its counts; taken back, that value is not offered again. Knows
nothing of how trends are found or of pages.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from audio.io import written_whole
from studio.history.trends import Trends

# The Generate tab's fields that may move, by the aspect that tells of them.
MOVES: dict[str, tuple[str, Callable[[str], Any]]] = {
    "engine": ("engine", str),
    "guidance": ("guidance", float),
    "temperature": ("temperature", float),
}


class MovedDefault(BaseModel):
    """A field's default that moved. because: the counts in a sentence. before: values it had earlier, newest last."""

    model_config = ConfigDict(frozen=True)

    field: str
    value: Any
    because: str
    since: datetime
    before: tuple[Any, ...] = ()


class _Kept(BaseModel):
    version: int = 1
    moved: dict[str, MovedDefault] = {}
    declined: dict[str, list[Any]] = {}


class Defaults:
    """The moved defaults at `path`. Thread-safe. A file that cannot be read counts as none and is left alone."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._kept = _read(path)

    def current(self) -> dict[str, MovedDefault]:
        """What has moved, by field."""
        with self._lock:
            return dict(self._kept.moved)

    def learn(self, found: Trends) -> dict[str, MovedDefault]:
        """Move what the trends speak for; returns what moved now. A value once taken back stays taken back."""
        moved = {}
        with self._lock:
            for trend in found.found:
                if trend.aspect not in MOVES or trend.leans != "liked":
                    continue
                field, read = MOVES[trend.aspect]
                value, now = read(trend.value), self._kept.moved.get(field)
                if field in moved or value in self._kept.declined.get(field, []) or (now and now.value == value):
                    continue
                before = (*now.before, now.value) if now else ()
                moved[field] = MovedDefault(
                    field=field, value=value, because=trend.sentence, since=datetime.now(UTC), before=before
                )
            if moved:
                self._write(self._kept.model_copy(update={"moved": {**self._kept.moved, **moved}}))
        return moved

    def take_back(self, field: str) -> None:
        """The factory's default again; this value is not offered once more."""
        with self._lock:
            gone = self._kept.moved.get(field)
            if gone is None:
                return
            moved = {name: each for name, each in self._kept.moved.items() if name != field}
            declined = {**self._kept.declined, field: [*self._kept.declined.get(field, []), gone.value]}
            self._write(_Kept(moved=moved, declined=declined))

    def reread(self) -> None:
        """Look at the file again, after an archive brought one."""
        with self._lock:
            self._kept = _read(self.path)

    def _write(self, kept: _Kept) -> None:
        with written_whole(self.path) as part:
            part.write_text(kept.model_dump_json(indent=1), "utf-8")
        self._kept = kept


def _read(path: Path) -> _Kept:
    try:
        return _Kept.model_validate(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, ValidationError):
        return _Kept()
