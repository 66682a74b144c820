"""Ableton Link in a process of its own: commands as lines of JSON on standard input, where the session stands on output.

Run as a script by a Python that has `aalink`, which is GPL and for that reason never loaded into the studio itself. Ends
when its input ends, so it cannot outlive the studio. Imports nothing of the studio's; needs nothing but `aalink`.

In: {"do": "tempo", "bpm": 97}, {"do": "play"}, {"do": "stop"}, {"do": "bar", "beats": 4}, {"do": "sync", "on": true}.
Out: {"seconds", "beat", "tempo_bpm", "playing", "peers"}, where `seconds` are `time.perf_counter()`'s, which all processes
of a machine share.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import threading
from time import perf_counter
from typing import Any

from aalink import Link

TELL_SECONDS = 0.05
# Sampling beat and clock is two calls; one that another process broke in on is taken again.
_GOOD_SECONDS, _TRIES = 20e-6, 5


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tempo", type=float, default=120.0)
    parser.add_argument("--beats", type=float, default=4.0)
    parser.add_argument("--sync", type=int, default=1)
    given = parser.parse_args()
    link, changed = Link(given.tempo), asyncio.Event()
    link.quantum = given.beats
    link.start_stop_sync_enabled = bool(given.sync)
    for listen in (link.set_num_peers_callback, link.set_tempo_callback, link.set_start_stop_callback):
        listen(lambda _value: changed.set())
    asked = _commands(asyncio.get_running_loop())
    link.enabled = True
    hearing = asyncio.create_task(asked.get())
    try:
        while True:
            print(json.dumps(standing(link)), flush=True)  # noqa: T201 - the line is the message
            changed.clear()
            telling = asyncio.create_task(changed.wait())
            await asyncio.wait({hearing, telling}, timeout=TELL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            telling.cancel()
            if hearing.done():
                if (command := hearing.result()) is None:
                    return
                obey(link, command)
                hearing = asyncio.create_task(asked.get())
    finally:
        link.enabled = False


def standing(link: Link) -> dict[str, Any]:
    """Where the session stands, the beat and the moment it was read at within some microseconds of each other."""
    best, seconds, beat = float("inf"), 0.0, 0.0
    for _ in range(_TRIES):
        before, read, after = perf_counter(), link.beat, perf_counter()
        if after - before < best:
            best, seconds, beat = after - before, (before + after) / 2, read
        if best < _GOOD_SECONDS:
            break
    return {
        "seconds": seconds, "beat": beat, "tempo_bpm": link.tempo, "playing": link.playing, "peers": link.num_peers,
    }  # fmt: skip


def obey(link: Link, command: dict[str, Any]) -> None:
    """Do what the studio asks."""
    match command["do"]:
        case "tempo":
            link.tempo = command["bpm"]
        case "play":
            # Beat 0 falls on the session's next bar line; alone, on this moment.
            link.set_is_playing_and_request_beat_at_time(True, link.time, 0.0)
        case "stop":
            link.playing = False
        case "bar":
            link.quantum = command["beats"]
        case "sync":
            link.start_stop_sync_enabled = command["on"]


def _commands(loop: asyncio.AbstractEventLoop) -> asyncio.Queue[dict[str, Any] | None]:
    """The lines of standard input as they come, then None."""
    asked: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    def read() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(asked.put_nowait, json.loads(line))
        loop.call_soon_threadsafe(asked.put_nowait, None)

    threading.Thread(target=read, daemon=True).start()
    return asked


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except (KeyboardInterrupt, BrokenPipeError):
        os._exit(1)  # nobody listens any more, and standard output cannot even be flushed
