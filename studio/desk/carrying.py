"""Single files that are dragged off the desk: a strip, the mix, a loop, a part's notes, the project.

Made when they are first asked for and kept under what they were made from, so that a file dragged twice is there at once. Knows
nothing of pages or of who may fetch them.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from audio.io import encode, read_clip, written_whole
from studio.desk.errors import DeskError, NothingThere
from studio.desk.exports import EXPORTS, ExportOptions, name_of, tags_for
from studio.desk.items import Item
from studio.desk.jobs import Work
from studio.desk.notes import part_label
from studio.desk.projects import midi_of_item
from studio.exports import plain_file_name

if TYPE_CHECKING:
    from studio.desk.desk import Desk

CARRIED = ("strip", "midi", "mix", "loop", "project")
MEDIA = {".wav": "audio/wav", ".mid": "audio/midi", ".dawproject": "application/vnd.bitwig.dawproject"}
_FORMAT = "wav24"
_MOST_KEPT = 32


def carried(
    desk: Desk,
    item: Item,
    what: str,
    *,
    part: str = "",
    start_seconds: float | None = None,
    end_seconds: float | None = None,
) -> Path:
    """The file, named for people: title, part, tempo and key. part: of a strip or of notes ("" for all notes).

    Raises DeskError, NothingThere for a part that is not there.
    """
    if what not in CARRIED:
        raise NothingThere(f"There is no “{what}” to carry off here.")
    try:
        return _midi(desk, item, part) if what == "midi" else _sound(desk, item, what, part, start_seconds, end_seconds)
    except OSError as error:
        raise DeskError(f"The file could not be written: {error.strerror or error}. Free some space.") from error


def _midi(desk: Desk, item: Item, part: str) -> Path:
    """Notes are quickly written, so they are written anew; what they hold says where they are kept."""
    if part and part not in desk.sheet(item).parts.names:
        raise NothingThere(f"There is no part called “{part}” here.")
    data = midi_of_item(desk, item, [part] if part else [])
    path = _place(item, hashlib.sha256(data).hexdigest()) / f"{_called(desk, item, part)}.mid"
    if not path.is_file():
        with written_whole(path) as draft:
            draft.write_bytes(data)
    return path


def _sound(desk: Desk, item: Item, what: str, part: str, start: float | None, end: float | None) -> Path:
    mix = desk.sheet(item).page.mix
    source = desk.strip_path(item, mix, part) if what == "strip" else item.audio_path
    known = f"{what}:{part}:{start}:{end}:{_called(desk, item, part)}:{source}:{source.stat().st_mtime_ns}"
    if what != "strip":
        known += mix.model_dump_json()
    folder = _place(item, hashlib.sha256(known.encode()).hexdigest())
    if made := next((path for path in folder.iterdir() if path.suffix in MEDIA), None):
        made.touch()
        folder.touch()
        return made
    if what == "strip":
        path = folder / f"{_called(desk, item, part)}.wav"
        tags = tags_for(item, mix, part=part_label(part)) if desk.studio.settings.embed_provenance else None
        with written_whole(path) as draft:
            draft.write_bytes(encode(read_clip(source), format=_FORMAT, tags=tags))
        return path
    options = ExportOptions(
        what=what, format="dawproject" if what == "project" else _FORMAT, start_seconds=start, end_seconds=end
    )
    unseen = Work(owner=item.owner, kind="export", label="", source=item.source)
    return EXPORTS[what].write(desk, item, options, unseen, folder)[0]


def _called(desk: Desk, item: Item, part: str) -> str:
    label = plain_file_name(part_label(part)) if part else ""
    return f"{name_of(desk, item)} – {label}" if label else name_of(desk, item)


def _place(item: Item, mark: str) -> Path:
    """A folder for one file; the oldest others make room, but not under a download."""
    home = item.folder / "carried"
    folder = home / mark[:32]
    if not folder.is_dir():
        folder.mkdir(parents=True)
        others = sorted((each for each in home.iterdir() if each.is_dir()), key=lambda each: each.stat().st_mtime)
        for old in others[: max(0, len(others) - _MOST_KEPT)]:
            if time.time() - old.stat().st_mtime > 600:
                shutil.rmtree(old, ignore_errors=True)
    return folder
