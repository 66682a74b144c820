"""The few inner loops that decide the speed of 8- and 4-bit decoding, written as vector instructions.

Emits LLVM through numba, so no compiler is needed on the user's machine: products of bytes on AVX512-VNNI, AVX-VNNI
or AVX2 where the processor has them, else in plain vector arithmetic, with the same sums on each. Knows nothing of
MusicGen; `kernel` calls it from compiled code. Addresses are plain integers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic


def instruction(maker: Callable[..., Any]) -> Callable[..., Any]:
    """numba's `intrinsic`, for functions that say what LLVM to emit."""
    made: Callable[..., Any] = intrinsic(maker)
    return made


LANES = 16
OUTPUTS = 64  # outputs a block of weights makes: four vectors of 16
GROUP = 64  # inputs that share one scale
AHEAD = 4096  # bytes fetched ahead of their use, past what the processor itself foresees

_byte, _int, _long, _float = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.FloatType()
_bytes, _ints, _floats = (ir.VectorType(_byte, 4 * LANES), ir.VectorType(_int, LANES), ir.VectorType(_float, LANES))


def _load(builder: Any, address: Any, kind: Any) -> Any:
    value = builder.load(builder.inttoptr(address, kind.as_pointer()))
    value.align = 1 if kind in (_bytes, ir.VectorType(_byte, LANES)) else 4
    return value


def _store(builder: Any, value: Any, address: Any) -> None:
    builder.store(value, builder.inttoptr(address, value.type.as_pointer())).align = 4


def _at(builder: Any, address: Any, *terms: Any) -> Any:
    """The address plus terms, each an integer or a value."""
    for term in terms:
        address = builder.add(address, _long(term) if isinstance(term, int) else term)
    return address


def _times(builder: Any, value: Any, factor: int) -> Any:
    return builder.mul(value, _long(factor))


def _everywhere(builder: Any, scalar: Any) -> Any:
    """A scalar in every lane."""
    kind = ir.VectorType(scalar.type, LANES)
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), scalar, _int(0))
    return builder.shuffle_vector(
        one, ir.Constant(kind, ir.Undefined), ir.Constant(ir.VectorType(_int, LANES), [0] * LANES)
    )


def _all(kind: Any, value: float) -> Any:
    return ir.Constant(kind, [value] * kind.count)


def _intrinsic(builder: Any, name: str, kind: Any, *arguments: Any) -> Any:
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(kind, [argument.type for argument in arguments]), name
    )
    return builder.call(function, arguments)


def _fused(builder: Any, first: Any, second: Any, third: Any) -> Any:
    return _intrinsic(builder, "llvm.fma.v16f32", _floats, first, second, third)


def _fetch(builder: Any, address: Any) -> None:
    pointer = builder.inttoptr(address, _byte.as_pointer())
    _intrinsic(builder, "llvm.prefetch.p0i8", ir.VoidType(), pointer, _int(0), _int(3), _int(1))


def byte_products(features: str) -> str:
    """How bytes are multiplied on a processor of these LLVM features: "avx512vnni", "avxvnni", "avx2" or "plain"."""
    has = set(features.split(","))
    if {"+avx512vnni", "+avx512bw"} <= has:
        return "avx512vnni"
    return next((name for name in ("avxvnni", "avx2") if f"+{name}" in has), "plain")


def _dot(context: Any, builder: Any, total: Any, unsigned: Any, signed: Any) -> Any:
    """total + the four products in each lane, of unsigned bytes by signed ones; all three are 16 integers."""
    way = byte_products(context.codegen()._tm_features)
    if way == "avx512vnni":
        wide = [builder.bitcast(value, _bytes) for value in (unsigned, signed)]
        return _intrinsic(builder, "llvm.x86.avx512.vpdpbusd.512", _ints, total, *wide)
    if way == "avxvnni":
        return _in_halves(builder, "llvm.x86.avx512.vpdpbusd.256", total, unsigned, signed)
    shifts = _all(_ints, 16), _all(_ints, 24), _all(_ints, 8), _all(_ints, 255)
    sixteen, twenty_four, eight, low = shifts
    for place in (sixteen, twenty_four, None, eight) if way == "plain" else ():
        # Byte by byte: `place` bits up in the unsigned, brought to the top and down again in the signed.
        left = builder.lshr(unsigned, place) if place else unsigned
        up = builder.sub(twenty_four, place) if place else twenty_four
        right = builder.ashr(builder.shl(signed, up), twenty_four)
        total = builder.add(total, builder.mul(builder.and_(left, low), right))
    if way == "avx2":
        pairs = ir.VectorType(ir.IntType(16), 2 * LANES)
        wide_u, wide_s = builder.bitcast(unsigned, pairs), builder.bitcast(signed, pairs)
        by_eight = _all(pairs, 8)
        even = builder.and_(wide_u, _all(pairs, 255)), builder.ashr(builder.shl(wide_s, by_eight), by_eight)
        odd = builder.lshr(wide_u, by_eight), builder.ashr(wide_s, by_eight)
        for left, right in (even, odd):
            total = builder.add(total, _in_halves(builder, "llvm.x86.avx2.pmadd.wd", left, right))
    return total


def _in_halves(builder: Any, name: str, *whole: Any) -> Any:
    """An instruction of 8 lanes on both halves of 16; `name` decides what kind of lanes it wants."""
    lanes = {"llvm.x86.avx2.pmadd.wd": ir.VectorType(ir.IntType(16), 16)}
    made = []
    for half in range(2):
        parts = []
        for value in whole:
            count = value.type.count // 2
            where = ir.Constant(ir.VectorType(_int, count), list(range(half * count, half * count + count)))
            parts.append(builder.shuffle_vector(value, ir.Constant(value.type, ir.Undefined), where))
        kind = lanes.get(name, ir.VectorType(_byte, 32))
        first = parts[:1] if name not in lanes else [builder.bitcast(parts[0], kind)]
        rest = [builder.bitcast(part, kind) for part in parts[1:]]
        made.append(_intrinsic(builder, name, ir.VectorType(_int, 8), *first, *rest))
    return builder.shuffle_vector(made[0], made[1], ir.Constant(ir.VectorType(_int, LANES), list(range(LANES))))


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
            sums, totals = _grid(builder, rows, _floats), _grid(builder, rows, _ints)
            for place in [place for row in sums for place in row]:
                builder.store(_all(_floats, 0.0), place)
            width = _times(builder, groups, GROUP)
            with cgutils.for_range(builder, groups) as loop:
                group = loop.index
                for row in range(rows):
                    offset = _times(builder, builder.add(_times(builder, groups, row), group), 4)
                    total = builder.mul(_load(builder, _at(builder, input_sums, offset), _int), _int(-zero))
                    for place in totals[row]:
                        builder.store(_everywhere(builder, total), place)
                block = _at(builder, weights, _times(builder, group, step))
                with cgutils.for_range(builder, _long(step // 256)) as inner:
                    here = _at(builder, block, _times(builder, inner.index, 256))
                    offset = builder.add(
                        _times(builder, group, GROUP), _times(builder, inner.index, GROUP * 256 // step)
                    )
                    spread = [
                        [
                            _everywhere(
                                builder,
                                _load(
                                    builder, _at(builder, inputs, _times(builder, width, row), offset, 4 * part), _int
                                ),
                            )
                            for part in range(8 // bits)
                        ]
                        for row in range(rows)
                    ]
                    for quarter in range(4):
                        _fetch(builder, _at(builder, here, AHEAD + 64 * quarter))
                        packed = _load(builder, _at(builder, here, 64 * quarter), _ints)
                        parts = [packed]
                        if bits == 4:
                            low = _all(_ints, 0x0F0F0F0F)
                            parts = [
                                builder.and_(packed, low),
                                builder.and_(builder.lshr(packed, _all(_ints, 4)), low),
                            ]
                        for row in range(rows):
                            total = builder.load(totals[row][quarter])
                            for part, weight in enumerate(parts):
                                total = _dot(context, builder, total, weight, spread[row][part])
                            builder.store(total, totals[row][quarter])
                for row in range(rows):
                    offset = _times(builder, builder.add(_times(builder, groups, row), group), 4)
                    scale = _everywhere(builder, _load(builder, _at(builder, input_scales, offset), _float))
                    for quarter in range(4):
                        total = builder.sitofp(builder.load(totals[row][quarter]), _floats)
                        if bits == 4:
                            here = _at(builder, scales, _times(builder, group, 4 * OUTPUTS), 64 * quarter)
                            total = builder.fmul(total, _load(builder, here, _floats))
                        place = sums[row][quarter]
                        builder.store(_fused(builder, total, scale, builder.load(place)), place)
            for row in range(rows):
                for quarter in range(4):
                    result = builder.load(sums[row][quarter])
                    if bits == 8:
                        result = builder.fmul(result, _load(builder, _at(builder, scales, 64 * quarter), _floats))
                    there = _at(builder, outputs, _times(builder, output_width, 4 * row), 64 * quarter)
                    _store(builder, result, there)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 8), emit

    return multiply


@instruction
def score(typing: Any, keys: Any, key_scales: Any, query: Any, quads: Any, start: Any, scale: Any, scores: Any) -> Any:
    """Scores of one query with 16 positions: keys (quads, 16, 4) unsigned, their scales (16,), query signed bytes."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        keys, key_scales, query, quads, start, scale, scores = arguments
        place = cgutils.alloca_once(builder, _ints)
        builder.store(_everywhere(builder, start), place)
        with cgutils.for_range(builder, quads) as loop:
            key = _load(builder, _at(builder, keys, _times(builder, loop.index, 64)), _ints)
            part = _load(builder, _at(builder, query, _times(builder, loop.index, 4)), _int)
            total = _dot(context, builder, builder.load(place), key, _everywhere(builder, part))
            builder.store(total, place)
        result = builder.fmul(builder.sitofp(builder.load(place), _floats), _everywhere(builder, scale))
        _store(builder, builder.fmul(result, _load(builder, key_scales, _floats)), scores)
        return context.get_dummy_value()

    arguments = [types.int64] * 4 + [types.int32, types.float32, types.int64]
    return types.void(*arguments), emit


@instruction
def gather(typing: Any, values: Any, weights: Any, count: Any, out: Any) -> Any:
    """16 numbers: values (count, 16) of signed bytes, added up by their weights (count,), count a multiple of 4."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values, weights, count, out = arguments
        narrow = ir.VectorType(_byte, LANES)
        places = [cgutils.alloca_once(builder, _floats) for _ in range(4)]
        for place in places:
            builder.store(_all(_floats, 0.0), place)
        with cgutils.for_range(builder, builder.sdiv(count, _long(4))) as loop:
            for part, place in enumerate(places):  # four sums at once, for an addition takes four cycles
                value = _load(builder, _at(builder, values, _times(builder, loop.index, 64), 16 * part), narrow)
                weight = _load(builder, _at(builder, weights, _times(builder, loop.index, 16), 4 * part), _float)
                wide = builder.sitofp(builder.sext(value, _ints), _floats)
                total = _fused(builder, wide, _everywhere(builder, weight), builder.load(place))
                builder.store(total, place)
        first, second, third, fourth = (builder.load(place) for place in places)
        _store(builder, builder.fadd(builder.fadd(first, second), builder.fadd(third, fourth)), out)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64, types.int64), emit


@instruction
def power_of_two(typing: Any, exponent: Any) -> Any:
    """2 to a whole number between -126 and 127, put together from its bits."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits = builder.shl(builder.add(arguments[0], _int(127)), _int(23))
        return builder.bitcast(bits, _float)

    return types.float32(types.int32), emit


@instruction
def count_up(typing: Any, address: Any) -> Any:
    """Add one to the counter at an address, seen at once by all threads."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        counter = builder.inttoptr(arguments[0], _long.as_pointer())
        return builder.atomic_rmw("add", counter, _long(1), "seq_cst")

    return types.int64(types.int64), emit


@instruction
def read_counter(typing: Any, address: Any) -> Any:
    """The counter at an address, as the last thread left it."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(builder.inttoptr(arguments[0], _long.as_pointer()), "seq_cst", 8)

    return types.int64(types.int64), emit


@instruction
def give_way(typing: Any) -> Any:
    """Let another thread have the processor."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        import sys

        name = "SwitchToThread" if sys.platform == "win32" else "sched_yield"
        _intrinsic(builder, name, _int)
        return context.get_dummy_value()

    return types.void(), emit
