"""The main job as a user does it: type, generate, hear, stop, reload, make again, export."""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import mido
import pytest
import soundfile
from playwright.sync_api import Page, expect

from audio.tags import read_provenance
from tests.browser.conftest import open_page
from tests.browser.held_answers import HELD_BACK, HOLD, LET_GO, hear_answers, hold_answers
from tests.running import RunningStudio

pytestmark = pytest.mark.browser

AUDIBLE = "() => { const a = document.getElementById('st-audio'); return !a.paused && a.currentTime > 0.3 && studio.deck.level() > 0.003 }"


def ask(page: Page, words: str, *, seconds: float = 12, seed: int | None = None) -> None:
    page.get_by_label("Describe the music").fill(words)
    page.get_by_label("Length").fill(str(seconds))
    if seed is not None:
        page.get_by_label("Seed").fill(str(seed))
    page.get_by_label("Seed").blur()
    page.locator("#st-generate").click()


def newest_take(page: Page) -> str:
    """The newest take's identifier, or "" where there is none yet."""
    return page.evaluate("() => document.querySelector('#st-recent .st-card')?.dataset.take ?? ''")


def wait_for_new_take(page: Page, before: str, *, timeout: float = 60_000) -> str:
    page.wait_for_function(
        "(before) => { const c = document.querySelector('#st-recent .st-card'); return c && c.dataset.take !== before }",
        arg=before, timeout=timeout,
    )  # fmt: skip
    return newest_take(page)


def jobs_of(page: Page) -> list[dict[str, Any]]:
    """The visitor's jobs as the server knows them, which the page may not have heard of yet."""
    return page.request.get(f"{page.url}studio/jobs").json()["jobs"]


def press_and_see_it_sent(page: Page, button: str) -> None:
    with page.expect_request("**/queue/join**"):
        page.locator(button).click()


def data_folder(studio: RunningStudio) -> Path:
    command = [str(part) for part in studio.process.args]
    return Path(command[command.index("--data-dir") + 1])


def test_typed_words_are_heard_while_the_rest_is_made_and_then_kept(page: Page) -> None:
    before = newest_take(page)
    ask(page, "slow lo-fi hip hop, rainy, Rhodes, 80 bpm", seconds=30, seed=7)
    page.wait_for_function(AUDIBLE)
    take = wait_for_new_take(page, before)
    card = page.locator(f"#st-recent .st-card[data-take='{take}']")
    expect(card).to_contain_text("80 bpm")
    expect(card).to_contain_text("Sketch (built-in)")
    peaks = page.request.get(f"{page.url}studio/takes/{take}/peaks.json").json()
    assert peaks["seconds"] == pytest.approx(30, abs=0.01)
    assert max(peaks["peaks"]) > 20
    assert [s["name"] for s in peaks["sections"]]


def test_stop_keeps_the_part_already_made(page: Page) -> None:
    before = newest_take(page)
    ask(page, "epic orchestral film score", seconds=600)
    page.wait_for_function("() => (studio.jobs.current?.seconds_done ?? 0) > 4")
    page.locator("#st-stop").click()
    take = wait_for_new_take(page, before)
    expect(page.locator(f"#st-recent .st-card[data-take='{take}']")).to_contain_text("stopped early")
    kept = page.request.get(f"{page.url}studio/takes/{take}/peaks.json").json()
    assert 1 < kept["seconds"] < 600


def test_the_focus_stays_on_a_button_while_its_card_tells_how_far_the_job_is(page: Page) -> None:
    before = newest_take(page)
    ask(page, "epic orchestral film score", seconds=600)
    page.wait_for_function("() => studio.jobs.current?.seconds_done > 1")
    stop = page.locator("#st-jobs .st-card").get_by_role("button", name="Stop")
    stop.focus()
    told = page.locator("#st-jobs .st-card p").inner_text()
    expect(page.locator("#st-jobs .st-card p")).not_to_have_text(told)
    expect(stop).to_be_focused()
    page.keyboard.press("Enter")
    take = wait_for_new_take(page, before)
    expect(page.locator(f"#st-recent .st-card[data-take='{take}']")).to_contain_text("stopped early")


def test_a_reload_in_the_middle_finds_the_job_again(page: Page, studio: RunningStudio) -> None:
    before = newest_take(page)
    ask(page, "techno, 130 bpm", seconds=600)
    page.wait_for_function("() => studio.jobs.current")
    open_page(page, studio.url)
    page.wait_for_function("() => studio.jobs.current && studio.deck.now?.job === studio.jobs.current.id")
    expect(page.get_by_label("Describe the music")).to_have_value("techno, 130 bpm")
    expect(page.locator("#st-stop")).to_be_visible()
    page.wait_for_function("() => studio.jobs.current.seconds_done > 2")
    page.keyboard.press("s")
    wait_for_new_take(page, before)


def test_made_again_the_bytes_are_the_same(page: Page) -> None:
    before = newest_take(page)
    ask(page, "bossa nova with nylon guitar", seconds=8, seed=11)
    first = wait_for_new_take(page, before)
    page.locator(f"#st-recent .st-card[data-take='{first}']").get_by_text("Make again").click()
    second = wait_for_new_take(page, first)
    sounds = [page.request.get(f"{page.url}studio/takes/{take}/sound.flac").body() for take in (first, second)]
    assert sounds[0] == sounds[1]
    assert len(sounds[0]) > 10_000


def test_every_export_opens_in_another_program(page: Page, tmp_path: Path) -> None:
    before = newest_take(page)
    ask(page, "funk with slap bass, 108 bpm", seconds=10, seed=3)
    take = wait_for_new_take(page, before)
    card = page.locator(f"#st-recent .st-card[data-take='{take}']")
    card.get_by_text("Export", exact=True).click()
    formats = [link.get_attribute("data-format") for link in card.locator("a[data-format]").all()]
    assert {"wav16", "wav24", "wav32f", "flac", "mp3", "ogg", "stems", "midi"} <= set(formats)
    for name in formats:
        card.locator("details.st-menu").evaluate("menu => menu.open = true")
        with page.expect_download() as waiting:
            card.locator(f"a[data-format='{name}']").click()
        path = tmp_path / waiting.value.suggested_filename
        waiting.value.save_as(path)
        if name.startswith("stems"):
            with zipfile.ZipFile(path) as archive:
                parts = archive.namelist()
                assert len(parts) >= 3
                samples, _ = soundfile.read(io.BytesIO(archive.read(parts[0])))
                assert len(samples) > 0
        elif name in ("dawproject", "reaper", "daw"):
            with zipfile.ZipFile(path) as archive:
                assert archive.testzip() is None
                inside = archive.namelist()
            wanted = {"dawproject": "project.xml", "reaper": ".rpp", "daw": ".mid"}[name]
            assert any(file.endswith(wanted) for file in inside) and sum(file.endswith(".wav") for file in inside) >= 3
        elif name == "midi":
            assert mido.MidiFile(path).length == pytest.approx(10, abs=3)
        else:
            assert soundfile.info(str(path)).duration == pytest.approx(10, abs=0.2)


def test_prompt_and_settings_travel_in_the_file_unless_one_unticks_them(page: Page, tmp_path: Path) -> None:
    before = newest_take(page)
    ask(page, "country, fiddle and banjo", seconds=4, seed=5)
    wait_for_new_take(page, before)
    menu = page.locator("#st-recent .st-card").first.locator("details.st-menu")
    found = []
    for ticked in (True, False):
        menu.evaluate("menu => menu.open = true")
        menu.locator("[data-provenance]").set_checked(ticked)
        with page.expect_download() as waiting:
            menu.locator("a[data-format='flac']").click()
        path = tmp_path / f"{ticked}.flac"
        waiting.value.save_as(path)
        found.append(read_provenance(path))
    assert found[0] is not None and "country, fiddle and banjo" in str(found[0])
    assert not found[1]


def open_the_editor(page: Page) -> None:
    """Open it if it is not, and see the plan's own title in it."""
    if not page.get_by_label("Title").is_visible():
        page.get_by_text("Edit the plan").click()
    expect(page.get_by_label("Title")).to_have_value(page.locator("#st-plan-strip strong").first.inner_text())


def test_a_plan_can_be_edited_before_it_is_played(page: Page) -> None:
    before = newest_take(page)
    page.get_by_label("Describe the music").fill("house, 124 bpm, 16 seconds")
    page.get_by_label("Length").fill("16")
    page.locator("#st-plan-first").click()
    expect(page.locator("#st-plan-strip .st-section").first).to_be_visible()
    open_the_editor(page)
    page.get_by_label("Title").fill("")
    expect(page.locator("#st-plan-strip .st-error")).to_contain_text("title")
    page.get_by_label("Title").press_sequentially("Night Bus Home")
    page.get_by_label("Title").blur()
    expect(page.locator("#st-plan-strip .st-error")).to_have_count(0)
    expect(page.locator("#st-plan-strip")).to_contain_text("Night Bus Home")
    page.locator("#st-generate").click()
    take = wait_for_new_take(page, before)
    expect(page.locator(f"#st-recent .st-card[data-take='{take}'] h4")).to_have_text("Night Bus Home")


def test_each_plan_is_edited_anew(page: Page) -> None:
    """The editor is closed, opened, filled by one plan after another: an edit is always one of the plan it stands beside."""
    page.get_by_label("Length").fill("8")
    for words, title in (
        ("house, 124 bpm", "First Floor"),
        ("waltz, 90 bpm", "Second Floor"),
        ("dub, 70 bpm", "Third Floor"),
    ):
        page.get_by_label("Describe the music").fill(words)
        page.locator("#st-plan-first").click()
        expect(page.locator("#st-plan-strip")).to_contain_text(words.split(", ")[1])
        open_the_editor(page)
        page.get_by_label("Title").fill(title)
        page.get_by_label("Title").blur()
        expect(page.locator("#st-plan-strip")).to_contain_text(title)
        before = newest_take(page)
        page.locator("#st-generate").click()
        take = wait_for_new_take(page, before)
        expect(page.locator(f"#st-recent .st-card[data-take='{take}'] h4")).to_have_text(title)


def test_generate_pressed_before_the_new_plan_has_arrived_plays_no_mixture(page: Page, studio: RunningStudio) -> None:
    hear_answers(page)
    page.get_by_label("Length").fill("8")
    page.get_by_label("Describe the music").fill("house, 124 bpm, in A minor")
    page.locator("#st-plan-first").click()
    expect(page.locator("#st-plan-strip")).to_contain_text("124 bpm")
    house = page.locator("#st-plan-strip strong").inner_text()
    hold_answers(page)
    page.get_by_label("Describe the music").fill("waltz, 90 bpm, in C major, calm")
    page.locator("#st-plan-first").click()
    page.wait_for_function("() => window.heldBack.includes('90 bpm')")  # planned on the server, not yet on the page
    expect(page.locator("#st-plan-strip")).to_contain_text("124 bpm")
    before = newest_take(page)
    press_and_see_it_sent(page, "#st-generate")
    page.evaluate(LET_GO)
    take = wait_for_new_take(page, before)
    plan = json.loads((data_folder(studio) / "takes" / take / "take.json").read_text())["plan"]
    assert plan["tempo_bpm"]["value"] == 90 and plan["title"]["value"] != house
    assert all(section["bars"]["by"] != "asked" for section in plan["sections"]), "nobody edited a section"
    expect(page.locator("#st-plan-strip")).to_contain_text(plan["title"]["value"])


def test_plan_first_pressed_again_before_the_first_plan_has_come_is_heard(page: Page) -> None:
    hear_answers(page)
    hold_answers(page)
    for words in ("house, 124 bpm", "waltz, 90 bpm"):
        page.get_by_label("Describe the music").fill(words)
        press_and_see_it_sent(page, "#st-plan-first")
    page.evaluate(LET_GO)
    expect(page.locator("#st-plan-strip")).to_contain_text("90 bpm")


def test_what_is_typed_survives_a_reload_at_once_and_what_is_typed_before_it_is_back_stays(page: Page) -> None:
    """All while the server answers nothing: not when one types, nor when the page is laid out anew."""
    page.add_init_script(f"({HELD_BACK})(); ({HOLD})()")
    page.reload()
    page.wait_for_selector("html[data-studio=ready]", state="attached")
    page.get_by_label("Describe the music").fill("first words")
    page.get_by_label("Length").fill("17")
    page.reload()
    page.wait_for_selector("html[data-studio=ready]", state="attached")
    page.get_by_label("Describe the music").fill("typed at once")
    page.wait_for_function("() => window.heldBack.includes('first words')")
    page.evaluate(LET_GO)
    expect(page.get_by_label("Length")).to_have_value("17")
    expect(page.locator("html")).to_have_attribute("data-form", "restored")
    expect(page.get_by_label("Describe the music")).to_have_value("typed at once")
    page.reload()
    page.wait_for_function("() => window.heldBack.includes('typed at once')")
    page.evaluate(LET_GO)
    expect(page.get_by_label("Describe the music")).to_have_value("typed at once")


def test_a_double_click_is_one_wish(page: Page) -> None:
    before, known = newest_take(page), jobs_of(page)
    page.get_by_label("Describe the music").fill("ambient pads, calm")
    page.get_by_label("Length").fill("4")
    page.get_by_label("Length").blur()
    page.locator("#st-generate").dblclick()
    wait_for_new_take(page, before)
    assert len(jobs_of(page)) == len(known) + 1


def test_what_was_not_understood_stands_on_the_card(page: Page) -> None:
    before = newest_take(page)
    ask(page, "eine kleine Nachtmusik, 90 bpm", seconds=4)
    card = page.locator(f"#st-recent .st-card[data-take='{wait_for_new_take(page, before)}']")
    expect(card).to_contain_text("Apart from the figures, none of these words name music the studio knows")
    expect(card.locator(".st-heeded")).to_contain_text(
        re.compile(r"Assumed, since you did not say: pop, \w+#? \w+, 4/4\.")
    )


def test_an_empty_brief_gets_a_sentence_and_makes_nothing(page: Page) -> None:
    jobs = jobs_of(page)
    page.get_by_label("Describe the music").fill("")
    page.locator("#st-generate").click()
    expect(page.get_by_text(re.compile("Describe the music first"))).to_be_visible()
    assert jobs_of(page) == jobs


def test_the_keyboard_does_the_main_things(page: Page) -> None:
    page.keyboard.press("/")
    expect(page.get_by_label("Describe the music")).to_be_focused()
    page.get_by_label("Describe the music").fill("ambient pads, calm")
    page.get_by_label("Length").fill("6")
    page.get_by_label("Describe the music").focus()
    page.keyboard.press("Control+Enter")
    page.wait_for_function("() => document.getElementById('st-audio').currentTime > 0.2")
    page.get_by_label("Describe the music").blur()
    page.keyboard.press(" ")
    page.wait_for_function("() => document.getElementById('st-audio').paused")
    playing = page.evaluate("() => studio.deck.now.title")
    page.wait_for_selector("#st-recent .st-card")
    page.keyboard.press("j")
    page.wait_for_function("(title) => studio.deck.now.title !== title || studio.deck.now.take", arg=playing)
    page.keyboard.press("?")
    expect(page.locator("#st-keys")).to_be_visible()
    expect(page.locator("#st-keys")).to_contain_text("Play or pause")


def test_tab_alone_reaches_everything_and_nothing_lies_under_the_deck_or_a_list(page: Page) -> None:
    page.get_by_label("Describe the music").focus()
    seen: list[str] = []
    for _ in range(24):
        page.keyboard.press("Tab")
        named = page.evaluate(
            "() => { const one = document.activeElement; return one.ariaLabel || one.innerText || one.tagName; }"
        )
        seen.append(named.strip())
        page.wait_for_function(  # once a list that was left has faded
            """() => {
              const one = document.activeElement, box = one.getBoundingClientRect();
              const top = document.elementFromPoint(box.x + box.width / 2, box.y + Math.min(box.height / 2, 12));
              return top && (one.contains(top) || top.contains(one));
            }"""
        )
    assert {"Generate", "Engine", "Preset", "Enhance", "Plan first"} <= set(seen) and "BODY" not in seen
    page.get_by_role("tab", name="Generate", exact=True).focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Library", exact=True)).to_be_focused()
    expect(page.get_by_role("tab", name="Library", exact=True)).to_have_attribute("aria-selected", "true")


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_sticks_out_of_the_page(page: Page, studio: RunningStudio, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    open_page(page, studio.url)
    for tab, takes in (("Generate", "#st-recent"), ("History", "#st-history")):
        page.get_by_role("tab", name=tab).click()
        expect(page.locator(f"{takes} .st-card, {takes} .st-empty").first).to_be_visible()
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width
