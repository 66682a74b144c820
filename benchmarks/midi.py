"""How late does a note leave? Live MIDI while nothing else happens, and while the studio renders a sketch in the same machine.

    .venv/bin/python benchmarks/midi.py --seconds 30 --write

Lateness is measured at the queue's exit: the moment after a message was handed to the driver (or, without a port, would have been)
against the moment it was for, by one monotonic clock. Where `jackd` is installed, another program also listens through a virtual
port, on JACK's driver without a sound card with a period of 64 frames. Jitter is the distance from the median.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
PAGE = ROOT / "docs" / "midi.md"

from studio.live_midi import messages  # noqa: E402
from studio.live_midi.client import WorkerClient  # noqa: E402
from studio.live_midi.live import now  # noqa: E402
from studio.live_midi.player import Player, Press, Timeline, Transport  # noqa: E402
from studio.live_midi.score import timeline_rows  # noqa: E402

CHANNELS = {0: 0, 1: 1, 2: messages.DRUM_CHANNEL}
PERIOD_FRAMES = 64


@dataclass(frozen=True)
class Row:
    """What was measured where, and how late messages were, in milliseconds."""

    where: str
    meanwhile: str
    late_ms: np.ndarray
    odd: int = 0  # lost or doubled on the way


def song(seconds: float) -> Timeline:
    """Sixteenths of drums, eighths of a tune, chords a bar and clock, at 126 bpm: about a hundred messages a second."""
    quarter, presses = 60.0 / 126.0, []
    for step in range(int(seconds / quarter * 4)):
        at = step * quarter / 4
        presses += [Press(at, at + 0.05, 2, 36 + step % 7, 90)]
        if step % 2 == 0:
            presses.append(Press(at, at + quarter / 2 - 0.01, 0, 60 + step % 12, 80))
        if step % 16 == 0:
            presses += [Press(at, at + quarter * 4 - 0.01, 1, pitch, 70) for pitch in (48, 52, 55, 59)]
    pulses = np.arange(0.0, seconds, quarter / messages.PULSES_A_QUARTER)
    return Timeline(tuple(presses), tuple(pulses.tolist()), 0, seconds, (None, None, None))


@contextmanager
def rendering(busy: bool) -> Iterator[None]:
    """Sketches rendered one after another on a thread of this process, as the studio does."""
    if not busy:
        yield
        return
    from agents.planner import make_brief, plan_from_brief
    from studio.engines.base import Cancelled, Listener, Sampling
    from studio.engines.sketch.engine import SketchEngine

    over = threading.Event()

    class Until(Listener):
        def cancelled(self) -> bool:
            return over.is_set()

    def render() -> None:
        engine, seed = SketchEngine(), 0
        while not over.is_set():
            plan = plan_from_brief(make_brief(words="house, piano, bass, strings and drums", seconds=60.0), seed=seed)
            try:
                engine.generate(plan, Sampling(seed=seed), Until())
            except Cancelled:
                return
            seed += 1

    thread = threading.Thread(target=render)
    thread.start()
    time.sleep(3.0)  # it has loaded and composes
    try:
        yield
    finally:
        over.set()
        thread.join()


class Lates:
    """Reads every lateness of a run out of the process."""

    def __init__(self, *options: str) -> None:
        self.told: list[dict[str, Any]] = []
        self.client = WorkerClient(self.told.append, options=options)

    def last(self, kind: str) -> dict[str, Any]:
        return next(line for line in reversed(self.told) if line["kind"] == kind)

    def play(self, seconds: float, *, port: str = "") -> np.ndarray:
        """Play the song and return its latenesses in milliseconds."""
        if port:
            self.client.ask("open", port=port)
        self.client.ask("set", clock=True, programs=False)
        self.client.ask("score", timeline=timeline_rows(song(seconds)), channels=CHANNELS)
        self.client.ask("timing", afresh=True)
        self.begins = now() + 0.5
        self.client.tell("follow", playing=True, place=0.0, when=self.begins, rate=1.0, exact=True, began=0.0)
        time.sleep(seconds + 1.5)
        self.client.ask("timing", all=True, each=True)
        return np.array(self.last("timing")["each_ms"])


def in_a_thread(seconds: float) -> np.ndarray:
    """The same player on a thread beside the rendering one: what a process of its own is there for."""
    player, late = Player(), []
    player.set_clock(True, now=now())
    player.load(song(seconds), CHANNELS, now=now())
    player.follow(Transport(True, 0.0, now() + 0.5, exact=True, began=0.0), now=now())
    while (moment := player.next_due()) is not None:
        while (left := moment - now()) > 0.0006:
            time.sleep(min(0.001, left - 0.0006))
        while now() < moment:
            pass
        late += [now() - each.when for each in player.due(now())]
    return np.array(late) * 1_000


_EMPTY = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
from studio.live_midi.worker import _hurry, now
_hurry()
late, moment = [], now() + 0.2
for _ in range(int(float(sys.argv[2]) * 80)):
    moment += 1 / 80
    while (left := moment - now()) > 0.0006:
        time.sleep(min(0.001, left - 0.0006))
    while now() < moment:
        pass
    late.append((now() - moment) * 1000)
print(json.dumps(late))
"""


def an_empty_loop(seconds: float) -> np.ndarray:
    """How late a process of the same priority is woken that does nothing at all: what the machine itself allows."""
    ran = subprocess.run(
        [sys.executable, "-c", _EMPTY, str(ROOT), str(seconds)], capture_output=True, text=True, check=True
    )
    return np.array(json.loads(ran.stdout))


def through_jack(seconds: float) -> tuple[np.ndarray, int]:
    """What another program hears of the clock pulses, in milliseconds late, and how many were lost or doubled."""
    name = f"bench-{os.getpid()}"
    for time_wanted in ("-R", "-r"):  # in real time where the user may
        server = subprocess.Popen(
            ["jackd", "-n", name, time_wanted, "-d", "dummy", "-r", "48000", "-p", str(PERIOD_FRAMES)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(1.0)
        if server.poll() is None:
            break
    os.environ.update(MIDO_BACKEND="mido.backends.rtmidi/UNIX_JACK", JACK_DEFAULT_SERVER=name, JACK_NO_START_SERVER="1")
    listener = ROOT / "tests" / "studio" / "live_midi" / "listener.py"
    worker, heard = Lates(), []
    try:
        worker.client.ask("open", port="virtual")
        ears = subprocess.Popen(
            [sys.executable, str(listener), "MusicGen Studio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert ears.stdin is not None and ears.stdout is not None
        ears.stdout.readline()
        threading.Thread(
            target=lambda: heard.extend(json.loads(line) for line in ears.stdout or ()), daemon=True
        ).start()
        worker.play(seconds)
        ears.stdin.close()
        ears.wait(5)
    finally:
        worker.client.close()
        server.terminate()
        server.wait()
    pulses = np.array(song(seconds).pulses)
    moments = np.array([moment - worker.begins for moment, data in heard if data == [0xF8]])
    nearest = np.array([moment - pulses[np.abs(pulses - moment).argmin()] for moment in moments])
    return nearest * 1_000, abs(len(pulses) - len(moments))


def measure(seconds: float) -> list[Row]:
    rows = []
    for busy in (False, True):
        meanwhile = "a sketch is rendered" if busy else "nothing else"
        with rendering(busy):
            for label, options in (("queue’s exit, {}", ()), ("queue’s exit, usual priority", ("--usual",))):
                worker = Lates(*options)
                late = worker.play(seconds)
                rows.append(
                    Row(
                        label.format(worker.last("ready")["priority"].replace("usual", "usual priority")),
                        meanwhile,
                        late,
                    )
                )
                worker.client.close()
            rows.append(Row("an empty loop of the same priority", meanwhile, an_empty_loop(seconds)))
            rows.append(Row("a thread in the studio’s process", meanwhile, in_a_thread(seconds)))
            if shutil.which("jackd"):
                late, odd = through_jack(seconds)
                rows.append(Row("another program, through JACK", meanwhile, late, odd))
        for row in rows[-5:]:
            sys.stdout.write(f"{line_of(row)}\n")
    return rows


def line_of(row: Row) -> str:
    late = row.late_ms
    jitter = np.abs(late - np.median(late))
    return (
        f"| {row.where} | {row.meanwhile} | {len(late):,} | {np.median(late):.2f} ms | {np.median(jitter):.3f} ms "
        f"| {np.percentile(jitter, 99):.2f} ms | {jitter.max():.2f} ms | {row.odd or '–'} |"
    )


def page(rows: list[Row], seconds: float, load: tuple[float, float, float]) -> str:
    text = [
        "# How late a note leaves",
        "",
        f"{seconds:g} s of drums, a tune, chords and MIDI clock at 126 bpm a row. Made by `.venv/bin/python benchmarks/midi.py --write` on",
        f"{os.cpu_count()} cores (other programs’ load while it ran: {load[0]:.1f}).",
        "",
        "| measured at | meanwhile | messages | late, median | jitter, median | 99 in 100 | worst | lost or doubled |",
        "|---|---|---|---|---|---|---|---|",
        *(line_of(row) for row in rows),
        "",
        "Jitter is the distance from the row’s median. “Queue’s exit” is the moment after a message was handed over in the MIDI process,",
        "by the clock that it was planned on; this machine has no ALSA sequencer and no MIDI device. “Through JACK” is what another program",
        f"hears at a virtual port, JACK’s own period ({PERIOD_FRAMES} frames at 48 kHz, {PERIOD_FRAMES / 48:.1f} ms) included;",
        "what JACK drops or repeats when the machine is too busy for its periods is counted. “Real-time” is Linux’s SCHED_FIFO, which the process asks for and",
        "gets where the user may (on Debian: member of the group audio with jackd’s limits, or root); “usual priority” is without it. The",
        "empty loop does nothing but be woken 80 times a second: what it is late, the machine is (here a virtual one, whose host takes",
        "the processor away now and then), and no program on it can be better. The thread is what the process of its own is there for: beside rendering, Python’s lock keeps it waiting.",
        "",
    ]
    return "\n".join(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    arguments = parser.parse_args()
    load = os.getloadavg()
    rows = measure(arguments.seconds)
    if arguments.write:
        PAGE.write_text(page(rows, arguments.seconds, load), encoding="utf-8")


if __name__ == "__main__":
    main()
