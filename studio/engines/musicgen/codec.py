"""From codes to sound, a piece at a time: EnCodec's decoder fed in chunks, equal to decoding at once.

The decoder is a convolution, an LSTM and a tail of upsampling convolutions. The LSTM's state is carried from chunk
to chunk; the convolutions are given the neighbouring frames they look at, and what they make of a chunk's false
edges is thrown away. At the take's true ends they pad as always. What remains is the rounding of float32 sums taken
in another order: under 1e-5 of full scale (the tests hold it there). The look-ahead is 4 frames, 80 ms.

EnCodec: Défossez et al. 2022 (arXiv 2210.13438). Stereo is two mono streams with interleaved codebooks (Copet et al.
2023), decoded as one batch. Knows nothing of how codes are drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from studio.engines.base import EngineError

if TYPE_CHECKING:
    import torch


class StreamingCodec:
    """Decodes one take's codes in order. Make a new one for every take."""

    def __init__(self, audio_encoder: Any, *, channels: int) -> None:
        """Take a transformers EncodecModel; raises EngineError for a codec of another build than MusicGen's."""
        config = audio_encoder.config
        self._front, self._lstm, self._tail = _parts(audio_encoder)
        _align(self._lstm)
        self._quantizer = audio_encoder.quantizer
        self._device = audio_encoder.device
        self._channels = channels
        self._front_reach = (config.kernel_size - 1) // 2
        self._tail_before, self._tail_after = tail_reach(config)
        self.hop = int(np.prod(config.upsampling_ratios))
        self._state: Any = None
        self._codes: torch.Tensor | None = None  # (codebooks a channel, channels, frames), from _codes_start on
        self._codes_start = 0
        self._hidden: torch.Tensor | None = None  # after the LSTM, (channels, width, frames), from _hidden_start on
        self._hidden_start = 0
        self._given = 0  # frames pushed
        self._remembered = 0  # frames through the LSTM
        self._made = 0  # frames returned as sound

    @property
    def look_ahead_frames(self) -> int:
        """How many frames the sound runs behind the codes until `last`."""
        return self._front_reach + self._tail_after

    def push(self, codes: torch.Tensor | np.ndarray, *, last: bool = False) -> np.ndarray:
        """Add codes (codebooks, frames); returns the sound now certain, float32 (channels, samples), maybe empty.

        `last` says that nothing follows: the rest comes out, and nothing may be pushed after. No frames may be
        pushed with it.
        """
        import torch

        fresh = torch.as_tensor(codes, dtype=torch.long, device=self._device)
        with torch.inference_mode():
            self._take_in(fresh.view(fresh.shape[0] // self._channels, self._channels, fresh.shape[-1]))
            self._remember(until=self._given if last else max(0, self._given - self._front_reach))
            until = self._given if last else max(0, self._remembered - self._tail_after)
            return self._render(until=until)

    def _take_in(self, fresh: torch.Tensor) -> None:
        import torch

        self._codes = fresh if self._codes is None else torch.cat([self._codes, fresh], dim=-1)
        self._given += fresh.shape[-1]

    def _remember(self, *, until: int) -> None:
        """Take frames up to `until` through the first convolution and the LSTM."""
        import torch

        if until <= self._remembered or self._codes is None:
            return
        low = max(0, self._remembered - self._front_reach)
        high = min(self._given, until + self._front_reach)
        # The quantizer wants the codebooks first: (codebooks, channels, frames) gives (channels, width, frames).
        embedded = self._quantizer.decode(self._codes[..., low - self._codes_start : high - self._codes_start])
        looked = self._front(embedded)[..., self._remembered - low : until - low]
        steps = looked.permute(2, 0, 1)
        output, self._state = _recur(self._lstm, steps, self._state)
        hidden = (output + steps).permute(1, 2, 0)
        self._hidden = hidden if self._hidden is None else torch.cat([self._hidden, hidden], dim=-1)
        self._remembered = until
        keep = max(0, until - self._front_reach)
        self._codes, self._codes_start = self._codes[..., keep - self._codes_start :], keep

    def _render(self, *, until: int) -> np.ndarray:
        """Upsample the frames from where the sound stands to `until`, with their neighbours."""
        if until <= self._made or self._hidden is None:
            return np.zeros((self._channels, 0), np.float32)
        low = max(0, self._made - self._tail_before)
        sound = self._hidden[..., low - self._hidden_start : until + self._tail_after - self._hidden_start]
        for layer in self._tail:
            sound = layer(sound)
        sound = sound[:, 0, (self._made - low) * self.hop : (until - low) * self.hop]
        self._made = until
        keep = max(0, until - self._tail_before)
        self._hidden, self._hidden_start = self._hidden[..., keep - self._hidden_start :], keep
        return np.ascontiguousarray(sound.float().cpu().numpy())


def decode(audio_encoder: Any, codes: torch.Tensor | np.ndarray, *, channels: int) -> np.ndarray:
    """All codes (codebooks, frames) at once: float32 (channels, frames * hop)."""
    return StreamingCodec(audio_encoder, channels=channels).push(codes, last=True)


def tail_reach(config: Any) -> tuple[int, int]:
    """How many frames before and after its own the upsampling tail looks at, from the layers' sizes.

    Walks from the last layer to the first, keeping how many samples before and after a stretch are needed.
    """
    total = config.last_kernel_size - 1
    before, after = total - total // 2, total // 2
    for ratio in reversed(config.upsampling_ratios):
        for layer in range(config.num_residual_layers):
            total = (config.residual_kernel_size - 1) * config.dilation_growth_rate**layer
            before, after = before + total - total // 2, after + total // 2
        # A transposed convolution of kernel 2r and stride r, trimmed by r in all, mixes two neighbours.
        trimmed = ratio - ratio // 2
        before = max(0, -((trimmed - before) // ratio)) + 1
        after = (ratio - 1 + after + trimmed) // ratio
    return before, after


def _align(module: Any) -> None:
    """Lay the weights at whole cache lines: read from a file they may lie anywhere, and sums' last digits with them."""
    for weight in module.parameters():
        if weight.data_ptr() % 64:
            weight.data = weight.data.clone()


def _recur(lstm: Any, steps: torch.Tensor, state: Any) -> tuple[torch.Tensor, Any]:
    """What an LSTM makes of steps (steps, channels, width) after a state, and its state then.

    On the processor written out, because oneDNN's lays all weights out anew in every call, which takes longer than the
    few steps of a chunk.
    """
    import torch
    from torch.nn.functional import linear

    if steps.device.type != "cpu":
        output, state = lstm(steps, state)
        return output, state
    shape = (lstm.num_layers, steps.shape[1], lstm.hidden_size)
    hidden, cells = (each.clone() for each in state) if state else (steps.new_zeros(shape), steps.new_zeros(shape))
    for layer in range(lstm.num_layers):
        into, across, *offsets = (getattr(lstm, name) for name in lstm._all_weights[layer])
        heard, made = linear(steps, into, offsets[0] + offsets[1]), []
        now, cell = hidden[layer], cells[layer]
        for gates in heard:
            take, keep, fresh, show = torch.addmm(gates, now, across.t()).chunk(4, dim=-1)
            cell = keep.sigmoid() * cell + take.sigmoid() * fresh.tanh()
            now = show.sigmoid() * cell.tanh()
            made.append(now)
        hidden[layer], cells[layer], steps = now, cell, torch.stack(made)
    return steps, (hidden, cells)


def _parts(audio_encoder: Any) -> tuple[Any, Any, list[Any]]:
    """The decoder's first convolution, its LSTM and its tail; raises EngineError for another build."""
    config, layers = audio_encoder.config, list(audio_encoder.decoder.layers)
    is_known = (
        not config.use_causal_conv
        and config.norm_type == "weight_norm"
        and config.chunk_length_s is None
        and not config.normalize
        and config.audio_channels == 1
        and type(layers[1]).__name__ == "EncodecLSTM"
    )
    if not is_known:
        raise EngineError("This model's codec is not the EnCodec of MusicGen at 32 kHz: choose a MusicGen model.")
    return layers[0], layers[1].lstm, layers[2:]
