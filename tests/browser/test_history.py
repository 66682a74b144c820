"""History: what was made is found by its words, opened, thrown away and brought back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.conftest import open_page
from tests.browser.test_generate import ask, wait_for_new_take
from tests.running import RunningStudio, running_studio

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def filled(browser, studio: RunningStudio) -> RunningStudio:  # type: ignore[no-untyped-def]
    """A studio with two takes of different words."""
    page = browser.new_page()
    open_page(page, studio.url)
    last = ""
    for words in ("reggae for a slow sunday", "metal, double kick, angry"):
        ask(page, words, seconds=5)
        last = wait_for_new_take(page, last)
    page.close()
    return studio


def test_a_take_is_found_by_its_words_with_all_its_settings(page: Page, filled: RunningStudio) -> None:
    page.get_by_role("tab", name="History").click()
    expect(page.locator("#st-history .st-card")).to_have_count(2)
    page.locator("#st-search input, #st-search textarea").fill("sunday")
    expect(page.locator("#st-history .st-card")).to_have_count(1)
    page.get_by_text("All settings").click()
    expect(page.locator("#st-history .st-settings")).to_contain_text("Seed")
    expect(page.locator("#st-history .st-settings")).to_contain_text("reggae for a slow sunday")


def test_a_deleted_take_waits_in_the_bin(page: Page, filled: RunningStudio) -> None:
    page.get_by_role("tab", name="History").click()
    card = page.locator("#st-history .st-card").first
    take = card.get_attribute("data-take")
    card.get_by_text("Delete").click()
    expect(page.locator(f"#st-history .st-card[data-take='{take}']")).to_have_count(0)
    page.get_by_text("Bin", exact=True).click()
    page.locator("#st-history").get_by_text("Restore").click()
    expect(page.locator("#st-history")).to_contain_text("The bin is empty")
    page.get_by_text("Takes", exact=True).click()
    expect(page.locator(f"#st-history .st-card[data-take='{take}']")).to_be_visible()


def test_a_take_plays_from_history(page: Page, filled: RunningStudio) -> None:
    page.get_by_role("tab", name="History").click()
    page.locator("#st-history .st-play").first.click()
    page.wait_for_function("() => studio.deck.level() > 0.003")


def test_of_two_takes_the_one_pressed_last_is_on_the_deck_whichever_is_read_first(
    page: Page, filled: RunningStudio
) -> None:
    page.get_by_role("tab", name="History").click()
    cards = page.locator("#st-history .st-card")
    expect(cards).to_have_count(2)
    first, last = (cards.nth(place).get_attribute("data-take") for place in (0, 1))
    late: list[Route] = []
    page.route(f"**/takes/{first}/peaks.json", lambda route: late.append(route))
    for take in (first, last):
        cards.and_(page.locator(f"[data-take='{take}']")).locator(".st-play").click()
    page.wait_for_function("(take) => studio.deck.now?.take === take", arg=last)
    with page.expect_response(f"**/takes/{first}/peaks.json") as answer:
        late[0].continue_()
    answer.value.finished()
    page.evaluate("() => new Promise((done) => setTimeout(done))")
    assert page.evaluate("() => studio.deck.now.take") == last


def test_edit_plan_brings_everything_back_to_the_generate_tab(page: Page, filled: RunningStudio) -> None:
    page.get_by_role("tab", name="History").click()
    page.locator("#st-search input, #st-search textarea").fill("metal")
    expect(page.locator("#st-history .st-card")).to_have_count(1)
    page.locator("#st-history").get_by_text("Edit plan").first.click()
    expect(page.get_by_label("Describe the music")).to_have_value("metal, double kick, angry")
    expect(page.locator("#st-plan-strip .st-section").first).to_be_visible()


def test_kept_rules_are_followed_at_opening_and_said_on_the_page(browser: Browser, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running_studio(data) as first:
        page = browser.new_page()
        open_page(page, first.url)
        ask(page, "a waltz", seconds=5)
        take = wait_for_new_take(page, "")
        page.close()
    (data / "retention.json").write_text(json.dumps({"empty_bin_after_days": None, "takes_gb": 1e-6}))
    with running_studio(data) as second:
        page = browser.new_page()
        page.goto(
            second.url
        )  # it is said for a quarter of a minute, which on a slow machine the page takes to be ready
        expect(page.get_by_text("followed at opening: 1 take went into the bin")).to_be_visible()
        assert (data / "bin" / take).is_dir()
        page.close()
