"""The MIDI process: keeps time and sends, while the studio beside it computes.

A process of its own because torch and NumPy hold Python's lock for longer than a note may be late. Run with
`python -m studio.live_midi.worker`; reads commands as lines of JSON from its input and answers in lines on its output; ends when
its input does. Moments are those of `now`, which all processes of a machine share. Knows nothing of takes.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import time
from collections import deque
from dataclasses import asdict
from typing import Any, BinaryIO

from studio.live_midi.player import Due, Player, Press, Timeline, Transport
from studio.live_midi.ports import PortError, list_ports, open_input, open_output

now = time.perf_counter  # one clock for all processes; on Windows finer than time.monotonic()

# A lock's timeout is as coarse as the system's timer, a sleep is finer, and the last stretch is waited for awake.
_COARSE_SECONDS = 0.020 if sys.platform == "win32" else 0.003
_NAP_SECONDS = 0.001
_AWAKE_SECONDS = 0.0006
_LOOK_AT_PORTS_SECONDS = 2.0
_RECENT = 2_000  # few enough to be sorted between two notes
_KEPT_TIMINGS = 1_000_000


class Worker:
    """One pipe, one output port, one input port, one player."""

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self._source, self._sink = source, sink
        self._player = Player()
        self._commands: deque[dict[str, Any]] = deque()
        self._news = threading.Event()
        self._saying = threading.Lock()
        self._output: Any = None
        self._input: Any = None
        self._port = ""
        self._looked_at = 0.0
        self._late: deque[float] = deque(maxlen=_KEPT_TIMINGS)
        self._recent: deque[float] = deque(maxlen=_RECENT)

    def run(self, *, hurries: bool = True) -> None:
        """Obey and play until the input ends. hurries: ask the system to be woken on time."""
        self._say("ready", priority=_hurry() if hurries else "usual", pid=os.getpid())
        threading.Thread(target=self._listen, daemon=True).start()
        gc.disable()  # a collection is a late note
        while True:
            self._news.clear()
            while self._commands:
                command = self._commands.popleft()
                if command["do"] == "quit":
                    self._close()
                    return
                self._obey(command)
            if not self._wait_until(self._player.next_due()):
                continue
            was_playing = self._player.playing
            self._send(self._player.due(now()))
            if was_playing and not self._player.playing:
                self._say("ended")

    # ------------------------------------------------------------------------------------------------- time

    def _wait_until(self, moment: float | None) -> bool:
        """Whether the moment has come; False when a command came before it."""
        if moment is None:
            self._news.wait(_LOOK_AT_PORTS_SECONDS)
            self._look_at_port()
            return False
        if moment - now() > 0.01:
            self._look_at_port()
        if (left := moment - now()) > _COARSE_SECONDS and self._news.wait(left - _COARSE_SECONDS):
            return False
        while (left := moment - now()) > _AWAKE_SECONDS:
            if self._commands:
                return False
            time.sleep(min(_NAP_SECONDS, left - _AWAKE_SECONDS))
        while now() < moment:
            pass
        return True

    def _send(self, messages: list[Due]) -> None:
        """Out of the port, or with none only counted; how late each left is kept."""
        for each in messages:
            if self._output is not None:
                try:
                    self._output.send_bytes(each.data)
                except Exception:  # noqa: BLE001 - whatever the driver raises, the port is gone and the rest goes on
                    self._lose()
            late = now() - each.when
            self._late.append(late)
            self._recent.append(late)

    # --------------------------------------------------------------------------------------------- commands

    def _obey(self, command: dict[str, Any]) -> None:
        try:
            getattr(self, f"_do_{command['do']}")(command)
        except PortError as refusal:
            self._say("refused", do=command["do"], sentence=str(refusal))
        except Exception as error:  # noqa: BLE001 - one odd command must not end the music
            self._say("refused", do=command["do"], sentence=f"The MIDI process did not understand: {error!r}.")
        if "id" in command:
            self._say("done", id=command["id"])

    def _do_ports(self, command: dict[str, Any]) -> None:
        self._say("ports", **asdict(list_ports()))

    def _do_open(self, command: dict[str, Any]) -> None:
        self._do_close(command)
        self._output = _RawOutput(open_output(command["port"]))
        self._port = command["port"]
        self._looked_at = now()
        self._say("opened", port=self._port)

    def _do_close(self, command: dict[str, Any]) -> None:
        if self._output is not None:
            self._send(self._player.panic(now=now()))
        self._drop_output()
        self._say("closed")

    def _do_score(self, command: dict[str, Any]) -> None:
        rows = command["timeline"]
        timeline = Timeline(
            tuple(Press(*row) for row in rows["presses"]), tuple(rows["pulses"]), rows["first_pulse"], rows["end"],
            tuple(rows["programs"]),
        )  # fmt: skip
        self._send(self._player.load(timeline, _channels(command), now=now()))
        gc.collect()

    def _do_parts(self, command: dict[str, Any]) -> None:
        self._send(self._player.set_parts(_channels(command), now=now()))

    def _do_set(self, command: dict[str, Any]) -> None:
        self._player.sends_programs = command["programs"]
        self._send(self._player.set_clock(command["clock"], now=now()))

    def _do_follow(self, command: dict[str, Any]) -> None:
        loop = command.get("loop")
        transport = Transport(
            playing=command["playing"], place=command["place"], when=command["when"], rate=command["rate"],
            loop=(loop[0], loop[1]) if loop else None, began=command.get("began"), exact=command["exact"],
        )  # fmt: skip
        self._send(self._player.follow(transport, now=now()))

    def _do_panic(self, command: dict[str, Any]) -> None:
        self._send(self._player.panic(now=now()))

    def _do_timing(self, command: dict[str, Any]) -> None:
        """How late messages left, in milliseconds: the latest few, or with "all" every one since the last "afresh"."""
        late = sorted(self._late if command.get("all") else self._recent)
        if command.get("afresh"):
            self._late.clear()
            self._recent.clear()
        told: dict[str, float] = {"sent": len(self._late) if not command.get("all") else len(late)}
        if late:
            share = lambda part: round(late[min(len(late) - 1, int(part * len(late)))] * 1_000, 4)  # noqa: E731
            told |= {"median_ms": share(0.5), "p99_ms": share(0.99), "worst_ms": round(late[-1] * 1_000, 4)}
        each = {"each_ms": [round(value * 1_000, 4) for value in late]} if command.get("each") else {}
        self._say("timing", **told, **each)

    def _do_listen(self, command: dict[str, Any]) -> None:
        self._do_deaf(command)
        self._input = open_input(command["port"], self._heard)
        self._say("listening", port=command["port"])

    def _do_deaf(self, command: dict[str, Any]) -> None:
        if self._input is not None:
            self._input.close()
            self._input = None

    def _heard(self, message: Any) -> None:
        """On rtmidi's thread: what a keyboard plays, with its moment."""
        if message.type in ("note_on", "note_off"):
            velocity = message.velocity if message.type == "note_on" else 0
            self._say("key", when=now(), pitch=message.note, velocity=velocity)

    # ------------------------------------------------------------------------------------------------ ports

    def _look_at_port(self) -> None:
        """A device that was pulled out says nothing: its name is missing from the list."""
        if self._output is None or now() - self._looked_at < _LOOK_AT_PORTS_SECONDS:
            return
        self._looked_at = now()
        if not self._output.is_there(self._port):
            self._lose()

    def _lose(self) -> None:
        port = self._port
        self._drop_output()
        self._say(
            "lost", port=port,
            sentence=f"The MIDI port “{port}” is gone; the sound goes on. Plug it in again and choose it, or choose another.",
        )  # fmt: skip

    def _drop_output(self) -> None:
        output, self._output, self._port = self._output, None, ""
        if output is not None:
            output.close()

    def _close(self) -> None:
        if self._output is not None:
            self._send(self._player.panic(now=now()))
        self._drop_output()
        self._do_deaf({})

    # ------------------------------------------------------------------------------------------------- pipe

    def _say(self, kind: str, **told: Any) -> None:
        with self._saying:
            try:
                self._sink.write(json.dumps({"kind": kind, **told}).encode() + b"\n")
                self._sink.flush()
            except OSError:
                os._exit(0)  # the studio is gone

    def _listen(self) -> None:
        for line in self._source:
            self._commands.append(json.loads(line))
            self._news.set()
        self._commands.append({"do": "quit"})
        self._news.set()


class _RawOutput:
    """A mido port that takes ready bytes: a message object each would only cost time."""

    def __init__(self, port: Any) -> None:
        self._port = port
        raw = getattr(port, "_rt", None)
        self._raw = raw
        self.send_bytes = raw.send_message if raw is not None else self._send_parsed

    def _send_parsed(self, data: bytes) -> None:
        import mido

        self._port.send(mido.Message.from_bytes(data))

    def is_there(self, name: str) -> bool:
        """Whether a device of that name is still listed; our own port always is."""
        from studio.live_midi.ports import VIRTUAL

        return name == VIRTUAL or self._raw is None or self._port.name in self._raw.get_ports()

    def close(self) -> None:
        import contextlib

        with contextlib.suppress(Exception):  # a driver that has died cannot close well
            self._port.close()


def _channels(command: dict[str, Any]) -> dict[int, int]:
    return {int(part): channel for part, channel in command["channels"].items()}


def _hurry() -> str:
    """Ask to be woken on time, as far as this user may; says how far that was."""
    if hasattr(os, "sched_setscheduler"):
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
            return "real-time"
        except OSError:
            pass
    if hasattr(os, "setpriority"):
        try:
            os.setpriority(os.PRIO_PROCESS, 0, -11)
            return "raised"
        except OSError:
            pass
    return "usual"


def main() -> None:
    hurries = "--usual" not in sys.argv  # benchmarks ask how it goes without
    # Drivers print; what they print must not get among the lines.
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    Worker(sys.stdin.buffer, sink).run(hurries=hurries)
    sys.stdout.flush()
    os._exit(0)  # rtmidi's JACK thread does not always end


if __name__ == "__main__":
    main()
