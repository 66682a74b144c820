"""Ableton Link against the other binding of Link: how soon, how exactly, and whether it can be joined a hundred times.

    .venv/bin/python benchmarks/link.py [--seconds 60] [--times 100] [--starts 20] [--write]

Both run in a network namespace with a loopback alone where this machine allows one. The phase error is the distance of the
two programs' bar lines, both read against the machine's monotonic clock; a reading that another process broke in on (over
0.2 ms wide on the other side) is not counted. In headless Chromium, a take is started so many times on the bar: where its
start was handed to the sound card against the other program's bar line; then where the sound lies while it plays. --write puts the tables into docs/link.md.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from studio.link import LinkSession  # noqa: E402
from tests.link_room import Peer, Room, link_room, until  # noqa: E402

TEMPOS = (60.0, 97.0, 174.0)
SETTLE_SECONDS = 2.0
WIDEST_SECONDS = 0.0002


def phase_errors_ms(session: LinkSession, room: Room, tempo: float, seconds: float) -> list[float]:
    """The two programs' distance on the bar, some twenty readings a second."""
    session.join(tempo_bpm=tempo)
    errors = []
    with room.peer(tempo) as peer:
        meet(session, peer)
        time.sleep(SETTLE_SECONDS)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.05)
            told, clock = peer.told, session.clock
            if clock is None or told["width"] > WIDEST_SECONDS:
                continue
            apart = (clock.beat_at(told["seconds"]) - told["beat"]) % 4.0
            errors.append(1_000 * min(apart, 4.0 - apart) * 60.0 / tempo)
    session.leave()
    return errors


def meet(session: LinkSession, peer: Peer) -> None:
    until(lambda: session.state().peers == 1 and peer.told["peers"] == 1, "the two did not meet")


def took_ms(ask: Callable[[], object], seen: Callable[[], object]) -> float:
    time.sleep(0.12)  # Link itself tells of changes every 50 ms at most
    began = time.monotonic()
    ask()
    while not seen():
        if time.monotonic() - began > 10:
            raise RuntimeError("it did not arrive")
        time.sleep(0.0005)
    return 1_000 * (time.monotonic() - began)


def delays(session: LinkSession, room: Room, times: int = 20) -> dict[str, list[float]]:
    """From asking on one side until the other side knows, in ms; the other tells every 10 ms, ours at once."""
    found: dict[str, list[float]] = {
        "tempo, ours": [],
        "tempo, the other's": [],
        "start, ours": [],
        "start, the other's": [],
    }
    session.join()
    with room.peer() as peer:
        meet(session, peer)
        for number in range(times):
            mine, its = 100.0 + number, 140.0 + number
            found["tempo, ours"].append(
                took_ms(lambda t=mine: session.set_tempo(t), lambda t=mine: abs(peer.told["tempo_bpm"] - t) < 0.01)
            )
            found["tempo, the other's"].append(
                took_ms(lambda t=its: peer.do(tempo_bpm=t), lambda t=its: abs(session.clock.tempo_bpm - t) < 0.01)
            )
            found["start, ours"].append(took_ms(session.play, lambda: peer.told["playing"]))
            until(lambda: session.clock.playing, "our own start was not told")
            took_ms(session.stop, lambda: not peer.told["playing"])
            until(lambda: not session.clock.playing, "our own stop was not told")
            found["start, the other's"].append(took_ms(lambda: peer.do(playing=True), lambda: session.clock.playing))
            took_ms(lambda: peer.do(playing=False), lambda: not session.clock.playing)
    session.leave()
    return found


def comings_and_goings(session: LinkSession, room: Room, times: int) -> tuple[list[float], list[float], str]:
    """Seconds until both know of each other, until the other knows we left, and what was left behind."""
    joins, leaves = [], []
    with room.peer() as peer:
        before = (threading.active_count(), len(os.listdir("/proc/self/fd")))  # noqa: PTH208
        for _ in range(times):
            joins.append(took_ms(session.join, lambda: session.state().peers == 1 and peer.told["peers"] == 1) / 1_000)
            leaves.append(took_ms(session.leave, lambda: peer.told["peers"] == 0) / 1_000)
        until(lambda: threading.active_count() <= before[0], "threads were left")
        after = (threading.active_count(), len(os.listdir("/proc/self/fd")))  # noqa: PTH208
    return joins, leaves, f"{after[0] - before[0]} threads, {after[1] - before[1]} files"


def starts_on_the_page(room: Room, folder: Path, starts: int, seconds: float) -> list[str]:
    """Rows on where the page's starts lie and how the sound keeps to the beats, in ms."""
    from playwright.sync_api import sync_playwright

    from tests.browser.conftest import QUIET, _chromium, open_page
    from tests.browser.test_link import join, make_take, off_the_bar_seconds, playing
    from tests.running import running_studio

    with (
        running_studio(room.install_in(folder / "data")) as studio,
        sync_playwright() as playwright,
        room.peer(120.0) as peer,
    ):
        browser = playwright.chromium.launch(executable_path=_chromium(), args=QUIET)
        page = browser.new_page()
        open_page(page, studio.url)
        page.get_by_text("Live and DAW").click()
        take = make_take(page, "techno, drums from the start, 120 bpm", "120")
        join(page, peer)
        page.locator("#st-link-sync").uncheck()
        page.evaluate("(take) => studio.deck.loadTake(take, { play: false })", take)
        page.wait_for_function("() => studio.deck.now?.take")
        found, errors = [], []
        for _ in range(starts):
            page.locator("#st-deck-play").click()
            found.append(1_000 * off_the_bar_seconds(peer, playing(page)["seconds"]))
            page.wait_for_function("() => !studio.deck.audio.paused")
            page.wait_for_timeout(500)  # less, and the page takes a press for its own doing
            page.locator("#st-deck-play").click()
            page.wait_for_function("() => studio.link.player.state === 'idle'")
        page.locator("#st-deck-play").click()
        playing(page)
        page.wait_for_timeout(3_000)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            page.wait_for_timeout(100)
            errors.append(1_000 * abs(page.evaluate("() => studio.link.player.error")))
        delay = 500 * page.evaluate("() => studio.link.clock.best.delay")
        browser.close()
    return [
        "| on the page, headless Chromium | median | 95 % | worst |\n|---|---|---|---|",
        f"| {len(found)} starts, off the other program's bar line | {spread(found)} |",
        f"| the sound off the session's beats, {seconds:.0f} s | {spread(errors)} |",
        f"\nThe page knew the studio's clock to {delay:.1f} ms at worst (half the quickest round trip).",
    ]


def spread(found: list[float]) -> str:
    found = sorted(found)
    return f"{statistics.median(found):.2f} ms | {found[int(0.95 * (len(found) - 1))]:.2f} ms | {found[-1]:.2f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--starts", type=int, default=20)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, link_room(Path(folder)) as room:
        session = LinkSession(Path(folder) / "link", python=lambda: room.python)
        lines = [
            f"Both programs in {room.where}: the studio's worker on `aalink`, the other on `LinkPython-extern`.\n",
            f"| tempo | readings over {options.seconds:.0f} s | median | 99 % | worst phase error |\n|---|---|---|---|---|",
        ]
        for tempo in TEMPOS:
            errors = sorted(phase_errors_ms(session, room, tempo, options.seconds))
            lines.append(
                f"| {tempo:g} bpm | {len(errors)} | {statistics.median(errors):.3f} ms | "
                f"{errors[int(0.99 * (len(errors) - 1))]:.3f} ms | {errors[-1]:.3f} ms |"
            )
            print(lines[-1], flush=True)
        lines.append("\n| from asking until the other side knows | median | worst of 20 |\n|---|---|---|")
        for name, found in delays(session, room).items():
            lines.append(f"| {name} | {statistics.median(found):.0f} ms | {max(found):.0f} ms |")
            print(lines[-1], flush=True)
        joins, leaves, left = comings_and_goings(session, room, options.times)
        lines.append(
            f"\nJoined and left {options.times} times: {len(joins)} meetings, median {statistics.median(joins):.2f} s, worst "
            f"{max(joins):.2f} s until both know of each other; {statistics.median(leaves):.2f} s, worst {max(leaves):.2f} s "
            f"until the other knows of the leaving. Left behind: {left}."
        )
        print(lines[-1])
        rows = starts_on_the_page(room, Path(folder), options.starts, options.seconds)
        print("\n".join(rows))
        lines += ["", *rows]
        lines.append(
            f"\nThe machine: {os.cpu_count()} cores, load average {os.getloadavg()[1]:.0f} meanwhile; headless Chromium plays into a "
            "sink that waits for the processor like any other program, a sound card does not."
        )
    if options.write:
        (ROOT / "docs" / "link.md").write_text(
            "# Ableton Link, measured\n\nMade by `.venv/bin/python benchmarks/link.py --write`. What it is and how to use it: "
            "[daw.md](daw.md).\n\n" + "\n".join(lines) + "\n",
            encoding="utf-8",
        )


if __name__ == "__main__":
    main()
