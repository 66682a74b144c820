"""Memory that ends in the middle of a take: what is made is kept, a card's work goes on on the processor, and it is said.

The card is the processor under torch's other name for it, so that all but its memory is real; memory ends by asking
torch for a petabyte.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from audio.clip import Clip
from studio.engines.base import Continue, Edit, Rendering, Repaint, Sampling, Source, Vary
from studio.engines.musicgen import decode, load
from studio.engines.musicgen.engine import MusicGenEngine
from studio.engines.musicgen.runtime_native import NativeRuntime
from tests.engines.musicgen.test_engine import Audience, _engine
from tests.tiny_plans import make_plan

RATE, HOP = 32_000, 640
CARD = "cpu:0"


@pytest.fixture
def memory_ends(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`memory_ends(after_draws=60)`: the next draws succeed, then one finds no memory; `for_good` so do all after it."""

    def arm(*, after_draws: int, for_good: bool = False) -> None:
        draw, advance, left = decode.draw, NativeRuntime.advance, [after_draws]

        def count(draws: int) -> None:
            before, left[0] = left[0], left[0] - draws
            if left[0] < 0 and (for_good or before >= 0):
                torch.empty(2**50, dtype=torch.uint8)

        def draw_or_fail(*args: Any) -> torch.Tensor:
            count(1)
            return draw(*args)

        def advance_or_fail(runtime: NativeRuntime, sheet: Any) -> None:
            count(len(sheet.grid))
            advance(runtime, sheet)

        monkeypatch.setattr(decode, "draw", draw_or_fail)
        monkeypatch.setattr(NativeRuntime, "advance", advance_or_fail)

    return arm


@pytest.fixture
def card(checkpoint_folder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> MusicGenEngine:
    resolve = load.resolve_device
    monkeypatch.setattr(load, "resolve_device", lambda device: CARD if device in ("auto", CARD) else resolve(device))
    engine = _engine(checkpoint_folder("mono"))
    engine._device = "auto"
    return engine


def _generate(engine: MusicGenEngine, audience: Audience, *, seconds: float = 4.0, **sampling: Any) -> Rendering:
    return engine.generate(make_plan(seconds=seconds), Sampling(seed=4, **sampling), audience)


def test_the_processor_goes_on_where_a_cards_memory_ended(
    card: MusicGenEngine, memory_ends: Callable[..., None]
) -> None:
    whole = _generate(card, Audience())
    assert whole.identity["device"] == CARD and not whole.trouble
    memory_ends(after_draws=103)
    audience = Audience()
    take = _generate(card, audience)
    assert take.complete and take.clip.frames == 4 * RATE and take.tokens is not None and whole.tokens is not None
    assert take.trouble == (
        "The graphics card's memory ran out at 2 s; the rest was made by the processor, which is slower."
    )
    assert np.array_equal(take.tokens[:, :100], whole.tokens[:, :100]), "what the card made is kept"
    assert not np.array_equal(take.tokens[:, 100:], whole.tokens[:, 100:])
    heard = Clip.joined(audience.clips).samples
    assert heard.shape == take.clip.samples.shape, "told once, without a gap"
    apart = np.abs(heard - take.clip.samples)[0]
    assert apart[: 92 * HOP].max() < 1e-4 and apart[100 * HOP :].max() < 1e-4, "but for the going over, all was heard"
    assert take.identity["device"] == "cpu" and take.identity["went_on_with_the_processor_at_seconds"] == 2.0
    assert not card.is_loaded, "the next take tries the card again"
    assert _generate(card, Audience()).identity["device"] == CARD


def test_a_card_too_small_from_the_start_leaves_all_to_the_processor(
    card: MusicGenEngine, memory_ends: Callable[..., None]
) -> None:
    memory_ends(after_draws=0)
    audience = Audience()
    take = _generate(card, audience, seconds=1.0)
    assert take.complete and "ran out at 0 s" in take.trouble
    assert np.array_equal(Clip.joined(audience.clips).samples, take.clip.samples)


def test_where_the_processors_memory_ends_too_the_part_is_kept(
    card: MusicGenEngine, memory_ends: Callable[..., None]
) -> None:
    memory_ends(after_draws=103, for_good=True)
    take = _generate(card, Audience())
    assert not take.complete and take.clip.seconds == 2.0 and take.tokens is not None and take.tokens.shape == (4, 100)
    assert "ran out after 2 s, which are kept" in take.trouble


def test_all_candidates_are_kept_as_far_as_they_came(
    checkpoint_folder: Callable[[str], Path], memory_ends: Callable[..., None]
) -> None:
    memory_ends(after_draws=3 * 60)
    made = _generate(_engine(checkpoint_folder("mono")), Audience(), candidates=3)
    every = [made, *made.others]
    assert len(every) == 3 and all("which are kept" in each.trouble and not each.complete for each in every)
    assert {each.clip.frames for each in every} == {57 * HOP}


@pytest.mark.parametrize("edit", [
    Continue(source="t", seconds=1.0),
    Repaint(source="t", start_seconds=1.0, end_seconds=2.0, candidates=2),
    Vary(source="t", closeness=0.4, count=2),
], ids=lambda edit: edit.kind)  # fmt: skip
def test_an_edit_keeps_its_part_and_says_so(
    checkpoint_folder: Callable[[str], Path], memory_ends: Callable[..., None], edit: Edit
) -> None:
    engine = _engine(checkpoint_folder("mono"))
    base = engine.generate(make_plan(seconds=2.0), Sampling(seed=1), Audience())
    source = Source(clip=base.clip, tokens=base.tokens, identity=base.identity)
    memory_ends(after_draws=40)
    part = engine.edit(edit, source, make_plan(seconds=3.0), Sampling(seed=2), Audience())
    assert not part.complete and "which are kept" in part.trouble and not engine.is_loaded
    assert part.tokens is not None and part.clip.frames == part.tokens.shape[1] * HOP > RATE // 2


def test_an_edit_that_does_not_fit_the_card_is_made_by_the_processor(
    card: MusicGenEngine, memory_ends: Callable[..., None]
) -> None:
    base = _generate(card, Audience(), seconds=2.0)
    source = Source(clip=base.clip, tokens=base.tokens, identity=base.identity)
    memory_ends(after_draws=0)
    edit = Repaint(source="t", start_seconds=0.5, end_seconds=1.0, snap="off", candidates=1)
    made = card.edit(edit, source, make_plan(seconds=2.0), Sampling(seed=2), Audience())
    assert made.complete and made.identity["device"] == "cpu" and "made by the processor" in made.trouble
    assert np.array_equal(made.clip.samples[:, : RATE // 2], base.clip.samples[:, : RATE // 2])
