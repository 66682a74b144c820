"""Takes the picture of Ableton Link that docs/daw.md shows: a session of three programs, a take on its bar.

.venv/bin/python docs/link_picture.py
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent))


def main() -> None:
    from playwright.sync_api import sync_playwright

    from docs.screenshots import make_take
    from tests.browser.conftest import QUIET, _chromium, open_page
    from tests.link_room import link_room
    from tests.running import running_studio

    with (
        tempfile.TemporaryDirectory() as folder,
        link_room(Path(folder)) as room,
        room.peer(122.0) as peer,
        room.peer(122.0),
    ):
        data = room.install_in(Path(folder) / "data")
        with running_studio(data) as studio, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=_chromium(), args=QUIET)
            page = browser.new_page(viewport={"width": 680, "height": 720}, color_scheme="dark")
            open_page(page, studio.url)
            make_take(page, "deep house at night, warm bass, drums from the start, 122 bpm", "60")
            page.get_by_text("Live and DAW").click()
            page.locator("#st-link-join").click()
            page.locator("#st-link-peers", has_text="2 other").wait_for()
            page.evaluate("() => { studio.deck.pause(); studio.deck.audio.currentTime = 0; }")
            page.locator("#st-deck-play").click()
            page.wait_for_function("() => studio.link.player.state === 'playing'", timeout=20_000)
            page.evaluate(
                "() => scrollTo(0, document.getElementById('st-link').getBoundingClientRect().top + scrollY - 130)"
            )
            # On the second beat of a bar, well into the take.
            until = peer.told["seconds"] + 6.0
            time.sleep(max(0.0, until - time.monotonic()))
            page.wait_for_function(
                "() => { const beat = studio.link.line.phase(studio.link.clock.now); return beat > 1.05 && beat < 1.3; }"
            )
            page.screenshot(path=DOCS / "link.png")
            browser.close()


if __name__ == "__main__":
    main()
