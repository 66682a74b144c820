"""`python app.py midi`: ports, a take played into another program, and refusals in a sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.running import ROOT
from tests.studio.live_midi.conftest import jack, jack_here  # noqa: F401 - fixtures
from tests.studio.live_midi.test_process import jack_may_drop, listening, until


def app(*arguments: str, data: Path, seconds: float = 120.0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "app.py", *arguments, "--data-dir", str(data)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False)


def test_a_take_is_played_into_another_program(jack: dict[str, str], tmp_path: Path) -> None:  # noqa: F811
    made = app("make", "house, 120 bpm, piano and bass", "--seconds", "4", "--seed", "3", data=tmp_path)
    assert made.returncode == 0, made.stderr
    (take,) = [path.name for path in (tmp_path / "takes").iterdir() if path.is_dir()]
    _play_it(take, tmp_path)


@jack_may_drop
def _play_it(take: str, tmp_path: Path) -> None:
    with listening("virtual") as synth:
        ports = app("midi", "ports", data=tmp_path)
        assert "out  Test synth:in" in ports.stdout
        played = app("midi", "play", take, "--to", "Test synth:in", "--tempo", "180", "--clock", data=tmp_path)
        assert played.returncode == 0, played.stderr
        assert "180 bpm" in played.stdout and " on 10" in played.stdout
        until(lambda: not synth.held)  # every key's last word is its end, once all is read
        down = {(d[0] & 15, d[1]) for _, d in synth.of(0x90)}
        assert len(down) > 5 and 9 in {channel for channel, _ in down}
        pulses = [moment for moment, data in synth.messages if data == b"\xf8"]
        assert (pulses[-1] - pulses[0]) / (len(pulses) - 1) == pytest.approx(60 / 180 / 24, rel=0.1)


def test_a_take_that_is_not_there_and_a_port_that_is_not_are_sentences(tmp_path: Path) -> None:
    missing = app("midi", "play", "20250101-000000-abcdef", data=tmp_path)
    assert missing.returncode == 1
    assert "no such take" in missing.stderr
    panic = app("midi", "panic", "--to", "Nobody's synth", data=tmp_path)
    assert panic.returncode == 1
    assert "could not be opened" in panic.stderr and "Traceback" not in panic.stderr
