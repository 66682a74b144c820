"""The beat of a melody played without a click, as a listener would tap it."""

from __future__ import annotations

import numpy as np
import pytest

from audio.played_beat import beat_of
from tests.tunes import KNOWN, notes_of


@pytest.mark.parametrize("tempo_bpm", [72, 84, 96, 108, 120])
@pytest.mark.parametrize("name", KNOWN)
def test_the_tempo_of_a_loosely_played_melody(name: str, tempo_bpm: float) -> None:
    """Twenty-five thousandths of a second off the beat, one way or the other, as people play."""
    notes = notes_of(KNOWN[name][0])
    starts = np.array([note.start_quarters for note in notes]) * 60 / tempo_bpm
    lasts = np.array([note.end_quarters - note.start_quarters for note in notes]) * 50 / tempo_bpm
    dice = np.random.default_rng(7)
    beat = beat_of(starts + dice.normal(0, 0.025, len(starts)), lasts)
    assert beat is not None and beat.tempo_bpm == pytest.approx(tempo_bpm, rel=0.015)
    off = np.array([beat.beat_at(float(start)) for start in starts])
    off -= np.array([note.start_quarters for note in notes]) - notes[0].start_quarters
    assert np.abs(off).max() < 0.13  # all on their sixteenth to the end


def test_two_notes_have_no_beat() -> None:
    assert beat_of([0.0, 0.5], [0.5, 0.5]) is None
    assert beat_of([0.0, 0.1, 0.2], [0.1, 0.1, 0.1]) is None
