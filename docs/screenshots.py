"""Takes the pictures of the page that the README shows, from a studio with a few fresh takes in it.

.venv/bin/python docs/screenshots.py
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent))
BRIEFS = (
    ("bossa nova with nylon guitar and flute, relaxed", "20"),
    ("drum and bass, 174 bpm, dark, intro then a big drop", "24"),
    ("slow lo-fi hip hop, rainy, Rhodes and brushed drums, 80 bpm", "45"),
)


def make_take(page: Any, words: str, length: str) -> None:
    """Ask for a take and wait until it is kept."""
    before = page.evaluate("() => document.querySelector('#st-recent .st-card')?.dataset.take ?? ''")
    page.get_by_label("Describe the music").fill(words)
    page.get_by_label("Length").fill(length)
    page.locator("#st-plan-first").click()
    page.locator("#st-plan-strip .st-section").first.wait_for()
    page.locator("#st-generate").click()
    page.wait_for_function(
        "(before) => (document.querySelector('#st-recent .st-card')?.dataset.take ?? '') !== before",
        arg=before,
        timeout=120_000,
    )


def main() -> None:
    from playwright.sync_api import sync_playwright

    from tests.browser.conftest import QUIET, _chromium, open_page
    from tests.running import running_studio

    with (
        tempfile.TemporaryDirectory() as folder,
        running_studio(Path(folder)) as studio,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=_chromium(), args=QUIET)
        page = browser.new_page(viewport={"width": 1280, "height": 860}, color_scheme="dark")
        open_page(page, studio.url)
        for words, length in BRIEFS:
            make_take(page, words, length)
        page.wait_for_function("() => studio.deck.audio.currentTime > 6", timeout=60_000)
        page.screenshot(path=DOCS / "generate.png")
        page.get_by_role("tab", name="History").click()
        page.get_by_text("All settings").first.click()
        page.wait_for_timeout(500)
        page.screenshot(path=DOCS / "history.png")
        page.locator("#st-theme").click()
        page.get_by_role("tab", name="Generate").click()
        page.get_by_text("Edit the plan").click()
        page.wait_for_timeout(800)
        page.screenshot(path=DOCS / "light.png")
        page.locator("#st-theme").click()
        page.set_viewport_size({"width": 390, "height": 844})
        page.get_by_text("Edit the plan").click()
        page.evaluate("() => scrollTo(0, 0)")
        page.wait_for_timeout(800)
        page.screenshot(path=DOCS / "phone.png")
        browser.close()


if __name__ == "__main__":
    main()
