"""The whole loop on the device: a step is recorded once as a CUDA graph and replayed, with no word from the host.

A step reads its column of codes, runs the decoder, guides, draws and writes the next column, all at places that a
counter on the device names. Graphs differ in how far back they look: one for each length of a ladder, recorded when it
is first needed, so that a short take does not pay for a long one's memory. The host hears of a chunk of frames at a
time. On another device the same steps run unrecorded, which is how they are tested without a card.

CUDA graphs as in torch's documentation; drawing by the exponential race (the smallest of Exp(1) / p has probability p).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from studio.engines.base import EngineError
from studio.engines.musicgen.blend import Blend, shares_of
from studio.engines.musicgen.runtime_torch import TorchRuntime

if TYPE_CHECKING:
    import torch

    from studio.engines.musicgen.decode import Choice, Conditioning

LADDER = (128, 256, 512, 768, 1024, 1280, 1536, 1792, 2048)
FRAMES_A_CHUNK = 25
WARM_UPS = 2  # unrecorded runs before a recording, for torch to choose its kernels and workspaces


class Recorded:
    """A step at each length of the ladder: recorded when it is first needed, replayed ever after."""

    def __init__(
        self,
        device: torch.device,
        advance: Callable[[int], None],
        *,
        kept: list[torch.Tensor],
        dice: Sequence[torch.Generator] = (),
    ) -> None:
        """advance(length) runs one step that looks at `length` positions; `kept` and `dice` are what it moves on."""
        self._device, self._advance, self._kept, self._dice = device, advance, kept, dice
        self._graphs: dict[int, Any] = {}

    def take(self, needed: int, *, room: int) -> None:
        """One step that needs `needed` positions of `room`."""
        length = min(next((rung for rung in LADDER if rung >= needed), room), room)
        if self._device.type != "cuda":
            self._advance(length)
            return
        if length not in self._graphs:
            self._graphs[length] = self._record(length)
        self._graphs[length].replay()

    def _record(self, length: int) -> Any:
        """A graph of one step; all stands afterwards where it stood before.

        The step's keys and values were written in warming up; the replay writes the same ones again.
        """
        import torch

        before = [tensor.clone() for tensor in self._kept]
        states = [die.get_state() for die in self._dice]
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UPS):
                self._advance(length)
                for tensor, value in zip(self._kept, before, strict=True):
                    tensor.copy_(value)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        for die in self._dice:
            graph.register_generator_state(die)
        with torch.cuda.graph(graph):
            self._advance(length)
        for tensor, value in zip(self._kept, before, strict=True):
            tensor.copy_(value)
        for die, state in zip(self._dice, states, strict=True):
            die.set_state(state)
        return graph


class GraphRuntime(TorchRuntime):
    """The runtime with its single steps recorded, for whoever draws on the host."""

    def drawer(self, *, late: Sequence[int], start_token: int) -> DeviceLoop | None:
        """What draws on the device itself, without the host; None where there is none to record for."""
        return DeviceLoop(self, late=late, start_token=start_token) if self._device.type == "cuda" else None

    def begin(self, conditioning: Conditioning, *, steps: int) -> None:
        """Forget what was heard and listen to new words; see `Runtime.begin`."""
        import torch

        super().begin(conditioning, steps=steps)
        shape = (self._rows, self._codebooks, 1)
        with torch.inference_mode():
            self._column = torch.zeros(shape, dtype=torch.long, device=self._device)
            self._place = torch.zeros(1, dtype=torch.long, device=self._device)
            self._said = torch.zeros((*shape[:2], self._codes), device=self._device)
            self._look = torch.arange(self._room, device=self._device)
        self._recorded = Recorded(self._device, self._advance, kept=[])

    def feed(self, columns: torch.Tensor, *, told: int = 1) -> torch.Tensor:
        """Hear columns of codes and say what may follow; see `Runtime.feed`."""
        import torch

        if columns.shape[-1] > 1 or self._prefix is not None:
            return super().feed(columns, told=told)
        with torch.inference_mode():
            self._column.copy_(columns.expand(self._rows, -1, -1))
            self._place.fill_(self._heard)
            self._recorded.take(self._heard + 1, room=self._room)
            self._heard += 1
            return self._said[:, None].to("cpu", torch.float32)

    def _advance(self, length: int) -> None:
        mask = (self._look[:length] <= self._place)[None]
        self._said.copy_(self.step_at(self._column, self._place, length, mask))


class DeviceLoop:
    """Draws one window after another on the runtime's device."""

    def __init__(self, runtime: TorchRuntime, *, late: Sequence[int], start_token: int) -> None:
        """late: each codebook's delay in steps. start_token: the code with which every codebook begins."""
        import torch

        self._runtime = runtime
        self._device = runtime.device
        self._late = torch.tensor(late, device=self._device)
        self._most, self._start = max(late), start_token

    def frames(
        self,
        conditioning: Conditioning,
        *,
        frames: int,
        choice: Choice,
        seed: int = 0,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Iterator[torch.Tensor]:
        """Yield each frame's codes, int64 (codebooks,) on the CPU, of a take that begins from nothing.

        Row 0 of the conditioning is what is wanted, row 1, if any, what guidance leaves.
        """
        import torch

        def guided(logits: torch.Tensor, step: int) -> torch.Tensor:
            return logits[0] if len(logits) == 1 else logits[1] + (logits[0] - logits[1]) * choice.guidance

        nothing = torch.full((1, len(self._late), frames + self._most + 1), self._start)
        dice = [torch.Generator().manual_seed(seed)]
        drawn = self.draw(Blend(conditioning, guided), nothing, known=0, choice=choice, dice=dice, cancelled=cancelled)
        for frame in drawn:
            yield frame[0]

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
        """Yield the frames after the first `known`, int64 (candidates, codebooks) on the CPU, a chunk of 25 at a time.

        grid: the window's delayed columns (candidates, codebooks, columns), those of the known frames filled in. dice:
        one for each candidate; they seed the device's own. `cancelled` is asked once a chunk. The same dice give the
        same codes on the same device, which are not those of another device's.
        """
        import torch

        steps, done, given = grid.shape[-1] - 1, known, known
        with torch.inference_mode():
            self._begin(heard, grid, known=known, choice=choice, dice=dice)
            while done < steps and not cancelled():
                until = min(steps, done + FRAMES_A_CHUNK + (self._most if done == known else 0))
                for step in range(done, until):
                    self._recorded.take(self._before + step + 1, room=self._runtime.room)
                done = until
                ready = done - self._most
                yield from self._complete(given, ready)
                given = max(given, ready)

    def _begin(
        self, heard: Blend, grid: torch.Tensor, *, known: int, choice: Choice, dice: Sequence[torch.Generator]
    ) -> None:
        import torch

        runtime, steps = self._runtime, grid.shape[-1] - 1
        self._rows, self._known, self._choice = heard.conditioning.rows, known, choice
        runtime.begin(heard.conditioning.repeated(len(grid)), steps=steps)
        # What a graph reads and writes must stay where it is: all of it is made here, once a window.
        self._grid = grid.to(self._device, copy=True)
        self._step = torch.full((1,), known, dtype=torch.long, device=self._device)
        self._is_finite = torch.ones((), dtype=torch.bool, device=self._device)
        self._shares = shares_of(heard, range(steps), codebooks=len(self._late)).to(self._device)
        seeds = [int(torch.randint(2**62, (1,), generator=die)) for die in dice]
        self._dice = [torch.Generator(self._device).manual_seed(seed) for seed in seeds]
        kept = [self._grid, self._step, self._is_finite]
        self._recorded = Recorded(self._device, self._advance, kept=kept, dice=self._dice)
        self._before = runtime.hear_prefix()
        if known:
            runtime.feed(self._grid[..., :known].repeat_interleave(self._rows, dim=0))
        self._look = torch.arange(runtime.room, device=self._device)

    def _advance(self, length: int) -> None:
        """Feed the column at the counter, draw the next and move on; nothing here waits for the device."""
        import torch

        places = self._before + self._step
        mask = (self._look[:length] <= places)[None]
        column = self._grid.index_select(2, self._step).repeat_interleave(self._rows, dim=0)
        logits = self._runtime.step_at(column, places, length, mask).unflatten(0, (-1, self._rows))
        self._is_finite &= torch.isfinite(logits).all()
        mixed = (logits * self._shares.index_select(0, self._step)[..., None]).sum(dim=1)
        drawn = torch.stack([race(each, self._choice, die) for each, die in zip(mixed, self._dice, strict=True)])
        following = self._step + 1
        fits = (following > self._known + self._late) & (
            following <= self._grid.shape[-1] - 1 - self._most + self._late
        )
        there = self._grid.index_select(2, following)[..., 0]
        self._grid.index_copy_(2, following, torch.where(fits, drawn, there)[..., None])
        self._step += 1

    def _complete(self, given: int, ready: int) -> Iterator[torch.Tensor]:
        """The frames from `given` to `ready`, undelayed; the one place where the host waits."""
        import torch

        if ready <= given:
            return
        columns = torch.arange(given, ready, device=self._device) + 1 + self._late[:, None]
        made = self._grid.gather(2, columns.expand(len(self._grid), -1, -1)).cpu()
        if not bool(self._is_finite):
            raise EngineError(
                "The model's numbers overflowed on this device: choose the device cpu in the settings, or lower guidance."
            )
        yield from made.permute(2, 0, 1).clone()


def race(logits: torch.Tensor, choice: Choice, dice: torch.Generator) -> torch.Tensor:
    """Draw one code a row from logits (rows, codes) without the host: the distribution of `decode.draw`."""
    import torch

    if choice.top_k == 1:
        return logits.argmax(-1)
    logits = logits.float() / choice.temperature
    codes = logits.shape[-1]
    ordered, places = logits.topk(choice.top_k if 0 < choice.top_k < codes else codes, dim=-1)
    shares = ordered.softmax(-1)
    if 0.0 < choice.top_p < 1.0:
        shares = shares.masked_fill(shares.cumsum(-1) - shares >= choice.top_p, 0.0)
    waits = torch.empty_like(shares).exponential_(generator=dice)
    return places.gather(-1, (shares / waits).argmax(-1, keepdim=True))[:, 0]
