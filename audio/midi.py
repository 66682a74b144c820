"""Standard MIDI files out of notes on a grid of ticks.

Knows nothing of plans or grooves; reading back is mido's own.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audio.tempo_map import TempoMap
    from audio.transcription import Note

DRUM_CHANNEL = 9  # counted from 0; what people call channel 10
# Key signatures by their sharps, -7 to 7.
_FIFTHS_MAJOR = dict(
    zip(range(-7, 8), ["Cb", "Gb", "Db", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#"], strict=True)
)
_FIFTHS_MINOR = dict(
    zip(
        range(-7, 8),
        ["Abm", "Ebm", "Bbm", "Fm", "Cm", "Gm", "Dm", "Am", "Em", "Bm", "F#m", "C#m", "G#m", "D#m", "A#m"],
        strict=True,
    )
)


@dataclass(frozen=True, slots=True)
class MidiTrack:
    """One track. notes: (start tick, end tick, pitch, velocity). program: General MIDI, 0-based; a kit's when drums."""

    name: str
    program: int
    is_drums: bool
    notes: Sequence[tuple[int, int, int, int]] = field(default_factory=tuple)


def midi_file(
    tracks: Sequence[MidiTrack],
    *,
    ticks_per_quarter: int,
    quarters_a_minute: float,
    beats: int,
    unit: int,
    sharps: int = 0,
    is_minor: bool = False,
    markers: Sequence[tuple[int, str]] = (),
    tempo_changes: Sequence[tuple[int, float]] = (),
) -> bytes:
    """A type 1 file's bytes with tempo, time signature, key signature, named tracks and markers.

    quarters_a_minute: quarter notes a minute, which is what MIDI counts, whatever beat is felt. sharps: -7 to 7 of the
    key signature, negative for flats. tempo_changes: (tick, quarters a minute) of each later tempo.
    """
    import mido

    fifths = _FIFTHS_MINOR if is_minor else _FIFTHS_MAJOR
    head = [
        (0, mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(quarters_a_minute))),
        (0, mido.MetaMessage("time_signature", numerator=beats, denominator=unit)),
        (0, mido.MetaMessage("key_signature", key=fifths[sharps])),
        *((tick, mido.MetaMessage("marker", text=_latin(text))) for tick, text in markers),
        *((tick, mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(tempo))) for tick, tempo in tempo_changes),
    ]
    file = mido.MidiFile(type=1, ticks_per_beat=ticks_per_quarter)
    file.tracks.append(_timed(mido, head))
    channels = cycle(channel for channel in range(16) if channel != DRUM_CHANNEL)
    for track in tracks:
        channel = DRUM_CHANNEL if track.is_drums else next(channels)
        file.tracks.append(_timed(mido, _messages(mido, track, channel)))
    written = io.BytesIO()
    file.save(file=written)
    return written.getvalue()


def midi_of_notes(
    parts: Mapping[str, Sequence[Note]],
    tempo_map: TempoMap,
    *,
    drums: Collection[str] = (),
    programs: Mapping[str, int] | None = None,
    markers_seconds: Sequence[tuple[float, str]] = (),
    ticks_per_quarter: int = 960,
) -> bytes:
    """Notes in seconds as a file whose bar lines are the tempo map's. drums: the parts that are drum kits. programs: by part, 0-based."""

    def tick(seconds: float) -> int:
        return max(0, round(tempo_map.quarter_at(seconds) * ticks_per_quarter))

    tracks = [
        MidiTrack(
            name, (programs or {}).get(name, 0), name in drums,
            [(tick(n.start_seconds), max(tick(n.end_seconds), tick(n.start_seconds) + 1), n.pitch, n.velocity) for n in notes],
        )
        for name, notes in parts.items()
    ]  # fmt: skip
    (_, first), *later = tempo_map.points
    return midi_file(
        tracks, ticks_per_quarter=ticks_per_quarter, quarters_a_minute=first, beats=tempo_map.beats, unit=tempo_map.unit,
        markers=[(tick(seconds), text) for seconds, text in markers_seconds],
        tempo_changes=[(round(quarter * ticks_per_quarter), tempo) for quarter, tempo in later],
    )  # fmt: skip


def _messages(mido: Any, track: MidiTrack, channel: int) -> list[tuple[int, Any]]:
    """A track's messages at absolute ticks; where one note ends as another begins, the end comes first."""
    notes = [(start, 1, pitch, velocity) for start, _, pitch, velocity in track.notes]
    notes += [(end, 0, pitch, 0) for _, end, pitch, _ in track.notes]
    return [
        (0, mido.MetaMessage("track_name", name=_latin(track.name))),
        (0, mido.Message("program_change", channel=channel, program=track.program)),
        *(
            (tick, mido.Message("note_on" if starts else "note_off", channel=channel, note=pitch, velocity=velocity))
            for tick, starts, pitch, velocity in sorted(notes)
        ),
    ]


def _timed(mido: Any, messages: Iterable[tuple[int, Any]]) -> Any:
    """A track whose messages say how long after the one before they come, as files want it."""
    track, now = mido.MidiTrack(), 0
    for tick, message in sorted(messages, key=lambda timed: timed[0]):
        message.time = tick - now
        track.append(message)
        now = tick
    return track


def _latin(text: str) -> str:
    """A text as the format's own character set can hold it."""
    return text.encode("latin-1", "replace").decode("latin-1")
