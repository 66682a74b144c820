"""How loud, how wide and how coloured a clip is: what a mastering engineer reads off the meters, in one report.

Momentary (0.4 s), short-term (3 s) and integrated loudness after EBU Tech 3341, range after Tech 3342, true peak after
BS.1770-4 annex 2, the channels' correlation, and a spectrum in third octaves after IEC 61260. Knows nothing of targets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audio.clip import Clip
from audio.loudness import gated_lufs, hop_energies, integrated_lufs, loudness_range_lu, true_peak_dbtp

_HOPS_A_SECOND = 100  # fine enough to find the loudest 0.4 s within 0.1 LU, wherever it begins
THIRD_OCTAVES_HZ = tuple(float(1000 * 2 ** (step / 3)) for step in range(-16, 14))  # 25 Hz to 20 kHz
_SPECTRUM_WINDOW = 16_384


@dataclass(frozen=True, slots=True, eq=False)
class LoudnessReport:
    """A clip's meters. Loudness in LUFS (-inf for silence), range in LU, peaks in dB true peak.

    peak_to_loudness_lu: how far the peaks stand over the loudness. correlation: 1 mono, 0 unrelated, -1 opposed;
    lowest_correlation: of its worst second. width: the sides' energy over the middle's, 0 mono. spectrum_db: a third octave
    each, THIRD_OCTAVES_HZ, relative to their sum. short_term_lufs, momentary_lufs: ten a second, for a curve.
    """

    integrated_lufs: float
    short_term_max_lufs: float
    momentary_max_lufs: float
    range_lu: float
    true_peak_dbtp: float
    correlation: float
    lowest_correlation: float
    width: float
    spectrum_db: np.ndarray
    short_term_lufs: np.ndarray
    momentary_lufs: np.ndarray
    seconds: float

    @property
    def peak_to_loudness_lu(self) -> float:
        return self.true_peak_dbtp - self.integrated_lufs

    @property
    def is_silent(self) -> bool:
        return not np.isfinite(self.integrated_lufs)

    def lines(self) -> list[tuple[str, str]]:
        """What a page shows: each meter's name and its reading with its unit."""
        return [
            ("Integrated loudness", _read(self.integrated_lufs, "LUFS")),
            ("Short-term, loudest", _read(self.short_term_max_lufs, "LUFS")),
            ("Momentary, loudest", _read(self.momentary_max_lufs, "LUFS")),
            ("Loudness range", _read(self.range_lu, "LU")),
            ("True peak", _read(self.true_peak_dbtp, "dBTP")),
            ("Peak to loudness", _read(self.peak_to_loudness_lu, "LU")),
            ("Correlation", f"{self.correlation:+.2f} (lowest {self.lowest_correlation:+.2f})"),
            ("Width", f"{100 * self.width:.0f} % of the middle"),
        ]


def loudness_report(clip: Clip) -> LoudnessReport:
    """All meters of a clip of any length and number of channels; silence has its answers too."""
    hops = hop_energies(clip, hop_frames=max(1, round(clip.sample_rate_hz / _HOPS_A_SECOND)))
    momentary, short_term = _course(hops, 0.4), _course(hops, 3.0)
    correlation, lowest, width = _stereo(clip)
    return LoudnessReport(
        integrated_lufs=_integrated(hops, clip),
        short_term_max_lufs=float(short_term.max(initial=-np.inf)),
        momentary_max_lufs=float(momentary.max(initial=-np.inf)),
        range_lu=loudness_range_lu(clip),
        true_peak_dbtp=true_peak_dbtp(clip),
        correlation=correlation,
        lowest_correlation=lowest,
        width=width,
        spectrum_db=third_octaves_db(clip),
        short_term_lufs=short_term[:: _HOPS_A_SECOND // 10],
        momentary_lufs=momentary[:: _HOPS_A_SECOND // 10],
        seconds=clip.seconds,
    )


def third_octaves_db(clip: Clip) -> np.ndarray:
    """The long-term spectrum: each third octave's share of all energy, in dB; -120 where there is nothing. (30,), float64."""
    power, hertz = long_term_power(clip)
    total = float(power.sum())
    if total <= 0:
        return np.full(len(THIRD_OCTAVES_HZ), -120.0)
    edges = np.array([hz * 2 ** (-1 / 6) for hz in THIRD_OCTAVES_HZ] + [THIRD_OCTAVES_HZ[-1] * 2 ** (1 / 6)])
    # Bins are wider than the lowest bands: share each bin out by where the band's edges cut the running sum.
    width = hertz[1] - hertz[0]
    sums = np.interp(edges, np.append(hertz - width / 2, hertz[-1] + width / 2), np.append(0.0, np.cumsum(power)))
    return 10 * np.log10(np.maximum(np.diff(sums) / total, 1e-12))


def long_term_power(clip: Clip) -> tuple[np.ndarray, np.ndarray]:
    """The clip's mean power spectrum, channels summed, and its bins' hertz; Welch's method, some seconds at a time."""
    from audio.spectra import hann

    window, hop = _SPECTRUM_WINDOW, _SPECTRUM_WINDOW // 2
    total = np.zeros(window // 2 + 1)
    for start in range(0, max(1, clip.frames - hop), 64 * hop):
        piece = clip.samples[:, start : start + 63 * hop + window]
        piece = np.pad(piece, ((0, 0), (0, max(0, window - piece.shape[1]))))
        frames = np.lib.stride_tricks.sliding_window_view(piece, window, axis=1)[:, ::hop][:, :64]
        total += (np.abs(np.fft.rfft(frames * hann(window), axis=2)) ** 2).sum(axis=(0, 1))
    return total, np.fft.rfftfreq(window, 1 / clip.sample_rate_hz)


def _course(hops: np.ndarray, seconds: float) -> np.ndarray:
    """Loudness of each window of so many seconds, one a hop; a clip shorter than a window has one."""
    count = max(1, min(len(hops), round(seconds * _HOPS_A_SECOND)))
    sums = np.cumsum(np.concatenate([[0.0], hops]))
    with np.errstate(divide="ignore"):
        return -0.691 + 10 * np.log10(np.maximum(0.0, sums[count:] - sums[:-count]) / count)


def _integrated(hops: np.ndarray, clip: Clip) -> float:
    """As `integrated_lufs`, out of hops that are there already: blocks of 0.4 s that overlap by three quarters."""
    block, step = round(0.4 * _HOPS_A_SECOND), _HOPS_A_SECOND // 10
    if len(hops) <= block:
        return integrated_lufs(clip)
    sums = np.cumsum(np.concatenate([[0.0], hops]))
    return gated_lufs((sums[block:] - sums[:-block])[::step] / block)


def _stereo(clip: Clip) -> tuple[float, float, float]:
    """Correlation over all, of the worst second, and the sides' energy over the middle's."""
    if clip.channels != 2 or clip.frames == 0:
        return 1.0, 1.0, 0.0
    sums = []
    for start in range(0, clip.frames, clip.sample_rate_hz):
        left, right = clip.samples[:, start : start + clip.sample_rate_hz].astype(np.float64)
        sums.append((left @ right, left @ left, right @ right))
    both, one, two = np.array(sums).T
    loud = (one + two) > 1e-3 * (one + two).max(initial=0.0)
    each = both / np.sqrt(np.maximum(one * two, 1e-20))
    overall = both.sum() / np.sqrt(one.sum() * two.sum()) if one.sum() * two.sum() > 0 else 1.0
    middle = one.sum() + two.sum() + 2 * both.sum()
    sides = one.sum() + two.sum() - 2 * both.sum()
    lowest = float(each[loud].min()) if loud.any() else 1.0
    return float(overall), lowest, float(sides / middle) if middle > 1e-12 else 0.0


def _read(value: float, unit: str) -> str:
    return f"{value:.1f} {unit}" if np.isfinite(value) else "silent"
