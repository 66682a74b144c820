"""MusicGen's decoder on weights of 8 or 4 bits, compiled by numba for the processor at hand.

All threads call `play` together and meet at barriers between its stages; each output is summed by one thread in one
order, so that the result does not depend on how many there are. A call that draws takes a column of codes to the next
without a word from Python. Compiled at the first use and kept on disk by numba. Knows nothing of Python's threads.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
from numba import njit

from studio.engines.musicgen.attention import attend, remember
from studio.engines.musicgen.drawing import draw
from studio.engines.musicgen.instructions import count_up, give_way, read_counter
from studio.engines.musicgen.products import (
    MATHS,
    compiled,
    filled,
    layer_norm,
    multiply4,
    multiply8,
    round_row,
)
from studio.engines.musicgen.vectors import bend_group

MOST_INPUTS = 32  # inputs in one call, at which the products are worth their weights' way from memory
# In the order of weights_cache.MATRICES and NORMS. As plain numbers numba would compile what takes them for each anew.
QKV, OUT, CROSS_Q, CROSS_KV, CROSS_OUT, UP, DOWN = (np.int64(place) for place in range(7))
BEFORE_ITSELF, BEFORE_TEXT, BEFORE_THINKING = (np.int64(place) for place in range(3))
SPINS = 4000  # looks at the barrier before a thread lets another have the processor


class Weights(NamedTuple):
    """places: int64 (layers + 1, 7, 2), addresses of each matrix and its scales, the heads' in the last row at 0.

    norms: float32 (layers + 1, 3, 2, width): gain and offset of each layer norm, the last one's in the last row at 0.
    embeddings: float32 (codebooks * embedded, width), one codebook after the other.
    """

    places: np.ndarray
    norms: np.ndarray
    embeddings: np.ndarray
    layers: int
    width: int
    heads: int
    inner: int
    logits: int
    embedded: int  # codes that a codebook's embedding has
    codes: int  # codes that a codebook can say
    bits: int


class Feed(NamedTuple):
    """The inputs of one step, all int64: each input's row of memory and position there, those of one row in order.

    everyone: 0, 1, 2… listening: the inputs whose row has words. told: the inputs after which logits are wanted.
    words: (rows,), how many words each row has.
    """

    row: np.ndarray
    at: np.ndarray
    everyone: np.ndarray
    listening: np.ndarray
    told: np.ndarray
    words: np.ndarray


class Desk(NamedTuple):
    """Working space: shared by all threads but for the last six, whose first axis is the thread.

    Of bytes, scales and sums one more place, the last, is shared: there lies the inner layer.
    """

    positions: np.ndarray  # float32 (room, width): what is added to a position's input
    stream: np.ndarray  # float32 (inputs, width): what the layers add to
    wide: np.ndarray  # float32 (inputs, wide): queries, keys and values; then the inner layer
    attended: np.ndarray  # float32 (inputs, width)
    made: np.ndarray  # float32 (inputs, width)
    logits: np.ndarray  # float32 (inputs, logits)
    barrier: np.ndarray  # int64 (16,)
    normed: np.ndarray  # float32 (threads, inputs, wide)
    bytes: np.ndarray  # int8 (threads + 1, inputs * wide)
    scales: np.ndarray  # float32 (threads + 1, inputs * wide / 64)
    sums: np.ndarray  # int32 (threads + 1, inputs * wide / 64)
    state: np.ndarray  # float32 (threads, 32 + a head's width): see `attention.attend`


class Seat(NamedTuple):
    """Which thread this is, of how many."""

    thread: int
    threads: int


@compiled
def _share(blocks: int, seat: Any) -> tuple[int, int]:
    return blocks * seat.thread // seat.threads, blocks * (seat.thread + 1) // seat.threads


@compiled
def _meet(desk: Any, turn: int, seat: Any) -> int:
    """Wait until all threads are here; returns the next turn."""
    address = desk.barrier.ctypes.data
    count_up(address)
    spins = 0
    while read_counter(address) < turn * seat.threads:
        spins += 1
        if spins > SPINS:
            give_way()
    return turn + 1


@compiled
def _multiply(
    weights: Any,
    layer: int,
    which: np.int64,
    width: int,
    blocks: int,
    rows: int,
    place: int,
    out: Any,
    desk: Any,
    seat: Any,
) -> None:
    """This thread's share of a matrix's blocks, times the rows of bytes at a place of the desk, to `out`."""
    matrix, scale = weights.places[layer, which]
    x = desk.bytes[place].ctypes.data
    s, z = desk.scales[place].ctypes.data, desk.sums[place].ctypes.data
    low, high = _share(blocks, seat)
    for block in range(low, high):
        y = out.ctypes.data + block * 256
        if weights.bits == 8:
            multiply8(matrix + block * 64 * width, scale + block * 256, width, x, s, z, y, out.shape[1], rows)
        else:
            multiply4(matrix + block * 32 * width, scale + block * 4 * width, width, x, s, z, y, out.shape[1], rows)


@compiled
def _prepare(weights: Any, layer: int, norm: np.int64, chosen: Any, desk: Any, seat: Any) -> None:
    """Norm the chosen rows of the stream and round them, onto this thread's place at the desk."""
    mine, width = seat.thread, weights.width
    gain, offset = weights.norms[layer, norm, 0], weights.norms[layer, norm, 1]
    for i in range(len(chosen)):
        layer_norm(desk.stream[chosen[i]], gain, offset, width, desk.normed[mine, i])
        round_row(desk.normed[mine, i], filled(width), desk.bytes[mine], desk.scales[mine], desk.sums[mine], i)


@compiled
def _add(weights: Any, layer: int, which: np.int64, inputs: int, chosen: Any, place: int, desk: Any, seat: Any) -> None:
    """Multiply the rows of bytes at a place of the desk and add this thread's share to the chosen rows of the stream."""
    blocks = filled(weights.width) // 64
    _multiply(weights, layer, which, inputs, blocks, len(chosen), place, desk.made, desk, seat)
    low, high = _share(blocks, seat)
    for i in range(len(chosen)):
        stream, made = desk.stream[chosen[i]], desk.made[i]
        for j in range(low * 64, high * 64):
            stream[j] += made[j]


@compiled
def _add_attended(weights: Any, layer: int, which: np.int64, chosen: Any, desk: Any, seat: Any) -> None:
    """Round what was attended to, multiply it and add it to the chosen rows of the stream."""
    mine, width = seat.thread, filled(weights.width)
    for i in range(len(chosen)):
        round_row(desk.attended[i], width, desk.bytes[mine], desk.scales[mine], desk.sums[mine], i)
    _add(weights, layer, which, width, chosen, mine, desk, seat)


@compiled
def _hear_itself(weights: Any, layer: int, memory: Any, feed: Any, desk: Any, seat: Any, turn: int) -> int:
    """Self-attention: keep each input's key and value, then attend to all up to it."""
    width, heads, span, mine = weights.width, weights.heads, memory.span, seat.thread
    pairs = memory.records.shape[1] * heads
    _prepare(weights, layer, BEFORE_ITSELF, feed.everyone, desk, seat)
    _multiply(weights, layer, QKV, filled(width), filled(3 * width) // 64, len(feed.row), mine, desk.wide, desk, seat)
    turn = _meet(desk, turn, seat)
    for pair in range(mine, pairs, seat.threads):
        row, head = pair // heads, pair % heads
        start = head * span
        for i in range(len(feed.row)):
            if feed.row[i] == row:
                made, out, at = desk.wide[i], desk.attended[i], feed.at[i]
                remember(memory, layer, row, head, at, made[width:], made[2 * width :], start)
                attend(memory, layer, row, head, at + 1, made, start, out, desk.bytes[mine], desk.state[mine])
    turn = _meet(desk, turn, seat)
    _add_attended(weights, layer, OUT, feed.everyone, desk, seat)
    return _meet(desk, turn, seat)


@compiled
def _hear_text(weights: Any, layer: int, text: Any, feed: Any, desk: Any, seat: Any, turn: int) -> int:
    """Cross-attention of the inputs whose row has words to listen to."""
    narrow, heads, listening, mine = filled(weights.width), weights.heads, feed.listening, seat.thread
    _prepare(weights, layer, BEFORE_TEXT, listening, desk, seat)
    _multiply(weights, layer, CROSS_Q, narrow, narrow // 64, len(listening), mine, desk.wide, desk, seat)
    turn = _meet(desk, turn, seat)
    for pair in range(mine, len(listening) * heads, seat.threads):
        i, head = pair // heads, pair % heads
        row, query, out = feed.row[listening[i]], desk.wide[i], desk.attended[i]
        attend(
            text, layer, row, head, feed.words[row], query, head * text.span, out, desk.bytes[mine], desk.state[mine]
        )
    turn = _meet(desk, turn, seat)
    _add_attended(weights, layer, CROSS_OUT, listening, desk, seat)
    return _meet(desk, turn, seat)


@compiled
def _think(weights: Any, layer: int, feed: Any, desk: Any, seat: Any, turn: int) -> int:
    """The layer's two wide products with the GELU between them; each thread rounds what it made for all."""
    inner, count, ours = filled(weights.inner), len(feed.everyone), len(desk.bytes) - 1
    _prepare(weights, layer, BEFORE_THINKING, feed.everyone, desk, seat)
    _multiply(weights, layer, UP, filled(weights.width), inner // 64, count, seat.thread, desk.wide, desk, seat)
    low, high = _share(inner // 64, seat)
    numbers, made = desk.wide.ctypes.data, desk.bytes[ours].ctypes.data
    scale, total = desk.scales[ours].ctypes.data, desk.sums[ours].ctypes.data
    for i in range(count):
        for block in range(low, high):
            group = i * (inner // 64) + block
            here = numbers + (i * desk.wide.shape[1] + block * 64) * 4
            bend_group(here, made + group * 64, scale + group * 4, total + group * 4)
    turn = _meet(desk, turn, seat)
    _add(weights, layer, DOWN, inner, feed.everyone, ours, desk, seat)
    return _meet(desk, turn, seat)


@compiled
def _embed(weights: Any, feed: Any, sheet: Any, desk: Any, seat: Any) -> None:
    """This thread's share of the stream, from the sheet's column of codes."""
    low, high = _share(weights.width, seat)
    for i in range(len(feed.row)):
        codes, stream = sheet.grid[feed.row[i] // len(sheet.shares), :, sheet.column], desk.stream[i]
        for j in range(low, high):
            stream[j] = np.float32(0.0)
        for book in range(len(codes)):
            embedding = weights.embeddings[book * weights.embedded + codes[book]]
            for j in range(low, high):
                stream[j] += embedding[j]
        position = desk.positions[feed.at[i]]
        for j in range(low, high):
            stream[j] += position[j]


@compiled
def _say(weights: Any, feed: Any, desk: Any, seat: Any) -> None:
    """The logits of feed.told, to desk.logits."""
    width, blocks, told = filled(weights.width), weights.logits // 64, len(feed.told)
    _prepare(weights, weights.layers, BEFORE_ITSELF, feed.told, desk, seat)
    _multiply(weights, weights.layers, QKV, width, blocks, told, seat.thread, desk.logits, desk, seat)


def _entries(sources: int) -> tuple[Any, Any]:
    """The two functions that Python calls, kept on disk.

    numba compiles anew when this file changes, or a number that the functions close over: `sources` stands for the
    other files.
    """
    entry = njit(nogil=True, fastmath=MATHS, error_model="numpy", cache=True)

    @entry
    def play(weights: Any, memory: Any, text: Any, feed: Any, desk: Any, sheet: Any, seat: Any) -> int:
        turn, candidates, books = 1, sheet.grid.shape[0], sheet.grid.shape[1]
        if candidates:
            _embed(weights, feed, sheet, desk, seat)
            turn = _meet(desk, turn, seat)
        for layer in range(weights.layers):
            turn = _hear_itself(weights, layer, memory, feed, desk, seat, turn)
            if len(feed.listening):
                turn = _hear_text(weights, layer, text, feed, desk, seat, turn)
            turn = _think(weights, layer, feed, desk, seat, turn)
        _say(weights, feed, desk, seat)
        if candidates:
            turn = _meet(desk, turn, seat)
            for pair in range(seat.thread, candidates * books, seat.threads):
                draw(sheet, desk.logits, weights.codes, pair // books, pair % books, seat.thread)
        return sources

    @entry
    def listen(weights: Any, memory: Any, row: int, first: int, states: Any, desk: Any, seat: Any) -> int:
        width, span, mine, turn = weights.width, memory.span, seat.thread, 1
        tokens, inputs = states.shape
        blocks = filled(2 * width) // 64
        low, high = weights.heads * mine // seat.threads, weights.heads * (mine + 1) // seat.threads
        for layer in range(weights.layers):
            for token in range(tokens):
                round_row(states[token], inputs, desk.bytes[mine], desk.scales[mine], desk.sums[mine], token)
            _multiply(weights, layer, CROSS_KV, inputs, blocks, tokens, mine, desk.wide, desk, seat)
            turn = _meet(desk, turn, seat)
            for head in range(low, high):
                for token in range(tokens):
                    made = desk.wide[token]
                    remember(memory, layer, row, head, first + token, made, made[width:], head * span)
            turn = _meet(desk, turn, seat)
        return sources

    return play, listen


_here = Path(__file__)
_others = ("attention", "drawing", "instructions", "products", "vectors")
play, listen = _entries(crc32(b"".join(_here.with_name(f"{name}.py").read_bytes() for name in _others)))
play.__doc__ = """play(weights, memory, text, feed, desk, sheet, seat): take the feed's inputs through all layers.

With a sheet to draw on, its column is heard and the next is drawn. With an empty one desk.stream (inputs, width) is
taken as it lies there. The logits of feed.told land in desk.logits; `memory` grows by the inputs.
"""
listen.__doc__ = """listen(weights, text, row, first, states, desk, seat): keep words for one row's cross-attention.

states: float32 (tokens, filled width), at most MOST_INPUTS; their keys and values lie from position `first` on.
"""
