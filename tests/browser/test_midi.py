"""Live MIDI as a musician uses it on the page: the browser's own MIDI, this machine's ports, a played melody.

There is no MIDI device in a test: the browser's is a recorder in its place, this machine's is JACK.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean, median

import mido
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import open_page
from tests.browser.midi_looks import LOOKING_ON, Looks
from tests.browser.test_generate import ask, newest_take, wait_for_new_take
from tests.running import RunningStudio, running_studio
from tests.studio.live_midi.conftest import jack_here  # noqa: F401 - a fixture
from tests.studio.live_midi.test_process import Heard, listening, until

pytestmark = pytest.mark.browser

# What a browser with a synthesiser and a keyboard offers; every message is kept with the moment it is for and when it was handed over.
RECORDER = """
  window.sent = [];
  const output = { id: "synth", name: "Test synth", type: "output", state: "connected", open: async () => {},
    send(data, moment) { if (window.unplugged) throw new DOMException("gone", "InvalidStateError"); sent.push([moment ?? performance.now(), [...data], performance.now()]); } };
  const input = { id: "keys", name: "Test keys", type: "input", state: "connected", open: async () => {}, onmidimessage: null };
  window.keys = input;
  navigator.requestMIDIAccess = async () => ({ outputs: new Map([["synth", output]]), inputs: new Map([["keys", input]]), onstatechange: null });
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("midi-data")


@pytest.fixture(scope="module")
def studio(data: Path) -> Iterator[RunningStudio]:
    with running_studio(data) as running:
        yield running


@pytest.fixture(scope="module")
def take(browser: Browser, studio: RunningStudio) -> str:
    """A sketch of twelve seconds."""
    page = browser.new_page()
    open_page(page, studio.url)
    ask(page, "house, 120 bpm, A minor, piano and bass", seconds=12, seed=3)
    made = wait_for_new_take(page, "")
    page.close()
    return made


def midi_page(browser: Browser, url: str, *, recorder: bool = True) -> Page:
    page = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="dark").new_page()
    if recorder:
        page.add_init_script(RECORDER)
    open_page(page, url)
    page.get_by_text("Live and DAW").click()
    page.locator("#md select").first.wait_for(timeout=60_000)
    return page


@pytest.fixture
def synth(browser: Browser, studio: RunningStudio, take: str) -> Iterator[Page]:
    """A page that plays into the browser's recorder, the take on its deck."""
    page = midi_page(browser, studio.url)
    page.get_by_label("MIDI output").select_option("browser:?")
    page.get_by_label("MIDI output").select_option("browser:synth")
    page.evaluate("(take) => studio.deck.loadTake(take, { play: false })", take)
    page.locator("#md .md-part").first.wait_for()
    page.locator("#st-deck-title").click()  # a gesture, so that the browser lets it sound
    yield page
    page.context.close()


def sent(page: Page) -> list[tuple[float, tuple[int, ...]]]:
    """Messages in the order an instrument gets them: by their moments."""
    messages = [(moment, tuple(data)) for moment, data, _ in page.evaluate("() => sent")]
    return sorted(messages, key=lambda each: each[0])


def left_on(messages: list[tuple[float, tuple[int, ...]]]) -> set[tuple[int, int]]:
    """The keys that would sound for ever."""
    down = set()
    for _, data in messages:
        key = (data[0] & 15, data[1] if len(data) > 1 else -1)
        if data[0] & 0xF0 == 0x90:
            down.add(key)
        elif data[0] & 0xF0 == 0x80:
            down.discard(key)
    return down


def play_for(page: Page, seconds: float) -> None:
    page.evaluate("() => studio.deck.play()")
    page.wait_for_function("(s) => studio.deck.audio.currentTime > s", arg=seconds)


def test_the_browsers_midi_gets_every_note_ahead_of_time_and_where_it_is_heard(synth: Page, take: str) -> None:
    synth.evaluate("() => { sent.length = 0; studio.deck.audio.currentTime = 0; }")
    synth.evaluate(LOOKING_ON)
    play_for(synth, 4.0)
    reached = synth.evaluate("() => { studio.deck.pause(); return studio.deck.audio.currentTime; }")
    score = synth.evaluate("() => studio.midi.score")
    channels = {n: part["channel"] for n, part in enumerate(score["parts"])}
    ons = [(moment, data) for moment, data in sent(synth) if data[0] & 0xF0 == 0x90]
    looks = Looks(synth)
    asked = [press for press in score["presses"] if press[0] < reached - 0.5 and not looks.passed_over(press[0])]
    assert len(asked) > 8
    assert {(d[0] & 15, d[1], d[2]) for _, d in ons} >= {(channels[p[2]], p[3], p[4]) for p in asked}
    assert 9 in {data[0] & 15 for _, data in ons}
    # Where each was to sound by the playhead, against where it was sent for.
    off = []
    for start, _, part, pitch, velocity in asked:
        moments = [m for m, d in ons if (d[0] & 15, d[1], d[2]) == (channels[part], pitch, velocity)]
        wanted = looks.moment_of(start)
        off.append(min(abs(moment - wanted) for moment in moments))
    assert median(off) < 25 + 4 * looks.unevenness_ms  # milliseconds; where it plays wavers by some
    # The browser times what it is handed before its moment; a busy page hands it late where it had no chance to look.
    late = [moment <= handed for moment, data, handed in synth.evaluate("() => sent") if data[0] & 0xF0 == 0x90]
    assert sum(late) / len(late) < 0.3 + looks.blind_share
    assert not left_on(sent(synth))


def test_no_note_stays_on_whatever_the_playhead_does(synth: Page) -> None:
    """A thousand jumps, stops and loops of the browser's player, on a clock that the test turns."""
    messages = synth.evaluate(
        """() => {
      let seed = 42, time = 1_000;
      const dice = (least, most) => { seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648; return least + (seed / 2_147_483_648) * (most - least); };
      const { score } = studio.midi, got = [];
      const player = new studio.midi.player.constructor();
      Object.defineProperty(player, "now", { get: () => time });
      player.output = { send: (data, moment) => got.push([moment, [...data]]) };
      player.clockOut = true;
      player.load(score);
      player.setParts(new Map(score.parts.map(({ channel }, n) => [n, channel])));
      for (let n = 0; n < 1_000; n++) {
        const kind = Math.floor(dice(0, 5)), at = dice(0, score.seconds), loop = kind === 3 ? [at / 2, at / 2 + dice(0, 3)] : null;
        if (kind === 4) player.setParts(new Map(score.parts.map(({ channel }, n) => [n, channel]).filter(() => dice(0, 1) < 0.7)));
        for (let step = 0; step < dice(0, 12); step++, time += dice(5, 60))
          player.follow({ source: score.source, playing: kind > 0, at: at + 0 * step, when: time, rate: 1, loop });
      }
      player.follow(null);
      return got;
    }"""
    )
    ordered = sorted(((moment, tuple(data)) for moment, data in messages), key=lambda each: each[0])
    assert sum(data[0] & 0xF0 == 0x90 for _, data in ordered) > 1_000
    assert not left_on(ordered)


def test_midi_clock_is_24_pulses_a_quarter_in_the_browser_too(synth: Page) -> None:
    synth.get_by_label("MIDI clock").check()
    synth.evaluate("() => { sent.length = 0; studio.deck.audio.currentTime = 0; }")
    synth.evaluate(LOOKING_ON)
    play_for(synth, 3.0)
    synth.evaluate("() => studio.deck.pause()")
    synth.wait_for_function("() => sent.some(([, data]) => data[0] === 0xfc)")
    # A start; where a busy page took notice only after the first pulses, "go on from here".
    assert {(0xFA,), (0xFB,)} & {data for _, data in sent(synth)}
    # 120 a minute by the sound, where the page handed two pulses in a row over in time.
    steps, previous = [], None
    for moment, data, handed in synth.evaluate("() => sent"):
        if data == [0xF8] and moment > handed:
            steps += [moment - previous] if previous is not None else []
            previous = moment
        elif data[0] >= 0xF8:  # a late one, or a new beginning
            previous = None
    assert len(steps) > 24
    sounds_slow = abs(1.0 - Looks(synth).speed)  # the loudspeaker of a busy machine waits for it, and the clock with it
    assert 1_000 / fmean(steps) == pytest.approx(48.0, rel=0.02 + 2 * sounds_slow)


def test_a_part_switched_off_is_silent_and_a_moved_one_goes_elsewhere(synth: Page) -> None:
    parts = synth.locator("#md .md-part")
    parts.nth(0).locator(".md-part-name").click()
    parts.nth(2).locator("select").select_option("14")
    synth.evaluate("() => { sent.length = 0; studio.deck.audio.currentTime = 0; }")
    play_for(synth, 4.0)
    synth.evaluate("() => studio.deck.pause()")
    score = synth.evaluate("() => studio.midi.score")
    silent = {(9, press[3]) for press in score["presses"] if press[2] == 0}
    others = {(9, press[3]) for press in score["presses"] if press[2] != 0 and score["parts"][press[2]]["is_drums"]}
    heard = {(data[0] & 15, data[1]) for _, data in sent(synth) if data[0] & 0xF0 == 0x90}
    assert not heard & (silent - others)
    assert 14 in {channel for channel, _ in heard}
    expect(parts.nth(0)).to_have_class("md-part off")


def test_panic_reaches_sixteen_channels(synth: Page) -> None:
    synth.evaluate("() => { sent.length = 0; }")
    synth.get_by_role("button", name="Panic").click()
    controls = {(data[0] & 15, data[1]) for _, data in sent(synth) if data[0] & 0xF0 == 0xB0}
    assert controls == {(channel, number) for channel in range(16) for number in (120, 121, 123)}


def test_an_unplugged_synth_is_a_sentence_and_the_sound_goes_on(synth: Page) -> None:
    play_for(synth, 0.5)
    synth.evaluate("() => { window.unplugged = true; }")
    expect(synth.locator("#md .st-error")).to_contain_text("is gone; the sound goes on")
    before = synth.evaluate("() => studio.deck.audio.currentTime")
    synth.wait_for_function("(s) => studio.deck.audio.currentTime > s + 0.5", arg=before)
    expect(synth.get_by_label("MIDI output")).to_have_value("")


def test_a_browser_without_midi_says_which_have_it(browser: Browser, studio: RunningStudio) -> None:
    page = midi_page(browser, studio.url, recorder=False)
    page.evaluate("() => Object.defineProperty(navigator, 'requestMIDIAccess', { value: undefined })")
    page.get_by_label("MIDI output").select_option("browser:?")
    expect(page.locator("#md .st-error")).to_contain_text("Chrome, Edge, Opera or Firefox")
    page.context.close()


@pytest.mark.skipif(Path("/dev/snd/seq").exists(), reason="this machine has an ALSA sequencer")
def test_the_real_browser_without_a_midi_system_says_what_it_needs(browser: Browser, studio: RunningStudio) -> None:
    page = midi_page(browser, studio.url, recorder=False)
    page.get_by_label("MIDI output").select_option("browser:?")
    expect(page.locator("#md .st-error")).to_contain_text("did not allow MIDI")
    page.context.grant_permissions(["midi", "midi-sysex"])
    page.get_by_label("MIDI output").select_option("browser:?")
    expect(page.locator("#md .st-error")).to_contain_text("ALSA’s sequencer")
    page.context.close()


def test_a_start_that_a_busy_page_notices_late_loses_no_note(synth: Page) -> None:
    synth.evaluate("() => { studio.deck.audio.currentTime = 0; }")
    play_for(synth, 0.5)
    assert synth.evaluate("() => studio.deck.began") == 0
    synth.evaluate("() => { studio.deck.pause(); studio.deck.seek(3); }")
    synth.wait_for_function("() => studio.deck.began === 3")
    struck = synth.evaluate(
        """() => {
          const { score } = studio.midi, got = [], player = new studio.midi.player.constructor();
          const first = Math.min(...score.presses.map(([start]) => start));
          let time = 1_000;
          Object.defineProperty(player, "now", { get: () => time });
          player.output = { send: (data) => got.push([...data]) };
          player.load(score);
          player.setParts(new Map(score.parts.map(({ channel }, n) => [n, channel])));
          // Noticed a quarter of a second late; then the sound stands still for a moment, which is no new beginning.
          player.follow({ source: score.source, playing: true, at: first + 0.25, when: time, rate: 1, loop: null, began: first });
          const begun = got.filter(([kind]) => (kind & 0xf0) === 0x90).length, drums = () => got.filter(([kind]) => kind === 0x99).length;
          const due = score.presses.filter(([start, end]) => start < first + 0.37 && end > start), before = drums();
          time += 150;
          player.follow({ source: score.source, playing: true, at: first + 0.25, when: time, rate: 1, loop: null, began: first });
          const beaten = due.filter(([start, , part]) => score.parts[part].channel === 9);
          return [begun, due.length, drums() - before, beaten.filter(([start]) => start >= first + 0.25).length, beaten.length];
        }"""
    )
    begun, due, beaten_again, due_again, beaten = struck
    assert begun == due
    assert beaten_again == due_again < beaten, "a drum struck at the beginning is not struck twice"


def test_a_number_being_written_and_a_press_survive_the_news(synth: Page) -> None:
    synth.get_by_label("MIDI input").select_option("browser:keys")
    field = synth.get_by_label("Tempo to play at")
    field.fill("132")
    synth.evaluate("() => studio.midi.say('Something happened.', true)")
    expect(synth.locator("#md .st-error")).to_have_text("Something happened.")
    expect(field).to_have_value("132")
    expect(field).to_be_focused()
    synth.get_by_label("Count-in").select_option("0")
    synth.get_by_role("button", name="Record").hover()
    synth.mouse.down()
    synth.evaluate("() => studio.midi.say('Something else happened.')")
    synth.mouse.up()
    synth.wait_for_function("() => studio.midi.in.recording")
    assert synth.evaluate("() => studio.midi.in.recording.tempo") == 132


def test_a_played_melody_is_kept_on_the_grid_and_followed_by_generate(synth: Page, data: Path) -> None:
    synth.get_by_label("MIDI input").select_option("browser:keys")
    synth.get_by_label("Tempo to play at").fill("120")
    synth.get_by_label("Count-in").select_option("0")
    synth.get_by_label("Grid", exact=True).select_option("4")
    synth.get_by_role("button", name="Record").click()
    synth.wait_for_function("() => studio.midi.in.recording")
    # Three quarters, each struck 30 ms late and let go early, with the moments a keyboard would give.
    synth.evaluate("""() => {
      const { begins } = studio.midi.in.recording;
      const key = (ms, ...data) => keys.onmidimessage({ data: new Uint8Array(data), timeStamp: begins + ms });
      [60, 64, 67].forEach((pitch, n) => { key(n * 500 + 30, 0x90, pitch, 80 + n); key(n * 500 + 400, 0x90, pitch, 0); });
    }""")
    synth.wait_for_function("() => performance.now() > studio.midi.in.recording.begins + 1_600")
    synth.get_by_role("button", name="Stop and use it").click()
    expect(synth.locator("#md")).to_contain_text("3 notes recorded")
    synth.get_by_role("button", name="Steer it").click()
    expect(synth.locator("#st-steer")).to_contain_text("It will follow what you played")
    kept = list((data / "sounds").glob("*.mid"))
    assert len(kept) == 1
    file = mido.MidiFile(file=io.BytesIO(kept[0].read_bytes()))
    now, notes = 0.0, []
    for message in file:
        now += message.time
        if message.type == "note_on":
            notes.append((round(now, 3), message.note, message.velocity))
    assert notes == [(0.0, 60, 80), (0.5, 64, 81), (1.0, 67, 82)]
    # The sketch engine, which needs no model, plays them.
    before = newest_take(synth)
    ask(synth, "solo flute", seconds=6)
    take = wait_for_new_take(synth, before)
    card = synth.locator(f"#st-recent .st-card[data-take='{take}']")
    expect(card).to_contain_text("Shaped by Your melody")
    assert card.locator(".st-shaped b").get_attribute("title") == "120 bpm, C major, the chords, the tune"


def test_nothing_played_is_a_sentence(synth: Page) -> None:
    synth.get_by_label("MIDI input").select_option("browser:keys")
    synth.get_by_label("Count-in").select_option("0")
    synth.get_by_role("button", name="Record").click()
    synth.get_by_role("button", name="Stop and use it").click()
    expect(synth.locator("#md .st-error")).to_contain_text("No note was played")


def is_quiet(heard: Heard) -> bool:
    """Whether nothing more arrives, where a note a quarter would."""
    before = len(heard.messages)
    time.sleep(1.0)
    return len(heard.messages) == before


def test_this_machines_port_plays_what_the_page_plays_and_stops_with_it(
    browser: Browser,
    tmp_path: Path,
    jack_here: dict[str, str],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The whole way: page, clock, process, JACK, another program; and pressing pause ends every note there."""
    for name, value in jack_here.items():
        monkeypatch.setenv(name, value)
    with running_studio(tmp_path / "data") as running:
        page = midi_page(browser, running.url, recorder=False)
        ask(page, "house, 120 bpm, A minor, piano and bass", seconds=8, seed=3)
        made = wait_for_new_take(page, "")
        page.get_by_label("MIDI output").select_option("virtual")
        expect(page.get_by_label("MIDI output")).to_have_value("virtual")
        with listening("MusicGen Studio") as heard:
            page.evaluate("(take) => studio.deck.loadTake(take, { play: false })", made)
            page.locator("#md .md-part").first.wait_for()
            page.locator("#st-deck-title").click()
            page.evaluate("() => { studio.deck.audio.currentTime = 0; return studio.deck.play(); }")
            until(lambda: len(heard.of(0x90)) > 20, seconds=60)
            page.evaluate("() => studio.deck.pause()")
            until(lambda: not page.request.get(f"{running.url}/studio/midi").json()["playing"], seconds=60)
            until(lambda: is_quiet(heard), seconds=60)
            assert not heard.held
        page.context.close()
