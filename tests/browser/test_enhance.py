"""Enhance: more words, coloured and removable, and never one of the user's own lost."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
WISH = "a tango for two, no drums"


def test_additions_are_coloured_removable_and_never_touch_the_users_words(page: Page) -> None:
    page.get_by_label("Describe the music").fill(WISH)
    page.locator("#st-enhance-words").click()
    ways = page.locator("#st-enhance .st-way")
    expect(ways.first).to_be_visible()
    expect(page.locator("#st-enhance")).to_contain_text("built-in rules")
    assert all(text.startswith(WISH) for text in ways.locator("p").all_inner_texts())
    additions = ways.first.locator(".st-added")
    count = additions.count()
    assert count >= 2
    taken = additions.first.inner_text().strip(" ,")
    additions.first.click()
    expect(ways.first.locator(".st-added")).to_have_count(count - 1)
    ways.first.get_by_text("Use these words").click()
    words = page.get_by_label("Describe the music")
    expect(words).not_to_have_value(WISH)
    assert words.input_value().startswith(WISH)
    assert taken not in words.input_value()


ABOVE_THE_DECK = """(id) => {
  const box = document.getElementById(id)?.getBoundingClientRect();
  return box?.height > 0 && box.top >= 0 && box.bottom <= document.getElementById("st-deck").getBoundingClientRect().top;
}"""


def test_what_was_asked_for_is_scrolled_to(page: Page) -> None:
    page.set_viewport_size({"width": 1280, "height": 760})
    page.get_by_label("Describe the music").fill(WISH)
    page.evaluate("() => scrollTo(0, 0)")
    page.locator("#st-enhance-words").click()
    page.wait_for_function(ABOVE_THE_DECK, arg="st-enhance")
    page.set_viewport_size({"width": 390, "height": 860})
    page.locator("#st-plan-first").click()  # on a narrow page the plan stands far below
    page.wait_for_function(ABOVE_THE_DECK, arg="st-plan-strip")


def test_the_three_ways_differ_and_ones_own_words_can_stay(page: Page) -> None:
    page.get_by_label("Describe the music").fill(WISH)
    page.locator("#st-enhance-words").click()
    ways = page.locator("#st-enhance .st-way p")
    expect(ways).to_have_count(3)
    assert len(set(ways.all_inner_texts())) == 3
    page.get_by_text("Keep my words").click()
    expect(page.locator("#st-enhance")).to_be_hidden()
    expect(page.get_by_label("Describe the music")).to_have_value(WISH)
