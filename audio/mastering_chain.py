"""Mastering: tone, dynamics in three bands, width, loudness and ceiling, with a report before and after.

All filters are linear in phase, so that the bands sum to the sound they were cut from. Works some seconds at a time; the
last stage (`audio.loudness_target`) decides how loud. Knows nothing of takes or of files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from audio.clip import Clip
from audio.loudness_report import THIRD_OCTAVES_HZ, LoudnessReport, long_term_power, loudness_report
from audio.loudness_target import MP3_KILOBITS, Reached, peak_after_mp3, to_loudness
from audio.mastering import GlueCompressor, TooQuiet
from audio.tonal_balance import TonalCurve, correction_db, correction_taps
from audio.work import Progress, Stopped, check_stopped, never, unheard, usable

CROSSOVERS_HZ = (140.0, 2500.0)
_BAND_TAPS = 1535
_BLOCK_SECONDS = 8.0
_NARROWEST, _WIDEST = 0.5, 1.6


@dataclass(frozen=True, slots=True)
class MasteringSettings:
    """How a master should come out.

    target_lufs, ceiling_dbtp: its loudness and the point nothing passes, also after MP3 (safe_for_mp3). curve: a tonal
    balance to come near to, tone_amount (0 to 1) how near. dynamics: 0 leaves them, 1 holds each band firmly. width: the
    sides' factor; or width_like, the `sides_over_middle` to come to. mono_bass: nothing of the sides under
    140 Hz.
    """

    target_lufs: float = -14.0
    ceiling_dbtp: float = -1.0
    curve: TonalCurve | None = None
    tone_amount: float = 0.5
    dynamics: float = 0.4
    width: float = 1.0
    width_like: float | None = None
    mono_bass: bool = True
    safe_for_mp3: bool = True


@dataclass(frozen=True, slots=True)
class MasteredTrack:
    """A master, its meters before and after, and what was done and could not be done, as sentences."""

    clip: Clip
    before: LoudnessReport
    after: LoudnessReport
    tone_db: np.ndarray
    mp3_peak_dbtp: float | None
    done: tuple[str, ...]
    reasons: tuple[str, ...]


# Where loudness is levelled to, by those who level it.
TARGETS: dict[str, tuple[float, float]] = {
    "Streaming (−14 LUFS)": (-14.0, -1.0),
    "Loud, for the club (−9 LUFS)": (-9.0, -1.0),
    "Broadcast, EBU R 128 (−23 LUFS)": (-23.0, -1.0),
    "Podcast and film clip (−16 LUFS)": (-16.0, -1.0),
}


def master_track(
    clip: Clip, settings: MasteringSettings | None = None, *, progress: Progress = unheard, cancelled: Stopped = never
) -> MasteredTrack:
    """The clip mastered, as long as before.

    Raises SoundUnusable, TooQuiet for silence, ValueError for a target out of range, WorkCancelled.
    """
    settings = settings or MasteringSettings()
    clip = usable(clip)
    before = loudness_report(clip)
    if before.is_silent:
        raise TooQuiet("There is no sound in this clip to master.")
    progress(0.1)
    tone_db = np.zeros(len(THIRD_OCTAVES_HZ))
    if settings.curve is not None and settings.tone_amount > 0:
        tone_db = correction_db(clip, settings.curve, amount=min(1.0, settings.tone_amount))
    factor = _width_factor(settings, clip)
    shaped = _shaped(clip, tone_db, settings, factor, progress, cancelled)
    progress(0.6)
    reached = to_loudness(
        shaped, target_lufs=settings.target_lufs, ceiling_dbtp=settings.ceiling_dbtp,
        safe_for_mp3=settings.safe_for_mp3, cancelled=cancelled,
    )  # fmt: skip
    progress(0.9)
    after = loudness_report(reached.clip)
    done = _done(clip, settings, tone_db, factor, reached)
    progress(1.0)
    return MasteredTrack(reached.clip, before, after, tone_db, reached.mp3_peak_dbtp, done, reached.reasons)


def like(reference: Clip, settings: MasteringSettings | None = None) -> MasteringSettings:
    """Settings to master like another track: its tone, its width, its loudness (within −24 to −7 LUFS).

    Raises SoundUnusable, TooQuiet.
    """
    from audio.tonal_balance import curve_of_clip

    heard = loudness_report(usable(reference))
    if heard.is_silent:
        raise TooQuiet("There is no sound in the reference to master like.")
    return replace(
        settings or MasteringSettings(tone_amount=0.8),
        target_lufs=min(-7.0, max(-24.0, heard.integrated_lufs)),
        curve=curve_of_clip(usable(reference)),
        width_like=sides_over_middle(reference) if reference.channels == 2 else None,
    )


def _shaped(
    clip: Clip, tone_db: np.ndarray, settings: MasteringSettings, factor: float, progress: Progress, cancelled: Stopped
) -> Clip:
    """Tone, bands and width, everything but loudness."""
    filters = _filters(tone_db, clip.sample_rate_hz)
    bands = _Bands(clip, filters, settings.dynamics)
    out = np.empty_like(clip.samples)
    for start, end, pieces in _filtered(clip, filters):
        check_stopped(cancelled)
        low, *rest = bands.held(pieces)
        if clip.channels == 2:
            low = _sided(low, 0.0 if settings.mono_bass else factor)
            rest = [_sided(band, factor) for band in rest]
        out[:, start:end] = low + sum(rest)
        progress(0.1 + 0.5 * end / clip.frames)
    return Clip(out, clip.sample_rate_hz)


class _Bands:
    """A compressor for each band, set by how loud the band is over the whole clip."""

    def __init__(self, clip: Clip, filters: np.ndarray, amount: float) -> None:
        self._glue: list[tuple[GlueCompressor, float]] = []
        if amount <= 0:
            return
        power, hertz = long_term_power(clip)
        for number, taps in enumerate(filters):
            response = np.abs(np.fft.rfft(taps, 2 * (len(hertz) - 1))) ** 2
            share = float((power * response).sum() / max(1e-20, power.sum()))
            level = np.sqrt(max(1e-12, share * float(np.mean(np.square(clip.samples), dtype=np.float64))))
            rms_db = 20 * float(np.log10(level))
            # The band's mean lies from 5 dB under the threshold to 3 over it: what stands out is held, the rest is left.
            scale = 10 ** ((-23.0 + 8.0 * min(1.0, amount) - rms_db) / 20)
            attack, release = ((0.05, 0.3), (0.025, 0.2), (0.012, 0.12))[number]
            glue = GlueCompressor(
                sample_rate_hz=clip.sample_rate_hz, threshold_db=-18.0, ratio=1.0 + 1.5 * min(1.0, amount),
                attack_seconds=attack, release_seconds=release, knee_db=10.0,
            )  # fmt: skip
            self._glue.append((glue, scale))

    def held(self, pieces: list[np.ndarray]) -> list[np.ndarray]:
        """The next block's bands, their peaks held."""
        if not self._glue:
            return pieces
        return [piece * glue.gain(piece, scale=scale) for piece, (glue, scale) in zip(pieces, self._glue, strict=True)]


def _filters(tone_db: np.ndarray, rate: int) -> np.ndarray:
    """(3, taps): low, middle and high band, each with the tone correction in it; without one they sum to a delay."""
    from scipy.signal import firwin

    low, high = (firwin(_BAND_TAPS, min(hertz, 0.45 * rate), fs=rate) for hertz in CROSSOVERS_HZ)
    whole = np.zeros(_BAND_TAPS)
    whole[_BAND_TAPS // 2] = 1.0
    # Everything passes above the lower crossover but what lies above the upper; rumble under 20 Hz goes with the low.
    bands = np.stack([low, high - low, whole - high])
    if not np.any(np.abs(tone_db) > 0.05):
        return bands
    tone = correction_taps(tone_db, sample_rate_hz=rate)
    return np.stack([np.convolve(band, tone) for band in bands])


def _filtered(clip: Clip, filters: np.ndarray) -> Iterator[tuple[int, int, list[np.ndarray]]]:
    """The bands of each block, float32, without delay: (start, end, bands)."""
    from scipy.signal import oaconvolve

    half = filters.shape[1] // 2
    step = max(4 * half, round(_BLOCK_SECONDS * clip.sample_rate_hz))
    for start in range(0, clip.frames, step):
        end = min(start + step, clip.frames)
        piece = clip.samples[:, max(0, start - half) : end + half]
        before = half - (start - max(0, start - half))
        piece = np.pad(piece, ((0, 0), (before, max(0, end - start + 2 * half - before - piece.shape[1]))))
        kernels = filters.astype(np.float32)
        yield start, end, [oaconvolve(piece, taps[None, :], mode="valid", axes=1) for taps in kernels]


def _sided(samples: np.ndarray, factor: float) -> np.ndarray:
    from audio.effect_rack import widened

    return samples if factor == 1.0 else widened(samples, factor)


def sides_over_middle(clip: Clip) -> float:
    """The sides' energy over the middle's above the bass, which is brought to the middle: 0 for mono."""
    if clip.channels != 2:
        return 0.0
    left, right = clip.samples
    middle, sides = (long_term_power(Clip(one, clip.sample_rate_hz)) for one in (left + right, left - right))
    heard = middle[1] > CROSSOVERS_HZ[0]
    return float(sides[0][heard].sum() / max(1e-12, float(middle[0][heard].sum())))


def _width_factor(settings: MasteringSettings, clip: Clip) -> float:
    if settings.width_like is None:
        return min(2.0, max(0.0, settings.width))
    width = sides_over_middle(clip)
    if width < 1e-4:  # nothing at the sides to make more of
        return 1.0
    return float(np.clip(np.sqrt(settings.width_like / width), _NARROWEST, _WIDEST))


def _done(
    clip: Clip, settings: MasteringSettings, tone_db: np.ndarray, factor: float, reached: Reached
) -> tuple[str, ...]:
    """What was done, in sentences."""
    said = []
    if settings.curve is not None and np.abs(tone_db).max() >= 0.3:
        up, down = int(tone_db.argmax()), int(tone_db.argmin())
        moves = [
            f"{tone_db[place]:+.1f} dB round {_hertz(THIRD_OCTAVES_HZ[place])}"
            for place in (down, up)
            if abs(tone_db[place]) >= 0.3
        ]
        said.append(f"Tone toward “{settings.curve.label}”: {' and '.join(moves)}.")
    if settings.dynamics > 0:
        said.append(f"Dynamics held in three bands, up to {1 + 1.5 * min(1.0, settings.dynamics):.1f} to 1.")
    if clip.channels == 2 and factor != 1.0:
        said.append(f"Sides made {factor:.2f} times as strong.")
    if clip.channels == 2 and settings.mono_bass:
        said.append(f"Bass under {CROSSOVERS_HZ[0]:.0f} Hz brought to the middle.")
    if reached.held_down_db > 0.1:
        said.append(f"Peaks held down by up to {reached.held_down_db:.1f} dB.")
    if reached.mp3_peak_dbtp is not None:
        said.append(f"As an MP3 of {MP3_KILOBITS} kbit/s it peaks at {reached.mp3_peak_dbtp:.2f} dBTP.")
    return tuple(said)


def _hertz(hertz: float) -> str:
    return f"{hertz / 1000:.1f} kHz" if hertz >= 1000 else f"{hertz:.0f} Hz"


__all__ = [
    "TARGETS",
    "MasteredTrack",
    "MasteringSettings",
    "like",
    "master_track",
    "peak_after_mp3",
    "sides_over_middle",
]
