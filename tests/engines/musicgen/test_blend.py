"""Several prompts at once: plain guidance to the bit when there is but one, and what weights and moves then change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from studio.engines.base import EngineError
from studio.engines.musicgen import decode
from studio.engines.musicgen.blend import MOST_PROMPTS, Blend, Prompt, check_prompts, listen, morph
from studio.engines.musicgen.decode import Choice

PIANO, TECHNO, NOISE = "sad piano waltz", "dark techno with a driving kick", "noisy distorted vocals"
FRAMES = 48
GREEDY = Choice(top_k=1, guidance=3.0)


def _tokenizer(loaded: Any) -> Callable[[str], Any]:
    def tokenize(words: str) -> Any:
        tokens = loaded.tokenizer([words], return_tensors="pt")
        return tokens["input_ids"], tokens["attention_mask"]

    return tokenize


def _blended(loaded: Any, *prompts: Prompt, choice: Choice = GREEDY, **kwargs: Any) -> torch.Tensor:
    blend = listen(loaded.model, prompts, _tokenizer(loaded), guidance=choice.guidance, **kwargs)
    return _codes(loaded, blend, choice)


def _codes(loaded: Any, blend: Blend, choice: Choice) -> torch.Tensor:
    drawn = decode.codes(loaded.model, blend.conditioning, frames=FRAMES, choice=choice, seed=7, combine=blend.combine)
    return torch.stack(list(drawn), dim=1)


def _plain(loaded: Any, words: str, *, negative: str = "", choice: Choice = GREEDY) -> torch.Tensor:
    ids, mask = _tokenizer(loaded)(words)
    away = _tokenizer(loaded)(negative) if negative else (None, None)
    conditioning = decode.condition(
        loaded.model, ids, mask, guided=choice.guidance > 1, negative_ids=away[0], negative_mask=away[1]
    )
    return torch.stack(list(decode.codes(loaded.model, conditioning, frames=FRAMES, choice=choice, seed=7)), dim=1)


@pytest.mark.parametrize("kind", ["mono", "stereo", "melody"])
@pytest.mark.parametrize("choice", [GREEDY, Choice(), Choice(top_k=1, guidance=1.0)])
def test_one_prompt_is_plain_guidance_to_the_bit(load_tiny: Callable[[str], Any], kind: str, choice: Choice) -> None:
    loaded = load_tiny(kind)
    assert torch.equal(_blended(loaded, Prompt(PIANO), choice=choice), _plain(loaded, PIANO, choice=choice))


def test_an_unwanted_prompt_is_the_negative_prompt(load_tiny: Callable[[str], Any]) -> None:
    loaded = load_tiny("mono")
    negative = _plain(loaded, PIANO, negative=NOISE)
    assert torch.equal(_blended(loaded, Prompt(PIANO), Prompt(NOISE, -1.0)), negative)
    assert not torch.equal(negative, _plain(loaded, PIANO))


def test_an_unwanted_prompt_counts_as_far_as_it_weighs(load_tiny: Callable[[str], Any]) -> None:
    loaded = load_tiny("mono")
    slight = _blended(loaded, Prompt(PIANO), Prompt(NOISE, -0.3))
    assert not torch.equal(slight, _plain(loaded, PIANO, negative=NOISE))
    assert not torch.equal(slight, _plain(loaded, PIANO))


def test_a_prompt_without_weight_is_not_heard(load_tiny: Callable[[str], Any]) -> None:
    loaded = load_tiny("mono")
    assert torch.equal(_blended(loaded, Prompt(PIANO), Prompt(TECHNO, 0.0)), _plain(loaded, PIANO))


def test_the_same_prompt_twice_is_that_prompt(load_tiny: Callable[[str], Any]) -> None:
    loaded = load_tiny("stereo")
    assert torch.equal(_blended(loaded, Prompt(PIANO, 0.4), Prompt(PIANO, 2.6)), _plain(loaded, PIANO))


def test_the_heavier_prompt_is_the_more_heard(load_tiny: Callable[[str], Any]) -> None:
    """The logits of the blend lie nearer to the heavier prompt's, in step with the weights."""
    loaded = load_tiny("mono")
    column = torch.full((4,), decode.start_token(loaded.model))

    def logits(*prompts: Prompt) -> torch.Tensor:
        blend = listen(loaded.model, prompts, _tokenizer(loaded), guidance=3.0)
        return decode._Run(loaded.model, blend.conditioning, steps=4, guidance=3.0, combine=blend.combine).step(column)

    piano, techno = logits(Prompt(PIANO)), logits(Prompt(TECHNO))
    for weight in (0.1, 0.5, 0.9):
        mixed = logits(Prompt(PIANO, weight), Prompt(TECHNO, 1 - weight))
        torch.testing.assert_close(mixed, weight * piano + (1 - weight) * techno, rtol=1e-4, atol=1e-4)


def test_a_morph_begins_as_the_first_prompt_and_ends_as_the_second(load_tiny: Callable[[str], Any]) -> None:
    loaded = load_tiny("mono")
    away_and_back = _blended(loaded, *morph(PIANO, TECHNO, start_frame=20, end_frame=30))
    piano = _plain(loaded, PIANO)
    assert torch.equal(away_and_back[:, :20], piano[:, :20]), "until the morph begins nothing has changed"
    assert not torch.equal(away_and_back[:, 20:], piano[:, 20:])
    later = _blended(loaded, *morph(PIANO, TECHNO, start_frame=20, end_frame=30), first_frame=30)
    assert torch.equal(later, _plain(loaded, TECHNO)), "a window past the morph hears the second alone"


def test_every_codebook_is_weighed_by_the_frame_it_decides(load_tiny: Callable[[str], Any]) -> None:
    """At a hard cut all four codebooks of a frame change prompt together, though they are drawn at four steps."""
    loaded = load_tiny("mono")
    blend = listen(loaded.model, morph(PIANO, TECHNO, start_frame=9, end_frame=10), _tokenizer(loaded), guidance=1.0)
    rows = torch.stack([torch.zeros(4, 5), torch.ones(4, 5)])
    assert [blend.combine(rows, step)[:, 0].tolist() for step in (9, 10, 12, 13)] == [
        [0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("prompts", "sentence"),
    [
        ([], "no prompt to play"),
        ([Prompt(NOISE, -1.0)], "no prompt to play"),
        ([Prompt(PIANO)] * 50, f"50 prompts are too many to blend: keep the {MOST_PROMPTS}"),
        ([Prompt(PIANO, 0.0)], "all wanted prompts weigh 0"),
        ([Prompt(PIANO, keyframes=((0, 1.0), (50, 0.0)))], "all wanted prompts weigh 0"),
        ([Prompt(PIANO), Prompt(TECHNO, keyframes=((0, 1.0), (50, -1.0)))], "write it twice"),
        ([Prompt(PIANO), Prompt(TECHNO, keyframes=((50, 1.0), (0, 0.0)))], "forward in time"),
    ],
)
def test_what_cannot_be_blended_is_a_sentence(prompts: list[Prompt], sentence: str) -> None:
    with pytest.raises(EngineError, match=sentence):
        check_prompts(prompts)


def test_eight_prompts_play(load_tiny: Callable[[str], Any]) -> None:
    loaded = load_tiny("mono")
    words = [PIANO, TECHNO, "bright acoustic folk", "rain", "strings", "hand claps"]
    prompts = [*(Prompt(each) for each in words), Prompt(NOISE, -1.0), Prompt("off beat", -0.5)]
    assert len(prompts) == MOST_PROMPTS
    assert _blended(loaded, *prompts).shape == (4, FRAMES)
