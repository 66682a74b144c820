"""Small sounds to work on: a band of known parts, and what nobody should send."""

from __future__ import annotations

import numpy as np

from audio.clip import Clip

RATE = 44_100


def band(seconds: float = 4.0, *, rate: int = RATE, tempo_bpm: float = 120.0) -> dict[str, Clip]:
    """Drums, a bass line and chords at the sides, each a stereo clip; they sum to a mix."""
    noise = np.random.default_rng(5)
    frames = round(seconds * rate)
    time = np.arange(frames) / rate
    beat = 60 / tempo_bpm
    since = time % beat
    which = (time // beat).astype(int)
    kick = np.sin(2 * np.pi * (50 * since + 3 * (1 - np.exp(-since * 40)))) * np.exp(-since * 18) * (which % 2 == 0)
    snare = noise.standard_normal(frames) * np.exp(-since * 25) * (which % 2 == 1) * 0.35
    hat = np.diff(noise.standard_normal(frames + 1)) * np.exp(-(time % (beat / 2)) * 90) * 0.08
    roots = np.array([55.0, 65.41, 49.0, 73.42])[(time // (4 * beat)).astype(int) % 4]
    phase = 2 * np.pi * np.cumsum(roots) / rate
    bass = 0.2 * (np.sin(phase) + 0.4 * np.sin(2 * phase) + 0.15 * np.sin(3 * phase))
    chord = sum(np.sin(phase * ratio) for ratio in (8, 9.6, 12)) * 0.09
    drums = (kick * 0.6 + snare + hat) * 0.6
    one = {"drums": (drums, drums), "bass": (bass, bass), "other": (chord, chord * 0.3)}
    return {name: Clip(np.stack(sides), rate) for name, sides in one.items()}


def mixed(parts: dict[str, Clip]) -> Clip:
    return Clip(sum(part.samples for part in parts.values()), next(iter(parts.values())).sample_rate_hz)


def sdr_db(truth: Clip, heard: Clip) -> float:
    """Signal to distortion: the truth's energy over the error's."""
    off = heard.samples - truth.samples
    return 10 * float(np.log10((truth.samples**2).sum() / ((off**2).sum() + 1e-12)))


def onsets_of_clicks(clip: Clip) -> np.ndarray:
    """Seconds of the loudest sample of each click."""
    loud = np.abs(clip.samples).max(axis=0)
    spots = np.flatnonzero(loud > loud.max() / 2)
    starts = spots[np.diff(spots, prepend=-clip.sample_rate_hz) > clip.sample_rate_hz // 20]
    return np.array([s + np.argmax(loud[s : s + 200]) for s in starts]) / clip.sample_rate_hz


ODD = {
    "silence": Clip(np.zeros((2, RATE), np.float32), RATE),
    "a tenth of a second": Clip(np.random.default_rng(1).standard_normal((2, RATE // 10)) * 0.1, RATE),
    "one sample": Clip(np.full((1, 1), 0.5), RATE),
    "mono": Clip(np.random.default_rng(2).standard_normal((1, RATE)) * 0.1, RATE),
    "eight channels": Clip(np.random.default_rng(3).standard_normal((8, RATE)) * 0.1, RATE),
    "192 kHz": Clip(np.random.default_rng(4).standard_normal((2, 192_000)) * 0.1, 192_000),
    "8 kHz": Clip(np.random.default_rng(4).standard_normal((2, 8_000)) * 0.1, 8_000),
}
BROKEN = {
    "NaN": Clip(np.where(np.arange(2 * RATE).reshape(2, RATE) == 777, np.nan, 0.1), RATE),
    "infinity": Clip(np.where(np.arange(2 * RATE).reshape(2, RATE) == 777, np.inf, 0.1), RATE),
    "empty": Clip(np.zeros((2, 0)), RATE),
}
