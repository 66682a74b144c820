"""Vector instructions for compiled code: what numba has no words for, said to LLVM, so that no compiler is needed.

A vector is 16 numbers of 4 bytes, or 64 bytes. Bytes are multiplied by AVX512-VNNI, AVX-VNNI or AVX2 where the
processor has them, else in plain vector arithmetic, with the same sums on each. `instruction` makes a function of
these that compiled code may call; addresses are plain integers. Knows nothing of MusicGen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

LANES = 16

BYTE, INT, LONG, FLOAT = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.FloatType()
BYTES, INTS, FLOATS = (ir.VectorType(BYTE, 4 * LANES), ir.VectorType(INT, LANES), ir.VectorType(FLOAT, LANES))
NARROW = ir.VectorType(BYTE, LANES)


def instruction(maker: Callable[..., Any]) -> Callable[..., Any]:
    """numba's `intrinsic`, for functions that say what LLVM to emit."""
    made: Callable[..., Any] = intrinsic(maker)
    return made


def load(builder: Any, address: Any, kind: Any) -> Any:
    """What lies at an address."""
    value = builder.load(builder.inttoptr(address, kind.as_pointer()))
    value.align = 1 if kind in (BYTES, NARROW) else 4
    return value


def store(builder: Any, value: Any, address: Any) -> None:
    """Lay a value down at an address."""
    stored = builder.store(value, builder.inttoptr(address, value.type.as_pointer()))
    stored.align = 1 if value.type in (BYTES, NARROW) else 4


def at(builder: Any, address: Any, *terms: Any) -> Any:
    """The address plus terms, each an integer or a value."""
    for term in terms:
        address = builder.add(address, LONG(term) if isinstance(term, int) else term)
    return address


def times(builder: Any, value: Any, factor: int) -> Any:
    """An address's part: a value times a fixed number."""
    return builder.mul(value, LONG(factor))


def everywhere(builder: Any, scalar: Any) -> Any:
    """A scalar in every lane."""
    kind = ir.VectorType(scalar.type, LANES)
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), scalar, INT(0))
    return builder.shuffle_vector(
        one, ir.Constant(kind, ir.Undefined), ir.Constant(ir.VectorType(INT, LANES), [0] * LANES)
    )


def every(kind: Any, value: float) -> Any:
    """A fixed number in every lane."""
    return ir.Constant(kind, [value] * kind.count)


def call(builder: Any, name: str, kind: Any, *arguments: Any) -> Any:
    """One of LLVM's own functions, or the system's."""
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(kind, [argument.type for argument in arguments]), name
    )
    return builder.call(function, arguments)


def fused(builder: Any, first: Any, second: Any, third: Any) -> Any:
    """first * second + third, rounded once."""
    return call(builder, "llvm.fma.v16f32", FLOATS, first, second, third)


def absolute(builder: Any, value: Any) -> Any:
    return call(builder, "llvm.fabs.v16f32", FLOATS, value)


def larger(builder: Any, first: Any, second: Any) -> Any:
    return builder.select(builder.fcmp_ordered(">", first, second), first, second)


def over_lanes(builder: Any, value: Any, join: Callable[[Any, Any], Any]) -> Any:
    """What `join` makes of all lanes, in every lane: halves are joined until one is left."""
    for distance in (8, 4, 2, 1):
        places = ir.Constant(ir.VectorType(INT, LANES), [lane ^ distance for lane in range(LANES)])
        value = join(value, builder.shuffle_vector(value, ir.Constant(value.type, ir.Undefined), places))
    return value


def exponential(builder: Any, x: Any) -> Any:
    """e to the x for x <= 0, to float32's last digits (Cephes' polynomial)."""
    x = larger(builder, x, every(FLOATS, -87.0))
    half = every(FLOATS, 0.5)
    n = call(builder, "llvm.floor.v16f32", FLOATS, fused(builder, x, every(FLOATS, 1.4426950408889634), half))
    r = fused(builder, n, every(FLOATS, -0.693359375), x)
    r = fused(builder, n, every(FLOATS, 2.12194440e-4), r)
    p = every(FLOATS, 1.9875691500e-4)
    for term in (1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1):
        p = fused(builder, p, r, every(FLOATS, term))
    p = builder.fadd(fused(builder, builder.fmul(r, r), p, r), every(FLOATS, 1.0))
    bits = builder.shl(builder.add(builder.fptosi(n, INTS), every(INTS, 127)), every(INTS, 23))
    return builder.fmul(p, builder.bitcast(bits, FLOATS))


def byte_products(features: str) -> str:
    """How bytes are multiplied on a processor of these LLVM features: "avx512vnni", "avxvnni", "avx2" or "plain"."""
    has = set(features.split(","))
    if {"+avx512vnni", "+avx512bw"} <= has:
        return "avx512vnni"
    return next((name for name in ("avxvnni", "avx2") if f"+{name}" in has), "plain")


def dot(context: Any, builder: Any, total: Any, unsigned: Any, signed: Any) -> Any:
    """total + the four products in each lane, of unsigned bytes by signed ones; all three are 16 integers."""
    way = byte_products(context.codegen()._tm_features)
    if way == "avx512vnni":
        wide = [builder.bitcast(value, BYTES) for value in (unsigned, signed)]
        return call(builder, "llvm.x86.avx512.vpdpbusd.512", INTS, total, *wide)
    if way == "avxvnni":
        return _in_halves(builder, "llvm.x86.avx512.vpdpbusd.256", total, unsigned, signed)
    sixteen, twenty_four, eight, low = (every(INTS, number) for number in (16, 24, 8, 255))
    for place in (sixteen, twenty_four, None, eight) if way == "plain" else ():
        # Byte by byte: `place` bits up in the unsigned, brought to the top and down again in the signed.
        left = builder.lshr(unsigned, place) if place else unsigned
        up = builder.sub(twenty_four, place) if place else twenty_four
        right = builder.ashr(builder.shl(signed, up), twenty_four)
        total = builder.add(total, builder.mul(builder.and_(left, low), right))
    if way == "avx2":
        pairs = ir.VectorType(ir.IntType(16), 2 * LANES)
        wide_u, wide_s = builder.bitcast(unsigned, pairs), builder.bitcast(signed, pairs)
        by_eight = every(pairs, 8)
        even = builder.and_(wide_u, every(pairs, 255)), builder.ashr(builder.shl(wide_s, by_eight), by_eight)
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
            where = ir.Constant(ir.VectorType(INT, count), list(range(half * count, half * count + count)))
            parts.append(builder.shuffle_vector(value, ir.Constant(value.type, ir.Undefined), where))
        kind = lanes.get(name, ir.VectorType(BYTE, 32))
        first = parts[:1] if name not in lanes else [builder.bitcast(parts[0], kind)]
        rest = [builder.bitcast(part, kind) for part in parts[1:]]
        made.append(call(builder, name, ir.VectorType(INT, 8), *first, *rest))
    return builder.shuffle_vector(made[0], made[1], ir.Constant(ir.VectorType(INT, LANES), list(range(LANES))))


@instruction
def count_up(typing: Any, address: Any) -> Any:
    """Add one to the counter at an address, seen at once by all threads."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        counter = builder.inttoptr(arguments[0], LONG.as_pointer())
        return builder.atomic_rmw("add", counter, LONG(1), "seq_cst")

    return types.int64(types.int64), emit


@instruction
def read_counter(typing: Any, address: Any) -> Any:
    """The counter at an address, as the last thread left it."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(builder.inttoptr(arguments[0], LONG.as_pointer()), "seq_cst", 8)

    return types.int64(types.int64), emit


@instruction
def give_way(typing: Any) -> Any:
    """Let another thread have the processor."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        import sys

        name = "SwitchToThread" if sys.platform == "win32" else "sched_yield"
        call(builder, name, INT)
        return context.get_dummy_value()

    return types.void(), emit
