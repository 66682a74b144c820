"""The Library on the page: a folder comes in, songs are found by words and by ear, charts narrow, and a mash-up is made."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Browser, Page, Route, expect

from agents.planner import plan_from_brief
from agents.types import Brief
from audio.io import write_clip
from studio.engines.base import Listener, Sampling
from studio.engines.sketch.engine import SketchEngine
from tests.browser.conftest import open_page
from tests.browser.held_answers import LET_GO, hear_answers, hold_answers
from tests.running import RunningStudio, running_studio
from tests.tiny_clap import save_tiny_clap

pytestmark = pytest.mark.browser
SONGS = {
    "Night shift": "techno, 132 bpm, in F minor", "Warehouse": "techno, 134 bpm, in A minor",
    "Promenade": "bossa nova, 128 bpm, in C major", "Sea view": "bossa nova, 130 bpm, in G major",
    "Slow tide": "ambient, in D major", "Long fog": "ambient, in E minor",
}  # fmt: skip


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six short songs of three kinds."""
    folder, engine = tmp_path_factory.mktemp("music"), SketchEngine()
    for title, words in SONGS.items():
        plan = plan_from_brief(Brief(words=words, seconds=12.0), seed=3)
        write_clip(folder / f"{title}.flac", engine.generate(plan, Sampling(seed=3), Listener()).clip)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("library-data")


@pytest.fixture(scope="module")
def filled(browser: Browser, music: Path, data: Path) -> Iterator[RunningStudio]:
    """A studio whose owner has imported the folder through the page."""
    with running_studio(data) as running:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        open_library(page, running.url)
        expect(page.locator("#st-lib-list")).to_contain_text("Your music will stand here")
        for view in ("map", "charts"):  # nothing to draw: the same call, and no empty frame
            page.locator(f"[data-view={view}]").click()
            expect(page.locator(f"#st-lib-{view}-view")).to_be_hidden()
        page.get_by_role("button", name="Bring music in").click()
        expect(page.locator("#st-lib-path")).to_be_focused()
        page.locator("#st-lib-path").fill(str(music))
        page.locator("#st-lib-import").click()
        expect(page.locator("#st-lib-job")).to_contain_text("6 new", timeout=180_000)
        page.close()
        yield running


def open_library(page: Page, url: str) -> None:
    open_page(page, url)
    page.get_by_role("tab", name="Library").click()
    page.wait_for_function("() => window.studio.library?.now")


@pytest.fixture
def library(page: Page, filled: RunningStudio) -> Page:
    open_library(page, filled.url)
    expect(page.locator(".st-track").nth(5)).to_be_visible()
    return page


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="dark")
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    yield page
    context.close()
    assert problems == []


def titles(page: Page) -> list[str]:
    return page.locator(".st-track-name b").all_inner_texts()


def test_a_song_is_found_by_its_words(library: Page) -> None:
    library.locator("#st-lib-words").fill("promenade")
    expect(library.locator("#st-lib-count")).to_contain_text("by their meaning")
    expect(library.locator(".st-track-name b").first).to_have_text("Promenade")
    expect(library.locator(".st-why").first).to_contain_text("Says “promenade”")


def test_a_question_that_was_overtaken_says_nothing_more(library: Page) -> None:
    held: list[Route] = []
    library.route("**/studio/library/tracks?words=*", lambda route: held.append(route))
    library.locator("#st-lib-words").fill("promenade")
    while not held:
        library.wait_for_timeout(20)
    library.evaluate("() => { window.asked = performance.now(); }")
    library.evaluate("() => { studio.library.words = ''; return studio.library.refresh(); }")
    library.wait_for_function("() => performance.now() > asked + 500")
    expect(library.locator("#st-lib-count")).to_have_text("6 tracks")
    expect(library.locator("#st-lib-list")).to_have_attribute("aria-busy", "false")
    for route in held:
        route.continue_()


def test_like_this_song_puts_its_kind_first_and_it_can_be_heard(library: Page) -> None:
    library.locator(".st-track", has_text="Night shift").get_by_text("Like this").click()
    expect(library.locator(".st-chip")).to_contain_text("like “Night shift”")
    expect(library.locator(".st-track")).to_have_count(5)
    assert titles(library)[0] == "Warehouse"
    library.locator(".st-track .st-play").first.click()
    library.wait_for_function("() => studio.deck.level() > 0.003")
    expect(library.locator("#st-deck-title")).to_have_text("Warehouse")
    expect(library.locator(".st-track").first).to_have_class("st-track playing")
    second = titles(library)[1]
    library.locator("#st-deck-next").click()
    expect(library.locator("#st-deck-title")).to_have_text(second)


def test_a_dropped_file_finds_its_song(library: Page, music: Path) -> None:
    library.locator("#st-lib-clip").set_input_files(music / "Sea view.flac")
    expect(library.locator(".st-chip")).to_contain_text("like Sea view.flac")
    expect(library.locator(".st-track-name b").first).to_have_text("Sea view")


def test_a_mark_of_the_dashboard_narrows_the_list(library: Page) -> None:
    library.locator("[data-view=charts]").click()
    bars = library.locator("#st-chart-tempos .point path")
    bars.first.wait_for()
    bars.last.evaluate("bar => bar.scrollIntoView({ block: 'center' })")  # the deck covers the window's foot
    bars.last.click(force=True)
    expect(library.locator(".st-chip")).to_contain_text("bpm")
    expect(library.locator(".st-track")).not_to_have_count(6)
    assert 0 < len(titles(library)) < 6
    library.locator(".st-chip button").last.click()
    expect(library.locator(".st-track")).to_have_count(6)


def test_a_key_of_the_circle_narrows_the_list_and_moves_nothing(library: Page) -> None:
    library.locator("[data-view=charts]").click()
    wedges = library.locator("#st-chart-keys .slice path")
    expect(wedges).to_have_count(24)
    heard = library.evaluate("async () => (await (await fetch('studio/library/tracks')).json()).tracks[0].features")
    fifths = [0, 7, 2, 9, 4, 11, 6, 1, 8, 3, 10, 5]
    minors = [12 + (tonic + 9) % 12 for tonic in fifths]
    wedge = wedges.nth([*fifths, *minors].index(heard["key"]))
    before = library.locator("#st-lib-charts-view").bounding_box()
    wedge.click()
    expect(library.locator(".st-chip")).to_contain_text(f"Key {heard['key_name']} and what mixes with it")
    expect(library.locator(".st-track")).not_to_have_count(6)
    assert library.locator("#st-lib-charts-view").bounding_box()["y"] == before["y"]
    library.locator(".st-chip button").last.click()
    expect(library.locator(".st-track")).to_have_count(6)


def test_filters_narrow_and_say_so(library: Page) -> None:
    library.locator("#st-lib-narrow").click()
    library.locator("[data-filter=tempo][data-end='0']").fill("500")
    library.locator("[data-filter=tempo][data-end='0']").press("Tab")
    expect(library.locator("#st-lib-list")).to_contain_text("No track answers to that")
    library.locator("#st-lib-clear").click()
    expect(library.locator(".st-track")).to_have_count(6)


def test_a_point_of_the_map_plays(library: Page) -> None:
    library.locator("[data-view=map]").click()
    points = library.locator("#st-lib-map .points path.point")
    points.first.wait_for(timeout=120_000)
    expect(points).to_have_count(6)
    points.first.hover(force=True)
    library.locator("#st-lib-map .hoverlayer .hovertext").wait_for()  # the map knows which point the pointer is on
    points.first.click(force=True)
    library.wait_for_function("() => studio.deck.now?.track && studio.deck.level() > 0.003")


def test_duplicates_are_looked_for_beside_the_page(library: Page) -> None:
    library.locator("[data-view=charts]").click()
    library.get_by_role("button", name="Look for duplicates").click()
    expect(library.locator("#st-lib-duplicates")).to_contain_text("No recording is here twice")
    expect(library.get_by_role("button", name="Look again")).to_be_visible()


def test_a_library_that_is_not_read_yet_says_so(page: Page, filled: RunningStudio) -> None:
    held: list[Route] = []
    slow = True
    page.route("**/studio/library/status", lambda route: held.append(route) if slow else route.continue_())
    open_page(page, filled.url)
    page.get_by_role("tab", name="Library").click()
    expect(page.locator("#st-lib-list")).to_contain_text("Reading your library")
    slow = False
    for route in held:
        route.continue_()
    expect(page.locator(".st-track")).to_have_count(6)


def test_a_model_that_came_offers_to_hear_and_leaves_the_choice(library: Page, data: Path) -> None:
    library.locator("[data-view=bring]").click()
    built_in, clap = library.locator(".st-ear").nth(0), library.locator(".st-ear").nth(1)
    expect(built_in).to_contain_text("hears the library")
    expect(clap.get_by_role("button")).to_have_text(["Download"])
    folder = save_tiny_clap(data / "models" / "laion--clap-htsat-unfused")
    notice = library.locator("#st-lib-notice")
    expect(notice).to_contain_text("6 tracks are not yet heard by CLAP htsat-unfused")
    notice.get_by_role("button", name="Hear them").click()
    expect(library.locator("#st-lib-job")).to_contain_text("6 changed")
    expect(notice).to_be_hidden()
    library.locator("#st-lib-words").fill("harbour lights")
    expect(library.locator("#st-lib-count")).to_contain_text("sound by CLAP htsat-unfused (full)")
    built_in.get_by_role("button", name="Use").click()
    expect(built_in).to_contain_text("hears the library")
    expect(library.locator("#st-lib-count")).to_have_text("Best of 6 tracks, words by their meaning and letter")
    clap.get_by_role("button", name="Delete").click()
    expect(clap.get_by_role("button")).to_have_text(["Download"])
    assert not folder.exists()


def test_the_list_does_not_move_under_who_reads_it(library: Page, filled: RunningStudio, music: Path) -> None:
    first = titles(library)[0]
    library.locator(".st-track").nth(2).hover()
    sound = (music / "Sea view.flac").read_bytes()
    library.request.post(f"{filled.url}/studio/library/upload?name=Harbour.flac", data=sound)
    library.evaluate("() => studio.library.status()")
    new = library.locator("#st-lib-new")
    expect(new).to_have_text("1 new: show it")
    assert titles(library)[0] == first
    new.click()
    expect(library.locator(".st-track-name b").first).to_have_text("Harbour")
    expect(new).to_be_hidden()


def test_a_file_that_went_is_said_on_the_deck(library: Page, music: Path) -> None:
    song = music / "Long fog.flac"
    song.rename(music / "Long fog.away")
    library.locator(".st-track", has_text="Long fog").locator(".st-play").click()
    expect(library.locator("#st-deck")).to_contain_text("“Long fog” is not where it was")
    (music / "Long fog.away").rename(song)


def test_an_import_can_be_stopped_by_its_button(library: Page, tmp_path: Path) -> None:
    count = library.locator("#st-lib-count")
    expect(count).to_contain_text(re.compile(r"^\d+ tracks$"))
    before = count.inner_text()
    second = (0.1 * np.sin(np.arange(8_000) * np.pi / 9))[:, None]
    with soundfile.SoundFile(tmp_path / "night.flac", "w", 8_000, 1, "PCM_16") as file:
        for _ in range(3 * 3_600):  # what takes a while to hear
            file.write(second)
    library.locator("[data-view=bring]").click()
    library.locator("#st-lib-path").fill(str(tmp_path))
    library.locator("#st-lib-import").click()
    library.locator("#st-lib-job").get_by_role("button", name="Stop").click()
    expect(library.locator("#st-lib-job")).to_contain_text("Stopped. Nothing new")
    library.locator("#st-lib-folders p", has_text=str(tmp_path)).get_by_role("button").click()
    library.get_by_role("button", name="Take them out").click()
    expect(library.locator("#st-lib-folders")).not_to_contain_text(str(tmp_path))
    expect(count).to_have_text(before)


def test_two_quick_changes_in_the_tray_of_references_are_both_kept(library: Page) -> None:
    hear_answers(library)
    library.get_by_role("tab", name="Library").click()
    for title in ("Night shift", "Promenade"):
        library.locator(".st-track", has_text=title).locator(".st-use").click()
    library.locator("#st-lib-use").click()
    tray = library.locator("#st-references .st-tray")
    expect(tray).to_contain_text("After 2 references")
    hold_answers(library)
    for slider, weight in zip(tray.locator("input[type=range]").all(), ("2", "0.5"), strict=True):
        slider.fill(weight)
    library.evaluate(LET_GO)
    expect(tray.locator("label")).to_have_text(["weight 2", "weight 0.5"])
    tray.get_by_label("Take Night shift out").click()
    expect(tray).to_contain_text("After 1 reference")
    expect(tray.locator("label")).to_have_text(["weight 0.5"])
    tray.get_by_role("button", name="Empty the tray").click()
    expect(library.locator("#st-references")).not_to_be_visible()


def test_two_songs_are_mashed_up_in_generate_and_the_take_says_so(library: Page) -> None:
    for title in ("Night shift", "Promenade"):
        library.locator(".st-track", has_text=title).locator(".st-use").click()
    library.locator("#st-lib-tray input[type=range]").first.fill("2")
    library.locator("#st-lib-use").click()
    tray = library.locator("#st-references .st-tray")
    expect(tray).to_contain_text("After 2 references")
    expect(tray).to_contain_text("bpm, between")
    library.get_by_label("Length").fill("8")
    before = library.locator("#st-recent .st-card[data-take]").count()
    library.locator("#st-generate").click()
    expect(library.locator("#st-recent .st-card[data-take]")).to_have_count(before + 1, timeout=90_000)
    shaped = library.locator("#st-recent .st-card[data-take]").first.locator(".st-shaped")
    expect(shaped).to_contain_text("Night shift × 2, Promenade × 1")
