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
MAJOR_PROFILE = (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081)
MINOR_PROFILE = (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052)


class TooShort(ValueError):
    """A clip is too short or too quiet to be analysed."""


class HalfAndDouble:
    """The other readings of a tempo: what else a listener might tap to the same music."""

    __slots__ = ()
    tempo_bpm: float

    @property
    def half_bpm(self) -> float:
        return self.tempo_bpm / 2

    @property
    def double_bpm(self) -> float:
        return self.tempo_bpm * 2

    @property
    def other_bpm(self) -> float:
        """The likelier of the two: people tap between some 60 and 190 beats a minute."""
        return self.double_bpm if self.tempo_bpm < 95 else self.half_bpm

    @property
    def candidates_bpm(self) -> tuple[float, ...]:
        """As found, half, double."""
        return (self.tempo_bpm, self.half_bpm, self.double_bpm)


@dataclass(frozen=True, slots=True)
class Tempo(HalfAndDouble):
    """A tempo in beats a minute and how sure it is (0 to 1).

    first_beat_seconds: a beat near the start, from which the grid can be drawn.
    """

    tempo_bpm: float
    confidence: float
    first_beat_seconds: float


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
    """The tempo, from how the onsets repeat: librosa's onset strength, its autocorrelation, and a regression.

    A beat tracker alone takes a syncopation (three against four) for the beat and is off by up to 3.6 BPM. So a period
    is chosen for repeating at one, two, four and eight beats alike, near the tempos people tap (a broad preference
    round 120); it is then sharpened to where the onsets of the whole clip line up best. Raises TooShort under 3 s or
    for silence.
    """
    samples = _mono_at(clip, _RATE_HZ)
    if clip.seconds < 3.0 or not samples.any():
        raise TooShort("A tempo needs at least three seconds of sound.")
    onsets = _onsets(samples)
    seconds_a_frame = _HOP / _RATE_HZ
    period = sharpened_period(onsets, best_period(onsets, seconds_a_frame), seconds_a_frame)
    phase, strength = phase_of(onsets, period, seconds_a_frame)
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
        for mode, profile in (("major", MAJOR_PROFILE), ("minor", MINOR_PROFILE))
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

    def peaks_seconds(self, *, apart_seconds: float) -> np.ndarray:
        """Where it changes most, strongest first: the local maxima, no two nearer than `apart_seconds`."""
        from scipy.signal import find_peaks

        step = float(self.times_seconds[1] - self.times_seconds[0]) if len(self.times_seconds) > 1 else 1.0
        peaks, _ = find_peaks(self.strength, distance=max(1, round(apart_seconds / step)))
        return self.times_seconds[peaks[np.argsort(-self.strength[peaks], kind="stable")]]


def novelty(clip: Clip, *, contexts_seconds: tuple[float, ...] = (0.6, 1.2, 2.4)) -> Novelty:
    """How differently the clip sounds after each moment than before it, over short and longer contexts together.

    Compares loudness in 24 bands and the onsets in each (after Foote 2000, with plain windows for the kernel): a change
    of layers, of register, of pattern or of energy shows; a change of chord hardly does.
    """
    step = 0.1
    features = _texture(clip, step_seconds=step)
    count = features.shape[1]
    sums = np.concatenate([np.zeros((features.shape[0], 1)), np.cumsum(features, axis=1)], axis=1)
    moments = np.arange(count + 1)
    # Too near an end there is too little to compare with.
    inside = (moments >= 15) & (moments <= count - 10)
    strength = np.zeros(count + 1)
    for context in contexts_seconds:
        width = max(2, min(round(context / step), count // 2))
        before, after = np.maximum(moments - width, 0), np.minimum(moments + width, count)
        left = (sums[:, moments] - sums[:, before]) / np.maximum(1, moments - before)
        right = (sums[:, after] - sums[:, moments]) / np.maximum(1, after - moments)
        change = np.sqrt(((right - left) ** 2).mean(axis=0))
        if inside.any() and (middle := float(np.median(change[inside]))) > 0:
            strength += np.where(inside, change, 0.0) / middle / len(contexts_seconds)
    return Novelty(moments * step, strength)


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


def _onsets(samples: np.ndarray) -> np.ndarray:
    """Onset strength, (frames,): rises in a mel spectrum, the frames' mean taken out over a second."""
    import librosa

    strength = librosa.onset.onset_strength(y=samples, sr=_RATE_HZ, hop_length=_HOP, aggregate=np.mean)
    local = np.convolve(strength, np.ones(87) / 87, mode="same")
    return np.maximum(strength - local, 0.0)


def best_period(onsets: np.ndarray, seconds_a_frame: float) -> float:
    """The beat, in seconds, at whose multiples the onsets repeat best."""
    count = len(onsets)
    centred = onsets - onsets.mean()
    spectrum = np.fft.rfft(centred, 2 * count)
    repeats = np.fft.irfft(np.abs(spectrum) ** 2)[:count]
    # Few pairs lie far apart: weigh each lag by how many there are, but trust no lag beyond two thirds.
    repeats = repeats / np.maximum(1, count - np.arange(count)) / max(1e-12, repeats[0] / count)
    # A beat is not exact to a frame: let a lag answer for its neighbours.
    smooth = np.convolve(repeats, np.hanning(7)[1:-1] / np.hanning(7).sum(), mode="same")
    periods = 60.0 / np.geomspace(45, 220, 640)
    score = np.zeros(len(periods))
    weights = np.zeros(len(periods))
    for multiple, weight in ((1, 1.0), (2, 1.0), (4, 1.2), (8, 1.0), (3, 0.35), (6, 0.35), (0.5, 0.4)):
        lags = periods * multiple / seconds_a_frame
        usable = lags < count * 0.67
        value = np.interp(lags, np.arange(count), smooth)
        score += np.where(usable, weight * value, 0.0)
        weights += np.where(usable, weight, 0.0)
    preference = np.exp(-0.5 * (np.log2(60.0 / periods / 118.0) / 0.9) ** 2)
    return float(periods[np.argmax(score / weights * preference)])


def _alignment(onsets: np.ndarray, periods: np.ndarray, seconds_a_frame: float) -> np.ndarray:
    """How strongly the onsets repeat at each period: the spectrum at the beat and its first harmonics."""
    times = np.arange(len(onsets)) * seconds_a_frame
    centred = (onsets - onsets.mean()) * np.hanning(len(onsets))
    total = np.zeros(len(periods))
    for harmonic, weight in ((1, 1.0), (2, 0.8), (4, 0.5)):
        angles = 2j * np.pi * harmonic * np.outer(1 / periods, times)
        total += weight * np.abs(np.exp(-angles) @ centred)
    return total


def sharpened_period(onsets: np.ndarray, period: float, seconds_a_frame: float) -> float:
    """The period within 3 % of this one at which the onsets line up best."""
    for width, steps in ((0.03, 61), (0.002, 21)):
        periods = period * (1 + np.linspace(-width, width, steps))
        period = float(periods[np.argmax(_alignment(onsets, periods, seconds_a_frame))])
    return period


def phase_of(onsets: np.ndarray, period: float, seconds_a_frame: float) -> tuple[float, float]:
    """Where the beats lie, and how much of the onsets' strength they take: (seconds, 0 to 1)."""
    times = np.arange(len(onsets)) * seconds_a_frame
    places = ((times % period) / period * 24).astype(int) % 24
    profile = np.bincount(places, weights=onsets, minlength=24) / np.maximum(1, np.bincount(places, minlength=24))
    best = int(np.argmax(profile))
    share = float(profile[best] / max(1e-9, profile.sum()))
    return (best + 0.5) / 24 * period, float(np.clip((share - 1 / 24) * 6, 0, 1))
