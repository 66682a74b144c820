"""A studio of tones for the desk's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.settings import Settings
from studio.studio import Studio
from tests.ui.studios import ToneEngine, tiny_plan


@pytest.fixture
def studio(data_dir: Path) -> Iterator[Studio]:
    with Studio(Settings(data_dir=data_dir, engine="tone"), engines=ToneEngine(), planner=tiny_plan) as opened:
        yield opened
