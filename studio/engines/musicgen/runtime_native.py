"""Decoding on 8- or 4-bit weights with the compiled kernel: what the CPU plays on.

Holds the memory of what was heard, hands columns of codes to the kernel's threads and brings back logits, or lets the
kernel draw by itself (`native_loop`). Rows without anything to listen to (guidance's empty row) skip
the cross-attention, which is exact.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from studio.engines.musicgen.weights_cache import MATRICES, Packed, padded

if TYPE_CHECKING:
    import torch

    from studio.engines.musicgen.decode import Conditioning
    from studio.engines.musicgen.native_loop import NativeLoop

MOST_THREADS = 16
TRY_EVERY = 120  # steps between two looks at whether more or fewer threads would be faster


class Crew:
    """How many threads work together: as many as are fastest just now.

    Threads that share their cores with other programs wait for one another, so that fewer may be faster. The number
    is halved or doubled for a step now and then, and kept when that is better; results do not depend on it.
    """

    def __init__(self, most: int) -> None:
        self._sizes = [most >> shift for shift in range(most.bit_length())][::-1]
        self._best, self._calls = len(self._sizes) - 1, 1
        self._took: dict[int, deque[float]] = {}

    def forget(self) -> None:
        """What follows takes another time than what was measured."""
        self._took, self._calls = {}, 1

    def size(self) -> int:
        """How many are to work on the next step."""
        self._calls += 1
        turn, place = divmod(self._calls, TRY_EVERY)
        if place < 2:
            return self._sizes[min(max(self._best + (1 if turn % 2 else -1), 0), len(self._sizes) - 1)]
        return self._sizes[self._best]

    def tell(self, size: int, seconds: float) -> None:
        """A step with that many took so long."""
        self._took.setdefault(size, deque(maxlen=3)).append(seconds)
        typical = {each: sorted(took)[len(took) // 2] for each, took in self._took.items()}
        self._best = self._sizes.index(min(typical, key=lambda each: typical[each]))


class NativeRuntime:
    """Plays one take at a time; `begin` starts the next."""

    name = "native"

    def __init__(self, packed: Packed, *, threads: int | None = None) -> None:
        """threads: always so many; None for as many as are fastest, up to as many as torch uses: one a core."""
        import torch

        self._packed = packed
        self._threads = min(threads or torch.get_num_threads(), MOST_THREADS)
        self._crew = Crew(1 if threads else self._threads)
        self._fixed = threads
        self.scratch = np.zeros((self._threads, packed.codes), np.float32)
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="musicgen")
        self._weights = _weights(packed)
        self._desk: Any = None
        self._memory: Any = None
        self._rows = self._heard = self._room = 0
        self.products = _byte_products()
        self.precision = "int8" if packed.bits == 8 else "int4-draft"

    def drawer(self, *, late: Sequence[int], start_token: int) -> NativeLoop:
        """What draws in the kernel itself, several steps a call."""
        from studio.engines.musicgen.native_loop import NativeLoop

        return NativeLoop(self, late=late)

    def warm(self) -> None:
        """Take a step nobody hears, so that what numba has to compile or to read is there before the first take."""
        import torch

        from studio.engines.musicgen.decode import Conditioning

        width, codebooks = self._packed.width, self._packed.codebooks
        hears_words = "layers.0.cross_kv" in self._packed.arrays  # a melody model has them before the codes
        mask = torch.ones(1, 1, dtype=torch.long) if hears_words else None
        self.begin(Conditioning(torch.ones(1, 1, width), mask), steps=1)
        self.feed(torch.zeros(codebooks, 1, dtype=torch.long))

    def begin(self, conditioning: Conditioning, *, steps: int) -> None:
        """Forget what was heard and listen to new words; see `Runtime.begin`."""
        states = conditioning.states.detach().float().cpu().numpy()
        self._rows, tokens, _ = states.shape
        is_prefixed = conditioning.mask is None
        room = steps + (tokens if is_prefixed else 0)
        self._memory = _memory(self._packed, rows=self._rows, room=room, before=self._memory)
        self._heard, self._room = 0, room
        self._crew.forget()
        masks = np.zeros((self._rows, tokens)) if conditioning.mask is None else conditioning.mask.cpu().numpy()
        self._words = masks.sum(axis=1).astype(np.int64)
        self._words *= states.any(axis=(1, 2))  # zeros have no keys, values or part in what is heard
        self._text = _memory(self._packed, rows=self._rows, room=max(16, tokens))
        self._desk = _desk(self._packed, threads=self._threads, rows=self._rows, room=room)
        for row in range(self._rows):
            if self._words[row]:
                self._hear_words(row, states[row][masks[row] > 0])
        self._prefix = states if is_prefixed else None

    def feed(self, columns: torch.Tensor, *, told: int = 1) -> torch.Tensor:
        """Hear columns of codes and say what may follow; see `Runtime.feed`."""
        import torch

        codes = columns.numpy().reshape(-1, self._packed.codebooks, columns.shape[-1])
        codes = np.broadcast_to(codes, (self._rows, *codes.shape[1:])).transpose(2, 0, 1)
        shelves = np.arange(self._packed.codebooks) * self._packed.embedded
        inputs = self._packed.arrays["embeddings"][codes + shelves].sum(axis=2)
        if self._prefix is not None:
            inputs = np.concatenate([self._prefix.transpose(1, 0, 2), inputs])
            self._prefix = None
        quiet, at_once, said = len(inputs) - told, max(1, len(self._desk.stream) // self._rows), []
        for start in range(0, len(inputs), at_once):
            chunk = inputs[start : start + at_once]
            wanted = min(len(chunk), max(0, start + len(chunk) - quiet))
            said.append(self._run(chunk, told=wanted))
        logits = np.concatenate(said)[..., : self._packed.codebooks * self._packed.codes]
        shaped = logits.reshape(told, self._rows, self._packed.codebooks, self._packed.codes).swapaxes(0, 1)
        return torch.from_numpy(np.ascontiguousarray(shaped))

    def hear_prefix(self) -> None:
        """Hear what is put before the codes, if there is anything: a melody model's words and chroma."""
        if self._prefix is not None:
            prefix, self._prefix = self._prefix, None
            at_once = max(1, len(self._desk.stream) // self._rows)
            for start in range(0, prefix.shape[1], at_once):
                self._run(prefix.transpose(1, 0, 2)[start : start + at_once], told=0)

    def advance(self, sheet: Any) -> None:
        """Hear a column of codes and draw the next, on a sheet; see `drawing.Sheet`."""
        from studio.engines.musicgen import kernel

        self._check_room(1)
        feed = self._feed(columns=1, told=1)
        size, seconds = self._together(kernel.play, self._memory, self._text, feed, self._desk, sheet)
        if not self._fixed:
            self._crew.tell(size, seconds)
        self._heard += 1

    def _run(self, inputs: np.ndarray, *, told: int) -> np.ndarray:
        """Columns (columns, rows, width) through the decoder; logits of the last `told`, (told * rows, logits)."""
        from studio.engines.musicgen import kernel
        from studio.engines.musicgen.native_loop import empty_sheet

        columns, rows, width = inputs.shape
        self._check_room(columns)
        places = np.arange(self._heard, self._heard + columns)
        desk, count = self._desk, columns * rows
        desk.stream[:count, :width] = (inputs + desk.positions[places, None]).reshape(count, width)
        feed = self._feed(columns=columns, told=told)
        size, seconds = self._together(kernel.play, self._memory, self._text, feed, desk, empty_sheet())
        if columns == 1 and not self._fixed:
            self._crew.tell(size, seconds)
        self._heard += columns
        return np.array(desk.logits[: told * rows])

    def _check_room(self, columns: int) -> None:
        if self._heard + columns > self._room:
            raise ValueError(f"room for {self._room} steps, {self._heard + columns} asked")

    def _feed(self, *, columns: int, told: int) -> Any:
        """The kernel's account of the next columns of all rows."""
        from studio.engines.musicgen import kernel

        rows, count = np.tile(np.arange(self._rows), columns), columns * self._rows
        return kernel.Feed(
            row=rows,
            at=np.repeat(np.arange(self._heard, self._heard + columns), self._rows),
            everyone=np.arange(count),
            listening=np.flatnonzero(self._words[rows]),
            told=np.arange(count - told * self._rows, count),
            words=self._words,
        )

    def _hear_words(self, row: int, states: np.ndarray) -> None:
        """Keep the keys and values of one row's words (tokens, width)."""
        from studio.engines.musicgen import kernel

        filled = np.zeros((len(states), padded(states.shape[1])), np.float32)
        filled[:, : states.shape[1]] = states
        for start in range(0, len(filled), kernel.MOST_INPUTS):
            some = filled[start : start + kernel.MOST_INPUTS]
            self._together(kernel.listen, self._text, row, start, some, self._desk)

    def _together(self, work: Callable[..., int], *arguments: Any) -> tuple[int, float]:
        """Run compiled work on several threads, this one the first of them; how many, and the seconds it took."""
        from studio.engines.musicgen.kernel import Seat

        self._desk.barrier[:] = 0
        given, size = (self._weights, *arguments), self._fixed or self._crew.size()
        began = perf_counter()
        others = [self._pool.submit(work, *given, Seat(thread, size)) for thread in range(1, size)]
        work(*given, Seat(0, size))
        for other in others:
            other.result()
        return size, perf_counter() - began


def _byte_products() -> str:
    """How this processor multiplies bytes; see `instructions.byte_products`."""
    from numba.core.registry import cpu_target

    from studio.engines.musicgen.instructions import byte_products

    return byte_products(cpu_target.target_context.codegen()._tm_features)


def _weights(packed: Packed) -> Any:
    """The packed arrays as addresses for the kernel."""
    from studio.engines.musicgen import kernel

    def address(name: str) -> list[int]:
        arrays = packed.arrays.get(name), packed.arrays.get(f"{name}.scales")
        return [0 if array is None else array.ctypes.data for array in arrays]

    places = np.zeros((packed.layers + 1, len(MATRICES), 2), np.int64)
    for layer in range(packed.layers):
        places[layer] = [address(f"layers.{layer}.{name}") for name in MATRICES]
    places[packed.layers, 0] = address("heads")
    return kernel.Weights(
        places=places,
        norms=np.array(packed.arrays["norms"]),  # never read-only, for which numba would compile anew
        embeddings=_writeable(packed.arrays["embeddings"]),
        layers=packed.layers,
        width=packed.width,
        heads=packed.heads,
        inner=packed.inner,
        logits=padded(packed.codebooks * packed.codes),
        embedded=packed.embedded,
        codes=packed.codes,
        bits=packed.bits,
    )


def _writeable(array: np.ndarray) -> np.ndarray:
    """The same memory as an array that numba takes for one to write in, though nobody will."""
    import ctypes

    whole = (ctypes.c_float * array.size).from_address(array.ctypes.data)
    return np.ctypeslib.as_array(whole).reshape(array.shape)


def _memory(packed: Packed, *, rows: int, room: int, before: Any = None) -> Any:
    """Memory for that many rows and positions: that of before if it is as large, for new pages take their time."""
    from studio.engines.musicgen import attention

    span = packed.width // packed.heads
    shape = (packed.layers, rows, packed.heads, -(-room // attention.BLOCK), attention.record_bytes(span))
    if before is not None and before.records.shape == shape:
        return before
    whole = np.zeros(int(np.prod(shape)) + 64, np.uint8)
    start = -whole.ctypes.data % 64
    return attention.Memory(records=whole[start : start + int(np.prod(shape))].reshape(shape), span=span)


def _desk(packed: Packed, *, threads: int, rows: int, room: int) -> Any:
    from studio.engines.musicgen import kernel

    rows, width = max(rows, kernel.MOST_INPUTS), padded(packed.width)
    wide = max(padded(3 * packed.width), padded(packed.inner))
    return kernel.Desk(
        positions=_positions(-(-room // 2048) * 2048, packed.width),
        stream=np.zeros((rows, width), np.float32),
        wide=np.zeros((rows, wide), np.float32),
        attended=np.zeros((rows, width), np.float32),
        made=np.zeros((rows, width), np.float32),
        logits=np.zeros((rows, padded(packed.codebooks * packed.codes)), np.float32),
        barrier=np.zeros(16, np.int64),
        normed=np.zeros((threads, rows, wide), np.float32),
        bytes=np.zeros((threads + 1, rows * wide), np.int8),
        scales=np.zeros((threads + 1, rows * wide // 64), np.float32),
        sums=np.zeros((threads + 1, rows * wide // 64), np.int32),
        state=np.zeros((threads, 32 + padded(packed.width // packed.heads)), np.float32),
    )


@lru_cache(maxsize=2)
def _positions(room: int, width: int) -> np.ndarray:
    """The decoder's sinusoidal positions (room, width), which every take needs again."""
    from transformers.models.musicgen.modeling_musicgen import MusicgenSinusoidalPositionalEmbedding

    return np.asarray(MusicgenSinusoidalPositionalEmbedding.get_embedding(room, width).numpy())
