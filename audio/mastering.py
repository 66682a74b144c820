"""The last stage: glue, loudness and a true-peak ceiling, all as one gain over time.

Because the stage only multiplies, it can be laid on every stem alike and the stems still sum to the master exactly.
Knows nothing of parts, effects or files.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audio.clip import Clip
from audio.loudness import gated_lufs, hop_energies, integrated_lufs, quick_loudness_lufs, true_peak_dbtp, true_peaks

HOP_FRAMES = 64
_LOOK_AHEAD_HOPS = 4  # 6 ms at 44.1 kHz
_RELEASE_SECONDS = 0.09


class TooQuiet(ValueError):
    """A clip has no sound to bring to a loudness."""


@dataclass(frozen=True, slots=True)
class Mastered:
    """A mastered clip, the gain that made it (one factor a frame, float32), and what was measured."""

    clip: Clip
    gain: np.ndarray
    loudness_lufs: float
    peak_dbtp: float


class GlueCompressor:
    """A gentle bus compressor that answers with gains, block by block.

    ratio over a soft knee above `threshold_db` (RMS of the channels' mean power), slow enough to move with the bar. Feed
    it blocks in order; each gives its gain, one factor a frame.
    """

    def __init__(
        self, *, sample_rate_hz: int, threshold_db: float = -18.0, ratio: float = 1.8,
        attack_seconds: float = 0.03, release_seconds: float = 0.25, knee_db: float = 8.0,
    ) -> None:  # fmt: skip
        self._hop = 4 * HOP_FRAMES
        seconds = self._hop / sample_rate_hz
        self._rise = 1 - float(np.exp(-seconds / attack_seconds))
        self._fall = 1 - float(np.exp(-seconds / release_seconds))
        self._threshold, self._slope, self._knee = threshold_db, 1 - 1 / ratio, knee_db
        self._reduction = 0.0

    def gain(self, samples: np.ndarray, *, scale: float = 1.0) -> np.ndarray:
        """The gain for the next block (channels, frames), heard `scale` times as loud: float32, (frames,)."""
        frames = samples.shape[1]
        if frames == 0:
            return np.ones(0, np.float32)
        edges = np.arange(0, frames, self._hop)
        power = np.add.reduceat(np.einsum("cf,cf->f", samples, samples), edges) / samples.shape[0]
        power /= np.diff(np.append(edges, frames))
        over = 10 * np.log10(power * scale**2 + 1e-12) - self._threshold
        half = self._knee / 2
        knee = np.where(over > half, over, np.where(over < -half, 0.0, (over + half) ** 2 / (2 * self._knee)))
        reductions = [self._reduction]
        now = self._reduction
        for wanted in (knee * self._slope).tolist():
            now += (wanted - now) * (self._rise if wanted > now else self._fall)
            reductions.append(now)
        self._reduction = now
        points = 10 ** (-np.array(reductions) / 20)
        return np.interp(np.arange(frames), np.append(edges, frames), points).astype(np.float32)


class LiveLimiter:
    """Keeps a growing sound under a ceiling; it holds back a few milliseconds to see peaks coming.

    Hears samples only, not what lies between them: for listening while the take is made, not for the master.
    """

    def __init__(self, *, sample_rate_hz: int, ceiling_db: float = -1.5) -> None:
        self._ceiling = 10 ** (ceiling_db / 20)
        self._release = _release(sample_rate_hz)
        self._held: np.ndarray | None = None
        self._last = 1.0
        self._before: np.ndarray | None = None

    def push(self, samples: np.ndarray, *, last: bool = False) -> np.ndarray:
        """The limited frames that are ready, (channels, n); with `last`, all that is left."""
        held = samples if self._held is None else np.concatenate([self._held, samples], axis=1)
        ready = held.shape[1] if last else max(0, held.shape[1] // HOP_FRAMES - _LOOK_AHEAD_HOPS - 2) * HOP_FRAMES
        if ready == 0:
            self._held = held
            return held[:, :0]
        edges = np.arange(0, held.shape[1], HOP_FRAMES)
        peaks = np.maximum.reduceat(np.abs(held).max(axis=0), edges)
        wanted = np.minimum(1.0, self._ceiling / np.maximum(peaks, 1e-9))
        gains, recent = _smooth(wanted, self._release, self._last, self._before)
        hops = -(-ready // HOP_FRAMES)
        points = np.append(gains, gains[-1])[: hops + 1]
        curve = np.interp(np.arange(ready), np.arange(hops + 1) * HOP_FRAMES, points)
        self._last = float(recent[hops - 1])
        known = recent[:hops] if self._before is None else np.concatenate([self._before, recent[:hops]])
        self._before = known[-_LOOK_AHEAD_HOPS:]
        self._held = held[:, ready:]
        return np.clip(held[:, :ready] * curve, -self._ceiling, self._ceiling).astype(np.float32)


def limiting_gain(peaks: np.ndarray, *, ceiling: float, sample_rate_hz: int) -> np.ndarray:
    """A gain per hop of HOP_FRAMES that keeps these peaks under the ceiling, rising early and let go slowly."""
    wanted = np.minimum(1.0, ceiling / np.maximum(peaks, 1e-9))
    return _smooth(wanted, _release(sample_rate_hz), 1.0, None)[0]


def mastering_gain(
    mix: Clip, *, target_lufs: float = -14.0, ceiling_dbtp: float = -1.0, shape: np.ndarray | None = None
) -> np.ndarray:
    """The gain over time that brings a mix to a loudness under a true-peak ceiling: float32, (frames,).

    shape: a gain to lay on first, such as the glue's or a fade. Where the ceiling and the loudness exclude each other
    the ceiling wins. Raises TooQuiet for silence.
    """
    rate = mix.sample_rate_hz
    shape = np.ones(mix.frames, np.float32) if shape is None else shape.astype(np.float32)
    shaped = Clip(mix.samples * shape, rate)
    hop = max(1, rate // 10)
    energies = hop_energies(shaped, hop_frames=hop)
    measured = _integrated(energies, shaped)
    if not np.isfinite(measured):
        raise TooQuiet("There is no sound in this clip to bring to a loudness.")
    makeup_db, ceiling_db = target_lufs - measured, ceiling_dbtp - 0.15
    peaks = true_peaks(shaped, hop_frames=HOP_FRAMES, above=10 ** ((ceiling_db - makeup_db) / 20))
    gain = np.ones(0, np.float32)
    for _ in range(8):
        makeup = 10 ** (makeup_db / 20)
        if float(peaks.max()) * makeup <= 10 ** (ceiling_db / 20):
            gain = np.full(mix.frames, makeup, np.float32)
        else:
            hops = limiting_gain(peaks * makeup, ceiling=10 ** (ceiling_db / 20), sample_rate_hz=rate)
            places = np.arange(len(hops) + 1) * HOP_FRAMES
            gain = (makeup * np.interp(np.arange(mix.frames), places, np.append(hops, hops[-1]))).astype(np.float32)
        limited = Clip(shaped.samples * gain, rate)
        miss = target_lufs - integrated_lufs(limited)
        if abs(miss) > 0.1 and makeup_db < target_lufs - measured + 12:
            makeup_db += miss
            continue
        over_db = true_peak_dbtp(limited) - (ceiling_dbtp - 0.02)
        if over_db <= 0:
            break
        ceiling_db -= over_db + 0.05
    return gain * shape


def master(clip: Clip, *, target_lufs: float = -14.0, ceiling_dbtp: float = -1.0, glue: bool = False) -> Mastered:
    """A clip brought to a loudness under a true-peak ceiling. Raises TooQuiet for silence."""
    shape = None
    if glue:
        loudness = quick_loudness_lufs(clip.samples, sample_rate_hz=clip.sample_rate_hz)
        scale = 10 ** ((target_lufs - loudness) / 20) if np.isfinite(loudness) else 1.0
        shape = GlueCompressor(sample_rate_hz=clip.sample_rate_hz).gain(clip.samples, scale=scale)
    gain = mastering_gain(clip, target_lufs=target_lufs, ceiling_dbtp=ceiling_dbtp, shape=shape)
    made = Clip(clip.samples * gain, clip.sample_rate_hz)
    return Mastered(made, gain, integrated_lufs(made), true_peak_dbtp(made))


def _integrated(hop_energy: np.ndarray, clip: Clip) -> float:
    whole = hop_energy[: clip.frames // max(1, clip.sample_rate_hz // 10)]
    if len(whole) < 4:
        return integrated_lufs(clip)
    sums = np.cumsum(np.concatenate([[0.0], whole]))
    return gated_lufs((sums[4:] - sums[:-4]) / 4)


def _release(sample_rate_hz: int) -> float:
    return 1 - float(np.exp(-HOP_FRAMES / sample_rate_hz / _RELEASE_SECONDS))


def _smooth(
    wanted: np.ndarray, release: float, last: float, before: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Gains that never exceed what is wanted: the lowest over the look-ahead, released slowly, then averaged.

    before: the released gains of the hops that came before, None at the start. Returns the gains at the hops' starts, and the released
    gains they are the means of.
    """
    near = np.minimum(wanted, np.append(wanted[:1], wanted[:-1]))
    padded = np.append(near, np.full(_LOOK_AHEAD_HOPS, near[-1]))
    lowest = np.lib.stride_tricks.sliding_window_view(padded, _LOOK_AHEAD_HOPS + 1).min(axis=1)
    released = []
    now = last
    for low in lowest.tolist():
        now = low if low < now else min(low, now + (1.0 - now) * release)
        released.append(now)
    recent = np.array(released)
    # Before the first hop there is nothing to rise from: a sound that starts with a bang starts turned down.
    earlier = np.full(_LOOK_AHEAD_HOPS, recent[0]) if before is None else before[-_LOOK_AHEAD_HOPS:]
    if len(earlier) < _LOOK_AHEAD_HOPS:
        earlier = np.append(np.full(_LOOK_AHEAD_HOPS - len(earlier), earlier[0]), earlier)
    joined = np.concatenate([earlier, recent])
    sums = np.cumsum(np.append(0.0, joined))
    width = _LOOK_AHEAD_HOPS + 1
    means = (sums[width:] - sums[:-width]) / width
    return means, recent
