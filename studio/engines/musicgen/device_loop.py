"""The whole loop on the device: a recorded step reads its column of codes, runs the decoder, guides, draws and writes.

All at places that a counter on the device names. The host hears of a chunk of frames at a time, while the next is
being made. Where our kernels can run (`fused`) a few recordings serve all lengths; else torch's step is recorded for
each length of a ladder.

Drawing is by the exponential race (the smallest of Exp(1) / p has probability p).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from studio.engines.musicgen.blend import Blend, shares_of
from studio.engines.musicgen.decode import Choice, Conditioning, NumbersOverflowed
from studio.engines.musicgen.fused import LENGTHS, FusedStep, Grid, can_fuse
from studio.engines.musicgen.runtime_cuda import LADDER, GraphRuntime

if TYPE_CHECKING:
    import torch

FRAMES_A_CHUNK = 25
WARM_UPS = 2  # unrecorded runs before a recording, for kernels to be built and torch to choose its workspaces


class Recorded:
    """A step, recorded when it is first needed at a length and replayed ever after."""

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

    def take(self, length: int) -> None:
        """One step that looks at `length` positions."""
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
        for _ in range(WARM_UPS):
            self._advance(length)
            for tensor, value in zip(self._kept, before, strict=True):
                tensor.copy_(value)
        graph = torch.cuda.CUDAGraph()
        for die in self._dice:
            graph.register_generator_state(die)
        pool = next((each.pool() for each in self._graphs.values()), None)  # none runs beside another
        with torch.cuda.graph(graph, pool=pool):
            self._advance(length)
        for tensor, value in zip(self._kept, before, strict=True):
            tensor.copy_(value)
        for die, state in zip(self._dice, states, strict=True):
            die.set_state(state)
        return graph


class DeviceLoop:
    """Draws one window after another on the runtime's device."""

    def __init__(self, runtime: GraphRuntime, *, late: Sequence[int], start_token: int) -> None:
        """late: each codebook's delay in steps. start_token: the code with which every codebook begins."""
        import torch

        self._runtime, self._device = runtime, runtime.device
        self._most, self._start = max(late), start_token
        self._late = torch.tensor([*late, self._most], device=self._device)
        self._stream = torch.cuda.Stream() if self._device.type == "cuda" else None
        self._window: _Window | None = None

    def warm(self) -> None:
        """Build the kernels and record the step for the usual take: one candidate, guided, of a prompt of few words."""
        import torch

        width = self._runtime.config.hidden_size
        if self._runtime.is_melodic:
            words = Conditioning(torch.zeros(2, 1, width), None)
        else:
            words = Conditioning(torch.ones(2, 1, width), torch.tensor([[1], [0]]))
        list(self.frames(words, frames=1, choice=Choice()))

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

        nothing = torch.full((1, len(self._late) - 1, frames + self._most + 1), self._start)
        dice = [torch.Generator().manual_seed(seed)]
        drawn = self.draw(
            Blend(conditioning, guided, moves=False), nothing, known=0, choice=choice, dice=dice, cancelled=cancelled
        )
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
        steps, done = grid.shape[-1] - 1, known
        window = self._begin(heard, grid, known=known, choice=choice, dice=dice)
        under_way: tuple[int, Any] | None = None
        given = known
        while done < steps or under_way is not None:
            following = None
            if done < steps and not cancelled():
                until = min(steps, done + FRAMES_A_CHUNK + (self._most if done == known else 0))
                following = (until - self._most, self._launch(window, done, until))
                done = until
            elif done < steps:
                done = steps
            if under_way is not None:
                ready, arrived = under_way
                yield from arrived(given, ready)
                given = max(given, ready)
            under_way = following

    def _on_stream(self) -> Any:
        import torch

        return nullcontext() if self._stream is None else torch.cuda.stream(self._stream)

    def _begin(
        self, heard: Blend, grid: torch.Tensor, *, known: int, choice: Choice, dice: Sequence[torch.Generator]
    ) -> _Window:
        """Set the window up, in the places of the one before if it fits there."""
        import torch

        runtime, steps = self._runtime, grid.shape[-1] - 1
        if self._stream is not None:  # what was left under way when nobody wanted more
            torch.cuda.current_stream().wait_stream(self._stream)
        with torch.inference_mode():
            runtime.begin(heard.conditioning.repeated(len(grid)), steps=steps)
            seeds = [int(torch.randint(2**62, (1,), generator=die)) for die in dice]
            window = self._window
            if window is None or not window.fits(heard, grid, choice):
                window = self._window = _Window(runtime, heard, grid, choice=choice, late=self._late)
            before = runtime.hear_prefix()
            window.fill(heard, grid, known=known, before=before, seeds=seeds)
            if known:
                runtime.feed(window.grid.codes[..., :known].repeat_interleave(window.rows_each, dim=0))
            if self._stream is not None:
                self._stream.wait_stream(torch.cuda.current_stream())
        return window

    def _launch(self, window: _Window, begin: int, end: int) -> Callable[[int, int], Iterator[torch.Tensor]]:
        """Send the steps on their way; returns what waits for them and yields their frames."""
        import torch

        with torch.inference_mode(), self._on_stream():
            for step in range(begin, end):
                window.step(step)
            codes, fine = window.grid.codes, window.grid.is_finite
            # The last columns of a frame lie up to the longest delay behind it.
            low = max(0, begin - self._most)
            made = codes[..., low : end + 1].to("cpu", non_blocking=True, copy=True)
            is_finite = fine.to("cpu", non_blocking=True, copy=True)
            arrived = self._stream.record_event() if self._stream is not None else None

        def frames(given: int, ready: int) -> Iterator[torch.Tensor]:
            if arrived is not None:
                arrived.synchronize()
            if not bool(is_finite):
                raise NumbersOverflowed()
            late = self._late[:-1].cpu()
            for frame in range(given, ready):
                columns = (frame + 1 + late - low)[None, :, None].expand(len(made), -1, 1)
                yield made.gather(2, columns)[..., 0].clone()

        return frames


class _Window:
    """The places of a window, and its step."""

    def __init__(
        self, runtime: GraphRuntime, heard: Blend, grid: torch.Tensor, *, choice: Choice, late: torch.Tensor
    ) -> None:
        import torch

        self._runtime, self._choice, self._late = runtime, choice, late
        self._stage = runtime.stage
        candidates, books = grid.shape[:2]
        self.rows_each = heard.conditioning.rows
        device, room = runtime.device, runtime.room
        self.grid = Grid(
            codes=torch.zeros((candidates, books, room + 1), dtype=torch.long, device=device),
            clock=torch.zeros(2, dtype=torch.long, device=device),
            bounds=torch.zeros(2, dtype=torch.long, device=device),
            shares=torch.zeros((room, self.rows_each, books), device=device),
            seeds=torch.zeros(candidates, dtype=torch.long, device=device),
            late=late,
            is_finite=torch.ones(1, dtype=torch.int32, device=device),
        )
        self._look = torch.arange(room, device=device)
        self._dice = [torch.Generator(device) for _ in range(candidates)]
        rows = candidates * self.rows_each
        self._fused = FusedStep(runtime, rows=rows) if can_fuse(runtime, rows=rows) else None
        kept = [self.grid.codes, self.grid.clock, self.grid.is_finite]
        self._recorded = Recorded(device, self._advance, kept=kept, dice=() if self._fused else self._dice)

    def fits(self, heard: Blend, grid: torch.Tensor, choice: Choice) -> bool:
        """Whether another window can be played in these places."""
        return (
            self._stage is self._runtime.stage
            and self.rows_each == heard.conditioning.rows
            and self.grid.codes.shape[:2] == grid.shape[:2]
            and replace(self._choice, guidance=1.0) == replace(choice, guidance=1.0)
        )

    def fill(self, heard: Blend, grid: torch.Tensor, *, known: int, before: int, seeds: Sequence[int]) -> None:
        """Take a window's codes, of which `known` are given, and start the clock, `before` places into the cache."""
        import torch

        columns, here = grid.shape[-1], self.grid
        here.codes[..., :columns].copy_(grid)
        here.clock.copy_(torch.tensor([known, before + known]))
        here.bounds.copy_(torch.tensor([known, columns]))
        steps = range(columns - 1) if heard.moves else range(1)
        here.shares[: columns - 1].copy_(shares_of(heard, steps, codebooks=grid.shape[1]))
        here.seeds.copy_(torch.tensor(seeds))
        here.is_finite.fill_(1)
        self._before = before
        for die, seed in zip(self._dice, seeds, strict=True):
            die.manual_seed(seed)

    def step(self, step: int) -> None:
        """One step; `step` is where the clock stands, as the host knows too."""
        room, needed = self._runtime.room, self._before + step + 1
        ladder = LENGTHS if self._fused else LADDER
        self._recorded.take(next((each for each in ladder if needed <= each < room), room))

    def _advance(self, length: int) -> None:
        if self._fused is not None:
            self._fused.advance(self.grid, length=length, rows_each=self.rows_each, choice=self._choice)
        else:
            self._advance_by_torch(length)

    def _advance_by_torch(self, length: int) -> None:
        """Feed the column at the clock, draw the next and move on; nothing here waits for the device."""
        import torch

        grid, late, most = self.grid, self._late[:-1], self._late[-1]
        step, place = grid.clock[:1], grid.clock[1:]
        mask = (self._look[:length] <= place)[None]
        column = grid.codes.index_select(2, step).repeat_interleave(self.rows_each, dim=0)
        logits = self._runtime.step_at(column, place, length, mask).unflatten(0, (-1, self.rows_each))
        grid.is_finite.mul_(torch.isfinite(logits).all().int())
        mixed = (logits * grid.shares.index_select(0, step)[..., None]).sum(dim=1)
        drawn = torch.stack([race(each, self._choice, die) for each, die in zip(mixed, self._dice, strict=True)])
        following = step + 1
        fits = (following > grid.bounds[0] + late) & (following <= grid.bounds[1] - 1 - most + late)
        there = grid.codes.index_select(2, following)[..., 0]
        grid.codes.index_copy_(2, following, torch.where(fits, drawn, there)[..., None])
        grid.clock.add_(1)


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
