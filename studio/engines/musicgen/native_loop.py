"""The loop in the compiled kernel: a call hears a column of codes and draws the next.

Throws are numbers of torch's own generators, so that a seed says what is drawn. Knows nothing of layers or threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from studio.engines.musicgen.blend import Blend, shares_of
from studio.engines.musicgen.decode import NumbersOverflowed

if TYPE_CHECKING:
    import torch

    from studio.engines.musicgen.decode import Choice
    from studio.engines.musicgen.runtime_native import NativeRuntime


class NativeLoop:
    """Draws one window after another in the runtime's kernel."""

    def __init__(self, runtime: NativeRuntime, *, late: Sequence[int]) -> None:
        """late: each codebook's delay in steps."""
        self._runtime, self._late, self._most = runtime, np.array(late), max(late)

    def draw(
        self,
        heard: Blend,
        grid: torch.Tensor,
        *,
        known: int,
        choice: Choice,
        dice: Sequence[torch.Generator],
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Iterator[torch.Tensor]:
        """Yield the frames after the first `known`, int64 (candidates, codebooks), as each is complete.

        grid: the window's delayed columns (candidates, codebooks, columns), those of the known frames filled in. dice:
        one for each candidate. `cancelled` is asked before every step. Raises NumbersOverflowed.
        """
        import torch

        columns, steps = grid.numpy().copy(), grid.shape[-1] - 1
        later = np.arange(steps + 1) - self._late[:, None]
        fits = (later > known) & (later <= steps - self._most)
        books = np.arange(len(self._late))
        for step in range(known, steps):
            if cancelled():
                return
            if step == known:
                self._begin(heard, grid, steps=steps, known=known)
            sheet = self._sheet(heard, step, columns, fits, choice, dice)
            self._runtime.advance(sheet)
            if sheet.trouble[0]:
                raise NumbersOverflowed()
            if step - self._most >= known:
                yield torch.from_numpy(columns[:, books, step - self._most + 1 + self._late])

    def _begin(self, heard: Blend, grid: torch.Tensor, *, steps: int, known: int) -> None:
        self._runtime.begin(heard.conditioning.repeated(len(grid)), steps=steps)
        self._runtime.hear_prefix()
        if known:
            self._runtime.feed(grid[..., :known].repeat_interleave(heard.conditioning.rows, dim=0), told=0)

    def _sheet(
        self,
        heard: Blend,
        step: int,
        columns: np.ndarray,
        fits: np.ndarray,
        choice: Choice,
        dice: Sequence[torch.Generator],
    ) -> Any:
        """What the kernel draws a step on, and how: into `columns`, where `fits` says so."""
        import torch

        from studio.engines.musicgen.drawing import Sheet

        books = len(self._late)
        thrown = torch.stack([torch.rand(books, generator=die) for die in dice])
        return Sheet(
            grid=columns,
            fits=fits,
            shares=shares_of(heard, range(step, step + 1), codebooks=books)[0].numpy(),
            dice=thrown.numpy(),
            trouble=np.zeros(1, np.int64),
            scratch=self._runtime.scratch,
            column=step,
            inverse_temperature=np.float32(1.0 / choice.temperature),
            top_k=choice.top_k,
            top_p=np.float32(choice.top_p),
        )


@cache
def empty_sheet() -> Any:
    """What nothing is drawn on."""
    from studio.engines.musicgen.drawing import Sheet

    nothing = np.zeros((0, 0), np.float32)
    return Sheet(
        grid=np.zeros((0, 0, 0), np.int64),
        fits=np.zeros((0, 0), np.bool_),
        shares=nothing,
        dice=nothing,
        trouble=np.zeros(1, np.int64),
        scratch=nothing,
        column=0,
        inverse_temperature=np.float32(1.0),
        top_k=0,
        top_p=np.float32(0.0),
    )
