"""Standard MIDI files out of notes on a grid of ticks.

Knows nothing of plans or grooves; reading back is symusic's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any


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
) -> bytes:
    """A type 1 file's bytes with tempo, time signature, key signature, named tracks and markers.

    quarters_a_minute: quarter notes a minute, which is what MIDI counts, whatever beat is felt. sharps: -7 to 7 of the
    key signature, negative for flats.
    """
    library: Any = import_module("symusic")  # its stubs tie every list to one of three clocks
    score = library.Score(ticks_per_quarter)
    score.tempos.append(library.Tempo(0, quarters_a_minute))
    score.time_signatures.append(library.TimeSignature(0, beats, unit))
    score.key_signatures.append(library.KeySignature(0, sharps, int(is_minor)))
    for tick, text in markers:
        score.markers.append(library.TextMeta(tick, text))
    for track in tracks:
        made = library.Track(track.name, track.program, track.is_drums)
        for start, end, pitch, velocity in track.notes:
            made.notes.append(library.Note(start, end - start, pitch, velocity))
        score.tracks.append(made)
    return bytes(score.dumps_midi())
