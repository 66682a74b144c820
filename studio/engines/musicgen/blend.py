"""Several prompts at once: weighed against one another at the logits, anew at every frame if they move.

What is wanted is a weighed mean of the wanted prompts' logits; what is unwanted is no prompt at all, of which the
unwanted prompts take the place as far as they weigh (all of it from -1 on); guidance goes from the second through the first and beyond (classifier-free guidance, Ho & Salimans
2022; composed as in Liu et al. 2022, arXiv 2206.01714). One wanted prompt and nothing else is plain guidance to the
bit. Each prompt is a row of the batch, so that time grows with their number. Knows nothing of plans or sound.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from studio.engines.base import EngineError
from studio.engines.musicgen.decode import (
    FRAMES_A_SECOND,
    Combine,
    Conditioning,
    Tokens,
    condition_rows,
    delays,
)

if TYPE_CHECKING:
    import torch

MOST_PROMPTS = 8


@dataclass(frozen=True, slots=True)
class Prompt:
    """Words and how much they weigh; below 0 they are steered away from.

    keyframes: (frame, weight) points, between which the weight goes straight and outside which it stays; they then
    replace `weight`. A prompt is wanted or unwanted throughout: its weights do not change sign.
    """

    words: str
    weight: float = 1.0
    keyframes: tuple[tuple[int, float], ...] = ()

    @property
    def is_wanted(self) -> bool:
        return (self.keyframes[0][1] if self.keyframes else self.weight) >= 0 and all(w >= 0 for _, w in self.keyframes)

    def weights(self, frames: np.ndarray) -> np.ndarray:
        """How much it weighs at each of these frames, without its sign."""
        if not self.keyframes:
            return np.full(len(frames), abs(self.weight))
        places, weights = zip(*self.keyframes, strict=True)
        return np.interp(frames, places, np.abs(weights))


@dataclass(frozen=True, slots=True)
class Blend:
    """What drawing needs to play several prompts: their conditioning and their `combine`, linear in the rows.

    moves: False where `combine` weighs the rows the same at every step.
    """

    conditioning: Conditioning
    combine: Combine
    moves: bool = True


def morph(before: str, after: str, *, start_frame: int, end_frame: int) -> tuple[Prompt, Prompt]:
    """Two prompts of which one gives way to the other between two frames."""
    return (
        Prompt(before, keyframes=((start_frame, 1.0), (end_frame, 0.0))),
        Prompt(after, keyframes=((start_frame, 0.0), (end_frame, 1.0))),
    )


def check_prompts(prompts: Sequence[Prompt]) -> None:
    """Raise EngineError, in the user's words, unless these prompts can be blended."""
    if not prompts or not any(prompt.is_wanted for prompt in prompts):
        raise EngineError("There is no prompt to play: write at least one that is wanted, with a weight above 0.")
    if len(prompts) > MOST_PROMPTS:
        raise EngineError(
            f"{len(prompts)} prompts are too many to blend: keep the {MOST_PROMPTS} that matter, or join some into one."
        )
    for prompt in prompts:
        places = [frame for frame, _ in prompt.keyframes]
        if places != sorted(set(places)):
            raise EngineError(f"The moves of “{prompt.words[:40]}” must go forward in time: put them in order.")
        signs = {np.sign(weight) for _, weight in prompt.keyframes} - {0.0}
        if len(signs) > 1:
            raise EngineError(
                f"“{prompt.words[:40]}” is wanted at one time and unwanted at another: write it twice, once for each."
            )
    wanted = [prompt for prompt in prompts if prompt.is_wanted]
    if (_total(wanted, _turns(wanted)) <= 0).any():
        raise EngineError("At some time all wanted prompts weigh 0: give one of them a weight above 0 there.")


def listen(
    model: Any,
    prompts: Sequence[Prompt],
    tokenize: Callable[[str], Tokens],
    *,
    guidance: float,
    melody: torch.Tensor | None = None,
    first_frame: int = 0,
) -> Blend:
    """Encode prompts to be played together.

    melody: a chroma (frames, 12) that the wanted prompts hear. first_frame: where in the song frame 0 of what is to
    be drawn lies, for keyframes of a song in several windows. Without guidance (1) the unwanted are not heard.
    Raises EngineError as `check_prompts`, and for a melody that the model cannot follow.
    """
    check_prompts(prompts)
    wanted = [prompt for prompt in prompts if prompt.is_wanted]
    unwanted = [prompt for prompt in prompts if not prompt.is_wanted] if guidance > 1 else []
    rows: list[Tokens | None] = [tokenize(prompt.words) for prompt in (*wanted, *unwanted)]
    if guidance > 1 and _leaves_room(unwanted):
        rows.append(None)
    conditioning = condition_rows(model, rows, melody=melody, melody_rows=len(wanted))
    combine = mixer(wanted, unwanted, guidance=guidance, late=delays(model), first_frame=first_frame)
    return Blend(conditioning, combine, moves=any(prompt.keyframes for prompt in prompts))


def mixer(
    wanted: Sequence[Prompt], unwanted: Sequence[Prompt], *, guidance: float, late: Sequence[int], first_frame: int = 0
) -> Combine:
    """The function that makes one set of logits of the rows': the wanted, then the unwanted, then the null row if any.

    late: each codebook's delay. At any step each codebook is weighed by the frame that it is deciding.
    """
    delay = np.array(late)

    def combine(logits: torch.Tensor, step: int) -> torch.Tensor:
        frames = np.maximum(first_frame + step - delay, 0)
        weights = np.stack([prompt.weights(frames) for prompt in wanted])
        towards = _mean(logits[: len(wanted)], weights / weights.sum(axis=0))
        if logits.shape[0] == len(wanted):
            return towards
        rest = logits[len(wanted) :]
        weights = np.stack([*(prompt.weights(frames) for prompt in unwanted), np.zeros(len(frames))])
        weights /= np.maximum(weights.sum(axis=0), 1.0)
        weights[-1] = 1.0 - weights.sum(axis=0)
        away = _mean(rest, weights[: rest.shape[0]])
        return away + (towards - away) * guidance

    return combine


def shares_of(heard: Blend, steps: range, *, codebooks: int) -> torch.Tensor:
    """How much each row counts at each of these steps: float32 (steps, rows, codebooks), which is all a blend does.

    A blend is linear in its rows; asked for a one in one row and zeros in the others, it says that row's share.
    """
    import torch

    rows = heard.conditioning.rows
    ones = torch.eye(rows)[:, None].expand(rows, codebooks, rows)
    return torch.stack([heard.combine(ones, step) for step in steps]).transpose(1, 2).contiguous()


def _mean(logits: torch.Tensor, weights: np.ndarray) -> torch.Tensor:
    """Logits (rows, codebooks, codes) by weights (rows, codebooks) that add up to 1; one row is left as it is."""
    import torch

    if logits.shape[0] == 1:
        return logits[0]
    return (torch.as_tensor(weights, dtype=logits.dtype, device=logits.device)[..., None] * logits).sum(0)


def _turns(prompts: Sequence[Prompt]) -> np.ndarray:
    """The frames at which sums of weights can be least: the first, and all keyframes."""
    return np.array(sorted({0, *(frame for prompt in prompts for frame, _ in prompt.keyframes)}))


def _total(prompts: Sequence[Prompt], frames: np.ndarray) -> np.ndarray:
    return np.sum([prompt.weights(frames) for prompt in prompts], axis=0) if prompts else np.zeros(len(frames))


def _leaves_room(unwanted: Sequence[Prompt]) -> bool:
    """True when the unwanted prompts do not take all of the null row's place at all times."""
    return bool((_total(unwanted, _turns(unwanted)) < 1.0).any())


def frame_at(seconds: float) -> int:
    """The frame that begins there."""
    return round(seconds * FRAMES_A_SECOND)
