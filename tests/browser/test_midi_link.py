"""Live MIDI in an Ableton Link session: while the deck plays on the session's beats, its notes do too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.test_generate import ask, wait_for_new_take
from tests.browser.test_link import join
from tests.browser.test_midi import midi_page
from tests.link_room import Room
from tests.running import RunningStudio, running_studio

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def studio(room: Room, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStudio]:
    with running_studio(room.install_in(tmp_path_factory.mktemp("midi-link-data"))) as running:
        yield running


def test_notes_lie_on_the_sessions_beats_though_the_take_has_another_tempo(
    browser: Browser, studio: RunningStudio, room: Room
) -> None:
    page = midi_page(browser, studio.url)
    ask(page, "house, 120 bpm, piano and bass", seconds=12, seed=3)
    take = wait_for_new_take(page, "")
    with room.peer(tempo_bpm=132.0) as peer:
        join(page, peer)
        page.get_by_label("MIDI output").select_option("browser:?")
        page.get_by_label("MIDI output").select_option("browser:synth")
        page.evaluate("(take) => studio.deck.loadTake(take, { play: false })", take)
        page.locator("#md .md-part").first.wait_for()
        page.locator("#st-deck-title").click()
        page.evaluate("() => { sent.length = 0; studio.deck.play(); }")
        page.wait_for_function("() => studio.link.player.state === 'playing'")
        # Those that a busy page handed over in time; the others sound when it came to them.
        kicks = "sent.filter(([moment, data, handed]) => data[0] === 0x99 && data[1] === 36 && moment > handed)"
        page.wait_for_function(f"() => {kicks}.length > 8")
        # The kicks of house stand on quarters: where do they lie on the session's beats?
        off = page.evaluate(
            """() => {
          const { line, clock } = studio.link;
          return KICKS.map(([moment]) => line.beatAt(clock.toStudio(moment))).map((beat) => Math.abs(beat - Math.round(beat)));
        }""".replace("KICKS", kicks)
        )
        assert sorted(off)[len(off) // 2] < 0.06  # of a beat, 27 ms; by chance it would be 0.25
        page.evaluate("() => studio.deck.pause()")
        page.evaluate("() => fetch('studio/link/leave', { method: 'POST' })")
        expect(page.locator("#st-link-peers")).to_have_text("Not joined")
    page.context.close()
