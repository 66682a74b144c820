"""Steering from the command line: what is written there is what the request says."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from audio.clip import Clip
from audio.io import write_clip
from studio.cli.steering import adapters_of, add_steering_arguments, steering_of
from studio.engines.base import EngineError
from studio.engines.sketch.exchange import tracks_of
from studio.engines.steering import AdapterUse, PromptWeight, Steering
from studio.settings import Settings
from studio.sounds import SoundStore
from tests.tunes import TWINKLE, midi_of, notes_of


def _read(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_steering_arguments(parser)
    return parser.parse_args(arguments)


def test_everything_may_be_said_at_once(data_dir: Path, tmp_path: Path) -> None:
    settings = Settings()
    hum = write_clip(tmp_path / "hum.wav", Clip(np.full((1, 800), 0.25), 8_000))
    arguments = _read(
        "--melody", str(hum), "--blend", "rain: heavy:-0.5", "--blend", "solo cello", "--with", "harmonica",
        "--without", "banjo", "--layers", "--adapter", "brass:0.3", "--adapter", "dusty",
    )  # fmt: skip
    steering = steering_of(arguments, settings)
    assert steering is not None and steering.melody is not None
    store = SoundStore(settings.sounds_dir, takes_dir=settings.takes_dir, bin_dir=settings.bin_dir)
    kept = store.get(steering.melody)
    assert isinstance(kept, Clip) and kept.frames == 800
    assert steering == Steering(
        melody=steering.melody, layers=True, instruments_in=("harmonica",), instruments_out=("banjo",),
        prompts=(PromptWeight(words="rain: heavy", weight=-0.5), PromptWeight(words="solo cello")),
    )  # fmt: skip
    assert adapters_of(arguments) == (AdapterUse(name="brass", strength=0.3), AdapterUse(name="dusty"))


def test_nothing_said_steers_nothing(data_dir: Path) -> None:
    assert steering_of(_read(), Settings()) is None
    assert adapters_of(_read()) == ()


def test_what_cannot_be_is_said(data_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="could not be read: No such file"):
        steering_of(_read("--melody", str(tmp_path / "gone.wav")), Settings())
    with pytest.raises(ValidationError, match="weight"):
        steering_of(_read("--blend", "rain:99"), Settings())
    with pytest.raises(ValidationError, match="strength"):
        adapters_of(_read("--adapter", "brass:2"))


def test_the_sketch_engine_says_on_the_command_line_what_it_cannot_follow(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import app

    assert app.main(["make", "a slow waltz", "--seconds", "2", "--blend", "rain"]) == 1
    assert "cannot blend prompts: choose MusicGen" in capsys.readouterr().err
    assert app.main(["make", "a slow waltz", "--blend", "rain:99"]) == 2
    assert "--weight: " in capsys.readouterr().err
    assert app.main(["make", "a slow waltz", "--melody", "gone.mid"]) == 2
    assert "could not be read" in capsys.readouterr().err


def test_the_sketch_plays_a_file_from_the_command_line(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import app

    (tmp_path / "tune.mid").write_bytes(midi_of(notes_of(TWINKLE), tempo_bpm=104.0))
    asked = ["make", "pop in G major, 12 seconds", "--melody", str(tmp_path / "tune.mid"), "--melody-to-key"]
    assert app.main([*asked, "--out", str(tmp_path / "take.mid")]) == 0
    told = capsys.readouterr().out
    assert "104 bpm · G major" in told and "moved from C major to the song’s key" in told
    sung = [
        t for t in tracks_of((tmp_path / "take.mid").read_bytes()) if [n[2] % 12 for n in t.notes[:4]] == [7, 7, 2, 2]
    ]
    assert len(sung) == 1
