"""`make`: the main job without a page."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pretty_midi
import pytest

from audio.io import read_clip
from audio.tags import read_provenance
from studio.cli.make import add_make_arguments, make_command
from studio.history.history import History
from studio.settings import Settings
from studio.studio import Studio
from tests.engines_for_tests import OneEngine, ToneEngine, leftovers, plan_from_brief

ROOT = Path(__file__).parents[2]


def run(*words: str, engine: ToneEngine | None = None) -> int:
    parser = argparse.ArgumentParser()
    add_make_arguments(parser)
    return make_command(parser.parse_args(words), Settings(engine="tones"), engines=OneEngine(engine or ToneEngine()))


def kept() -> list[float]:
    history = History(Settings().history_path)
    try:
        return [entry.take.seconds for entry in history.search().entries]
    finally:
        history.close()


def test_words_become_a_file_and_a_take(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "rain.flac"
    assert run("slow lo-fi hip hop, rainy, 80 bpm", "--seconds", "6", "--seed", "7", "--out", str(out)) == 0
    assert read_clip(out).seconds == pytest.approx(6.0, abs=0.01)
    said = read_provenance(out)
    assert said is not None and said["sampling"]["seed"] == 7
    assert said["plan"]["tempo_bpm"]["value"] == 80
    assert kept() == [pytest.approx(6.0, abs=0.01)]
    told = capsys.readouterr().out
    for fact in ("80 bpm", "built-in tier", "seed 7", "x real time", "Kept as take", str(out)):
        assert fact in told
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.ogg", "a.mid", "a.zip", "A.FLAC"])
def test_the_ending_says_the_format(tmp_path: Path, name: str) -> None:
    out = tmp_path / name
    assert run("four chords", "--seconds", "4", "--out", str(out)) == 0
    if name == "a.mid":
        assert pretty_midi.PrettyMIDI(str(out)).instruments
    elif name == "a.zip":
        assert len(zipfile.ZipFile(out).namelist()) == 3
    else:
        assert read_clip(out).samples.any()


def test_not_kept_it_leaves_only_the_file(tmp_path: Path, data_dir: Path) -> None:
    out = tmp_path / "rain.flac"
    assert run("rain", "--seconds", "4", "--out", str(out), "--no-keep", "--no-provenance") == 0
    assert read_provenance(out) is None
    assert not data_dir.exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["x", "--out", "song.docx"], r".flac"),
        (["x", "--out", "absent/song.flac"], "Nothing can be written in absent"),
        (["x", "--out", "here.flac"], "already there"),
        (["x", "--no-keep"], "--out"),
        (["x", "--seconds", "0"], "1 to 600 seconds"),
        (["x", "--seconds", "3600"], "1 to 600 seconds"),
        (["x", "--seed", "-1"], "--seed"),
        (["x", "--tempo", "5000"], "30 to 300 bpm"),
        (["x", "--key", "H dur"], "“H dur” is not a key"),
        (["x", "--meter", "4"], "“4” is not a meter"),
        (["x " * 10_000], "10,000 words"),
    ],
)
def test_what_cannot_be_is_said_before_any_music_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.flac").write_bytes(b"precious")
    engine = ToneEngine()
    assert run(*arguments, engine=engine) == 2
    told = capsys.readouterr().err.strip()
    assert says in told and "\n" not in told
    assert engine.plans_played == []
    assert (tmp_path / "here.flac").read_bytes() == b"precious"


def test_with_force_a_file_is_written_over(tmp_path: Path) -> None:
    out = tmp_path / "here.flac"
    out.write_bytes(b"old")
    assert run("x", "--seconds", "4", "--out", str(out), "--force") == 0
    assert read_clip(out).frames > 0


def test_an_engine_that_is_not_there_or_breaks_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    add_make_arguments(parser)
    assert make_command(parser.parse_args(["x"]), Settings(engine="theremin")) == 1
    assert "theremin" in capsys.readouterr().err
    assert run("x", "--seconds", "6", engine=ToneEngine(breaks_after=2.0)) == 1
    assert "The oscillator fell over. The 2 s already made are kept." in capsys.readouterr().err
    assert len(kept()) == 1


def test_nothing_asked_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("") == 1
    assert len(capsys.readouterr().err.strip()) > 20


def test_it_works_beside_an_open_page(tmp_path: Path) -> None:
    page = Studio(Settings(), engines=OneEngine(ToneEngine()), planner=plan_from_brief)
    assert run("beside the page", "--seconds", "4") == 0
    assert page.takes("beside page").total == 1
    page.close()


STOPPED = """
import argparse, sys
from studio.cli.make import add_make_arguments, make_command
from studio.settings import Settings
from tests.engines_for_tests import OneEngine, ToneEngine
parser = argparse.ArgumentParser()
add_make_arguments(parser)
parsed = parser.parse_args(["slow rain", "--seconds", "60", "--out", sys.argv[1]])
sys.exit(make_command(parsed, Settings(engine="tones"), engines=OneEngine(ToneEngine(pause_seconds=0.1))))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process there")
def test_ctrl_c_keeps_the_part_made(tmp_path: Path, data_dir: Path) -> None:
    out = tmp_path / "rain.flac"
    process = subprocess.Popen(
        [sys.executable, "-c", STOPPED, str(out)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "MUSICGEN_STUDIO_DATA_DIR": str(data_dir)},
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if "seed" in line:  # the plan is told just before the sound starts
            break
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    told, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert "the part already made is kept" in errors and "the part made before the stop" in told
    assert 0.2 < read_clip(out).seconds < 30
    assert len(kept()) == 1
    assert leftovers(data_dir) == leftovers(tmp_path) == []
