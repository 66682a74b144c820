"""The tiny checkpoints and one small data set, made once for this folder's tests."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from studio.training.manifest import DataSet
from tests import tiny_models
from tests.training.data_sets import small_data_set

BUILDERS = {"mono": tiny_models.build_mono, "stereo": tiny_models.build_stereo, "melody": tiny_models.build_melody}


@pytest.fixture(autouse=True)
def fresh_accelerate() -> None:
    """accelerate remembers a process's first precision; each run is otherwise a process of its own."""
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture(scope="session")
def checkpoint_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`checkpoint_folder("stereo")`: the folder of that tiny checkpoint. Do not write into it."""
    root = tmp_path_factory.mktemp("training-checkpoints")
    return cache(lambda kind: BUILDERS[kind](root / kind))


@pytest.fixture(scope="session")
def data_set(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    """Four tunes in eight segments. Do not write into it."""
    return small_data_set(tmp_path_factory.mktemp("training-data"))
