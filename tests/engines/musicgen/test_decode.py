"""The sampling loop against transformers' own, token by token, and its draws against the distribution they claim."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch

from studio.engines.base import EngineError
from studio.engines.musicgen import decode
from studio.engines.musicgen.decode import Choice

PROMPTS = ["sad piano waltz", "dark techno with a driving kick, 130 bpm, hypnotic and deep"]
GREEDY = {1.0: Choice(top_k=1, guidance=1.0), 3.0: Choice(top_k=1, guidance=3.0)}
FRAMES = 60


@contextmanager
def _codes_heard_by(audio_encoder: Any) -> Iterator[list[torch.Tensor]]:
    """The codes that transformers' `generate` gives its codec, each (1, batch, codebooks, frames)."""
    heard: list[torch.Tensor] = []
    stock = audio_encoder.decode

    def decode_and_tell(codes: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        heard.append(codes.clone())
        return stock(codes, *args, **kwargs)

    audio_encoder.decode = decode_and_tell
    try:
        yield heard
    finally:
        del audio_encoder.decode


def _stock_codes(loaded: Any, tokens: Any, *, guidance: float) -> torch.Tensor:
    """transformers' greedy codes for a padded batch, (batch, codebooks, frames)."""
    model = loaded.model
    late = max(decode.delays(model))
    with _codes_heard_by(model.audio_encoder) as heard:
        model.generate(**tokens, max_new_tokens=FRAMES + late, do_sample=False, guidance_scale=guidance)
    if loaded.checkpoint.channels == 1:
        return heard[0][0]
    left, right = heard
    return torch.stack([left[0], right[0]], dim=2).flatten(1, 2)


def _our_codes(loaded: Any, ids: torch.Tensor, mask: torch.Tensor, choice: Choice, **kwargs: Any) -> torch.Tensor:
    conditioning = decode.condition(loaded.model, ids, mask, guided=choice.guidance > 1)
    return torch.stack(list(decode.codes(loaded.model, conditioning, choice=choice, **kwargs)), dim=1)


@pytest.mark.parametrize("kind", ["mono", "stereo", "melody", "sharded"])
@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_greedy_codes_are_those_of_transformers(load_tiny: Callable[[str], Any], kind: str, guidance: float) -> None:
    loaded = load_tiny(kind)
    tokens = loaded.tokenizer(PROMPTS, padding=True, return_tensors="pt")
    assert tokens["attention_mask"].min() == 0, "one of the prompts must be padded"
    stock = _stock_codes(loaded, tokens, guidance=guidance)
    for row in range(len(PROMPTS)):
        ids, mask = tokens["input_ids"][row : row + 1], tokens["attention_mask"][row : row + 1]
        ours = _our_codes(loaded, ids, mask, GREEDY[guidance], frames=FRAMES)
        assert torch.equal(ours, stock[row])
    assert len(stock.unique()) > 20, "a model that repeats itself would prove nothing"


@pytest.mark.parametrize("kind", ["mono", "melody"])
@pytest.mark.parametrize(
    "choice", [Choice(), Choice(temperature=0.7, top_k=40, guidance=1.0), Choice(top_k=0, top_p=0.9, guidance=2.0)]
)
def test_drawn_codes_are_those_of_transformers_under_the_same_seed(
    load_tiny: Callable[[str], Any], kind: str, choice: Choice
) -> None:
    """Not the distribution alone: the same dice fall the same way, as both ask torch for one draw a codebook a step."""
    loaded = load_tiny(kind)
    tokens = loaded.tokenizer([PROMPTS[1]], return_tensors="pt")
    torch.manual_seed(6)
    with _codes_heard_by(loaded.model.audio_encoder) as heard:
        loaded.model.generate(
            **tokens, max_new_tokens=FRAMES + 3, do_sample=True, guidance_scale=choice.guidance,
            temperature=choice.temperature, top_k=choice.top_k, top_p=choice.top_p or 1.0,
        )  # fmt: skip
    ours, other = (
        _our_codes(loaded, tokens["input_ids"], tokens["attention_mask"], choice, frames=FRAMES, seed=seed)
        for seed in (6, 7)
    )
    assert torch.equal(ours, heard[0][0, 0]) and not torch.equal(ours, other)


def test_stereo_pairs_share_their_delay(load_tiny: Callable[[str], Any]) -> None:
    assert decode.delays(load_tiny("stereo").model) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert decode.delays(load_tiny("mono").model) == [0, 1, 2, 3]


@pytest.mark.parametrize("kind", ["mono", "stereo"])
def test_cancelling_after_n_steps_keeps_n_minus_3_frames(load_tiny: Callable[[str], Any], kind: str) -> None:
    loaded = load_tiny(kind)
    tokens = loaded.tokenizer(PROMPTS[:1], return_tensors="pt")
    whole = _our_codes(loaded, **_named(tokens), choice=Choice(), frames=FRAMES, seed=5)
    for steps in (4, 17, 40):
        asked = iter(range(1_000))
        part = _our_codes(
            loaded,
            **_named(tokens),
            choice=Choice(),
            frames=FRAMES,
            seed=5,
            cancelled=lambda asked=asked, steps=steps: next(asked) >= steps,
        )
        assert part.shape[1] == steps - 3
        assert torch.equal(part, whole[:, : steps - 3])


def test_a_stop_within_the_delay_keeps_no_frame(load_tiny: Callable[[str], Any]) -> None:
    loaded = load_tiny("mono")
    conditioning = decode.condition(loaded.model, **_inputs(loaded, PROMPTS[0]), guided=True)
    asked = iter(range(100))
    stopped = decode.codes(
        loaded.model, conditioning, frames=FRAMES, choice=Choice(), cancelled=lambda: next(asked) >= 3
    )
    assert list(stopped) == []


def test_the_seed_decides_the_codes(load_tiny: Callable[[str], Any]) -> None:
    loaded = load_tiny("mono")
    first, again, other = (
        _our_codes(loaded, **_named(_inputs(loaded, PROMPTS[0])), choice=Choice(), frames=30, seed=seed)
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_negative_prompt_steers_and_nothing_equals_no_prompt_at_all(load_tiny: Callable[[str], Any]) -> None:
    loaded = load_tiny("mono")
    wanted = _inputs(loaded, PROMPTS[0])
    unwanted = _inputs(loaded, "noisy distorted vocals, low quality")
    negative = {"negative_ids": unwanted["input_ids"], "negative_mask": unwanted["attention_mask"]}
    plain = decode.condition(loaded.model, **wanted, guided=True)
    steered = decode.condition(loaded.model, **wanted, guided=True, **negative)
    negative["negative_mask"] = torch.zeros_like(unwanted["attention_mask"])
    hidden = decode.condition(loaded.model, **wanted, guided=True, **negative)

    def greedy(conditioning: decode.Conditioning) -> torch.Tensor:
        return torch.stack(list(decode.codes(loaded.model, conditioning, frames=40, choice=GREEDY[3.0])), dim=1)

    assert not torch.equal(greedy(steered), greedy(plain))
    assert torch.equal(greedy(hidden), greedy(plain))


def test_a_negative_prompt_is_the_row_that_guidance_leaves(load_tiny: Callable[[str], Any]) -> None:
    """transformers, given the same two rows as encoder outputs, chooses the same codes."""
    from transformers.modeling_outputs import BaseModelOutput

    loaded = load_tiny("mono")
    both = loaded.tokenizer([PROMPTS[0], "noisy vocals"], padding=True, return_tensors="pt")
    with torch.inference_mode():
        hidden = loaded.model.text_encoder(**both).last_hidden_state
    with _codes_heard_by(loaded.model.audio_encoder) as heard:
        loaded.model.generate(
            inputs=both["input_ids"][:1],
            encoder_outputs=BaseModelOutput(last_hidden_state=hidden),
            attention_mask=both["attention_mask"],
            guidance_scale=3.0,
            do_sample=False,
            max_new_tokens=FRAMES + 3,
        )
    wanted, unwanted = _inputs(loaded, PROMPTS[0]), _inputs(loaded, "noisy vocals")
    conditioning = decode.condition(
        loaded.model,
        **wanted,
        guided=True,
        negative_ids=unwanted["input_ids"],
        negative_mask=unwanted["attention_mask"],
    )
    ours = torch.stack(list(decode.codes(loaded.model, conditioning, frames=FRAMES, choice=GREEDY[3.0])), dim=1)
    assert torch.equal(ours, heard[0][0, 0])


@pytest.mark.parametrize(
    "choice",
    [
        Choice(temperature=1.0, top_k=0),
        Choice(temperature=0.6, top_k=0),
        Choice(temperature=1.3, top_k=12),
        Choice(temperature=1.0, top_k=0, top_p=0.7),
        Choice(temperature=0.9, top_k=25, top_p=0.9),
    ],
)
def test_draws_follow_temperature_top_k_and_top_p(choice: Choice) -> None:
    from scipy.stats import chisquare

    logits = np.random.default_rng(3).normal(scale=1.0, size=64)
    draws = 40_000
    rows = torch.tensor(logits, dtype=torch.float32).repeat(draws, 1)
    drawn = decode.draw(rows, choice, torch.Generator().manual_seed(11)).numpy()
    counts = np.bincount(drawn, minlength=64)
    expected = _expected_probabilities(logits, choice)
    kept = expected > 0
    assert counts[~kept].sum() == 0, "a code outside top-k or top-p was drawn"
    assert kept.sum() < 64 or (choice.top_k, choice.top_p) == (0, 0.0)
    assert chisquare(counts[kept], expected[kept] * draws).pvalue > 0.001
    wrong = _expected_probabilities(logits, Choice(choice.temperature * 1.1, choice.top_k, choice.top_p))
    if (wrong > 0).sum() == kept.sum():
        assert chisquare(counts[kept], wrong[kept] * draws).pvalue < 1e-6, "the test would not see a wrong temperature"


def _expected_probabilities(logits: np.ndarray, choice: Choice) -> np.ndarray:
    """The distribution by definition, code by code, in float64."""
    weights = np.exp(logits / choice.temperature)
    order = np.argsort(-weights)
    kept = order[: choice.top_k] if choice.top_k else order
    if choice.top_p:
        shares = weights[kept] / weights[kept].sum()
        reached = next(n for n in range(1, len(kept) + 1) if shares[:n].sum() >= choice.top_p)
        kept = kept[:reached]
    probabilities = np.zeros_like(weights)
    probabilities[kept] = weights[kept] / weights[kept].sum()
    return probabilities


def test_top_k_one_takes_the_likeliest() -> None:
    logits = torch.randn(8, 100, generator=torch.Generator().manual_seed(0))
    assert torch.equal(decode.draw(logits, Choice(top_k=1), None), logits.argmax(-1))


def test_overflowing_numbers_are_a_sentence_and_not_noise(load_tiny: Callable[[str], Any]) -> None:
    loaded = load_tiny("mono")
    conditioning = decode.condition(loaded.model, **_inputs(loaded, PROMPTS[0]), guided=False)
    broken = decode.Conditioning(conditioning.states * float("inf"), conditioning.mask)
    with pytest.raises(EngineError, match="overflowed"):
        next(decode.codes(loaded.model, broken, frames=10, choice=GREEDY[1.0]))


def _inputs(loaded: Any, words: str) -> dict[str, torch.Tensor]:
    tokens = loaded.tokenizer([words], return_tensors="pt")
    return {"input_ids": tokens["input_ids"], "attention_mask": tokens["attention_mask"]}


def _named(tokens: Any) -> dict[str, torch.Tensor]:
    return {"ids": tokens["input_ids"], "mask": tokens["attention_mask"]}
