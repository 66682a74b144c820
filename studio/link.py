"""Ableton Link: the studio as one of the programs on the network that keep one tempo, one bar line and one transport.

Link itself runs in a process of its own (link_worker.py), spoken to over a pipe, for it is GPL and an optional extra: the
studio runs without it and says how to get it. That process lives from joining to leaving. Knows nothing of pages.
"""

from __future__ import annotations

import json
import logging
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from audio.io import written_whole
from studio.clock import BeatClock, ClockError, Timeline, checked_tempo, next_bar

_log = logging.getLogger(__name__)
START_SECONDS = 10.0
SILENT_SECONDS = 3.0  # a worker tells twenty times a second
_MOVED_BEATS = 0.02  # a phase that moved further is worth telling at once
NOT_INSTALLED = (
    "Ableton Link is not installed: press Install, or run python app.py install link. It is a separate program under the "
    "GPL, and the studio does everything else without it."
)
_LOST = "Ableton Link stopped unexpectedly, and the studio is out of the session. Join again to go on."
_SILENT = "Ableton Link did not answer, so the studio left the session. Join again to go on."


class LinkError(ClockError):
    """Link cannot do that; the message is a sentence for the user."""


class LinkMissing(LinkError):
    """Link is not installed."""


class NotJoined(LinkError):
    """The studio is not in a session."""

    def __init__(self) -> None:
        super().__init__("The studio is not in a Link session: join first.")


class LinkChoices(BaseModel):
    """What the user chose, kept between runs.

    follow: the page's tempo follows the session; else each take played leads it. start_stop: transport is shared.
    beats_a_bar: Link's quantum, after how many quarter notes a bar begins. latency_ms: how much later than the browser
    believes the sound is heard; playback starts so much earlier.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    follow: bool = True
    start_stop: bool = True
    beats_a_bar: Annotated[int, Field(ge=1, le=16)] = 4
    latency_ms: Annotated[float, Field(ge=-500.0, le=500.0, allow_inf_nan=False)] = 0.0


@dataclass(frozen=True, slots=True)
class LinkState:
    """Where Link stands. peers: the other programs in the session. timeline: its beats, None outside a session.

    error: what went wrong, in a sentence. version: grows with every change that is worth telling.
    """

    joined: bool
    peers: int
    timeline: Timeline | None
    choices: LinkChoices
    error: str
    version: int


class LinkSession:
    """The studio's place in a Link session, on the settings' folder. Thread-safe; nothing runs until `join`."""

    def __init__(self, folder: Path, *, python: Callable[[], Path | None]) -> None:
        """folder: where choices are kept. python: the Python that has aalink, None when there is none."""
        self._path, self._python = folder / "choices.json", python
        self._choices = _kept_choices(self._path)
        self._change = threading.Condition()
        self._process: subprocess.Popen[str] | None = None
        self._timeline: Timeline | None = None
        self._peers, self._error, self._heard_at, self._beats_added = 0, "", 0.0, 0.0
        self._version = int(time.time() * 1_000)  # later than any before a restart

    # ------------------------------------------------------------------------------------------------ asking

    @property
    def is_available(self) -> bool:
        """Whether Link is installed."""
        return self._python() is not None

    def state(self) -> LinkState:
        """Where Link stands now."""
        with self._change:
            return self._state()

    def changed_since(self, version: int, *, timeout_seconds: float) -> LinkState:
        """The state as soon as its version differs, or after so long."""
        with self._change:
            self._change.wait_for(lambda: self._version != version, timeout_seconds)
            return self._state()

    @property
    def clock(self) -> BeatClock | None:
        """The session's beats as they are now; None outside a session. Ask anew for every use: tempo and phase move."""
        return self._timeline

    def next_bar_seconds(self, *, after: float | None = None) -> float:
        """The moment of the next bar line of the session. Raises NotJoined."""
        line = self._timeline
        if line is None:
            raise NotJoined
        moment = perf_counter() if after is None else after
        return next_bar(line, moment, beats_a_bar=self._choices.beats_a_bar)

    # ----------------------------------------------------------------------------------------- joining, leaving

    def join(self, *, tempo_bpm: float = 120.0) -> LinkState:
        """Join the session on this network, or found one at that tempo; nothing happens when joined already.

        Raises LinkMissing, ClockError, and LinkError when Link does not start.
        """
        tempo = checked_tempo(tempo_bpm)
        with self._change:
            if self._process is None:
                self._start(tempo)
            if not self._change.wait_for(lambda: self._timeline or self._process is None, START_SECONDS):
                self._end()
                self._tell(error=_SILENT)
            if self._process is None:
                raise LinkError(self._error)
            return self._state()

    def leave(self) -> LinkState:
        """Leave the session; the others go on. Nothing happens outside one."""
        with self._change:
            self._end()
            self._tell(error="")
            return self._state()

    def close(self) -> None:
        """Leave, and let go of everything."""
        self.leave()

    # ------------------------------------------------------------------------------------------- in the session

    def set_tempo(self, tempo_bpm: float) -> None:
        """Set everybody's tempo. Raises NotJoined, and ClockError outside 20 to 999 bpm."""
        self._send({"do": "tempo", "bpm": checked_tempo(tempo_bpm)})

    def play(self) -> None:
        """Start the transport at the session's next bar line, everybody's where start and stop are shared. NotJoined."""
        self._send({"do": "play"})

    def stop(self) -> None:
        """Stop the transport. Raises NotJoined."""
        self._send({"do": "stop"})

    def choose(self, **changes: Any) -> LinkState:
        """Change what is kept of LinkChoices. Raises pydantic's ValidationError, and OSError when it cannot be kept."""
        with self._change:
            given = {name: value for name, value in changes.items() if value is not None}
            chosen = LinkChoices.model_validate({**self._choices.model_dump(), **given})
            if chosen != self._choices:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                with written_whole(self._path) as draft:
                    draft.write_text(chosen.model_dump_json(indent=1), encoding="utf-8")
                self._choices = chosen
                if self._process is not None:
                    self._write({"do": "bar", "beats": float(chosen.beats_a_bar)})
                    self._write({"do": "sync", "on": chosen.start_stop})
                self._tell()
            return self._state()

    # --------------------------------------------------------------------------------------------- the worker

    def _start(self, tempo_bpm: float) -> None:
        python = self._python()
        if python is None:
            raise LinkMissing(NOT_INSTALLED)
        chosen = self._choices
        command = worker_command(python, tempo_bpm=tempo_bpm, beats=chosen.beats_a_bar, sync=chosen.start_stop)
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                bufsize=1,
                start_new_session=True,  # Ctrl-C is for the studio, which then leaves in order
            )
        except OSError as error:
            raise LinkError(f"Ableton Link cannot be started ({error.strerror}): install it again.") from error
        self._error, self._heard_at, self._beats_added = "", perf_counter(), 0.0
        threading.Thread(target=self._hear, args=(self._process,), name="link", daemon=True).start()
        threading.Thread(target=self._watch, args=(self._process,), name="link-watch", daemon=True).start()

    def _hear(self, process: subprocess.Popen[str]) -> None:
        """Take in what the worker tells until it ends."""
        assert process.stdout is not None and process.stderr is not None
        with suppress(ValueError, KeyError, TypeError):  # garbage ends the membership as silence does
            for line in process.stdout:
                told = json.loads(line)
                heard = Timeline(told["seconds"], told["beat"], told["tempo_bpm"], told["playing"])
                with self._change:
                    if self._process is not process:
                        return
                    self._take_in(heard, told["peers"])
        said = ""
        with self._change:
            if self._process is not process:
                return
            self._end()
            with suppress(OSError, ValueError):
                said = process.stderr.read().strip()
            _log.warning("Ableton Link's process ended with %s: %s", process.returncode, said[-2_000:])
            self._tell(error=_LOST)

    def _take_in(self, heard: Timeline, peers: int) -> None:
        """Link counts beats anew at a start or when sessions meet; whole bars of that are taken out, so that whoever follows
        the clock sees the phase move and nothing else."""
        before, peers_before = self._timeline, self._peers
        bar = float(self._choices.beats_a_bar)
        if before is not None:
            jump = heard.beat + self._beats_added - before.beat_at(heard.seconds)
            self._beats_added -= round(jump / bar) * bar
        line = replace(heard, beat=heard.beat + self._beats_added)
        self._timeline, self._peers, self._heard_at = line, peers, perf_counter()
        moved = before is None or abs(before.beat_at(line.seconds) - line.beat) > _MOVED_BEATS
        told = (peers, line.tempo_bpm, line.playing)
        if moved or before is None or told != (peers_before, before.tempo_bpm, before.playing):
            self._tell()

    def _watch(self, process: subprocess.Popen[str]) -> None:
        """Let go of a worker that is there and says nothing."""
        while True:
            with self._change:
                self._change.wait_for(lambda: self._process is not process, SILENT_SECONDS / 4)
                if self._process is not process:
                    return
                waits = SILENT_SECONDS if self._timeline else START_SECONDS
                if perf_counter() - self._heard_at > waits:
                    self._end()
                    self._tell(error=_SILENT)
                    return

    def _send(self, command: dict[str, Any]) -> None:
        with self._change:
            if self._process is None:
                raise NotJoined
            self._write(command)

    def _write(self, command: dict[str, Any]) -> None:
        assert self._process is not None and self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
        except (OSError, ValueError) as error:
            self._end()
            self._tell(error=_LOST)
            raise LinkError(_LOST) from error

    def _end(self) -> None:
        """End the worker, by closing its input or, where that does not help, by force."""
        process, self._process = self._process, None
        self._timeline, self._peers = None, 0
        if process is None:
            return
        with suppress(OSError, ValueError):
            assert process.stdin is not None
            process.stdin.close()
        try:
            process.wait(1.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _tell(self, *, error: str | None = None) -> None:
        self._error = self._error if error is None else error
        self._version += 1
        self._change.notify_all()

    def _state(self) -> LinkState:
        return LinkState(
            joined=self._timeline is not None, peers=self._peers, timeline=self._timeline, choices=self._choices,
            error=self._error, version=self._version,
        )  # fmt: skip


def worker_command(python: Path, *, tempo_bpm: float, beats: float, sync: bool) -> Sequence[str]:
    """How Link's own process is run."""
    script = Path(__file__).with_name("link_worker.py")
    return [
        str(python), "-P", "-u", str(script), "--tempo", str(tempo_bpm), "--beats", str(float(beats)), "--sync", str(int(sync)),
    ]  # fmt: skip


def _kept_choices(path: Path) -> LinkChoices:
    """What was chosen before; the defaults where that cannot be read."""
    try:
        return LinkChoices.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return LinkChoices()
