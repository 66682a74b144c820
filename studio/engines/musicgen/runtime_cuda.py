"""The decoder on a card: what a recorded step reads and writes stays where it is, from take to take.

A step is recorded once as a CUDA graph and replayed with no word from the host, for which cache and words keep their
places; only the first take of a kind pays for the recording. On another device the same steps run unrecorded, which is
how they are tested without a card. Who draws is `device_loop`. CUDA graphs as in torch's documentation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from studio.engines.musicgen.fused import can_fuse
from studio.engines.musicgen.runtime_torch import TorchRuntime, Words

if TYPE_CHECKING:
    import torch

    from studio.engines.musicgen.device_loop import DeviceLoop

LADDER = (128, 256, 512, 768, 1024, 1280, 1536, 1792, 2048)
ROOM = 1536  # of any take at least: a window's, so that no longer take needs places of its own
WORDS_A_RUNG = 32


def rung(needed: int) -> int:
    """The length of the ladder that holds so much."""
    return next((each for each in LADDER if each >= needed), -(-needed // LADDER[-1]) * LADDER[-1])


class GraphRuntime(TorchRuntime):
    """The runtime whose cache and words stay where they are, as long as the next take fits into them."""

    stage: object | None = None  # what graphs were recorded over; another one once the places have changed
    _loop: DeviceLoop | None = None

    def __init__(self, model: Any) -> None:
        """See `TorchRuntime`; its name says whose kernels play a guided prompt."""
        super().__init__(model)
        if can_fuse(self, rows=2):
            self.name = "triton"

    def drawer(self, *, late: Sequence[int], start_token: int) -> DeviceLoop | None:
        """What draws on the device itself, without the host; None where there is none to record for."""
        from studio.engines.musicgen.device_loop import DeviceLoop

        if self.device.type != "cuda":
            return None
        if self._loop is None:
            self._loop = DeviceLoop(self, late=late, start_token=start_token)
            self._loop.warm()
        return self._loop

    def _make_room(self) -> None:
        needed, self._room = self._room, max(ROOM, rung(self._room))
        kept = self.keys[0].shape if self.keys else (0, 0, 0)
        if kept[0] == self._rows and kept[2] >= needed:
            self._room = kept[2]
            for tensor in (*self.keys, *self.values):
                tensor.zero_()  # a masked number that overflowed would be heard all the same
            return
        self.stage = object()
        super()._make_room()

    def _hear_words(self, states: torch.Tensor, mask: torch.Tensor) -> Words | None:
        import torch

        kept, heard = self.words, super()._hear_words(states, mask)
        if heard is None:
            self.stage = self.stage if kept is None else object()
            return None
        tokens = -(-heard.keys[0].shape[2] // WORDS_A_RUNG) * WORDS_A_RUNG
        if kept is None or kept.rows.tolist() != heard.rows.tolist() or kept.keys[0].shape[2] != tokens:
            self.stage = object()
            room = (*heard.keys[0].shape[:2], tokens, heard.keys[0].shape[3])
            kept = Words(
                rows=heard.rows.clone(),
                keys=[each.new_zeros(room) for each in heard.keys],
                values=[each.new_zeros(room) for each in heard.values],
                lengths=heard.lengths.clone(),
                mask=torch.zeros((room[0], 1, 1, tokens), dtype=torch.bool, device=self.device),
            )
        kept.lengths.copy_(heard.lengths)
        if kept.mask is not None:
            kept.mask.copy_((torch.arange(tokens, device=self.device) < heard.lengths[:, None])[:, None, None])
        for to, source in zip((*kept.keys, *kept.values), (*heard.keys, *heard.values), strict=True):
            to.zero_()
            to[:, :, : source.shape[2]].copy_(source)
        return kept
