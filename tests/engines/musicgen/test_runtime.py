"""The runtimes that play in the model's own format, against transformers' `generate` and its decoder, token by token."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch

from studio.engines.base import EngineError, Repaint, Sampling, Source
from studio.engines.musicgen import decode
from studio.engines.musicgen import runtime as runtimes
from studio.engines.musicgen.blend import Blend, Prompt, listen, morph
from studio.engines.musicgen.decode import Choice, Conditioning
from studio.engines.musicgen.device_loop import DeviceLoop, race
from studio.engines.musicgen.runtime import bits_for, open_runtime
from studio.engines.musicgen.runtime_cuda import GraphRuntime
from studio.engines.musicgen.runtime_torch import TorchRuntime
from studio.engines.musicgen.window import ModelRuntime, Voice
from tests.engines.musicgen.test_engine import Audience, _engine
from tests.tiny_plans import make_plan

PROMPTS = ["sad piano waltz", "dark techno with a driving kick, 130 bpm, hypnotic and deep"]
FRAMES = 70
KINDS = ["mono", "stereo", "melody"]


def greedy(guidance: float) -> Choice:
    return Choice(top_k=1, guidance=guidance)


def condition(loaded: Any, *, guidance: float, row: int = 0, padded_with: int = 1) -> Conditioning:
    """The prompt of that row, padded to the length of both together."""
    tokens = loaded.tokenizer(PROMPTS[: padded_with + 1], padding=True, return_tensors="pt")
    ids, mask = tokens["input_ids"][row : row + 1], tokens["attention_mask"][row : row + 1]
    return decode.condition(loaded.model, ids, mask, guided=guidance > 1)


def voiced(runtime: Any, loaded: Any, conditioning: Conditioning, *, guidance: float) -> torch.Tensor:
    """Greedy codes (codebooks, frames), drawn on the host."""
    voice = Voice(loaded.model, runtime)
    nothing = torch.zeros((1, voice.codebooks, 0), dtype=torch.long)

    def combine(logits: torch.Tensor, step: int) -> torch.Tensor:
        return logits[0] if len(logits) == 1 else logits[1] + (logits[0] - logits[1]) * guidance

    heard = Blend(conditioning, combine)
    drawn = voice.draw(heard, nothing, frames=FRAMES, choice=greedy(guidance), dice=[torch.Generator()])
    return torch.stack([frame[0] for frame in drawn], dim=1)


def looped(loaded: Any, conditioning: Conditioning, choice: Choice, **wishes: Any) -> torch.Tensor:
    """Codes (codebooks, frames), drawn on the device."""
    loop = DeviceLoop(
        GraphRuntime(loaded.model), late=decode.delays(loaded.model), start_token=decode.start_token(loaded.model)
    )
    return torch.stack(list(loop.frames(conditioning, **{"frames": FRAMES, "choice": choice} | wishes)), dim=1)


@contextmanager
def heard_by_codec(audio_encoder: Any) -> Iterator[list[torch.Tensor]]:
    """The codes that transformers' `generate` gives its codec."""
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


def generated(loaded: Any, *, guidance: float) -> torch.Tensor:
    """transformers' greedy codes for both prompts, the shorter one padded: (prompts, codebooks, frames)."""
    tokens = loaded.tokenizer(PROMPTS, padding=True, return_tensors="pt")
    assert tokens["attention_mask"].min() == 0, "one of the prompts must be padded"
    with heard_by_codec(loaded.model.audio_encoder) as heard:
        loaded.model.generate(
            **tokens, max_new_tokens=FRAMES + max(decode.delays(loaded.model)), do_sample=False, guidance_scale=guidance
        )
    if loaded.checkpoint.channels == 1:
        return heard[0][0]
    return torch.stack([heard[0][0], heard[1][0]], dim=2).flatten(1, 2)


@pytest.mark.parametrize("guidance", [1.0, 3.0])
@pytest.mark.parametrize("kind", KINDS)
def test_greedy_codes_are_those_of_transformers_generate(
    load_tiny: Callable[[str], Any], kind: str, guidance: float
) -> None:
    loaded = load_tiny(kind)
    stock = generated(loaded, guidance=guidance)
    assert len(stock.unique()) > 20, "a model that repeats itself would prove nothing"
    for row in range(len(PROMPTS)):
        conditioning = condition(loaded, guidance=guidance, row=row)
        for runtime in (TorchRuntime(loaded.model), GraphRuntime(loaded.model)):
            assert torch.equal(voiced(runtime, loaded, conditioning, guidance=guidance), stock[row])
        assert torch.equal(looped(loaded, conditioning, greedy(guidance)), stock[row])


@pytest.mark.parametrize("kind", KINDS)
def test_a_negative_prompt_is_heard_as_transformers_hears_it(load_tiny: Callable[[str], Any], kind: str) -> None:
    loaded = load_tiny(kind)
    wanted, unwanted = (
        loaded.tokenizer([words], return_tensors="pt") for words in (PROMPTS[0], "noisy vocals, off beat")
    )
    steered = decode.condition(
        loaded.model,
        wanted["input_ids"],
        wanted["attention_mask"],
        guided=True,
        negative_ids=unwanted["input_ids"],
        negative_mask=unwanted["attention_mask"],
    )
    stock = voiced(ModelRuntime(loaded.model), loaded, steered, guidance=3.0)
    assert torch.equal(voiced(TorchRuntime(loaded.model), loaded, steered, guidance=3.0), stock)
    assert torch.equal(looped(loaded, steered, greedy(3.0)), stock)
    plain = condition(loaded, guidance=3.0, padded_with=0)
    assert not torch.equal(looped(loaded, plain, greedy(3.0)), stock)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_heard_at_once_is_heard_as_column_by_column(load_tiny: Callable[[str], Any], kind: str) -> None:
    """Prompt audio is fed in one pass, longer than one chunk; what may follow is the same to float32's last digits."""
    loaded = load_tiny(kind)
    conditioning = condition(loaded, guidance=3.0)
    columns = torch.randint(0, 512, (4 * loaded.checkpoint.channels, 300), generator=torch.Generator().manual_seed(0))
    slow, fast = TorchRuntime(loaded.model), TorchRuntime(loaded.model)
    slow.begin(conditioning, steps=300)
    fast.begin(conditioning, steps=300)
    one_by_one = torch.cat([slow.feed(columns[:, at : at + 1]) for at in range(300)], dim=1)[:, -5:]
    assert (fast.feed(columns, told=5) - one_by_one).abs().max() < 2e-5
    stock = ModelRuntime(loaded.model)
    stock.begin(conditioning, steps=300)
    assert (stock.feed(columns, told=5) - one_by_one).abs().max() < 2e-5


def test_a_silent_row_costs_no_cross_attention_and_loses_nothing(load_tiny: Callable[[str], Any]) -> None:
    loaded = load_tiny("mono")
    conditioning = condition(loaded, guidance=3.0)
    runtime, stock = TorchRuntime(loaded.model), ModelRuntime(loaded.model)
    for each in (runtime, stock):
        each.begin(conditioning, steps=10)
    assert runtime.words is not None and runtime.words.rows.tolist() == [0]
    columns = torch.full((4, 1), 7)
    assert (runtime.feed(columns) - stock.feed(columns)).abs().max() < 1e-5


def test_weights_changed_in_the_model_are_heard(load_tiny: Callable[[str], Any], checkpoint_folder: Any) -> None:
    """Adapters are merged into the model's weights; the runtime shares them."""
    from studio.engines.musicgen.checkpoint import inspect
    from studio.engines.musicgen.load import load

    model = load(inspect(checkpoint_folder("mono")), device="cpu").model
    conditioning = condition(load_tiny("mono"), guidance=1.0)
    runtime = TorchRuntime(model)

    def follow() -> torch.Tensor:
        runtime.begin(conditioning, steps=2)
        return runtime.feed(torch.full((4, 1), 3))

    before = follow()
    for weight in (model.decoder.model.decoder.layers[1].self_attn.v_proj.weight, model.decoder.lm_heads[2].weight):
        kept = weight.detach().clone()
        with torch.no_grad():
            weight.mul_(1.5)
        assert not torch.equal(follow(), before)
        with torch.no_grad():
            weight.copy_(kept)
        assert torch.equal(follow(), before)
    again = TorchRuntime(model)
    assert again.told.data_ptr() == runtime.told.data_ptr(), "joined once, not copied anew"


def test_drawing_on_the_device_is_decided_by_the_seed_and_stops_when_told(load_tiny: Callable[[str], Any]) -> None:
    loaded = load_tiny("stereo")
    conditioning = condition(loaded, guidance=3.0)
    first, again, other = (looped(loaded, conditioning, Choice(), seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    asked = iter(range(100))
    part = looped(loaded, conditioning, Choice(), seed=1, cancelled=lambda: next(asked) >= 2)
    assert part.shape[1] == 50 and torch.equal(part, first[:, :50])


@pytest.mark.parametrize("kind", KINDS)
def test_the_device_draws_what_the_host_draws_after_given_codes_for_candidates_and_blends(
    load_tiny: Callable[[str], Any], kind: str
) -> None:
    """Greedy choices, so that dice do not matter: a morph and an unwanted prompt, two candidates with pasts of their own."""
    loaded = load_tiny(kind)
    prompts = [*morph(PROMPTS[0], PROMPTS[1], start_frame=25, end_frame=40), Prompt("noisy vocals", -0.5)]
    heard = listen(
        loaded.model,
        prompts,
        lambda words: tuple(loaded.tokenizer([words], return_tensors="pt").values()),
        guidance=2.5,
    )
    voice = Voice(loaded.model, GraphRuntime(loaded.model))
    assert voice.loop is None, "on the processor the host draws"
    given = torch.randint(0, 512, (2, voice.codebooks, 20), generator=torch.Generator().manual_seed(2))
    drawn = []
    for loop in (None, DeviceLoop(GraphRuntime(loaded.model), late=voice.late, start_token=voice.start_token)):
        voice.loop, dice = loop, [torch.Generator(), torch.Generator()]
        frames = voice.draw(heard, given, frames=FRAMES, choice=greedy(2.5), dice=dice)
        drawn.append(torch.stack(list(frames), dim=-1))
    assert drawn[0].shape == (2, voice.codebooks, FRAMES - 20) and not torch.equal(drawn[0][0], drawn[0][1])
    assert torch.equal(*drawn)


def test_a_song_and_its_edits_are_drawn_on_the_device(
    checkpoint_folder: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine as it works on a card, its graphs unrecorded."""
    monkeypatch.setattr(GraphRuntime, "drawer", lambda self, **how: DeviceLoop(self, **how))
    monkeypatch.setattr(runtimes, "open_runtime", lambda loaded, **how: runtimes.Opened(GraphRuntime(loaded.model)))
    engine = _engine(checkpoint_folder("mono"), precision="fp32")
    first, again = (engine.generate(make_plan(seconds=34.0), Sampling(seed=3), Audience()) for _ in range(2))
    assert first.complete and first.clip.seconds == 34.0 and np.array_equal(first.tokens, again.tokens)
    several = engine.generate(make_plan(seconds=1.0), Sampling(seed=3, candidates=3), Audience())
    assert len({each.tokens.tobytes() for each in (several, *several.others) if each.tokens is not None}) == 3
    source = Source(clip=first.clip, tokens=first.tokens, identity=first.identity | {"engine": "musicgen"})
    edit = Repaint(source="t", start_seconds=8.0, end_seconds=9.0, candidates=2)
    painted = engine.edit(edit, source, make_plan(seconds=34.0), Sampling(seed=4), Audience())
    outside = np.r_[0:400, 450:1_700]
    assert np.array_equal(painted.tokens[:, outside], first.tokens[:, outside])
    assert not np.array_equal(painted.tokens, first.tokens)
    part = engine.generate(make_plan(seconds=4.0), Sampling(seed=3), Audience(stop_at_question=4))
    assert not part.complete and part.tokens.shape[1] % 25 == 0 and part.clip.frames == part.tokens.shape[1] * 640


@pytest.mark.parametrize(
    "choice",
    [Choice(top_k=0), Choice(temperature=0.6, top_k=0), Choice(temperature=1.3, top_k=12), Choice(top_k=25, top_p=0.8)],
)
def test_the_device_draws_from_the_host_s_distribution(choice: Choice) -> None:
    from scipy.stats import chi2_contingency, chisquare

    draws, codes = 40_000, 64
    logits = torch.tensor(np.random.default_rng(3).normal(scale=0.7, size=codes), dtype=torch.float32)
    rows = logits.repeat(draws, 1)
    raced = np.bincount(race(rows, choice, torch.Generator().manual_seed(5)).numpy(), minlength=codes)
    drawn = np.bincount(decode.draw(rows, choice, torch.Generator().manual_seed(6)).numpy(), minlength=codes)
    assert ((raced > 0) == (drawn > 0)).all(), "the same codes are within reach"
    reached = raced + drawn > 0
    assert chi2_contingency(np.stack([raced, drawn])[:, reached]).pvalue > 0.001
    hotter = Choice(choice.temperature * 1.15, choice.top_k, choice.top_p)
    wrong = np.bincount(race(rows, hotter, torch.Generator().manual_seed(7)).numpy(), minlength=codes)
    both = np.stack([wrong, drawn])
    assert chi2_contingency(both[:, both.sum(0) > 0]).pvalue < 1e-6, "the test would not see a wrong temperature"
    assert chisquare(np.bincount(race(torch.zeros(draws, 8), Choice(top_k=0), torch.Generator()))).pvalue > 0.001


def test_a_take_may_not_outgrow_its_room(load_tiny: Callable[[str], Any]) -> None:
    loaded = load_tiny("mono")
    runtime = TorchRuntime(loaded.model)
    runtime.begin(condition(loaded, guidance=1.0), steps=3)
    with pytest.raises(ValueError, match="room for 3"):
        runtime.feed(torch.zeros((4, 4), dtype=torch.long))


def test_an_overflow_on_the_device_is_a_sentence(load_tiny: Callable[[str], Any]) -> None:
    loaded = load_tiny("mono")
    whole = condition(loaded, guidance=1.0)
    with pytest.raises(EngineError, match="overflowed"):
        looped(loaded, Conditioning(whole.states * float("inf"), whole.mask), greedy(1.0))


def test_the_processor_plays_8_bits_by_default_and_cards_their_own_format(load_tiny: Callable[[str], Any]) -> None:
    assert bits_for("auto", device="cpu") == bits_for("int8", device="cpu") == 8
    assert bits_for("int4-draft", device="cpu") == 4
    assert bits_for("fp32", device="cpu") is None and bits_for("auto", device="cuda") is None
    opened = open_runtime(load_tiny("mono"), precision="fp32")
    assert opened.identity == {"runtime": "torch", "precision": "fp32"}
    with pytest.raises(EngineError, match=r"no precision “int3”: choose one of auto, fp32"):
        open_runtime(load_tiny("mono"), precision="int3")


def test_without_the_compiled_kernel_torch_plays_and_says_so(
    load_tiny: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "studio.engines.musicgen.runtime_native", None)
    opened = open_runtime(load_tiny("mono"), precision="auto")
    assert opened.identity == {"runtime": "torch", "precision": "fp32", "instead_of": "int8"}
