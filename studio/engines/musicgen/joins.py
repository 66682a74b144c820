"""Where one sound goes over into another: the fade, and whether one hears it.

Spectral flux (Dixon, "Onset detection revisited", DAFx 2006) at the join is set against the flux of the music round
it: a click or a jump stands out, a join on a beat does not. Knows nothing of codes.
"""

from __future__ import annotations

import numpy as np

from audio.clip import Clip

FADE_SECONDS = 0.03
_SIZE, _HOP = 1_024, 256


def laid_in(clip: Clip, patch: np.ndarray, *, start: int) -> Clip:
    """The clip with a patch (channels, samples) from sample `start` on, the fades inside the patch.

    Everything outside it is the clip's to the bit. Equal power, as the two are different music; no fade where the
    patch meets the clip's own start or end.
    """
    samples = clip.samples.copy()
    length = patch.shape[1]
    end = start + length
    new = patch.astype(np.float32).copy()
    fade = min(round(FADE_SECONDS * clip.sample_rate_hz), length // 4)
    if fade:
        angle = ((np.arange(fade) + 0.5) / fade * (np.pi / 2)).astype(np.float32)
        rising, falling = np.sin(angle), np.cos(angle)
        if start > 0:
            new[:, :fade] = new[:, :fade] * rising + samples[:, start : start + fade] * falling
        if end < clip.frames:
            new[:, -fade:] = new[:, -fade:] * falling + samples[:, end - fade : end] * rising
    samples[:, start:end] = new.clip(-1.0, 1.0)
    return Clip(samples, clip.sample_rate_hz)


def flux_at(clip: Clip, at_seconds: float, *, around_seconds: float = 3.0) -> float:
    """How much the spectrum jumps at a join, as a share of the music's own largest jumps nearby.

    The largest flux within 30 ms of the join over the 98th percentile of the rest; 1 or less does not stand out.
    """
    low = max(0.0, at_seconds - around_seconds)
    near = clip.between(low, at_seconds + around_seconds).mono()
    if near.frames < 4 * _SIZE:
        return 0.0
    frames = np.lib.stride_tricks.sliding_window_view(near.samples[0], _SIZE)[::_HOP]
    spectrum = np.sqrt(np.abs(np.fft.rfft(frames * np.hanning(_SIZE).astype(np.float32), axis=1)))
    flux = np.maximum(np.diff(spectrum, axis=0), 0.0).sum(axis=1)
    times = low + ((np.arange(len(flux)) + 1) * _HOP + _SIZE / 2) / clip.sample_rate_hz
    at_join = np.abs(times - at_seconds) <= 0.03 + _SIZE / 2 / clip.sample_rate_hz
    if not at_join.any() or at_join.all():
        return 0.0
    own = float(np.percentile(flux[~at_join], 98))
    return float(flux[at_join].max()) / own if own > 1e-9 else float("inf") if flux[at_join].max() > 1e-9 else 0.0
