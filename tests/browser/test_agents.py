"""The agents on the page: a spoken wish, a model that writes before one's eyes, a verdict, a refinement watched and overruled."""

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
from tests.browser.test_generate import ask, newest_take, wait_for_new_take
from tests.running import RunningStudio, running_studio
from tests.tiny_gguf import write_gguf
from tests.tiny_whisper import write_whisper
from tests.ui.test_agent_routes import babble

pytestmark = pytest.mark.browser
WISH = "slow lo-fi hip hop, rainy, 80 bpm"
Microphone = Callable[[Path], Page]


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
    page.wait_for_timeout(1_000 * seconds)
    page.locator("#st-mic").click()


# The page's fixture of this folder opens a browser of its own; these two must not meet it inside one event loop.


def test_a_spoken_wish_stands_in_the_prompt_before_anything_is_made(
    microphone: Microphone, speech: Path, data_folder: Path
) -> None:
    page = microphone(speech)
    speak(page)
    expect(page.locator("#st-voice-say")).to_contain_text("download it (0.1 GB)", timeout=20_000)
    expect(page.locator("#st-voice-do")).to_have_text("Download it")
    home = data_folder / "models" / "speech"
    home.mkdir(parents=True, exist_ok=True)
    write_whisper(home / "base.pt", says=WISH)
    page.get_by_label("Describe the music").fill("for a film")
    speak(page)
    expect(page.get_by_label("Describe the music")).to_have_value(f"for a film, {WISH}", timeout=60_000)
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
    expect(page.locator("#st-voice-say")).to_contain_text("silent", timeout=20_000)
    expect(page.locator("#st-mic")).to_have_attribute("aria-pressed", "false")
    assert page.get_by_label("Describe the music").input_value() == ""


def test_a_recording_can_be_thrown_away(microphone: Microphone, speech: Path) -> None:
    page = microphone(speech)
    page.locator("#st-mic").click()
    expect(page.locator("#st-voice-say")).to_contain_text("Speak")
    page.locator("#st-voice-cancel").click()
    expect(page.locator("#st-voice")).to_be_hidden()
    assert page.get_by_label("Describe the music").input_value() == ""


def test_every_take_gets_its_verdict_and_a_press_shows_the_reasons(page: Page) -> None:
    before = newest_take(page)
    ask(page, "house at night, 122 bpm", seconds=8, seed=3)
    take = wait_for_new_take(page, before)
    card = page.locator(f"#st-recent .st-card[data-take='{take}']")
    chip = card.locator("button[data-score]")
    expect(chip).to_have_text("100", timeout=60_000)
    chip.click()
    expect(card.locator(".st-verdict [data-part=tempo]")).to_contain_text("122 bpm")
    expect(card.locator(".st-verdict")).to_contain_text("no CLAP model is here")
    expect(card.locator(".st-verdict")).to_contain_text("built-in rules")
    chip.click()
    expect(card.locator(".st-verdict")).to_have_count(0)


def test_a_refinement_is_watched_survives_a_reload_and_can_be_overruled(page: Page, studio: RunningStudio) -> None:
    page.get_by_label("Describe the music").fill("funk with slap bass, 108 bpm, intro then a chorus")
    page.get_by_label("Length").fill("18")
    page.get_by_label("Seed").fill("3")
    page.get_by_label("Seed").blur()
    page.locator("#st-refine").get_by_text("Refine until it is right").click()
    page.locator("#st-refine-go").click()
    first = page.locator(".st-refinement").first
    expect(first.locator("[data-pass='0']")).to_contain_text("The first take", timeout=60_000)
    expect(first.locator("[data-pass='0'] .st-score")).to_be_visible()
    open_page(page, studio.url)
    first = page.locator(".st-refinement").first
    overrule = first.locator(".st-overrule")
    expect(overrule).to_be_visible(timeout=60_000)
    overrule.locator(".st-mark-chip").last.click()
    overrule.get_by_text("Make these anew").click()
    anew = first.locator("[data-pass='1']")
    expect(anew).to_contain_text("Made anew of pass 1", timeout=60_000)
    expect(anew.locator(".st-changes")).to_contain_text("drawn anew")
    expect(first.locator(".st-overrule")).to_be_visible(timeout=30_000)
    page.locator(".st-refinement .st-pass:not(.best)").first.get_by_text("Keep this one").click()
    expect(page.locator(".st-refinement").first.locator(".st-pass.best")).to_have_count(1)
    first.locator("[data-pass='1'] .st-play").click()
    take = anew.get_attribute("data-take")
    page.wait_for_function("(take) => studio.deck.now?.take === take", arg=take)
    first.get_by_text("Put away").click()
    expect(page.locator(".st-refinement")).to_have_count(0)


def test_a_suggestion_is_one_press_from_the_prompt(page: Page) -> None:
    page.get_by_label("Describe the music").fill("")
    suggestion = page.locator("#st-suggest .st-try").first
    words = suggestion.inner_text()
    suggestion.click()
    expect(page.get_by_label("Describe the music")).to_have_value(words)


def test_a_model_writes_before_ones_eyes_is_tested_stopped_and_named(page: Page, tmp_path: Path) -> None:
    pytest.importorskip("llama_cpp")
    slow = write_gguf(tmp_path / "slow.gguf", name="Slow", width=256, layers=6)
    page.locator("#st-agents").get_by_text("Agents", exact=True).click()
    page.get_by_label("A GGUF file of your own").fill(str(tmp_path / "nothing.gguf"))
    page.locator("#st-agents").get_by_text("Add it").click()
    expect(page.get_by_text("cannot be read")).to_be_visible()
    page.get_by_label("A GGUF file of your own").fill(str(slow))
    page.locator("#st-agents").get_by_text("Add it").click()
    expect(page.locator("#st-agent-models")).to_contain_text("slow")
    page.locator("#st-agent-structure input").click()
    page.get_by_role("option", name="slow").click()
    expect(page.locator("#st-agents-said")).to_contain_text("structure: slow")
    page.get_by_label("Describe the music").fill(WISH)
    page.locator("#st-plan-first").click()
    writing = page.locator("#st-agents-now .st-writing[data-agent=structure]")
    expect(writing).to_contain_text("slow", timeout=30_000)
    expect(writing.locator("pre")).to_contain_text("{", timeout=60_000)
    writing.get_by_text("Stop").click()
    expect(writing).to_have_count(0, timeout=20_000)
    expect(page.get_by_text("You stopped the agent")).to_be_visible()
    page.locator("#st-plan-first").click()
    expect(page.locator("#st-plan-strip")).to_contain_text("Planned by", timeout=120_000)
    expect(page.locator("#st-plan-strip")).to_contain_text("80 bpm")
    page.locator("#st-agents-test").click()
    tests = page.locator("#st-agents-tests .st-test")
    expect(tests).to_have_count(6, timeout=120_000)
    expect(page.locator("#st-agents-tests .st-test[data-agent=structure]")).to_contain_text(" s")
    expect(page.locator("#st-agents-tests .st-test[data-agent=prompt]")).to_contain_text("built-in rules")
    page.locator("#st-agents").get_by_text("Rules for all").click()
    expect(page.locator("#st-agents-said")).to_contain_text("structure: built-in rules")
