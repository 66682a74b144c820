"""The whole way on the page: tracks of the library to a data set, to a run, to an adapter, to a take that wears it.

The model is a tiny one with random weights in the hub's own format; the run, its curve and its adapter are real.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from studio.training.manifest import FACTS
from tests.browser.conftest import open_page
from tests.browser.held_answers import hear_answers, hold_answers
from tests.browser.test_generate import newest_take, wait_for_new_take
from tests.running import RunningStudio, running_studio
from tests.tiny_models import build_mono
from tests.training.data_sets import write_tunes

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("training-page")


@pytest.fixture(scope="module")
def studio(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStudio]:
    """A studio with a tiny model and four tunes in its library."""
    from rag.tracks import Track, Tracks

    model = build_mono(tmp_path_factory.mktemp("tiny") / "tiny-musicgen")
    sounds = write_tunes(tmp_path_factory.mktemp("music"), count=4, captions=False)
    (data / "library").mkdir()
    tracks = Tracks(data / "library" / "library.sqlite3")
    for number, path in enumerate(sorted(sounds.glob("*.flac"))):
        tracks.add(
            Track(path=str(path), title=f"Tune {number}", artist="The Pluckers", genre_tags=("folk",), seconds=6.0)
        )
    tracks.close()
    with running_studio(data, "--engine", str(model), timeout_seconds=180.0) as running:
        yield running


def go_to_training(page: Page) -> None:
    if not page.get_by_role("tab", name="Training").is_visible():  # on a narrow page, behind the three dots
        page.locator(".overflow-menu > button").click()
    page.get_by_role("tab", name="Training").or_(
        page.locator(".overflow-dropdown button", has_text="Training")
    ).first.click()
    expect(page.locator("#tr-model input")).to_have_value("tiny-musicgen")  # what can be chosen is there


def choose_all(page: Page, field: str, count: int) -> None:
    """Every option of a dropdown that takes several."""
    box = page.locator(f"{field} input")
    chosen = page.locator(f"{field} .token")
    for number in range(count):
        box.click()
        page.locator(
            f"{field} [role=option]:not([aria-selected=true]), ul[role=listbox] [role=option][aria-selected=false]"
        ).first.click()
        expect(chosen).to_have_count(number + 1)
    page.keyboard.press("Escape")
    box.blur()


def fill(page: Page, field: str, text: str) -> None:
    box = page.locator(f"{field} input, {field} textarea").first
    box.fill(text)
    box.blur()


def test_library_tracks_become_a_data_set_heard_and_edited_in_a_table(page: Page, data: Path) -> None:
    go_to_training(page)
    fill(page, "#tr-set-name", "pluckers")
    fill(page, "#tr-trigger", "zylo")
    choose_all(page, "#tr-tracks", 4)
    page.locator("#tr-build").click()
    expect(page.locator("#tr-summary")).to_contain_text("4 tracks", timeout=120_000)
    expect(page.locator("#tr-summary")).to_contain_text("1 held out")
    cell = page.locator("#tr-table [role=gridcell]").filter(has_text="folk", visible=True).first
    cell.click()
    expect(page.locator("#tr-heard audio")).to_be_visible()
    sound = page.locator("#tr-heard audio").get_attribute("src")
    assert sound and page.request.get(f"{page.url}{sound}").status == 200
    cell.dblclick()
    page.keyboard.press("Control+a")
    page.keyboard.type("plucked by hand")
    page.keyboard.press("Enter")
    page.locator("#tr-save").click()
    expect(page.get_by_text("The captions are kept")).to_be_visible(timeout=60_000)
    lines = (data / "training/sets/pluckers/manifest.jsonl").read_text().splitlines()
    captions = [(json.loads(line)["caption"], json.loads(line)["caption_by"]) for line in lines]
    assert ("plucked by hand", "you") in captions and captions.count(("plucked by hand", "you")) == 1


def test_what_is_unfolded_before_the_studio_has_answered_stays_open(page: Page) -> None:
    hear_answers(page)
    hold_answers(page, for_ms=2_000)
    page.get_by_role("tab", name="Training").click()
    page.locator("#tr-build-panel button").first.click()
    fill(page, "#tr-set-name", "another")
    expect(page.locator("#tr-model input")).to_have_value("tiny-musicgen")
    expect(page.locator("#tr-set-name input, #tr-set-name textarea").first).to_have_value("another")
    expect(page.locator("#tr-build")).to_be_visible()


def test_a_run_is_started_watched_found_again_and_its_adapter_worn(
    page: Page, studio: RunningStudio, data: Path
) -> None:
    go_to_training(page)
    page.locator("#tr-set input").click()
    page.get_by_role("option", name="pluckers").click()
    expect(page.locator("#tr-summary")).to_contain_text("4 tracks")
    expect(page.locator("#tr-model input")).to_have_value("tiny-musicgen")
    fill(page, "#tr-name", "first lesson")
    fill(page, "#tr-steps", "12")
    fill(page, "#tr-prompts", "zylo, a tune\na slow waltz")
    page.locator("#tr-run").get_by_text("More settings").click()
    for field, text in (("#tr-rate", "0.005"), ("#tr-seconds", "2"), ("#tr-look", "3"), ("#tr-sample-every", "6")):
        fill(page, field, text)
    fill(page, "#tr-sample-seconds", "0.5")
    page.locator("#tr-estimate").click()
    expect(page.locator("#tr-said")).to_contain_text("fits")
    page.locator("#tr-start").click()
    card = page.locator(".tr-run[data-run='first lesson']")
    expect(card).to_be_visible(timeout=60_000)
    page.reload()
    page.wait_for_selector("html[data-studio=ready]", state="attached")
    go_to_training(page)
    expect(card.locator(".st-badge").first).to_have_text("done", timeout=150_000)
    expect(card).to_contain_text("step 12 of 12")
    expect(page.locator("#tr-plot .js-plotly-plot")).to_be_visible()
    expect(page.locator("#tr-samples-list audio")).to_have_count(6)
    heard = page.locator("#tr-samples-list audio").first.get_attribute("src")
    assert heard and page.request.get(f"{page.url}{heard}").body()[:4] == b"fLaC"
    page.locator("#tr-shown").get_by_text("Codebooks").click()
    expect(page.locator("#tr-plot")).to_contain_text("codebook 4")
    card.get_by_text("Use it").click()
    expect(page.locator("#tr-shelf [data-adapter='first lesson']")).to_contain_text("4 tracks")
    with page.expect_download() as fetched:
        page.locator("#tr-shelf").get_by_text("Fetch as zip").click()
    assert fetched.value.suggested_filename == "first lesson.zip"

    open_page(page, studio.url)  # whoever opens the page anew finds it on the shelf, too
    page.get_by_label("Describe the music").fill("zylo, a tune")
    page.get_by_label("Length").fill("2")
    page.locator("#st-adapters").get_by_text("Adapters, a sound").click()
    page.locator("#st-adapter-1 input").click()
    page.get_by_role("option", name="first lesson").click()
    before = newest_take(page)
    page.locator("#st-generate").click()
    made = wait_for_new_take(page, before, timeout=120_000)
    worn = json.loads((data / "takes" / made / "take.json").read_text())["identity"]["adapters"]
    assert [(one["name"], one["strength"]) for one in worn] == [("first lesson", 1.0)]
    assert worn[0]["data"]["trigger"] == "zylo" and "CC-BY-NC" in worn[0]["licence"]


def test_a_grid_plays_the_model_without_and_with_the_adapter(page: Page, studio: RunningStudio) -> None:
    page.get_by_label("Describe the music").fill("zylo, a tune")
    page.get_by_label("Length").fill("2")
    page.get_by_role("tab", name="History").click()
    page.get_by_role("tab", name="Grid", exact=True).click()
    for field, option in (("#st-grid-engines", re.compile("tiny-musicgen")), ("#st-grid-adapters", "first lesson")):
        page.locator(f"{field} input").click()
        page.get_by_role("option", name=option).click()
        page.keyboard.press("Escape")
    page.get_by_label("Seeds each").fill("1")
    page.locator("#st-grid-run").click()
    cells = page.locator("#st-grid tr[data-take] td:nth-child(4)")
    expect(cells).to_have_count(2, timeout=120_000)
    assert sorted(cells.all_inner_texts()) == ["first lesson × 1", "none"]
    for number in range(2):
        page.locator("#st-grid [data-act=compare]").nth(number).click()
    page.get_by_role("tab", name="Compare", exact=True).click()
    apart = page.locator("#st-ab-sides .st-ab-differs")
    for said in ("first lesson × 1", "no adapter"):
        expect(apart.get_by_text(said, exact=True)).to_be_visible()


def test_an_adapter_that_is_deleted_is_taken_off(page: Page, studio: RunningStudio, data: Path) -> None:
    other = page.context.new_page()
    for each in (page, other):
        open_page(each, studio.url)
        each.get_by_label("Describe the music").fill("zylo, a tune")
        each.get_by_label("Length").fill("2")
        each.locator("#st-adapters").get_by_text("Adapters, a sound").click()
        each.locator("#st-adapter-1 input").click()
        each.get_by_role("option", name="first lesson").click()
    page.on("dialog", lambda asked: asked.accept())
    go_to_training(page)
    page.locator("#tr-shelf [data-adapter='first lesson'] [data-verb=delete]").click()
    expect(page.locator("#tr-shelf")).to_contain_text("No adapter yet")
    assert list((data / "adapters").iterdir()) == []
    page.get_by_role("tab", name="Generate").click()
    expect(page.locator("#st-adapter-1 input")).to_have_value("None")
    before = newest_take(page)
    page.locator("#st-generate").click()
    wait_for_new_take(page, before, timeout=120_000)

    other.locator("#st-generate").click()  # a page that was open meanwhile still wears it, and is told so
    expect(other.get_by_text("There is no adapter “first lesson” on the shelf").first).to_be_visible()
    other.reload()
    other.wait_for_selector("html[data-form=restored]", state="attached")
    other.locator("#st-adapters").get_by_text("Adapters, a sound").click()
    expect(other.locator("#st-adapter-1 input")).to_have_value("None")
    expect(other.get_by_label("Describe the music")).to_have_value("zylo, a tune")


def test_what_cannot_be_is_said_and_starts_nothing(page: Page, data: Path) -> None:
    go_to_training(page)
    if any((data / "training").glob(f"*/*/{FACTS}")):  # with a set there, the builder is folded away
        expect(page.locator("#tr-build")).to_be_hidden()
        page.locator("#tr-build-panel button").first.click()
    page.locator("#tr-build").click()
    expect(page.get_by_text("There is nothing to build from")).to_be_visible(timeout=60_000)
    expect(page.locator("#tr-model input")).to_have_value("tiny-musicgen")
    page.locator("#tr-start").click()
    said = re.compile("Choose a data set first|setting “name” will not do")  # the set built last is chosen by itself
    expect(page.get_by_text(said)).to_be_visible(timeout=60_000)
    assert len(list((data / "training").glob("runs/*"))) <= 1


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "light")])
def test_the_tab_fits_the_window(browser: Browser, studio: RunningStudio, width: int, scheme: str) -> None:
    context = browser.new_context(viewport={"width": width, "height": 860}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    open_page(page, studio.url)
    go_to_training(page)
    page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out sideways"
    context.close()
