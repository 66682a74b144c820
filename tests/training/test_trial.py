"""What is tried before a run: a moment's real steps, from which a run's time is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from studio.engines.musicgen.checkpoint import inspect
from studio.training.config import RunConfig
from studio.training.estimate import estimate, said
from studio.training.manifest import DataSet
from studio.training.trial import Trial, try_out
from tests.training.data_sets import small_run


@pytest.fixture(scope="module")
def config(checkpoint_folder: Callable[[str], Path], data_set: DataSet) -> RunConfig:
    return small_run(checkpoint_folder("mono"), data_set.folder)


@pytest.mark.parametrize("kind", ["mono", "stereo", "melody"])
def test_every_kind_of_model_is_tried_with_its_own_layers(
    checkpoint_folder: Callable[[str], Path], config: RunConfig, kind: str
) -> None:
    for checkpointing in (False, True):
        tried = config.changed(model=checkpoint_folder(kind), gradient_checkpointing=checkpointing)
        found = try_out(tried, device="cpu", precision="fp32")
        assert 0 < found.look < found.batch < 60 and found.frame > 0


def test_a_deeper_model_is_told_to_take_longer(config: RunConfig) -> None:
    model = inspect(config.model)
    shallow = try_out(config, device="cpu", precision="fp32", checkpoint=replace(model, layers=2))
    deep = try_out(config, device="cpu", precision="fp32", checkpoint=replace(model, layers=48))
    assert deep.batch > 3 * shallow.batch and deep.frame > 3 * shallow.frame


def test_the_time_counts_steps_looks_and_samples(config: RunConfig) -> None:
    # 6 steps of 2 batches; looks at 0, 2, 4 and 6; one prompt of half a second (25 frames) at 0, 4 and 6.
    trial = Trial(batch=10.0, look=1.0, frame=0.1)
    found = estimate(config, device="cpu", trial=trial, held_out=3)
    assert found.seconds == pytest.approx(6 * 2 * 10.0 + 4 * 3 * 1.0 + 3 * 25 * 0.1)
    assert found.seconds_a_step == 20.0
    told = said(found, free_bytes=10**12, device="cpu")
    assert told["time"] == "2 min" and told["fits"] and told["learns"].endswith("numbers")
