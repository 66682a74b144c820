"""AudioCraft in the studio: offered with what to do, installed by a button or a command, played by its worker."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pytest

import app
from studio.engines.audiocraft.engine import environment_python
from studio.engines.audiocraft.install import NOTES
from studio.engines.base import Listener, ModelMissing, Sampling
from studio.models.catalogue import Catalogue
from studio.models.installing import Installation
from studio.pipeline import Pipeline
from studio.settings import Settings
from tests import tiny_models
from tests.tiny_plans import make_plan

SYNTH = Path(__file__).parents[1] / "engines" / "audiocraft" / "tiny_synth.py"
MAGNET = "audiocraft/magnet-small"


@pytest.fixture
def installed(data_dir: Path) -> Path:
    """This Python stands in for AudioCraft's: a script that runs the worker with a tone for a model."""
    folder = Settings().audiocraft_dir
    python = environment_python(folder)
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@" --plugin {SYNTH}:TinySynth\n')
    python.chmod(0o755)
    (folder / NOTES).write_text('["env", "whole"]')
    return folder


def _pipeline() -> Pipeline:
    settings = Settings()
    return Pipeline(settings, Catalogue(settings.models_dir))


def test_without_audiocraft_its_models_say_how_to_get_them(data_dir: Path) -> None:
    pipeline = _pipeline()
    option = next(each for each in pipeline.engines() if each.name == MAGNET)
    assert not option.ready and "not installed yet: install it (about 5 GB)" in option.reason
    with pytest.raises(ModelMissing, match="not installed yet"):
        pipeline.engine(MAGNET)
    with pytest.raises(ModelMissing, match="Multi-band diffusion"):
        pipeline.diffuse(np.zeros((4, 50), np.int16), seed=0, listener=Listener())


def test_with_audiocraft_its_models_play_and_leave_room_for_others(installed: Path, tmp_path: Path) -> None:
    pipeline = _pipeline()
    pipeline._catalogue.add_local(tiny_models.build_mono(tmp_path / "tiny"))
    assert all(each.ready for each in pipeline.engines() if each.name.startswith("audiocraft/"))
    tone = pipeline.generate(MAGNET, make_plan(seconds=1.0), Sampling(seed=1), Listener())
    assert tone.complete and tone.identity["model"] == "facebook/magnet-small-30secs"
    assert pipeline._audiocraft.is_running
    codes = pipeline.generate("local/tiny", make_plan(seconds=1.0), Sampling(seed=1), Listener()).tokens
    assert not pipeline._audiocraft.is_running, "a graphics card has room for one of them"
    assert codes is not None
    again = pipeline.diffuse(codes, seed=1, listener=Listener())
    assert again.clip.frames == 32_000 and not pipeline._musicgen["local/tiny"].is_loaded
    pipeline.unload()
    assert not pipeline._audiocraft.is_running


def test_an_installation_can_be_watched_and_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setattr("studio.engines.audiocraft.install.find_python", lambda: Path(sys.executable))
    monkeypatch.setattr("studio.engines.audiocraft.install._check_room", lambda *given: None)
    installation = Installation(tmp_path / "audiocraft")
    assert installation.view().state == "absent"
    installation.start()
    assert installation.view().state == "running"
    installation.close()
    assert installation.view().state == "stopped"
    installation.remove()
    assert installation.view().state == "absent"


def test_a_failed_installation_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.engines.audiocraft.install.find_python", lambda: Path("/nowhere/python"))
    monkeypatch.setattr("studio.engines.audiocraft.install._check_room", lambda *given: None)
    installation = Installation(tmp_path / "audiocraft")
    installation.start()
    until = time.monotonic() + 10
    while installation.view().state == "running" and time.monotonic() < until:
        time.sleep(0.02)
    assert installation.view().state == "failed"
    assert "“python” cannot be run" in installation.view().error


def test_the_command_says_what_is_missing(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("studio.engines.audiocraft.install.PYTHONS", ())
    assert app.main(["install", "audiocraft"]) == 1
    assert "install Python 3.11" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        app.main(["install", "everything"])


def test_the_command_is_done_when_all_is_there(installed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["install", "audiocraft"]) == 0
    assert f"AudioCraft is installed in {installed}" in capsys.readouterr().out
