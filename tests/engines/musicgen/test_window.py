"""Windows after windows against transformers' `generate`, which is given the same codes as its prompt audio."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from agents.types import Decided
from audio.clip import Clip
from studio.engines.musicgen import decode, encoder, longform
from studio.engines.musicgen.blend import Blend, Prompt, listen
from studio.engines.musicgen.longform import Span
from studio.engines.musicgen.window import Voice
from tests.tiny_plans import make_plan

GREEDY = decode.Choice(top_k=1, guidance=3.0)
WORDS = ("sad piano waltz", "dark techno with a driving kick, 130 bpm")


def _listen(loaded: Any, guidance: float = 3.0) -> Callable[..., Blend]:
    def tokenize(words: str) -> tuple[torch.Tensor, torch.Tensor]:
        tokens = loaded.tokenizer([words], return_tensors="pt")
        return tokens["input_ids"], tokens["attention_mask"]

    return lambda prompts, first: listen(loaded.model, prompts, tokenize, guidance=guidance, first_frame=first)


def _dice(count: int, seed: int = 0) -> list[torch.Generator]:
    return longform.dice_for(seed, count)


def _draw(loaded: Any, spans: list[Span], **named: Any) -> np.ndarray:
    """(candidates, codebooks, frames)"""
    named = {"given": None, "choice": GREEDY, "dice": _dice(1)} | named
    return np.stack(list(longform.draw(Voice(loaded.model), _listen(loaded), spans, **named)), axis=-1)


def _generate(loaded: Any, words: str, given: np.ndarray, *, frames: int) -> np.ndarray:
    """transformers' greedy codes after given ones (codebooks, frames), handed over where its encoder's would be."""
    model, heard = loaded.model, []
    late = max(decode.delays(model))
    stock = model.audio_encoder.decode
    model.audio_encoder.decode = lambda codes, *a, **k: (heard.append(codes.clone()), stock(codes, *a, **k))[1]
    tokens = loaded.tokenizer([words], return_tensors="pt")
    try:
        model.generate(
            **tokens,
            **({"decoder_input_ids": torch.from_numpy(given.astype(np.int64))} if given.size else {}),
            max_new_tokens=frames + late,
            do_sample=False,
            guidance_scale=3.0,
        )
    finally:
        del model.audio_encoder.decode
    if len(heard) == 2:
        return torch.stack([heard[0][0, 0], heard[1][0, 0]], dim=1).flatten(0, 1).numpy()
    return heard[0][0, 0].numpy()


@pytest.mark.parametrize("kind", ["mono", "stereo"])
def test_what_follows_given_codes_is_what_transformers_lets_follow(load_tiny: Callable[[str], Any], kind: str) -> None:
    loaded = load_tiny(kind)
    given = np.random.default_rng(1).integers(0, 512, (4 * loaded.checkpoint.channels, 37)).astype(np.int16)
    ours = _draw(loaded, [Span(37, 77, (Prompt(WORDS[0]),))], given=given)[0]
    stock = _generate(loaded, WORDS[0], given, frames=40)
    assert np.array_equal(stock[:, :37], given), "the given codes are the prompt"
    assert np.array_equal(stock[:, 37:], ours)


def test_a_song_in_windows_is_what_transformers_makes_window_by_window(
    load_tiny: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three windows, the words changing in the middle of the second: each piece is `generate` after the last frames."""
    monkeypatch.setattr(longform, "WINDOW_FRAMES", 80)
    loaded = load_tiny("mono")
    spans = [Span(0, 110, (Prompt(WORDS[0]),)), Span(110, 170, (Prompt(WORDS[1]),))]
    ours = _draw(loaded, spans, context_frames=30)[0]
    assert ours.shape == (4, 170)
    expected = _generate(loaded, WORDS[0], np.zeros((4, 0), np.int16), frames=80)[:, :77]
    # Each window stops three frames short, but the last: 77, then to where the words change, then 47 more, then the end.
    for words, end, beyond in ((WORDS[0], 110, 3), (WORDS[1], 157, 3), (WORDS[1], 170, 0)):
        new = end - expected.shape[1]
        after = _generate(loaded, words, expected[:, -30:], frames=new + beyond)
        expected = np.concatenate([expected, after[:, 30 : 30 + new]], axis=1)
    assert np.array_equal(ours, expected)


def test_one_window_is_the_plain_loop_to_the_code(load_tiny: Callable[[str], Any]) -> None:
    loaded = load_tiny("mono")
    tokens = loaded.tokenizer([WORDS[0]], return_tensors="pt")
    heard = decode.condition(loaded.model, tokens["input_ids"], tokens["attention_mask"], guided=True)
    choice = decode.Choice(top_k=50)
    plain = torch.stack(list(decode.codes(loaded.model, heard, frames=60, choice=choice, seed=9)), dim=1)
    ours = _draw(loaded, [Span(0, 60, (Prompt(WORDS[0]),))], choice=choice, dice=_dice(1, seed=9))[0]
    assert np.array_equal(ours, plain.numpy())


def test_a_candidate_does_not_depend_on_its_neighbours(load_tiny: Callable[[str], Any]) -> None:
    loaded, choice = load_tiny("mono"), decode.Choice(top_k=100)
    spans = [Span(0, 50, (Prompt(WORDS[1]),))]
    three = _draw(loaded, spans, choice=choice, dice=_dice(3, seed=4))
    alone = _draw(loaded, spans, choice=choice, dice=_dice(3, seed=4)[1:2])
    assert np.array_equal(three[1], alone[0])
    assert len({codes.tobytes() for codes in three}) == 3


def test_surprise_is_the_likelihood_by_definition_and_knows_what_belongs(load_tiny: Callable[[str], Any]) -> None:
    loaded = load_tiny("mono")
    voice, prompts = Voice(loaded.model), [Prompt(WORDS[0])]
    heard = _listen(loaded, guidance=1.0)(prompts, 0)
    own = _draw(loaded, [Span(0, 60, tuple(prompts))], choice=decode.Choice(top_k=5))
    other = np.random.default_rng(0).integers(0, 512, own.shape)
    other[..., :40] = own[..., :40]
    codes = torch.from_numpy(np.concatenate([own, other]).astype(np.int64))
    nats = voice.surprise(heard, codes, first_frame=40)
    assert nats[0] < nats[1] - 0.3
    # By definition, one step at a time, through the cache.
    total, late = 0.0, voice.late
    voice._begin(heard, candidates=1, steps=63)
    grid = voice._delayed(codes[:1], frames=60)
    for step in range(63):
        likely = voice._feed(heard, grid[..., step : step + 1])[0, 0, 0].log_softmax(-1)
        for book, delay in enumerate(late):
            if 40 <= step - delay < 60:
                total -= float(likely[book, codes[0, book, step - delay]])
    assert float(nats[0]) == pytest.approx(total / (4 * 20), abs=1e-4)


@pytest.mark.parametrize("kind", ["mono", "stereo"])
def test_sound_becomes_the_codes_that_transformers_hears(load_tiny: Callable[[str], Any], kind: str) -> None:
    loaded = load_tiny(kind)
    channels, codec = loaded.checkpoint.channels, loaded.model.audio_encoder
    sound = np.random.default_rng(2).normal(0, 0.2, (channels, 32_000 * 2 + 321)).astype(np.float32)
    ours = encoder.encode(codec, Clip(sound, 32_000), channels=channels)
    with torch.inference_mode():
        stock = [codec.encode(torch.from_numpy(row)[None, None]).audio_codes[0, 0] for row in sound]
    assert np.array_equal(ours, torch.stack(stock, dim=1).flatten(0, 1).numpy())


def test_long_sound_is_encoded_in_pieces_as_if_at_once(
    load_tiny: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    codec = load_tiny("mono").model.audio_encoder
    sound = Clip(np.random.default_rng(3).normal(0, 0.2, (1, 32_000 * 5 + 100)).astype(np.float32), 32_000)
    at_once = encoder.encode(codec, sound, channels=1)
    monkeypatch.setattr(encoder, "PIECE_SECONDS", 1)
    pieces = encoder.encode(codec, sound, channels=1)
    assert at_once.shape == (4, 251)
    assert (at_once != pieces).mean() < 1e-3, "a float's rounding may turn one code in a thousand, no more"


def test_any_sound_is_heard_whatever_its_rate_and_channels(load_tiny: Callable[[str], Any]) -> None:
    codec = load_tiny("mono").model.audio_encoder
    surround = np.random.default_rng(4).normal(0, 0.1, (6, 96_000)).astype(np.float32)
    assert encoder.encode(codec, Clip(surround, 96_000), channels=1).shape == (4, 50)
    fitted = encoder.fitted(Clip(surround, 96_000), sample_rate_hz=44_100, channels=2)
    assert fitted.samples.shape == (2, 44_100)


# ------------------------------------------------------------------------------------------------ a plan's words


def test_a_song_longer_than_a_window_turns_at_the_bar_line() -> None:
    plan = make_plan(seconds=40.0)
    first = plan.sections[0].model_copy(update={"bars": Decided(value=25), "prompt": Decided(value="calm")})
    second = first.model_copy(update={"bars": Decided(value=15), "prompt": Decided(value="loud"), "morph_bars": 2})
    turning = plan.model_copy(update={"sections": [first, second.model_copy(update={"morph_bars": 0})]})
    spans = longform.spans_of(turning, frames=2_000)
    assert [(span.start_frame, span.end_frame, span.prompts[0].words) for span in spans] == [
        (0, 1_250, "calm"),
        (1_250, 2_000, "loud"),
    ]
    morphing = plan.model_copy(update={"sections": [first, second]})
    spans = longform.spans_of(morphing, frames=2_000)
    assert [(span.start_frame, span.end_frame) for span in spans] == [(0, 1_150), (1_150, 1_250), (1_250, 2_000)]
    leaving, coming = spans[1].prompts
    frames = np.array([1_150, 1_200, 1_250])
    assert np.allclose(leaving.weights(frames), [1, 0.5, 0]) and np.allclose(coming.weights(frames), [0, 0.5, 1])


def test_a_short_plan_is_one_window_unless_its_sections_were_written() -> None:
    plan = make_plan(seconds=20.0, prompt="a waltz")
    plan.sections[0].prompt = Decided(value="a march")
    assert longform.spans_of(plan, frames=1_000)[0].prompts[0].words == "a waltz"
    plan.sections[0].prompt = Decided(value="a march", by="asked")
    assert longform.spans_of(plan, frames=1_000)[0].prompts[0].words == "a march"


def test_the_tempo_is_asked_in_words_once() -> None:
    plan = make_plan()
    assert longform.with_tempo("a waltz", plan) == "a waltz", "nobody decided on this tempo"
    plan.tempo_bpm = Decided(value=93.0, by="asked")
    assert longform.with_tempo("a waltz", plan) == "a waltz, 93 bpm"
    assert longform.with_tempo("a waltz at 93 BPM", plan) == "a waltz at 93 BPM"
    assert longform.with_tempo("", plan) == "93 bpm"
