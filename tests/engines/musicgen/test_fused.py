"""The card's kernels against torch: on a card as they are, elsewhere by Triton's interpreter."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from studio.engines.base import EngineError, Repaint, Sampling, Source
from studio.engines.musicgen.blend import Blend, Prompt, listen
from studio.engines.musicgen.decode import Choice, Conditioning
from studio.engines.musicgen.window import Voice
from tests.engines.musicgen.test_engine import Audience, _engine
from tests.engines.musicgen.test_runtime import KINDS, greedy
from tests.tiny_plans import make_plan

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CODES = 512
FRAMES = 5 if DEVICE == "cpu" else 60
if DEVICE == "cpu" and "triton" not in sys.modules:
    os.environ["TRITON_INTERPRET"] = "1"
pytest.importorskip("triton", reason="no Triton: pip install triton")

from studio.engines.musicgen import device_loop, fused  # noqa: E402
from studio.engines.musicgen.device_loop import DeviceLoop  # noqa: E402
from studio.engines.musicgen.runtime_cuda import GraphRuntime  # noqa: E402


@pytest.fixture(autouse=True)
def _cut_coarsely(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter takes milliseconds for a program, however much is in it."""
    if DEVICE == "cpu":
        monkeypatch.setattr(
            fused, "shape_of", lambda rows, width, **_: fused.Shape(256, 1 << (width - 1).bit_length(), 1)
        )
        monkeypatch.setattr(fused, "SPLITS", 2)
        monkeypatch.setattr(device_loop, "can_fuse", lambda *_, **__: True)


@pytest.fixture
def load(checkpoint_folder: Callable[[str], Any]) -> Callable[..., Any]:
    from studio.engines.musicgen.checkpoint import inspect
    from studio.engines.musicgen.load import load

    def loaded(kind: str, dtype: str = "float32") -> Any:
        return load(inspect(checkpoint_folder(kind)), device=DEVICE, dtype=dtype)

    return loaded


def drawn(runtime: GraphRuntime, loaded: Any, heard: Blend, *, candidates: int = 1, given: int = 0, **how: Any) -> Any:
    """Codes (candidates, codebooks, frames) by the loop on the device."""
    voice = Voice(loaded.model, runtime)
    voice.loop = voice.loop or DeviceLoop(runtime, late=voice.late, start_token=voice.start_token)
    start = torch.randint(0, 512, (candidates, voice.codebooks, given), generator=torch.Generator().manual_seed(2))
    dice = [torch.Generator().manual_seed(how.pop("seed", 0) + number) for number in range(candidates)]
    wishes = {"frames": FRAMES, "choice": greedy(2.5)} | how
    return torch.stack(list(voice.draw(heard, start, dice=dice, **wishes)), dim=-1)


def blend(loaded: Any) -> Blend:
    prompts = [Prompt("sad piano waltz", 0.7), Prompt("techno", 0.3), Prompt("noisy vocals", -0.5)]

    def tokens(words: str) -> tuple[torch.Tensor, torch.Tensor]:
        found = loaded.tokenizer([words], return_tensors="pt").to(DEVICE)
        return found["input_ids"], found["attention_mask"]

    return listen(loaded.model, prompts, tokens, guidance=2.5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_kernels_draw_what_torch_draws(
    load: Callable[..., Any], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Greedy in float32, after given codes, four rows a candidate of which three listen."""
    loaded = load(kind)
    heard, how = blend(loaded), {"candidates": 1 if DEVICE == "cpu" else 3, "given": 3}
    ours = drawn(GraphRuntime(loaded.model), loaded, heard, **how)
    monkeypatch.setattr(device_loop, "can_fuse", lambda *_, **__: False)
    torchs = drawn(GraphRuntime(loaded.model), loaded, heard, **how)
    assert ours.shape[0] == how["candidates"] and ours.shape[-1] == FRAMES - 3 and len(ours.unique()) > 4
    assert torch.equal(ours, torchs)


@pytest.mark.parametrize(
    "choice",
    [Choice(top_k=0), Choice(temperature=0.6, top_k=0), Choice(temperature=1.3, top_k=12), Choice(top_k=25, top_p=0.8)],
)
def test_the_kernel_draws_from_the_host_s_distribution(load: Callable[..., Any], choice: Choice) -> None:
    """Many candidates with the same logits, guided by a second row, each with a seed of its own."""
    from scipy.stats import chi2_contingency

    from studio.engines.musicgen import decode

    draws = 150 if DEVICE == "cpu" else 20_000
    said = torch.tensor(np.random.default_rng(3).normal(scale=1.5, size=(2, CODES)), dtype=torch.float32)
    said[:, 40:] -= 6.0  # few codes, so that a few hundred draws tell
    grid = chosen(load("mono"), said, choice, candidates=draws)
    assert bool(grid.is_finite) and not grid.codes[..., 0].any() and not grid.codes[..., 2].any()
    made = np.bincount(grid.codes[..., 1].flatten().cpu().numpy(), minlength=CODES)
    mixed = (said[:1] * 2.0 - said[1:]).repeat(draws * 4, 1)
    drawn = np.bincount(decode.draw(mixed, choice, torch.Generator().manual_seed(6)).numpy(), minlength=CODES)
    both = np.stack([made, drawn])[:, made + drawn > 9]
    assert ((made > 0) == (drawn > 0))[made + drawn > 40].all(), "the same codes are within reach"
    assert chi2_contingency(both).pvalue > 0.001
    hotter = Choice(choice.temperature * 2.0, choice.top_k, choice.top_p)
    wrong = np.bincount(decode.draw(mixed, hotter, torch.Generator().manual_seed(7)).numpy(), minlength=CODES)
    both = np.stack([made, wrong])[:, made + wrong > 9]
    assert chi2_contingency(both).pvalue < 1e-3, "the test would not see a wrong temperature"


def chosen(loaded: Any, said: torch.Tensor, choice: Choice, *, candidates: int) -> fused.Grid:
    """One draw for each candidate and codebook from the same two rows of logits (2, codes), mixed two to minus one."""
    step = fused.FusedStep(GraphRuntime(loaded.model), rows=2)
    step.logits = said[:, None].repeat(candidates, 4, 1).flatten(1).contiguous().to(DEVICE)
    grid = fused.Grid(
        codes=torch.zeros((candidates, 4, 3), dtype=torch.long, device=DEVICE),
        clock=torch.zeros(2, dtype=torch.long, device=DEVICE),
        bounds=torch.tensor([0, 3], device=DEVICE),
        shares=torch.tensor([2.0, -1.0], device=DEVICE)[None, :, None].expand(2, 2, 4).contiguous(),
        seeds=torch.arange(candidates, device=DEVICE) * 7 + 2**40,
        late=torch.zeros(5, dtype=torch.long, device=DEVICE),
        is_finite=torch.ones(1, dtype=torch.int32, device=DEVICE),
    )
    step._choose(grid, rows_each=2, choice=choice)
    return grid


@pytest.mark.parametrize("spoilt", [float("inf"), float("nan")])
def test_a_number_that_overflowed_is_marked(load: Callable[..., Any], spoilt: float) -> None:
    said = torch.zeros(2, CODES)
    said[1, 77] = spoilt
    assert not bool(chosen(load("mono"), said, greedy(2.0), candidates=1).is_finite)


def test_seeds_decide(load: Callable[..., Any]) -> None:
    loaded = load("mono")
    heard = condition_on(loaded)
    runtime = GraphRuntime(loaded.model)
    how: dict[str, Any] = {"choice": Choice(top_k=50), "frames": 3}
    first, other, again = (drawn(runtime, loaded, heard, seed=seed, **how) for seed in (1, 2, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    beside = drawn(runtime, loaded, heard, seed=1, candidates=2, **how)
    assert torch.equal(beside[0], first[0]), "a candidate does not depend on its neighbours"


@pytest.mark.skipif(DEVICE == "cpu", reason="the interpreter refuses such numbers")
def test_an_overflow_is_a_sentence_and_leaves_nothing_behind(load: Callable[..., Any]) -> None:
    loaded = load("mono")
    runtime, heard = GraphRuntime(loaded.model), condition_on(loaded)
    first = drawn(runtime, loaded, heard)
    spoilt = Blend(Conditioning(heard.conditioning.states * float("inf"), heard.conditioning.mask), heard.combine)
    with pytest.raises(EngineError, match="overflowed"):
        drawn(runtime, loaded, spoilt)
    assert torch.equal(drawn(runtime, loaded, heard), first)


def test_a_recording_serves_every_take_that_fits(load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Other words, lengths and seeds go into the places of the take before; other rows need places of their own."""
    made: list[int] = []
    build = device_loop.FusedStep

    def counted(runtime: Any, *, rows: int) -> Any:
        made.append(rows)
        return build(runtime, rows=rows)

    monkeypatch.setattr(device_loop, "FusedStep", counted)
    loaded = load("mono")
    runtime, fresh = GraphRuntime(loaded.model), GraphRuntime(loaded.model)
    voice = Voice(loaded.model, runtime)
    loop = voice.loop or DeviceLoop(runtime, late=voice.late, start_token=voice.start_token)
    takes, places = [], []
    for words, frames, seed in (("waltz", 3, 1), ("dark techno with a driving kick", 2, 2), ("waltz", 3, 1)):
        heard = condition_on(loaded, words).conditioning
        takes.append(torch.stack(list(loop.frames(heard, frames=frames, choice=Choice(top_k=9), seed=seed)), dim=1))
        places.append(len(made))
    assert len(set(places)) == 1 and torch.equal(takes[0], takes[2]) and takes[1].shape[1] == 2
    alone = DeviceLoop(fresh, late=voice.late, start_token=voice.start_token)
    heard = condition_on(loaded, "dark techno with a driving kick").conditioning
    assert torch.equal(
        torch.stack(list(alone.frames(heard, frames=2, choice=Choice(top_k=9), seed=2)), dim=1), takes[1]
    )
    assert len(list(loop.frames(Conditioning(heard.states[:1], heard.mask[:1]), frames=2, choice=greedy(1.0)))) == 2
    assert made[-1] == 1


@pytest.mark.skipif(DEVICE == "cpu", reason="no card")
def test_a_song_its_candidates_and_edits_on_a_card(checkpoint_folder: Callable[[str], Any]) -> None:
    """The engine as it works on a card; two takes of a seed are the same, also when others were made in between."""
    for kind in KINDS:
        engine = _engine(checkpoint_folder(kind), device="cuda", channels=2 if kind == "stereo" else 1)
        first = engine.generate(make_plan(seconds=34.0), Sampling(seed=3), Audience())
        several = engine.generate(make_plan(seconds=1.0), Sampling(seed=3, candidates=3), Audience())
        again = engine.generate(make_plan(seconds=34.0), Sampling(seed=3), Audience())
        assert first.complete and first.clip.seconds == 34.0 and np.array_equal(first.tokens, again.tokens)
        assert first.identity["device"] == "cuda" and first.identity["precision"] == "bf16"
        assert len({each.tokens.tobytes() for each in (several, *several.others)}) == 3
        source = Source(clip=first.clip, tokens=first.tokens, identity=first.identity | {"engine": "musicgen"})
        edit = Repaint(source="t", start_seconds=8.0, end_seconds=9.0, candidates=2)
        painted = engine.edit(edit, source, make_plan(seconds=34.0), Sampling(seed=4), Audience())
        outside = np.r_[0:400, 450:1_700]
        assert np.array_equal(painted.tokens[:, outside], first.tokens[:, outside])
        part = engine.generate(make_plan(seconds=4.0), Sampling(seed=3), Audience(stop_at_question=4))
        assert not part.complete and part.tokens.shape[1] % 25 == 0
        engine.unload()


def condition_on(loaded: Any, words: str = "sad piano waltz") -> Blend:
    from studio.engines.musicgen import decode

    found = loaded.tokenizer([words], return_tensors="pt").to(DEVICE)
    heard = decode.condition(loaded.model, found["input_ids"], found["attention_mask"], guided=True)
    return Blend(heard, lambda logits, step: logits[1] + (logits[0] - logits[1]) * 2.0)
