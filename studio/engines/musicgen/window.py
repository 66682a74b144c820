"""One window of codes: from what was heard to what follows, for several candidates in one batch.

What is given is kept to the bit, as transformers' `generate` keeps the codes of prompt audio; greedy choices after it
equal its choices. The same pass, fed with codes that are all known, says how well they follow one another. Knows
nothing of songs, of sound or of who listens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from studio.engines.musicgen import decode
from studio.engines.musicgen.blend import Blend

if TYPE_CHECKING:
    import torch

WINDOW_FRAMES = 1_500


class Runtime(Protocol):
    """Runs the decoder. One window at a time; `begin` starts the next."""

    def begin(self, conditioning: decode.Conditioning, *, steps: int) -> None:
        """Forget what was heard and listen to new words; `steps` columns will be fed at most."""
        ...

    def feed(self, columns: torch.Tensor, *, told: int = 1) -> torch.Tensor:
        """Hear columns of codes, (codebooks, columns) for all rows or (rows, codebooks, columns).

        Returns what may follow the last `told` of them: float32 logits (rows, told, codebooks, codes) on the CPU.
        """
        ...


class Voice:
    """A loaded model as the windows need it: its runtime, its delays and the code it begins with."""

    def __init__(self, model: Any, runtime: Runtime | None = None) -> None:
        """runtime: None runs transformers' own decoder."""
        self.runtime = runtime or ModelRuntime(model)
        self.late = decode.delays(model)
        self.start_token = decode.start_token(model)
        drawer = getattr(self.runtime, "drawer", None)
        self.loop = None if drawer is None else drawer(late=self.late, start_token=self.start_token)

    @property
    def codebooks(self) -> int:
        return len(self.late)

    def draw(
        self,
        heard: Blend,
        given: torch.Tensor,
        *,
        frames: int,
        choice: decode.Choice,
        dice: Sequence[torch.Generator],
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Iterator[torch.Tensor]:
        """Yield the frames after the given ones, int64 (candidates, codebooks), as each is complete.

        given: codes (candidates, codebooks, frames given), maybe of no frames. frames: the window's whole length,
        the given ones too. dice: one for each candidate, so that a candidate does not depend on its neighbours.
        `cancelled` is asked before every step; the loop then ends, and what was yielded stands. A card draws by itself
        and is asked once a chunk.
        """
        import torch

        if self.loop is not None:
            grid = self._delayed(given, frames=frames)
            yield from self.loop.draw(heard, grid, known=given.shape[-1], choice=choice, dice=dice, cancelled=cancelled)
            return
        late, most, known = torch.tensor(self.late), max(self.late), given.shape[-1]
        places, grid = torch.arange(len(late)), self._delayed(given, frames=frames)
        fed = 0
        for step in range(known, frames + most):
            if cancelled():
                return
            if not fed:
                self._begin(heard, candidates=len(given), steps=frames + most)
            logits = self._feed(heard, grid[..., fed : step + 1])[:, :, 0]
            fed = column = step + 1
            fits = (column > known + late) & (column <= frames + late)
            for candidate, generator in enumerate(dice):
                drawn = decode.draw(heard.combine(logits[candidate], step), choice, generator)
                grid[candidate, :, column] = torch.where(fits, drawn, grid[candidate, :, column])
            if step - most >= known:
                yield grid[:, places, step - most + 1 + late].clone()

    def surprise(self, heard: Blend, codes: torch.Tensor, *, first_frame: int) -> torch.Tensor:
        """How unlikely the frames from `first_frame` on are after those before: float32 (candidates,), nats a code.

        codes: (candidates, codebooks, frames), all known and fed at once (teacher forcing). The mean negative log
        likelihood under what `heard` makes of the rows; to compare candidates, listen without guidance.
        """
        import torch

        most, frames = max(self.late), codes.shape[-1]
        grid = self._delayed(codes, frames=frames)
        steps = frames + most
        self._begin(heard, candidates=len(codes), steps=steps)
        logits = self._feed(heard, grid[..., :steps], told=steps - first_frame)
        sums = torch.zeros(len(codes))
        for candidate in range(len(codes)):
            made = [
                heard.combine(logits[candidate, :, told], first_frame + told) for told in range(steps - first_frame)
            ]
            likely = torch.stack(made).log_softmax(-1)
            for book, delay in enumerate(self.late):
                wanted = codes[candidate, book, first_frame:]
                said = likely[delay : delay + len(wanted), book]
                sums[candidate] -= said.gather(-1, wanted[:, None]).sum()
        return sums / (self.codebooks * max(1, frames - first_frame))

    def _delayed(self, codes: torch.Tensor, *, frames: int) -> torch.Tensor:
        """The columns (candidates, codebooks, columns) in which codes are fed; the start token where none is known."""
        import torch

        columns = frames + max(self.late) + 1
        grid = torch.full((*codes.shape[:2], columns), self.start_token, dtype=torch.long)
        for book, delay in enumerate(self.late):
            grid[:, book, 1 + delay : 1 + delay + codes.shape[-1]] = codes[:, book]
        return grid

    def _begin(self, heard: Blend, *, candidates: int, steps: int) -> None:
        self.runtime.begin(heard.conditioning.repeated(candidates), steps=steps)

    def _feed(self, heard: Blend, columns: torch.Tensor, *, told: int = 1) -> torch.Tensor:
        """Logits (candidates, rows, told, codebooks, codes) after columns (candidates, codebooks, columns)."""
        rows = heard.conditioning.rows
        logits = self.runtime.feed(columns.repeat_interleave(rows, dim=0), told=told)
        if not logits.isfinite().all():
            raise decode.NumbersOverflowed()
        return logits.unflatten(0, (-1, rows))


class ModelRuntime:
    """transformers' decoder, on any device and in any number format."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._conditioning: decode.Conditioning | None = None
        self._cache: Any = None
        self._is_first = True

    def begin(self, conditioning: decode.Conditioning, *, steps: int) -> None:
        """See `Runtime.begin`."""
        room = steps + (conditioning.states.shape[1] if conditioning.mask is None else 0)
        self._cache = decode._cache(layers=self._model.config.decoder.num_hidden_layers, room=room)
        self._conditioning, self._is_first = conditioning, True

    def feed(self, columns: torch.Tensor, *, told: int = 1) -> torch.Tensor:
        """See `Runtime.feed`."""
        import torch

        if self._conditioning is None:
            raise RuntimeError("a runtime is told what to listen to before it is fed")
        states, mask = self._conditioning.states, self._conditioning.mask
        heard: dict[str, Any] = {} if mask is None else {"encoder_attention_mask": mask}
        if self._is_first or mask is not None:
            heard["encoder_hidden_states"] = states
        shaped = columns.expand(states.shape[0], -1, -1).flatten(0, 1).to(self._model.decoder.device)
        with torch.inference_mode():
            logits = self._model.decoder(input_ids=shaped, past_key_values=self._cache, use_cache=True, **heard).logits
        self._is_first = False
        return logits[:, -told:].to("cpu", torch.float32).unflatten(0, (states.shape[0], -1)).transpose(1, 2)
