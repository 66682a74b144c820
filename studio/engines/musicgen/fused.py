"""A step of the decoder on a card by kernels of our own: some two hundred launches where torch needs five hundred.

Knows the buffers between the kernels and their shapes; the arithmetic is in `kernels_triton`, the weights and the
cache are the runtime's. Needs Triton, which torch brings along on Linux, for NVIDIA's and AMD's cards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from studio.engines.musicgen.decode import Choice
    from studio.engines.musicgen.runtime_torch import TorchRuntime, Words

STORE, ADD, ACTIVATE, CACHE = 0, 1, 2, 3  # how a product ends, as `kernels_triton.project` reads it
MOST_ROWS = 16  # above, a product by the card's matrix units is better
SPLITS = 32  # of the positions each head looks back at
LENGTHS = (512, 1024)  # up to which a step is recorded apart, for its programs to hold fewer positions
PROGRAMS_A_CORE = 4  # that stay while they go from outputs to outputs


@dataclass(frozen=True, slots=True)
class Shape:
    """How a product is cut: outputs a program, inputs at a time, warps."""

    outputs: int
    inputs: int
    warps: int


def shape_of(rows: int, width: int, *, is_normed: bool) -> Shape:
    """The cut for that many rows, a power of two, and inputs: the quickest of those tried on an H200."""
    whole = 1 << (width - 1).bit_length()
    held = whole * rows
    if held <= 2048:
        return Shape(8, whole, 4)
    if is_normed or held <= 4096:
        return Shape(4 if rows <= 4 else 1, whole, 4 if held <= 4096 else 8)
    if held <= 8192:
        return Shape(4, whole, 16)
    return Shape(4, max(64, (2048 if width <= 6144 else 1024) // rows), 4)


def can_fuse(runtime: TorchRuntime, *, rows: int) -> bool:
    """Whether the kernels can take that many rows of the runtime's model here; torch does where they cannot."""
    if runtime.device.type != "cuda" or not _has_triton():
        return False
    config = runtime.config
    is_pair = config.vocab_size & (config.vocab_size - 1) == 0
    return rows <= MOST_ROWS and is_pair and config.activation_function == "gelu"


def _has_triton() -> bool:
    try:
        import triton  # noqa: F401
    except ImportError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Grid:
    """Where a window's codes lie, and what the draw reads and moves; all of it on the device.

    codes: int64 (candidates, codebooks, columns). clock: int64 (2,), the step and its place in the cache. bounds: int64
    (2,), how many frames are given and how many columns there are to be. shares: float32 (steps, rows, codebooks), how each row of a candidate counts. seeds: int64 (candidates,). late: int64
    (codebooks + 1,), the delays and then the longest. is_finite: int32 (1,), 0 once a number overflowed.
    """

    codes: torch.Tensor
    clock: torch.Tensor
    bounds: torch.Tensor
    shares: torch.Tensor
    seeds: torch.Tensor
    late: torch.Tensor
    is_finite: torch.Tensor


class FusedStep:
    """One step after another for the rows that the runtime has begun with."""

    def __init__(self, runtime: TorchRuntime, *, rows: int) -> None:
        import torch

        config = runtime.config
        self._runtime, self._rows = runtime, rows
        self._width, self._heads, self._inner = config.hidden_size, config.num_attention_heads, config.ffn_dim
        self._head, self._books, self._codes = self._width // self._heads, config.num_codebooks, config.vocab_size
        self._epsilon = runtime.stack.layer_norm.eps

        def room(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
            return torch.zeros(shape, device=runtime.device, dtype=dtype)

        self._stream, self._queries = room(rows, self._width), room(rows, self._width)
        self._found = room(rows, self._width, dtype=runtime.told.dtype)
        self._parts = room(rows, self._heads, SPLITS, self._head + 2)
        self._arrived = torch.zeros((rows, self._heads), dtype=torch.int32, device=runtime.device)
        self._middle = room(rows, self._inner, dtype=runtime.told.dtype)
        self.logits = room(rows, self._books * self._codes)
        is_on_card = runtime.device.type == "cuda"
        is_early = is_on_card and torch.cuda.get_device_capability() >= (9, 0) and not torch.version.hip
        self._launch = {"EARLY": is_early} | ({"launch_pdl": True} if is_early else {})

        cores = torch.cuda.get_device_properties(runtime.device).multi_processor_count if is_on_card else 1
        self._programs = cores * PROGRAMS_A_CORE
        self._slopes: dict[int, torch.Tensor] = {}
        self._read_slopes()

    def _read_slopes(self) -> None:
        """What a norm before each product amounts to, read off the weights once: changed ones are played by another step."""
        import torch

        runtime, stack = self._runtime, self._runtime.stack
        normed = [(stack.layer_norm, runtime.told)]
        for layer, qkv in zip(runtime.layers, runtime.qkv, strict=True):
            normed += [(layer.self_attn_layer_norm, qkv), (layer.final_layer_norm, layer.fc1.weight)]
            if runtime.words is not None:
                normed.append((layer.encoder_attn_layer_norm, layer.encoder_attn.q_proj.weight))
        for norm, weight in normed:
            pair = torch.stack([norm.weight, norm.bias]).float()
            slopes = self._slopes.setdefault(id(norm), torch.zeros((2, len(weight)), device=runtime.device))
            self._project(pair, weight, slopes, rows=2)

    def advance(self, grid: Grid, *, length: int, rows_each: int, choice: Choice) -> None:
        """Hear the column at the clock, draw the next one and move the clock on; nothing here waits for the device.

        length: how many positions there may be to look back at.
        """
        self.hear(grid, length=length, rows_each=rows_each)
        self._choose(grid, rows_each=rows_each, choice=choice)
        grid.clock.add_(1)

    def hear(self, grid: Grid, *, length: int, rows_each: int) -> None:
        """Put into `logits` (rows, codebooks * codes) what may follow the column at the clock."""
        from studio.engines.musicgen import kernels_triton as kernels

        runtime, step, place = self._runtime, grid.clock[:1], grid.clock[1:]
        kernels.embed[(self._rows, -(-self._width // 256))](
            grid.codes, place, step, runtime.shelf, runtime.positions, self._stream, grid.codes.shape[-1], rows_each,
            runtime.embedded, self._width, BOOKS=self._books, BLOCK=256, **self._launch,
        )  # fmt: skip
        for number, layer in enumerate(runtime.layers):
            self._look_back(number, layer, place, length)
            if runtime.words is not None:
                self._hear_words(number, layer, runtime.words)
            self._project(self._stream, layer.fc1.weight, self._middle, norm=layer.final_layer_norm, end=ACTIVATE)
            self._project(self._middle, layer.fc2.weight, self._stream, end=ADD)
        self._project(self._stream, runtime.told, self.logits, norm=runtime.stack.layer_norm)

    def _look_back(self, number: int, layer: Any, place: torch.Tensor, length: int) -> None:
        keys, values = self._runtime.keys[number], self._runtime.values[number]
        self._project(
            self._stream, self._runtime.qkv[number], self._queries, norm=layer.self_attn_layer_norm, end=CACHE,
            cache=(keys, values, place),
        )  # fmt: skip
        self._attend(keys, values, place, length=length, rows=self._rows, more=1, stride=0, splits=SPLITS)
        self._project(self._found, layer.self_attn.out_proj.weight, self._stream, end=ADD)

    def _hear_words(self, number: int, layer: Any, words: Words) -> None:
        """The listening rows only; the others would hear zeros."""
        attention, chosen = layer.encoder_attn, words.rows
        self._project(
            self._stream, attention.q_proj.weight, self._queries, norm=layer.encoder_attn_layer_norm, chosen=chosen
        )
        keys, values = words.keys[number], words.values[number]
        self._attend(keys, values, words.lengths, length=keys.shape[2], rows=len(chosen), more=0, stride=1, splits=1)
        self._project(self._found, attention.out_proj.weight, self._stream, chosen=chosen, end=ADD)

    def _attend(
        self, keys: torch.Tensor, values: torch.Tensor, lengths: torch.Tensor,
        *, length: int, rows: int, more: int, stride: int, splits: int,
    ) -> None:  # fmt: skip
        from studio.engines.musicgen import kernels_triton as kernels

        block = max(16, 1 << (-(-length // splits) - 1).bit_length())
        kernels.attend[(rows * self._heads, splits)](
            self._queries, keys, values, lengths, self._parts, self._arrived, self._found, self._heads, keys.shape[2],
            self._head**-0.5, more, stride, SPLITS=splits, HEAD=self._head,
            PADDED=1 << (self._head - 1).bit_length(), BLOCK=block,            num_warps=max(1, block // 64),
            **self._launch,
        )  # fmt: skip

    def _project(
        self, inputs: torch.Tensor, weight: torch.Tensor, out: torch.Tensor,
        *, norm: Any = None, chosen: torch.Tensor | None = None, end: int = STORE, rows: int = 0,
        cache: tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None = None,
    ) -> None:  # fmt: skip
        from studio.engines.musicgen import kernels_triton as kernels

        outputs, width = weight.shape
        keys, values, place = cache or (out, out, out)
        rows = rows or (self._rows if chosen is None else len(chosen))
        padded = 1 << (rows - 1).bit_length()
        shape = shape_of(padded, width, is_normed=norm is not None)
        tiles, is_whole = -(-outputs // shape.outputs), shape.inputs >= width
        kernels.project[(min(tiles, self._programs) if is_whole else tiles,)](
            inputs, weight, norm.weight if norm else weight, self._slopes[id(norm)] if norm else out,
            place if chosen is None else chosen, out, keys, values, place,
            rows, width, outputs, self._epsilon, self._heads, keys.shape[2] if cache else 0,
            ROWS=padded, BLOCK_OUT=shape.outputs, BLOCK_IN=shape.inputs, IS_WHOLE=is_whole,
            NORMED=norm is not None, CHOSEN=chosen is not None, HEAD=self._head, END=end, num_warps=shape.warps,
            **self._launch,
        )  # fmt: skip

    def _choose(self, grid: Grid, *, rows_each: int, choice: Choice) -> None:
        from studio.engines.musicgen import kernels_triton as kernels

        top_k = choice.top_k if 0 < choice.top_k < self._codes else self._codes
        top_p = choice.top_p if 0.0 < choice.top_p < 1.0 else 0.0
        kernels.choose[(len(grid.codes), self._books)](
            self.logits, grid.shares, grid.codes, grid.clock[:1], grid.seeds, grid.late, grid.bounds, grid.is_finite,
            grid.codes.shape[-1], choice.temperature, top_k, top_p, BOOKS=self._books, ROWS_EACH=rows_each,
            CODES=self._codes, NUCLEUS=top_p > 0.0, GREEDY=choice.top_k == 1, **self._launch,
        )  # fmt: skip
