"""The plug-in's window under a virtual screen: a take is chosen by a click, and one is asked for in words."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.plugin.built import ROOT, Built
from tests.plugin.conftest import KnownStudio

WIDTH, HEIGHT = 560, 420
FIELD, FIRST_ROW, ROW, PASTE = (150, 317), (120, 98), 27, (490, 285)


@pytest.fixture
def screen() -> Iterator[str]:
    """A virtual screen; yields its DISPLAY."""
    missing = [tool for tool in ("Xvfb", "xdotool") if shutil.which(tool) is None]
    if missing:
        if os.environ.get("MUSICGEN_STUDIO_TESTS_NEED_ALL"):
            pytest.fail(f"not installed: {missing}")
        pytest.skip(f"apt install xvfb xdotool libgl1-mesa-dri; missing: {missing}")
    reader, writer = os.pipe()
    command = ["Xvfb", "-displayfd", str(writer), "-screen", "0", "900x700x24", "+extension", "GLX"]
    server = subprocess.Popen(command, pass_fds=[writer], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(writer)
    with os.fdopen(reader) as told:
        number = told.readline().strip()
    try:
        yield f":{number}"
    finally:
        server.terminate()
        server.wait(10)


def until(found: Callable[[], object], seconds: float = 60.0) -> object:
    end = time.monotonic() + seconds
    while not (what := found()):
        assert time.monotonic() < end
        time.sleep(0.3)
    return what


class Shown:
    """The plug-in's window on a screen, in a host of its own."""

    def __init__(self, built: Built, screen: str, *, plugin_file: Path, state: Path) -> None:
        self._environment = {**os.environ, "DISPLAY": screen, "MUSICGEN_STUDIO_PLUGIN_FILE": str(plugin_file)}
        self._state = state
        script = Path(__file__).with_name("editor_host.py")
        command = [sys.executable, str(script), str(built.vst3), "120", str(state)]
        self._host = subprocess.Popen(command, env=self._environment, cwd=ROOT)

    def __enter__(self) -> Shown:
        try:
            self.name = str(until(self._window))
        except BaseException:
            self._host.kill()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def do(self, *words: object) -> str:
        """What xdotool answers."""
        ran = subprocess.run(["xdotool", *map(str, words)], capture_output=True, text=True, env=self._environment)
        return ran.stdout

    def click(self, x: float, y: float) -> None:
        self.do("mousemove", "--window", self.name, x, y, "click", 1)

    def close(self) -> bytes:
        """End the host; what its project would keep."""
        if self._host.poll() is None:
            self._host.terminate()
            try:
                self._host.wait(20)
            except subprocess.TimeoutExpired:
                self._host.kill()
                self._host.wait(10)
        return self._state.read_bytes() if self._state.exists() else b""

    def _window(self) -> str:
        for name in self.do("search", "--onlyvisible", "--name", "").split():
            if f"{WIDTH}x{HEIGHT}" in self.do("getwindowgeometry", name):
                return name
        return ""


def told_by(studio: KnownStudio, path: str) -> str:
    return urllib.request.urlopen(f"{studio.running.url}/studio/{path}").read().decode()


@contextmanager
def in_the_clipboard(text: str, screen: str) -> Iterator[None]:
    """The text as another program on that screen has copied it."""
    pytest.importorskip("tkinter", reason="the clipboard's other program is made with it: apt install python3-tk")
    owner = "import sys, tkinter; w = tkinter.Tk(); w.withdraw(); w.clipboard_append(sys.argv[1]); print(flush=True); w.mainloop()"
    command = [sys.executable, "-c", owner, text]
    program = subprocess.Popen(command, env={**os.environ, "DISPLAY": screen}, stdout=subprocess.PIPE)
    try:
        assert program.stdout and program.stdout.readline(), "the clipboard could not be filled"
        yield
    finally:
        program.kill()
        program.wait(10)


def test_takes_are_chosen_and_asked_for_in_the_window(
    built: Built, studio: KnownStudio, screen: str, tmp_path: Path
) -> None:
    with Shown(built, screen, plugin_file=studio.plugin_file, state=tmp_path / "state") as shown:
        until(lambda: f'"take":"{studio.clicks}"' in told_by(studio, "plug-in/instances"))

        def second_is_chosen() -> bool:
            shown.click(FIRST_ROW[0], FIRST_ROW[1] + ROW)  # once more where the list was not drawn yet
            time.sleep(2)
            return f'"take":"{studio.tone}"' in told_by(studio, "plug-in/instances")

        until(second_is_chosen)
        shown.click(*FIELD)
        shown.do("windowfocus", shown.name)  # which a window manager would do
        shown.do("type", "--delay", "40", "slow waltz, 2 bars")
        shown.do("key", "Return")
        until(lambda: "slow waltz, 2 bars" in told_by(studio, "jobs"))


def test_where_the_file_cannot_be_read_the_token_is_pasted(
    built: Built, studio: KnownStudio, screen: str, tmp_path: Path
) -> None:
    """The page copies the lines of the file; the project keeps nothing of them."""
    hidden = tmp_path / "nowhere" / "plugin.txt"
    copied = json.loads(told_by(studio, "plug-in/place"))["lines"]
    assert copied == studio.plugin_file.read_text()
    until(lambda: '"program"' not in told_by(studio, "plug-in/instances"))  # those of earlier tests are forgotten
    with Shown(built, screen, plugin_file=hidden, state=tmp_path / "state") as shown:
        with in_the_clipboard("a shopping list", screen):
            shown.click(*PASTE)
            time.sleep(3)
            assert '"program"' not in told_by(studio, "plug-in/instances")
        with in_the_clipboard(copied, screen):
            shown.click(*PASTE)
            until(lambda: told_by(studio, "plug-in/instances").count('"status":"Ready"') == 1)
        state = shown.close()
    assert state and studio.place()["token"].encode() not in state
    assert not hidden.exists()
