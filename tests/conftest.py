"""What every test gets: a data folder of its own, and no way to a model hub."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder, named in the environment so that nothing can reach the user's own."""
    folder = tmp_path / "studio-data"
    monkeypatch.setenv("MUSICGEN_STUDIO_DATA_DIR", str(folder))
    return folder
