"""The agents on the page: a model that writes before one's eyes, a verdict, a refinement watched and overruled."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from benchmarks.refine import others_stayed
from tests.browser.conftest import open_page
from tests.browser.held_answers import LET_GO, hear_answers, hold_answers
from tests.browser.test_generate import (
    ask,
    newest_take,
    press_and_see_it_sent,
    wait_for_new_take,
)
from tests.erring_studio import erring_studio
from tests.running import RunningStudio
from tests.tiny_gguf import write_gguf

pytestmark = pytest.mark.browser
WISH = "slow lo-fi hip hop, rainy, 80 bpm"


def test_every_take_gets_its_verdict_and_a_press_shows_the_reasons(page: Page) -> None:
    before = newest_take(page)
    ask(page, "house at night, 122 bpm", seconds=8, seed=3)
    take = wait_for_new_take(page, before)
    card = page.locator(f"#st-recent .st-card[data-take='{take}']")
    chip = card.locator("button[data-score]")
    expect(chip).to_have_text("100")
    chip.click()
    expect(card.locator(".st-verdict [data-part=tempo]")).to_contain_text("122 bpm")
    expect(card.locator(".st-verdict")).to_contain_text("no CLAP model is here")
    expect(card.locator(".st-verdict")).to_contain_text("built-in rules")
    chip.click()
    expect(card.locator(".st-verdict")).to_have_count(0)


def test_a_refinement_is_watched_survives_a_reload_and_can_be_overruled(page: Page, studio: RunningStudio) -> None:
    page.get_by_label("Describe the music").fill("funk with slap bass, 108 bpm, intro then a chorus")
    page.get_by_label("Length").fill("18")
    page.get_by_label("Seed").fill("3")
    page.get_by_label("Seed").blur()
    page.locator("#st-refine").get_by_text("Refine until it is right").click()
    page.locator("#st-refine-go").click()
    first = page.locator(".st-refinement").first
    expect(first.locator("[data-pass='0']")).to_contain_text("The first take")
    expect(first.locator("[data-pass='0'] .st-score")).to_be_visible()
    open_page(page, studio.url)
    first = page.locator(".st-refinement").first
    overrule = first.locator(".st-overrule")
    expect(overrule).to_be_visible(timeout=60_000)
    overrule.locator(".st-mark-chip").last.click()
    overrule.get_by_text("Make these anew").click()
    anew = first.locator("[data-pass='1']")
    expect(anew).to_contain_text("Made anew of pass 1")
    expect(anew.locator(".st-changes")).to_contain_text("drawn anew")
    expect(first.locator(".st-overrule")).to_be_visible(timeout=60_000)
    page.locator(".st-refinement .st-pass:not(.best)").first.get_by_text("Keep this one").click()
    expect(page.locator(".st-refinement").first.locator(".st-pass.best")).to_have_count(1)
    first.locator("[data-pass='1'] .st-play").click()
    take = anew.get_attribute("data-take")
    page.wait_for_function("(take) => studio.deck.now?.take === take", arg=take)
    first.get_by_text("Put away").click()
    expect(page.locator(".st-refinement")).to_have_count(0)


def test_only_what_failed_is_made_anew_and_the_page_says_what_and_why(browser: Browser, tmp_path: Path) -> None:
    with erring_studio(tmp_path / "data", seed=5) as (url, served):
        page = browser.new_page()
        open_page(page, url)
        page.get_by_label("Describe the music").fill("house at night, 122 bpm, intro, verse, chorus")
        page.get_by_label("Length").fill("24")
        page.get_by_label("Seed").fill("2")
        page.locator("#st-refine").get_by_text("Refine until it is right").click()
        page.get_by_label("Passes").fill("3")
        page.locator("#st-refine-go").click()
        expect(page.locator(".st-refinement .st-overrule")).to_be_visible(timeout=180_000)
        view = served.refinements.list()[0]
        scores = [one.verdict.score for one in view.passes]
        assert len(scores) > 1 and max(scores) > scores[0]
        assert all(others_stayed(served.store, view, number) for number in range(1, len(scores)))
        changes = page.locator(".st-refinement [data-pass='1'] .st-changes")
        expect(changes).to_contain_text(view.passes[1].changes[0].why)
        best = page.locator(".st-refinement .st-pass.best")
        expect(best).to_have_attribute("data-pass", str(view.best))
        expect(best.locator(".st-score")).to_have_text(f"{max(scores):.0f}")
        page.close()


def test_a_message_changes_the_plan_and_the_orchestrator_says_how_it_was_understood(page: Page) -> None:
    hear_answers(page)
    page.get_by_label("Describe the music").fill("pop, 100 bpm, in C major, intro, verse, chorus")
    page.get_by_label("Length").fill("30")
    page.get_by_label("Length").blur()
    page.locator("#st-plan-first").click()
    expect(page.locator("#st-plan-strip")).to_contain_text("C major")
    expect(page.locator("#st-plan-strip")).to_contain_text("Planned by built-in rules")
    message, told = page.locator("#st-message textarea, #st-message input").first, page.locator("#st-message-told")
    hold_answers(page)
    message.fill("in D minor, slower and without drums in the chorus")
    press_and_see_it_sent(page, "#st-message-do")
    message.fill("change it hm")  # while the first is being done
    page.evaluate(LET_GO)
    expect(told).to_contain_text("change this song as the words say (built-in rules)")
    expect(page.locator("#st-plan-strip")).to_contain_text("D minor")
    expect(page.locator("#st-plan-strip")).to_contain_text("92 bpm")
    expect(message).to_have_value("change it hm")
    page.locator("#st-message-do").click()
    expect(told).to_contain_text("say louder or softer")
    message.fill("louder in the chorus")
    page.locator("#st-message-do").click()
    expect(message).to_have_value("")
    before = newest_take(page)
    page.locator("#st-generate").click()
    take = wait_for_new_take(page, before)
    expect(page.locator(f"#st-recent .st-card[data-take='{take}']")).to_contain_text("D minor")


def test_a_suggestion_is_one_press_from_the_prompt(page: Page) -> None:
    page.get_by_label("Describe the music").fill("")
    suggestion = page.locator("#st-suggest .st-try").first
    words = suggestion.inner_text()
    suggestion.click()
    expect(page.get_by_label("Describe the music")).to_have_value(words)


def test_a_model_writes_before_ones_eyes_is_tested_stopped_and_named(page: Page, tmp_path: Path) -> None:
    pytest.importorskip("llama_cpp")
    slow = write_gguf(tmp_path / "slow.gguf", name="Slow", width=256, layers=6)
    page.locator("#st-agents").get_by_text("Agents", exact=True).click()
    page.get_by_label("A GGUF file of your own").fill(str(tmp_path / "nothing.gguf"))
    page.locator("#st-agents").get_by_text("Add it").click()
    expect(page.get_by_text("cannot be read")).to_be_visible()
    page.get_by_label("A GGUF file of your own").fill(str(slow))
    page.locator("#st-agents").get_by_text("Add it").click()
    expect(page.locator("#st-agent-models")).to_contain_text("slow")
    page.locator("#st-agent-structure input").click()
    page.get_by_role("option", name="slow").click()
    expect(page.locator("#st-agents-said")).to_contain_text("structure: slow")
    page.get_by_label("Describe the music").fill(WISH)
    page.locator("#st-plan-first").click()
    writing = page.locator("#st-agents-now .st-writing[data-agent=structure]")
    expect(writing).to_contain_text("slow")
    expect(writing.locator("pre")).to_contain_text("{")
    writing.get_by_text("Stop").click()
    expect(writing).to_have_count(0)
    expect(page.get_by_text("You stopped the agent")).to_be_visible()
    page.locator("#st-plan-first").click()
    expect(page.locator("#st-plan-strip")).to_contain_text("Planned by", timeout=120_000)
    expect(page.locator("#st-plan-strip")).to_contain_text("80 bpm")
    page.locator("#st-agents-test").click()
    tests = page.locator("#st-agents-tests .st-test")
    expect(tests).to_have_count(6, timeout=120_000)
    expect(page.locator("#st-agents-tests .st-test[data-agent=structure]")).to_contain_text(" s")
    expect(page.locator("#st-agents-tests .st-test[data-agent=prompt]")).to_contain_text("built-in rules")
    page.locator("#st-agents").get_by_text("Rules for all").click()
    expect(page.locator("#st-agents-said")).to_contain_text("structure: built-in rules")
