"""A clip brought to a loudness under a true-peak ceiling that also holds after MP3.

The search runs on energies and peaks of 64 frames each, so that the sound itself is multiplied only two or three times.
Where ceiling and loudness exclude each other the ceiling wins, and the reason is told. Knows nothing of tone or of width.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np

from audio.clip import Clip
from audio.loudness import gated_lufs, hop_energies, integrated_lufs, true_peak_dbtp, true_peaks
from audio.mastering import HOP_FRAMES, TooQuiet, limiting_gain
from audio.work import Stopped, at_rate, check_stopped, never

LEAST_LUFS, MOST_LUFS = -40.0, -5.0
MP3_KILOBITS = 192
_MOST_REDUCTION_DB = 12.0  # peaks held down further than this sound crushed, whatever holds them
_NEAR_LU = 0.2
_STRETCH_FRAMES = 1 << 20
_MP3_MARGIN_DB = 0.75  # encoders, and one encoder's settings, overshoot by so much more or less


@dataclass(frozen=True, slots=True)
class Reached:
    """The clip at its loudness, and a sentence for each thing that could not be had.

    mp3_peak_dbtp: the true peak after MP3 at 192 kbit/s, None where it was not asked for. held_down_db: the most the
    limiter took off a peak.
    """

    clip: Clip
    loudness_lufs: float
    peak_dbtp: float
    mp3_peak_dbtp: float | None
    held_down_db: float
    reasons: tuple[str, ...]


def to_loudness(
    clip: Clip,
    *,
    target_lufs: float = -14.0,
    ceiling_dbtp: float = -1.0,
    safe_for_mp3: bool = True,
    cancelled: Stopped = never,
) -> Reached:
    """The clip at target_lufs, no point of it over ceiling_dbtp, before MP3 and (safe_for_mp3) after.

    Raises TooQuiet for silence, ValueError for a target or ceiling out of range, WorkCancelled.
    """  # fmt: skip
    if not (LEAST_LUFS <= target_lufs <= MOST_LUFS and -20.0 <= ceiling_dbtp <= 0.0):
        raise ValueError(
            f"A master lies between {LEAST_LUFS:.0f} and {MOST_LUFS:.0f} LUFS, its ceiling between −20 and 0 dBTP."
        )
    search = _Search(clip)
    ceiling_db, aim_lufs = ceiling_dbtp - 0.05, target_lufs
    for _ in range(9):
        check_stopped(cancelled)
        made, held_down_db = search.render(aim_lufs, ceiling_db)
        loudness, peak = integrated_lufs(made), true_peak_dbtp(made)
        if peak > ceiling_dbtp:
            ceiling_db -= peak - ceiling_dbtp + 0.03
            continue
        miss = target_lufs - loudness
        if abs(miss) > 0.1 and held_down_db < _MOST_REDUCTION_DB - 0.1 and abs(aim_lufs + miss - target_lufs) < 1.0:
            aim_lufs += miss
            continue
        mp3_peak = peak_after_mp3(made) if safe_for_mp3 else None
        if mp3_peak is not None and mp3_peak > ceiling_dbtp - _MP3_MARGIN_DB:
            ceiling_db -= mp3_peak - ceiling_dbtp + _MP3_MARGIN_DB + 0.05
            continue
        break
    else:  # the last resort is a plain step down, which no encoder undoes
        mp3_peak = peak_after_mp3(made) if safe_for_mp3 else None
        while max(peak, mp3_peak or peak) > ceiling_dbtp:
            step = 10 ** (-(max(peak, mp3_peak or peak) - ceiling_dbtp + _MP3_MARGIN_DB) / 20)
            made = Clip(made.samples * np.float32(step), made.sample_rate_hz)
            peak, mp3_peak = true_peak_dbtp(made), peak_after_mp3(made) if safe_for_mp3 else None
        loudness = integrated_lufs(made)
    reasons = _reasons(target_lufs, loudness, held_down_db, ceiling_dbtp, ceiling_db)
    return Reached(made, loudness, peak, mp3_peak, held_down_db, reasons)


def after_mp3(clip: Clip, *, kilobits: int = MP3_KILOBITS) -> Clip:
    """What a listener gets of the clip as an MP3 of constant rate; at 48 kHz where MP3 knows no such rate."""
    import soundfile

    rate = clip.sample_rate_hz if clip.sample_rate_hz in (32_000, 44_100, 48_000) else 48_000
    stereo = at_rate(clip if clip.channels <= 2 else clip.stereo(), rate)
    buffer = io.BytesIO()
    # libsndfile's level runs from 320 kbit/s at 0 to 32 at 1.
    level = (320 - kilobits) / (320 - 32)
    with soundfile.SoundFile(
        buffer,
        "w",
        rate,
        stereo.channels,
        "MPEG_LAYER_III",
        format="MP3",
        bitrate_mode="CONSTANT",
        compression_level=level,
    ) as file:
        for start in range(0, stereo.frames, 65_536):
            file.write(np.ascontiguousarray(stereo.samples[:, start : start + 65_536].T))
    buffer.seek(0)
    decoded, _ = soundfile.read(buffer, dtype="float32", always_2d=True)
    return Clip(decoded.T, rate)


def peak_after_mp3(clip: Clip) -> float:
    """The true peak in dBTP of what an MP3 at 192 kbit/s gives back."""
    return true_peak_dbtp(after_mp3(clip))


class _Search:
    """Loudness and limiting by hops: what a gain would bring, without multiplying the sound."""

    def __init__(self, clip: Clip) -> None:
        self._clip = clip
        self._energies = hop_energies(clip, hop_frames=HOP_FRAMES)
        self._block = max(1, round(0.4 * clip.sample_rate_hz / HOP_FRAMES))
        self._step = max(1, self._block // 4)
        self.loudness_lufs = self._loudness(np.ones(len(self._energies)))
        if not np.isfinite(self.loudness_lufs):
            raise TooQuiet("There is no sound in this clip to bring to a loudness.")
        self._peaks = true_peaks(clip, hop_frames=HOP_FRAMES)

    def render(self, target_lufs: float, ceiling_db: float) -> tuple[Clip, float]:
        """The clip at about target_lufs under the ceiling, and how far its peaks were held down."""
        gains, held_down_db = self._solve(target_lufs, ceiling_db)
        points, places = np.append(gains, gains[-1]), np.arange(len(gains) + 1) * HOP_FRAMES
        out = np.empty_like(self._clip.samples)
        for start in range(0, self._clip.frames, _STRETCH_FRAMES):
            piece = self._clip.samples[:, start : start + _STRETCH_FRAMES]
            curve = np.interp(np.arange(start, start + piece.shape[1]), places, points)
            out[:, start : start + piece.shape[1]] = piece * curve.astype(np.float32)
        return Clip(out, self._clip.sample_rate_hz), held_down_db

    def _solve(self, target_lufs: float, ceiling_db: float) -> tuple[np.ndarray, float]:
        low = target_lufs - self.loudness_lufs
        loudest_db = 20 * float(np.log10(max(1e-9, float(self._peaks.max()))))
        most = max(low, ceiling_db - loudest_db + _MOST_REDUCTION_DB)
        low = min(low, most)
        makeup_db, gains = low, self._gains(low, ceiling_db)
        for _ in range(12):
            miss = target_lufs - self._loudness(gains)
            if abs(miss) < 0.02 or (makeup_db >= most and miss > 0):
                break
            # A limiter takes back part of what is added: reach a little further than the miss.
            makeup_db = min(most, makeup_db + 1.15 * miss)
            gains = self._gains(makeup_db, ceiling_db)
        return gains, float(np.max(makeup_db - 20 * np.log10(np.maximum(gains, 1e-9))))

    def _gains(self, makeup_db: float, ceiling_db: float) -> np.ndarray:
        makeup, ceiling = 10 ** (makeup_db / 20), 10 ** (ceiling_db / 20)
        if float(self._peaks.max()) * makeup <= ceiling:
            return np.full(len(self._peaks), makeup)
        rate = self._clip.sample_rate_hz
        return makeup * limiting_gain(self._peaks * makeup, ceiling=ceiling, sample_rate_hz=rate)

    def _loudness(self, gains: np.ndarray) -> float:
        sums = np.cumsum(np.append(0.0, self._energies * gains[: len(self._energies)] ** 2))
        if len(self._energies) <= self._block:
            return gated_lufs(np.array([sums[-1] / max(1, len(self._energies))]))
        return gated_lufs((sums[self._block :] - sums[: -self._block])[:: self._step] / self._block)


def _reasons(
    target: float, loudness: float, held_down_db: float, asked_db: float, ceiling_db: float
) -> tuple[str, ...]:
    """Why the target was missed, in the user's words; nothing when it was met."""
    if abs(loudness - target) <= _NEAR_LU:
        return ()
    if loudness < target and held_down_db >= _MOST_REDUCTION_DB - 0.2:
        return (
            f"{target:.1f} LUFS would hold the peaks down by more than {_MOST_REDUCTION_DB:.0f} dB, which sounds crushed. "
            f"The master stops at {loudness:.1f} LUFS; compress the loudest parts first, or choose a softer target.",
        )
    if loudness < target:
        return (
            f"Under a ceiling of {asked_db:.1f} dBTP, kept at {ceiling_db:.1f} so that an MP3 keeps it too, "
            f"{loudness:.1f} LUFS is as loud as it gets.",
        )
    return (f"The sound is too short to be set closer than {loudness:.1f} LUFS.",)
