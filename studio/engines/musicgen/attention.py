"""Attention over what was heard, kept in 8 bits, compiled: one pass over memory, 16 positions at a time.

The keys and values of 16 positions of a head lie together in one record, and a head's records one after the other, so
that memory is read in a straight line. The softmax is taken as the pass goes on, after Milakov & Gimelshein 2018
(arXiv 1805.02867) and FlashAttention (Dao et al. 2022): when a higher score comes, what was added up is made smaller.
Knows nothing of layers' weights or of threads.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types

from studio.engines.musicgen.instructions import (
    FLOAT,
    FLOATS,
    INT,
    INTS,
    LANES,
    LONG,
    NARROW,
    dot,
    every,
    everywhere,
    exponential,
    fused,
    instruction,
    larger,
    load,
    over_lanes,
    store,
    times,
)
from studio.engines.musicgen.instructions import at as place
from studio.engines.musicgen.products import compiled

BLOCK = 16  # positions in a record


class Memory(NamedTuple):
    """Keys and values of what was heard: uint8 (layers, rows, heads, blocks, record).

    A record has the keys (parts, 4, 16 positions, 4) as bytes offset by 128, for a head's width is read in parts of 16
    numbers; the 16 scales of the keys; the values (parts, 4, 16 numbers, 4 positions) as signed bytes; and their
    scales. What was never written counts as nothing, whatever it is.
    """

    records: np.ndarray
    span: int  # a head's width


def record_bytes(span: int) -> int:
    """How long a record is for heads of that width."""
    return 2 * (256 * -(-span // LANES) + 4 * BLOCK)


@compiled
def _record(memory: Any, layer: int, row: int, head: int) -> int:
    """The address of a head's first record."""
    address: int = memory.records[layer, row, head].ctypes.data
    return address


@compiled
def remember(memory: Any, layer: int, row: int, head: int, at: int, key: Any, value: Any, start: int) -> None:
    """Keep one head's key and value, which lie from `start` on, at position `at`."""
    span, lane = memory.span, at % BLOCK
    record = memory.records[layer, row, head, at // BLOCK]
    values = (span + 15) // 16 * 256 + 4 * BLOCK
    top_key = top_value = np.float32(1e-20)
    for i in range(span):
        top_key = max(top_key, abs(key[start + i]))
        top_value = max(top_value, abs(value[start + i]))
    scales = record.view(np.float32)
    scales[values // 4 - BLOCK + lane] = top_key * np.float32(1 / 127)
    scales[len(scales) - BLOCK + lane] = top_value * np.float32(1 / 127)
    for i in range(span):
        rounded = np.int32(np.rint(key[start + i] * (np.float32(127.0) / top_key)))
        record[i // 4 * 64 + lane * 4 + i % 4] = rounded + 128
        rounded = np.int32(np.rint(value[start + i] * (np.float32(127.0) / top_value)))
        record[values + i // 16 * 256 + lane // 4 * 64 + i % 16 * 4 + lane % 4] = rounded & 255


@compiled
def attend(
    memory: Any, layer: int, row: int, head: int, count: int, query: Any, start: int, out: Any, asked: Any, state: Any
) -> None:
    """One head's attention over the first `count` positions, by the query that lies from `start` on, as does `out`.

    asked: int8, state: float32, both (at least 32 + span filled up to 16,), are worked in.
    """
    span, size = memory.span, memory.records.shape[4]
    parts, blocks = (span + 15) // 16, (count + BLOCK - 1) // BLOCK
    top, total = np.float32(1e-20), np.int32(0)
    for i in range(span):
        top = max(top, abs(query[start + i]))
    for i in range(span):
        rounded = np.int32(np.rint(query[start + i] * (np.float32(127.0) / top)))
        asked[i] = rounded
        total += rounded
    for i in range(span, parts * 16):
        asked[i] = 0
    scale = top * np.float32(1 / 127) / np.sqrt(np.float32(span))
    for i in range(parts * 16 + 32):
        state[i] = np.float32(0.0)
    state[0] = np.float32(-1e30)
    record = _record(memory, layer, row, head)
    for block in range(blocks):
        left = count - block * BLOCK
        hear_record(
            record + block * size, parts, asked.ctypes.data, np.int32(-128 * total), scale, left, state.ctypes.data
        )
    whole = np.float32(0.0)
    for i in range(16, 32):
        whole += state[i]
    inverse = np.float32(1.0) / whole
    for i in range(span):
        out[start + i] = state[32 + i] * inverse


@instruction
def hear_record(typing: Any, record: Any, parts: Any, asked: Any, start: Any, scale: Any, left: Any, state: Any) -> Any:
    """Take the next record into account, of which `left` positions count.

    state: the highest score so far, 16 sums of shares from 16 on, and the values by their shares from 32 on.
    """

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        record, parts, asked, start, scale, left, state = arguments
        scores = _scores(context, builder, record, parts, asked, start, scale)
        lanes = ir.Constant(INTS, list(range(LANES)))
        counts = builder.icmp_signed("<", lanes, everywhere(builder, builder.trunc(left, INT)))
        scores = builder.select(counts, scores, every(FLOATS, -1e30))
        highest = over_lanes(builder, scores, lambda first, second: larger(builder, first, second))
        before = everywhere(builder, load(builder, state, FLOAT))
        sums = place(builder, state, 64)
        found = place(builder, state, 128)
        top = larger(builder, highest, before)
        is_higher = builder.fcmp_ordered(
            ">", builder.extract_element(highest, INT(0)), builder.extract_element(before, INT(0))
        )
        with builder.if_then(is_higher):
            store(builder, builder.extract_element(highest, INT(0)), state)
            smaller = exponential(builder, builder.fsub(before, top))
            with cgutils.for_range(builder, builder.add(parts, LONG(1))) as loop:
                here = place(builder, sums, times(builder, loop.index, 64))
                store(builder, builder.fmul(load(builder, here, FLOATS), smaller), here)
        shares = builder.select(counts, exponential(builder, builder.fsub(scores, top)), every(FLOATS, 0.0))
        store(builder, builder.fadd(load(builder, sums, FLOATS), shares), sums)
        _add_values(context, builder, record, parts, shares, counts, found)
        return context.get_dummy_value()

    longs = types.int64
    return types.void(longs, longs, longs, types.int32, types.float32, longs, longs), emit


def _scores(context: Any, builder: Any, record: Any, parts: Any, asked: Any, start: Any, scale: Any) -> Any:
    """The 16 positions' scores. Four sums at once, for one waits for itself."""
    totals = [cgutils.alloca_once(builder, INTS) for _ in range(4)]
    builder.store(everywhere(builder, start), totals[0])
    for total in totals[1:]:
        builder.store(every(INTS, 0), total)
    with cgutils.for_range(builder, parts) as loop:
        keys = place(builder, record, times(builder, loop.index, 256))
        words = place(builder, asked, times(builder, loop.index, 16))
        for quad, total in enumerate(totals):
            key = load(builder, place(builder, keys, 64 * quad), INTS)
            word = everywhere(builder, load(builder, place(builder, words, 4 * quad), INT))
            builder.store(dot(context, builder, builder.load(total), key, word), total)
    first, second, third, fourth = (builder.load(total) for total in totals)
    whole = builder.sitofp(builder.add(builder.add(first, second), builder.add(third, fourth)), FLOATS)
    scales = load(builder, place(builder, record, times(builder, parts, 256)), FLOATS)
    return builder.fmul(builder.fmul(whole, everywhere(builder, scale)), scales)


def _add_values(context: Any, builder: Any, record: Any, parts: Any, shares: Any, counts: Any, found: Any) -> None:
    """Add the values by their shares, which are rounded to 16 bits and multiplied as two bytes."""
    values = place(builder, record, times(builder, parts, 256), 64)
    weights = builder.fmul(shares, load(builder, place(builder, values, times(builder, parts, 256)), FLOATS))
    weights = builder.select(counts, weights, every(FLOATS, 0.0))
    top = over_lanes(builder, weights, lambda first, second: larger(builder, first, second))
    top = larger(builder, top, every(FLOATS, 1e-30))
    steps = builder.fmul(weights, builder.fdiv(every(FLOATS, 65535.0), top))
    whole = builder.fptosi(builder.fadd(steps, every(FLOATS, 0.5)), INTS)
    scale = builder.fmul(top, every(FLOATS, 1 / 65535))
    four = ir.VectorType(INT, 4)
    high, low = (
        builder.bitcast(builder.trunc(part, NARROW), four) for part in (builder.lshr(whole, every(INTS, 8)), whole)
    )
    highs, lows = (
        [everywhere(builder, builder.extract_element(part, INT(quad))) for quad in range(4)] for part in (high, low)
    )
    with cgutils.for_range(builder, parts) as loop:
        here = place(builder, values, times(builder, loop.index, 256))
        upper = lower = every(INTS, 0)
        for quad in range(4):
            value = load(builder, place(builder, here, 64 * quad), INTS)
            upper = dot(context, builder, upper, highs[quad], value)
            lower = dot(context, builder, lower, lows[quad], value)
        total = builder.sitofp(builder.add(builder.shl(upper, every(INTS, 8)), lower), FLOATS)
        there = place(builder, found, times(builder, loop.index, 64))
        store(builder, fused(builder, total, scale, load(builder, there, FLOATS)), there)
