"""How soon the page is there, and how soon one hears something.

    .venv/bin/python benchmarks/first_sound.py [--runs 5] [--write]

Measures, interleaved run by run: from the process's start to the served page, against an empty Gradio page started the
same way (the floor that Gradio sets); and, in headless Chromium, from pressing Generate to sound coming out of the
player. The first run warms the disk and is not counted. --write puts the table into docs/first_sound.md.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.request import urlopen

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

EMPTY_PAGE = """
import os; os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
import gradio as gr
with gr.Blocks() as page: gr.Textbox()
_, url, _ = page.launch(prevent_thread_lock=True, quiet=True, server_port=%d, ssr_mode=False)
print("up", flush=True)
import time; time.sleep(60)
"""
HEARD = """async () => {
  const pressed = performance.now();
  document.getElementById("st-generate").click();
  const audio = document.getElementById("st-audio");
  while (!(audio.currentTime > 0 && studio.deck.level() > 0.001)) {
    await new Promise((next) => setTimeout(next, 5));
    if (performance.now() - pressed > 30000) return NaN;
  }
  return (performance.now() - pressed) / 1000;
}"""


def seconds_to_empty_page() -> float:
    """From process start until an empty Gradio page answers."""
    from studio.settings import Settings
    from studio.ui.serve import _free_port

    started = time.perf_counter()
    script = EMPTY_PAGE % _free_port(Settings(port=0))
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        if (process.stdout.readline() if process.stdout else "").strip() != "up":
            raise RuntimeError("the empty page did not start")
        return time.perf_counter() - started
    finally:
        process.kill()
        process.wait()


def one_studio(playwright: object, words: str) -> tuple[float, float, float]:
    """Seconds to the page, then to the first sound of a process's first take, and of its second."""
    from tests.browser.conftest import QUIET, _chromium, open_page
    from tests.running import running_studio

    with tempfile.TemporaryDirectory() as folder, running_studio(Path(folder)) as studio:
        with urlopen(studio.url, timeout=10) as answer:
            answer.read()
        browser = playwright.chromium.launch(executable_path=_chromium(), args=QUIET)  # type: ignore[attr-defined]
        page = browser.new_page()
        open_page(page, studio.url)
        page.get_by_label("Describe the music").fill(words)
        page.get_by_label("Describe the music").blur()
        page.wait_for_timeout(500)
        sounds = []
        for _ in range(2):
            page.locator("#st-help").click()  # a gesture, as a user's press would be
            page.keyboard.press("Escape")
            sounds.append(page.evaluate(HEARD))
            page.wait_for_function("() => studio.jobs.active.length === 0", timeout=60_000)
            page.evaluate("() => { studio.deck.pause(); studio.deck.audio.currentTime = 0; }")
        browser.close()
        return studio.seconds_to_page, sounds[0], sounds[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--words", default="slow lo-fi hip hop, rainy, 80 bpm")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    rows: list[tuple[float, float, float, float]] = []
    with sync_playwright() as playwright:
        for run in range(options.runs + 1):
            row = (seconds_to_empty_page(), *one_studio(playwright, options.words))
            print(f"run {run}: " + ", ".join(f"{value:.2f} s" for value in row), flush=True)
            if run:
                rows.append(row)
    empty, page, first, second = (statistics.median(column) for column in zip(*rows, strict=True))
    ratio = statistics.median(row[1] / row[0] for row in rows)
    table = (
        "| what | median | against |\n|---|---|---|\n"
        f"| start of the process to the served page | {page:.1f} s | {ratio:.2f} × an empty Gradio page ({empty:.1f} s) |\n"
        f"| Generate pressed to first sound, the process's first take | {first:.2f} s | |\n"
        f"| the same, any later take | {second:.2f} s | |\n"
    )
    print(table)
    if options.write:
        (ROOT / "docs" / "first_sound.md").write_text(
            "# First sound\n\nMade by `.venv/bin/python benchmarks/first_sound.py --write`, "
            f"{options.runs} runs, 30 s takes by the sketch engine.\n\n{table}"
        )


if __name__ == "__main__":
    main()
