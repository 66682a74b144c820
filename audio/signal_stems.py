"""Stems without a model to download: drums, bass and the rest, by what each looks like in time and frequency.

`audio.stem_cues` measures at each point what speaks for which; 1,500 numbers, fitted to the true stems of sketches by
`benchmarks/fit_stems.py`, weigh the cues against each other and say how much of the point each stem gets (a Wiener-like
mask; the phase stays the mix's). Works some seconds at a time, faded into each other. Voices are not told from
instruments here, so no stem is called so.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np

from audio.clip import Clip
from audio.spectra import short_spectra, short_spectra_back
from audio.stem_cues import HOP, RATE_HZ, WINDOW, cues
from audio.stems import Stems
from audio.stretches import Pieces, collected, in_stretches
from audio.work import Progress, Stopped, never, unheard, usable

MODEL = "signal-3"
SOURCES = ("drums", "bass", "other")
_BLOCK_SECONDS, _FADE_SECONDS = 12, 1


def separate_by_signal(clip: Clip, *, progress: Progress = unheard, cancelled: Stopped = never) -> Stems:
    """The clip's drums, bass and other, at its own rate and channels; what lies over 22 kHz is the residual.

    Raises SoundUnusable, WorkCancelled.
    """
    clip = usable(clip)
    pieces = signal_stretches(clip, progress=progress, cancelled=cancelled)
    return collected(clip, pieces, names=SOURCES, tier="built-in", model=MODEL)


def signal_stretches(clip: Clip, *, progress: Progress = unheard, cancelled: Stopped = never) -> Iterator[Pieces]:
    """The stems a stretch at a time, one after another without a gap: (channels, frames) by name."""

    def separate(samples: np.ndarray, number: int, count: int) -> np.ndarray:
        made = separate_block(samples)
        progress((number + 1) / count)
        return made

    yield from in_stretches(
        usable(clip), separate, names=SOURCES, rate_hz=RATE_HZ, step_seconds=_BLOCK_SECONDS,
        fade_seconds=_FADE_SECONDS, cancelled=cancelled,
    )  # fmt: skip


def separate_block(samples: np.ndarray) -> np.ndarray:
    """Drums, bass and other of (channels, frames) at RATE_HZ: float32, (3, channels, frames); they sum to it."""
    spectra = short_spectra(samples, WINDOW, HOP)
    drums, bass, _ = _shares(cues(samples, spectra))
    made = np.empty((3, *samples.shape), np.float32)
    made[0] = short_spectra_back(spectra * drums, samples.shape[1], WINDOW, HOP)
    made[1] = short_spectra_back(spectra * bass, samples.shape[1], WINDOW, HOP)
    made[2] = samples - made[0] - made[1]
    return made


def _shares(found: np.ndarray) -> np.ndarray:
    """(3, bins, frames), each 0 to 1, together 1: what the cues say together."""
    now = found.reshape(len(found), -1)
    *hidden, last = _weights()
    for weights, offsets in hidden:
        now = np.tanh(weights @ now + offsets)
    now = last[0] @ now + last[1]
    now = np.exp(now - now.max(axis=0))
    return (now / now.sum(axis=0)).reshape(3, *found.shape[1:])


@cache
def _weights() -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    told = json.loads((Path(__file__).parent / "stem_weights.json").read_text(encoding="utf-8"))
    return tuple(
        (np.array(layer["weights"], np.float32), np.array(layer["offsets"], np.float32)[:, None])
        for layer in told["layers"]
    )
