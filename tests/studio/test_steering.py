"""Steering on its way through the studio: sounds by name, others' takes kept private, engines that cannot follow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.types import Brief
from audio.clip import Clip
from studio.engines.base import EngineError, Listener, Sampling
from studio.engines.steering import AdapterUse, PromptWeight, Steering
from studio.jobs import GenerateRequest
from studio.models.catalogue import Catalogue
from studio.pipeline import Pipeline
from studio.settings import Settings
from studio.studio import NotYours, Studio
from studio.takes import TakeMissing
from tests import tiny_models
from tests.engines_for_tests import OneEngine, ToneEngine, plan_from_brief
from tests.tiny_plans import make_plan


@pytest.fixture
def pipeline(data_dir: Path, tmp_path: Path) -> Pipeline:
    settings = Settings()
    catalogue = Catalogue(settings.models_dir)
    catalogue.add_local(tiny_models.build_melody(tmp_path / "tiny-melody"))
    return Pipeline(settings, catalogue)


def test_a_hummed_melody_is_followed_by_its_name(pipeline: Pipeline) -> None:
    times = np.arange(48_000) / 48_000
    name = pipeline.sounds.keep(Clip(0.3 * np.sin(2 * np.pi * 392 * times), 48_000))
    plan = make_plan(seconds=1.0)
    followed, free = (
        pipeline.generate("local/tiny-melody", plan, Sampling(seed=2, steering=steering), Listener())
        for steering in (Steering(melody=name), None)
    )
    assert followed.identity["melody"]["source"] == "clip"
    assert not np.array_equal(followed.tokens, free.tokens)


@pytest.mark.parametrize(
    ("sampling", "sentence"),
    [
        ({"steering": Steering(melody="sound:x")}, "not here any more"),
        ({"steering": Steering(prompts=(PromptWeight(words="rain"),))}, "cannot blend prompts: choose MusicGen"),
        ({"steering": Steering(instruments_out=("banjo",))}, "remove them in the plan"),
        ({"adapters": (AdapterUse(name="brass"),)}, "worn by MusicGen models"),
    ],
)
def test_the_sketch_engine_says_what_it_cannot_follow(
    pipeline: Pipeline, sampling: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(EngineError, match=sentence):
        pipeline.generate("sketch", make_plan(), Sampling(**sampling), Listener())


@pytest.fixture
def studio(data_dir: Path) -> Iterator[Studio]:
    with Studio(Settings(), engines=OneEngine(ToneEngine()), planner=plan_from_brief) as opened:
        yield opened


def test_nobody_follows_anothers_take(studio: Studio) -> None:
    brief = Brief(words="four chords", seconds=1)
    first = studio.generate(GenerateRequest(brief=brief, engine="tones"), owner="ada")
    take = studio.jobs.wait(first.id, timeout_seconds=20).take_id

    def follow(take_id: str | None, *, owner: str) -> None:
        steering = Steering(melody=f"take:{take_id}")
        request = GenerateRequest(brief=brief, engine="tones", sampling=Sampling(steering=steering))
        studio.jobs.wait(studio.generate(request, owner=owner).id, timeout_seconds=20)

    follow(take, owner="ada")
    with pytest.raises(NotYours):
        follow(take, owner="bob")
    with pytest.raises(TakeMissing):
        follow("20200101-000000-abcdef", owner="ada")
