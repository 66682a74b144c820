"""Live MIDI of one studio: which port, which score, what it follows, and what is recorded.

One object on the studio; opening it starts nothing, the MIDI process comes when it is first needed. Knows nothing of pages or
of who may use it.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from studio.clock import BeatClock, FreeClock, next_bar
from studio.live_midi.client import MidiProcessError, WorkerClient
from studio.live_midi.recording import Recording
from studio.live_midi.score import Axis, LiveScore, part_channels, score_of_item, score_shown, timeline_rows
from studio.live_midi.switches import LiveMidiError, Switches
from studio.live_midi.switches import number_of as _number

__all__ = ["LiveMidi", "LiveMidiError", "now"]

if TYPE_CHECKING:
    from studio.desk.desk import Desk

now = time.perf_counter  # the clock of the MIDI process, of beat clocks and of pages
_TICK_SECONDS = 0.02
_TOLD_AGAIN_SECONDS = 0.25
_SILENT_PAGE_SECONDS = 4.0
_AHEAD_SECONDS = 0.05


class LiveMidi:
    """The live MIDI of one studio. clock: the beat clock to follow, asked for each time; None leaves our own."""

    def __init__(self, desk: Callable[[], Desk], *, clock: Callable[[], BeatClock | None] = lambda: None) -> None:
        self._desk = desk
        self._room_clock, self.own_clock = clock, FreeClock()
        self._client = WorkerClient(self._heard)
        self._lock = threading.RLock()
        self._switches = Switches()
        self._score: LiveScore | None = None
        self._axis: str = ""
        self._ports: dict[str, Any] = {}
        self._port = self._input = ""
        self._priority = ""
        self._problem = ""
        self._timing: dict[str, Any] = {}
        self._playing = False
        self._leader = ""  # the page that is followed
        self._heard_at = 0.0
        self._starts_at_beat: float | None = None  # on a beat clock: the beat the score's first quarter falls on
        self._clock_ran = False
        self._recording: Recording | None = None
        self._sent: Any = None  # the switches as the process has them
        self._told = (0.0, 0.0)  # when the clock was last told of, and its rate
        self._ticking: threading.Thread | None = None
        self._closing = threading.Event()

    def close(self) -> None:
        """End what sounds and the process."""
        self._closing.set()
        self._client.close()

    @property
    def clock(self) -> BeatClock:
        """What is followed when the page is not: the room's clock where there is one, else our own."""
        return self._room_clock() or self.own_clock

    # ---------------------------------------------------------------------------------------------- looking

    def status(self) -> dict[str, Any]:
        """Everything a page shows: ports, the port in use, the score's parts, switches, what plays, how exact it is."""
        with self._lock:
            if self._port:
                self._tell("timing")  # its answer is in the next status
            switches = self._switches
            shown: dict[str, Any] = {
                "port": self._port, "input": self._input, "problem": self._problem, "priority": self._priority,
                "ports": self._ports, "playing": self._playing, "follows": switches.follows,
                "clock_out": switches.clock_out, "programs": switches.programs, "go_round": switches.go_round,
                "offset_ms": switches.offset_ms, "recording": self._recording is not None, "timing": self._timing,
                "tempo_bpm": round(self.clock.tempo_bpm, 3), "score": None,
            }  # fmt: skip
            if self._score is not None:
                shown["score"] = score_shown(self._score)
                for number, part in enumerate(shown["score"]["parts"]):
                    part["on"] = switches.on.get(number, True)
                    part["channel"] = switches.moved.get(number, part["channel"])
            return shown

    def look(self) -> dict[str, Any]:
        """Ask the system which ports there are, then as `status`. Raises LiveMidiError."""
        self._ask("ports")
        return self.status()

    # --------------------------------------------------------------------------------------------- choosing

    def choose(self, port: str) -> None:
        """Play into that output: a device's name, "virtual" for a port of our own, "" for none. Raises LiveMidiError."""
        with self._lock:
            self._problem = ""
        if not port:
            self._ask("close")
            return
        self._ask("open", port=port)
        if self._port != port:
            raise LiveMidiError(self._problem or f"“{port}” could not be opened.")
        with self._lock:
            self._send_all()

    def set(self, changes: Mapping[str, Any]) -> None:
        """Change switches by name, as in `status`; see `Switches.change`. Raises LiveMidiError."""
        with self._lock:
            was = self._switches.follows
            self._switches.change(changes)
            if self._switches.follows != was:
                self._halt()
                self._axis = ""
            if self._client.is_running:
                self._send_all()

    def panic(self) -> None:
        """Silence everything that the port leads to. Raises LiveMidiError."""
        self._ask("panic")

    def load(self, source: str, *, owner: str | None) -> LiveScore:
        """Take up the notes of a take or a sound on the desk. Raises DeskError, TakeMissing or NotYours."""
        desk = self._desk()
        score = score_of_item(desk, desk.open(source, owner=owner))
        self.use(score)
        return score

    def use(self, score: LiveScore) -> None:
        """Take up these notes; nothing changes when they are those that are there."""
        with self._lock:
            if self._score == score:
                return
            if self._score is None or self._score.source != score.source:
                self._switches.forget_parts()
            self._halt()
            self._score, self._axis = score, ""
            if self._client.is_running:
                self._send_all()

    # ---------------------------------------------------------------------------------------------- playing

    def follow(self, report: Mapping[str, Any], *, owner: str | None) -> dict[str, Any]:
        """What a page plays, and where: source, playing, at (seconds) at the moment `when` of this process's `now`, rate, loop,
        began, page. Returns what came of it; a sound without notes is silent and said so.
        """
        from studio.desk.errors import DeskError

        page, playing = str(report.get("page", "")), bool(report.get("playing"))
        with self._lock:
            if self._switches.follows != "page" or not self._port:
                return {"followed": False, "problem": self._problem}
            if not playing and self._playing and page != self._leader:
                return {"followed": False, "problem": ""}
            source = str(report.get("source", ""))
        if source and (self._score is None or self._score.source != source):
            try:
                self.load(source, owner=owner)
            except DeskError as refusal:
                self.stop()
                return {"followed": False, "problem": str(refusal)}
        with self._lock:
            starts = playing and not self._playing
            self._leader, self._heard_at = page, time.monotonic()
            loop = report.get("loop")
            self._move(
                playing=playing, place=_number(report.get("at")), when=_number(report.get("when"), now()),
                rate=min(4.0, max(0.25, _number(report.get("rate"), 1.0))),
                loop=[_number(loop[0]), _number(loop[1])] if loop else None,
                began=_number(report["began"]) if report.get("began") is not None else None, exact=False,
            )  # fmt: skip
            self._keep_ticking()
        if starts and source:  # notes may have been written down anew; then the next report begins with them
            with suppress(DeskError):
                self.load(source, owner=owner)
        return {"followed": True, "problem": self._problem}

    def play(self, *, tempo_bpm: float | None = None) -> None:
        """Play the loaded score on the beat clock, from its next bar on. tempo_bpm: of our own clock, where the room has none;
        None for the score's.

        Raises LiveMidiError, ClockError.
        """
        with self._lock:
            if self._score is None:
                raise LiveMidiError("Choose what to play first: put a take on the deck, or name one.")
            if not self._port:
                raise LiveMidiError("Choose a MIDI output first.")
            if self._switches.follows != "clock":
                self._halt()
                self._switches.follows, self._axis = "clock", ""
            if self._room_clock() is None:
                self.own_clock.set_tempo(tempo_bpm or self._score.tempo_bpm)
            clock, a_bar = self.clock, self._score.tempo_map.quarters_a_bar
            moment = next_bar(clock, now() + _AHEAD_SECONDS, beats_a_bar=a_bar)
            self._starts_at_beat = clock.beat_at(moment)
            self._clock_ran = clock.playing
            self._send_all()
            self._follow_clock(first_place=0.0)
            self._keep_ticking()

    def stop(self) -> None:
        """Stop playing; nothing is left sounding."""
        with self._lock:
            self._halt()

    def _halt(self) -> None:
        self._starts_at_beat = None
        if self._playing:
            self._move(playing=False, place=0.0, when=now(), rate=1.0, loop=None, began=None, exact=False)

    def _move(self, *, playing: bool, when: float, **where: Any) -> None:
        self._send_all()
        self._tell("follow", playing=playing, when=when + self._switches.offset_ms / 1_000, **where)
        self._playing = playing

    def _follow_clock(self, *, first_place: float | None = None) -> None:
        """Where the clock stands now, for the process; in its quarters."""
        if self._starts_at_beat is None or self._score is None:
            return
        clock, moment = self.clock, now()
        runs = clock.playing
        if self._clock_ran and not runs:
            return self._halt()
        if runs and not self._clock_ran:  # the room starts: from the top, on its bar
            a_bar = self._score.tempo_map.quarters_a_bar
            self._starts_at_beat = round(clock.beat_at(next_bar(clock, moment, beats_a_bar=a_bar)), 6)
        changed = runs != self._clock_ran or clock.tempo_bpm / 60.0 != self._told[1] or first_place is not None
        if not changed and moment - self._told[0] < _TOLD_AGAIN_SECONDS:
            return
        self._clock_ran, self._told = runs, (moment, clock.tempo_bpm / 60.0)
        length = self._loop_quarters() if self._switches.go_round else 0.0
        self._move(
            playing=True, place=clock.beat_at(moment) - self._starts_at_beat, when=moment,
            rate=clock.tempo_bpm / 60.0, loop=[0.0, length] if length else None, began=first_place, exact=True,
        )  # fmt: skip

    def _loop_quarters(self) -> float:
        """The score's length in whole bars."""
        assert self._score is not None
        a_bar = self._score.tempo_map.quarters_a_bar
        return max(1, math.floor(self._score.timeline("quarters").end / a_bar + 0.05)) * a_bar

    # -------------------------------------------------------------------------------------------- recording

    def listen(self, port: str) -> None:
        """Hear a keyboard on that input; "" for none. Raises LiveMidiError."""
        with self._lock:
            self._problem, self._input = "", ""
        if port:
            self._ask("listen", port=port)
            if not self._input:
                raise LiveMidiError(self._problem or f"“{port}” could not be opened.")
        else:
            self._ask("deaf")

    def record(self, *, tempo_bpm: float, beats_a_bar: int = 4, count_in_bars: int = 1) -> float:
        """Begin to record after the count-in; returns the moment of the first bar, by `now`. Raises LiveMidiError."""
        if not self._input:
            raise LiveMidiError("Choose the MIDI input that your keyboard is on first.")
        begins = now() + _AHEAD_SECONDS + max(0, count_in_bars) * beats_a_bar * 60.0 / tempo_bpm
        self._recording = Recording(begins, tempo_bpm, beats_a_bar)
        return begins

    def recorded(self) -> Recording:
        """End the recording. Raises LiveMidiError when there is none."""
        recording, self._recording = self._recording, None
        if recording is None:
            raise LiveMidiError("Nothing is being recorded.")
        recording.ends = now()
        return recording

    # ---------------------------------------------------------------------------------------------- at work

    def _send_all(self) -> None:
        """The score on the axis that is followed, its parts and the switches, where the process does not have them."""
        switches, score = self._switches, self._score
        channels = part_channels(score, switches.on, switches.moved) if score else {}
        axis: Axis = "quarters" if switches.follows == "clock" else "seconds"
        if self._sent == (state := (switches.clock_out, switches.programs, channels, axis)) and self._axis == axis:
            return
        self._tell("set", clock=switches.clock_out, programs=switches.programs)
        if score is not None and self._axis != axis:
            self._tell("score", timeline=timeline_rows(score.timeline(axis)), channels=channels)
            self._axis = axis
        else:
            self._tell("parts", channels=channels)
        self._sent = state

    def _tell(self, do: str, **what: Any) -> None:
        try:
            self._client.tell(do, **what)
        except MidiProcessError as error:
            self._problem = str(error)

    def _ask(self, do: str, **what: Any) -> None:
        try:
            self._client.ask(do, **what)
        except MidiProcessError as error:
            raise LiveMidiError(str(error)) from error

    def _heard(self, told: dict[str, Any]) -> None:
        """A line of the process's, on its reader's thread."""
        kind = told.pop("kind")
        if kind == "key":
            if (recording := self._recording) is not None:
                recording.heard(told["when"], told["pitch"], told["velocity"])
        elif kind == "ports":
            self._ports = told
        elif kind == "ready":
            self._priority = told["priority"]
        elif kind == "opened":
            self._port = told["port"]
        elif kind == "listening":
            self._input = told["port"]
        elif kind == "timing":
            self._timing = told
        elif kind == "ended":
            self._playing = False
            self._starts_at_beat = None
        elif kind in ("closed", "lost", "refused", "died"):
            self._ended(kind, told)

    def _ended(self, kind: str, told: Mapping[str, Any]) -> None:
        if kind in ("closed", "lost", "died"):
            self._port = ""
        if kind == "died":
            self._sent = None
            self._input, self._axis, self._playing, self._starts_at_beat = "", "", False, None
            self._problem = "The MIDI system ended unexpectedly; the sound goes on. Choose the port again."
        elif "sentence" in told:
            self._problem = told["sentence"]

    def _keep_ticking(self) -> None:
        if self._ticking is None or not self._ticking.is_alive():
            self._ticking = threading.Thread(target=self._tick, name="live-midi", daemon=True)
            self._ticking.start()

    def _tick(self) -> None:
        """Follow the beat clock closely, and notice a page that went away without a word."""
        while not self._closing.wait(_TICK_SECONDS):
            with self._lock:
                if not self._playing:
                    self._ticking = None
                    return
                if self._switches.follows == "clock":
                    self._follow_clock()
                elif time.monotonic() - self._heard_at > _SILENT_PAGE_SECONDS:
                    self._halt()
