"""Where the notes of a clip lie: the middle of its pitches above the bass, and of notes that are known.

Spectral peaks as in `audio.pitch` (Gómez 2006), the strong ones counted most, since those are fundamentals. A weak measure:
an octave up moves it by about 5 semitones, timbre by 3, so only what lies far off says anything. Knows nothing of instruments.
"""

from __future__ import annotations

import io

import numpy as np

from audio.clip import Clip
from audio.pitch import spectral_peaks

HEARD_SECONDS = 40.0
USUAL_PITCH = 69.5  # of finished music, by this measure: the studio's own sketches of every genre
_USUAL_NOTES = 63.4  # of the same sketches, by the notes themselves
_SPAN = (50.0, 96.0)  # above the bass's octave, below where only overtones are


def middle_pitch(clip: Clip) -> float | None:
    """The middle MIDI pitch of a clip's inner HEARD_SECONDS, None when nothing in it has a pitch."""
    middle = clip.seconds / 2
    heard = clip.between(middle - HEARD_SECONDS / 2, middle + HEARD_SECONDS / 2)
    found = [(pitches, strengths) for _, pitches, strengths in spectral_peaks(heard)]
    if not found:
        return None
    pitches, strengths = (np.concatenate(part) for part in zip(*found, strict=True))
    inside = (pitches >= _SPAN[0]) & (pitches <= _SPAN[1])
    weights = strengths[inside] ** 4
    if weights.sum() <= 0:
        return None
    return float((pitches[inside] * weights).sum() / weights.sum())


def middle_of_notes(midi: bytes) -> float | None:
    """The same for a Standard MIDI file, on the same scale and exact: by the lengths of its notes above the bass."""
    import pretty_midi

    notes = [
        (note.pitch, note.end - note.start)
        for part in pretty_midi.PrettyMIDI(io.BytesIO(midi)).instruments
        if not part.is_drum
        for note in part.notes
        if note.pitch >= _SPAN[0]
    ]
    total = sum(length for _, length in notes)
    if total <= 0:
        return None
    return USUAL_PITCH - _USUAL_NOTES + sum(pitch * length for pitch, length in notes) / total
