"""Takes and notes are carried off from the command line."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

import mido
import numpy as np
import pretty_midi
import pytest

from app import main
from audio.io import decode, read_clip, write_clip
from studio.engines.base import Listener, Sampling
from studio.settings import Settings
from studio.takes import EngineFacts, TakeStore
from tests.audio.rhythms import band
from tests.engines_for_tests import ToneEngine, plan_of


@pytest.fixture
def take_id(tmp_path: Path) -> str:
    settings = Settings(data_dir=tmp_path / "data")
    store = TakeStore(settings.takes_dir, settings.bin_dir)
    engine, plan = ToneEngine(), plan_of(seconds=2.0)
    facts = EngineFacts.of(engine.capabilities)
    made = engine.generate(plan, Sampling(seed=1), Listener())
    return store.write(made, plan=plan, sampling=Sampling(seed=1), engine=facts).id


def test_a_take_is_exported_under_its_telling_name(take_id: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    data, out = str(tmp_path / "data"), str(tmp_path / "out")
    assert main(["export", take_id, "--format", "wav16", "--out", out, "--data-dir", data]) == 0
    (file,) = (tmp_path / "out").iterdir()
    assert file.name == "Rainy Window – 120bpm – Am.wav"
    assert str(file) in capsys.readouterr().out
    assert read_clip(file).seconds == pytest.approx(2.0)


def test_several_takes_become_one_zip(take_id: str, tmp_path: Path) -> None:
    data, out = str(tmp_path / "data"), str(tmp_path / "out")
    for _ in range(2):
        assert main(["export", take_id, take_id, "--format", "dawproject", "--out", out, "--data-dir", data]) == 0
    first, second = sorted((tmp_path / "out").iterdir())
    assert (first.name, second.name) == ("Takes – 2 (2).zip", "Takes – 2.zip")
    with zipfile.ZipFile(second) as files:
        project = zipfile.ZipFile(io.BytesIO(files.read(files.namelist()[0])))
        sound = next(name for name in project.namelist() if name.endswith(".wav"))
        assert decode(project.read(sound)).seconds == pytest.approx(2.0)


def test_a_take_that_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["export", "20260101-000000-abcdef", "--data-dir", str(tmp_path / "data")]) == 1
    assert "no such take" in capsys.readouterr().err


def test_a_sounds_notes_are_written_with_its_tempo(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    clip, beats = band(tempo_bpm=104, bars=5, chords=[(-100,)])
    sound = write_clip(tmp_path / "beat.wav", clip)
    assert main(["transcribe", str(sound), "--drums", "--grid", "4"]) == 0
    song = pretty_midi.PrettyMIDI(str(tmp_path / "beat.mid"))
    assert song.instruments[0].is_drum
    kicks = np.array([note.start for note in song.instruments[0].notes if note.pitch == 36])
    said = re.search(r"begins ([\d.]+) s before", capsys.readouterr().out)
    lead = float(said[1]) if said else 0.0
    assert np.median([np.abs(kicks - lead - beat).min() for beat in beats[::2]]) < 0.012
    tempo = next(m.tempo for m in mido.MidiFile(tmp_path / "beat.mid").tracks[0] if m.type == "set_tempo")
    assert mido.tempo2bpm(tempo) == pytest.approx(104, abs=0.3)
    assert main(["transcribe", str(sound), "--drums"]) == 1
    assert "--force" in capsys.readouterr().err
