"""Streamed sound against sound decoded at once, by transformers' own codec."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from studio.engines.base import EngineError
from studio.engines.musicgen.codec import StreamingCodec, decode, tail_reach

TOLERANCE = 1e-5  # of full scale: float32 sums taken in another order
HOP = 640


def _random_codes(*, codebooks: int, frames: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 512, (codebooks, frames), generator=torch.Generator().manual_seed(seed))


def _stock_sound(codec: Any, codes: torch.Tensor, *, channels: int) -> np.ndarray:
    """transformers' decode, as its `generate` calls it: each channel by itself in stereo."""
    with torch.inference_mode():
        sides = [
            codec.decode(codes[None, None, side::channels], audio_scales=[None]).audio_values[0, 0]
            for side in range(channels)
        ]
    return torch.stack(sides).numpy()


def _stream(codec: Any, codes: torch.Tensor, sizes: list[int], *, channels: int) -> list[np.ndarray]:
    stream = StreamingCodec(codec, channels=channels)
    edges = np.cumsum([0, *sizes])
    return [stream.push(codes[:, a:b], last=b == codes.shape[1]) for a, b in pairwise(edges)]


@pytest.mark.parametrize("kind", ["mono", "stereo"])
@pytest.mark.parametrize("seed", range(4))
def test_streamed_sound_equals_sound_decoded_at_once(load_tiny: Callable[[str], Any], kind: str, seed: int) -> None:
    loaded = load_tiny(kind)
    channels, frames = loaded.checkpoint.channels, 180
    codes = _random_codes(codebooks=loaded.checkpoint.codebooks, frames=frames, seed=seed)
    rng, sizes = np.random.default_rng(seed), []
    while sum(sizes) < frames:
        sizes.append(min(int(rng.integers(1, 40)), frames - sum(sizes)))
    whole = _stock_sound(loaded.model.audio_encoder, codes, channels=channels)
    streamed = np.concatenate(_stream(loaded.model.audio_encoder, codes, sizes, channels=channels), axis=1)
    assert streamed.shape == whole.shape == (channels, frames * HOP)
    assert np.abs(whole).max() > 0.1, "near silence would prove nothing"
    assert np.abs(streamed - whole).max() < TOLERANCE


def test_one_frame_at_a_time_is_still_the_same_sound(load_tiny: Callable[[str], Any]) -> None:
    codec = load_tiny("mono").model.audio_encoder
    codes = _random_codes(codebooks=4, frames=40)
    streamed = np.concatenate(_stream(codec, codes, [1] * 40, channels=1), axis=1)
    assert np.abs(streamed - _stock_sound(codec, codes, channels=1)).max() < TOLERANCE


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5, 8])
def test_takes_shorter_than_the_look_ahead_come_out_whole(load_tiny: Callable[[str], Any], frames: int) -> None:
    codec = load_tiny("mono").model.audio_encoder
    codes = _random_codes(codebooks=4, frames=frames)
    sound = np.concatenate(_stream(codec, codes, [1] * frames, channels=1), axis=1)
    assert np.abs(sound - _stock_sound(codec, codes, channels=1)).max() < TOLERANCE


def test_sound_runs_four_frames_behind_the_codes(load_tiny: Callable[[str], Any]) -> None:
    codec = load_tiny("mono").model.audio_encoder
    stream = StreamingCodec(codec, channels=1)
    assert stream.look_ahead_frames == 4
    assert stream.push(_random_codes(codebooks=4, frames=25)).shape == (1, 21 * HOP)
    assert stream.push(np.zeros((4, 0), np.int16), last=True).shape == (1, 4 * HOP)


def test_the_decoder_remembers_so_its_state_must_be_carried(load_tiny: Callable[[str], Any]) -> None:
    """What these tests rest on: chunks decoded by themselves differ from the whole far beyond the tolerance."""
    codec = load_tiny("mono").model.audio_encoder
    codes = _random_codes(codebooks=4, frames=80)
    whole = decode(codec, codes, channels=1)
    alone = decode(codec, codes[:, 40:], channels=1)
    inside = slice(6 * HOP, 8 * HOP)
    assert np.abs(whole[:, 40 * HOP :][:, inside] - alone[:, inside]).max() > 100 * TOLERANCE


def test_the_tail_looks_no_further_than_computed(load_tiny: Callable[[str], Any]) -> None:
    """Changing one hidden frame changes the sound within the reach and nowhere else."""
    codec = load_tiny("mono").model.audio_encoder
    before, after = tail_reach(codec.config)
    hidden = torch.randn(1, codec.config.num_filters * 16, 12, generator=torch.Generator().manual_seed(0))
    touched = hidden.clone()
    touched[..., 6] += 1.0

    def tail(x: torch.Tensor) -> torch.Tensor:
        for layer in list(codec.decoder.layers)[2:]:
            x = layer(x)
        return x[0, 0].view(12, HOP)

    with torch.inference_mode():
        changed = (tail(hidden) - tail(touched)).abs().amax(dim=1) > 1e-6
    assert changed.nonzero()[:, 0].tolist() == list(range(6 - after, 6 + before + 1))


def test_another_codec_is_refused(load_tiny: Callable[[str], Any]) -> None:
    from transformers import EncodecConfig, EncodecModel

    small = {"num_filters": 4, "hidden_size": 16, "codebook_dim": 16, "codebook_size": 64}
    with pytest.raises(EngineError, match="not the EnCodec of MusicGen"):
        StreamingCodec(EncodecModel(EncodecConfig(use_causal_conv=True, **small)), channels=1)
