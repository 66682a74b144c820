"""What a clip sounds like it is, on sounds whose tempo, key, gaps and changes are known."""

from __future__ import annotations

import numpy as np
import pytest

from audio.analysis import TooShort, estimate_key, estimate_tempo, gaps, novelty
from audio.clip import Clip

RATE = 22_050


def drums(tempo_bpm: float, seconds: float, *, pattern: str = "X.h.s.h.") -> Clip:
    """Strokes in eighths: X a thud, s a noise, h a tick, at this tempo."""
    out = np.zeros(round(seconds * RATE))
    t = np.arange(round(0.12 * RATE)) / RATE
    noise = np.random.default_rng(0).standard_normal(len(t))
    sounds = {
        "X": np.sin(2 * np.pi * 60 * t) * np.exp(-t / 0.05),
        "s": 0.6 * noise * np.exp(-t / 0.03),
        "h": 0.15 * noise * np.exp(-t / 0.008),
    }
    eighth = 30 / tempo_bpm
    for number in range(int(seconds / eighth)):
        sound = sounds.get(pattern[number % len(pattern)])
        at = round(number * eighth * RATE)
        if sound is not None and at + len(t) <= len(out):
            out[at : at + len(t)] += sound
    return Clip(0.5 * out, RATE)


def chords(*notes: tuple[int, ...], seconds: float = 1.0) -> Clip:
    """Chords of five harmonics each, one after another, as MIDI pitches."""
    t = np.arange(round(seconds * RATE)) / RATE
    pieces = [
        sum(np.sin(2 * np.pi * k * 440 * 2 ** ((p - 69) / 12) * t) / k**1.5 for p in chord for k in range(1, 6))
        * np.exp(-t)
        for chord in notes
    ]
    return Clip(0.1 * np.concatenate(pieces), RATE)


@pytest.mark.parametrize("tempo_bpm", [72.0, 97.3, 120.0, 128.4, 174.0])
def test_a_steady_beat_is_timed_to_a_tenth(tempo_bpm):
    found = estimate_tempo(drums(tempo_bpm, 20))
    assert min(abs(candidate - tempo_bpm) for candidate in found.candidates_bpm) < 0.1
    assert found.half_bpm == found.tempo_bpm / 2 and found.double_bpm == found.tempo_bpm * 2


def test_three_against_four_is_not_taken_for_the_beat():
    """A dembow's accents fall every three sixteenths; its beat does not."""
    found = estimate_tempo(drums(98.0, 24, pattern="X.hsX.sh"))
    assert min(abs(candidate - 98.0) for candidate in found.candidates_bpm) < 1.0


def test_a_beat_is_surer_than_noise():
    hiss = Clip(0.1 * np.random.default_rng(2).standard_normal(RATE * 12), RATE)
    assert estimate_tempo(drums(110, 12)).confidence > 2 * estimate_tempo(hiss).confidence


@pytest.mark.parametrize(
    ("progression", "key"),
    [
        (((60, 64, 67), (65, 69, 72), (67, 71, 74), (60, 64, 67)), "C major"),
        (((57, 60, 64), (62, 65, 69), (64, 68, 71), (57, 60, 64)), "A minor"),
        (((63, 67, 70), (68, 72, 75), (70, 74, 77), (63, 67, 70)), "D# major"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_cadence_says_its_key(progression, key):
    assert estimate_key(chords(*progression, *progression)).name == key


def test_a_key_a_quarter_tone_flat_is_still_that_key():
    from scipy.signal import resample_poly

    sound = chords((60, 64, 67), (65, 69, 72), (67, 71, 74), (60, 64, 67))
    flat = Clip(resample_poly(sound.samples[0], 102, 100), RATE)
    assert estimate_key(flat).name == "C major"


def test_gaps_are_found_where_they_are():
    tone = 0.2 * np.sin(2 * np.pi * 220 * np.arange(RATE * 6) / RATE)
    tone[2 * RATE : round(3.2 * RATE)] = 0
    tone[4 * RATE : round(4.3 * RATE)] = 1e-5
    found = gaps(Clip(tone, RATE), longer_than_seconds=1.0)
    assert len(found) == 1 and found[0] == pytest.approx((2.0, 3.2), abs=0.02)
    assert len(gaps(Clip(tone, RATE), longer_than_seconds=0.1)) == 2
    assert gaps(Clip.silence(seconds=2, sample_rate_hz=RATE)) == [pytest.approx((0.0, 2.0))]


def test_a_change_of_layers_is_the_strongest_change():
    calm, full = drums(120, 8, pattern="X...X..."), drums(120, 8, pattern="Xhhhshhh")
    song = Clip(np.concatenate([calm.samples, full.samples, calm.samples], axis=1), RATE)
    found = sorted(novelty(song).peaks_seconds(apart_seconds=2.0)[:2])
    assert found == pytest.approx([8.0, 16.0], abs=0.5)


def test_silence_and_snippets_are_refused_in_words():
    with pytest.raises(TooShort, match="three seconds"):
        estimate_tempo(drums(120, 2))
    with pytest.raises(TooShort, match="second of sound"):
        estimate_key(Clip.silence(seconds=5, sample_rate_hz=RATE))
