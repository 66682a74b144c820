"""The tiny checkpoints, built once for this folder's tests, and what the decoding tests share."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests import tiny_models

BUILDERS = {
    "mono": tiny_models.build_mono,
    "stereo": tiny_models.build_stereo,
    "melody": tiny_models.build_melody,
    "sharded": tiny_models.build_sharded,
}


@pytest.fixture(scope="session")
def checkpoint_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`checkpoint_folder("stereo")`: the folder of that tiny checkpoint. Do not write into it."""
    root = tmp_path_factory.mktemp("checkpoints")
    return cache(lambda kind: BUILDERS[kind](root / kind))


@pytest.fixture(scope="session")
def load_tiny(checkpoint_folder: Callable[[str], Path]) -> Callable[[str], Any]:
    """`load_tiny("mono")`: that checkpoint loaded by the studio's own loader, on the CPU."""
    from studio.engines.musicgen.checkpoint import inspect
    from studio.engines.musicgen.load import load

    return cache(lambda kind: load(inspect(checkpoint_folder(kind)), device="cpu"))
