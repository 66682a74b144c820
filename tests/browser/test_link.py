"""Ableton Link on the page: joined by a press, the tempo field follows, and a take starts where the session's bar does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from audio.io import write_clip
from tests.audio.rhythms import band
from tests.browser.conftest import open_page
from tests.link_room import Peer, Room, until
from tests.running import RunningStudio, running_studio

# Beside what the page itself knows it cannot know: half its quickest round trip, which a busy machine makes long. A bar
# lasts two seconds here.
# How near it comes where nothing else runs: benchmarks/link.py.
ON_THE_BAR_SECONDS = 0.02
# Tells when, by the sound card's clock, the first sound comes out of the deck.
EAR = """async () => {
  const { deck } = studio;
  await deck.listen();
  const code = `registerProcessor("ear", class extends AudioWorkletProcessor {
    process([[channel]]) {
      const first = channel ? channel.findIndex((x) => Math.abs(x) > 1e-3) : -1;
      if (first >= 0 && !this.told) { this.told = true; this.port.postMessage(currentTime + first / sampleRate); }
      return true;
    } });`;
  await deck.context.audioWorklet.addModule(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
  window.ear = new AudioWorkletNode(deck.context, "ear");
  ear.port.onmessage = ({ data }) => { window.heardAt = data; };
  deck.analyser.connect(ear);
}"""
# When the first sound should have come out, from the scheduled start and the silence at the take's head.
EXPECTED = """() => {
  const { playing, started } = studio.link.player, { samples } = playing.buffer, from = started.from * samples.sampleRate;
  let first = Infinity;
  for (let c = 0; c < samples.numberOfChannels; c++)
    first = Math.min(first, samples.getChannelData(c).findIndex((x, i) => i >= from && Math.abs(x) > 1e-3));
  return started.when + (first - from) / samples.sampleRate / started.rate;
}"""

HOLD_CHOICES = """() => {
  const fetched = window.fetch.bind(window), free = new Promise((go) => { window.letGo = go; setTimeout(go, 20_000); });
  window.fetch = async (...asked) => {
    if (String(asked[0]).includes("link/choose")) await free;
    return fetched(...asked);
  };
}"""


@pytest.fixture(scope="module")
def studio(room: Room, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStudio]:
    """A studio whose Link runs in the room."""
    with running_studio(room.install_in(tmp_path_factory.mktemp("link-data"))) as running:
        yield running


@pytest.fixture
def page(browser: Browser, studio: RunningStudio) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 1000}, color_scheme="dark")
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    open_page(page, studio.url)
    page.get_by_text("Live and DAW").click()
    yield page
    page.evaluate("() => fetch('studio/link/choose', { method: 'POST', body: '{\"follow\": true}' })")
    page.evaluate("() => fetch('studio/link/leave', { method: 'POST' })")
    context.close()
    assert not problems


def join(page: Page, peer: Peer) -> None:
    page.locator("#st-link-join").click()
    expect(page.locator("#st-link-peers")).to_have_text("1 other program")
    until(lambda: peer.told["peers"] == 1, "the other program does not see the studio")


def tempo_field(page: Page) -> Locator:
    return page.get_by_label("Tempo, bpm", exact=True).first


def off_the_bar_seconds(peer: Peer, seconds: float, *, beats_a_bar: float = 4.0) -> float:
    """How far a moment of the studio's clock lies off the other program's nearest bar line."""
    beat = peer.beat_at(seconds) % beats_a_bar
    return min(beat, beats_a_bar - beat) * 60.0 / peer.told["tempo_bpm"]


def is_on_the_bar(peer: Peer, start: dict[str, Any]) -> bool:
    """Whether a start lies on the other program's bar line, as near as the page could know."""
    return off_the_bar_seconds(peer, start["seconds"]) < ON_THE_BAR_SECONDS + start["uncertainty"]


def playing(page: Page) -> dict[str, Any]:
    """Once the deck plays in time: its scheduled start, `seconds` by this machine's monotonic clock.

    The page's moment is brought there by the time of day, not by the exchange with the studio that the page itself goes by.
    """
    page.wait_for_function("() => studio.link.player.state === 'playing'", timeout=90_000)
    start = page.evaluate(
        "() => ({ ...studio.link.player.started, day: (performance.timeOrigin + studio.link.player.started.page) / 1000 })"
    )
    # Where this test is kept waiting between two looks at the clocks, they seem nearer: the furthest pair counts.
    apart = max(time.time() - time.monotonic() for _ in range(50))
    return {**start, "seconds": start["day"] - apart}


def stays_in_time(page: Page) -> None:
    """What the sound card plays lies where the session is, within 5 ms, ten looks in a row."""
    page.wait_for_function(
        """() => {
          window.inTime = Math.abs(studio.link.player.error) < 0.005 ? (window.inTime ?? 0) + 1 : 0;
          return window.inTime > 10 && !(window.inTime = 0);
        }""",
        polling=100,
    )


def make_take(page: Page, words: str, length: str) -> str:
    """A take, made and kept without being played in the session."""
    page.get_by_label("Describe the music").fill(words)
    page.get_by_label("Length").fill(length)
    before = page.locator("#st-recent .st-card").count()
    page.evaluate("() => { document.getElementById('st-generate').click(); studio.jobs.armed = 0; }")
    expect(page.locator("#st-recent .st-card")).to_have_count(before + 1)
    return str(page.evaluate("() => document.querySelector('#st-recent .st-card').dataset.take"))


def test_joining_is_a_press_and_the_tempo_follows(page: Page, room: Room) -> None:
    with room.peer(97.0) as peer:
        time.sleep(1.5)
        page.get_by_text("Advanced").click()
        tempo_field(page).fill("140")
        join(page, peer)
        expect(page.locator("#st-link-tempo")).to_have_value("97")
        expect(tempo_field(page)).to_have_value("97")
        peer.do(tempo_bpm=137.5)
        expect(tempo_field(page)).to_have_value("137.5")
        page.locator("#st-link-join").click()
        expect(page.locator("#st-link-peers")).to_have_text("Not joined")
        expect(tempo_field(page)).to_have_value("140")
        until(lambda: peer.told["peers"] == 0, "the other program still sees the studio")


def test_a_take_at_the_sessions_tempo_starts_on_the_sessions_bar(page: Page, room: Room) -> None:
    with room.peer(97.0) as peer:
        time.sleep(1.5)
        join(page, peer)
        page.evaluate(EAR)
        page.get_by_label("Describe the music").fill("techno, drums from the start, 140 bpm")
        page.get_by_label("Length").fill("40")
        page.locator("#st-link-take").click()
        start = playing(page)
        assert is_on_the_bar(peer, start), f"in {room.where}"
        until(lambda: peer.told["playing"], "the other program was not started")
        page.wait_for_function("() => window.heardAt")
        assert page.evaluate("() => window.heardAt") == pytest.approx(page.evaluate(EXPECTED), abs=4 / 44_100)
        music = page.evaluate("() => ({ ...studio.link.player.playing.music })")
        assert music["tempo"] == pytest.approx(97.0, abs=0.01) and music["exact"]
        page.wait_for_function("() => studio.deck.audio.muted && studio.deck.audio.currentTime > 2.0")
        stays_in_time(page)
        page.locator("#st-deck-play").click()
        until(lambda: not peer.told["playing"], "the other program was not stopped")
        assert page.evaluate("() => studio.deck.audio.paused && !studio.deck.audio.muted")


def test_a_take_of_another_tempo_is_stretched_and_stays_in_time_when_the_tempo_moves(page: Page, room: Room) -> None:
    take = make_take(page, "house, drums from the start, 124 bpm", "40")
    with room.peer(100.0) as peer:
        time.sleep(1.5)
        join(page, peer)
        page.evaluate("(take) => studio.deck.loadTake(take)", take)
        start = playing(page)
        assert is_on_the_bar(peer, start)
        assert page.evaluate("() => studio.link.player.playing.buffer.tempo") == pytest.approx(100.0, abs=0.01)
        stays_in_time(page)
        peer.do(tempo_bpm=108.0)
        page.wait_for_function("() => Math.abs(studio.link.player.playing?.buffer.tempo - 108) < 0.01")
        stays_in_time(page)
        assert is_on_the_bar(peer, playing(page))
        page.locator("#st-deck-play").click()


def test_a_track_of_the_library_plays_on_the_bar(page: Page, room: Room, tmp_path: Path) -> None:
    clip, _ = band(tempo_bpm=112.0)
    write_clip(tmp_path / "their song.flac", clip)
    page.get_by_role("tab", name="Library").click()
    page.wait_for_function("() => window.studio.library?.now")
    page.locator("[data-view=bring]").click()
    page.locator("#st-lib-path").fill(str(tmp_path))
    page.locator("#st-lib-import").click()
    expect(page.locator("#st-lib-job")).to_contain_text("1 new", timeout=60_000)
    page.locator("[data-view=list]").click()
    row = page.locator(".st-track", has_text="their song")
    with room.peer(104.0) as peer:
        time.sleep(1.5)
        page.get_by_role("tab", name="Generate").click()
        join(page, peer)
        page.get_by_role("tab", name="Library").click()
        row.locator(".st-play").click(timeout=60_000)
        start = playing(page)
        assert is_on_the_bar(peer, start)
        assert page.evaluate("() => studio.link.player.playing.buffer.tempo") == pytest.approx(104.0, abs=0.01)
        assert page.evaluate("() => studio.link.player.playing.music.tempo") == pytest.approx(112.0, abs=0.3)
        stays_in_time(page)
        page.locator("#st-deck-play").click()
        page.get_by_role("tab", name="Generate").click()


def test_what_was_heard_while_it_was_made_is_played_again_on_the_bar(page: Page, room: Room) -> None:
    page.get_by_label("Describe the music").fill("house, drums from the start, 120 bpm")
    page.get_by_label("Length").fill("16")
    page.locator("#st-generate").click()
    page.wait_for_function("() => studio.deck.now?.take")
    with room.peer(120.0) as peer:
        time.sleep(1.5)
        join(page, peer)
        page.evaluate("() => { studio.deck.pause(); studio.deck.audio.currentTime = 3.1; }")
        page.locator("#st-deck-play").click()
        assert is_on_the_bar(peer, playing(page))
        assert page.evaluate("() => studio.link.player.started.from") == pytest.approx(2.0, abs=0.001), "its second bar"
        page.locator("#st-link-join").click()
        expect(page.locator("#st-link-peers")).to_have_text("Not joined")
        page.wait_for_function("() => studio.link.player.state === 'idle'")
        assert page.evaluate("() => !studio.deck.audio.paused && !studio.deck.audio.muted"), (
            "it goes on without the session"
        )
        page.locator("#st-deck-play").click()


def test_the_next_take_takes_over_on_the_bar_without_a_gap(page: Page, room: Room) -> None:
    first = make_take(page, "techno, drums from the start, 120 bpm", "16")
    second = make_take(page, "house, drums from the start, 120 bpm", "16")
    with room.peer(120.0) as peer:
        time.sleep(1.5)
        join(page, peer)
        page.evaluate("(take) => studio.deck.loadTake(take)", first)
        began = playing(page)
        page.wait_for_timeout(1_000)
        page.evaluate(
            "async (take) => { const done = studio.deck.loadTake(take); await done; window.left = studio.link.player.leaving; }",
            second,
        )
        assert page.evaluate("() => Boolean(window.left)"), "the first take fell silent before the second began"
        then = playing(page)
        assert then["when"] > began["when"] and is_on_the_bar(peer, then)
        assert page.evaluate("() => studio.link.player.leaving") is None
        page.evaluate("(take) => studio.deck.loadTake(take, { play: false })", first)
        page.wait_for_function("() => !studio.link.player.leaving && studio.link.player.state === 'idle'")


def test_a_start_on_one_page_is_not_played_by_the_other(page: Page, room: Room, studio: RunningStudio) -> None:
    take = make_take(page, "techno, drums from the start, 120 bpm", "16")
    other = page.context.new_page()
    open_page(other, studio.url)
    other.evaluate("(take) => studio.deck.loadTake(take, { play: false })", take)
    page.locator("#st-link-join").click()
    other.wait_for_function("() => studio.link.joined && studio.deck.now?.take")
    page.evaluate("(take) => studio.deck.loadTake(take)", take)
    playing(page)
    other.wait_for_function("() => studio.link.state.playing")  # which it takes notice of at the same moment
    assert other.evaluate("() => studio.link.player.state") == "idle"
    page.locator("#st-deck-play").click()
    other.wait_for_function("() => !studio.link.state.playing")


def test_another_program_starts_and_stops_the_deck(page: Page, room: Room) -> None:
    take = make_take(page, "techno, drums from the start, 120 bpm", "16")
    with room.peer(120.0) as peer:
        time.sleep(1.5)
        join(page, peer)
        page.evaluate("(take) => studio.deck.loadTake(take, { play: false })", take)
        page.wait_for_function("() => studio.deck.now?.take")
        peer.do(playing=True)
        start = playing(page)
        assert is_on_the_bar(peer, start)
        expect(page.locator("#st-link-play")).to_have_text("Stop all")
        peer.do(playing=False)
        page.wait_for_function("() => studio.link.player.state === 'idle' && studio.deck.audio.paused")


def test_a_take_that_leads_brings_its_tempo(page: Page, room: Room) -> None:
    take = make_take(page, "drum and bass, drums from the start, 172 bpm", "16")
    with room.peer(120.0) as peer:
        time.sleep(1.5)
        join(page, peer)
        page.locator("#st-link-lead").click()
        expect(page.locator("#st-link-lead")).to_have_attribute("aria-pressed", "true")
        page.evaluate("(take) => studio.deck.loadTake(take)", take)
        until(lambda: abs(peer.told["tempo_bpm"] - 172.0) < 0.01, "the take did not bring its tempo")
        assert is_on_the_bar(peer, playing(page))
        page.locator("#st-deck-play").click()


def test_a_tempo_that_link_cannot_keep_is_said_in_the_panel(page: Page, room: Room) -> None:
    page.locator("#st-link-join").click()
    expect(page.locator("#st-link-peers")).to_have_text("Nobody else yet")
    page.locator("#st-link-tempo").fill("5")
    page.locator("#st-link-tempo").press("Enter")
    expect(page.locator("#st-link-error")).to_have_text("The tempo must be between 20 and 999 bpm.")
    page.locator("#st-link-tempo").fill("133")
    page.locator("#st-link-tempo").press("Enter")
    expect(page.locator("#st-link-error")).to_be_hidden()
    page.locator("#st-link-tempo").blur()
    expect(page.locator("#st-link-tempo")).to_have_value("133")


def test_what_was_chosen_stands_though_older_news_come_before_its_answer(page: Page, room: Room) -> None:
    with room.peer(100.0) as peer:
        join(page, peer)
        page.evaluate(HOLD_CHOICES)
        sync = page.locator("#st-link-sync")
        sync.uncheck()
        peer.do(tempo_bpm=111.0)
        page.wait_for_function("() => Math.abs(studio.link.state.tempo_bpm - 111) < 0.01")
        assert not sync.is_checked() and page.evaluate("() => studio.link.state.start_stop"), "not yet asked for"
        page.evaluate("() => window.letGo()")
        page.wait_for_function("() => !studio.link.state.start_stop")
        assert not sync.is_checked()
        expect(page.locator("#st-link-tempo")).to_have_value("111")
        sync.check()
        page.wait_for_function("() => studio.link.state.start_stop")


def test_a_killed_link_is_said_and_joined_again_by_a_press(page: Page, room: Room, studio: RunningStudio) -> None:
    import subprocess

    with room.peer() as peer:
        join(page, peer)
        workers = subprocess.run(
            ["pgrep", "-P", str(studio.process.pid), "-f", "link_worker"], capture_output=True, text=True, check=True
        ).stdout.split()
        subprocess.run(["kill", "-9", *workers], check=True)
        expect(page.locator("#st-link-error")).to_contain_text("Ableton Link stopped unexpectedly")
        expect(page.locator("#st-link-join")).to_have_text("Join")
        join(page, peer)
        expect(page.locator("#st-link-error")).to_be_hidden()
