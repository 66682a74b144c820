"""From sounds to a data set: read, cut, near-duplicates dropped, captioned, split by track, written whole.

Sources are files, folders, takes and, where there is one, tracks of the library. What cannot be used is left out and
said; a data set without anything to learn from is an error. Knows nothing of codes or of models.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from agents.answers import Answer
from agents.types import SongPlan
from audio.clip import Clip
from audio.folders import PART
from audio.io import AudioError, read_clip, write_clip
from studio.training.captions import Caption, Wording, caption_of_file, caption_of_plan, sidecar
from studio.training.cutting import LEAST_REAL, LEAST_SECONDS, SEGMENT_SECONDS, Cut, cuts, duplicates, fingerprint
from studio.training.errors import DataSetError, why
from studio.training.manifest import (
    AUDIO,
    CaptionBy,
    DataSet,
    DataSetFacts,
    Segment,
    read_data_set,
    write_facts,
    write_manifest,
)

SOUNDS = frozenset({".wav", ".flac", ".mp3", ".ogg", ".aif", ".aiff", ".m4a"})
RATE_HZ = 32_000  # MusicGen's
LONGEST_TRACK_SECONDS = 3_600.0
HELD_OUT_SHARE = 0.1
Progress = Callable[[str, float], None]
_NAME = re.compile(r"[\w][\w .\-]{0,59}")


@dataclass(frozen=True, slots=True)
class Source:
    """A track to learn from: a file, and what is known of it. plan: of a take. caption: beats all but a sidecar."""

    path: Path
    name: str
    plan: SongPlan | None = None
    caption: str = ""
    caption_by: CaptionBy = "library"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a data set is made of its sources. held_out_share: of the tracks; one at least, where there are two.

    without_vocals: takes a clip and gives it back without singing. wording, describe: the metadata agent, for sounds of
    which nothing is known, and for takes; None leaves the first out and the second to its rules.
    """

    name: str
    trigger: str = ""
    licence: str = ""
    segment_seconds: float = SEGMENT_SECONDS
    least_real: float = LEAST_REAL
    held_out_share: float = HELD_OUT_SHARE
    seed: int = 0
    without_vocals: Callable[[Clip], Clip] | None = None
    wording: Wording | None = None
    describe: Callable[[SongPlan], Answer[Any]] | None = None


@dataclass(slots=True)
class _Draft:
    """A data set being made, in a folder beside its place."""

    folder: Path
    segments: list[Segment] = field(default_factory=list)
    prints: list[np.ndarray] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    worded: dict[str, list[str]] = field(default_factory=dict)  # by whom, which tracks


def sources_in(folder: Path) -> list[Source]:
    """Every sound file in a folder and below it, by name; raises DataSetError when there is none."""
    if not folder.is_dir():
        raise DataSetError(f"There is no folder “{folder}”: choose one with sound files in it.")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SOUNDS and path.is_file())
    found = [Source(path, path.relative_to(folder).as_posix()) for path in files if not path.name.startswith(".")]
    if not found:
        raise DataSetError(f"There are no sound files in “{folder.name}”: use WAV, FLAC, MP3, OGG or AIFF.")
    return found


def build_data_set(
    sources: Sequence[Source],
    recipe: Recipe,
    *,
    into: Path,
    progress: Progress = lambda stage, fraction: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> DataSet:
    """Make a data set in the folder `into`/name, whole or not at all.

    Raises DataSetError for a name that is taken, when nothing can be learned from the sources, when the disk is full,
    or when it was stopped.
    """
    place = _place(into, recipe.name)
    if not sources:
        raise DataSetError("There is nothing to build from: choose a folder, files or takes first.")
    draft = _Draft(into / f"{PART}{secrets.token_hex(6)}")
    try:
        (draft.folder / AUDIO).mkdir(parents=True)
        for number, source in enumerate(sources):
            if cancelled():
                raise DataSetError("Stopped: no data set was made.")
            progress(f"reading {source.name}", number / len(sources))
            _add(draft, source, recipe)
        progress("looking for near-duplicates", 0.97)
        _drop_duplicates(draft)
        _finish(draft, recipe)
        draft.folder.replace(place)
    except OSError as error:
        raise DataSetError(
            f"The data set could not be written ({why(error)}): make room, then build it again."
        ) from error
    finally:
        shutil.rmtree(draft.folder, ignore_errors=True)
    return read_data_set(place)


def split_by_track(tracks: Iterable[str], *, share: float, seed: int) -> frozenset[str]:
    """Which tracks are held out: a share of them, at least one where there are two, none of a single one.

    Decided by each track's name, so that adding a track moves few others across.
    """
    names = sorted(set(tracks))
    count = 0 if len(names) < 2 or share <= 0 else min(len(names) - 1, max(1, round(share * len(names))))
    return frozenset(sorted(names, key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest())[:count])


def _place(into: Path, name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise DataSetError(f"“{name}” cannot be a data set’s name: use letters, digits, spaces and hyphens.")
    place = into / name
    if place.exists():
        raise DataSetError(f"There is a data set “{name}” already: give this one another name, or delete that one.")
    return place


def _add(draft: _Draft, source: Source, recipe: Recipe) -> None:
    """Read a source and put its segments into the draft, or say why not."""
    try:
        clip = read_clip(source.path, max_seconds=LONGEST_TRACK_SECONDS)
    except AudioError as error:
        draft.dropped.append(f"{source.name}: {error}")
        return
    if recipe.without_vocals is not None:
        clip = recipe.without_vocals(clip)
    clip = _at_model_rate(clip)
    found = cuts(clip, segment_seconds=recipe.segment_seconds, least_real=recipe.least_real)
    if not found:
        short = clip.seconds < LEAST_SECONDS
        draft.dropped.append(f"{source.name}: {'it is too short' if short else 'it is silent, or mostly silent'}")
        return
    caption = _caption(source, clip, recipe)
    if caption.by in ("metadata agent", "metadata agent, built-in"):
        draft.worded.setdefault(caption.model or "its built-in rules", []).append(source.name)
    for cut in found:
        _keep(draft, source, clip, cut, caption)


def _keep(draft: _Draft, source: Source, clip: Clip, cut: Cut, caption: Caption) -> None:
    piece = clip.between(cut.start_seconds, cut.start_seconds + cut.seconds)
    named = hashlib.sha256(f"{source.name} {cut.start_seconds}".encode()).hexdigest()[:12]
    segment_id = f"{len(draft.segments):05d}-{named}"
    file = f"{AUDIO}/{segment_id}.flac"
    write_clip(draft.folder / file, piece, format="flac16")
    draft.prints.append(fingerprint(piece))
    draft.segments.append(
        Segment(
            id=segment_id, track=source.name[:300], file=file, start_seconds=cut.start_seconds, seconds=cut.seconds,
            real=cut.real, caption=caption.words, caption_by=caption.by,
        )
    )  # fmt: skip


def _caption(source: Source, clip: Clip, recipe: Recipe) -> Caption:
    if words := sidecar(source.path):
        return Caption(words, "sidecar")
    if source.caption:
        return Caption(source.caption, source.caption_by)
    if source.plan is not None:
        return caption_of_plan(source.plan, describe=recipe.describe)
    return caption_of_file(source.path, clip, wording=recipe.wording)


def _drop_duplicates(draft: _Draft) -> None:
    again = duplicates(draft.prints)
    for later, earlier in again.items():
        segment, first = draft.segments[later], draft.segments[earlier]
        (draft.folder / segment.file).unlink()
        draft.dropped.append(
            f"{segment.track} at {segment.start_seconds:.0f} s: the same music as {first.track} "
            f"at {first.start_seconds:.0f} s"
        )
    draft.segments = [segment for number, segment in enumerate(draft.segments) if number not in again]


def _finish(draft: _Draft, recipe: Recipe) -> None:
    """Split, and write the manifest and the facts."""
    if not draft.segments:
        first = f" ({draft.dropped[0]})" if draft.dropped else ""
        raise DataSetError(f"None of the tracks can be learned from{first}: choose others.")
    tracks = tuple(dict.fromkeys(segment.track for segment in draft.segments))
    held_out = split_by_track(tracks, share=recipe.held_out_share, seed=recipe.seed)
    segments = [one.model_copy(update={"held_out": one.track in held_out}) for one in draft.segments]
    notices = []
    if not held_out:
        notices.append(
            "Nothing is held out, so that over-fitting cannot be seen: add at least one more track."
            if len(tracks) == 1
            else "Nothing is held out, so that over-fitting cannot be seen."
        )
    if any(not one.caption for one in segments):
        notices.append("Some segments have no caption: write one in the table, or they are learned without words.")
    kept = set(tracks)
    for who, named in draft.worded.items():
        if count := len(kept & set(named)):
            notices.append(
                f"{count} of {len(tracks)} tracks were captioned by the metadata agent, by {who}: read them over."
            )
    facts = DataSetFacts(
        name=recipe.name, trigger=recipe.trigger.strip(), licence=recipe.licence.strip(),
        vocals_removed=recipe.without_vocals is not None, sources=tracks, dropped=tuple(draft.dropped),
        notices=tuple(notices),
    )  # fmt: skip
    write_manifest(draft.folder, segments)
    write_facts(draft.folder, facts)


def _at_model_rate(clip: Clip) -> Clip:
    """The clip at the model's rate, mono or stereo as it is."""
    from studio.engines.musicgen.encoder import fitted

    return fitted(clip, sample_rate_hz=RATE_HZ, channels=min(2, clip.channels))
