"""The notes of an item's parts: read exactly out of a sketch's MIDI, heard by transcription in anything else.

Knows nothing of how they are drawn, or of the files they leave in.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from audio.beats import Beats
from audio.transcription import Note
from studio.desk.items import Item, Parts

DRUM_CHANNEL = 9
_DRUM_WORDS = ("drum", "percussion", "kit")


def is_drums(name: str) -> bool:
    """Whether a part of that name is struck rather than tuned."""
    from agents.knowledge import instruments

    known = instruments().get(name)
    return known.kit is not None if known else any(word in name.lower() for word in _DRUM_WORDS)


def part_label(name: str) -> str:
    """What a part is called for people: an instrument's own label, else its name in plain words."""
    from agents.knowledge import instruments

    known = instruments().get(name)
    return known.label if known else name.replace("_", " ").strip().capitalize()


def exact_notes(midi: Path) -> dict[str, tuple[Note, ...]]:
    """The notes of each track of a sketch's MIDI file, by the track's name; times in seconds."""
    import mido

    file = mido.MidiFile(file=io.BytesIO(midi.read_bytes()))
    tempo = next((m.tempo for track in file.tracks for m in track if m.type == "set_tempo"), 500_000)
    a_tick = tempo / 1_000_000 / file.ticks_per_beat
    return {
        track.name: notes_in_track(track, a_tick) for track in file.tracks if any(m.type == "note_on" for m in track)
    }


def notes_in_track(track: Any, seconds_a_tick: float) -> tuple[Note, ...]:
    """The notes of one of mido's tracks, in order."""
    sounding: dict[int, list[tuple[int, int]]] = {}
    found, now = [], 0
    for message in track:
        now += message.time
        if message.type == "note_on" and message.velocity > 0:
            sounding.setdefault(message.note, []).append((now, message.velocity))
        elif message.type in ("note_off", "note_on") and sounding.get(message.note):
            start, velocity = sounding[message.note].pop(0)
            found.append(Note(start * seconds_a_tick, now * seconds_a_tick, message.note, velocity))
    return tuple(sorted(found))


def notes_of_take(item: Item, parts: Parts, midi: Path) -> dict[str, tuple[Note, ...]]:
    """The exact notes of each part that has a track of its name."""
    tracks = exact_notes(midi)
    return {name: tracks[label] for name in parts.names if (label := part_label(name)) in tracks}


def heard_notes(
    parts: Parts, names: Sequence[str], *, progress: Callable[[float, str], None], beats: Beats | None, grid: int
) -> dict[str, tuple[Note, ...]]:
    """The notes heard in these parts, one after another, drums by their strokes. grid: steps a beat they are moved to, 0 to
    leave them.

    Raises CannotTranscribe.
    """
    from audio.drum_hits import transcribe_drums
    from audio.transcription import quantised, transcribe

    found = {}
    for number, name in enumerate(names):
        stage = f"listening to {part_label(name).lower()}"

        def tell(share: float, number: int = number, stage: str = stage) -> None:
            progress((number + share) / len(names), stage)

        tell(0.0)
        notes = (transcribe_drums if is_drums(name) else transcribe)(parts.open(name), progress=tell)
        found[name] = quantised(notes, beats, steps_a_beat=grid) if beats is not None and grid else tuple(notes)
    return found


def as_rows(notes: Sequence[Note]) -> list[list[float]]:
    """Notes for JSON: start and end in seconds, pitch, velocity."""
    return [[round(n.start_seconds, 5), round(n.end_seconds, 5), n.pitch, n.velocity] for n in notes]


def from_rows(rows: Sequence[Sequence[float]]) -> tuple[Note, ...]:
    """The inverse of `as_rows`."""
    return tuple(Note(float(start), float(end), int(pitch), int(velocity)) for start, end, pitch, velocity in rows)
