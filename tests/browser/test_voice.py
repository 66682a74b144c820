"""A spoken wish on the page: from a synthesised voice through the microphone and Whisper into the prompt field."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.conftest import QUIET, _chromium, open_page
from tests.running import RunningStudio, running_studio
from tests.tiny_whisper import write_whisper
from tests.ui.test_agent_routes import babble

pytestmark = pytest.mark.browser
WISH = "slow lo-fi hip hop, rainy, 80 bpm"
Microphone = Callable[[Path], Page]
# What the browser lends the page of its microphone, to be looked at later.
LENT = """() => {
  const devices = navigator.mediaDevices, lend = devices.getUserMedia.bind(devices);
  window.lent = [];
  devices.getUserMedia = async (...asked) => { const stream = await lend(...asked); window.lent.push(stream); return stream; };
}"""


@pytest.fixture(scope="module")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("agents-data")


@pytest.fixture(scope="module")
def studio(data_folder: Path) -> Iterator[RunningStudio]:
    with running_studio(data_folder) as running:
        yield running


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wish spoken by a synthesised voice, or by something that comes and goes as one does."""
    path = tmp_path_factory.mktemp("speech") / "wish.wav"
    if shutil.which("espeak-ng"):
        subprocess.run(["espeak-ng", "-w", str(path), f"{WISH}. {WISH}."], check=True)
    else:
        soundfile.write(path, babble(6.0, rate_hz=22_050), 22_050)
    return path


@pytest.fixture
def microphone(studio: RunningStudio) -> Iterator[Microphone]:
    """A page in a browser whose microphone hears a file, again and again."""
    opened: list[Browser] = []
    with sync_playwright() as playwright:

        def hearing(path: Path) -> Page:
            heard = [f"--use-file-for-fake-audio-capture={path}", "--use-fake-device-for-media-stream"]
            browser = playwright.chromium.launch(
                executable_path=_chromium(), args=[*QUIET, *heard, "--use-fake-ui-for-media-stream"]
            )
            opened.append(browser)
            page = browser.new_context(permissions=["microphone"]).new_page()
            open_page(page, studio.url)
            return page

        yield hearing
        for browser in opened:
            browser.close()


def speak(page: Page, *, seconds: float = 2.5) -> None:
    page.locator("#st-mic").click()
    expect(page.locator("#st-mic")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#st-voice-say")).to_contain_text("Speak")
    page.wait_for_function(
        "(wanted) => { const { levels, context } = studio.voice; return 1024 * levels.length / context.sampleRate > wanted }",
        arg=seconds,
    )
    page.locator("#st-mic").click()


def test_a_spoken_wish_stands_in_the_prompt_before_anything_is_made(
    microphone: Microphone, speech: Path, data_folder: Path
) -> None:
    page = microphone(speech)
    speak(page)
    expect(page.locator("#st-voice-say")).to_contain_text("download it (0.1 GB)")
    expect(page.locator("#st-voice-do")).to_have_text("Download it")
    home = data_folder / "models" / "speech"
    home.mkdir(parents=True, exist_ok=True)
    write_whisper(home / "base.pt", says=WISH)
    page.get_by_label("Describe the music").fill("for a film")
    speak(page)
    expect(page.get_by_label("Describe the music")).to_have_value(f"for a film, {WISH}")
    expect(page.locator("#st-voice-say")).to_contain_text("Whisper base")
    assert page.evaluate("() => studio.jobs.known.size") == 0
    page.get_by_label("Seed").fill("5")
    page.get_by_label("Seed").blur()
    page.locator("#st-plan-first").click()
    expect(page.locator("#st-plan-strip")).to_contain_text("80 bpm")


def test_silence_in_the_microphone_is_a_sentence(microphone: Microphone, tmp_path: Path) -> None:
    path = tmp_path / "silence.wav"
    soundfile.write(path, np.zeros(44_100, np.float32), 22_050)
    page = microphone(path)
    speak(page, seconds=1.2)
    expect(page.locator("#st-voice-say")).to_contain_text("silent")
    expect(page.locator("#st-mic")).to_have_attribute("aria-pressed", "false")
    assert page.get_by_label("Describe the music").input_value() == ""


def test_a_recording_can_be_thrown_away_and_the_microphone_is_let_go(microphone: Microphone, speech: Path) -> None:
    """Pressed again while the browser still asks, it is one recording: a second would hold the microphone for ever."""
    page = microphone(speech)
    page.evaluate(LENT)
    page.evaluate("() => { const button = document.getElementById('st-mic'); button.click(); button.click(); }")
    expect(page.locator("#st-voice-say")).to_contain_text("Speak")
    page.locator("#st-voice-cancel").click()
    expect(page.locator("#st-voice")).to_be_hidden()
    assert page.evaluate("() => window.lent.map((stream) => stream.active)") == [False]
    assert page.get_by_label("Describe the music").input_value() == ""
