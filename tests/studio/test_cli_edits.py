"""Edits from the command line: takes by their identifiers, files by their paths."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import app
from audio.clip import Clip
from audio.io import encode, read_clip
from studio.engines.base import Listener, Sampling
from studio.models.catalogue import Catalogue
from studio.pipeline import Pipeline
from studio.settings import Settings
from studio.takes import EngineFacts, Take, TakeStore
from tests import tiny_models
from tests.tiny_plans import make_plan


@pytest.fixture
def take(data_dir: Path, tmp_path: Path) -> Take:
    settings = Settings(device="cpu")
    catalogue = Catalogue(settings.models_dir)
    name = catalogue.add_local(tiny_models.build_mono(tmp_path / "tiny")).id
    pipeline = Pipeline(settings, catalogue)
    plan, sampling = make_plan(seconds=2.0), Sampling(seed=1)
    made = pipeline.generate(name, plan, sampling, Listener())
    facts = EngineFacts.of(pipeline.engine(name).capabilities)
    return TakeStore(settings.takes_dir, settings.bin_dir).write(made, plan=plan, sampling=sampling, engine=facts)


def test_a_take_is_edited_by_its_identifier(take: Take, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = Settings(device="cpu")
    out = tmp_path / "anew.wav"
    assert app.main(["repaint", take.id, "1", "2", "--candidates", "2", "--device", "cpu", "--out", str(out)]) == 0
    kept = read_clip(TakeStore(settings.takes_dir, settings.bin_dir).audio_path(take.id)).samples
    assert np.array_equal(read_clip(out).samples[:, :32_000], kept[:, :32_000])
    assert app.main(["continue", take.id, "--seconds", "1", "--device", "cpu"]) == 0
    assert app.main(["vary", take.id, "--count", "2", "--device", "cpu"]) == 0
    assert len(TakeStore(settings.takes_dir, settings.bin_dir).list_ids()) == 1 + 2 + 1 + 2
    assert "Kept too, take" in capsys.readouterr().out


def test_a_sound_file_is_edited_under_words(take: Take, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    song, out = tmp_path / "hum.wav", tmp_path / "longer.wav"
    at = np.arange(48_000) / 48_000
    song.write_bytes(encode(Clip(0.3 * np.sin(2 * np.pi * 330 * at), 48_000), format="wav24"))
    assert app.main(["continue", str(song), "--seconds", "1", "--device", "cpu"]) == 1
    assert "Say in a few words what the sound is" in capsys.readouterr().err
    asked = ["continue", str(song), "--seconds", "1", "--words", "a flute", "--device", "cpu", "--out", str(out)]
    assert app.main(asked) == 0 and read_clip(out).seconds == pytest.approx(2.0)


def test_what_cannot_be_edited_is_said(take: Take, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["repaint", take.id, "5", "6", "--device", "cpu"]) == 1
    assert "mark one within it" in capsys.readouterr().err
    assert app.main(["vary", "nothing-like-it", "--device", "cpu"]) == 1
    assert app.main(["vary", take.id, "--closeness", "3", "--device", "cpu"]) == 2
    assert "closeness" in capsys.readouterr().err
