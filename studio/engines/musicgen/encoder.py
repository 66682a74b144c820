"""From sound to codes: EnCodec's encoder fed in pieces, equal to encoding at once.

The convolutions before the LSTM are given each piece with its neighbourhood, of which what the false edges reach is
thrown away; the LSTM and what follows run over all frames, of which ten minutes are small. So memory hardly grows
with length. EnCodec: Défossez et al. 2022 (arXiv 2210.13438). Knows nothing of what the codes are for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from audio.clip import Clip
from studio.engines.base import EngineError

if TYPE_CHECKING:
    import torch

PIECE_SECONDS = 10
MARGIN_FRAMES = 10  # the convolutions before the LSTM reach under 3 frames to each side
SILENCE_PEAK = 1e-4


def fitted(clip: Clip, *, sample_rate_hz: int, channels: int) -> Clip:
    """The clip at that rate with one or two channels; more channels are mixed down."""
    clip = clip.mono() if channels == 1 else clip.stereo()
    if clip.sample_rate_hz == sample_rate_hz:
        return clip
    from math import gcd

    from scipy.signal import resample_poly

    common = gcd(sample_rate_hz, clip.sample_rate_hz)
    samples = resample_poly(clip.samples, sample_rate_hz // common, clip.sample_rate_hz // common, axis=1)
    frames = round(clip.frames * sample_rate_hz / clip.sample_rate_hz)
    return Clip(np.ascontiguousarray(samples[:, :frames], dtype=np.float32), sample_rate_hz)


def check_sound(clip: Clip, *, what: str) -> None:
    """Raise EngineError, naming `what`, for a clip with nothing in it to go by."""
    if clip.frames == 0 or not np.isfinite(clip.samples).all():
        raise EngineError(f"{what} holds no readable sound: choose another.")
    if float(np.abs(clip.samples).max()) < SILENCE_PEAK:
        raise EngineError(
            f"{what} is silent, so there is nothing to go on from: choose another, or another place in it."
        )


def encode(
    audio_encoder: Any,
    clip: Clip,
    *,
    channels: int,
    progress: Callable[[float], None] = lambda fraction: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> np.ndarray:
    """A clip of any rate and channels as codes, int16 (codebooks, frames), a begun frame counting as one.

    Stereo is two mono streams whose codebooks alternate. `cancelled` is asked before every piece; codes stop short
    then.
    """
    import torch

    config = audio_encoder.config
    sound = fitted(clip, sample_rate_hz=config.sampling_rate, channels=channels).samples
    with torch.inference_mode():
        streams = torch.from_numpy(sound)[:, None].to(audio_encoder.device)
        hidden = _before_memory(audio_encoder, streams, progress=progress, cancelled=cancelled)
        if hidden is None:
            return np.zeros((0, 0), np.int16)
        layers = list(audio_encoder.encoder.layers)
        for layer in layers[_memory_at(layers) :]:
            hidden = layer(hidden)
        codes = audio_encoder.quantizer.encode(hidden, max(config.target_bandwidths))
    # (codebooks a channel, channels, frames): the channels of one codebook stand side by side.
    return np.ascontiguousarray(codes.flatten(0, 1).cpu().numpy().astype(np.int16))


def _before_memory(
    audio_encoder: Any,
    streams: torch.Tensor,
    *,
    progress: Callable[[float], None],
    cancelled: Callable[[], bool],
) -> torch.Tensor | None:
    """What the LSTM hears, (channels, width, frames), made piece by piece; None when cancelled before the first."""
    import torch

    config, layers = audio_encoder.config, list(audio_encoder.encoder.layers)
    hop = int(np.prod(config.upsampling_ratios))
    frames = -(-streams.shape[-1] // hop)
    piece = PIECE_SECONDS * config.sampling_rate // hop
    made: list[torch.Tensor] = []
    for start in range(0, frames, piece):
        if cancelled():
            break
        end = min(frames, start + piece)
        if frames - end < MARGIN_FRAMES:
            end = frames
        low, high = max(0, start - MARGIN_FRAMES), min(frames, end + MARGIN_FRAMES)
        sound = streams[..., low * hop : high * hop]
        for layer in layers[: _memory_at(layers)]:
            sound = layer(sound)
        made.append(sound[..., start - low : end - low])
        progress(end / frames)
        if end == frames:
            break
    return torch.cat(made, dim=-1) if made else None


def _memory_at(layers: list[Any]) -> int:
    """Where the LSTM stands; raises EngineError for a codec of another build."""
    for place, layer in enumerate(layers):
        if type(layer).__name__ == "EncodecLSTM":
            return place
    raise EngineError("This model's codec is not the EnCodec of MusicGen at 32 kHz: choose a MusicGen model.")
