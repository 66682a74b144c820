"""Shaping a MusicGen take on the deck: mark a part, make it anew, go on, vary, and step between the versions.

The model is a tiny one with random weights in the hub's own format: its music is noise, its codes and edits are real.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import open_page
from tests.browser.test_generate import newest_take, wait_for_new_take
from tests.running import RunningStudio, running_studio
from tests.tiny_models import build_melody, build_mono

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStudio]:
    folder = tmp_path_factory.mktemp("tiny-model")
    build_mono(folder)
    with running_studio(tmp_path_factory.mktemp("shape-data"), "--engine", str(folder)) as running:
        yield running


@pytest.fixture(scope="module")
def take(browser: Browser, studio: RunningStudio) -> str:
    """A take of eight seconds by the tiny model."""
    page = browser.new_page()
    open_page(page, studio.url)
    page.get_by_label("Describe the music").fill("techno, 120 bpm")
    page.get_by_label("Length").fill("8")
    page.get_by_label("Length").blur()
    page.locator("#st-generate").click()
    made = wait_for_new_take(page, "", timeout=120_000)
    page.close()
    return made


def put_on_deck(page: Page, take: str) -> None:
    page.evaluate("(take) => studio.deck.loadTake(take, { play: false })", take)
    page.wait_for_function("(take) => studio.deck.now?.take === take", arg=take)


def mark(page: Page, start_seconds: float, end_seconds: float) -> list[float]:
    """Drag over the waveform; returns the part as it snapped to the bars."""
    box = page.locator("#st-wave").bounding_box()
    assert box
    seconds = page.evaluate("() => studio.deck.now.seconds")
    ends = [box["x"] + box["width"] * at / seconds for at in (start_seconds, end_seconds)]
    page.mouse.move(ends[0], box["y"] + 20)
    page.mouse.down()
    page.mouse.move(sum(ends) / 2, box["y"] + 20)
    page.mouse.move(ends[1], box["y"] + 20)
    page.mouse.up()
    return page.evaluate("() => studio.shape.region")


def sound_of(page: Page, take: str) -> np.ndarray:
    answer = page.request.get(f"{page.url}studio/takes/{take}/sound.flac")
    return soundfile.read(io.BytesIO(answer.body()), always_2d=True)[0]


def test_a_marked_part_is_made_anew_and_all_else_stays_to_the_bit(page: Page, take: str) -> None:
    put_on_deck(page, take)
    start, end = mark(page, 2.2, 4.1)
    assert (start, end) == (2.0, 4.0), "120 bpm in 4/4 has its bar lines every two seconds"
    before = newest_take(page)
    page.locator("#st-repaint").click()
    painted = wait_for_new_take(page, before, timeout=120_000)
    old, new = sound_of(page, take), sound_of(page, painted)
    rate = 32_000
    assert old.shape == new.shape
    assert np.array_equal(old[: int(start * rate)], new[: int(start * rate)])
    assert np.array_equal(old[int(end * rate) :], new[int(end * rate) :])
    assert not np.array_equal(old[int(start * rate) : int(end * rate)], new[int(start * rate) : int(end * rate)])


def test_the_earlier_version_is_one_click_away(page: Page, take: str) -> None:
    put_on_deck(page, take)
    versions = page.locator("#st-versions button")
    expect(versions.first).to_have_text("1 first")
    expect(versions.nth(1)).to_contain_text("repainted")
    versions.nth(1).click()
    page.wait_for_function("(take) => studio.deck.now.take !== take", arg=take)
    versions.first.click()
    page.wait_for_function("(take) => studio.deck.now.take === take", arg=take)


def test_a_take_goes_on_from_its_end(page: Page, take: str) -> None:
    put_on_deck(page, take)
    before = newest_take(page)
    page.locator("#st-more-seconds").fill("4")
    page.locator("#st-continue").click()
    longer = wait_for_new_take(page, before, timeout=120_000)
    old, new = sound_of(page, take), sound_of(page, longer)
    assert len(new) == pytest.approx(len(old) + 4 * 32_000, abs=32_000 * 2.1)
    assert np.array_equal(old[: 7 * 32_000], new[: 7 * 32_000])


def test_variations_differ_from_the_take_and_from_each_other(page: Page, take: str) -> None:
    put_on_deck(page, take)
    before = newest_take(page)
    page.locator("#st-closeness").fill("0.4")
    page.locator("#st-vary").click()
    wait_for_new_take(page, before, timeout=180_000)
    page.wait_for_function("() => studio.jobs.active.length === 0")
    put_on_deck(page, take)
    varied = page.evaluate("() => studio.deck.now.versions.filter((v) => v.name.includes('varied')).map((v) => v.take)")
    assert len(varied) == 3
    sounds = [sound_of(page, each) for each in (take, *varied)]
    assert all(not np.array_equal(a, b) for i, a in enumerate(sounds) for b in sounds[:i])


def settings_of(page: Page, take: str) -> Locator:
    """The take's settings as History shows them."""
    page.get_by_role("tab", name="History").click()
    card = page.locator(f"#st-history .st-card[data-take='{take}']")
    card.get_by_text("All settings").click()
    return card.locator(".st-settings")


def test_prompts_are_blended_by_weight_that_moves_and_instruments_come_and_go(page: Page) -> None:
    page.get_by_label("Describe the music").fill("house, 124 bpm")
    page.get_by_label("Length").fill("2")
    page.get_by_role("button", name="Steer it").click()
    page.locator("#st-blend-1 textarea, #st-blend-1 input").fill("solo cello")
    page.locator("#st-blend-1 textarea, #st-blend-1 input").blur()
    page.locator("#st-blend-moves-1 input").click()
    page.get_by_role("option", name="comes in").click()
    page.locator("#st-bring-in input").click()
    page.get_by_role("option", name="Harp", exact=True).click()
    page.keyboard.press("Escape")
    before = newest_take(page)
    page.locator("#st-generate").click()
    shown = settings_of(page, wait_for_new_take(page, before, timeout=120_000))
    expect(shown).to_contain_text("0 → 1 × “solo cello”, with harp")


def test_a_take_is_hummed_after_and_the_take_on_the_deck_is_followed(page: Page, take: str) -> None:
    put_on_deck(page, take)
    page.get_by_role("button", name="Steer it").click()
    page.locator("#st-melody-deck").click()
    expect(page.get_by_text("It will follow", exact=False)).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Record").click()
    stop = page.get_by_role("button", name="Stop").locator("visible=true").first
    expect(stop).to_be_visible()  # it records from here on
    page.wait_for_timeout(1_500)
    stop.click()
    expect(page.get_by_text("It will follow what you played")).to_be_visible(timeout=60_000)
    page.get_by_text("Go on from its end").click()
    page.get_by_label("Describe the music").fill("beeps, 120 bpm")
    page.get_by_label("Length").fill("2")
    before = newest_take(page)
    page.locator("#st-generate").click()
    longer = wait_for_new_take(page, before, timeout=120_000)
    assert len(sound_of(page, longer)) / 32_000 > 2.9, "what was played, and two seconds more"


def test_a_part_is_repainted_in_other_words_off_the_bars(page: Page, take: str) -> None:
    put_on_deck(page, take)
    page.keyboard.down("Alt")
    start, end = mark(page, 2.3, 3.1)
    page.keyboard.up("Alt")
    assert abs(start - 2.3) < 0.1 and abs(end - 3.1) < 0.1
    page.locator("#st-words").fill("solo harp")
    before = newest_take(page)
    page.locator("#st-repaint").click()
    painted = wait_for_new_take(page, before, timeout=120_000)
    old, new = sound_of(page, take), sound_of(page, painted)
    changed = np.flatnonzero((old != new).any(axis=1)) / 32_000
    assert abs(changed[0] - start) < 0.05 and abs(changed[-1] - end) < 0.05


def test_a_take_of_the_sketch_engine_says_who_could_edit_it(page: Page, studio: RunningStudio) -> None:
    """Here a MusicGen model is at hand, so that it takes the sketch over."""
    page.get_by_label("Describe the music").fill("waltz, 150 bpm")
    page.get_by_label("Length").fill("5")
    page.get_by_label("Engine").click()
    page.get_by_role("option", name="Sketch").click()
    before = newest_take(page)
    page.locator("#st-generate").click()
    sketch = wait_for_new_take(page, before)
    put_on_deck(page, sketch)
    mark(page, 1.0, 2.5)
    page.locator("#st-repaint").click()
    painted = wait_for_new_take(page, sketch, timeout=120_000)
    expect(page.locator(f"#st-recent .st-card[data-take='{painted}'] .st-badge.full")).to_be_visible()


def test_a_melody_model_of_ones_own_follows_an_uploaded_melody(page: Page, tmp_path: Path) -> None:
    build_melody(tmp_path / "tiny-melody")
    seconds = np.arange(32_000 * 2) / 32_000
    hummed = 0.3 * np.sin(2 * np.pi * np.where(seconds < 1, 262.0, 330.0) * seconds)
    soundfile.write(tmp_path / "hummed.wav", hummed, 32_000)
    page.get_by_text("Models", exact=True).click()
    page.get_by_label("A MusicGen folder of your own").fill(str(tmp_path / "tiny-melody"))
    page.get_by_role("button", name="Add it").click()
    expect(page.get_by_label("Engine")).to_have_value("tiny-melody")
    page.get_by_label("Describe the music").fill("flute, 90 bpm")
    page.get_by_label("Length").fill("2")
    page.get_by_role("button", name="Steer it").click()
    with page.expect_file_chooser() as chooser:
        page.locator("#st-melody").click()
    chooser.value.set_files(tmp_path / "hummed.wav")
    expect(page.get_by_text("It will follow hummed.wav")).to_be_visible(timeout=60_000)
    before = newest_take(page)
    page.locator("#st-generate").click()
    made = wait_for_new_take(page, before, timeout=120_000)
    page.get_by_role("tab", name="History").click()
    card = page.locator(f"#st-history .st-card[data-take='{made}']")
    card.get_by_text("All settings").click()
    expect(card.locator(".st-settings")).to_contain_text("a melody")
