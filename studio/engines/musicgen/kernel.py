"""MusicGen's decoder on weights of 8 or 4 bits, compiled by numba for the processor at hand.

All threads call `forward` together and meet at barriers between its stages; each output is summed by one thread in one
order, so that the result does not depend on how many there are. Keys and values are kept in 8 bits with a scale each
position and head. Compiled at the first use and kept on disk by numba. Knows nothing of sampling or of Python's
threads.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
from numba import njit

from studio.engines.musicgen.products import (
    MATHS,
    compiled,
    exp,
    filled,
    gelu,
    layer_norm,
    multiply4,
    multiply8,
    round_row,
)
from studio.engines.musicgen.vectors import count_up, gather, give_way, read_counter, score

MOST_INPUTS = 32  # inputs in one call, at which the products are worth their weights' way from memory
QKV, OUT, CROSS_Q, CROSS_KV, CROSS_OUT, UP, DOWN = range(7)  # in the order of weights_cache.MATRICES
SPINS = 4000  # looks at the barrier before a thread lets another have the processor


class Weights(NamedTuple):
    """places: int64 (layers + 1, 7, 2), addresses of each matrix and its scales, the heads' in the last row at 0.

    norms: float32 (layers + 1, 3, 2, width): gain and offset of each layer norm, the last one's in the last row at 0.
    """

    places: np.ndarray
    norms: np.ndarray
    layers: int
    width: int
    heads: int
    inner: int
    logits: int
    bits: int


class Memory(NamedTuple):
    """Keys and values of what was heard, in bytes with their scales.

    keys: uint8 (layers, rows, heads, room / 16, quads, 16, 4), offset by 128. values: int8 (layers, rows, heads,
    head width / 16, room, 16). scales: float32 (layers, rows, heads, room). Room is a multiple of 16.
    """

    keys: np.ndarray
    values: np.ndarray
    key_scales: np.ndarray
    value_scales: np.ndarray


class Feed(NamedTuple):
    """The inputs of one call, all int64: each input's row of memory and position there, those of one row in order.

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
    """Working space: shared by all threads but for the last five, whose first axis is the thread."""

    stream: np.ndarray  # float32 (inputs, width): what the layers add to
    wide: np.ndarray  # float32 (inputs, wide): queries, keys and values; then the inner layer
    attended: np.ndarray  # float32 (inputs, width)
    made: np.ndarray  # float32 (inputs, width)
    logits: np.ndarray  # float32 (inputs, logits)
    barrier: np.ndarray  # int64 (16,)
    normed: np.ndarray  # float32 (threads, inputs, wide)
    bytes: np.ndarray  # int8 (threads, inputs * wide)
    scales: np.ndarray  # float32 (threads, inputs * wide / 64)
    sums: np.ndarray  # int32 (threads, inputs * wide / 64)
    scores: np.ndarray  # float32 (threads, room + 16)


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
    weights: Any, layer: int, which: int, width: int, blocks: int, rows: int, out: Any, desk: Any, seat: Any
) -> None:
    """This thread's share of a matrix's blocks, times the rows of bytes on its desk, into `out` (rows, outputs)."""
    place, scale = weights.places[layer, which]
    x = desk.bytes[seat.thread].ctypes.data
    s, z = desk.scales[seat.thread].ctypes.data, desk.sums[seat.thread].ctypes.data
    low, high = _share(blocks, seat)
    for block in range(low, high):
        y = out.ctypes.data + block * 256
        if weights.bits == 8:
            multiply8(place + block * 64 * width, scale + block * 256, width, x, s, z, y, out.shape[1], rows)
        else:
            multiply4(place + block * 32 * width, scale + block * 4 * width, width, x, s, z, y, out.shape[1], rows)


@compiled
def _prepare(weights: Any, layer: int, norm: int, chosen: Any, desk: Any, seat: Any) -> None:
    """Norm the chosen rows of the stream and round them, onto this thread's place at the desk."""
    mine, width = seat.thread, weights.width
    gain, offset = weights.norms[layer, norm, 0], weights.norms[layer, norm, 1]
    for i in range(len(chosen)):
        layer_norm(desk.stream[chosen[i]], gain, offset, width, desk.normed[mine, i])
        round_row(desk.normed[mine, i], filled(width), desk.bytes[mine], desk.scales[mine], desk.sums[mine], i)


@compiled
def _add(weights: Any, layer: int, which: int, given: Any, inputs: int, chosen: Any, desk: Any, seat: Any) -> None:
    """Round the given rows (inputs wide), multiply, and add this thread's share to the chosen rows of the stream."""
    mine, blocks = seat.thread, filled(weights.width) // 64
    for i in range(len(chosen)):
        round_row(given[i], inputs, desk.bytes[mine], desk.scales[mine], desk.sums[mine], i)
    _multiply(weights, layer, which, inputs, blocks, len(chosen), desk.made, desk, seat)
    low, high = _share(blocks, seat)
    for i in range(len(chosen)):
        row = chosen[i]
        for j in range(low * 64, high * 64):
            desk.stream[row, j] += desk.made[i, j]


@compiled
def _remember(
    memory: Any, layer: int, row: int, head: int, at: int, key: Any, value: Any, start: int, span: int
) -> None:
    """Keep one head's key and value, which lie from `start` on, as bytes at position `at`."""
    top_key = top_value = np.float32(1e-20)
    for i in range(span):
        top_key = max(top_key, abs(key[start + i]))
        top_value = max(top_value, abs(value[start + i]))
    memory.key_scales[layer, row, head, at] = top_key * np.float32(1 / 127)
    memory.value_scales[layer, row, head, at] = top_value * np.float32(1 / 127)
    for i in range(span):
        rounded = np.int32(np.rint(key[start + i] * (np.float32(127.0) / top_key)))
        memory.keys[layer, row, head, at // 16, i // 4, at % 16, i % 4] = rounded + 128
        rounded = np.int32(np.rint(value[start + i] * (np.float32(127.0) / top_value)))
        memory.values[layer, row, head, i // 16, at, i % 16] = rounded


@compiled
def _score(
    memory: Any, layer: int, row: int, head: int, blocks: int, query: Any, start: int, span: int, desk: Any, seat: Any
) -> None:
    """Scores of a query, which lies from `start` on, with blocks of 16 positions."""
    rounded, quads = desk.bytes[seat.thread], memory.keys.shape[4]
    top = np.float32(1e-20)
    for i in range(span):
        top = max(top, abs(query[start + i]))
    total = np.int32(0)
    for i in range(quads * 4):
        value = np.int32(np.rint(query[start + i] * (np.float32(127.0) / top))) if i < span else np.int32(0)
        rounded[i] = value
        total += value
    scale = top * np.float32(1 / 127) / np.sqrt(np.float32(span))
    keys, scales = memory.keys[layer, row, head].ctypes.data, memory.key_scales[layer, row, head].ctypes.data
    asked, out = rounded.ctypes.data, desk.scores[seat.thread].ctypes.data
    for block in range(blocks):
        there = keys + block * quads * 64
        score(there, scales + block * 64, asked, quads, np.int32(-128 * total), scale, out + block * 64)


@compiled
def _attend(
    memory: Any,
    layer: int,
    row: int,
    head: int,
    count: int,
    query: Any,
    start: int,
    span: int,
    out: Any,
    desk: Any,
    seat: Any,
) -> None:
    """One head's attention over the first `count` positions; what it finds goes to `out`, where the query lies."""
    scores, blocks = desk.scores[seat.thread], (count + 15) // 16
    _score(memory, layer, row, head, blocks, query, start, span, desk, seat)
    highest = scores[0]
    for i in range(count):
        highest = max(highest, scores[i])
    whole = np.float32(0.0)
    scales = memory.value_scales[layer, row, head]
    for i in range(count):
        share = exp(scores[i] - highest)
        whole += share
        scores[i] = share * scales[i]
    for i in range(count, blocks * 16):
        scores[i] = np.float32(0.0)
    mixed = len(scores) - 16
    for part in range(memory.values.shape[3]):
        values = memory.values[layer, row, head, part].ctypes.data
        gather(values, scores.ctypes.data, blocks * 16, scores.ctypes.data + 4 * mixed)
        for i in range(min(16, span - part * 16)):
            out[start + part * 16 + i] = scores[mixed + i] / whole


@compiled
def _hear_itself(weights: Any, layer: int, memory: Any, feed: Any, desk: Any, seat: Any, turn: int) -> int:
    """Self-attention: keep each input's key and value, then attend to all up to it."""
    width, span = weights.width, weights.width // weights.heads
    _prepare(weights, layer, 0, feed.everyone, desk, seat)
    _multiply(weights, layer, QKV, filled(width), filled(3 * width) // 64, len(feed.row), desk.wide, desk, seat)
    turn = _meet(desk, turn, seat)
    for pair in range(seat.thread, memory.keys.shape[1] * weights.heads, seat.threads):
        row, head = pair // weights.heads, pair % weights.heads
        start = head * span
        for i in range(len(feed.row)):
            if feed.row[i] == row:
                made, out = desk.wide[i], desk.attended[i]
                _remember(memory, layer, row, head, feed.at[i], made[width:], made[2 * width :], start, span)
                _attend(memory, layer, row, head, feed.at[i] + 1, made, start, span, out, desk, seat)
    turn = _meet(desk, turn, seat)
    _add(weights, layer, OUT, desk.attended, filled(width), feed.everyone, desk, seat)
    return _meet(desk, turn, seat)


@compiled
def _hear_text(weights: Any, layer: int, text: Any, feed: Any, desk: Any, seat: Any, turn: int) -> int:
    """Cross-attention of the inputs whose row has words to listen to."""
    span, narrow, listening = weights.width // weights.heads, filled(weights.width), feed.listening
    _prepare(weights, layer, 1, listening, desk, seat)
    _multiply(weights, layer, CROSS_Q, narrow, narrow // 64, len(listening), desk.wide, desk, seat)
    turn = _meet(desk, turn, seat)
    for pair in range(seat.thread, len(listening) * weights.heads, seat.threads):
        i, head = pair // weights.heads, pair % weights.heads
        row, start = feed.row[listening[i]], head * span
        _attend(text, layer, row, head, feed.words[row], desk.wide[i], start, span, desk.attended[i], desk, seat)
    turn = _meet(desk, turn, seat)
    _add(weights, layer, CROSS_OUT, desk.attended, narrow, listening, desk, seat)
    return _meet(desk, turn, seat)


@compiled
def _think(weights: Any, layer: int, feed: Any, desk: Any, seat: Any, turn: int) -> int:
    """The layer's two wide products with the GELU between them."""
    inner, count = filled(weights.inner), len(feed.everyone)
    _prepare(weights, layer, 2, feed.everyone, desk, seat)
    _multiply(weights, layer, UP, filled(weights.width), inner // 64, count, desk.wide, desk, seat)
    low, high = _share(inner // 64, seat)
    for i in range(count):
        for j in range(low * 64, high * 64):
            desk.wide[i, j] = gelu(desk.wide[i, j])
    turn = _meet(desk, turn, seat)
    _add(weights, layer, DOWN, desk.wide, inner, feed.everyone, desk, seat)
    return _meet(desk, turn, seat)


def _entries(sources: int) -> tuple[Any, Any]:
    """The two functions that Python calls, kept on disk.

    numba compiles anew when this file changes, or a number that the functions close over: `sources` stands for the
    other files.
    """
    entry = njit(nogil=True, fastmath=MATHS, error_model="numpy", cache=True)

    @entry
    def forward(weights: Any, memory: Any, text: Any, feed: Any, desk: Any, seat: Any) -> int:
        turn = 1
        for layer in range(weights.layers):
            turn = _hear_itself(weights, layer, memory, feed, desk, seat, turn)
            if len(feed.listening):
                turn = _hear_text(weights, layer, text, feed, desk, seat, turn)
            turn = _think(weights, layer, feed, desk, seat, turn)
        _prepare(weights, weights.layers, 0, feed.told, desk, seat)
        width, blocks = filled(weights.width), weights.logits // 64
        _multiply(weights, weights.layers, 0, width, blocks, len(feed.told), desk.logits, desk, seat)
        return sources

    @entry
    def listen(weights: Any, memory: Any, row: int, first: int, states: Any, desk: Any, seat: Any) -> int:
        width, span, mine, turn = weights.width, weights.width // weights.heads, seat.thread, 1
        tokens, inputs = states.shape
        blocks = filled(2 * width) // 64
        low, high = weights.heads * mine // seat.threads, weights.heads * (mine + 1) // seat.threads
        for layer in range(weights.layers):
            for token in range(tokens):
                round_row(states[token], inputs, desk.bytes[mine], desk.scales[mine], desk.sums[mine], token)
            _multiply(weights, layer, CROSS_KV, inputs, blocks, tokens, desk.wide, desk, seat)
            turn = _meet(desk, turn, seat)
            for head in range(low, high):
                for token in range(tokens):
                    made = desk.wide[token]
                    _remember(memory, layer, row, head, first + token, made, made[width:], head * span, span)
            turn = _meet(desk, turn, seat)
        return sources

    return forward, listen


_here = Path(__file__)
forward, listen = _entries(
    crc32(b"".join(_here.with_name(f"{name}.py").read_bytes() for name in ("products", "vectors")))
)
forward.__doc__ = """forward(weights, memory, text, feed, desk, seat): take desk.stream (inputs, width) through all layers.

The logits of feed.told land in desk.logits; `memory` grows by the inputs.
"""
listen.__doc__ = """listen(weights, text, row, first, states, desk, seat): keep words for one row's cross-attention.

states: float32 (tokens, filled width), at most MOST_INPUTS; their keys and values lie from position `first` on.
"""
