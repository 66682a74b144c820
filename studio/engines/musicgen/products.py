"""Arithmetic on rows of numbers, compiled: rounding to bytes, products with rounded weights, layer norm.

Inputs of a product are rounded to 8 bits in groups of 64 that share a scale; weights have a scale an output (8 bits)
or one each 64 inputs (4 bits), after LLM.int8 (Dettmers et al. 2022) and llama.cpp's Q4_0. What is not rounded is
float32. Knows nothing of layers or threads. Import it only when needed, for numba takes a second.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from studio.engines.musicgen.vectors import make_multiply, power_of_two, round_group

MATHS = {"contract", "reassoc", "nsz", "arcp"}  # what may be reordered for speed; never what is infinite or no number
compiled = njit(nogil=True, fastmath=MATHS, error_model="numpy")

_one8, _two8, _four8 = (make_multiply(rows=rows, bits=8) for rows in (1, 2, 4))
_one4, _two4, _four4 = (make_multiply(rows=rows, bits=4) for rows in (1, 2, 4))


@compiled
def filled(count: int) -> int:
    """The next multiple of 64, to which every width is filled with zeros."""
    return (count + 63) // 64 * 64


@compiled
def round_row(row: Any, width: int, out: Any, scales: Any, sums: Any, at: int) -> None:
    """Round a row of inputs to bytes, group by group, as the row `at` of `out` with its scales and sums."""
    numbers, made = row.ctypes.data, out.ctypes.data + at * width
    scale, total = scales.ctypes.data + at * (width // 16), sums.ctypes.data + at * (width // 16)
    for group in range(width // 64):
        round_group(numbers + group * 256, made + group * 64, scale + group * 4, total + group * 4)


@compiled
def multiply8(block: int, scale: int, width: int, x: int, s: int, z: int, y: int, stride: int, rows: int) -> None:
    """One block of 64 outputs' 8-bit weights times rows of bytes; all but the sizes are addresses."""
    groups, row = width // 64, 0
    while rows - row >= 4:
        _four8(
            block,
            scale,
            groups,
            x + row * width,
            s + row * groups * 4,
            z + row * groups * 4,
            y + row * stride * 4,
            stride,
        )
        row += 4
    if rows - row >= 2:
        _two8(
            block,
            scale,
            groups,
            x + row * width,
            s + row * groups * 4,
            z + row * groups * 4,
            y + row * stride * 4,
            stride,
        )
        row += 2
    if rows > row:
        _one8(
            block,
            scale,
            groups,
            x + row * width,
            s + row * groups * 4,
            z + row * groups * 4,
            y + row * stride * 4,
            stride,
        )


@compiled
def multiply4(block: int, scale: int, width: int, x: int, s: int, z: int, y: int, stride: int, rows: int) -> None:
    """The same with 4-bit weights."""
    groups, row = width // 64, 0
    while rows - row >= 4:
        _four4(
            block,
            scale,
            groups,
            x + row * width,
            s + row * groups * 4,
            z + row * groups * 4,
            y + row * stride * 4,
            stride,
        )
        row += 4
    if rows - row >= 2:
        _two4(
            block,
            scale,
            groups,
            x + row * width,
            s + row * groups * 4,
            z + row * groups * 4,
            y + row * stride * 4,
            stride,
        )
        row += 2
    if rows > row:
        _one4(
            block,
            scale,
            groups,
            x + row * width,
            s + row * groups * 4,
            z + row * groups * 4,
            y + row * stride * 4,
            stride,
        )


@compiled
def layer_norm(row: Any, gain: Any, offset: Any, width: int, out: Any) -> None:
    """Layer norm of a row, into `out`, which is filled up with zeros."""
    total = np.float32(0.0)
    for i in range(width):
        total += row[i]
    mean = total / np.float32(width)
    spread = np.float32(0.0)
    for i in range(width):
        spread += (row[i] - mean) * (row[i] - mean)
    scale = np.float32(1.0) / np.sqrt(spread / np.float32(width) + np.float32(1e-5))
    for i in range(width):
        out[i] = (row[i] - mean) * scale * gain[i] + offset[i]
    for i in range(width, filled(width)):
        out[i] = np.float32(0.0)


@compiled
def exp(x: Any) -> Any:
    """e to the x for x <= 0, to float32's last digits (Cephes' polynomial)."""
    x = max(x, np.float32(-87.0))
    n = np.floor(x * np.float32(1.4426950408889634) + np.float32(0.5))
    r = x - n * np.float32(0.693359375) - n * np.float32(-2.12194440e-4)
    p = np.float32(1.9875691500e-4)
    p = p * r + np.float32(1.3981999507e-3)
    p = p * r + np.float32(8.3334519073e-3)
    p = p * r + np.float32(4.1665795894e-2)
    p = p * r + np.float32(1.6666665459e-1)
    p = p * r + np.float32(5.0000001201e-1)
    return (p * r * r + r + np.float32(1.0)) * power_of_two(np.int32(n))
