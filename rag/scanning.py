"""Which sound files lie in folders, looked for without being caught in a loop of links. Knows nothing of a library."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

# What libsndfile reads, and what pedalboard adds where the system can.
SUFFIXES = frozenset(
    [
        ".wav",
        ".flac",
        ".mp3",
        ".ogg",
        ".oga",
        ".opus",
        ".aif",
        ".aiff",
        ".aifc",
        ".au",
        ".snd",
        ".caf",
        ".w64",
        ".rf64",
        ".m4a",
        ".aac",
        ".wma",
        ".mp2",
        ".voc",
    ]
)


@dataclass(frozen=True, slots=True)
class Found:
    """A sound file. path: absolute, as it was reached."""

    path: str
    size: int
    mtime_ns: int


@dataclass(slots=True)
class Scan:
    """What a walk through folders met. unreadable: sentences; closed: the folders that could not be read."""

    unreadable: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)

    def walk(
        self,
        places: Iterable[Path],
        *,
        leave_out: Iterable[Path] = (),
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Iterator[Found]:
        """Every sound file in these folders and below, and those named themselves, each once.

        Hidden names are passed over. A folder reached twice, through a link or otherwise, is entered once.
        """
        seen: set[tuple[int, int]] = set()
        for each in leave_out:
            try:
                stat = each.stat()
            except OSError:
                continue
            seen.add((stat.st_dev, stat.st_ino))
        given: set[str] = set()
        waiting = [str(place.expanduser().absolute()) for place in reversed(list(places))]
        while waiting and not cancelled():
            place = waiting.pop()
            if Path(place).is_file():
                if place not in given and (found := self._file(place)):
                    given.add(place)
                    yield found
                continue
            folders, files = self._list(place, seen)
            waiting += reversed(folders)
            for found in files:
                if found.path not in given:
                    given.add(found.path)
                    yield found

    def _file(self, path: str) -> Found | None:
        try:
            stat = Path(path).stat()
        except OSError as error:
            self.unreadable.append(f"{path} could not be read: {error.strerror or error}.")
            return None
        return Found(path, stat.st_size, stat.st_mtime_ns)

    def _list(self, place: str, seen: set[tuple[int, int]]) -> tuple[list[str], list[Found]]:
        folders: list[str] = []
        files: list[Found] = []
        try:
            stat = os.stat(place)  # noqa: PTH116 - a hundred thousand Paths take seconds
            if (stat.st_dev, stat.st_ino) in seen:
                return [], []
            seen.add((stat.st_dev, stat.st_ino))
            with os.scandir(place) as entries:
                for entry in entries:
                    if not entry.name.startswith("."):
                        self._sort_in(entry, folders, files)
        except OSError as error:
            self.unreadable.append(f"The folder {place} could not be read: {error.strerror or error}.")
            self.closed.append(place)
        return sorted(folders), sorted(files, key=lambda found: found.path)

    def _sort_in(self, entry: os.DirEntry[str], folders: list[str], files: list[Found]) -> None:
        try:
            if entry.is_dir():
                folders.append(entry.path)
            elif os.path.splitext(entry.name)[1].lower() in SUFFIXES and entry.is_file():  # noqa: PTH122
                stat = entry.stat()
                files.append(Found(entry.path, stat.st_size, stat.st_mtime_ns))
        except OSError as error:
            self.unreadable.append(f"{entry.path} could not be read: {error.strerror or error}.")


def overlaps(place: str, folder: str) -> bool:
    """True when the place is the folder or lies in it."""
    return place == folder or place.startswith(folder.rstrip(os.sep) + os.sep)
