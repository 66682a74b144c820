"""The plug-in on the page: the real one, open in a real host, told from the page what to play and what to have made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import open_page
from tests.plugin.built import Built, build
from tests.plugin.hosts import Daw
from tests.plugin.known_takes import clicks, keep, tone
from tests.running import RunningStudio, running_studio


@pytest.fixture(scope="module")
def built() -> Built:
    return build()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with two takes."""
    data_dir = tmp_path_factory.mktemp("studio")
    keep(data_dir, "A tone", tone())
    keep(data_dir, "Clicks", clicks(), second=1)
    return data_dir


@pytest.fixture(scope="module")
def studio(kept: Path) -> Iterator[RunningStudio]:
    with running_studio(kept, timeout_seconds=180) as running:
        yield running


def test_a_plug_in_in_a_daw_is_told_what_to_play(
    page: Page, built: Built, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.get_by_text("Live and DAW").click()
    expect(page.locator("#st-plugin-count")).to_have_text("No plug-in is open")
    monkeypatch.setenv("MUSICGEN_STUDIO_PLUGIN_FILE", str(kept / "plugin.txt"))
    daw = Daw(built.vst3, bpm=97.0)
    daw.wait_for_sound(97.0)
    row = page.locator(".st-plugin-one")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("97 bpm")
    expect(row.get_by_label("The take it plays").locator("option:checked")).to_have_text("Clicks")

    row.get_by_label("The take it plays").select_option("A tone")
    daw.wait(lambda each: 0.45 < np.abs(each.play(0.5, notes=[(60, 0, 0.5)])[5_000:]).max() < 0.55)

    row.get_by_label("Words for a new take").fill("ambient pad, 100 %")
    row.get_by_label("Bars of the new take").fill("2")
    row.get_by_role("button", name="Make it").click()
    card = page.locator("#st-recent .st-card:not([data-take^='2090'])")
    expect(card).to_have_count(1)
    made = card.get_attribute("data-take")
    assert made is not None
    expect(row.get_by_label("The take it plays").locator("option:checked")).to_have_attribute("value", made)

    del daw
    expect(row).to_have_count(0)
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


def test_the_panel_says_how_to_get_it_on_a_phone_too(page: Page, studio: RunningStudio, kept: Path) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    open_page(page, studio.url)
    page.get_by_text("Live and DAW").click()
    page.get_by_text("Get the plug-in, and where to put it").click()
    for daw in ("Ableton Live", "Reaper", "Bitwig Studio", "Ardour", "Logic Pro"):
        expect(page.locator("#st-plugin")).to_contain_text(daw)
    page.evaluate(
        "() => Object.defineProperty(navigator, 'clipboard', { value: { writeText: async (text) => { window.copied = text; } } })"
    )
    page.get_by_role("button", name="Copy the token").click()
    expect(page.locator("#st-plugin-token")).to_contain_text("Copied")
    assert page.evaluate("() => window.copied") == (kept / "plugin.txt").read_text()
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
