"""Decoding on 8 and 4 bits: how far it strays from float32, that it is the same however it is split, and its cache."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from studio.engines.musicgen import decode, instructions, vectors, weights_cache
from studio.engines.musicgen.decode import Conditioning
from studio.engines.musicgen.divergence import Divergence, diverge
from studio.engines.musicgen.runtime_native import Crew, NativeRuntime
from studio.engines.musicgen.runtime_torch import TorchRuntime

STEPS = 60
KINDS = ["mono", "stereo", "melody"]
LARGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
THP = LARGE_PAGES.read_text() if LARGE_PAGES.exists() else "[never]"


def packed_of(loaded: Any, *, bits: int = 8) -> weights_cache.Packed:
    return weights_cache.rounded(loaded.model.decoder, bits=bits)


def condition(loaded: Any, *, guided: bool = True, words: str = "sad piano waltz") -> Conditioning:
    tokens = loaded.tokenizer([words], return_tensors="pt")
    return decode.condition(loaded.model, tokens["input_ids"], tokens["attention_mask"], guided=guided)


def columns_for(loaded: Any, *, count: int = STEPS, seed: int = 0) -> torch.Tensor:
    books = 4 * loaded.checkpoint.channels
    return torch.randint(0, loaded.checkpoint.codes, (books, count), generator=torch.Generator().manual_seed(seed))


def one_by_one(runtime: Any, conditioning: Conditioning, columns: torch.Tensor) -> torch.Tensor:
    runtime.begin(conditioning, steps=columns.shape[-1])
    return torch.cat([runtime.feed(columns[..., at : at + 1]) for at in range(columns.shape[-1])], dim=1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("bits", "most_nats", "least_agreement"), [(8, 0.01, 0.9), (4, 0.4, 0.55)])
def test_rounded_weights_choose_nearly_what_float32_chooses(
    load_tiny: Callable[[str], Any], kind: str, bits: int, most_nats: float, least_agreement: float
) -> None:
    loaded = load_tiny(kind)
    found: Divergence = diverge(
        TorchRuntime(loaded.model),
        NativeRuntime(packed_of(loaded, bits=bits)),
        condition(loaded),
        columns_for(loaded),
        guidance=3.0,
    )
    assert 0 < found.nats < most_nats
    assert found.agreement >= least_agreement


def test_four_bits_stray_farther_than_eight(load_tiny: Callable[[str], Any]) -> None:
    loaded = load_tiny("mono")
    exact, conditioning, columns = TorchRuntime(loaded.model), condition(loaded), columns_for(loaded)
    eight, four = (
        diverge(exact, NativeRuntime(packed_of(loaded, bits=bits)), conditioning, columns, guidance=3.0).nats
        for bits in (8, 4)
    )
    assert four > 5 * eight
    assert diverge(exact, TorchRuntime(loaded.model), conditioning, columns, guidance=3.0).nats < 1e-9


@pytest.mark.parametrize("kind", KINDS)
def test_threads_and_portions_do_not_change_a_bit(load_tiny: Callable[[str], Any], kind: str) -> None:
    loaded = load_tiny(kind)
    packed, conditioning, columns = packed_of(loaded), condition(loaded), columns_for(loaded)
    alone = one_by_one(NativeRuntime(packed, threads=1), conditioning, columns)
    for threads in (2, 3):
        together = NativeRuntime(packed, threads=threads)
        assert torch.equal(one_by_one(together, conditioning, columns), alone)
        together.begin(conditioning, steps=STEPS)
        assert torch.equal(together.feed(columns, told=4), alone[:, -4:])


def test_as_many_threads_work_as_are_fastest_just_now() -> None:
    crew = Crew(8)

    def work(steps: int, fastest: int) -> list[int]:
        sizes = []
        for _ in range(steps):
            sizes.append(crew.size())
            crew.tell(sizes[-1], 1.0 + abs(sizes[-1] - fastest))
        return sizes

    assert work(30, fastest=8) == [8] * 30 and set(work(300, fastest=8)) == {8, 4}
    assert work(3000, fastest=1)[-30:].count(1) >= 27, "other programs took the cores"
    assert work(3000, fastest=4)[-30:].count(4) >= 27, "and gave some back"
    assert set(Crew(1)._sizes) == {1} and Crew(6)._sizes == [1, 3, 6]


def test_more_rows_than_fit_one_call_are_each_as_if_alone(load_tiny: Callable[[str], Any]) -> None:
    """Candidates share a pass: 20 pairs of rows with codes of their own, of which every other row is silent."""
    loaded = load_tiny("mono")
    packed, pair = packed_of(loaded), condition(loaded)
    assert pair.mask is not None
    many = Conditioning(pair.states.repeat(20, 1, 1), pair.mask.repeat(20, 1))
    columns = torch.stack([columns_for(loaded, count=5, seed=seed) for seed in range(20)])
    runtime = NativeRuntime(packed)
    runtime.begin(many, steps=5)
    logits = runtime.feed(columns.repeat_interleave(2, dim=0), told=2)
    assert logits.shape == (40, 2, 4, 512)
    for candidate in (0, 7, 19):
        runtime.begin(pair, steps=5)
        assert torch.equal(runtime.feed(columns[candidate], told=2), logits[2 * candidate : 2 * candidate + 2])


def test_a_take_does_not_hear_the_one_before(load_tiny: Callable[[str], Any]) -> None:
    loaded = load_tiny("mono")
    runtime, conditioning, columns = NativeRuntime(packed_of(loaded)), condition(loaded), columns_for(loaded)
    first = one_by_one(runtime, conditioning, columns)
    other = one_by_one(runtime, condition(loaded, words="dark techno with a driving kick"), columns)
    assert not torch.equal(first, other)
    assert torch.equal(one_by_one(runtime, conditioning, columns), first)


@pytest.mark.parametrize("kind", KINDS)
def test_a_runtime_warmed_up_plays_as_a_fresh_one(load_tiny: Callable[[str], Any], kind: str) -> None:
    loaded = load_tiny(kind)
    fresh, warm = NativeRuntime(packed_of(loaded)), NativeRuntime(packed_of(loaded))
    warm.warm()
    conditioning, columns = condition(loaded), columns_for(loaded, count=5)
    assert torch.equal(one_by_one(warm, conditioning, columns), one_by_one(fresh, conditioning, columns))


def test_padding_is_not_heard(load_tiny: Callable[[str], Any]) -> None:
    loaded = load_tiny("mono")
    runtime, whole, columns = NativeRuntime(packed_of(loaded)), condition(loaded), columns_for(loaded, count=8)
    assert whole.mask is not None
    noise = torch.randn(2, 6, whole.states.shape[-1], generator=torch.Generator().manual_seed(1))
    padded = Conditioning(
        torch.cat([whole.states, noise], dim=1), torch.cat([whole.mask, torch.zeros(2, 6, dtype=torch.long)], dim=1)
    )
    assert torch.equal(one_by_one(runtime, padded, columns), one_by_one(runtime, whole, columns))


def test_a_take_may_not_outgrow_its_room(load_tiny: Callable[[str], Any]) -> None:
    loaded = load_tiny("mono")
    runtime = NativeRuntime(packed_of(loaded))
    runtime.begin(condition(loaded), steps=3)
    with pytest.raises(ValueError, match="room for 3"):
        runtime.feed(columns_for(loaded, count=4))


@pytest.mark.parametrize("way", ["avx512vnni", "avxvnni", "avx2", "plain"])
@pytest.mark.parametrize("bits", [8, 4])
def test_every_way_of_multiplying_bytes_gives_the_same_sums(
    way: str, bits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from numba import njit
    from numba.core.registry import cpu_target

    features = cpu_target.target_context.codegen()._tm_features
    if way != "plain" and f"+{way}" not in features.split(","):
        pytest.skip(f"this processor has no {way}")
    monkeypatch.setattr(instructions, "byte_products", lambda features: way)
    multiply = vectors.make_multiply(rows=2, bits=bits)

    @njit
    def run(w: int, s: int, groups: int, x: int, xs: int, z: int, y: int, stride: int) -> None:
        multiply(w, s, groups, x, xs, z, y, stride)

    dice = np.random.default_rng(0)
    weight = dice.normal(size=(64, 128)).astype(np.float32)
    rounding = weights_cache.round_to_8_bits if bits == 8 else weights_cache.round_to_4_bits
    packed, scales = rounding(weight)
    inputs = dice.integers(-127, 128, (2, 128)).astype(np.int8)
    input_scales = dice.random((2, 2)).astype(np.float32)
    sums = inputs.reshape(2, 2, 64).sum(-1, dtype=np.int32)
    out = np.zeros((2, 64), np.float32)
    run(packed.ctypes.data, scales.ctypes.data, 2, inputs.ctypes.data, input_scales.ctypes.data, sums.ctypes.data, out.ctypes.data, 64)  # fmt: skip
    expected = (inputs.reshape(2, 2, 64) * input_scales[..., None]).reshape(2, 128) @ unpacked(packed, scales, bits).T
    assert np.abs(out - expected).max() < 1e-5 * np.abs(expected).max()


def unpacked(packed: np.ndarray, scales: np.ndarray, bits: int) -> np.ndarray:
    """The numbers that rounded weights of one block stand for, (64, inputs), by definition."""
    if bits == 8:
        return (packed[0].transpose(1, 0, 2).reshape(64, -1).astype(np.float64) - 128) * scales[:, None]
    halves = np.stack([packed[0] & 15, packed[0] >> 4], axis=2)  # (inputs / 8, 64, 2, 4)
    whole = halves.transpose(1, 0, 2, 3).reshape(64, -1, 64).astype(np.float64) - 8
    return (whole * scales[0].T[..., None]).reshape(64, -1)


@pytest.mark.parametrize(("bits", "steps"), [(8, 254), (4, 15)])
def test_rounding_errs_by_half_a_step_at_most(bits: int, steps: int) -> None:
    weight = np.random.default_rng(1).normal(size=(64, 192)).astype(np.float32)
    weight[3] = 0.0
    if bits == 8:
        error = np.abs(unpacked(*weights_cache.round_to_8_bits(weight), bits) - weight)
        step = 2 * np.abs(weight).max(axis=1, keepdims=True) / steps
        assert (error <= step / 2 + 1e-6).all()
    else:
        error = np.abs(unpacked(*weights_cache.round_to_4_bits(weight), bits) - weight).reshape(64, 3, 64)
        step = 2 * np.abs(weight.reshape(64, 3, 64)).max(axis=-1, keepdims=True) / (steps + 1)
        assert (error <= step + 1e-6).all() and (error <= step / 2 + 1e-6).mean() > 0.95, "one end is cut by a step"
    assert (error[3] == 0).all()


def test_weights_are_converted_once_and_read_from_beside_the_model(
    load_tiny: Callable[[str], Any], tmp_path: Path
) -> None:
    loaded, told = load_tiny("mono"), list[float]()
    path = weights_cache.path_of(tmp_path, bits=8)
    assert weights_cache.read(path, made_from="sum") is None
    made = weights_cache.convert(loaded.model.decoder, path, bits=8, made_from="sum", progress=told.append)
    assert told == sorted(told) and told[-1] == 1.0
    assert [file.name for file in tmp_path.iterdir()] == [".studio-int8.weights"], "no draft is left behind"
    again = weights_cache.read(path, made_from="sum")
    assert again is not None
    for name, array in made.arrays.items():
        assert np.array_equal(array, again.arrays[name])
    assert not again.arrays["heads"].flags.writeable, "mapped, not copied"
    conditioning, columns = condition(loaded), columns_for(loaded, count=4)
    fresh = one_by_one(NativeRuntime(packed_of(loaded)), conditioning, columns)
    assert torch.equal(one_by_one(NativeRuntime(again), conditioning, columns), fresh)


@pytest.mark.skipif(
    "never" in THP.split("[")[-1][:5], reason="this system has no large pages for memory of a program's own"
)
def test_weights_lie_in_pages_of_two_megabytes() -> None:
    """A pass over all weights is bound by memory, and takes half as long again in small pages."""
    matrix = np.ones((8 << 20,), np.uint8)
    moved = weights_cache._together({"heads": matrix, "heads.scales": np.ones(64, np.float32)})
    assert np.array_equal(moved["heads"], matrix) and moved["heads.scales"].dtype == np.float32
    assert all(array.ctypes.data % 64 == 0 for array in moved.values())
    place = moved["heads"].ctypes.data
    for region in re.split(r"\n(?=[0-9a-f]+-[0-9a-f]+ )", Path("/proc/self/smaps").read_text()):
        start, end = (int(number, 16) for number in region.split()[0].split("-"))
        if start <= place < end:
            large = int(re.search(r"AnonHugePages: +(\d+)", region)[1])  # type: ignore[index]
            assert large >= 4096, "in kilobytes"
            return
    raise AssertionError("the weights are nowhere in memory")


def test_what_is_beside_the_model_is_refused_when_old_or_damaged(
    load_tiny: Callable[[str], Any], tmp_path: Path
) -> None:
    path = weights_cache.path_of(tmp_path, bits=4)
    weights_cache.convert(load_tiny("mono").model.decoder, path, bits=4, made_from="sum")
    whole = path.read_bytes()
    assert weights_cache.read(path, made_from="another sum") is None
    for damaged in (whole[:-1], whole[:100], b"", whole + b"x", b"\xff" * 64, (5).to_bytes(8, "little") + b"[1,2]" * 9):
        path.write_bytes(damaged)
        assert weights_cache.read(path, made_from="sum") is None
    length = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + length]) | {"version": 0}
    path.write_bytes(len(json.dumps(header)).to_bytes(8, "little") + json.dumps(header).encode())
    assert weights_cache.read(path, made_from="sum") is None


def test_a_folder_one_may_not_write_to_still_plays(load_tiny: Callable[[str], Any], tmp_path: Path) -> None:
    loaded = load_tiny("mono")
    nowhere = tmp_path / "missing" / "model"
    packed = weights_cache.convert(loaded.model.decoder, nowhere, bits=8, made_from="sum")
    assert not nowhere.exists()
    assert one_by_one(NativeRuntime(packed), condition(loaded), columns_for(loaded, count=2)).isfinite().all()
