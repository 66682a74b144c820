"""History's other pages in Chromium: takes compared in step and equally loud, picked, shown as songs, gridded, archived."""

from __future__ import annotations

import json
import random
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from audio.clip import Clip
from studio.engines.base import Rendering, Sampling
from studio.history.archive import archive
from studio.history.history import History
from studio.history.opinions import Opinions
from studio.settings import Settings
from studio.takes import EngineFacts, TakeStore
from tests.browser.conftest import open_page
from tests.running import RunningStudio, running_studio
from tests.tiny_plans import make_plan

pytestmark = pytest.mark.browser
RATE = 44_100
Running = tuple[RunningStudio, dict[str, str], Path]


def keep(store: TakeStore, sound: np.ndarray, *, title: str, parent: str | None = None) -> str:
    plan = make_plan(seconds=4.0, prompt=title)
    plan = plan.model_copy(update={"title": plan.title.model_copy(update={"value": title})})
    take = store.write(
        Rendering(clip=Clip(sound.astype(np.float32), RATE), complete=True), plan=plan, sampling=Sampling(), parent=parent,
        engine=EngineFacts(name="sketch", label="Sketch (built-in)", tier="built-in"), created_at=datetime.now(UTC),
        request={"edit": {"kind": "vary"}} if parent else None,
    )  # fmt: skip
    return take.id


@pytest.fixture(scope="module")
def takes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A studio with a loud tone, the same tone 16 dB softer, and noise."""
    folder = tmp_path_factory.mktemp("compare-data")
    store = TakeStore(folder / "takes", folder / "bin")
    tone = 0.7 * np.sin(2 * np.pi * 441 * np.arange(4 * RATE) / RATE)
    noise = np.random.default_rng(0).normal(0, 0.05, 4 * RATE)
    loud = keep(store, tone, title="Loud tone")
    names = {
        "loud": loud, "soft": keep(store, tone * 0.158, title="Soft tone", parent=loud),
        "noise": keep(store, noise, title="Noise"),
    }  # fmt: skip
    with running_studio(folder) as studio:
        yield studio, names, folder


@pytest.fixture
def history(browser: Browser, takes: Running) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="dark")
    page = context.new_page()
    open_page(page, takes[0].url)
    page.get_by_role("tab", name="History").click()
    expect(page.locator("#st-history .st-card", has_text="Noise")).to_be_visible()
    yield page
    context.close()


def compare(page: Page, *titles: str) -> None:
    for title in titles:
        page.locator(f"#st-history [data-act=compare][aria-label='A/B, compare {title}']").click()
    page.get_by_role("tab", name="Compare", exact=True).click()
    expect(page.locator("#st-ab-sides [data-side]")).to_have_count(len(titles))


def decibels(samples: np.ndarray, *, window: int) -> np.ndarray:
    whole = samples[: len(samples) // window * window].reshape(-1, window)
    return 20 * np.log10(np.sqrt((whole**2).mean(1)) + 1e-12)


def test_switching_between_like_sounds_changes_nothing_at_all(history: Page) -> None:
    """The tone and its soft copy: matched, one cannot hear which is on, nor when one switches."""
    compare(history, "Loud tone", "Soft tone")
    heard = np.array(history.evaluate("async () => [...await studio.compare.render({ every: 0.5, seconds: 2 })]"))
    level = decibels(heard, window=500)  # five periods of the tone, 11 ms
    assert level.max() - level.min() < 0.1
    assert abs(level.mean() - 20 * np.log10(0.7 * 0.158 / np.sqrt(2))) < 0.2


def test_switching_between_unlike_sounds_leaves_neither_gap_nor_bump(history: Page) -> None:
    compare(history, "Soft tone", "Noise")
    heard = np.array(history.evaluate("async () => [...await studio.compare.render({ every: 1, seconds: 2 })]"))
    around = decibels(heard[RATE - 4_410 : RATE + 4_410], window=441)
    steady = decibels(heard, window=441)
    # Noise swings from window to window by itself; the fade must not leave its range.
    assert around.min() > steady.min() - 0.5 and around.max() < steady.max() + 0.5


def test_a_blind_choice_is_made_and_then_told(history: Page, takes: Running) -> None:
    compare(history, "Loud tone", "Noise")
    history.locator("#st-ab-blind").check()
    sides = history.locator("#st-ab-sides")
    expect(sides).not_to_contain_text("Noise")
    expect(sides).to_contain_text("who knows")
    history.locator("#st-ab-why input[value=melody]").check()
    history.locator("#st-ab-sides [data-side='0'] [data-does=prefer]").click()
    expect(history.locator("#st-ab-say")).to_contain_text("Loud tone. Now you know.")
    expect(sides).to_contain_text("preferred 1 of 1")
    kept = [json.loads(line) for line in (takes[2] / "opinions.jsonl").read_text().splitlines()]
    assert kept[-1]["blind"] and kept[-1]["take"] == takes[1]["loud"] and kept[-1]["reasons"] == ["melody"]


def test_it_plays_and_switches_by_key(history: Page) -> None:
    compare(history, "Loud tone", "Noise")
    history.locator("#st-ab-play").click()
    history.wait_for_function("() => studio.compare.sides && studio.compare.now > 0.3")
    began = history.evaluate("() => studio.compare.sides.startedAt")
    history.keyboard.press("2")
    history.wait_for_function("() => studio.compare.sides.on === 1")
    history.wait_for_function(
        """() => {
          const [before, after] = studio.compare.sides.sides.map((side) => side.heard.gain.value);
          return after > 0.99 && before < 0.01;
        }"""
    )
    assert history.evaluate("() => studio.compare.sides.startedAt") == began, "it plays on, from no other place"


def test_picked_takes_are_liked_together_and_found_so(history: Page) -> None:
    for title in ("Loud tone", "Noise"):
        history.get_by_label(f"Pick {title}").check()
    expect(history.locator("#st-bulk-count")).to_have_text("2 picked")
    history.locator("#st-bulk [data-bulk=like]").click()
    expect(history.locator("#st-history [data-act=like][aria-pressed=true]")).to_have_count(2)
    history.locator("#st-search input, #st-search textarea").fill("liked:yes")
    expect(history.locator("#st-history .st-card")).to_have_count(2)
    history.locator("#st-search input, #st-search textarea").fill("tempo:fast")
    expect(history.locator("#st-history")).to_contain_text("takes a number or a range")


def carried_off(history: Page, *titles: str, format: str) -> list[str]:
    """The files of the zip that these takes, picked together, are saved in."""
    for title in titles:
        history.get_by_label(f"Pick {title}").check()
    history.locator("#st-bulk-format").select_option(format)
    with history.expect_download() as download:
        history.locator("#st-bulk [data-bulk=export]").click()
    with zipfile.ZipFile(download.value.path()) as bundle:
        return bundle.namelist()


def test_picked_takes_are_carried_off_in_one_zip(history: Page, takes: Running) -> None:
    names = carried_off(history, "Soft tone", "Noise", format="wav16")
    assert len(names) == 2 and all(name.endswith(".wav") for name in names)
    kept = [json.loads(line) for line in (takes[2] / "deeds.jsonl").read_text().splitlines()]
    assert {deed["take_id"] for deed in kept} == {takes[1]["soft"], takes[1]["noise"]}


def test_what_cannot_be_carried_off_is_said_and_the_studio_stays(history: Page, takes: Running) -> None:
    _, names, folder = takes
    home, away = folder / "takes" / names["noise"], folder / "away"
    home.rename(away)
    try:
        card = history.locator("#st-history .st-card", has_text="Noise")
        card.locator("summary", has_text="Export").click()
        card.locator("[data-format=mp3]").click()
        said = history.locator("#st-carried .st-carrying")
        expect(said).to_contain_text("“Noise” as MP3, 320 kbit/s cannot be made: it is not here any more")
        said.get_by_role("button", name="Close").click()
        assert len(carried_off(history, "Soft tone", "Noise", format="flac16")) == 1
        expect(said).to_contain_text("1 of 2 takes is not in the zip")
        expect(card).to_be_visible()
    finally:
        away.rename(home)


def test_the_last_cards_menu_ends_above_the_deck(history: Page) -> None:
    history.evaluate("() => scrollTo(0, document.body.scrollHeight)")
    menu = history.locator("#st-history .st-card").last.locator("details.st-menu")
    menu.locator("summary").click()
    last = menu.locator("[data-format=daw]")
    reached = last.evaluate("""link => {
      link.scrollIntoView({ block: "nearest" });
      const { x, y, width, height } = link.getBoundingClientRect();
      return document.elementFromPoint(x + width / 2, y + height / 2) === link;
    }""")
    assert reached
    history.keyboard.press("Escape")
    expect(last).to_be_hidden()


def test_the_bar_of_the_picked_stays_in_sight(history: Page) -> None:
    history.set_viewport_size({"width": 1280, "height": 420})
    history.locator("#st-history [data-pick]").last.check()
    history.evaluate("() => scrollTo(0, document.body.scrollHeight)")
    expect(history.locator("#st-bulk")).to_be_in_viewport()


def test_songs_show_what_came_of_what(history: Page) -> None:
    history.get_by_text("Songs", exact=True).click()
    expect(history.locator("#st-history .st-song")).to_have_count(2)
    song = history.locator("#st-history .st-song", has_text="Loud tone")
    expect(song).to_contain_text("2 versions")
    expect(song.locator(".st-tree ul .st-branch")).to_contain_text("Varied")


def test_a_grid_is_run_from_the_words_that_stand_in_generate(history: Page) -> None:
    history.get_by_role("tab", name="Generate").click()
    history.get_by_label("Describe the music").fill("techno, 128 bpm")
    history.get_by_label("Length").fill("4")
    history.get_by_role("tab", name="History").click()
    history.get_by_role("tab", name="Grid", exact=True).click()
    history.locator("#st-grid-engines input").click()
    history.get_by_role("option", name="Sketch").click()
    history.keyboard.press("Escape")
    history.locator("#st-grid-run").click()
    expect(history.locator("#st-grid tr[data-take]")).to_have_count(2)  # they come by themselves
    expect(history.locator("#st-grid [role=status]")).to_have_count(0)


def test_the_studio_is_written_into_one_file(history: Page, tmp_path: Path) -> None:
    history.get_by_role("tab", name="Storage", exact=True).click()
    expect(history.locator("#st-storage")).to_contain_text("Takes")
    history.locator("#st-archive-path input, #st-archive-path textarea").fill(str(tmp_path / "all.zip"))
    history.locator("#st-archive").click()
    expect(history.locator("#st-storage-said")).to_contain_text("all.zip holds everything")
    history.locator("#st-bring-back").click()
    expect(history.locator("#st-storage-said")).to_contain_text("0 takes came back")


def test_what_comes_back_stands_in_the_list_at_once(history: Page, tmp_path: Path) -> None:
    elsewhere = Settings(data_dir=tmp_path / "elsewhere")
    keep(TakeStore(elsewhere.takes_dir, elsewhere.bin_dir), np.zeros(RATE), title="From afar")
    archived = archive(elsewhere, tmp_path / "elsewhere.zip")
    history.get_by_role("tab", name="Storage", exact=True).click()
    history.locator("#st-archive-path input, #st-archive-path textarea").fill(str(archived))
    history.locator("#st-bring-back").click()
    expect(history.locator("#st-storage-said")).to_contain_text("1 take came back; 0 were here already")
    history.get_by_role("tab", name="Browse", exact=True).click()
    expect(history.locator("#st-history .st-card", has_text="From afar")).to_be_visible()


def test_planted_preferences_are_told_with_their_counts(browser: Browser, tmp_path: Path) -> None:
    """Forty takes, of which the listener liked the short ones: the page says so, and nothing else."""
    store = TakeStore(tmp_path / "takes", tmp_path / "bin")
    opinions = Opinions(History(tmp_path / "spare.sqlite"), tmp_path / "opinions.jsonl")
    rng = random.Random(0)
    for number in range(40):
        short = number % 2 == 0
        sound = np.zeros(RATE // 10 if short else RATE * 21)
        take = keep(store, sound, title=f"Take {number}")
        opinions.vote(take, 1 if short == (rng.random() < 0.95) else -1)
    with running_studio(tmp_path) as studio:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        open_page(page, studio.url)
        page.get_by_role("tab", name="History").click()
        page.get_by_role("tab", name="Insight").click()
        found = page.locator("#st-insight .st-trend-row.liked")
        expect(found).to_have_count(1)
        expect(found).to_contain_text("under 20 s")
        expect(page.locator("#st-insight")).to_contain_text("40 judged")
        page.close()
