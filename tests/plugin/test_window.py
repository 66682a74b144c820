"""The plug-in's window under a virtual screen: a take is chosen by a click, and one is asked for in words."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.plugin.built import ROOT, Built
from tests.plugin.conftest import KnownStudio

WIDTH, HEIGHT = 560, 420
FIELD, FIRST_ROW, ROW = (150, 317), (120, 98), 27


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


def test_takes_are_chosen_and_asked_for_in_the_window(built: Built, studio: KnownStudio, screen: str) -> None:
    environment = {**os.environ, "DISPLAY": screen, "MUSICGEN_STUDIO_PLUGIN_FILE": str(studio.plugin_file)}
    script = Path(__file__).with_name("editor_host.py")
    host = subprocess.Popen([sys.executable, str(script), str(built.vst3), "120"], env=environment, cwd=ROOT)

    def do(*words: object) -> str:
        ran = subprocess.run(["xdotool", *map(str, words)], capture_output=True, text=True, env=environment)
        return ran.stdout

    def window() -> str:
        for name in do("search", "--onlyvisible", "--name", "").split():
            if f"{WIDTH}x{HEIGHT}" in do("getwindowgeometry", name):
                return name
        return ""

    def click(x: float, y: float) -> None:
        do("mousemove", "--window", shown, x, y, "click", 1)

    def plays() -> str:
        page = urllib.request.urlopen(f"{studio.running.url}/studio/plug-in/instances").read().decode()
        return page

    try:
        shown = str(until(window))
        until(lambda: f'"take":"{studio.clicks}"' in plays())
        click(FIRST_ROW[0], FIRST_ROW[1] + ROW)  # the second newest
        until(lambda: f'"take":"{studio.tone}"' in plays())
        click(*FIELD)
        do("windowfocus", shown)  # which a window manager would do
        do("type", "--delay", "40", "slow waltz, 2 bars")
        do("key", "Return")
        until(
            lambda: "slow waltz, 2 bars" in urllib.request.urlopen(f"{studio.running.url}/studio/jobs").read().decode()
        )
    finally:
        host.terminate()
        host.wait(20)
