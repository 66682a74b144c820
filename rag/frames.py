"""A piece of music, moment by moment: the one pass over the sound that features, embeddings and fingerprints share.

Reads a stretch at a time and keeps a few kilobytes a second at most, so that hours fit. Mono at 22,050 Hz throughout;
loudness at the sound's own rate and channels. Knows nothing of what is made of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from audio.clip import Clip
from audio.loudness import HopMeter
from audio.stream import mono_at, stretches
from audio.work import Stopped, check_stopped, never

RATE_HZ = 22_050
# Bands and pitches: a spectrum of 4,096 samples each 1,024 (46 ms).
SIZE, HOP = 4_096, 1_024
FRAME_SECONDS = HOP / RATE_HZ
# Onsets: a spectrum of 1,024 samples each 256 (11.6 ms).
ONSET_SIZE, ONSET_HOP = 1_024, 256
ONSET_SECONDS = ONSET_HOP / RATE_HZ
LOUDNESS_SECONDS = 0.1
BANDS = 32
BAND_EDGES_HZ = np.concatenate([np.linspace(30, 330, 7)[:-1], np.geomspace(330, 10_800, BANDS - 5)])
REGISTERS = 4  # onsets apart: bass, low, middle, high
_REGISTER_EDGES_HZ = (40, 160, 640, 2_560, 10_800)
_ONSET_BANDS = 40
PITCH_BINS = 36  # a third of a semitone each
_LOW_HZ, _HIGH_HZ = 55.0, 2_000.0
_BASS_HZ = 220.0
_LANDMARKS_A_SECOND = 6
_LANDMARK_HZ = 3_500
_APART_FRAMES, _APART_BINS = 4, 5
_BATCH = 512


class NoMusic(ValueError):
    """The sound is too short or too quiet to be heard as music; the message is a sentence for the user."""


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """What was heard, over time.

    bands: (frames, BANDS) power, one row each FRAME_SECONDS. tonal: (frames, PITCH_BINS), strength of the sustained
    spectral peaks by pitch class, from C at A = 440 Hz; bass: the same under 220 Hz. onsets: (moments, REGISTERS), the
    rises of the spectrum, one row each ONSET_SECONDS. hops: K-weighted energy each 0.1 s. peaks: (n, 3), points of the spectrum
    louder than all round them, as (frame, cents over A0, level in dB). width: side over mid and side, 0 for mono. sustained: the
    share of the power that lasts from frame to frame.
    """

    seconds: float
    sample_rate_hz: int
    channels: int
    bands: np.ndarray
    tonal: np.ndarray
    bass: np.ndarray
    onsets: np.ndarray
    hops: np.ndarray
    peaks: np.ndarray
    width: float
    sustained: float

    def between(self, start_seconds: float, end_seconds: float) -> Frames:
        """The part between two moments; width and sustained stay the whole's."""

        def part(rows: np.ndarray, step: float) -> np.ndarray:
            return rows[round(start_seconds / step) : max(1, round(end_seconds / step))]

        first, last = start_seconds / FRAME_SECONDS, end_seconds / FRAME_SECONDS
        inside = (self.peaks[:, 0] >= first) & (self.peaks[:, 0] < last)
        return replace(
            self, seconds=min(end_seconds, self.seconds) - start_seconds, bands=part(self.bands, FRAME_SECONDS),
            tonal=part(self.tonal, FRAME_SECONDS), bass=part(self.bass, FRAME_SECONDS),
            onsets=part(self.onsets, ONSET_SECONDS), hops=part(self.hops, LOUDNESS_SECONDS),
            peaks=self.peaks[inside] - np.array([round(first), 0, 0]),
        )  # fmt: skip


def hear(source: Path | Clip, *, cancelled: Stopped = never) -> Frames:
    """Listen to a file or a clip once. Raises audio.io.AudioUnreadable, NoMusic for under a second or for silence, or
    WorkCancelled, some seconds of sound after it was stopped."""
    facts = _Outside()
    spectra, onsets = _Spectra(), _Onsets()
    for piece in mono_at(facts.watch(source), rate_hz=RATE_HZ):
        check_stopped(cancelled)
        spectra.add(piece)
        onsets.add(piece)
    spectra.end()
    onsets.end()
    if facts.seconds < 1.0 or facts.loudest < 1e-4:
        raise NoMusic("It holds less than a second of sound." if facts.seconds < 1.0 else "It holds only silence.")
    bands, tonal, bass, peaks, sustained = spectra.all()
    return Frames(
        seconds=facts.seconds, sample_rate_hz=facts.rate_hz, channels=facts.channels, bands=bands, tonal=tonal,
        bass=bass, onsets=onsets.all(), hops=facts.hops(), peaks=peaks, width=facts.width, sustained=sustained,
    )  # fmt: skip


class _Outside:
    """What is measured before the sound becomes mono: length, loudness, width."""

    def __init__(self) -> None:
        self.seconds, self.rate_hz, self.channels, self.loudest = 0.0, 0, 0, 0.0
        self._meter: HopMeter | None = None
        self._side = self._all = 0.0
        self._hops: list[np.ndarray] = []

    def watch(self, source: Path | Clip) -> Iterator[Clip]:
        for clip in stretches(source):
            if self._meter is None:
                self.rate_hz, self.channels = clip.sample_rate_hz, clip.channels
                self._meter = HopMeter(clip.sample_rate_hz, clip.channels, hop_seconds=LOUDNESS_SECONDS)
            self.seconds += clip.seconds
            self.loudest = max(self.loudest, float(np.abs(clip.samples).max(initial=0.0)))
            self._hops.append(self._meter.add(clip.samples))
            if clip.channels == 2:
                left, right = clip.samples
                self._side += float(((left - right) ** 2).sum())
                self._all += float(((left - right) ** 2).sum() + ((left + right) ** 2).sum())
            yield clip

    @property
    def width(self) -> float:
        return self._side / self._all if self._all > 0 else 0.0

    def hops(self) -> np.ndarray:
        last = [self._meter.end()] if self._meter is not None else []
        return np.concatenate([*self._hops, *last]) if self._hops else np.zeros(0)


class _Framed:
    """Overlapping frames out of pieces, some hundred at a time; the edges are padded with silence."""

    def __init__(self, size: int, hop: int) -> None:
        self._size, self._hop = size, hop
        self._held = np.zeros(size // 2, np.float32)

    def add(self, piece: np.ndarray) -> None:
        self._held = np.concatenate([self._held, piece])
        chunk = self._hop * _BATCH
        while len(self._held) >= chunk + self._size:
            self._frames(self._held[: chunk + self._size - self._hop])
            self._held = self._held[chunk:]

    def end(self) -> None:
        self._held = np.concatenate([self._held, np.zeros(self._size // 2, np.float32)])
        if len(self._held) >= self._size:
            self._frames(self._held)

    def _frames(self, samples: np.ndarray) -> None:
        framed = np.lib.stride_tricks.sliding_window_view(samples, self._size)[:: self._hop]
        self._take(np.abs(_rfft(framed * _window(self._size))))

    def _take(self, magnitude: np.ndarray) -> None:
        raise NotImplementedError


class _Spectra(_Framed):
    """Bands, sustained peaks by pitch class, and the strongest of them."""

    def __init__(self) -> None:
        super().__init__(SIZE, HOP)
        hertz = np.arange(SIZE // 2 + 1) * RATE_HZ / SIZE
        self._edges = np.unique(np.round(BAND_EDGES_HZ * SIZE / RATE_HZ).astype(int))
        self._usable = (hertz[1:-1] >= _LOW_HZ) & (hertz[1:-1] <= _HIGH_HZ)
        self._landmark_bins = int(_LANDMARK_HZ * SIZE / RATE_HZ)
        self._bands: list[np.ndarray] = []
        self._tonal: list[np.ndarray] = []
        self._bass: list[np.ndarray] = []
        self._peaks: list[np.ndarray] = []
        self._seen = 0
        self._steady = self._total = 0.0

    def _take(self, magnitude: np.ndarray) -> None:
        power = magnitude**2
        self._bands.append(np.add.reduceat(power, self._edges, axis=1)[:, :-1].astype(np.float32))
        held = magnitude.copy()  # a drum is gone in the next frame, a note is not
        if len(held) >= 3:
            held[1:-1] = np.minimum(np.minimum(magnitude[:-2], magnitude[1:-1]), magnitude[2:])
        self._steady += float((held**2).sum())
        self._total += float(power.sum())
        rows, cents, size = self._tops(held)
        for kept, chosen in ((self._tonal, slice(None)), (self._bass, cents < _cents(_BASS_HZ))):
            kept.append(_by_class(len(magnitude), rows[chosen], cents[chosen], size[chosen]))
        self._peaks.append(self._landmarks(magnitude))
        self._seen += len(magnitude)

    def _tops(self, size: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(frames, cents over A0, magnitudes) of the spectral peaks, placed between bins by a parabola on the log."""
        middle, left, right = size[:, 1:-1], size[:, :-2], size[:, 2:]
        floor = 0.004 * size.max(axis=1, initial=1e-9, keepdims=True)
        rows, columns = np.nonzero((middle > left) & (middle >= right) & (middle > floor) & self._usable)
        a, b, c = (np.log(part[rows, columns] + 1e-12) for part in (left, middle, right))
        bins = columns + 1 + np.clip(0.5 * (a - c) / np.minimum(a - 2 * b + c, -1e-9), -0.5, 0.5)
        return rows, _cents(bins * RATE_HZ / SIZE), np.exp(b)

    def _landmarks(self, magnitude: np.ndarray) -> np.ndarray:
        """(n, 3): frame, cents over A0, dB of the points louder than all round them, a few a second."""
        from scipy.ndimage import maximum_filter

        part = magnitude[:, : self._landmark_bins]
        top = maximum_filter(part, size=(2 * _APART_FRAMES + 1, 2 * _APART_BINS + 1), mode="nearest")
        rows, columns = np.nonzero((part == top) & (part > 0.01 * part.max(initial=1e-9)))
        inside = (columns > 10) & (columns < self._landmark_bins - 1)
        rows, columns = rows[inside], columns[inside]
        a, b, c = (np.log(part[rows, columns + step] + 1e-12) for step in (-1, 0, 1))
        bins = columns + np.clip(0.5 * (a - c) / np.minimum(a - 2 * b + c, -1e-9), -0.5, 0.5)
        before, after = (np.log(part[np.clip(rows + s, 0, len(part) - 1), columns] + 1e-12) for s in (-1, 1))
        moments = rows + np.clip(0.5 * (before - after) / np.minimum(before - 2 * b + after, -1e-9), -0.5, 0.5)
        loud = b * 20 / np.log(10)
        second = (moments * FRAME_SECONDS).astype(int)
        order = np.lexsort((-loud, second))
        rank = np.arange(len(order)) - np.searchsorted(second[order], second[order], side="left")
        chosen = order[rank < _LANDMARKS_A_SECOND]
        points = np.stack([moments[chosen] + self._seen, _cents(bins[chosen] * RATE_HZ / SIZE), loud[chosen]], axis=1)
        return points[np.argsort(points[:, 0], kind="stable")]

    def all(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]:
        if not self._bands:
            nothing = [np.zeros((0, n), np.float32) for n in (len(self._edges) - 1, PITCH_BINS, PITCH_BINS, 3)]
            return nothing[0], nothing[1], nothing[2], nothing[3], 0.0
        joined = [np.concatenate(part) for part in (self._bands, self._tonal, self._bass, self._peaks)]
        return joined[0], joined[1], joined[2], joined[3], self._steady / max(1e-12, self._total)


class _Onsets(_Framed):
    """Rises of the level in forty bands, summed by register."""

    def __init__(self) -> None:
        super().__init__(ONSET_SIZE, ONSET_HOP)
        edges = np.unique(np.round(np.geomspace(40, 10_800, _ONSET_BANDS + 1) * ONSET_SIZE / RATE_HZ).astype(int))
        self._edges = edges
        centres = (edges[:-1] + edges[1:]) / 2 * RATE_HZ / ONSET_SIZE
        register = np.searchsorted(_REGISTER_EDGES_HZ, centres) - 1
        self._into = np.stack([(register == n) / max(1, (register == n).sum()) for n in range(REGISTERS)], axis=1)
        self._last: np.ndarray | None = None
        self._out: list[np.ndarray] = []

    def _take(self, magnitude: np.ndarray) -> None:
        level = np.log10(np.add.reduceat(magnitude**2, self._edges, axis=1)[:, :-1] + 1e-2)
        before = level[:1] if self._last is None else self._last
        rises = np.maximum(0.0, np.diff(level, axis=0, prepend=before))
        self._out.append((rises @ self._into).astype(np.float32))
        self._last = level[-1:]

    def all(self) -> np.ndarray:
        return np.concatenate(self._out) if self._out else np.zeros((0, REGISTERS), np.float32)


def _rfft(frames: np.ndarray) -> np.ndarray:
    from scipy.fft import rfft

    return rfft(frames, axis=1)


def _window(size: int) -> np.ndarray:
    return np.hanning(size).astype(np.float32)


def _cents(hertz: np.ndarray | float) -> np.ndarray:
    return np.asarray(1200 * np.log2(np.maximum(1e-6, hertz) / 27.5))


def _by_class(count: int, rows: np.ndarray, cents: np.ndarray, size: np.ndarray) -> np.ndarray:
    """(count, PITCH_BINS) from C: each frame's peaks by pitch class, weighted by the square root of their size."""
    bins = np.round((cents - 300) / (1200 / PITCH_BINS)).astype(int) % PITCH_BINS
    flat = np.bincount(rows * PITCH_BINS + bins, weights=np.sqrt(size), minlength=count * PITCH_BINS)
    return flat.reshape(count, PITCH_BINS).astype(np.float32)
