"""What a melody model hears of a melody: which of the twelve notes is strongest, eight times a second.

The same figures as transformers' MusicgenMelodyFeatureExtractor at 32 kHz (a power spectrogram of 16,384 samples every
4,096, folded onto twelve notes, the strongest kept: Copet et al. 2023, section 3.1), without torchaudio, which that
class insists on. Knows nothing of where the melody came from.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

SAMPLE_RATE_HZ = 32_000
WINDOW = 16_384
HOP = 4_096
NOTES = 12
FRAMES_A_SECOND = SAMPLE_RATE_HZ / HOP
MOST_SAMPLES = 30 * SAMPLE_RATE_HZ


def chroma(samples: np.ndarray) -> np.ndarray:
    """The strongest note of every stretch: float32 (1 + samples // 4,096, 12), one 1 a row, C first.

    samples: float32 mono at 32 kHz; only the first 30 s are heard, and less than half a second is padded to that.
    """
    import torch

    sound = torch.as_tensor(samples[:MOST_SAMPLES], dtype=torch.float32)
    if sound.shape[0] < WINDOW:
        missing = WINDOW - sound.shape[0]
        sound = torch.nn.functional.pad(sound, (missing // 2, missing - missing // 2))
    notes = _filters() @ power_spectrogram(sound)
    strength = torch.nn.functional.normalize(notes, p=float("inf"), dim=0, eps=1e-6)
    return torch.nn.functional.one_hot(strength.argmax(0), NOTES).float().numpy()


def power_spectrogram(sound: torch.Tensor) -> torch.Tensor:
    """Power by frequency and time, (8,193, frames), of a signal (samples,) reflected at its ends; the window sums to 1."""
    import torch

    window = torch.hann_window(WINDOW)
    waves: Any = torch.stft(
        sound, WINDOW, HOP, window=window, center=True, pad_mode="reflect", onesided=True, return_complex=True
    )
    return torch.as_tensor((waves / window.square().sum().sqrt()).abs().square())


@cache
def _filters() -> torch.Tensor:
    """From frequencies to notes, (12, 8,193): transformers' own bank."""
    import torch
    from transformers.audio_utils import chroma_filter_bank

    bank = chroma_filter_bank(sampling_rate=SAMPLE_RATE_HZ, num_frequency_bins=WINDOW, tuning=0, num_chroma=NOTES)
    return torch.from_numpy(bank).float()
