"""Takes the pictures of the page that the README shows, from a studio with a few fresh takes in it.

.venv/bin/python docs/screenshots.py [midi shape library refine desk training page]
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent))
BRIEFS = (
    ("bossa nova with nylon guitar and flute, relaxed", "20"),
    ("drum and bass, 174 bpm, dark, intro then a big drop", "24"),
    ("slow lo-fi hip hop, rainy, Rhodes and brushed drums, 80 bpm", "45"),
)


def make_take(page: Any, words: str, length: str) -> None:
    """Ask for a take and wait until it is kept."""
    before = page.evaluate("() => document.querySelector('#st-recent .st-card')?.dataset.take ?? ''")
    page.get_by_label("Describe the music").fill(words)
    page.get_by_label("Length").fill(length)
    page.locator("#st-plan-first").click()
    page.locator("#st-plan-strip .st-section").first.wait_for()
    page.locator("#st-generate").click()
    page.wait_for_function(
        "(before) => (document.querySelector('#st-recent .st-card')?.dataset.take ?? '') !== before",
        arg=before,
        timeout=120_000,
    )


def picture_of_shaping(playwright: Any) -> None:
    """A MusicGen take with a marked part and its versions, by a tiny model with random weights in the hub's format."""
    from tests.browser.conftest import QUIET, _chromium, open_page
    from tests.running import running_studio
    from tests.tiny_models import build_mono

    with tempfile.TemporaryDirectory() as folder:
        build_mono(Path(folder) / "tiny-musicgen")
        with running_studio(Path(folder) / "data", "--engine", str(Path(folder) / "tiny-musicgen")) as studio:
            browser = playwright.chromium.launch(executable_path=_chromium(), args=QUIET)
            page = browser.new_page(viewport={"width": 1280, "height": 1080}, color_scheme="dark")
            open_page(page, studio.url)
            make_take(page, "techno, 120 bpm, hypnotic", "16")
            page.get_by_role("button", name="Steer it").click()
            for action in ("repaint", "vary"):
                first = page.evaluate("() => [...document.querySelectorAll('#st-recent .st-card')].at(-1).dataset.take")
                page.evaluate("(take) => studio.deck.loadTake(take, { play: false })", first)
                page.wait_for_function("(take) => studio.deck.now?.take === take", arg=first)
                page.evaluate("() => { studio.shape.region = [4, 8]; studio.shape.say(); studio.deck.draw(); }")
                before = page.locator("#st-recent .st-card").count()
                page.locator(f"#st-{action}").click()
                page.wait_for_function(
                    "(n) => document.querySelectorAll('#st-recent .st-card').length > n", arg=before, timeout=180_000
                )
                page.wait_for_function("() => studio.jobs.active.length === 0", timeout=60_000)
            page.evaluate("(take) => studio.deck.loadTake(take, { play: false })", first)
            page.wait_for_timeout(1_000)
            page.evaluate("() => { studio.shape.region = [4, 8]; studio.shape.say(); studio.deck.draw(); }")
            page.screenshot(path=DOCS / "shape.png")
            browser.close()


def picture_of_refining(playwright: Any) -> None:
    """A take of an engine that errs on purpose, sent back until it is right, and the verdict on it opened."""
    from tests.browser.conftest import QUIET, _chromium, open_page
    from tests.erring_studio import erring_studio

    with tempfile.TemporaryDirectory() as folder, erring_studio(Path(folder) / "data", seed=5) as (url, _):
        browser = playwright.chromium.launch(executable_path=_chromium(), args=QUIET)
        page = browser.new_page(viewport={"width": 1280, "height": 1180}, color_scheme="dark")
        open_page(page, url)
        page.get_by_label("Describe the music").fill(
            "deep house at night, 122 bpm, intro, verse, chorus, verse, chorus"
        )
        page.get_by_label("Length").fill("45")
        page.get_by_label("Seed").fill("2")
        page.locator("#st-refine").get_by_text("Refine until it is right").click()
        page.locator("#st-refine-go").click()
        page.locator(".st-refinement .st-overrule").first.wait_for(timeout=300_000)
        page.evaluate("() => scrollTo(0, 0)")
        page.wait_for_timeout(800)
        page.screenshot(path=DOCS / "refine.png")
        page.set_viewport_size({"width": 1280, "height": 1400})
        first = page.locator(".st-refinement .st-pass").last
        first.locator("[data-score]").click()
        first.locator(".st-verdict .st-part").first.wait_for()
        first.evaluate("card => scrollTo(0, card.getBoundingClientRect().top + scrollY - 16)")
        page.wait_for_timeout(500)
        page.screenshot(path=DOCS / "verdict.png")
        browser.close()


def pictures_of_the_library(playwright: Any) -> None:
    """A library of sketches of many genres: found by words and ear, and its map."""
    from benchmarks.corpus import sketches
    from tests.browser.conftest import QUIET, _chromium, open_page
    from tests.running import running_studio

    with tempfile.TemporaryDirectory() as folder, running_studio(Path(folder) / "data") as studio:
        music = Path(folder) / "Music"
        for number, sketch in enumerate(sketches(per_genre=2)):
            (music / sketch.genre).mkdir(parents=True, exist_ok=True)
            name = f"{sketch.plan.title.value}.flac"
            shutil.copy(sketch.folder / "mix.flac", music / sketch.genre / name)
            tag(
                music / sketch.genre / name,
                title=sketch.plan.title.value,
                genre=sketch.genre.replace("_", " "),
                year=1985 + number % 37,
            )
        browser = playwright.chromium.launch(executable_path=_chromium(), args=QUIET)
        page = browser.new_page(viewport={"width": 1280, "height": 1080}, color_scheme="dark")
        open_page(page, studio.url)
        page.get_by_role("tab", name="Library").click()
        page.locator("[data-view=bring]").click()
        page.locator("#st-lib-path").fill(str(music))
        page.locator("#st-lib-import").click()
        page.wait_for_function("() => studio.library.now?.job?.state === 'done'", timeout=1_200_000)
        page.locator("[data-view=list]").click()
        page.locator("#st-lib-words").fill("slow hip hop, 80 bpm, in A minor")
        page.locator(".st-why").first.wait_for(timeout=120_000)
        for place in (0, 2):
            page.locator(".st-use").nth(place).click()
        page.locator(".st-track .st-play").first.click()
        page.wait_for_function("() => studio.deck.audio.currentTime > 4", timeout=60_000)
        page.evaluate("() => scrollTo(0, 0)")
        page.screenshot(path=DOCS / "library.png")
        page.locator("#st-lib-tray").get_by_text("Empty").click()
        page.locator("#st-lib-words").fill("")
        page.locator("[data-view=map]").click()
        page.locator("#st-lib-map .points path.point").first.wait_for(timeout=600_000)
        page.evaluate("() => scrollTo(0, 0)")
        page.wait_for_timeout(2_000)
        page.screenshot(path=DOCS / "library-map.png")
        page.locator("[data-view=charts]").click()
        page.wait_for_timeout(3_000)
        page.screenshot(path=DOCS / "library-charts.png")
        browser.close()


def pictures_of_the_desk(playwright: Any) -> None:
    """A sketch on the desk: its strips with a mix and an effect, its notes, and a master with its meters."""
    from tests.browser.conftest import QUIET, _chromium, open_page
    from tests.running import running_studio

    mix = """async () => {
      const { mixer } = studio, set = [[-3, 0, 0], [-6, 0.35, 0.3], [-1.5, 0, 0], [-4, -0.45, 0.45], [-7, 0.5, 0.6], [-5, -0.3, 0.4], [-8, 0.6, 0.5]];
      mixer.mix.strips.forEach((strip, n) => { const [gain_db, pan, send] = set[n % set.length]; Object.assign(strip, { gain_db, pan, send }); });
      mixer.mix.room = { kind: "hall", gain_db: -4 };
      await mixer.save();
      await mixer.reopen();
    }"""
    with tempfile.TemporaryDirectory() as folder, running_studio(Path(folder)) as studio:
        browser = playwright.chromium.launch(executable_path=_chromium(), args=QUIET)
        page = browser.new_page(viewport={"width": 1280, "height": 1080}, color_scheme="dark")
        open_page(page, studio.url)
        make_take(page, "house, 124 bpm, bright piano and strings", "32")
        page.evaluate("() => studio.deck.pause()")
        page.locator("#st-recent .st-card [data-act=stems]").first.click()
        page.wait_for_function("() => document.getElementById('mx')?.dataset.ready === 'true'", timeout=60_000)
        page.evaluate(mix)
        page.wait_for_function("() => document.getElementById('mx')?.dataset.ready === 'true'", timeout=60_000)
        page.locator("#mx-tab-effects").click()
        for effect in ("compressor", "delay", "saturation"):
            page.get_by_label("Add an effect").select_option(effect)
            page.get_by_role("group", name=effect.capitalize()).first.wait_for()
        page.wait_for_timeout(1_500)
        page.evaluate(
            "() => { studio.mixer.ruler.mark(studio.mixer.ruler.bars.slice(8, 13).filter((_, n) => n % 4 === 0)); studio.mixer.sound.seek(studio.mixer.ruler.bars[9]); }"
        )
        page.locator("#mx-play").click()
        page.wait_for_timeout(1_200)
        page.screenshot(path=DOCS / "stems.png")
        page.evaluate("() => { studio.mixer.sound.pause(); studio.mixer.ruler.clear(); }")
        page.locator("#mx-tab-master").click()
        page.get_by_role("button", name="Master", exact=True).click()
        page.locator(".mx-report").wait_for(timeout=120_000)
        page.locator("#mx-play").click()
        page.wait_for_timeout(1_500)
        page.evaluate("() => document.querySelector('.mx-bench').scrollIntoView({ block: 'start' })")
        page.wait_for_timeout(400)
        page.screenshot(path=DOCS / "master.png")
        browser.close()


def tag(path: Path, *, title: str, genre: str, year: int) -> None:
    """Write what a bought file would say of itself."""
    import mutagen

    file = mutagen.File(path)
    file["title"], file["genre"], file["date"] = title, genre, str(year)
    file.save()


def pictures_of_the_page(playwright: Any) -> None:
    """Generate, Enhance, History and its comparison, the light page, and the page on a phone."""
    from tests.browser.conftest import QUIET, _chromium, open_page
    from tests.running import running_studio

    with tempfile.TemporaryDirectory() as folder, running_studio(Path(folder)) as studio:
        browser = playwright.chromium.launch(executable_path=_chromium(), args=QUIET)
        page = browser.new_page(viewport={"width": 1280, "height": 860}, color_scheme="dark")
        page.set_default_timeout(180_000)  # on a busy machine, too
        open_page(page, studio.url)
        for words, length in BRIEFS:
            make_take(page, words, length)
        page.wait_for_function("() => studio.deck.audio.currentTime > 6", timeout=60_000)
        page.screenshot(path=DOCS / "generate.png")
        page.locator("#st-enhance-words").click()
        page.locator("#st-enhance .st-way").first.wait_for()
        page.locator("#st-enhance").evaluate("(ways) => ways.scrollIntoView({ block: 'center' })")
        page.wait_for_timeout(500)
        page.screenshot(path=DOCS / "enhance.png")
        page.get_by_text("Keep my words").click()
        page.get_by_role("tab", name="History").click()
        page.get_by_text("All settings").first.click()
        page.wait_for_timeout(500)
        page.screenshot(path=DOCS / "history.png")
        for place in range(3):
            page.locator("#st-history [data-act=compare]").nth(place).click()
        page.get_by_role("tab", name="Compare", exact=True).click()
        page.locator("#st-ab-sides [data-side]").nth(2).wait_for()
        page.locator("#st-ab-play").click()
        page.wait_for_function("() => studio.compare.now > 5", timeout=60_000)
        page.locator("#st-ab-sides [data-side='1']").click()
        page.screenshot(path=DOCS / "compare.png")
        page.locator("#st-ab-play").click()
        page.locator("#st-theme").click()
        page.get_by_role("tab", name="Generate").click()
        page.get_by_text("Edit the plan").click()
        page.wait_for_timeout(800)
        page.screenshot(path=DOCS / "light.png")
        page.locator("#st-theme").click()
        page.set_viewport_size({"width": 390, "height": 844})
        page.get_by_text("Edit the plan").click()
        page.evaluate("() => scrollTo(0, 0)")
        page.wait_for_timeout(800)
        page.screenshot(path=DOCS / "phone.png")
        browser.close()


def picture_of_live_midi(playwright: Any) -> None:
    """A take's parts going out through a virtual port under JACK, its files ready to be dragged."""
    import os

    from tests.browser.conftest import QUIET, _chromium, open_page
    from tests.running import running_studio
    from tests.studio.live_midi.conftest import jack_server

    with tempfile.TemporaryDirectory() as folder, jack_server(frames=256) as jack:
        os.environ.update(jack)
        with running_studio(Path(folder) / "data") as studio:
            browser = playwright.chromium.launch(executable_path=_chromium(), args=QUIET)
            page = browser.new_page(viewport={"width": 1280, "height": 1180}, color_scheme="dark")
            open_page(page, studio.url)
            for words, length in BRIEFS:
                make_take(page, words, length)
            page.get_by_text("Live and DAW").click()
            page.get_by_label("MIDI output").select_option("virtual")
            page.get_by_label("MIDI input").select_option("virtual")
            page.evaluate("() => studio.deck.loadTake(document.querySelector('#st-recent .st-card').dataset.take)")
            page.locator("#md .md-part").first.wait_for()
            page.get_by_label("MIDI clock").check()
            page.wait_for_function("() => studio.midi.status.timing?.sent > 300", timeout=60_000)
            page.evaluate("() => document.activeElement.blur()")
            page.evaluate(
                "() => scrollTo(0, document.getElementById('md').getBoundingClientRect().bottom + scrollY - innerHeight + 190)"
            )
            page.wait_for_timeout(1_000)
            page.screenshot(path=DOCS / "midi.png")
            browser.close()


def picture_of_training(playwright: Any) -> None:
    """Two runs of a tiny model with random weights on plucked tunes, their curves in one plot, a segment being heard."""
    from studio.engines.musicgen.adapters import Shelf
    from studio.training.runs import Runs
    from tests.browser.conftest import QUIET, _chromium, open_page
    from tests.running import running_studio
    from tests.tiny_models import build_mono
    from tests.training.data_sets import small_data_set, small_run

    with tempfile.TemporaryDirectory() as folder:
        room = Path(folder) / "data/training"
        model = build_mono(Path(folder) / "tiny-musicgen")
        pluckers = small_data_set(
            room / "sets", tracks=8, seconds=12.0, name="pluckers", trigger="zylo", segment_seconds=6.0
        )
        runs = Runs(room / "runs", shelf=Shelf(Path(folder) / "data/adapters"))
        heard = {"prompts": ("zylo, slow and warm", "zylo, a big chorus"), "every": 20, "seconds": 2.0}
        for name, rate in (("warm strings", 2e-3), ("warm strings faster", 8e-3)):
            runs.start(
                small_run(
                    model, pluckers.folder, name=name, steps=80, learning_rate=rate, held_out_every=8, checkpoint_every=20,
                    samples=heard,
                )
            )  # fmt: skip
            while runs.view(name).is_active:
                time.sleep(0.5)
        runs.close()
        with running_studio(Path(folder) / "data", "--engine", str(model)) as studio:
            browser = playwright.chromium.launch(executable_path=_chromium(), args=QUIET)
            page = browser.new_page(viewport={"width": 1280, "height": 2000}, color_scheme="dark")
            open_page(page, studio.url)
            page.get_by_role("tab", name="Training").click()
            page.locator("#tr-compared input").click()
            page.get_by_role("option", name="warm strings", exact=True).click()
            page.keyboard.press("Escape")
            page.locator("#tr-table [role=gridcell]").filter(has_text="tune number", visible=True).nth(2).click()
            page.locator("#tr-heard audio").wait_for()
            page.wait_for_timeout(2_500)
            page.screenshot(path=DOCS / "training.png")
            browser.close()


PICTURES = {
    "midi": picture_of_live_midi,
    "shape": picture_of_shaping, "library": pictures_of_the_library, "refine": picture_of_refining,
    "desk": pictures_of_the_desk, "training": picture_of_training, "page": pictures_of_the_page,
}  # fmt: skip


def main() -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        for name in sys.argv[1:] or PICTURES:
            PICTURES[name](playwright)


if __name__ == "__main__":
    main()
