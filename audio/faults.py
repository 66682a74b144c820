"""What can be wrong with sound whatever the music: clipping, clicks, hum, dead channels, holes, an offset.

Each measure works a stretch at a time, so ten minutes need little more memory than one. Knows nothing of plans, of
scores or of how bad a fault is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from audio.analysis import gaps
from audio.clip import Clip

_STRETCH_SECONDS = 20
_TOP = 0.985  # of a second's own peak: samples above it may be flat tops
_FLAT = 2e-4  # of the peak: neighbours nearer than this are one level
_ORDER = 24
_PREDICTED = 1_024
_CLICK_STEP = 0.012
_CLICK_STANDS_OUT = 1.05
_CLICK_SURELY = 24.0
_USUAL_STROKE = 3  # the fourth sharpest stroke is the take's own manner
_MOST_CLICKS = 24
_HUM_LINES = 6
_HUM_PROMINENCE_DB = 9.0
_HUM_LEAST_LINES = 4
_HUM_RATE_HZ = 2_205
_HUM_WINDOW_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch where something is wrong, in seconds, and how strongly (each measure says in what)."""

    start_seconds: float
    end_seconds: float
    strength: float

    @property
    def seconds(self) -> float:
        return self.end_seconds - self.start_seconds


@dataclass(frozen=True, slots=True)
class Hum:
    """Mains hum: 50 or 60 Hz, how far its lines stand out of what lies beside them (dB), and where."""

    mains_hz: float
    prominence_db: float
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Stereo:
    """How wide a clip is. correlation: -1 to 1 between left and right. side_db: the difference against the sum.

    Both None for a clip of one channel, or for silence.
    """

    correlation: float | None
    side_db: float | None


def clipped(clip: Clip) -> list[Span]:
    """Seconds whose peaks are cut flat: three or more neighbouring samples on one level at the top.

    strength: flat tops a second. A waveform that merely reaches full scale is not clipped.
    """
    spans: list[Span] = []
    rate = clip.sample_rate_hz
    for start in range(0, clip.frames, rate):
        piece = clip.samples[:, start : start + rate]
        peak = float(np.abs(piece).max(initial=0.0))
        if peak < 0.05 or piece.shape[1] < 8:
            continue
        flat = np.abs(np.diff(piece, axis=1)) < _FLAT * peak
        top = np.abs(piece) >= _TOP * peak
        runs = flat[:, 1:] & flat[:, :-1] & top[:, 1:-1]
        count = int((np.diff(runs.astype(np.int8), axis=1) == 1).sum())
        if count >= 3:
            begin = start / rate
            spans.append(Span(begin, begin + piece.shape[1] / rate, count / (piece.shape[1] / rate)))
    return _merged(spans)


def clicks(clip: Clip) -> list[Span]:
    """Places where the waveform jumps from one sample to the next, as at a join without a fade.

    strength: how far the jump stands out of its surroundings and of the take's own sharpest strokes, 1 is just enough.
    What a linear prediction over 24 samples cannot foresee is held against the milliseconds before and after (Vaseghi
    & Rayner 1990, "Detection and suppression of impulsive noise in speech communication systems"); an instrument that
    clicks at every stroke sets the measure for itself.
    """
    rate = clip.sample_rate_hz
    block = max(16, rate // 1400)  # 0.7 ms
    sharpness = _surprises(clip, block)
    if len(sharpness) < 16:
        return []
    peaks: list[tuple[float, int]] = []
    left = sharpness.copy()
    while len(peaks) < _MOST_CLICKS and float(left.max()) > 0:
        place = int(np.argmax(left))
        peaks.append((float(left[place]), place))
        left[max(0, place - 68) : place + 68] = 0.0
    usual = peaks[_USUAL_STROKE][0] if len(peaks) > _USUAL_STROKE else 0.0
    least = min(_CLICK_STANDS_OUT * (5.0 + usual), _CLICK_SURELY)
    found = [(sharp, place) for sharp, place in peaks if sharp > least]
    return [
        Span(place * block / rate, (place + 1) * block / rate, sharp / least)
        for sharp, place in sorted(found, key=lambda pair: pair[1])
    ]


def _surprises(clip: Clip, block: int) -> np.ndarray:
    """The highest prediction error of each block against the level of the error 0.7 to 2 ms before and after it."""
    step = _STRETCH_SECONDS * clip.sample_rate_hz // _PREDICTED * _PREDICTED
    errors = []
    for start in range(0, clip.frames, step):
        piece = clip.samples[:, max(0, start - _ORDER) : start + step].astype(np.float32)
        error = _prediction_error(piece)
        errors.append(error[min(start, _ORDER) :])
    error = np.concatenate(errors) if errors else np.zeros(0, np.float32)
    blocks = error[: len(error) // block * block].reshape(-1, block)
    if len(blocks) < 16:
        return np.zeros(0)
    highest, level = blocks.max(axis=1), np.sqrt((blocks**2).mean(axis=1)) + 3e-4
    around = np.maximum.reduce([np.roll(level, shift) for shift in (2, 3, -2, -3)])
    out = np.where(highest > _CLICK_STEP, highest / around, 0.0)
    out[:4] = out[-4:] = 0.0
    return out


def _prediction_error(samples: np.ndarray) -> np.ndarray:
    """What linear prediction leaves, all channels together: (frames,). One predictor each _PREDICTED frames."""
    frames = samples.shape[1]
    count = frames // _PREDICTED
    out = np.zeros(frames, np.float32)
    if count < 2:
        return out
    half = _PREDICTED // 2
    padded = np.pad(samples, ((0, 0), (half, half + _PREDICTED)))
    window = np.hanning(2 * _PREDICTED).astype(np.float32)
    pieces = np.lib.stride_tricks.sliding_window_view(padded, 2 * _PREDICTED, axis=1)[:, ::_PREDICTED][:, :count]
    power = (np.abs(np.fft.rfft(pieces * window, 4 * _PREDICTED, axis=2)) ** 2).sum(axis=0)
    likeness = np.fft.irfft(power, axis=1)[:, : _ORDER + 1]
    filters = _levinson(likeness)  # (count, order + 1), the first 1
    for channel in samples:
        back = np.pad(channel, (_ORDER, 0))
        rows = np.lib.stride_tricks.sliding_window_view(back, _PREDICTED + _ORDER)[::_PREDICTED][:count]
        error = np.zeros((count, _PREDICTED), np.float32)
        for lag in range(_ORDER + 1):
            error += filters[:, lag : lag + 1] * rows[:, _ORDER - lag : _ORDER - lag + _PREDICTED]
        out[: count * _PREDICTED] += error.reshape(-1) ** 2
    return np.sqrt(out)


def _levinson(likeness: np.ndarray) -> np.ndarray:
    """Levinson and Durbin's recursion for many autocorrelations (n, order + 1) at once: filters (n, order + 1)."""
    count, size = likeness.shape
    filters = np.zeros((count, size))
    filters[:, 0] = 1.0
    error = likeness[:, 0] * 1.000001 + 1e-6
    for order in range(1, size):
        reflection = -np.einsum("nk,nk->n", filters[:, :order], likeness[:, order:0:-1]) / error
        before = filters[:, : order + 1].copy()
        filters[:, : order + 1] = before + reflection[:, None] * before[:, ::-1]
        error = np.maximum(error * (1 - reflection**2), 1e-9)
    return filters.astype(np.float32)


def holes(clip: Clip, *, longer_than_seconds: float = 0.08, floor_db: float = -60.0) -> list[Span]:
    """Silences inside the music that begin or end abruptly: sound cut out, not music that dies away.

    strength: how far the level falls or rises within 40 ms of an edge, in dB. Silence before the first sound and after
    the last is no hole.
    """
    spans = []
    for start, end in gaps(clip, longer_than_seconds=longer_than_seconds, floor_db=floor_db):
        if start <= 0.02 or end >= clip.seconds - 0.02:
            continue
        fall = _level_db(clip, start - 0.04, start - 0.01) - floor_db
        rise = _level_db(clip, end + 0.0, end + 0.03) - floor_db
        spans.append(Span(start, end, float(max(0.0, min(fall, rise + 60)))))
    return spans


def _level_db(clip: Clip, start_seconds: float, end_seconds: float) -> float:
    piece = clip.between(max(0.0, start_seconds), end_seconds).samples
    return 10 * float(np.log10(float((piece**2).mean()) + 1e-12)) if piece.size else -120.0


def stereo(clip: Clip) -> Stereo:
    """Correlation and width of the two channels."""
    if clip.channels != 2 or clip.frames == 0:
        return Stereo(None, None)
    sums = np.zeros(3)
    for left, right in _stretches(clip.samples, _STRETCH_SECONDS * clip.sample_rate_hz):
        sums += [float(left @ left), float(right @ right), float(left @ right)]
    ll, rr, lr = sums
    if ll + rr < 1e-9 * clip.frames:
        return Stereo(None, None)
    mid, side = ll + rr + 2 * lr, max(0.0, ll + rr - 2 * lr)
    correlation = lr / max(1e-12, float(np.sqrt(ll * rr)))
    return Stereo(float(correlation), 10 * float(np.log10((side + 1e-12) / max(mid, 1e-12))))


def _stretches(samples: np.ndarray, step: int) -> Iterator[np.ndarray]:
    for start in range(0, samples.shape[1], step):
        yield samples[:, start : start + step].astype(np.float64)


def dc_offset(clip: Clip) -> float:
    """The largest channel's mean, full scale 1."""
    return float(np.abs(clip.samples.mean(axis=1, dtype=np.float64)).max()) if clip.frames else 0.0


def hum(clip: Clip) -> Hum | None:
    """Mains hum at 50 or 60 Hz, or None.

    A line of the mains lies exactly on a multiple, is narrow, and stays through notes and rests: for each multiple the
    weakest of a few neighbouring seconds is held against what lies beside it. Most of the first six multiples must
    stand out at once, for a bass note may lie on one or two.
    """
    windows = _low_spectra(clip)
    if windows is None:
        return None
    best: Hum | None = None
    for mains in (50.0, 60.0):
        lines = np.stack([_prominence(windows, mains * k) for k in range(1, _HUM_LINES + 1)])
        strong = np.sort(lines, axis=0)[-_HUM_LEAST_LINES]  # what so many lines reach
        found = Hum(mains, float(np.median(strong[strong > _HUM_PROMINENCE_DB])), _spans_of(strong)) if (
            _spans_of(strong)
        ) else None  # fmt: skip
        if found and (best is None or sum(s.seconds for s in found.spans) > sum(s.seconds for s in best.spans)):
            best = found
    return best


def _low_spectra(clip: Clip) -> np.ndarray | None:
    """Power of 2 s windows a second apart, (windows, bins of 0.5 Hz); None for a clip too short for three."""
    from math import gcd

    from scipy.signal import resample_poly

    rate = clip.sample_rate_hz
    if clip.seconds < 4.0:
        return None
    common = gcd(_HUM_RATE_HZ, rate)
    up, down = _HUM_RATE_HZ // common, rate // common
    low = np.concatenate(
        [
            resample_poly(clip.samples[:, s : s + _STRETCH_SECONDS * rate].mean(axis=0), up, down)
            for s in range(0, clip.frames, _STRETCH_SECONDS * rate)
        ]
    )
    size = round(_HUM_WINDOW_SECONDS * _HUM_RATE_HZ)
    starts = np.arange(0, len(low) - size + 1, _HUM_RATE_HZ)
    frames = np.lib.stride_tricks.sliding_window_view(low, size)[starts] * np.blackman(size)
    return np.abs(np.fft.rfft(frames, axis=1)) ** 2


def _prominence(power: np.ndarray, line_hz: float) -> np.ndarray:
    """How far a line stands out of what lies 3 to 8 Hz beside it, in dB, the weakest of three windows: (windows,)."""
    middle = round(line_hz * _HUM_WINDOW_SECONDS)
    at = power[:, middle - 1 : middle + 2].max(axis=1)
    sides = np.concatenate([power[:, middle - 16 : middle - 5], power[:, middle + 6 : middle + 17]], axis=1)
    out = 10 * np.log10((at + 1e-14) / (np.median(sides, axis=1) + 1e-14))
    padded = np.pad(out, 1, mode="edge")
    return np.minimum(np.minimum(padded[:-2], padded[1:-1]), padded[2:])


def _spans_of(strong: np.ndarray) -> tuple[Span, ...]:
    """Runs of at least three windows over the threshold, as spans; strength: their median prominence in dB."""
    over = np.concatenate([[False], strong > _HUM_PROMINENCE_DB, [False]])
    turns = np.flatnonzero(np.diff(over.astype(np.int8))).reshape(-1, 2)
    return tuple(
        Span(float(a), float(b - 1 + _HUM_WINDOW_SECONDS), float(np.median(strong[a:b])))
        for a, b in turns
        if b - a >= 3
    )


def _merged(spans: list[Span]) -> list[Span]:
    """Spans that touch, as one; its strength is the highest."""
    out: list[Span] = []
    for span in spans:
        if out and span.start_seconds - out[-1].end_seconds < 0.05:
            out[-1] = Span(out[-1].start_seconds, span.end_seconds, max(out[-1].strength, span.strength))
        else:
            out.append(span)
    return out
