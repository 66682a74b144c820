"""Bands made of noise and tones whose every beat is known: a kick, a snare, hats, a bass and chords that change with the bar."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from audio.clip import Clip

RATE_HZ = 44_100
CHORDS = ((57, 60, 64), (53, 57, 60), (48, 52, 55), (55, 59, 62))  # Am F C G


def band(
    *,
    tempo_bpm: float = 120.0,
    bars: int = 12,
    beats_a_bar: int = 4,
    lead_seconds: float = 0.0,
    drift: Sequence[float] | None = None,
    rate_hz: int = RATE_HZ,
    chords: Sequence[Sequence[int]] = CHORDS,
    seed: int = 1,
) -> tuple[Clip, np.ndarray]:
    """A stereo clip and its beats in seconds. drift: the tempo of each beat, times `tempo_bpm`."""
    count = bars * beats_a_bar
    lengths = 60.0 / tempo_bpm / np.asarray(drift if drift is not None else [1.0] * count)
    beats = lead_seconds + np.concatenate([[0.0], np.cumsum(lengths)])
    noise = np.random.default_rng(seed)
    samples = np.zeros(round((beats[-1] + 0.3) * rate_hz), np.float32)
    for number in range(count):
        place = number % beats_a_bar
        start, length = beats[number], lengths[number]
        if place == 0 or (beats_a_bar == 4 and place == 2):
            _add(samples, start, kick(rate_hz), rate_hz)
        if (beats_a_bar == 4 and place % 2) or (beats_a_bar == 3 and place):
            _add(samples, start, 0.6 * snare(noise, rate_hz), rate_hz)
        for part in range(2):
            _add(samples, start + part * length / 2, 0.25 * hat(noise, rate_hz), rate_hz)
        chord = chords[number // beats_a_bar % len(chords)]
        if place == 0:
            for pitch in chord:
                _add(samples, start, 0.08 * tone(pitch, length * beats_a_bar * 0.95, rate_hz), rate_hz)
        _add(samples, start, 0.15 * tone(chord[0] - 12, length * 0.9, rate_hz), rate_hz)
    samples *= 0.7 / np.abs(samples).max()
    return Clip(np.stack([samples, samples]), rate_hz), beats[:-1]


def kick(rate_hz: int = RATE_HZ) -> np.ndarray:
    time = np.arange(round(0.18 * rate_hz)) / rate_hz
    return np.sin(2 * np.pi * (50 * time + 4 * (1 - np.exp(-time / 0.02)))) * np.exp(-time / 0.06)


def snare(noise: np.random.Generator, rate_hz: int = RATE_HZ) -> np.ndarray:
    time = np.arange(round(0.16 * rate_hz)) / rate_hz
    rattle = noise.standard_normal(len(time)) * np.exp(-time / 0.05) * 0.5
    return rattle + np.sin(2 * np.pi * 190 * time) * np.exp(-time / 0.04)


def hat(noise: np.random.Generator, rate_hz: int = RATE_HZ) -> np.ndarray:
    time = np.arange(round(0.05 * rate_hz)) / rate_hz
    return np.diff(noise.standard_normal(len(time) + 1)) * np.exp(-time / 0.012)


def tone(pitch: float, seconds: float, rate_hz: int = RATE_HZ) -> np.ndarray:
    """A plucked tone with a few partials."""
    time = np.arange(max(1, round(seconds * rate_hz))) / rate_hz
    hertz = 440.0 * 2 ** ((pitch - 69) / 12)
    sound = sum(np.sin(2 * np.pi * hertz * k * time) / k for k in (1, 2, 3, 4))
    fade = np.minimum(1.0, np.minimum(time / 0.004, (time[-1] - time) / 0.01 + 1e-6))
    return sound * fade * np.exp(-time / 0.8)


def _add(samples: np.ndarray, seconds: float, sound: np.ndarray, rate_hz: int) -> None:
    at = round(seconds * rate_hz)
    sound = sound[: max(0, len(samples) - at)]
    samples[at : at + len(sound)] += sound
