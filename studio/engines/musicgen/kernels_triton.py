"""The step's kernels for a card, in Triton: a decoder's layer in eight launches, a draw in one.

A step of one column is small: most of its time in torch goes to the distance between several hundred kernels. Here
what stands before and after a product (the norm, the activation, the sum onto the stream, the way into the cache) is
part of it. How far attention looks back is read on the device, so that one recorded step serves a whole take.

The stream and all sums are float32; weights and caches are in the model's own format. Attention is split over the
positions and joined by the parts' maxima (Dao et al., "Flash-Decoding", 2023). A kernel may begin while the one before
still works (programmatic dependent launch, from NVIDIA's Hopper on) and fetch its weights meanwhile.
"""

from __future__ import annotations

import triton
import triton.language as tl
from triton.language.extra.cuda import gdc_launch_dependents, gdc_wait


@triton.jit
def embed(codes, place, step, shelf, positions, stream, columns, rows_each, embedded, width, BOOKS: tl.constexpr, BLOCK: tl.constexpr, EARLY: tl.constexpr):  # fmt: skip
    """stream[row] = the column's codes looked up and added, and the position's sinusoids.

    codes: (candidates, books, columns), of which the column `step` is heard by `rows_each` rows of each candidate.
    """
    if EARLY:
        gdc_launch_dependents()
        gdc_wait()
    row, at = tl.program_id(0), tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    here = at < width
    column = tl.load(step)
    found = tl.load(positions + tl.load(place) * width + at, mask=here, other=0.0).to(tl.float32)
    for book in tl.static_range(BOOKS):
        code = tl.load(codes + (row // rows_each * BOOKS + book) * columns + column)
        found += tl.load(shelf + (book * embedded + code) * width + at, mask=here, other=0.0).to(tl.float32)
    tl.store(stream + row * width + at, found, mask=here)


@triton.jit
def project(
    inputs, weight, gain, slopes, chosen, out, keys, values, place,
    rows, width, outputs, epsilon, heads, room,
    ROWS: tl.constexpr, BLOCK_OUT: tl.constexpr, BLOCK_IN: tl.constexpr, IS_WHOLE: tl.constexpr,
    NORMED: tl.constexpr, CHOSEN: tl.constexpr, HEAD: tl.constexpr, END: tl.constexpr, EARLY: tl.constexpr,
):  # fmt: skip
    """out (rows, outputs) = inputs (rows, width) times weight (outputs, width), with what stands before and after it.

    NORMED: the inputs pass a layer norm first, of which the product is a scale and a shift, so that all sums are made
    at once; slopes (2, outputs) are the product of its gain and its bias. CHOSEN: row i is `chosen[i]` of the stream.
    END: 0 stores; 1 adds onto what is there; 2 stores what GELU makes of it; 3 stores the first third, the others go into
    keys and values (rows, heads, room, HEAD) at `place`. EARLY: weights are fetched while the kernel before still works.
    IS_WHOLE: BLOCK_IN holds all inputs, which then stay while the program goes from outputs to outputs.
    """
    row, at = tl.arange(0, ROWS), tl.arange(0, BLOCK_IN)
    is_row, here = row < rows, at < width
    tile = tl.program_id(0)
    out_at = tile * BLOCK_OUT + tl.arange(0, BLOCK_OUT)
    # In the model's own format until they are needed: whoever converts a number waits for it.
    weights = tl.load(weight + out_at[:, None] * width + at[None, :], mask=(out_at < outputs)[:, None] & here[None, :], other=0.0)  # fmt: skip
    gains = at
    if NORMED:
        gains = tl.load(gain + at, mask=here, other=0.0)
    stream_row = row
    if CHOSEN:
        stream_row = tl.load(chosen + row, mask=is_row, other=0).to(tl.int32)
    input_row = row
    if NORMED:
        input_row = stream_row
    now = row
    if END == 3:
        now = tl.load(place)
    if EARLY:
        gdc_launch_dependents()
        gdc_wait()
    heard = inputs + input_row[:, None] * width + at[None, :]
    part = tl.load(heard, mask=is_row[:, None] & here[None, :], other=0.0).to(tl.float32)
    mean = tl.zeros([ROWS], tl.float32)
    scale = tl.zeros([ROWS], tl.float32)
    if NORMED:
        mean = tl.sum(part, axis=1) / width
        scale = tl.rsqrt(tl.sum(part * part, axis=1) / width - mean * mean + epsilon)
        part = part * gains.to(tl.float32)[None, :]
    if IS_WHOLE:
        tiles, programs = tl.cdiv(outputs, BLOCK_OUT), tl.num_programs(0)
        while tile < tiles:
            out_at = tile * BLOCK_OUT + tl.arange(0, BLOCK_OUT)
            later_at = out_at + programs * BLOCK_OUT  # on their way while these are added up
            later = tl.load(weight + later_at[:, None] * width + at[None, :], mask=(later_at < outputs)[:, None] & here[None, :], other=0.0)  # fmt: skip
            is_told = (out_at < outputs)[:, None] & is_row[None, :]
            before = out + stream_row[None, :] * outputs + out_at[:, None]
            if END == 1:
                there = tl.load(before, mask=is_told, other=0.0)
            made = tl.sum(weights.to(tl.float32)[:, None, :] * part[None, :, :], axis=2)  # (BLOCK_OUT, ROWS)
            if NORMED:
                slope = tl.load(slopes + out_at, mask=out_at < outputs, other=0.0)
                offset = tl.load(slopes + outputs + out_at, mask=out_at < outputs, other=0.0)
                made = scale[None, :] * (made - mean[None, :] * slope[:, None]) + offset[:, None]
            if END == 1:
                tl.store(before, made + there, mask=is_told)
            else:
                finish(made, out_at, is_told, out, keys, values, now, outputs, heads, room, ROWS, HEAD, END)
            weights = later
            tile += programs
    else:
        tl.static_assert(not NORMED)
        is_told = (out_at < outputs)[:, None] & is_row[None, :]
        before = out + stream_row[None, :] * outputs + out_at[:, None]
        if END == 1:
            there = tl.load(before, mask=is_told, other=0.0)
        spots = weight + out_at[:, None] * width + at[None, :]
        total = tl.zeros([BLOCK_OUT, ROWS, BLOCK_IN], tl.float32)
        for begin in range(BLOCK_IN, width + BLOCK_IN, BLOCK_IN):
            here = begin + at < width
            later = tl.load(spots + begin, mask=(out_at < outputs)[:, None] & here[None, :], other=0.0)
            following = tl.load(heard + begin, mask=is_row[:, None] & here[None, :], other=0.0)
            total += weights.to(tl.float32)[:, None, :] * part[None, :, :]
            weights, part = later, following.to(tl.float32)
        made = tl.sum(total, axis=2)
        if END == 1:
            tl.store(before, made + there, mask=is_told)
        else:
            finish(made, out_at, is_told, out, keys, values, now, outputs, heads, room, ROWS, HEAD, END)


@triton.jit
def finish(made, out_at, is_told, out, keys, values, now, outputs, heads, room, ROWS: tl.constexpr, HEAD: tl.constexpr, END: tl.constexpr):  # fmt: skip
    """Store a product (outputs, rows), or what is to become of it; see `project`."""
    row = tl.arange(0, ROWS)
    if END == 3:
        inner = heads * HEAD
        third, inside = out_at // inner, out_at % inner
        cached = ((row[None, :] * heads + (inside // HEAD)[:, None]) * room + now) * HEAD + (inside % HEAD)[:, None]
        tl.store(out + row[None, :] * inner + inside[:, None], made, mask=is_told & (third == 0)[:, None])
        tl.store(keys + cached, made.to(keys.dtype.element_ty), mask=is_told & (third == 1)[:, None])
        tl.store(values + cached, made.to(values.dtype.element_ty), mask=is_told & (third == 2)[:, None])
    else:
        if END == 2:
            made = 0.5 * made * (1.0 + tl.erf(made * 0.7071067811865476))
        tl.store(out + row[None, :] * outputs + out_at[:, None], made.to(out.dtype.element_ty), mask=is_told)


@triton.jit
def attend(
    queries, keys, values, lengths, parts, arrived, out, heads, room, scale, more, stride,
    SPLITS: tl.constexpr, HEAD: tl.constexpr, PADDED: tl.constexpr, BLOCK: tl.constexpr, EARLY: tl.constexpr,
):  # fmt: skip
    """One head of one row looks back, a share of its positions in each of SPLITS programs; the last to end joins them.

    queries, out: (rows, heads, HEAD). keys, values: (rows, heads, room, HEAD), of which row r looks at the first
    `lengths[r * stride] + more`; the last `more` of them, one or none, are of the kernel before. A share is at most
    BLOCK. parts: (rows, heads, SPLITS, HEAD + 2), the weighed values, the greatest score and the mass. arrived: (rows,
    heads) of zeros, which it leaves behind. EARLY: what is older is fetched while the kernel before still works; lengths
    are older than a step.
    """
    which, split = tl.program_id(0), tl.program_id(1)
    fresh = tl.load(lengths + which // heads * stride).to(tl.int32)
    length = fresh + more
    share = tl.cdiv(length, SPLITS)
    at = split * share + tl.arange(0, BLOCK)
    here = at < tl.minimum((split + 1) * share, length)
    inside = tl.arange(0, PADDED)
    is_inside = inside < HEAD
    base = which.to(tl.int64) * room * HEAD
    spot = base + at[:, None] * HEAD + inside[None, :]
    is_old = (here & (at < fresh))[:, None] & is_inside[None, :]
    key = tl.load(keys + spot, mask=is_old, other=0.0).to(tl.float32)
    value = tl.load(values + spot, mask=is_old, other=0.0).to(tl.float32)
    if EARLY:
        gdc_launch_dependents()
        gdc_wait()
    query = tl.load(queries + which * HEAD + inside, mask=is_inside, other=0.0) * scale
    score = tl.sum(key * query[None, :], axis=1)
    is_fresh = here & (at == fresh)
    newest = base + fresh * HEAD + inside
    is_there = inside < more * HEAD
    newest_key = tl.load(keys + newest, mask=is_there, other=0.0).to(tl.float32)
    newest_value = tl.load(values + newest, mask=is_there, other=0.0).to(tl.float32)
    score = tl.where(is_fresh, tl.sum(newest_key * query, axis=0), score)
    score = tl.where(here, score, float("-inf"))
    highest = tl.maximum(tl.max(score, axis=0), -1.0e30)  # of an empty share too
    shares = tl.exp(score - highest)
    mass = tl.sum(shares, axis=0)
    found = tl.sum(shares[:, None] * value, axis=0) + tl.sum(tl.where(is_fresh, shares, 0.0), axis=0) * newest_value
    if SPLITS == 1:
        tl.store(out + which * HEAD + inside, (found / mass).to(out.dtype.element_ty), mask=is_inside)
    else:
        part = parts + (which * SPLITS + split) * (HEAD + 2)
        tl.store(part + inside, found, mask=is_inside)
        tl.store(part + HEAD, highest)
        tl.store(part + HEAD + 1, mass)
        tl.debug_barrier()
        if tl.atomic_add(arrived + which, 1, sem="acq_rel") == SPLITS - 1:
            each = parts + (which * SPLITS + tl.arange(0, SPLITS)) * (HEAD + 2)
            heights = tl.load(each + HEAD, cache_modifier=".cg")
            weights = tl.exp(heights - tl.max(heights, axis=0))
            whole = tl.sum(weights * tl.load(each + HEAD + 1, cache_modifier=".cg"), axis=0)
            joined = tl.load(each[:, None] + inside[None, :], mask=is_inside[None, :], other=0.0, cache_modifier=".cg")
            joined = tl.sum(weights[:, None] * joined, axis=0) / whole
            tl.store(out + which * HEAD + inside, joined.to(out.dtype.element_ty), mask=is_inside)
            tl.store(arrived + which, 0)


@triton.jit
def choose(
    logits, shares, codes, step, seeds, late, bounds, is_finite, columns, temperature, top_k, top_p,
    BOOKS: tl.constexpr, ROWS_EACH: tl.constexpr, CODES: tl.constexpr, NUCLEUS: tl.constexpr, GREEDY: tl.constexpr, EARLY: tl.constexpr,
):  # fmt: skip
    """Mix a candidate's rows, draw one codebook's code and write it into the next column, where one is to be.

    Drawing is by the exponential race (the smallest of Exp(1) / p has probability p), among the top_k likeliest and
    then the fewest whose mass reaches top_p (off at 0); its chance is Philox', of the seed, the step and the codebook.
    """
    if EARLY:
        gdc_launch_dependents()
        gdc_wait()
    candidate, book = tl.program_id(0), tl.program_id(1)
    at = tl.arange(0, CODES)
    now = tl.load(step)
    mixed = tl.zeros([CODES], tl.float32)
    for row in tl.static_range(ROWS_EACH):
        share = tl.load(shares + (now * ROWS_EACH + row) * BOOKS + book)
        mixed += share * tl.load(logits + ((candidate * ROWS_EACH + row) * BOOKS + book) * CODES + at)
    fine = tl.sum((tl.abs(mixed) < 3.0e38).to(tl.int32), axis=0) == CODES
    if not fine:
        tl.store(is_finite, 0)
    if GREEDY:
        drawn = tl.argmax(mixed, axis=0)
    else:
        mixed = mixed / temperature
        mixed = mixed - tl.max(mixed, axis=0)
        chance = tl.rand(tl.load(seeds + candidate), ((now * BOOKS + book) * CODES + at).to(tl.int32))
        swift = tl.exp(mixed) / -tl.log(tl.maximum(chance, 1.0e-10))
        whole = 0.0
        if NUCLEUS:
            low, high = tl.min(mixed, axis=0) - 1.0, 0.0
            for _ in range(40):  # to where the top_k likeliest begin
                middle = (low + high) / 2.0
                is_below = tl.sum((mixed > middle).to(tl.int32), axis=0) >= top_k
                low, high = tl.where(is_below, middle, low), tl.where(is_below, high, middle)
            whole = tl.sum(tl.where(mixed >= high, tl.exp(mixed), 0.0), axis=0) * top_p
        drawn = tl.argmax(swift, axis=0)
        height = tl.sum(tl.where(at == drawn, mixed, 0.0), axis=0)
        is_out = tl.sum((mixed > height).to(tl.int32), axis=0) >= top_k
        if NUCLEUS:
            is_out = is_out | (tl.sum(tl.where(mixed > height, tl.exp(mixed), 0.0), axis=0) >= whole)
        while is_out:
            # Too many are likelier: it is out, and all that are less likely with it. The next in the race.
            swift = tl.where(mixed > height, swift, -1.0)
            drawn = tl.argmax(swift, axis=0)
            height = tl.sum(tl.where(at == drawn, mixed, 0.0), axis=0)
            is_out = tl.sum((mixed > height).to(tl.int32), axis=0) >= top_k
            if NUCLEUS:
                is_out = is_out | (tl.sum(tl.where(mixed > height, tl.exp(mixed), 0.0), axis=0) >= whole)
    following, delay = now + 1, tl.load(late + book)
    most = tl.load(late + BOOKS)
    if (following > tl.load(bounds) + delay) & (following <= tl.load(bounds + 1) - 1 - most + delay):
        tl.store(codes + (candidate * BOOKS + book) * columns + following, drawn.to(tl.int64))
