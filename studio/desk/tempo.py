"""An item at another tempo, in another key, or on another track's grid: all its parts alike, kept as a take.

Knows nothing of queues or of pages.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from audio.beats import Beats, steady_beats
from audio.clip import Clip
from studio.desk.errors import DeskError
from studio.desk.items import TRUE, WHOLE, Item, remember
from studio.desk.jobs import Work
from studio.desk.listening import beats_shown, known_beats
from studio.desk.mix_book import MixBook
from studio.desk.mixing import under_full_scale
from studio.desk.notes import DRUM_CHANNEL, is_drums
from studio.desk.options import Options
from studio.desk.plans import moved_plan

if TYPE_CHECKING:
    from studio.desk.desk import Desk

Bend = Callable[[Clip, Callable[[float], None], float], tuple[Clip, Beats | None]]


class TempoOptions(Options):
    """tempo_bpm: to come to, None leaves it. like: an item whose beats to lie on. semitones: up, or down when negative."""

    tempo_bpm: Annotated[float, Field(ge=30.0, le=300.0)] | None = None
    like: Annotated[str, Field(max_length=200)] = ""
    semitones: Annotated[float, Field(ge=-12.0, le=12.0)] = 0.0


def change_tempo(desk: Desk, item: Item, options: TempoOptions, work: Work) -> Mapping[str, Any]:
    """The item at its new tempo and key as a take; drums keep their pitch. Raises NoBeat, TempoOutOfRange, DeskError."""
    if options.tempo_bpm is None and not options.like and options.semitones == 0:
        raise DeskError("Nothing was changed: give a tempo, a track to follow, or semitones.")
    sheet = desk.sheet(item)
    bend = _bending(desk, item, options, work)
    names, beats = sheet.parts.names, desk.beats(item)
    parts: dict[str, Clip] = {}
    for number, name in enumerate(names):
        tell = work.part(0.1 + 0.8 * number / len(names), 0.1 + 0.8 * (number + 1) / len(names), "bending")
        tell(0.0)
        semitones = 0.0 if is_drums(name) else options.semitones
        parts[name], beats = bend(sheet.parts.open(name), tell, semitones)
    work.tell(0.92, "keeping the take")
    clip, stems, _ = under_full_scale(_sum(list(parts.values())), parts if sheet.parts.key != WHOLE else {})
    tempo = beats.tempo_bpm if beats and (options.tempo_bpm or options.like) else None
    plan = moved_plan(
        item.plan or desk.plan_for(item), seconds=clip.seconds, tempo_bpm=tempo, semitones=round(options.semitones)
    )
    how = {"kind": "tempo", "source": item.source, "parts_label": sheet.parts.label, **options.model_dump(mode="json")}
    is_exact = beats is not None and beats.confidence >= 1.0
    take = desk.keep_take(
        item, clip, stems=stems, plan=plan, how=how, title=_title(item, plan.tempo_bpm.value, options),
        grid={"exact": True, "tempo_bpm": beats.tempo_bpm, "first_beat_seconds": _first(beats)} if beats and is_exact else None,
        midi=_midi(desk, item, tempo, options) if sheet.parts.key == TRUE else None,
    )  # fmt: skip
    moved = desk.open(f"take:{take.id}", owner=None)
    if beats is not None and not is_exact:
        remember(moved, "beats", beats_shown(beats))
    if stems:  # what was set on the strips goes along
        MixBook(moved.mix_path, start=sheet.page.mix.model_copy(update={"parts": TRUE})).settle()
    return {"take": take.id, "title": take.title, "seconds": clip.seconds, "open": True}


def _bending(desk: Desk, item: Item, options: TempoOptions, work: Work) -> Bend:
    """What is done to each part; it answers with the part and with where the beats lie now."""
    from audio.stretch import shift_key, stretch_to_tempo
    from audio.sync import sync_to_beats, sync_to_tempo

    if options.tempo_bpm is None and not options.like:
        where = desk.beats(item)
        return lambda clip, progress, semitones: (shift_key(clip, semitones=semitones), where)
    beats = known_beats(desk, item, work)
    if options.like:
        other = desk.open(options.like, owner=item.owner or None)
        work.tell(0.05, "listening to the other track")
        to = known_beats(desk, other, work)

        def laid(clip: Clip, progress: Callable[[float], None], semitones: float) -> tuple[Clip, Beats]:
            made = sync_to_beats(clip, beats, to=to, progress=progress)
            sure = min(to.confidence, 1.0)
            return shift_key(made.clip, semitones=semitones), replace(made.beats, confidence=sure)

        return laid
    tempo = float(options.tempo_bpm or beats.tempo_bpm)
    if beats.confidence >= 1.0:  # a planned grid is straight: one stretch is exact

        def stretched(clip: Clip, progress: Callable[[float], None], semitones: float) -> tuple[Clip, Beats]:
            made = stretch_to_tempo(clip, from_bpm=beats.tempo_bpm, to_bpm=tempo, semitones=semitones)
            first = _first(beats) * beats.tempo_bpm / tempo
            there = steady_beats(
                seconds=made.seconds, tempo_bpm=tempo, beats_a_bar=beats.beats_a_bar, first_downbeat_seconds=first
            )
            return made, there

        return stretched

    def synced(clip: Clip, progress: Callable[[float], None], semitones: float) -> tuple[Clip, Beats]:
        made = sync_to_tempo(clip, beats, tempo_bpm=tempo, progress=progress)
        return shift_key(made.clip, semitones=semitones), replace(made.beats, confidence=1.0)

    return synced


def _first(beats: Beats) -> float:
    return beats.downbeats_seconds[0] if beats.downbeats_seconds else beats.beats_seconds[0]


def _midi(desk: Desk, item: Item, tempo_bpm: float | None, options: TempoOptions) -> bytes | None:
    """A sketch's exact notes at the new tempo and pitch."""
    if item.take is None or not item.take.has_midi or item.plan is None or options.like:
        return None
    faster = tempo_bpm / item.plan.tempo_bpm.value if tempo_bpm else 1.0
    return moved_midi(
        desk.studio.store.midi_path(item.take.id).read_bytes(), faster=faster, semitones=round(options.semitones)
    )


def moved_midi(midi: bytes, *, faster: float, semitones: int) -> bytes:
    """A Standard MIDI file so many times as fast and so much higher; drums stay what they are."""
    import mido

    file = mido.MidiFile(file=io.BytesIO(midi))
    for track in file.tracks:
        for message in track:
            if message.type == "set_tempo":
                message.tempo = round(message.tempo / faster)
            elif message.type in ("note_on", "note_off") and message.channel != DRUM_CHANNEL:
                message.note = min(127, max(0, message.note + semitones))
    written = io.BytesIO()
    file.save(file=written)
    return written.getvalue()


def _title(item: Item, tempo_bpm: float, options: TempoOptions) -> str:
    said = []
    if options.tempo_bpm is not None or options.like:
        said.append(f"{tempo_bpm:g} bpm")
    if options.semitones:
        said.append(f"{options.semitones:+g} semitones".replace("-", "−"))
    return f"{item.title} ({', '.join(said)})"


def _sum(clips: list[Clip]) -> Clip:
    frames, channels = max(clip.frames for clip in clips), max(clip.channels for clip in clips)
    total = np.zeros((channels, frames), np.float32)
    for clip in clips:
        total[:, : clip.frames] += clip.samples
    return Clip(total, clips[0].sample_rate_hz)
