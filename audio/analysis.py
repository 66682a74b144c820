"""What a clip sounds like it is: its tempo, its key, its gaps, and where it changes.

Tempo and key are estimates with a confidence; nothing here is told what the answer should be. Knows nothing of plans.
librosa is imported where it is used: its first call compiles for some seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audio.clip import Clip

_RATE_HZ = 22_050
_HOP = 256
_NOTE_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
# Albrecht & Shanahan (2013), "The use of large corpora to train a new type of key-finding algorithm", from the tonic up.
_MAJOR = (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081)
_MINOR = (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052)


class TooShort(ValueError):
    """A clip is too short or too quiet to be analysed."""


@dataclass(frozen=True, slots=True)
class Tempo:
    """A tempo in beats a minute, how sure it is (0 to 1), and the readings at half and double speed.

    first_beat_seconds: a beat near the start, from which the grid can be drawn.
    """

    tempo_bpm: float
    confidence: float
    first_beat_seconds: float

    @property
    def half_bpm(self) -> float:
        return self.tempo_bpm / 2

    @property
    def double_bpm(self) -> float:
        return self.tempo_bpm * 2

    @property
    def candidates_bpm(self) -> tuple[float, ...]:
        """The readings a listener might give: as found, half, double."""
        return (self.tempo_bpm, self.half_bpm, self.double_bpm)


@dataclass(frozen=True, slots=True)
class KeyEstimate:
    """A key: tonic 0 = C to 11 = B, "major" or "minor", and how sure it is (0 to 1: its lead over the next best)."""

    tonic: int
    mode: str
    confidence: float

    @property
    def name(self) -> str:
        return f"{_NOTE_NAMES[self.tonic]} {self.mode}"


def estimate_tempo(clip: Clip) -> Tempo:
    """The tempo, by librosa's beat tracker (Ellis 2007), refined on the onset strength over the whole clip.

    The tracker's own figure is off by up to 3.6 BPM; the beats it finds are counted and laid on a straight line, and the
    line's slope is sharpened to the period at which the onsets line up best. Raises TooShort under 3 s or for silence.
    """
    import librosa

    samples = _mono_at(clip, _RATE_HZ)
    if clip.seconds < 3.0 or not samples.any():
        raise TooShort("A tempo needs at least three seconds of sound.")
    onsets = librosa.onset.onset_strength(y=samples, sr=_RATE_HZ, hop_length=_HOP, aggregate=np.median)
    rough, frames = librosa.beat.beat_track(onset_envelope=onsets, sr=_RATE_HZ, hop_length=_HOP)
    seconds_a_frame = _HOP / _RATE_HZ
    period = 60.0 / float(np.atleast_1d(rough)[0] or 120.0)
    beats = np.asarray(frames) * seconds_a_frame
    if len(beats) >= 4:
        period = _period_of(beats, period)
    period = _sharpened(onsets, period, seconds_a_frame)
    phase, strength = _phase(onsets, period, seconds_a_frame)
    return Tempo(60.0 / period, strength, phase)


def estimate_key(clip: Clip) -> KeyEstimate:
    """The key, by correlating the tuned chroma with Albrecht and Shanahan's profiles. Raises TooShort for silence."""
    import librosa

    samples = _mono_at(clip, _RATE_HZ)
    if clip.seconds < 1.0 or float(np.abs(samples).max(initial=0.0)) < 1e-4:
        raise TooShort("A key needs at least a second of sound.")
    harmonic = librosa.effects.harmonic(samples, margin=2.0)
    if float(np.abs(harmonic).max()) < 1e-5:
        harmonic = samples
    chroma = librosa.feature.chroma_cqt(
        y=harmonic, sr=_RATE_HZ, hop_length=1024, fmin=librosa.note_to_hz("C2"), n_octaves=6
    )
    weight = chroma.sum(axis=1)
    weight = weight / max(1e-9, float(weight.sum()))
    scores = [
        (float(np.corrcoef(weight, np.roll(profile, tonic))[0, 1]), tonic, mode)
        for mode, profile in (("major", _MAJOR), ("minor", _MINOR))
        for tonic in range(12)
    ]
    scores.sort(reverse=True)
    best, next_best = scores[0], scores[1]
    return KeyEstimate(best[1], best[2], float(np.clip((best[0] - next_best[0]) * 5, 0, 1)))


def gaps(clip: Clip, *, longer_than_seconds: float = 0.0, floor_db: float = -60.0) -> list[tuple[float, float]]:
    """Stretches of silence, as (start, end) in seconds: where every 10 ms stays under `floor_db` (RMS, full scale)."""
    frames = max(1, clip.sample_rate_hz // 100)
    if clip.frames == 0:
        return []
    edges = np.arange(0, clip.frames, frames)
    power = np.add.reduceat((clip.samples**2).mean(axis=0), edges) / np.diff(np.append(edges, clip.frames))
    quiet = np.concatenate([[False], power < 10 ** (floor_db / 10), [False]])
    turns = np.flatnonzero(np.diff(quiet.astype(np.int8)))
    spans = [
        (a * frames / clip.sample_rate_hz, min(b * frames / clip.sample_rate_hz, clip.seconds))
        for a, b in turns.reshape(-1, 2)
    ]
    return [(start, end) for start, end in spans if end - start > longer_than_seconds]


@dataclass(frozen=True, slots=True)
class Novelty:
    """How much the sound changes at each moment. times_seconds, strength: (moments,); strength has a median of 1."""

    times_seconds: np.ndarray
    strength: np.ndarray

    def peaks_seconds(self, *, apart_seconds: float, at_least: float = 1.0) -> np.ndarray:
        """Where it changes most, strongest first, no two nearer than `apart_seconds`."""
        order = np.argsort(-self.strength, kind="stable")
        found: list[float] = []
        for index in order:
            if self.strength[index] < at_least:
                break
            moment = float(self.times_seconds[index])
            if all(abs(moment - other) >= apart_seconds for other in found):
                found.append(moment)
        return np.array(found)


def novelty(clip: Clip, *, context_seconds: float = 4.0) -> Novelty:
    """How differently the clip sounds after each moment than before it, over `context_seconds` on either side.

    Compares loudness in 24 bands and the onsets in each (Foote 2000, with windows for the kernel): a change of layers,
    of register, of pattern or of energy shows; a change of chord hardly does.
    """
    step = 0.1
    features = _texture(clip, step_seconds=step)
    count = features.shape[1]
    width = max(2, min(round(context_seconds / step), count // 2))
    sums = np.concatenate([np.zeros((features.shape[0], 1)), np.cumsum(features, axis=1)], axis=1)
    moments = np.arange(count + 1)
    before = np.maximum(moments - width, 0)
    after = np.minimum(moments + width, count)
    left = (sums[:, moments] - sums[:, before]) / np.maximum(1, moments - before)
    right = (sums[:, after] - sums[:, moments]) / np.maximum(1, after - moments)
    strength = np.sqrt(((right - left) ** 2).mean(axis=0))
    inside = (moments >= width // 2) & (moments <= count - width // 2)
    strength = np.where(inside, strength, 0.0)
    scale = float(np.median(strength[inside])) if inside.any() else 1.0
    return Novelty(moments * step, strength / max(scale, 1e-9))


def _texture(clip: Clip, *, step_seconds: float) -> np.ndarray:
    """Band levels in dB and their rises, (48, steps)."""
    rate = clip.sample_rate_hz
    samples = clip.mono().samples[0]
    size = 2048
    hop = max(1, round(step_seconds * rate / 4))
    starts = np.arange(0, max(1, len(samples) - size), hop)
    window = np.hanning(size).astype(np.float32)
    edges = np.geomspace(40, min(14_000, rate / 2 - 1), 25)
    bins = np.unique(np.round(edges * size / rate).astype(int).clip(1, size // 2))
    rows = []
    for first in range(0, len(starts), 512):
        chosen = starts[first : first + 512]
        frames = np.lib.stride_tricks.sliding_window_view(np.pad(samples, (0, size)), size)[chosen]
        power = np.abs(np.fft.rfft(frames * window, axis=1)) ** 2
        rows.append(np.add.reduceat(power, bins, axis=1)[:, :-1])
    level = 10 * np.log10(np.concatenate(rows) + 1e-4)
    rise = np.maximum(0.0, np.diff(level, axis=0, prepend=level[:1]))
    four = len(level) // 4 * 4
    both = np.concatenate([level[:four] / 2, rise[:four]], axis=1)
    return both.reshape(-1, 4, both.shape[1]).mean(axis=1).T


def _mono_at(clip: Clip, rate_hz: int) -> np.ndarray:
    from math import gcd

    from scipy.signal import resample_poly

    samples = clip.mono().samples[0]
    if clip.sample_rate_hz == rate_hz:
        return samples
    common = gcd(rate_hz, clip.sample_rate_hz)
    return resample_poly(samples, rate_hz // common, clip.sample_rate_hz // common).astype(np.float32)


def _period_of(beats: np.ndarray, period: float) -> float:
    """Beat times against their count: the slope of the line, misplaced beats left out."""
    counts = np.concatenate([[0], np.cumsum(np.maximum(1, np.round(np.diff(beats) / np.median(np.diff(beats)))))])
    kept = np.ones(len(beats), bool)
    slope = period
    for _ in range(3):
        slope, start = np.polyfit(counts[kept], beats[kept], 1)
        off = np.abs(beats - (start + slope * counts))
        kept = off <= max(0.03, 2 * float(np.median(off)))
        if kept.sum() < 4:
            break
    return float(slope)


def _alignment(onsets: np.ndarray, periods: np.ndarray, seconds_a_frame: float) -> np.ndarray:
    """How strongly the onsets repeat at each period: the spectrum at the beat and its first harmonics."""
    times = np.arange(len(onsets)) * seconds_a_frame
    centred = (onsets - onsets.mean()) * np.hanning(len(onsets))
    total = np.zeros(len(periods))
    for harmonic, weight in ((1, 1.0), (2, 0.8), (4, 0.5)):
        angles = 2j * np.pi * harmonic * np.outer(1 / periods, times)
        total += weight * np.abs(np.exp(-angles) @ centred)
    return total


def _sharpened(onsets: np.ndarray, period: float, seconds_a_frame: float) -> float:
    """The period within 3 % of this one at which the onsets line up best."""
    for width, steps in ((0.03, 61), (0.002, 21)):
        periods = period * (1 + np.linspace(-width, width, steps))
        period = float(periods[np.argmax(_alignment(onsets, periods, seconds_a_frame))])
    return period


def _phase(onsets: np.ndarray, period: float, seconds_a_frame: float) -> tuple[float, float]:
    """Where the beats lie, and how much of the onsets' strength they take: (seconds, 0 to 1)."""
    times = np.arange(len(onsets)) * seconds_a_frame
    places = ((times % period) / period * 24).astype(int) % 24
    profile = np.bincount(places, weights=onsets, minlength=24) / np.maximum(1, np.bincount(places, minlength=24))
    best = int(np.argmax(profile))
    share = float(profile[best] / max(1e-9, profile.sum()))
    return (best + 0.5) / 24 * period, float(np.clip((share - 1 / 24) * 6, 0, 1))
