"""What was played on a keyboard against a beat, as notes and as a MIDI file that a take can follow.

Knows nothing of ports, pages or engines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from audio.transcription import Note

_EARLY_BEATS = 0.5  # a first note struck that little before the bar belongs to it
_SHORTEST_SECONDS = 0.03
LONGEST_SECONDS = 600.0


class NothingPlayed(Exception):
    """There are no notes to keep; the message is a sentence for the user."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key going down or up. seconds: from the first bar's beginning, negative in the count-in. velocity: 0 is up."""

    seconds: float
    pitch: int
    velocity: int


@dataclass
class Recording:
    """Keys as they are played. begins, ends: the moments of the first bar and of the end, by one clock."""

    begins: float
    tempo_bpm: float
    beats_a_bar: int = 4
    ends: float = 0.0
    keys: list[Key] = field(default_factory=list)

    def heard(self, when: float, pitch: int, velocity: int) -> None:
        """A key went down, or up with velocity 0."""
        self.keys.append(Key(when - self.begins, pitch, velocity))

    def file(self, *, steps_a_beat: int = 0) -> bytes:
        """What was played as a Standard MIDI File. Raises NothingPlayed."""
        notes = notes_of_keys(self.keys, tempo_bpm=self.tempo_bpm, ends_seconds=self.ends - self.begins)
        moved = on_grid(notes, tempo_bpm=self.tempo_bpm, steps_a_beat=steps_a_beat)
        return melody_file(moved, tempo_bpm=self.tempo_bpm, beats_a_bar=self.beats_a_bar)


def notes_of_keys(keys: Sequence[Key], *, tempo_bpm: float, ends_seconds: float) -> tuple[Note, ...]:
    """The notes, in order; keys still down at the end are let go there. What was played into the count-in is left out."""
    down: dict[int, Key] = {}
    notes: list[Note] = []
    early = -_EARLY_BEATS * 60.0 / tempo_bpm

    def let_go(key: Key, seconds: float) -> None:
        start = max(0.0, key.seconds)
        if key.seconds >= early:
            notes.append(Note(start, max(seconds, start + _SHORTEST_SECONDS), key.pitch, key.velocity))

    for key in sorted(keys, key=lambda each: each.seconds):
        if key.pitch in down:
            let_go(down.pop(key.pitch), key.seconds)
        if key.velocity > 0:
            down[key.pitch] = key
    for key in down.values():
        let_go(key, max(ends_seconds, key.seconds))
    return tuple(sorted(notes))


def on_grid(notes: Sequence[Note], *, tempo_bpm: float, steps_a_beat: int) -> tuple[Note, ...]:
    """Notes moved to the nearest step, each lasting whole steps, one at least. steps_a_beat 0 leaves them as played."""
    if steps_a_beat <= 0:
        return tuple(notes)
    step = 60.0 / tempo_bpm / steps_a_beat
    moved = []
    for note in notes:
        start = round(note.start_seconds / step)
        end = max(start + 1, round(note.end_seconds / step))
        moved.append(replace(note, start_seconds=start * step, end_seconds=end * step))
    return tuple(sorted(moved))


def melody_file(notes: Sequence[Note], *, tempo_bpm: float, beats_a_bar: int = 4, name: str = "Melody") -> bytes:
    """The notes as a Standard MIDI File with their tempo. Raises NothingPlayed."""
    from audio.midi import midi_of_notes
    from audio.tempo_map import TempoMap

    if not notes:
        raise NothingPlayed("No note was played. Choose the keyboard, press Record and play after the count-in.")
    if notes[-1].start_seconds > LONGEST_SECONDS:
        raise NothingPlayed(f"That is longer than {LONGEST_SECONDS:.0f} seconds. Play a shorter melody.")
    return midi_of_notes({name: notes}, TempoMap.steady(tempo_bpm, beats=beats_a_bar))
