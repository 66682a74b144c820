"""The inner loops that decide the speed of 8- and 4-bit decoding, written as vector instructions.

Products of a block of rounded weights with rows of bytes, and the rounding of numbers to bytes, with or without a GELU
before it. Weights are read in a straight line, which processors foresee by themselves: fetching them ahead by
instructions made the products slower by a third. Knows nothing of MusicGen; compiled code calls it with addresses,
which are plain integers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba.core import cgutils, types

from studio.engines.musicgen.instructions import (
    FLOAT,
    FLOATS,
    INT,
    INTS,
    LANES,
    LONG,
    NARROW,
    absolute,
    at,
    call,
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

OUTPUTS = 64  # outputs a block of weights makes: four vectors of 16
GROUP = 64  # inputs that share one scale


def _grid(builder: Any, rows: int, kind: Any) -> list[list[Any]]:
    return [[cgutils.alloca_once(builder, kind) for _ in range(4)] for _ in range(rows)]


def make_multiply(*, rows: int, bits: int) -> Callable[..., None]:
    """The product of one block of 64 weights' rows with that many rows of inputs, unrolled for both.

    multiply(weights, scales, groups, bytes, input_scales, input_sums, outputs, output_width): weights of 8 bits lie
    (inputs / 4, 64, 4), of 4 bits (inputs / 8, 64, 4) with the first four inputs in the low halves; scales (64,) or
    (groups, 64); bytes (rows, groups * 64) signed; the inputs' scales and the sums of their bytes (rows, groups).
    """
    zero = 128 if bits == 8 else 8
    step = OUTPUTS * GROUP * bits // 8

    @instruction
    def multiply(
        typing: Any,
        weights: Any,
        scales: Any,
        groups: Any,
        inputs: Any,
        input_scales: Any,
        input_sums: Any,
        outputs: Any,
        output_width: Any,
    ) -> Any:
        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            weights, scales, groups, inputs, input_scales, input_sums, outputs, output_width = arguments
            sums, totals = _grid(builder, rows, FLOATS), _grid(builder, rows, INTS)
            for place in [place for row in sums for place in row]:
                builder.store(every(FLOATS, 0.0), place)
            width = times(builder, groups, GROUP)
            with cgutils.for_range(builder, groups) as loop:
                group = loop.index
                for row in range(rows):
                    offset = times(builder, builder.add(times(builder, groups, row), group), 4)
                    total = builder.mul(load(builder, at(builder, input_sums, offset), INT), INT(-zero))
                    for place in totals[row]:
                        builder.store(everywhere(builder, total), place)
                block = at(builder, weights, times(builder, group, step))
                with cgutils.for_range(builder, LONG(step // 256)) as inner:
                    here = at(builder, block, times(builder, inner.index, 256))
                    offset = builder.add(times(builder, group, GROUP), times(builder, inner.index, GROUP * 256 // step))
                    spread = [
                        [
                            everywhere(
                                builder,
                                load(builder, at(builder, inputs, times(builder, width, row), offset, 4 * part), INT),
                            )
                            for part in range(8 // bits)
                        ]
                        for row in range(rows)
                    ]
                    for quarter in range(4):
                        packed = load(builder, at(builder, here, 64 * quarter), INTS)
                        parts = [packed]
                        if bits == 4:
                            low = every(INTS, 0x0F0F0F0F)
                            parts = [
                                builder.and_(packed, low),
                                builder.and_(builder.lshr(packed, every(INTS, 4)), low),
                            ]
                        for row in range(rows):
                            total = builder.load(totals[row][quarter])
                            for part, weight in enumerate(parts):
                                total = dot(context, builder, total, weight, spread[row][part])
                            builder.store(total, totals[row][quarter])
                for row in range(rows):
                    offset = times(builder, builder.add(times(builder, groups, row), group), 4)
                    scale = everywhere(builder, load(builder, at(builder, input_scales, offset), FLOAT))
                    for quarter in range(4):
                        total = builder.sitofp(builder.load(totals[row][quarter]), FLOATS)
                        if bits == 4:
                            here = at(builder, scales, times(builder, group, 4 * OUTPUTS), 64 * quarter)
                            total = builder.fmul(total, load(builder, here, FLOATS))
                        place = sums[row][quarter]
                        builder.store(fused(builder, total, scale, builder.load(place)), place)
            for row in range(rows):
                for quarter in range(4):
                    result = builder.load(sums[row][quarter])
                    if bits == 8:
                        result = builder.fmul(result, load(builder, at(builder, scales, 64 * quarter), FLOATS))
                    there = at(builder, outputs, times(builder, output_width, 4 * row), 64 * quarter)
                    store(builder, result, there)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 8), emit

    return multiply


def _round(builder: Any, parts: list[Any], out: Any, scale: Any, total: Any) -> None:
    """64 numbers as bytes, with their scale and the sum of the bytes, at those addresses."""
    top = absolute(builder, parts[0])
    for part in parts[1:]:
        top = larger(builder, absolute(builder, part), top)
    top = over_lanes(builder, top, lambda first, second: larger(builder, first, second))
    store(builder, _first(builder, builder.fmul(top, every(FLOATS, 1 / 127))), scale)
    nothing = every(FLOATS, 0.0)
    inverse = builder.fdiv(every(FLOATS, 127.0), top)
    inverse = builder.select(builder.fcmp_ordered(">", top, nothing), inverse, nothing)
    added = every(INTS, 0)
    for place, part in enumerate(parts):
        whole = call(builder, "llvm.rint.v16f32", FLOATS, builder.fmul(part, inverse))
        value = builder.fptosi(whole, INTS)
        store(builder, builder.trunc(value, NARROW), at(builder, out, LANES * place))
        added = builder.add(added, value)
    store(builder, _first(builder, over_lanes(builder, added, builder.add)), total)


def _first(builder: Any, value: Any) -> Any:
    return builder.extract_element(value, INT(0))


def _four(builder: Any, address: Any) -> list[Any]:
    return [load(builder, at(builder, address, 64 * part), FLOATS) for part in range(4)]


@instruction
def round_group(typing: Any, numbers: Any, out: Any, scale: Any, total: Any) -> Any:
    """Round 64 numbers to bytes that share a scale; the sum of the bytes is kept too."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        numbers, out, scale, total = arguments
        _round(builder, _four(builder, numbers), out, scale, total)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 4), emit


@instruction
def bend_group(typing: Any, numbers: Any, out: Any, scale: Any, total: Any) -> Any:
    """The GELU of 64 numbers, rounded as `round_group` rounds; erf after Abramowitz & Stegun 7.1.26, within 2e-7."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        numbers, out, scale, total = arguments
        bent = [_gelu(builder, part) for part in _four(builder, numbers)]
        _round(builder, bent, out, scale, total)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 4), emit


def _gelu(builder: Any, x: Any) -> Any:
    """x times the normal distribution's share below it."""
    one, size = every(FLOATS, 1.0), absolute(builder, x)
    z = builder.fmul(size, every(FLOATS, 0.7071067811865476))
    t = builder.fdiv(one, fused(builder, z, every(FLOATS, 0.3275911), one))
    p = every(FLOATS, 1.061405429)
    for term in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        p = fused(builder, p, t, every(FLOATS, term))
    beyond = builder.fmul(builder.fmul(p, t), exponential(builder, builder.fneg(builder.fmul(z, z))))
    erf = builder.fsub(one, beyond)
    return builder.fmul(every(FLOATS, 0.5), fused(builder, size, erf, x))


@instruction
def power_of_two(typing: Any, exponent: Any) -> Any:
    """2 to a whole number between -126 and 127, put together from its bits."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits = builder.shl(builder.add(arguments[0], INT(127)), INT(23))
        return builder.bitcast(bits, FLOAT)

    return types.float32(types.int32), emit
