"""A data set on disk: pieces of sound with their words, in one manifest that its user may edit.

A folder holds `manifest.jsonl` (a line a segment), `dataset.json` (where it came from, its licence, its trigger
word), `audio/` and, once computed, `codes/`. Knows nothing of how segments are cut or of models.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from audio.io import written_whole
from studio.training.errors import DataSetError, why

MANIFEST, FACTS, AUDIO = "manifest.jsonl", "dataset.json", "audio"
LONGEST_CAPTION = 1_000
# "metadata agent": worded by its language model; "metadata agent, built-in": by its rules.
CaptionBy = Literal[
    "sidecar", "tags", "library", "analysis", "metadata agent", "metadata agent, built-in", "plan", "you"
]
_ID = re.compile(r"[0-9a-z][0-9a-z\-]{0,79}")


class Segment(BaseModel):
    """One piece of a track. file: its sound, in the data set's folder. held_out: listened to, never learned from.

    real: the share of it that is sound, 0 to 1. caption: without the trigger word, which is added when it is used.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=_ID.pattern)
    track: str = Field(min_length=1, max_length=300)
    file: str = Field(min_length=1, max_length=200)
    start_seconds: float = Field(ge=0.0)
    seconds: float = Field(gt=0.0, le=30.5)
    real: float = Field(default=1.0, ge=0.0, le=1.0)
    caption: str = Field(default="", max_length=LONGEST_CAPTION)
    caption_by: CaptionBy = "you"
    held_out: bool = False


class DataSetFacts(BaseModel):
    """What a data set says of itself. sources: the tracks' names. dropped: "what: why", of what was left out."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    trigger: str = ""
    licence: str = ""
    vocals_removed: bool = False
    sources: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set as it lies in its folder."""

    folder: Path
    facts: DataSetFacts
    segments: tuple[Segment, ...]

    @property
    def train(self) -> tuple[Segment, ...]:
        return tuple(segment for segment in self.segments if not segment.held_out)

    @property
    def held_out(self) -> tuple[Segment, ...]:
        return tuple(segment for segment in self.segments if segment.held_out)

    @property
    def tracks(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(segment.track for segment in self.segments))

    @property
    def seconds(self) -> float:
        return sum(segment.seconds for segment in self.segments)

    def words(self, segment: Segment) -> str:
        """What the model hears with a segment: the trigger word, then its caption."""
        caption, trigger = segment.caption.strip(), self.facts.trigger.strip()
        if not trigger or trigger.lower() in caption.lower():
            return caption
        return f"{trigger}, {caption}" if caption else trigger

    def audio_path(self, segment: Segment) -> Path:
        return self.folder / segment.file

    def summary(self) -> dict[str, Any]:
        """What an adapter and every take made with it keep of what it was trained on."""
        return {
            "name": self.facts.name,
            "tracks": len(self.tracks),
            "segments": len(self.segments),
            "held_out_segments": len(self.held_out),
            "minutes": round(self.seconds / 60, 1),
            "trigger": self.facts.trigger,
            "licence": self.facts.licence or "not stated",
            "vocals_removed": self.facts.vocals_removed,
            "sources": list(self.tracks[:50]),
        }


def read_data_set(folder: Path) -> DataSet:
    """A data set from its folder; raises DataSetError naming the line and what is wrong with it."""
    return DataSet(folder, _read_facts(folder), read_manifest(folder / MANIFEST))


def read_manifest(path: Path) -> tuple[Segment, ...]:
    """The segments of a manifest that may have been edited by hand; raises DataSetError."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataSetError(f"The manifest in “{path.parent.name}” cannot be read: build the data set again.") from error
    segments = [_segment(line, number, path) for number, line in enumerate(lines, 1) if line.strip()]
    ids = [segment.id for segment in segments]
    if twice := sorted({one for one in ids if ids.count(one) > 1} if len(set(ids)) < len(ids) else ()):
        raise DataSetError(f"The manifest names the segment {twice[0]} twice: delete one of the two lines.")
    if not segments:
        raise DataSetError(f"The manifest in “{path.parent.name}” has no segments left: build the data set again.")
    torn = _tracks_on_both_sides(segments)
    if torn:
        raise DataSetError(
            f"The track “{torn[0]}” is both learned from and held out, so the held-out loss would say nothing: "
            "give all its segments the same held_out."
        )
    return tuple(segments)


def check_data_set(data_set: DataSet) -> None:
    """Raise DataSetError when there is nothing to learn from, or a segment's sound is gone."""
    if not data_set.train:
        raise DataSetError("Every segment is held out, so there is nothing to learn from: clear held_out for some.")
    gone = [segment.file for segment in data_set.segments if not data_set.audio_path(segment).is_file()]
    if gone:
        more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
        raise DataSetError(f"The sound “{gone[0]}”{more} is gone from the data set: build it again.")


def write_manifest(folder: Path, segments: Sequence[Segment]) -> None:
    """Write the manifest, whole or not at all; raises DataSetError."""
    text = "".join(segment.model_dump_json() + "\n" for segment in segments)
    try:
        with written_whole(folder / MANIFEST) as part:
            part.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DataSetError(f"The manifest could not be written ({why(error)}): make room and try again.") from error


def write_facts(folder: Path, facts: DataSetFacts) -> None:
    """Write what the data set says of itself, whole or not at all."""
    with written_whole(folder / FACTS) as part:
        part.write_text(facts.model_dump_json(indent=1), encoding="utf-8")


def _read_facts(folder: Path) -> DataSetFacts:
    try:
        return DataSetFacts.model_validate_json((folder / FACTS).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataSetError(f"“{folder.name}” is no data set: build one first.") from error
    except (OSError, ValueError) as error:
        raise DataSetError(f"“{folder.name}/{FACTS}” cannot be read: build the data set again.") from error


def _segment(line: str, number: int, path: Path) -> Segment:
    try:
        segment = Segment.model_validate(json.loads(line))
    except json.JSONDecodeError as error:
        raise DataSetError(f"Line {number} of the manifest is not JSON ({error.msg}): mend or delete it.") from error
    except ValidationError as wrong:
        first = wrong.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the line"
        raise DataSetError(f"Line {number} of the manifest: “{place}” will not do ({first['msg']}).") from wrong
    if not (path.parent / segment.file).resolve().is_relative_to(path.parent.resolve()):
        raise DataSetError(f"Line {number} of the manifest names a file outside the data set: {segment.file}.")
    return segment


def _tracks_on_both_sides(segments: Sequence[Segment]) -> list[str]:
    sides: dict[str, set[bool]] = {}
    for segment in segments:
        sides.setdefault(segment.track, set()).add(segment.held_out)
    return [track for track, both in sides.items() if len(both) > 1]
