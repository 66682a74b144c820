"""Presets and models on the page: a start for who has no words yet, and what can be had beside the built-in engine."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


def choose_preset(page: Page, name: str) -> None:
    page.locator("#st-preset input").click()
    page.locator("#st-preset input").fill(name)
    page.get_by_role("option", name=name, exact=True).click()


def test_a_preset_fills_the_fields(page: Page) -> None:
    choose_preset(page, "Ballroom")
    expect(page.get_by_label("Describe the music")).to_have_value(
        "elegant waltz with violin, strings and harp, romantic"
    )
    expect(page.get_by_label("Length")).to_have_value("60")
    page.get_by_text("Advanced", exact=True).click()
    expect(page.get_by_label("Tempo, bpm").first).to_have_value("138")


def test_own_settings_are_kept_as_a_preset_and_found_again(page: Page) -> None:
    page.get_by_label("Describe the music").fill("kalimba and warm pads, gentle")
    page.get_by_text("Advanced", exact=True).click()
    page.get_by_label("Keep these settings as a preset").fill("Kalimba Morning")
    page.get_by_label("Keep these settings as a preset").blur()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#st-preset input")).to_have_value("Kalimba Morning")
    page.get_by_label("Describe the music").fill("something else")
    page.reload()
    page.wait_for_selector("html[data-studio=ready]", state="attached")
    choose_preset(page, "Kalimba Morning")
    expect(page.get_by_label("Describe the music")).to_have_value("kalimba and warm pads, gentle")


def test_a_shipped_preset_cannot_be_deleted(page: Page) -> None:
    choose_preset(page, "Ballroom")
    page.get_by_text("Advanced", exact=True).click()
    page.get_by_role("button", name="Delete the chosen one").click()
    expect(page.get_by_text("only your own can be deleted")).to_be_visible()


def test_the_models_say_size_licence_and_memory(page: Page) -> None:
    page.get_by_text("Models", exact=True).click()
    small = page.locator("#st-models-list .st-card[data-model='facebook/musicgen-small']")
    expect(small).to_contain_text("GB to download")
    expect(small).to_contain_text("CC-BY-NC-4.0")
    expect(small).to_contain_text("memory on the CPU")


def test_without_a_network_a_download_says_so(page: Page) -> None:
    page.get_by_text("Models", exact=True).click()
    small = page.locator("#st-models-list .st-card[data-model='facebook/musicgen-small']")
    small.get_by_role("button", name="Download").click()
    expect(small.locator(".st-error")).to_be_visible(timeout=60_000)
    expect(small.get_by_role("button", name="Download")).to_be_visible()


def test_a_model_that_is_not_here_is_never_replaced_in_silence(page: Page) -> None:
    page.get_by_label("Describe the music").fill("piano")
    page.get_by_label("Engine").click()
    page.get_by_role("option", name="MusicGen small, not downloaded").click()
    page.locator("#st-generate").click()
    expect(page.get_by_text("choose the sketch engine, which needs no download")).to_be_visible()
    assert not [j for j in page.request.get(f"{page.url}studio/jobs").json()["jobs"] if j["words"] == "piano"]
