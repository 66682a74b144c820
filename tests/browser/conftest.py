"""A headless Chromium and a running studio for the tests that drive the page."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.running import RunningStudio, running_studio

# Chromium looks for its maker's servers at every start unless told not to.
QUIET = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--mute-audio", "--autoplay-policy=user-gesture-required",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",  # a microphone that beeps, and may be heard
]  # fmt: skip

# How long a thing may take to come true. A machine that runs other things too is slow, not wrong.
PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)


def _chromium() -> str | None:
    for name in ("chromium", "chromium-browser", "google-chrome", "chrome"):
        if found := shutil.which(name):
            return found
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).exists() else None


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, for one file's tests: Playwright's event loop must not be running when other rooms' tests run theirs."""
    path = _chromium()
    if path is None:
        reason = "no Chromium: apt install chromium, or .venv/bin/playwright install chromium"
        if os.environ.get("MUSICGEN_STUDIO_TESTS_NEED_ALL"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStudio]:
    with running_studio(tmp_path_factory.mktemp("browser-data")) as running:
        yield running


@pytest.fixture
def page(browser: Browser, studio: RunningStudio) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 860}, color_scheme="dark", accept_downloads=True)
    page = context.new_page()
    open_page(page, studio.url)
    yield page
    context.close()


def open_page(page: Page, url: str) -> None:
    """Open the studio and wait until its own parts work."""
    page.set_default_timeout(PATIENCE_MS)
    page.goto(url)
    page.wait_for_selector("html[data-studio=ready]", state="attached")
    page.wait_for_selector("#st-recent .st-empty, #st-recent .st-card")
