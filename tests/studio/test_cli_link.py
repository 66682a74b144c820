"""`app.py link`: another program is led, started and stopped from the command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import app
from tests.link_room import Room, until

ROOT = Path(__file__).parents[2]


@pytest.fixture
def installed(room: Room, data_dir: Path) -> Room:
    room.install_in(data_dir)
    return room


def test_it_sets_everybodys_tempo_and_starts_them(installed: Room, capsys: pytest.CaptureFixture[str]) -> None:
    with installed.peer(100.0) as peer:
        assert app.main(["link", "--tempo", "131", "--play", "--seconds", "1"]) == 0
        assert peer.told["tempo_bpm"] == pytest.approx(131.0, abs=0.001) and peer.told["playing"]
        said = capsys.readouterr().out.splitlines()
        assert "131.00 bpm, playing, 1 other program" in said
        time.sleep(1.5)  # it was left alone and founds a session anew; Link takes the older one, if by half a second
        assert app.main(["link", "--stop", "--seconds", "1"]) == 0
        assert not peer.told["playing"] and peer.told["tempo_bpm"] == pytest.approx(131.0, abs=0.001)


def test_a_wrong_tempo_is_a_sentence(installed: Room, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["link", "--tempo", "5", "--seconds", "1"]) == 1
    assert "between 20 and 999" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
def test_ctrl_c_leaves_in_order(installed: Room) -> None:
    with installed.peer() as peer:
        command = [sys.executable, "app.py", "link"]
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
        )
        until(lambda: peer.told["peers"] == 1, "it did not join")
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=20)
        assert process.returncode == 0 and complaints == ""
        until(lambda: peer.told["peers"] == 0, "it is still in the session")
