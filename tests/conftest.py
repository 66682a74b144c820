"""What every test gets: a data folder of its own, and no way to a model hub."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from tests.link_room import Room

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
if os.environ.get("PYTEST_XDIST_WORKER"):  # one of several: a processor is all there is for each
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# How fast an example is made or checked says something of the machine, not of what is tested.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder, named in the environment so that nothing can reach the user's own."""
    folder = tmp_path / "studio-data"
    monkeypatch.setenv("MUSICGEN_STUDIO_DATA_DIR", str(folder))
    monkeypatch.setenv("MUSICGEN_STUDIO_PLUGIN_FILE", str(tmp_path / "plugin.txt"))
    return folder


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """A place where the studio's Link and another program meet, and nobody else."""
    from tests.link_room import link_room

    with link_room(tmp_path_factory.mktemp("room")) as room:
        yield room


@pytest.fixture(autouse=True)
def hosts_are_closed() -> Iterator[None]:
    """No DAW outlives its test, wherever one was opened."""
    yield
    if hosts := sys.modules.get("tests.plugin.hosts"):
        hosts.close_hosts()


# llama.cpp is compiled on the machine; where that cannot be, what runs on it is left out, and says so.
_ON_LLAMA = {"test_language_model.py", "test_language_model_agents.py", "test_routing.py", "test_agent_desk.py"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if importlib.util.find_spec("llama_cpp") or os.environ.get("MUSICGEN_STUDIO_TESTS_NEED_ALL"):
        return
    without = pytest.mark.skip(reason="no llama.cpp: run make agents, which wants a C++ compiler")
    for item in items:
        if item.path.name in _ON_LLAMA:
            item.add_marker(without)
