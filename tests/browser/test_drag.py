"""Files dragged out of the page as a DAW receives them: the right name, the right address, the right bytes."""

from __future__ import annotations

import io
import re
import zipfile
from typing import Any
from urllib.parse import unquote

import mido
import numpy as np
import pytest
import soundfile
from playwright.sync_api import Browser, Page, expect

from audio.loop_points import read_loop_points
from tests.browser.conftest import open_page
from tests.browser.test_generate import ask, wait_for_new_take
from tests.running import RunningStudio

pytestmark = pytest.mark.browser

READY = "() => document.getElementById('mx')?.dataset.ready === 'true'"
# A drag as the browser begins it, with a real DataTransfer, whose contents the page decides.
DRAG = """(handle) => {
  const dataTransfer = new DataTransfer();
  const event = new DragEvent("dragstart", { dataTransfer, bubbles: true, cancelable: true });
  handle.dispatchEvent(event);
  return { url: dataTransfer.getData("DownloadURL"), list: dataTransfer.getData("text/uri-list"), prevented: event.defaultPrevented };
}"""
FETCH = """async (address) => {
  const answer = await fetch(address);
  const bytes = new Uint8Array(await answer.arrayBuffer());
  let text = "";
  for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768));
  return { status: answer.status, type: answer.headers.get("content-type"), named: answer.headers.get("content-disposition"), data: btoa(text) };
}"""


@pytest.fixture(scope="module")
def take(browser: Browser, studio: RunningStudio) -> str:
    """A sketch of eight seconds."""
    page = browser.new_page()
    open_page(page, studio.url)
    ask(page, "house, 120 bpm, A minor, piano and bass", seconds=8, seed=3)
    made = wait_for_new_take(page, "")
    page.close()
    return made


@pytest.fixture
def desk(page: Page, take: str) -> Page:
    page.locator(f"#st-recent .st-card[data-take='{take}'] [data-act=stems]").click()
    page.wait_for_function(READY)
    return page


def dropped(page: Page, handle: Any) -> tuple[str, str, bytes]:
    """What a program gets that the handle is dropped on: type, file name, bytes; fetched by the address dragged."""
    import base64

    dragged = handle.evaluate(DRAG)
    assert not dragged["prevented"]
    media_type, name, address = re.fullmatch(r"([^:]+):([^:]+):(http.+)", dragged["url"]).groups()  # type: ignore[union-attr]
    assert dragged["list"] == address
    fetched = page.evaluate(FETCH, address)
    assert fetched["status"] == 200
    assert fetched["type"].startswith(media_type)
    assert unquote(fetched["named"].split("filename*=UTF-8''")[1]) == name
    return media_type, name, base64.b64decode(fetched["data"])


def test_a_card_gives_its_sound_notes_and_project_under_telling_names(page: Page, take: str) -> None:
    card = page.locator(f"#st-recent .st-card[data-take='{take}']")
    found = {}
    for label in ("WAV", "MIDI", "Project"):
        _, name, data = dropped(page, card.locator("a.st-grip", has_text=label))
        assert re.search(r" – 120bpm – Am\.(wav|mid|dawproject)$", name), name
        found[label] = data
    sound, rate = soundfile.read(io.BytesIO(found["WAV"]))
    assert (rate, sound.shape[1], soundfile.info(io.BytesIO(found["WAV"])).subtype) == (44_100, 2, "PCM_24")
    assert len(sound) / rate == pytest.approx(8.0, abs=0.6)
    assert any(m.type == "note_on" for m in mido.MidiFile(file=io.BytesIO(found["MIDI"])))
    assert "project.xml" in zipfile.ZipFile(io.BytesIO(found["Project"])).namelist()


def test_a_strip_gives_its_sound_and_its_own_notes(desk: Page) -> None:
    strips = desk.locator(".mx-strip:not(.mx-sum)")
    assert strips.count() >= 2
    total = 0
    for number in range(strips.count()):
        label = strips.nth(number).locator("b").inner_text()
        _, name, data = dropped(desk, strips.nth(number).locator("a.st-grip", has_text="WAV"))
        assert name.endswith(f" – 120bpm – Am – {label}.wav")
        total += soundfile.read(io.BytesIO(data))[0]
        _, name, data = dropped(desk, strips.nth(number).locator("a.st-grip", has_text="MIDI"))
        assert name.endswith(f" – {label}.mid")
        tracks = [t.name for t in mido.MidiFile(file=io.BytesIO(data)).tracks if any(m.type == "note_on" for m in t)]
        assert tracks == [label]
    _, name, data = dropped(desk, desk.locator("#mx-carry a.st-grip", has_text="Mix"))
    mix = soundfile.read(io.BytesIO(data))[0]
    assert np.abs(mix - total).max() < 1e-3  # the strips are the mix


def test_a_marked_region_gives_a_loop_that_goes_round(desk: Page) -> None:
    desk.evaluate("() => { studio.mixer.ruler.mark([2, 6]); }")
    desk.get_by_role("tab", name="Loops").click()
    _, name, data = dropped(desk, desk.locator("#mx-tool .mx-bar a.st-grip"))
    assert name.endswith(" – 120bpm – Am – loop, 2 bars.wav")
    sound, rate = soundfile.read(io.BytesIO(data))
    assert len(sound) == 4 * rate
    assert [(start, end) for start, end in read_loop_points(data)] == [(0, len(sound))]


def test_a_drag_by_mouse_begins_at_the_handle_and_drops_the_file(page: Page, take: str) -> None:
    """A trusted drag by the mouse, dropped on a place that takes files, sees what a DAW would be handed."""
    page.evaluate("""() => {
      window.seen = {};
      addEventListener("dragstart", (event) => {
        Object.assign(seen, { trusted: event.isTrusted, url: event.dataTransfer.getData("DownloadURL"), copies: event.dataTransfer.effectAllowed });
      });
      addEventListener("dragover", (event) => event.preventDefault());
      addEventListener("drop", (event) => { event.preventDefault(); seen.dropped = event.dataTransfer.getData("text/uri-list"); });
    }""")
    handle = page.locator(f"#st-recent .st-card[data-take='{take}'] a.st-grip").first
    handle.evaluate("handle => handle.scrollIntoView({ block: 'center' })")
    box = handle.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 8, box["y"] + 8)
    page.mouse.down()
    page.mouse.move(box["x"] + 90, box["y"] + 90, steps=6)
    page.mouse.up()
    page.wait_for_function("() => seen.dropped")
    seen = page.evaluate("() => seen")
    assert seen["trusted"] and seen["copies"] == "copy"
    assert seen["dropped"].endswith(f"/studio/takes/{take}/export?format=wav24")
    assert seen["url"].startswith("audio/wav:") and seen["url"].endswith(seen["dropped"])


def test_a_press_or_enter_saves_the_file_instead(page: Page, take: str) -> None:
    handle = page.locator(f"#st-recent .st-card[data-take='{take}'] a.st-grip", has_text="MIDI")
    handle.focus()
    with page.expect_download() as saving:
        page.keyboard.press("Enter")
    assert saving.value.suggested_filename.endswith(" – 120bpm – Am.mid")
    with page.expect_download() as saving:
        handle.click()
    assert mido.MidiFile(saving.value.path()).length > 4


def test_a_strip_without_known_notes_offers_no_midi(desk: Page, take: str) -> None:
    desk.evaluate(
        "() => { studio.mixer.sheet.has_midi = false; studio.mixer.sheet.found = {}; studio.mixer.showHandles(); }"
    )
    expect(desk.locator(".mx-strip a.st-grip:visible", has_text="MIDI")).to_have_count(0)
    expect(desk.locator("#mx-carry a.st-grip", has_text="MIDI")).to_have_count(0)
