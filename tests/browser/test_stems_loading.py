"""The desk while its parts are still on their way: never silence passed off as the mix, never another sound's parts."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.conftest import open_page
from tests.browser.test_generate import ask, wait_for_new_take
from tests.browser.test_stems import READY, in_browser
from tests.running import RunningStudio

pytestmark = pytest.mark.browser

ROOMS = "**/studio/desk/rooms/**"


@pytest.fixture(scope="module")
def takes(browser: Browser, studio: RunningStudio) -> tuple[str, str]:
    """Two sketches, one of four seconds and one of six."""
    page = browser.new_page()
    open_page(page, studio.url)
    made = [""]
    for seconds in (4, 6):
        ask(page, "house, 120 bpm, piano and bass", seconds=seconds, seed=3)
        made.append(wait_for_new_take(page, made[-1]))
    page.close()
    return made[1], made[2]


@pytest.fixture
def desk(page: Page, takes: tuple[str, str]) -> Page:
    """The shorter one on the desk."""
    page.locator(f"#st-recent .st-card[data-take='{takes[0]}'] [data-act=stems]").click()
    page.wait_for_function(READY)
    return page


def hold(page: Page, address: str) -> list[Route]:
    """The requests to that address, which wait until the test lets them go."""
    held: list[Route] = []
    page.route(address, lambda route: held.append(route))
    return held


def let_go(page: Page, address: str, held: list[Route]) -> None:
    for route in held:
        route.continue_()
    page.unroute(address)


def test_nothing_plays_until_the_new_parts_are_here(desk: Page) -> None:
    held = hold(desk, ROOMS)
    desk.evaluate("() => { window.reopened = studio.mixer.reopen() }")
    while not held:
        desk.wait_for_timeout(20)
    assert not desk.evaluate(READY), "the parts of before are gone, so the desk is not ready"
    expect(desk.locator("#mx-play")).to_be_disabled()
    desk.evaluate("() => studio.mixer.toggle()")
    assert not desk.evaluate("() => studio.mixer.sound.playing")
    said = desk.evaluate("() => studio.mixer.sound.rendered().then(() => 'rendered', (error) => error.message)")
    assert said.startswith("Still being fetched: "), "no rendering is made of parts that are not here"
    let_go(desk, ROOMS, held)
    desk.wait_for_function(READY)
    assert abs(in_browser(desk).samples).max() > 0.05


def test_of_two_sounds_opened_at_once_the_later_one_lies_on_the_desk(desk: Page, takes: tuple[str, str]) -> None:
    held = hold(desk, ROOMS)
    desk.evaluate("(take) => { window.opened = [studio.mixer.open(`take:${take}`)] }", takes[0])
    while not held:
        desk.wait_for_timeout(20)
    desk.evaluate("(take) => { window.opened.push(studio.mixer.open(`take:${take}`)) }", takes[1])
    while len(held) < 2:
        desk.wait_for_timeout(20)
    let_go(desk, ROOMS, held)
    desk.evaluate("() => Promise.all(window.opened)")
    desk.wait_for_function(READY)
    expect(desk.locator("#mx")).to_have_attribute("data-source", f"take:{takes[1]}")
    expect(desk.locator("#mx-say")).not_to_have_class("st-error")
    assert in_browser(desk).seconds == pytest.approx(6.0, abs=0.01)


def test_an_answer_that_comes_late_does_not_push_the_later_sound_away(desk: Page, takes: tuple[str, str]) -> None:
    address = f"**/studio/desk/items/take%3A{takes[0]}"
    held = hold(desk, address)
    desk.evaluate("() => { window.reopened = studio.mixer.reopen() }")
    while not held:
        desk.wait_for_timeout(20)
    desk.evaluate("(take) => studio.mixer.open(`take:${take}`)", takes[1])
    let_go(desk, address, held)
    desk.evaluate("() => window.reopened")
    expect(desk.locator("#mx")).to_have_attribute("data-source", f"take:{takes[1]}")


def test_the_place_is_told_to_a_screen_reader(desk: Page) -> None:
    desk.evaluate("() => studio.mixer.sound.seek(2.5)")
    ruler = desk.get_by_role("slider", name="Position")
    expect(ruler).to_have_attribute("aria-valuenow", "2.5")
    expect(ruler).to_have_attribute("aria-valuemax", "4")
    expect(ruler).to_have_attribute("aria-valuetext", "2.5 s, bar and beat 2.2")


def test_the_arrow_keys_go_along_the_tools_and_keep_the_focus(desk: Page) -> None:
    desk.locator("#mx-tab-effects").focus()
    desk.keyboard.press("ArrowRight")
    expect(desk.locator("#mx-tab-master")).to_be_focused()
    expect(desk.locator("#mx-tab-master")).to_have_attribute("aria-selected", "true")
    expect(desk.get_by_role("button", name="Master", exact=True)).to_be_visible()


def test_play_pressed_twice_at_once_plays_once(desk: Page) -> None:
    desk.locator("#mx-play").click()
    desk.wait_for_function("() => studio.mixer.sound.playing")
    desk.locator("#mx-play").click()
    started = desk.evaluate(
        """async () => {
          const { sound } = studio.mixer, start = sound.start.bind(sound);
          let times = 0;
          sound.start = (...what) => { times += 1; return start(...what); };
          await Promise.all([sound.play(), sound.play()]);
          return [times, sound.buffers.size];
        }"""
    )
    assert started[0] == started[1], "each strip begins once"


def test_a_press_counts_though_the_tool_is_drawn_anew_under_it(desk: Page) -> None:
    desk.locator("#mx-tab-notes").click()
    press = desk.get_by_role("button", name="Show the notes")
    press.scroll_into_view_if_needed()
    press.hover()
    desk.mouse.down()
    desk.evaluate("() => studio.mixer.panels.show()")
    desk.mouse.up()
    expect(desk.locator(".mx-roll")).to_be_visible()


def test_what_is_being_written_stays_when_news_comes_in(desk: Page) -> None:
    desk.locator("#mx-tab-tempo").click()
    tempo, shift = desk.get_by_label("New tempo, bpm"), desk.get_by_label("Semitones up or down")
    tempo.fill("132")
    shift.fill("2")
    desk.evaluate("() => studio.mixer.panels.show()")
    expect(tempo).to_have_value("132")
    expect(shift).to_have_value("2")
    expect(shift).to_be_focused()


def test_work_that_a_look_on_its_way_knows_nothing_of_is_told_of_when_it_ends(
    desk: Page, studio: RunningStudio
) -> None:
    desk.locator("#mx-tab-notes").click()
    looks = "**/studio/desk/work"
    held = hold(desk, looks)
    while not held:
        desk.wait_for_timeout(20)
    before = held[0].fetch()
    desk.get_by_role("button", name="Show the notes").click()
    while len(held) < 2:
        desk.wait_for_timeout(20)
    while not all(work["is_finished"] for work in desk.request.get(f"{studio.url}/studio/desk/work").json()["work"]):
        desk.wait_for_timeout(20)
    held[0].fulfill(response=before)
    let_go(desk, looks, held[1:])
    expect(desk.locator(".mx-roll")).to_be_visible()


def test_a_tool_that_was_waited_for_does_not_push_away_the_one_chosen_since(desk: Page) -> None:
    address = "**/studio/desk/effects.json"
    desk.locator("#mx-tab-tempo").click()
    desk.evaluate("() => { studio.mixer.panels.effects.known = null; }")
    held = hold(desk, address)
    desk.locator("#mx-tab-effects").click()
    desk.locator("#mx-tab-tempo").click()
    while not held:
        desk.wait_for_timeout(20)
    let_go(desk, address, held)
    desk.wait_for_function("() => studio.mixer.panels.effects.known")
    expect(desk.get_by_label("New tempo, bpm")).to_be_visible()


def test_of_two_renderings_of_a_strip_the_one_asked_for_last_is_heard(desk: Page) -> None:
    address = "**/strips/*?v=first"
    held = hold(desk, address)
    desk.evaluate(
        """() => {
          const { mixer } = studio, [strip] = mixer.mix.strips, at = `studio/desk/${mixer.path}/strips/${strip.name}`;
          window.first = mixer.sound.load(strip.name, `${at}?v=first`, { wet: true });
          window.second = mixer.sound.load(strip.name, `${at}?v=second`, { wet: true });
        }"""
    )
    desk.evaluate(
        "async () => { await second; window.wet = studio.mixer.sound.buffers.get(studio.mixer.mix.strips[0].name).wet; }"
    )
    while not held:
        desk.wait_for_timeout(20)
    let_go(desk, address, held)
    assert desk.evaluate(
        "async () => { await first; return wet && wet === studio.mixer.sound.buffers.get(studio.mixer.mix.strips[0].name).wet; }"
    )


def test_of_two_takes_put_on_the_deck_at_once_the_later_one_lies_there(page: Page, takes: tuple[str, str]) -> None:
    address = f"**/studio/takes/{takes[0]}/peaks.json"
    held = hold(page, address)
    page.evaluate("(take) => { window.first = studio.deck.loadTake(take, { play: false }); }", takes[0])
    page.evaluate("(take) => studio.deck.loadTake(take, { play: false })", takes[1])
    while not held:
        page.wait_for_timeout(20)
    let_go(page, address, held)
    page.evaluate("() => window.first")
    assert page.evaluate("() => studio.deck.now.take") == takes[1]
