"""A mix on the disk, with the steps before and after it: saved whole at every change, undone and redone.

Knows nothing of what a mix sounds like.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from audio.io import written_whole
from studio.desk.errors import MixError
from studio.desk.mix import Mix

MOST_STEPS = 60


class Page(BaseModel):
    """What the file holds: the mix, the ones before it (the last is the nearest), and those undone (the last is next)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    mix: Mix
    before: tuple[Mix, ...] = ()
    undone: tuple[Mix, ...] = ()


class MixBook:
    """One mix's file. `start` is the mix of a sound that has none yet."""

    def __init__(self, path: Path, *, start: Mix) -> None:
        self._path, self._start = path, start

    @property
    def page(self) -> Page:
        """The mix and its steps. A file that cannot be read is set aside, and the desk begins anew."""
        try:
            return Page.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return Page(mix=self._start)
        except (OSError, ValidationError):
            self._path.replace(self._path.with_suffix(".unreadable.json"))
            return Page(mix=self._start)

    def settle(self) -> None:
        """Write the first mix down, so that it can be come back to whatever is laid on the desk next."""
        if not self._path.exists():
            self._write(Page(mix=self._start))

    def save(self, mix: Mix) -> Page:
        """The next step; what was undone is forgotten. Raises MixError when the disk refuses."""
        page = self.page
        if mix == page.mix:
            return page
        return self._write(Page(mix=mix, before=(*page.before, page.mix)[-MOST_STEPS:]))

    def undo(self) -> Page:
        """One step back, if there is one."""
        page = self.page
        if not page.before:
            return page
        return self._write(Page(mix=page.before[-1], before=page.before[:-1], undone=(*page.undone, page.mix)))

    def redo(self) -> Page:
        """One step forward again, if there is one."""
        page = self.page
        if not page.undone:
            return page
        return self._write(Page(mix=page.undone[-1], before=(*page.before, page.mix), undone=page.undone[:-1]))

    def _write(self, page: Page) -> Page:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(self._path) as part:
                part.write_text(json.dumps(page.model_dump(mode="json")))
        except OSError as error:
            raise MixError(f"The mix could not be saved: {error.strerror or error}. Free some space.") from error
        return page
