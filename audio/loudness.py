"""Integrated loudness, loudness range and true peak of a clip.

Follows ITU-R BS.1770-4 and EBU Tech 3341/3342, K-weighting by pyloudnorm's DeMan filters (within 0.02 LU of the
standard's at every rate). Works a stretch at a time, so ten minutes need no more memory than one. Knows nothing of
files or of how a target is reached.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np

from audio.clip import Clip

_ABSOLUTE_GATE_LUFS = -70.0
_RELATIVE_GATE_LU = -10.0
_STRETCH_SECONDS = 20


def integrated_lufs(clip: Clip) -> float:
    """Gated loudness of the whole clip in LUFS, after BS.1770-4; -inf for silence.

    A clip shorter than the standard's 0.4 s block is measured as one block.
    """
    return gated_lufs(block_energies(clip))


def gated_lufs(energies: np.ndarray) -> float:
    """Integrated loudness out of `block_energies`: mean square, gated at -70 LUFS and then 10 LU under what is left."""
    loud = energies[energies > _energy(_ABSOLUTE_GATE_LUFS)]
    if not len(loud):
        return float("-inf")
    loud = loud[loud > _energy(_lufs(loud.mean()) + _RELATIVE_GATE_LU)]
    return _lufs(loud.mean())


def block_energies(clip: Clip, *, block_seconds: float = 0.4, hop_seconds: float = 0.1) -> np.ndarray:
    """K-weighted mean square of overlapping blocks, channels summed: float64, one per hop that fits whole."""
    hop = round(hop_seconds * clip.sample_rate_hz)
    per_block = round(block_seconds / hop_seconds)
    hops = hop_energies(clip, hop_frames=hop)
    if len(hops) <= per_block or clip.frames < per_block * hop:
        # The last hop may be a part of one: weigh by what is really there.
        lengths = np.minimum(hop, clip.frames - hop * np.arange(len(hops)))
        return np.array([float((hops * lengths).sum() / max(1, lengths.sum()))]) if len(hops) else np.zeros(0)
    whole = hops[: clip.frames // hop]
    sums = np.cumsum(np.concatenate([[0.0], whole]))
    return (sums[per_block:] - sums[:-per_block]) / per_block


def hop_energies(clip: Clip, *, hop_frames: int) -> np.ndarray:
    """K-weighted mean square of each `hop_frames`, channels summed; the last may be shorter: float64.

    Five channels are L, R, C, Ls, Rs and six have the LFE after C, as BS.1770-4 weighs them; others count alike.
    """
    out = []
    weights = _channel_weights(clip.channels)
    left_over = np.zeros((clip.channels, 0))
    for weighted in _k_weighted(clip):
        piece = np.concatenate([left_over, weighted], axis=1) if left_over.shape[1] else weighted
        whole = piece.shape[1] // hop_frames * hop_frames
        squares = piece[:, :whole].reshape(clip.channels, -1, hop_frames)
        out.append(np.einsum("c,chf,chf->h", weights, squares, squares) / hop_frames)
        left_over = piece[:, whole:]
    if left_over.shape[1]:
        out.append(np.array([float((left_over**2).mean(axis=1) @ weights)]))
    return np.concatenate(out) if out else np.zeros(0)


class HopMeter:
    """K-weighted energies of a sound that arrives in pieces: the same as `hop_energies` of the whole."""

    def __init__(self, sample_rate_hz: int, channels: int, *, hop_seconds: float = 0.1) -> None:
        self._sections = _k_filter(sample_rate_hz)
        self._state = np.zeros((len(self._sections), channels, 2))
        self._hop = round(hop_seconds * sample_rate_hz)
        self._left_over = np.zeros((channels, 0))

    def add(self, samples: np.ndarray) -> np.ndarray:
        """samples: (channels, frames). The energies of the hops that are complete by now: float64."""
        from scipy.signal import sosfilt

        weighted, self._state = sosfilt(self._sections, samples.astype(np.float64), axis=1, zi=self._state)
        piece = np.concatenate([self._left_over, weighted], axis=1)
        whole = piece.shape[1] // self._hop * self._hop
        squares = piece[:, :whole].reshape(len(piece), -1, self._hop)
        self._left_over = piece[:, whole:]
        return np.einsum("chf,chf->h", squares, squares) / self._hop

    def end(self) -> np.ndarray:
        """The energy of the last, shorter hop, if there is one."""
        left = self._left_over
        return np.array([float((left**2).mean(axis=1).sum())]) if left.shape[1] else np.zeros(0)


def lufs_of_hops(hops: np.ndarray) -> float:
    """Integrated loudness out of energies each 0.1 s, as `integrated_lufs`."""
    return gated_lufs(_blocks_of(hops, 4))


def range_of_hops(hops: np.ndarray) -> float:
    """Loudness range in LU out of energies each 0.1 s, as `loudness_range_lu`."""
    return _range_lu(_blocks_of(hops, 30))


def _blocks_of(hops: np.ndarray, per_block: int) -> np.ndarray:
    if len(hops) <= per_block:
        return np.array([hops.mean()]) if len(hops) else np.zeros(0)
    sums = np.cumsum(np.concatenate([[0.0], hops]))
    return (sums[per_block:] - sums[:-per_block]) / per_block


def loudness_range_lu(clip: Clip) -> float:
    """Loudness range in LU after EBU Tech 3342: the 10th to 95th percentile of short-term loudness, gated.

    0 for a clip too short or too quiet to have one.
    """
    return _range_lu(block_energies(clip, block_seconds=3.0, hop_seconds=0.1))


def _range_lu(energies: np.ndarray) -> float:
    loud = energies[energies > _energy(_ABSOLUTE_GATE_LUFS)]
    if len(loud) < 2:
        return 0.0
    loud = loud[loud > _energy(_lufs(loud.mean()) - 20.0)]
    low, high = np.percentile(-0.691 + 10 * np.log10(loud), [10, 95])
    return float(high - low)


def short_term_lufs(clip: Clip, *, hop_seconds: float = 0.5) -> np.ndarray:
    """Loudness of each 3 s window in LUFS, -inf where silent: one per hop."""
    energies = block_energies(clip, block_seconds=3.0, hop_seconds=hop_seconds)
    return np.array([_lufs(e) for e in energies])


def true_peak_dbtp(clip: Clip) -> float:
    """The highest point of the waveform between samples too, in dBTP: 4x oversampling, BS.1770-4 annex 2; -inf for silence."""
    if clip.frames == 0:
        return float("-inf")
    loudest = max(float(clip.samples.max()), -float(clip.samples.min()))
    highest = max(float(piece.max()) for piece in _oversampled_peaks(clip, hop_frames=4096, above=loudest))
    return 20 * float(np.log10(highest)) if highest > 0 else float("-inf")


def true_peaks(clip: Clip, *, hop_frames: int, above: float = 0.0) -> np.ndarray:
    """The highest absolute point, between samples too, of each `hop_frames` over all channels; the last may be shorter.

    above: where nothing comes within 6 dB of this, the samples' own peak will do; it saves most of the time.
    """
    pieces = list(_oversampled_peaks(clip, hop_frames=hop_frames, above=above))
    return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)


def quick_loudness_lufs(samples: np.ndarray, *, sample_rate_hz: int) -> float:
    """Ungated K-weighted loudness of a short stretch, by its spectrum: for estimates that may not wait for a filter.

    samples: (channels, frames). -inf for silence.
    """
    frames = samples.shape[-1]
    if frames == 0:
        return float("-inf")
    spectrum = np.fft.rfft(samples.astype(np.float32), axis=-1)
    power = (spectrum.real**2 + spectrum.imag**2).sum(axis=0)
    weight = _k_curve(frames, sample_rate_hz)
    return _lufs(float(2 * (power * weight).sum() / frames**2))


def _channel_weights(channels: int) -> np.ndarray:
    surround = {5: (1, 1, 1, 1.41, 1.41), 6: (1, 1, 1, 0, 1.41, 1.41)}
    return np.array(surround.get(channels, (1,) * channels), np.float64)


def _energy(lufs: float) -> float:
    return 10 ** ((lufs + 0.691) / 10)


def _lufs(energy: float) -> float:
    return -0.691 + 10 * float(np.log10(energy)) if energy > 0 else float("-inf")


@cache
def _k_filter(sample_rate_hz: int) -> np.ndarray:
    """Second-order sections of the K-weighting, (2, 6)."""
    from pyloudnorm import Meter

    stages = Meter(sample_rate_hz, filter_class="DeMan")._filters.values()
    return np.array([[*stage.passband_gain * stage.b, *stage.a] for stage in stages])


def _k_weighted(clip: Clip) -> Iterator[np.ndarray]:
    from scipy.signal import sosfilt

    sections = _k_filter(clip.sample_rate_hz)
    state = np.zeros((len(sections), clip.channels, 2))
    step = _STRETCH_SECONDS * clip.sample_rate_hz
    for start in range(0, clip.frames, step):
        piece = clip.samples[:, start : start + step].astype(np.float64)
        weighted, state = sosfilt(sections, piece, axis=1, zi=state)
        yield weighted


@cache
def _oversampling_filter() -> np.ndarray:
    """A low pass for 4x interpolation: 48 taps a phase are ample for 0.02 dB up to 20 kHz."""
    from scipy.signal import firwin

    return firwin(4 * 24 + 1, 0.25, window=("kaiser", 8.0)).astype(np.float32)


def _oversampled_peaks(clip: Clip, *, hop_frames: int, above: float) -> Iterator[np.ndarray]:
    """Peaks of each hop, a few seconds at a time; a stretch well under `above` is not oversampled."""
    step = max(1, 8192 // hop_frames) * hop_frames
    for start in range(0, clip.frames, step):
        end = min(start + step, clip.frames)
        peaks = np.abs(clip.samples[:, start:end]).max(axis=0)
        if float(peaks.max()) * 2 > above:
            # A sample is a point of the waveform too, whatever ripple the filter has.
            peaks = np.maximum(peaks, _between(clip, start, end))
        yield np.maximum.reduceat(peaks, np.arange(0, len(peaks), hop_frames))


def _between(clip: Clip, start: int, end: int) -> np.ndarray:
    """The highest of the four points from each frame to the next."""
    from scipy.signal import resample_poly

    edge = 32
    before, after = min(edge, start), min(edge, clip.frames - end)
    piece = np.ascontiguousarray(clip.samples[:, start - before : end + after])
    up = np.abs(resample_poly(piece, 4, 1, axis=1, window=_oversampling_filter())).max(axis=0)
    return up[4 * before : 4 * (before + end - start)].reshape(-1, 4).max(axis=1)


@cache
def _k_curve(frames: int, sample_rate_hz: int) -> np.ndarray:
    """|K(f)|² for the bins of a real spectrum: BS.1770's analogue prototypes (shelf at 1682 Hz, high pass at 38 Hz)."""
    s = 1j * np.maximum(np.fft.rfftfreq(frames, 1 / sample_rate_hz), 1e-9)
    f, q, gain = 1681.974450955533, 0.7071752369554196, 10 ** (3.999843853973347 / 20)
    x = s / f
    shelf = (gain * x * x + gain**0.499666774155 * x / q + 1) / (x * x + x / q + 1)
    x = s / 38.13547087602444
    high = x * x / (x * x + x / 0.5003270373238773 + 1)
    return (np.abs(shelf * high) ** 2).astype(np.float32)
