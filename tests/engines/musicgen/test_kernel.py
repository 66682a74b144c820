"""The kernel's parts against their definitions in float64: attention over bytes, drawing, and the loop of both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numba import njit

from studio.engines.base import EngineError
from studio.engines.musicgen import attention, decode, drawing, vectors, weights_cache
from studio.engines.musicgen.blend import Blend, Prompt, mixer
from studio.engines.musicgen.decode import Choice
from studio.engines.musicgen.runtime_native import NativeRuntime
from studio.engines.musicgen.window import Voice
from tests.engines.musicgen.test_runtime_native import condition

FRAMES = 40


@njit
def remember_all(memory: Any, keys: Any, values: Any) -> None:
    for at in range(len(keys)):
        attention.remember(memory, 0, 0, 0, at, keys[at], values[at], 0)


@njit
def attend_once(memory: Any, count: int, query: Any, out: Any, asked: Any, state: Any) -> None:
    attention.attend(memory, 0, 0, 0, count, query, 0, out, asked, state)


@pytest.mark.parametrize("span", [64, 24, 8])
@pytest.mark.parametrize("count", [1, 15, 16, 17, 100])
def test_attention_over_bytes_is_attention_but_for_their_rounding(span: int, count: int) -> None:
    """Later positions, which the memory of another take left behind, count as nothing, whatever they are."""
    dice = np.random.default_rng(count)
    keys, values = dice.normal(size=(2, count, span)).astype(np.float32)
    query = (3 * dice.normal(size=span)).astype(np.float32)
    records = dice.integers(0, 256, (1, 1, 1, 7, attention.record_bytes(span)), np.uint8)
    memory = attention.Memory(records=records, span=span)
    remember_all(memory, keys, values)
    out, asked, state = np.zeros(span, np.float32), np.zeros(96, np.int8), np.zeros(128, np.float32)
    attend_once(memory, count, query, out, asked, state)

    def rounded(rows: np.ndarray) -> np.ndarray:
        steps = np.abs(rows.astype(np.float64)).max(axis=-1, keepdims=True) / 127
        return np.rint(rows / steps) * steps

    scores = rounded(keys) @ rounded(query) / np.sqrt(span)
    shares = np.exp(scores - scores.max())
    wanted = shares @ rounded(values) / shares.sum()
    assert np.abs(out - wanted).max() < 2e-4 * np.abs(values).max()
    exact = np.exp(keys @ query / np.sqrt(span)) @ values / np.exp(keys @ query / np.sqrt(span)).sum()
    assert np.abs(out - exact).max() < 0.05, "and the bytes themselves are close to what they stand for"


@njit
def bend(numbers: int, out: int, scale: int, total: int) -> None:
    vectors.bend_group(numbers, out, scale, total)


def test_the_inner_layers_gelu_is_the_exact_one_rounded_to_bytes() -> None:
    numbers = np.linspace(-6, 6, 64, dtype=np.float32)
    made, scale, total = np.zeros(64, np.int8), np.zeros(1, np.float32), np.zeros(1, np.int32)
    bend(numbers.ctypes.data, made.ctypes.data, scale.ctypes.data, total.ctypes.data)
    exact = torch.nn.functional.gelu(torch.from_numpy(numbers).double()).numpy()
    assert np.abs(made * scale - exact).max() <= exact.max() / 127 / 2 * 1.001
    assert total[0] == made.sum(dtype=np.int64)


@njit
def draw_all(sheet: Any, logits: Any, codes: int) -> None:
    for candidate in range(sheet.grid.shape[0]):
        for book in range(sheet.grid.shape[1]):
            drawing.draw(sheet, logits, codes, candidate, book, 0)


def drawn(rows: np.ndarray, choice: Choice, *, count: int, shares: np.ndarray | None = None) -> np.ndarray:
    """That many draws from logits (rows, codes), of which each row counts as much as `shares` (rows,) says."""
    thrown = torch.rand((count, 1), generator=torch.Generator().manual_seed(3)).numpy()
    sheet = drawing.Sheet(
        grid=np.full((count, 1, 2), -1),
        fits=np.ones((1, 2), np.bool_),
        shares=np.ones((1, 1), np.float32) if shares is None else shares[:, None],
        dice=thrown,
        trouble=np.zeros(1, np.int64),
        scratch=np.zeros((1, rows.shape[1]), np.float32),
        column=0,
        inverse_temperature=np.float32(1 / choice.temperature),
        top_k=choice.top_k,
        top_p=np.float32(choice.top_p),
    )
    draw_all(sheet, np.tile(rows, (count, 1)), rows.shape[1])
    assert not sheet.trouble[0]
    return np.array(sheet.grid[:, 0, 1])


@pytest.mark.parametrize(
    "choice",
    [
        Choice(top_k=0), Choice(temperature=0.6, top_k=0), Choice(temperature=1.7, top_k=9), Choice(top_k=250),
        Choice(top_k=0, top_p=0.6), Choice(temperature=1.2, top_k=12, top_p=0.8), Choice(top_k=0, top_p=0.01),
    ],
    ids=str,
)  # fmt: skip
def test_the_kernel_draws_by_the_shares_that_decode_draws_by(choice: Choice) -> None:
    logits = (2 * np.random.default_rng(0).normal(size=(1, 24))).astype(np.float32)
    count = 20_000
    found = np.bincount(drawn(logits, choice, count=count), minlength=24)
    expected = shares_by_definition(logits[0].astype(np.float64), choice)
    assert set(np.flatnonzero(found)) <= set(np.flatnonzero(expected)), "nothing is drawn that was cut off"
    apart = np.abs(found / count - expected)
    assert (apart < 4.5 * np.sqrt(expected * (1 - expected) / count) + 1e-9).all()


def shares_by_definition(logits: np.ndarray, choice: Choice) -> np.ndarray:
    """Temperature, then top-k, then the smallest set that reaches top_p (Holtzman et al. 2020)."""
    ranked = np.argsort(-logits)
    kept = np.exp(logits[ranked] / choice.temperature)
    if choice.top_k:
        kept[choice.top_k :] = 0
    kept /= kept.sum()
    if choice.top_p:
        kept[np.cumsum(kept) - kept >= choice.top_p] = 0
    made = np.zeros(len(logits))
    made[ranked] = kept / kept.sum()
    return made


def test_the_likeliest_is_that_of_the_mixed_rows() -> None:
    rows = np.random.default_rng(5).normal(size=(3, 64)).astype(np.float32)
    shares = np.array([2.0, 1.0, -2.0], np.float32)
    assert set(drawn(rows, Choice(top_k=1), count=1, shares=shares)) == {int((shares @ rows).argmax())}


def test_as_whole_numbers_floats_keep_their_order() -> None:
    numbers = np.array([-np.inf, -3e38, -1.5, -1e-40, 0.0, 1e-40, 1.5, 3e38, np.inf], np.float32)
    whole = [int(drawing.ordered(number)) for number in numbers]
    assert whole == sorted(set(whole))


@pytest.mark.parametrize("kind", ["mono", "stereo", "melody"])
def test_the_kernel_draws_the_codes_that_its_logits_ask_for(load_tiny: Callable[[str], Any], kind: str) -> None:
    """The loop in the kernel against the loop on the host, after given frames, for two candidates in one batch."""
    loaded = load_tiny(kind)
    packed = weights_cache.rounded(loaded.model.decoder, bits=8)
    heard = Blend(condition(loaded), mixer([Prompt("a")], [], guidance=3.0, late=decode.delays(loaded.model)))
    given = torch.randint(0, 512, (2, 4 * loaded.checkpoint.channels, 11), generator=torch.Generator().manual_seed(1))

    def codes(voice: Voice) -> torch.Tensor:
        dice = [torch.Generator(), torch.Generator()]
        frames = voice.draw(heard, given, frames=FRAMES, choice=Choice(top_k=1), dice=dice)
        return torch.stack(list(frames), dim=-1)

    in_kernel, on_host = Voice(loaded.model, NativeRuntime(packed)), Voice(loaded.model, NativeRuntime(packed))
    assert in_kernel.loop is not None
    on_host.loop = None
    made = codes(in_kernel)
    assert made.shape == (2, 4 * loaded.checkpoint.channels, FRAMES - 11) and len(made.unique()) > 20
    assert torch.equal(made, codes(on_host))


def test_a_seed_says_what_the_kernel_draws_whatever_its_neighbours(load_tiny: Callable[[str], Any]) -> None:
    loaded = load_tiny("mono")
    voice = Voice(loaded.model, NativeRuntime(weights_cache.rounded(loaded.model.decoder, bits=8)))
    heard = Blend(condition(loaded), mixer([Prompt("a")], [], guidance=3.0, late=decode.delays(loaded.model)))

    def codes(*seeds: int) -> torch.Tensor:
        nothing, dice = (
            torch.zeros((len(seeds), 4, 0), dtype=torch.long),
            [torch.Generator().manual_seed(s) for s in seeds],
        )
        return torch.stack(list(voice.draw(heard, nothing, frames=FRAMES, choice=Choice(), dice=dice)), dim=-1)

    together = codes(1, 2, 1)
    assert torch.equal(together[0], together[2]) and not torch.equal(together[0], together[1])
    assert torch.equal(codes(2)[0], together[1])


def test_numbers_that_overflow_in_the_kernel_are_a_sentence(load_tiny: Callable[[str], Any]) -> None:
    loaded = load_tiny("mono")
    voice = Voice(loaded.model, NativeRuntime(weights_cache.rounded(loaded.model.decoder, bits=8)))
    heard = Blend(condition(loaded), mixer([Prompt("a")], [], guidance=float("inf"), late=decode.delays(loaded.model)))
    nothing = torch.zeros((1, 4, 0), dtype=torch.long)
    with pytest.raises(EngineError, match="overflowed"):
        list(voice.draw(heard, nothing, frames=FRAMES, choice=Choice(), dice=[torch.Generator()]))
