"""The desk as a user works at it: take apart, mix, shape, master, loop, write down, carry off."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest
import soundfile
from playwright.sync_api import Browser, Page, expect

from audio.clip import Clip
from audio.loop_points import read_loop_points
from audio.loudness import integrated_lufs, true_peak_dbtp
from tests.audio.sounds import RATE, band, mixed
from tests.browser.conftest import open_page
from tests.browser.test_generate import ask, wait_for_new_take
from tests.running import RunningStudio, running_studio
from tests.tiny_demucs import write_demucs

pytestmark = pytest.mark.browser

READY = "() => document.getElementById('mx')?.dataset.ready === 'true'"


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStudio]:
    """A studio with a separator of a few hundred kilobytes, random weights in the hub's own format."""
    folder = tmp_path_factory.mktemp("stems-data")
    write_demucs(folder / "models" / "separators" / "htdemucs")
    with running_studio(folder) as running:
        yield running


@pytest.fixture(scope="module")
def take(browser: Browser, studio: RunningStudio) -> str:
    """A sketch of eight seconds."""
    page = browser.new_page()
    open_page(page, studio.url)
    ask(page, "house, 120 bpm, piano and bass", seconds=8, seed=3)
    made = wait_for_new_take(page, "")
    page.close()
    return made


FLAT = """async (take) => {
  const { mixer } = studio, { sound } = mixer;
  sound.pause();
  sound.loop = mixer.ruler.marked = null;
  sound.at = 0;
  sound.dropOther();
  for (const work of mixer.panels.works.running) await fetch(`studio/desk/work/${work.id}/stop`, { method: "POST" });
  if (mixer.sheet?.source !== `take:${take}`) await mixer.open(`take:${take}`);
  if (mixer.sheet.parts.key !== "true") await mixer.panels.tools[0].use("true");
  const flat = { gain_db: 0, pan: 0, send: 0, mute: false, solo: false, chain: { effects: [] } };
  for (const strip of mixer.mix.strips) Object.assign(strip, structuredClone(flat));
  Object.assign(mixer.mix, { gain_db: 0, room: { kind: "plate", gain_db: 0 }, chain: { effects: [] } });
  await mixer.save();
  await mixer.reopen();
}"""


@pytest.fixture(scope="module")
def bench(browser: Browser, studio: RunningStudio, take: str) -> Iterator[Page]:
    """A page with the take on the desk, for all tests of this file."""
    context = browser.new_context(viewport={"width": 1280, "height": 860}, color_scheme="dark", accept_downloads=True)
    page = context.new_page()
    open_page(page, studio.url)
    page.locator(f"#st-recent .st-card[data-take='{take}'] [data-act=stems]").click()
    page.wait_for_function(READY)
    yield page
    context.close()


@pytest.fixture
def desk(bench: Page, take: str) -> Page:
    """The desk with the take's true stems, its mix flat and nothing playing."""
    bench.set_viewport_size({"width": 1280, "height": 860})
    bench.evaluate(FLAT, take)
    bench.wait_for_function(READY)
    bench.evaluate("() => scrollTo(0, 0)")
    return bench


@contextmanager
def work(page: Page, kind: str, *, timeout: float = 90_000) -> Iterator[None]:
    """What is done inside begins work of that kind; at the end the page has been told that it is over."""
    before = page.evaluate("() => [...studio.mixer.panels.works.known.keys()]")
    yield
    page.wait_for_function(
        """([kind, before]) => {
          const { known, since } = studio.mixer.panels.works;
          return [...known.values()].some((w) => w.kind === kind && !before.includes(w.id) && since.has(w.id));
        }""",
        arg=[kind, before],
        timeout=timeout,
    )


def levels(page: Page) -> dict[str, float]:
    """The peak heard of each strip at its fader, over half a second of play by the sound card's clock."""
    return page.evaluate(
        """async () => {
          const { sound, lanes } = studio.mixer, heard = Object.fromEntries([...lanes.keys()].map((name) => [name, 0]));
          const from = sound.context.currentTime;
          while (sound.context.currentTime < from + 0.5) {
            for (const name of lanes.keys()) heard[name] = Math.max(heard[name], sound.levelOf(name));
            await new Promise((later) => setTimeout(later, 20));
          }
          return heard;
        }"""
    )


def played_on(page: Page, seconds: float) -> None:
    """Wait until the sound card has played so much more of the desk."""
    page.wait_for_function("() => studio.mixer.sound.playing")
    page.evaluate(
        "(seconds) => { const { sound } = studio.mixer; window.until = Math.max(sound.startedAt, sound.context.currentTime) + seconds; }",
        seconds,
    )
    page.wait_for_function("() => studio.mixer.sound.context.currentTime > window.until")


def in_browser(page: Page) -> Clip:
    """The mix as the browser's own graph renders it."""
    sides = page.evaluate(
        """async () => {
          const made = await studio.mixer.sound.rendered();
          return [0, 1].map((side) => {
            const bytes = new Uint8Array(made.getChannelData(side).slice().buffer);
            let text = "";
            for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
            return btoa(text);
          });
        }"""
    )
    return Clip(np.stack([np.frombuffer(base64.b64decode(side), "<f4") for side in sides]), 44_100)


def downloaded(page: Page, press: Any) -> tuple[str, bytes]:
    with page.expect_download(timeout=90_000) as download:
        press()
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def exported(page: Page, what: str, format: str = "") -> tuple[str, bytes]:
    page.locator("#mx-tab-export").click()
    page.get_by_label("What to export").select_option(what)
    if format:
        page.get_by_label("Format").select_option(format)
    return downloaded(page, page.get_by_role("button", name="Export", exact=True).click)


def decoded(data: bytes) -> Clip:
    samples, rate = soundfile.read(io.BytesIO(data), always_2d=True, dtype="float32")
    return Clip(samples.T, rate)


def test_a_sketch_lies_on_the_desk_in_its_true_stems(desk: Page) -> None:
    expect(desk.locator("#mx-tier")).to_have_text("true stems of the sketch")
    expect(desk.locator("#mx-facts")).to_contain_text("120 bpm")
    strips = desk.evaluate("() => [...studio.mixer.lanes.values()].map((lane) => Math.max(...lane.peaks))")
    assert len(strips) >= 3 and all(peak > 5 for peak in strips), "every strip shows its own waveform"


def test_soloed_only_that_strip_is_heard(desk: Page) -> None:
    desk.evaluate(
        "() => { const { sound } = studio.mixer; sound.setLoop([0, 8]); sound.seek(3); }"
    )  # however long it takes
    desk.locator("#mx-play").click()
    played_on(desk, 0.1)
    before = levels(desk)
    loud = max(before, key=lambda name: before[name])
    assert sum(level > 0.003 for level in before.values()) >= 2
    desk.locator(f".mx-strip[data-strip='{loud}'] .mx-solo").click()
    played_on(desk, 0.2)
    after = levels(desk)
    assert after.pop(loud) > 0.003
    assert max(after.values()) < 1e-4, "the others are silent"
    desk.locator("#mx-play").click()
    alone = in_browser(desk)
    stem = decoded(
        desk.request.get(f"{desk.url}studio/desk/{desk.evaluate('() => studio.mixer.path')}/strips/{loud}").body()
    )
    assert float(np.abs(alone.samples - stem.stereo().samples[:, : alone.frames]).max()) < 1e-3


def test_what_the_browser_plays_is_what_the_studio_renders(desk: Page) -> None:
    desk.evaluate("""() => {
      const { mixer } = studio, [a, b, c] = mixer.mix.strips;
      Object.assign(a, { gain_db: -7.5, pan: -0.6 }); Object.assign(b, { pan: 0.8, send: 0.7 }); Object.assign(c, { mute: true });
      mixer.mix.room = { kind: "hall", gain_db: -3 }; mixer.mix.gain_db = -2;
      return mixer.sound.follow(mixer.mix).then(() => mixer.save());
    }""")
    heard = in_browser(desk)
    _, data = exported(desk, "mix", "wav32f")
    rendered = decoded(data)
    off = rendered.samples[:, : heard.frames] - heard.samples[:, : rendered.frames]
    assert 20 * np.log10(np.sqrt((off**2).mean()) / np.sqrt((rendered.samples**2).mean())) < -60


def test_faders_move_at_once_and_steps_go_back_and_forth(desk: Page) -> None:
    fader = desk.get_by_label("level").first
    fader.focus()
    for _ in range(40):
        desk.keyboard.down("ArrowLeft")  # held, which is one step
    desk.keyboard.up("ArrowLeft")
    desk.evaluate("() => studio.mixer.settled()")
    moved = desk.evaluate("() => studio.mixer.mix.strips[0].gain_db")
    assert -6 < moved < -2
    desk.keyboard.press("Control+z")
    desk.wait_for_function("() => studio.mixer.mix.strips[0].gain_db === 0")
    desk.locator("#mx-redo").click()
    desk.wait_for_function("(moved) => Math.abs(studio.mixer.mix.strips[0].gain_db - moved) < 1e-6", arg=moved)


def test_a_mix_and_what_is_open_are_there_again_after_a_reload(desk: Page, studio: RunningStudio) -> None:
    desk.locator(".mx-strip .mx-mute").first.click()
    desk.evaluate("() => studio.mixer.settled()")
    open_page(desk, studio.url)
    desk.get_by_role("tab", name="Stems").click()
    desk.wait_for_function(READY)
    expect(desk.locator(".mx-strip .mx-mute").first).to_have_attribute("aria-pressed", "true")


def test_an_effect_is_heard_and_compared_at_one_loudness(desk: Page) -> None:
    name = desk.evaluate("() => studio.mixer.mix.strips.at(-1).name")
    dry = in_browser(desk)
    desk.locator(f".mx-strip[data-strip='{name}'] .mx-fx").click()
    desk.get_by_label("Add an effect").select_option("gain")
    desk.wait_for_function("(name) => window.flat = studio.mixer.sound.buffers.get(name)?.wet", arg=name)
    knob = desk.get_by_label("Gain, gain")
    knob.focus()
    desk.keyboard.press("End")
    knob.blur()
    desk.wait_for_function("(name) => studio.mixer.sound.buffers.get(name).wet !== window.flat", arg=name)
    wet = in_browser(desk)
    assert float((wet.samples**2).sum()) > 1.5 * float((dry.samples**2).sum())
    desk.get_by_role("group", name="Compare at one loudness").get_by_text("Before").click()
    desk.wait_for_function("(name) => studio.mixer.sound.bypassed.has(name)", arg=name)
    matched = desk.evaluate("(name) => studio.mixer.sound.bypassed.get(name)", name)
    assert matched == pytest.approx(24.0, abs=0.2), "the dry sound is brought up to the wet one's loudness"


def test_the_built_in_way_takes_a_sound_apart_and_says_so(desk: Page, tmp_path: Path) -> None:
    sound = mixed(band(4.0))
    soundfile.write(tmp_path / "loop.wav", sound.samples.T, RATE)
    desk.locator("#mx-file").set_input_files(tmp_path / "loop.wav")
    expect(desk.locator("#mx-title")).to_have_text("loop")
    expect(desk.locator("#mx-tier")).to_have_text("in one piece, not separated")
    desk.locator("#mx-tab-separate").click()
    desk.get_by_label("Separate with Built-in").click()
    expect(desk.locator("#mx-tier")).to_have_text("built-in signal separation")
    desk.wait_for_function(READY)
    assert {"drums", "bass"} <= set(desk.evaluate("() => [...studio.mixer.lanes.keys()]"))
    together = in_browser(desk)
    off = together.samples - sound.samples[:, : together.frames]
    assert 20 * np.log10(np.sqrt((off**2).mean()) / np.sqrt((sound.samples**2).mean())) < -60


def test_a_separation_shows_how_far_it_is_survives_a_reload_and_stops(
    desk: Page, studio: RunningStudio, tmp_path: Path
) -> None:
    noise = np.random.default_rng(2).standard_normal(RATE * 240).astype(np.float32) * 0.1
    soundfile.write(tmp_path / "long.flac", noise, RATE)
    desk.locator("#mx-file").set_input_files(tmp_path / "long.flac")
    expect(desk.locator("#mx-title")).to_have_text("long")
    desk.locator("#mx-tab-separate").click()
    desk.get_by_label("Separate with Demucs", exact=True).click()
    desk.wait_for_function(
        "() => studio.mixer.panels.works.running.some((w) => w.kind === 'separate' && w.fraction > 0)"
    )
    open_page(desk, studio.url)
    desk.get_by_role("tab", name="Stems").click()
    stop = desk.get_by_role("button", name="Stop: Separation")
    expect(stop).to_be_visible(timeout=60_000)
    stop.click()
    desk.wait_for_function("() => !studio.mixer.panels.works.running.length")
    states = desk.evaluate("() => [...studio.mixer.panels.works.known.values()].map((w) => [w.kind, w.state])")
    assert [state for kind, state in states if kind == "separate"].count("stopped") == 1
    expect(desk.locator("#mx-tier")).to_have_text("in one piece, not separated")


def test_demucs_takes_a_take_apart_and_is_named(desk: Page) -> None:
    desk.locator("#mx-tab-separate").click()
    desk.get_by_label("Separate with Demucs", exact=True).click()
    expect(desk.locator("#mx-tier")).to_have_text("Demucs htdemucs", timeout=90_000)
    desk.wait_for_function(READY)
    names = set(desk.evaluate("() => [...studio.mixer.lanes.keys()]"))
    assert {"drums", "bass", "other", "vocals"} <= names


def test_a_master_reaches_its_loudness_and_shows_its_meters(desk: Page) -> None:
    desk.locator("#mx-tab-master").click()
    desk.get_by_role("button", name="Master", exact=True).click()
    report = desk.locator(".mx-report")
    report.wait_for(timeout=90_000)
    expect(report.locator("tr", has_text="Integrated loudness").locator("td").last).to_contain_text("-14.")
    assert report.locator("polyline.after").count() == 2
    desk.wait_for_function("() => studio.mixer.sound.onOther")  # the master is what one hears now
    _, data = downloaded(desk, desk.get_by_role("link", name="Save it").click)
    master = decoded(data)
    assert integrated_lufs(master) == pytest.approx(-14.0, abs=0.2) and true_peak_dbtp(master) <= -1.0
    desk.get_by_role("button", name="Keep as a take").click()
    expect(desk.locator("#mx-say")).to_contain_text("(master)")


def test_a_loop_goes_round_on_the_beat_and_is_exported_with_its_points(desk: Page) -> None:
    desk.locator("#mx-tab-loops").click()
    desk.get_by_role("button", name="Find loops").click()
    first = desk.locator(".mx-loops li").first
    first.wait_for(timeout=60_000)
    first.get_by_role("button", name="Hear").click()
    start, end = desk.evaluate("() => studio.mixer.sound.loop")
    bars = (end - start) / 2.0
    assert abs(bars - round(bars)) < 0.01, "a bar of 4/4 at 120 bpm lasts two seconds"
    desk.wait_for_function("() => studio.mixer.sound.playing")
    desk.evaluate("(at) => studio.mixer.sound.seek(at)", end - 0.3)
    played_on(desk, 0.6)
    assert start <= desk.evaluate("() => studio.mixer.sound.position") <= end
    _, data = downloaded(desk, first.get_by_role("button", name="Export").click)
    ((a, b),) = read_loop_points(data)
    assert (a, b) == (0, decoded(data).frames) and b == pytest.approx((end - start) * 44_100, abs=2)


def test_a_region_dragged_on_the_ruler_snaps_to_the_beats(desk: Page) -> None:
    desk.evaluate("() => scrollTo(0, 0)")
    box = desk.locator("#mx-ruler").bounding_box()
    assert box
    at = [box["x"] + box["width"] * seconds / 8.0 for seconds in (2.1, 5.9)]
    desk.mouse.move(at[0], box["y"] + 25)
    desk.mouse.down()
    desk.mouse.move(sum(at) / 2, box["y"] + 25)
    desk.mouse.move(at[1], box["y"] + 25)
    desk.mouse.up()
    assert desk.evaluate("() => studio.mixer.ruler.marked") == pytest.approx([2.0, 6.0], abs=0.01)


def test_a_sketchs_notes_stand_on_the_piano_roll_and_leave_as_midi(desk: Page) -> None:
    desk.locator("#mx-tab-notes").click()
    desk.get_by_role("button", name="Show the notes").click()
    desk.locator(".mx-roll").wait_for(timeout=60_000)
    expect(desk.locator("#mx-tool")).to_contain_text("exact, as the sketch wrote them")
    desk.wait_for_function(
        "() => { const c = document.querySelector('.mx-roll'), d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; return new Set(d).size > 20 }"
    )
    name, data = downloaded(desk, desk.get_by_role("button", name="Export MIDI").click)
    file = mido.MidiFile(file=io.BytesIO(data))
    assert name.endswith(".mid") and sum(m.type == "note_on" for track in file.tracks for m in track) > 20


def test_the_strips_leave_as_a_zip_and_the_desk_as_a_project(desk: Page) -> None:
    _, data = exported(desk, "strips", "flac")
    with zipfile.ZipFile(io.BytesIO(data)) as bundle:
        strips = [decoded(bundle.read(name)) for name in bundle.namelist()]
    total = sum(strip.stereo().samples for strip in strips)
    assert float(np.abs(total - decoded(exported(desk, "mix", "wav32f")[1]).samples).max()) < 2e-3
    name, data = exported(desk, "project", "dawproject")
    with zipfile.ZipFile(io.BytesIO(data)) as bundle:
        assert name.endswith(".dawproject") and "project.xml" in bundle.namelist()


def test_a_take_is_bent_to_another_tempo_and_its_mix_goes_along(desk: Page) -> None:
    desk.locator(".mx-strip .mx-mute").first.click()
    desk.evaluate("() => studio.mixer.settled()")
    desk.locator("#mx-tab-tempo").click()
    desk.locator("#mx-to-tempo").fill("132")
    desk.get_by_role("button", name="Make it").click()
    desk.wait_for_function("() => document.getElementById('mx-title').textContent.includes('132 bpm')", timeout=90_000)
    desk.wait_for_function(READY)
    assert desk.evaluate("() => studio.mixer.sheet.seconds") == pytest.approx(8 * 120 / 132, abs=0.001)
    expect(desk.locator(".mx-strip .mx-mute").first).to_have_attribute("aria-pressed", "true")
    expect(desk.locator("#mx-facts")).to_contain_text("132 bpm · planned, exact")


@pytest.mark.parametrize(
    ("samples", "says"),
    [
        (np.zeros((RATE, 2)), "silent"),
        (np.full((RATE // 10, 1), 0.1), ""),
        (np.full((RATE, 8), 0.05), "8 channels"),
        (np.where(np.arange(RATE * 2).reshape(RATE, 2) == 99, np.nan, 0.1), "no numbers"),
    ],
    ids=["silence", "a tenth of a second of mono", "eight channels", "NaN"],
)
def test_an_odd_sound_is_met_with_a_sentence(desk: Page, tmp_path: Path, samples: np.ndarray, says: str) -> None:
    soundfile.write(tmp_path / "odd.wav", samples.astype(np.float32), RATE, subtype="FLOAT")
    desk.locator("#mx-file").set_input_files(tmp_path / "odd.wav")
    if says:
        expect(desk.locator("#mx-say")).to_contain_text(says)
    if "numbers" in says:
        return
    expect(desk.locator("#mx-title")).to_have_text("odd")
    desk.locator("#mx-tab-master").click()
    with work(desk, "master"):
        desk.get_by_role("button", name="Master", exact=True).click()
    expect(desk.locator("#mx-say")).not_to_contain_text("Something broke")


def test_a_phone_has_the_whole_desk(desk: Page) -> None:
    desk.set_viewport_size({"width": 390, "height": 844})
    desk.wait_for_function(
        """() => document.documentElement.scrollWidth <= 390 && [".mx-mute", ".mx-groove input", ".mx-knob", ".mx-wave"].every((control) => {
          const box = document.querySelector(`.mx-strip ${control}`).getBoundingClientRect();
          return box.width > 0 && box.left >= 0 && box.right <= 390;
        })"""
    )
