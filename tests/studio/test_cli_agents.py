"""The agents from the command line, as a user types them."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile

from app import main
from studio.settings import Settings
from studio.studio import Studio
from tests.tiny_whisper import write_whisper
from tests.ui.test_agent_routes import babble


def run(data_dir: Path, *arguments: str) -> int:
    return main([arguments[0], "--data-dir", str(data_dir), *arguments[1:]])


def test_a_wish_is_enhanced_three_ways_and_each_keeps_its_words(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(data_dir, "enhance", "a tango for two, no drums") == 0
    said = capsys.readouterr().out
    assert said.count("a tango for two, no drums") == 3 and "added by built-in rules" in said
    assert run(data_dir, "enhance", "") == 1 and capsys.readouterr().err


def test_a_take_is_refined_and_judged_again(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(data_dir, "refine", "house at night", "--seconds", "6", "--seed", "3", "--passes", "1") == 0
    said = capsys.readouterr().out
    assert "pass 1: " in said and "The best is pass 1, take " in said
    take = said.rsplit("take ", 1)[1].split()[0]
    assert run(data_dir, "judge", take) == 0
    verdict = capsys.readouterr().out
    assert "of 100" in verdict and "no CLAP model is here" in verdict and "worded by built-in rules" in verdict
    assert run(data_dir, "judge", "20250101-000000-abcdef") == 1
    assert "no such take" in capsys.readouterr().err
    refinement = said.split("refinement ", 1)[1].split()[0]
    assert run(data_dir, "refine", "--resume", refinement) == 0
    assert "All passes are made" in capsys.readouterr().out or "score asked for" in said
    assert run(data_dir, "refine", "house", "--passes", "99") == 2


def test_who_answers_is_listed_and_chosen(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(data_dir, "agents") == 0
    assert "structure: Phi-3 mini (3.8B) is not on this machine yet" in capsys.readouterr().out
    assert run(data_dir, "agents", "--set", "32") == 0
    assert "structure: Qwen2.5 7B is not" in capsys.readouterr().out
    assert run(data_dir, "agents", "--rules", "--test") == 0
    said = capsys.readouterr().out
    assert said.count("rules answered") >= 6 and "structure: rules, 0.0 s" in said
    assert run(data_dir, "agents", "--give", "structure", str(data_dir / "none.gguf")) == 1
    assert "cannot be read" in capsys.readouterr().err
    with Studio(Settings(data_dir=data_dir)) as studio:
        assert set(studio.desk.models.choices().values()) == {""}


def test_a_recording_is_written_down(data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wish = tmp_path / "wish.wav"
    soundfile.write(wish, babble(), 16_000)
    assert run(data_dir, "hear", str(wish)) == 1
    assert "download it (0.1 GB)" in capsys.readouterr().err
    home = data_dir / "models" / "speech"
    home.mkdir(parents=True)
    write_whisper(home / "base.pt", says="a slow waltz with cello")
    assert run(data_dir, "hear", str(wish)) == 0
    assert "a slow waltz with cello" in capsys.readouterr().out
