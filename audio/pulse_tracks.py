"""Steady or slowly drifting pulses that may lie under a clip: candidates for its beat, at every level of the metre.

A period is taken from how the onsets repeat; its drift is followed by the phase of the onsets' own spectrum at that period
(after Grosche and Müller, "Extracting Predominant Local Pulse Information from Music Recordings", IEEE TASLP 2011). Which of the
candidates is the beat is for others to say.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audio.bands import Bands

_LEVELS = (1.0, 0.5, 2.0, 1 / 3, 3.0, 2 / 3, 1.5, 0.75, 4 / 3, 0.25, 4.0)
_STEADY_SECONDS = 0.015  # a pulse that strays less from a metronome is taken for one
_PROFILE_PLACES = 48
_MOST_DRIFT = 0.09  # of the tempo, to either side


@dataclass(frozen=True, slots=True, eq=False)
class PulseTrack:
    """One candidate. turns: float64, (moments,), how many periods have passed at each moment, rising; whole numbers are pulses.

    period_seconds: the mean period. strength: how well the onsets bear it out, 0 to 1. steady: no drift to speak of.
    """

    turns: np.ndarray
    hop_seconds: float
    period_seconds: float
    strength: float
    steady: bool

    def times_at(self, turns: np.ndarray) -> np.ndarray:
        """When these many periods have passed, in seconds; outside the clip by the mean period."""
        moments = np.interp(turns, self.turns, np.arange(len(self.turns)))
        below, above = np.minimum(0.0, turns - self.turns[0]), np.maximum(0.0, turns - self.turns[-1])
        return moments * self.hop_seconds + (below + above) * self.period_seconds


def onset_curve(bands: Bands) -> np.ndarray:
    """One onset strength over all bands, its slow part taken out: (moments,)."""
    rises = np.minimum(bands.rises_db, 30.0)
    return _without_slow_part(rises.sum(axis=1), bands.hop_seconds)


def pulse_tracks(
    onsets: np.ndarray, *, hop_seconds: float, slowest_bpm: float, fastest_bpm: float, most: int = 14
) -> list[PulseTrack]:
    """The candidates between two tempos, strongest first."""
    periods = _periods(onsets, hop_seconds, slowest_bpm=slowest_bpm, fastest_bpm=fastest_bpm)[:most]
    return [_followed(onsets, period, hop_seconds) for period in periods]


def phases_of(track: PulseTrack, curves: list[np.ndarray], *, most: int = 3) -> list[float]:
    """Where in the period the pulse may fall, in turns (0 to 1): the highest places of each curve folded by the period."""
    found: list[float] = []
    for curve in curves:
        profile = _folded(track, curve)
        higher = (profile > np.roll(profile, 1)) & (profile >= np.roll(profile, -1))
        places = np.flatnonzero(higher)
        for place in places[np.argsort(-profile[places])][:most]:
            left, middle, right = profile[place - 1], profile[place], profile[(place + 1) % len(profile)]
            bend = left - 2 * middle + right
            exact = place + (0.5 * (left - right) / bend if bend < 0 else 0.0)
            phase = exact / len(profile) % 1.0
            if all(_apart(phase, other) > 0.06 for other in found):
                found.append(float(phase))
    return found


def _apart(a: float, b: float) -> float:
    return abs((a - b + 0.5) % 1.0 - 0.5)


def _folded(track: PulseTrack, curve: np.ndarray) -> np.ndarray:
    """The mean of the curve at each place of the period, lightly smoothed round the circle."""
    places = np.rint(track.turns[: len(curve)] * _PROFILE_PLACES).astype(int) % _PROFILE_PLACES
    sums = np.bincount(places, weights=curve, minlength=_PROFILE_PLACES)
    profile = sums / np.maximum(1, np.bincount(places, minlength=_PROFILE_PLACES))
    kernel = (0.1, 0.25, 0.3, 0.25, 0.1)
    return np.sum(
        [weight * np.roll(profile, shift) for weight, shift in zip(kernel, range(-2, 3), strict=True)], axis=0
    )


def _without_slow_part(curve: np.ndarray, hop_seconds: float) -> np.ndarray:
    width = max(3, round(1.0 / hop_seconds))
    if len(curve) <= width:
        return curve - curve.mean() if len(curve) else curve
    return np.maximum(curve - np.convolve(curve, np.ones(width) / width, mode="same"), 0.0)


def _periods(onsets: np.ndarray, hop_seconds: float, *, slowest_bpm: float, fastest_bpm: float) -> list[float]:
    """Periods in seconds at which the onsets repeat, and their relatives at other levels of the metre, best first."""
    count = len(onsets)
    centred = onsets - onsets.mean()
    power = np.abs(np.fft.rfft(centred, 1 << (2 * count - 1).bit_length())) ** 2
    repeats = np.fft.irfft(power)[:count]
    repeats = repeats / max(1e-12, repeats[0])
    smooth = np.convolve(repeats, np.array([0.25, 0.5, 0.25]), mode="same")
    tempos = np.geomspace(slowest_bpm, fastest_bpm, 480)
    score = np.zeros(len(tempos))
    for multiple, weight in ((1, 1.0), (2, 0.8), (4, 0.8), (8, 0.5), (3, 0.3)):
        lags = 60.0 / tempos * multiple / hop_seconds
        score += weight * np.where(lags < count * 0.8, np.interp(lags, np.arange(count), smooth), 0.0)
    peaks = np.flatnonzero((score[1:-1] > score[:-2]) & (score[1:-1] >= score[2:])) + 1
    peaks = peaks[np.argsort(-score[peaks])]
    seeds = [60.0 / tempos[peak] for peak in peaks[:4]] or [60.0 / float(np.sqrt(slowest_bpm * fastest_bpm))]
    chosen: list[float] = []
    wanted = [seed * level for seed in seeds[:2] for level in _LEVELS] + [60.0 / tempos[peak] for peak in peaks[:10]]
    for period in wanted:
        if not 60.0 / fastest_bpm <= period <= 60.0 / slowest_bpm:
            continue
        exact = _sharpened(centred, period, hop_seconds)
        if all(abs(np.log(exact / other)) > 0.025 for other in chosen):
            chosen.append(exact)
    return chosen


def _sharpened(centred: np.ndarray, period: float, hop_seconds: float) -> float:
    """The period within 3 % of this one at which the onsets line up best, by their spectrum at it and its first multiples."""
    size = 1 << (len(centred) * 4 - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(centred * np.hanning(len(centred)), size))
    ratios = np.exp(np.linspace(-0.03, 0.03, 241))
    places = ratios / period * size * hop_seconds
    total = sum(
        weight * np.interp(places * multiple, np.arange(len(spectrum)), spectrum)
        for multiple, weight in ((1, 1.0), (2, 0.9), (3, 0.7), (4, 0.7))
    )
    return float(period / ratios[int(np.argmax(total))])


def _followed(onsets: np.ndarray, period: float, hop_seconds: float) -> PulseTrack:
    """The pulse of about this period with its drift: its tempo over time, then the phase of the onsets' spectrum at that."""
    count = len(onsets)
    moments = np.arange(count)
    tempo = _tempo_curve(onsets, period, hop_seconds)
    plain = np.concatenate([[0.0], np.cumsum(tempo[:-1])]) * hop_seconds / period
    harmonic = _steadiest_harmonic(onsets, plain)
    turning = onsets * np.exp(-2j * np.pi * harmonic * plain)
    width = min(count, max(3, round(max(6.0, 8 * period) / hop_seconds)))
    local = _smoothed(turning, np.hanning(width + 2)[1:-1])
    strength = float(np.abs(turning.sum()) / max(1e-9, onsets.sum()))
    drift = np.unwrap(np.angle(local)) / (2 * np.pi * harmonic)
    weight = np.abs(local) + 1e-9
    slope, offset = np.polyfit(moments, drift, 1, w=np.sqrt(weight))
    line = slope * moments + offset
    strays = float(np.sqrt(np.average((drift - line) ** 2, weights=weight))) * period
    wanders = float(np.ptp(tempo)) > 0
    steady = not wanders and (strays < _STEADY_SECONDS or count < 4 * width / 3)
    turns = plain - (line if steady else drift)
    turns = np.maximum.accumulate(turns + 1e-9 * moments)
    mean_period = (count - 1) * hop_seconds / max(1e-9, float(turns[-1] - turns[0]))
    return PulseTrack(turns, hop_seconds, mean_period, strength, steady)


def _tempo_curve(onsets: np.ndarray, period: float, hop_seconds: float) -> np.ndarray:
    """The pulse's speed at each moment as a factor round 1: constant unless the onsets clearly say that it wanders.

    The likeliest path through the spectra of windows of eight beats, which may move by half a percent from one to the next.
    """
    count = len(onsets)
    width = min(count, round(max(6.0, 8 * period) / hop_seconds))
    starts = np.arange(0, count - width + 1, max(1, round(1.0 / hop_seconds)))
    if len(starts) < 6:
        return np.ones(count)
    ratios = np.exp(np.linspace(-_MOST_DRIFT, _MOST_DRIFT, 37))
    angles = 2j * np.pi * np.outer(np.arange(width) * hop_seconds / period, ratios)
    windows = np.lib.stride_tricks.sliding_window_view(onsets, width)[starts] * np.hanning(width)
    windows = windows / (windows.sum(axis=1, keepdims=True) + 1e-9)
    score = sum(weight * np.abs(windows @ np.exp(-angles * h)) for h, weight in ((1, 1.0), (2, 1.0), (4, 0.7)))
    path = _likeliest_path(score)
    steady = float(score.sum(axis=0).max())
    if float(score[np.arange(len(path)), path].sum()) < 1.12 * steady:
        return np.ones(count)
    chosen = np.convolve(np.pad(ratios[path], 2, mode="edge"), np.ones(5) / 5, mode="valid")
    return np.interp(np.arange(count), starts + width / 2, chosen)


def _likeliest_path(score: np.ndarray) -> np.ndarray:
    """The columns of the best path down the rows, one step to a side at most: (rows,)."""
    total = score[0]
    came = []
    for row in score[1:]:
        sides = np.stack([np.append(-np.inf, total[:-1]), total, np.append(total[1:], -np.inf)])
        step = np.argmax(sides, axis=0)
        came.append(step - 1)
        total = row + sides.max(axis=0)
    path = [int(np.argmax(total))]
    for step in reversed(came):
        path.append(path[-1] + int(step[path[-1]]))
    return np.array(path[::-1])


def _steadiest_harmonic(onsets: np.ndarray, turns: np.ndarray) -> int:
    """1 to 4: the multiple of the pulse the onsets follow most clearly.

    The drift is read there: at the pulse itself it moves whenever the accents move from the beat to the offbeat.
    """
    return max((1, 2, 3, 4), key=lambda h: float(np.abs((onsets * np.exp(-2j * np.pi * h * turns)).sum())))


def _smoothed(curve: np.ndarray, window: np.ndarray) -> np.ndarray:
    from scipy.signal import fftconvolve

    return fftconvolve(curve, window, mode="same")
