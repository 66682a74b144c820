"""What is played live of a take: its parts with channels and notes, as seconds of its sound and as quarters of a beat clock.

Notes are exact where the sketch wrote them, and as heard where the desk wrote them down. Knows nothing of ports or transports.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from audio.tempo_map import TempoMap
from audio.transcription import Note
from studio.live_midi.messages import CHANNELS, DRUM_CHANNEL, PULSES_A_QUARTER
from studio.live_midi.player import Press, Timeline

if TYPE_CHECKING:
    from studio.desk.desk import Desk
    from studio.desk.items import Item

Axis = Literal["seconds", "quarters"]


@dataclass(frozen=True, slots=True)
class LivePart:
    """A part's notes on a channel of its own. channel: 0 to 15. program: General MIDI, counted from 0."""

    label: str
    is_drums: bool
    program: int
    channel: int
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class LiveScore:
    """All that is played of one sound. by: "exact" or "heard"."""

    source: str
    title: str
    seconds: float
    parts: tuple[LivePart, ...]
    tempo_map: TempoMap
    by: Literal["exact", "heard"]

    @property
    def tempo_bpm(self) -> float:
        """Quarter notes a minute at the beginning."""
        return self.tempo_map.points[0][1]

    def timeline(self, axis: Axis) -> Timeline:
        """The notes and clock pulses with their places on this axis; quarters begin at the sound's first frame."""
        ruler = _Ruler(self.tempo_map, self.seconds)
        first, last = ruler.quarter_at(0.0), ruler.quarter_at(self.seconds)
        numbers = np.arange(np.ceil(first * PULSES_A_QUARTER - 1e-6), np.floor(last * PULSES_A_QUARTER + 1e-6) + 1)
        quarters = numbers / PULSES_A_QUARTER
        pulses = ruler.seconds_at(quarters) if axis == "seconds" else quarters - first
        presses = []
        for number, part in enumerate(self.parts):
            starts = np.array([note.start_seconds for note in part.notes])
            ends = np.minimum([note.end_seconds for note in part.notes], self.seconds)
            if axis == "quarters":
                starts, ends = ruler.quarter_at(starts) - first, ruler.quarter_at(ends) - first
            presses += [
                Press(float(start), float(end), number, note.pitch, note.velocity)
                for note, start, end in zip(part.notes, starts, ends, strict=True)
            ]
        return Timeline(
            tuple(presses), tuple(float(place) for place in pulses), int(numbers[0]) if len(numbers) else 0,
            float(self.seconds if axis == "seconds" else last - first), tuple(part.program for part in self.parts),
        )  # fmt: skip


def score_of_item(desk: Desk, item: Item) -> LiveScore:
    """What can be played of a take or of a sound on the desk. Raises DeskError when no notes of it are known."""
    from studio.desk.errors import DeskError
    from studio.desk.notes import is_drums, part_label
    from studio.desk.projects import known_notes, program_of, tempo_map_of

    tempo_map = tempo_map_of(desk, item)
    if item.take is not None and item.take.has_midi:
        midi = desk.studio.store.midi_path(item.take.id).read_bytes()
        return score_of_midi(midi, source=item.source, title=item.title, seconds=item.seconds, tempo_map=tempo_map)
    found = [
        (part_label(name), is_drums(name), program_of(name), notes)
        for name, notes in known_notes(desk, desk.sheet(item)).items()
    ]
    if not found:
        raise DeskError(
            "No notes are known of this sound. Open it under Stems and write its notes down there, under MIDI."
        )
    return LiveScore(item.source, item.title, item.seconds, _on_channels(found), tempo_map, "heard")


def score_of_midi(
    midi: bytes, *, source: str, title: str, seconds: float, tempo_map: TempoMap | None = None
) -> LiveScore:
    """A sketch's own file as a score; without a tempo map, the file's first tempo throughout."""
    found, quarters_a_minute = _tracks_of(midi)
    return LiveScore(
        source, title, seconds, _on_channels(found), tempo_map or TempoMap.steady(quarters_a_minute), "exact"
    )


_Found = tuple[str, bool, int, tuple[Note, ...]]  # label, whether it is struck, program, notes


def _on_channels(found: Sequence[_Found]) -> tuple[LivePart, ...]:
    channels = channels_for([drums for _, drums, _, _ in found])
    return tuple(
        LivePart(label, drums, program, channel, notes)
        for (label, drums, program, notes), channel in zip(found, channels, strict=True)
    )


def channels_for(drums: Sequence[bool]) -> list[int]:
    """A channel for each part, drums on 10 (counted from 1); from the sixteenth pitched part on, channels are shared."""
    free = [channel for channel in range(CHANNELS) if channel != DRUM_CHANNEL]
    given, pitched = [], 0
    for struck in drums:
        given.append(DRUM_CHANNEL if struck else free[pitched % len(free)])
        pitched += not struck
    return given


def score_shown(score: LiveScore, *, with_notes: bool = False) -> dict[str, Any]:
    """A score for the page: its parts, and with notes all that a browser needs to play it by itself."""
    shown: dict[str, Any] = {
        "source": score.source, "title": score.title, "seconds": score.seconds, "by": score.by,
        "tempo_bpm": round(score.tempo_bpm, 3), "beats_a_bar": score.tempo_map.quarters_a_bar,
        "parts": [
            {"label": part.label, "is_drums": part.is_drums, "program": part.program, "channel": part.channel,
             "notes": len(part.notes)}
            for part in score.parts
        ],
    }  # fmt: skip
    if with_notes:
        timeline = score.timeline("seconds")
        shown["presses"] = [[round(p.start, 6), round(p.end, 6), p.part, p.pitch, p.velocity] for p in timeline.presses]
        shown["pulses"] = [round(place, 6) for place in timeline.pulses]
        shown["first_pulse"] = timeline.first_pulse
    return shown


class _Ruler:
    """A tempo map's seconds and quarters for many places at once."""

    def __init__(self, tempo_map: TempoMap, seconds: float) -> None:
        quarters = [quarter for quarter, _ in tempo_map.points]
        # Beyond its last change of tempo a map is straight, as far as anybody asks.
        quarters.append(max(quarters[-1], tempo_map.quarter_at(seconds)) + 64.0)
        self._quarters = np.array(quarters)
        self._seconds = np.array([tempo_map.seconds_at(quarter) for quarter in quarters])

    def quarter_at(self, seconds: Any) -> Any:
        return np.interp(seconds, self._seconds, self._quarters)

    def seconds_at(self, quarters: Any) -> Any:
        return np.interp(quarters, self._quarters, self._seconds)


def _tracks_of(midi: bytes) -> tuple[list[_Found], float]:
    """The tracks of a sketch's file that hold notes, in seconds, and its quarters a minute."""
    import mido

    from studio.desk.notes import notes_in_track

    file = mido.MidiFile(file=io.BytesIO(midi))
    tempo = next((m.tempo for track in file.tracks for m in track if m.type == "set_tempo"), 500_000)
    found: list[_Found] = []
    for track in file.tracks:
        starts = [message for message in track if message.type == "note_on"]
        if starts:
            program = next((message.program for message in track if message.type == "program_change"), 0)
            notes = notes_in_track(track, tempo / 1_000_000 / file.ticks_per_beat)
            found.append((track.name, starts[0].channel == DRUM_CHANNEL, program, notes))
    return found, float(mido.tempo2bpm(tempo))


def timeline_rows(timeline: Timeline) -> dict[str, Any]:
    """A timeline for the pipe to the process that plays it."""
    return {
        "presses": [[p.start, p.end, p.part, p.pitch, p.velocity] for p in timeline.presses],
        "pulses": list(timeline.pulses), "first_pulse": timeline.first_pulse, "end": timeline.end,
        "programs": list(timeline.programs),
    }  # fmt: skip


def part_channels(score: LiveScore, on: Mapping[int, bool], moved: Mapping[int, int]) -> dict[int, int]:
    """The channel of each part that sounds. on: parts switched, by number; moved: channels chosen by hand."""
    return {number: moved.get(number, part.channel) for number, part in enumerate(score.parts) if on.get(number, True)}
