"""What MusicGen is taught by: the delayed codes it should have drawn, and how surprised it is by each codebook.

The loss is the mean over codebooks of the mean cross-entropy over frames (Copet et al. 2023, arXiv 2306.05284,
section 3.1), over every frame of every codebook: those that the delay pushes past the last step are in it. Codebooks
are scored one after another, so that no more than one's logits are in memory. Knows nothing of where codes come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from studio.training.lean import IGNORED, surprise

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Delayed:
    """A batch as the decoder reads and should continue it.

    inputs, targets: int64 (batch, codebooks, steps); a target of IGNORED is nobody's to draw.
    """

    inputs: torch.Tensor
    targets: torch.Tensor


def delayed(codes: Sequence[torch.Tensor], *, delays: Sequence[int], start: int) -> Delayed:
    """Lay codes out with each codebook delayed, as the sampling loop draws them.

    codes: int64 (codebooks, frames) each, of any lengths; the shorter are filled up and nobody is asked for what fills
    them. delays: each codebook's, in steps. start: the code that stands where a codebook is silent.
    """
    import torch

    steps = max(part.shape[1] for part in codes) + max(delays)
    grid = torch.full((len(codes), len(delays), steps + 1), start, dtype=torch.long)
    wanted = torch.full((len(codes), len(delays), steps + 1), IGNORED, dtype=torch.long)
    for row, part in enumerate(codes):
        frames = part.shape[1]
        for codebook, delay in enumerate(delays):
            place = slice(1 + delay, 1 + delay + frames)
            grid[row, codebook, place] = part[codebook].long()
            wanted[row, codebook, place] = part[codebook].long()
    return Delayed(grid[..., :-1].contiguous(), wanted[..., 1:].contiguous())


def codebook_losses(decoder: Any, batch: Delayed, *, states: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Each codebook's mean cross-entropy in nats, float32 (codebooks,); their mean is the loss.

    states, mask: what the decoder listens to, (batch, tokens, width) and (batch, tokens); None masks nothing, and is
    what a melody model takes, which puts the states before the codes.
    """
    import torch

    rows, codebooks, steps = batch.inputs.shape
    heard = {}
    if (
        mask is not None
    ):  # as wide as it is used, for transformers would ask a device whether it masks anything, and wait
        heard = {"encoder_attention_mask": mask[:, None, None].bool().expand(-1, 1, steps, -1)}
    hidden = decoder.model(
        input_ids=batch.inputs.reshape(rows * codebooks, steps), encoder_hidden_states=states, use_cache=False, **heard
    ).last_hidden_state[:, -steps:]
    heads = zip(decoder.lm_heads, batch.targets.unbind(1), strict=True)
    return torch.stack([surprise(head, hidden, wanted) for head, wanted in heads])
