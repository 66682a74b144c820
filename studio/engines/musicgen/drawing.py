"""Drawing the next codes in compiled code: guidance, temperature, top-k, top-p and the throw, as `decode.draw` does.

What is kept is found by halving a range of numbers rather than by sorting, for which floats are read as whole numbers
that have the same order. Knows nothing of what the logits come from.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from studio.engines.musicgen.products import compiled, exp

LEAST, MOST = -(2**31), 2**31 - 1
NONE = np.int32(0x7F800000)  # the exponent of what is infinite or no number


class Sheet(NamedTuple):
    """What is drawn in one call, and how; all may be of length 0 where nothing is.

    grid: int64 (candidates, codebooks, columns), the delayed columns, of which `column` is heard and the next drawn.
    fits: bool (codebooks, columns), where a code is drawn rather than known. shares: float32 (rows, codebooks), how
    much each row of logits counts. dice: float32 (candidates, codebooks) in [0, 1). trouble: int64 (1,), not 0 once
    numbers overflowed. scratch: float32 (threads, codes).
    """

    grid: np.ndarray
    fits: np.ndarray
    shares: np.ndarray
    dice: np.ndarray
    trouble: np.ndarray
    scratch: np.ndarray
    column: int
    inverse_temperature: np.float32
    top_k: int
    top_p: np.float32


@compiled
def draw(sheet: Any, logits: Any, codes: int, candidate: int, book: int, thread: int) -> None:
    """Draw one codebook's next code, from logits (candidates * rows, codebooks * codes filled up)."""
    column = sheet.column + 1
    if not sheet.fits[book, column]:
        return
    mixed = sheet.scratch[thread]
    _mix(sheet, logits, codes, candidate, book, mixed)
    if sheet.top_k == 1:
        sheet.grid[candidate, book, column] = np.argmax(mixed)
        return
    for i in range(codes):
        mixed[i] *= sheet.inverse_temperature
    highest = np.max(mixed)
    least = _least_of(mixed, sheet.top_k) if 0 < sheet.top_k < codes else np.int32(LEAST)
    total = np.float32(0.0)
    for i in range(codes):
        share = exp(mixed[i] - highest) if ordered(mixed[i]) >= least else np.float32(0.0)
        mixed[i] = share
        total += share
    if np.float32(0.0) < sheet.top_p < np.float32(1.0):
        total = _keep_nucleus(mixed, total, sheet.top_p * total)
    sheet.grid[candidate, book, column] = _throw(mixed, sheet.dice[candidate, book] * total)


@compiled
def _mix(sheet: Any, logits: Any, codes: int, candidate: int, book: int, mixed: Any) -> None:
    """The rows' logits by their shares, added up; numbers that are none are told of."""
    rows, start, odd = len(sheet.shares), book * codes, np.int32(0)
    for row in range(rows):
        share, said = sheet.shares[row, book], logits[candidate * rows + row]
        for i in range(codes):
            mixed[i] = said[start + i] * share + (mixed[i] if row else np.float32(0.0))
    for i in range(codes):
        odd += np.int32((np.float32(mixed[i]).view(np.int32) & NONE) == NONE)
    if odd:
        sheet.trouble[0] = 1


@compiled
def ordered(number: Any) -> Any:
    """A float as a whole number: the larger the one, the larger the other."""
    bits = np.float32(number).view(np.int32)
    return bits ^ ((bits >> np.int32(31)) & np.int32(MOST))


@compiled
def _least_of(numbers: Any, count: int) -> Any:
    """The `count`-th largest of the numbers, in the order of `ordered`."""
    low, high = np.int64(LEAST), np.int64(MOST)  # at least `count` are as large as low
    while low < high:
        middle = (low + high + 1) >> 1
        edge, found = np.int32(middle), np.int32(0)
        for i in range(len(numbers)):
            found += ordered(numbers[i]) >= edge
        if found >= count:
            low = middle
        else:
            high = middle - 1
    return np.int32(low)


@compiled
def _keep_nucleus(shares: Any, total: Any, wanted: Any) -> Any:
    """Set to nothing what lies below the smallest set of shares that reaches `wanted`; the sum of what is left."""
    low, high = np.int64(0), np.int64(ordered(np.float32(total)))  # what lies above high is less than wanted
    while low < high:
        middle = (low + high) >> 1
        edge, above = np.int32(middle), np.float32(0.0)
        for i in range(len(shares)):
            above += shares[i] if ordered(shares[i]) > edge else np.float32(0.0)
        if above < wanted:
            high = middle
        else:
            low = middle + 1
    edge, left = np.int32(low), np.float32(0.0)
    for i in range(len(shares)):
        shares[i] = shares[i] if ordered(shares[i]) >= edge else np.float32(0.0)
        left += shares[i]
    return left


@compiled
def _throw(shares: Any, mark: Any) -> int:
    """Where the sum of the shares first passes the mark; the last share of all if rounding leaves it short."""
    passed, last = np.float32(0.0), 0
    for i in range(len(shares)):
        if shares[i] > np.float32(0.0):
            last = i
            passed += shares[i]
            if passed > mark:
                return i
    return last
