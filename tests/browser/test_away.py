"""The studio killed under an open page and started again: the page says so, keeps what is typed, and goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import open_page
from tests.browser.test_generate import ask, newest_take, wait_for_new_take
from tests.running import start_studio

pytestmark = pytest.mark.browser


def test_a_killed_studio_is_said_and_what_is_typed_meanwhile_is_there_again(browser: Browser, tmp_path: Path) -> None:
    first = start_studio(tmp_path / "data", timeout_seconds=180)
    page = browser.new_page()
    again = None
    try:
        open_page(page, first.url)
        ask(page, "techno, 130 bpm", seconds=600)
        page.wait_for_function("() => studio.jobs.current?.seconds_done > 1")
        expect(page.locator("#st-away")).to_be_hidden()
        first.stop(kill=True)
        expect(page.locator("#st-away")).to_be_visible()
        page.get_by_label("Describe the music").fill("typed while it was away, 90 bpm")
        page.evaluate("() => { window.before = true }")
        page.locator("#st-generate").click()  # Gradio notices, and fetches the page anew when it can
        again = start_studio(tmp_path / "data", "--port", first.url.rpartition(":")[2], timeout_seconds=180)
        page.wait_for_function("() => !window.before && document.documentElement.dataset.studio === 'ready'")
        expect(page.get_by_label("Describe the music")).to_have_value("typed while it was away, 90 bpm")
        expect(page.locator("#st-away")).to_be_hidden()
        expect(page.locator("#st-jobs")).to_contain_text("The studio was closed while this was being made.")
        page.get_by_label("Length").fill("4")
        page.get_by_label("Length").blur()
        before = newest_take(page)
        page.locator("#st-generate").click()
        take = wait_for_new_take(page, before)
        expect(page.locator(f"#st-recent .st-card[data-take='{take}']")).to_contain_text("typed while it was away")
    finally:
        page.close()
        first.stop(kill=True)
        if again:
            again.stop()
