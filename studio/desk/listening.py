"""What is heard in an item: its beats and key, regions that go round, and the notes of its parts.

Knows nothing of queues or of pages.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from audio.beats import Beats
from studio.desk.errors import DeskError
from studio.desk.items import Item, recalled, remember
from studio.desk.jobs import Work
from studio.desk.notes import as_rows, heard_notes, notes_of_take
from studio.desk.options import Options

if TYPE_CHECKING:
    from studio.desk.desk import Desk


class ListenOptions(Options):
    """Find beats, bars and key anew. tempo_bpm: about how fast it is, where one knows better."""

    tempo_bpm: Annotated[float, Field(ge=30, le=300)] | None = None
    beats_a_bar: Annotated[int, Field(ge=2, le=7)] | None = None


class LoopOptions(Options):
    """Look for loops. bars: the lengths wanted."""

    bars: Annotated[tuple[int, ...], Field(max_length=5)] = (1, 2, 4, 8, 16)


class NotesOptions(Options):
    """Write down the notes of these parts (all when none is named). grid: steps a beat, 0 leaves them as played."""

    parts: Annotated[tuple[str, ...], Field(max_length=64)] = ()
    grid: Annotated[int, Field(ge=0, le=12)] = 4


def listen(desk: Desk, item: Item, options: ListenOptions, work: Work) -> Mapping[str, Any]:
    """Beats, downbeats and key, as heard."""
    from audio.analysis import TooShort, estimate_key
    from audio.beats import track_beats

    work.tell(0.05, "listening for the beat")
    clip = item.clip()
    beats = track_beats(clip, tempo_bpm=options.tempo_bpm, beats_a_bar=options.beats_a_bar)
    remember(item, "beats", beats_shown(beats))
    work.tell(0.7, "listening for the key")
    with suppress(TooShort):
        remember(item, "key", asdict(estimate_key(clip)))
    return {"beats": beats_shown(beats), "key": recalled(item, "key")}


def known_beats(desk: Desk, item: Item, work: Work) -> Beats:
    """The item's beats, listened for when they are not known yet. Raises NoBeat."""
    beats = desk.beats(item)
    if beats is None:
        listen(desk, item, ListenOptions(), work)
        beats = desk.beats(item)
    if beats is None:
        raise DeskError("No beat could be heard in this sound.")
    return beats


def beats_shown(beats: Beats) -> dict[str, Any]:
    """Beats ready for JSON."""
    return {
        "beats_seconds": [round(s, 6) for s in beats.beats_seconds],
        "downbeats_seconds": [round(s, 6) for s in beats.downbeats_seconds],
        "tempo_bpm": beats.tempo_bpm,
        "beats_a_bar": beats.beats_a_bar,
        "confidence": beats.confidence,
    }


def loops(desk: Desk, item: Item, options: LoopOptions, work: Work) -> Mapping[str, Any]:
    """Regions that go round, best first."""
    from audio.loops import find_loops

    beats = known_beats(desk, item, work)
    work.tell(0.4, "comparing bars")
    clip = item.clip()
    found = find_loops(clip, beats, bars=options.bars)
    rate = clip.sample_rate_hz
    shown = [
        {"start": loop.start_frame / rate, "end": loop.end_frame / rate, "start_frame": loop.start_frame,
         "end_frame": loop.end_frame, "bars": loop.bars, "score": round(loop.score, 4), "why": loop.why}
        for loop in found
    ]  # fmt: skip
    remember(item, "loops", shown)
    return {"loops": shown}


def notes(desk: Desk, item: Item, options: NotesOptions, work: Work) -> Mapping[str, Any]:
    """The notes of the parts on the strips: exact where the sketch wrote them, heard elsewhere."""
    sheet = desk.sheet(item)
    wanted = [name for name in options.parts or sheet.parts.names if name in sheet.parts.files]
    if not wanted:
        raise DeskError("None of these parts is on the desk. Open the sound again.")
    found: dict[str, Any] = {}
    if item.take is not None and item.take.has_midi and sheet.parts.key == "true":
        exact = notes_of_take(item, sheet.parts, desk.studio.store.midi_path(item.take.id))
        found = {name: {"by": "exact", "notes": as_rows(exact[name])} for name in wanted if name in exact}
    unheard = [name for name in wanted if name not in found]
    if unheard:
        try:
            beats = known_beats(desk, item, work) if options.grid else None
        except ValueError:  # no beat: the notes stay where they were played
            beats = None
        heard = heard_notes(
            sheet.parts, unheard, progress=lambda share, stage: work.tell(share, stage), beats=beats, grid=options.grid
        )
        found |= {name: {"by": "heard", "notes": as_rows(each)} for name, each in heard.items()}
    kept = {**(recalled(item, f"notes-{sheet.parts.key}") or {}), **found}
    remember(item, f"notes-{sheet.parts.key}", kept)
    return {"notes": {name: kept[name] for name in sheet.parts.names if name in kept}}
