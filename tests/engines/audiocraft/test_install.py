"""Installing beside the studio: a real environment and real pip, with a small package in place of five gigabytes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from studio.engines.audiocraft.client import Patience, WorkerClient
from studio.engines.audiocraft.engine import MODELS, AudioCraftEngine, environment_python, worker_command
from studio.engines.audiocraft.install import STEPS, InstallStopped, find_python, install, is_installed, remove
from studio.engines.base import EngineError, Listener, Sampling
from tests.tiny_plans import make_plan


def _package(folder: Path, name: str, *, slow: bool = False) -> Path:
    """A package that pip builds and installs without a network."""
    folder.mkdir(parents=True)
    wait = "import time; time.sleep(30)\n" if slow else ""
    (folder / "build_it.py").write_text(
        wait + "import zipfile\n"
        "def build_wheel(folder, config_settings=None, metadata_directory=None):\n"
        f"    info = '{name}-1.0.dist-info'\n"
        f"    with zipfile.ZipFile(f'{{folder}}/{name}-1.0-py3-none-any.whl', 'w') as wheel:\n"
        f"        wheel.writestr('{name}.py', 'answer = 42')\n"
        f"        wheel.writestr(f'{{info}}/METADATA', 'Metadata-Version: 2.1\\nName: {name}\\nVersion: 1.0\\n')\n"
        "        wheel.writestr(f'{info}/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n"
        "        wheel.writestr(f'{info}/RECORD', '')\n"
        f"    return '{name}-1.0-py3-none-any.whl'\n"
    )
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "build_it"\nbackend-path = ["."]\n'
    )
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One environment for this file's tests: making it takes longest."""
    return tmp_path_factory.mktemp("data") / "audiocraft"


def test_an_installation_breaks_off_goes_on_and_is_whole(home: Path, tmp_path: Path) -> None:
    first = _package(tmp_path / "first", "firstpart")
    told: list[tuple[str, float]] = []
    steps = [["--no-index", str(first)], ["--no-index", "there-is-no-such-package"]]

    def go(steps: list[list[str]]) -> None:
        install(
            home, progress=lambda stage, share: told.append((stage, share)), steps=steps, needed_bytes=1,
            check="import firstpart, secondpart", python=Path(sys.executable),
        )  # fmt: skip

    with pytest.raises(EngineError, match=r"broke off .*there-is-no-such-package.* Try again; the details are in"):
        go(steps)
    assert not is_installed(home)
    told.clear()
    steps[1] = ["--no-index", str(_package(tmp_path / "second", "secondpart"))]
    go(steps)
    assert is_installed(home)
    stages = [stage for stage, _ in told]
    assert "making the environment" not in stages, "what was done is not done again"
    assert stages.count("installing") == 1 and stages[-1] == "installed"
    assert [share for _, share in told] == sorted(share for _, share in told)
    assert any(stage.startswith("installing collected packages secondpart") for stage in stages)
    told.clear()
    go(steps)
    assert told == [], "whole: nothing to do"


def test_its_own_python_runs_the_worker(home: Path, tmp_path: Path) -> None:
    """NumPy is lent to it by a path file; the rest of its packages are its own."""
    import numpy

    site = subprocess.run(
        [environment_python(home), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    (Path(site) / "lent.pth").write_text(str(Path(numpy.__file__).parents[1]))
    plugin = f"{Path(__file__).with_name('tiny_synth.py')}:TinySynth"
    client = WorkerClient(
        worker_command(home, plugin=plugin), log=tmp_path / "worker.log", patience=Patience(start_seconds=30.0)
    )
    take = AudioCraftEngine(MODELS[0], client).generate(make_plan(seconds=1.0), Sampling(), Listener())
    client.close()
    assert take.complete and take.clip.frames == 32_000


def test_stopping_an_installation_is_quick_and_keeps_what_is_there(home: Path, tmp_path: Path) -> None:
    slow = _package(tmp_path / "slow", "slowpart", slow=True)
    stop = threading.Event()
    threading.Timer(1.0, stop.set).start()
    other = tmp_path / "other"
    other.mkdir()
    (other / "env").symlink_to(home / "env")
    (other / "installed.json").write_text('["env"]')
    began = time.monotonic()
    with pytest.raises(InstallStopped, match="goes on from there"):
        install(other, cancelled=stop.is_set, steps=[["--no-index", str(slow)]], needed_bytes=1, python=home)
    assert time.monotonic() - began < 15
    assert environment_python(other).exists() and not is_installed(other)


def test_a_removed_installation_is_gone(tmp_path: Path, home: Path) -> None:
    assert is_installed(home)
    remove(home)
    assert not is_installed(home) and not (home / "env").exists()
    remove(home)


def test_a_full_disk_is_said_before_anything_is_fetched(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"takes about \d+ GB .* make room"):
        install(tmp_path / "audiocraft", needed_bytes=10**18, python=Path(sys.executable))
    assert not (tmp_path / "audiocraft" / "env").exists()


def test_a_python_that_cannot_be_run_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="“nothing” cannot be run"):
        install(tmp_path / "audiocraft", needed_bytes=1, python=tmp_path / "nothing")


def test_a_python_of_another_age_is_looked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 13, 0, "final", 0))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match=r"need Python 3.9, 3.10 or 3.11, .*: install Python 3.11"):
        find_python()
    old = tmp_path / "python3.10"
    old.write_text("#!/bin/sh\n")
    old.chmod(0o755)
    assert find_python() == old


@pytest.mark.weights
@pytest.mark.timeout(7200)
def test_audiocraft_itself_installs_and_makes_sound() -> None:
    """Five gigabytes of packages and MAGNeT's weights; kept in the user's cache."""
    folder = Path(os.environ.get("MUSICGEN_STUDIO_AUDIOCRAFT", Path.home() / ".cache" / "musicgen-studio-audiocraft"))
    install(folder)
    assert is_installed(folder) and STEPS
    client = WorkerClient(worker_command(folder), log=folder / "worker.log")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("HF_HUB_OFFLINE", raising=False)
        take = AudioCraftEngine(MODELS[0], client).generate(
            make_plan(seconds=10.0, prompt="80s pop track with bassy drums and synth"), Sampling(seed=1), Listener()
        )
    client.close()
    assert take.complete and take.clip.frames == 320_000
    assert float((take.clip.samples**2).mean()) > 1e-4
