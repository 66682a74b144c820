"""Which MIDI message is due when: notes, clock and song position while a transport starts, jumps, goes round and stops.

Every note-on that leaves here is followed by its note-off, whatever the transport does: on stop, seek, loop and on parts
switched off. Time is handed in, nothing waits here, so that it can be tried without a clock. Knows nothing of ports.

A place is seconds of the sound or quarters of a beat clock; the player does not ask which.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from itertools import count

from studio.live_midi import messages

_SAME = 1e-6  # places nearer than this are one: a loop's end and its beginning must not both sound
_JUMP_SECONDS = 0.08  # a report farther off than this is a jump, a nearer one is the report's own inexactness
_MISSED_SECONDS = 0.3  # how late the first notes may be sent when the news of the start was late
_SOON_OVER_SECONDS = 0.02  # a note that ends sooner is not struck again after a jump
_NUDGE = 0.2
_SHORTEST_LOOP = 0.02


@dataclass(frozen=True, slots=True)
class Press:
    """A key of a part held from one place to another. velocity: 1 to 127."""

    start: float
    end: float
    part: int
    pitch: int
    velocity: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """What is played. presses: any order. pulses: the place of each clock pulse, the first being pulse `first_pulse`
    counted from the song's beginning. end: where it is over. programs: by part, None leaves the instrument's own."""

    presses: tuple[Press, ...] = ()
    pulses: tuple[float, ...] = ()
    first_pulse: int = 0
    end: float = 0.0
    programs: tuple[int | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Transport:
    """Where a transport stands at a moment. place: at `when` seconds, `rate` places a second; loop: from, to.

    began: the place this stretch of playing began at, so that its first notes are not lost when the news comes late.
    exact: the place is true as it stands; else it was measured and is followed gently.
    """

    playing: bool
    place: float = 0.0
    when: float = 0.0
    rate: float = 1.0
    loop: tuple[float, float] | None = None
    began: float | None = None
    exact: bool = False

    def place_at(self, seconds: float) -> float:
        """The place at a moment, the loop left aside."""
        return self.place + (seconds - self.when) * self.rate

    def moment_of(self, place: float) -> float:
        """The inverse of `place_at`."""
        return self.when + (place - self.place) / self.rate


@dataclass(frozen=True, slots=True)
class Due:
    """A message and the moment it is for."""

    when: float
    data: bytes


@dataclass(frozen=True, slots=True)
class _Event:
    place: float
    rank: int  # at one place the clock comes first, then what ends, then what begins
    press: int
    pulse: int = -1


_CLOCK, _OFF, _ON = range(3)


class Player:
    """One timeline on one transport. Not thread-safe: one thread asks `due` and tells of changes."""

    def __init__(self) -> None:
        self.sends_clock = False
        self.sends_programs = True
        self._timeline = Timeline()
        self._events: list[_Event] = []
        self._places: list[float] = []
        self._longest = 0.0
        self._channels: dict[int, int] = {}  # of the parts that sound
        self._sounding: dict[tuple[int, int], list[int]] = {}  # channel and pitch: the presses that hold it
        self._transport = Transport(playing=False)
        self._cursor = 0
        self._from_pulse = 0
        self._clock_runs = False

    # ---------------------------------------------------------------------------------------------- telling it

    def load(self, timeline: Timeline, channels: Mapping[int, int], *, now: float) -> list[Due]:
        """Another timeline, stopped. channels: the channel of each part that is to sound."""
        gone = self.follow(Transport(playing=False), now=now)
        self._timeline = timeline
        numbers = count()
        events = [_Event(place, _CLOCK, -1, timeline.first_pulse + next(numbers)) for place in timeline.pulses]
        for number, press in enumerate(timeline.presses):
            if press.end > press.start:
                events += [_Event(press.start, _ON, number), _Event(press.end, _OFF, number)]
        self._events = sorted(events, key=lambda event: (event.place, event.rank))
        self._places = [event.place for event in self._events]
        self._longest = max((press.end - press.start for press in timeline.presses), default=0.0)
        self._channels = dict(channels)
        return gone

    def set_parts(self, channels: Mapping[int, int], *, now: float) -> list[Due]:
        """Which parts sound, and on which channel; what a part leaves behind is let go."""
        changed = {part for part, channel in self._channels.items() if channels.get(part) != channel}
        gone = []
        for held in [press for presses in self._sounding.values() for press in presses]:
            if self._timeline.presses[held].part in changed:
                gone += self._release(held, now)
        new = [part for part, channel in channels.items() if self._channels.get(part) != channel]
        self._channels = dict(channels)
        return gone + (self._programs(new, now) if self._transport.playing else [])

    def follow(self, transport: Transport, *, now: float) -> list[Due]:
        """Start, stop, jump or go on as this transport says."""
        was = self._transport
        if transport.loop and transport.loop[1] - transport.loop[0] < _SHORTEST_LOOP:
            transport = replace(transport, loop=None)
        if not transport.playing:
            self._transport = replace(transport, rate=transport.rate or 1.0)
            return self._halt(now) if was.playing else []
        if was.playing and was.loop == transport.loop:
            off = self._off_by(transport)
            if abs(off) <= _JUMP_SECONDS * transport.rate:
                share = 1.0 if transport.exact else _NUDGE
                place = was.place_at(transport.when) + off * share + (now - transport.when) * transport.rate
                self._transport = replace(was, place=place, when=now, rate=transport.rate)
                return []
        return (self._halt(now) if was.playing else []) + self._locate(transport, now)

    def set_clock(self, sends: bool, *, now: float) -> list[Due]:
        """Whether MIDI clock is sent; while something plays it begins or ends at once."""
        if sends == self.sends_clock:
            return []
        self.sends_clock = sends
        if sends:
            return self._start_clock(self.place_at(now), now) if self.playing else []
        gone = [Due(now, messages.STOP)] if self._clock_runs else []
        self._clock_runs = False
        return gone

    def panic(self, *, now: float) -> list[Due]:
        """Every key up, one by one and by the messages that mean all of them."""
        return self._let_go(now) + [Due(now, data) for data in messages.everything_off()]

    # ---------------------------------------------------------------------------------------------- asking it

    @property
    def playing(self) -> bool:
        return self._transport.playing

    def place_at(self, seconds: float) -> float:
        """Where it stands at a moment."""
        return self._transport.place_at(seconds) if self.playing else self._transport.place

    def next_due(self) -> float | None:
        """The moment of the next message, or None while nothing plays."""
        if not self.playing:
            return None
        edge = self._edge()
        place = self._places[self._cursor] if self._cursor < len(self._places) else math.inf
        return self._transport.moment_of(min(place, edge))

    def due(self, now: float) -> list[Due]:
        """Everything due at or before this moment, in order."""
        sent: list[Due] = []
        while self.playing and (when := self.next_due()) is not None and when <= now:
            edge = self._edge()
            if self._cursor < len(self._places) and self._places[self._cursor] < edge - _SAME:
                event = self._events[self._cursor]
                self._cursor += 1
                sent += self._carry_out(event, when)
            elif self._transport.loop and edge == self._transport.loop[1]:
                sent += self._go_round(self._transport.moment_of(edge))
            else:
                sent += self._finish(self._transport.moment_of(edge))
        return sent

    # ---------------------------------------------------------------------------------------------- at work

    def _edge(self) -> float:
        """Where this stretch is over: the loop's end, or past the last event."""
        loop = self._transport.loop
        if loop and self._transport.place < loop[1] - _SAME:
            return loop[1]
        return self._timeline.end + 2 * _SAME

    def _off_by(self, transport: Transport) -> float:
        off = transport.place - self._transport.place_at(transport.when)
        if transport.loop:  # one may have gone round already, the other not yet
            length = transport.loop[1] - transport.loop[0]
            off -= length * round(off / length)
        return off

    def _locate(self, transport: Transport, now: float) -> list[Due]:
        """Begin at the transport's place as it is now."""
        place = transport.place_at(now)
        loop = transport.loop
        if loop and place >= loop[1]:
            place = loop[0] + (place - loop[0]) % (loop[1] - loop[0])
        began = transport.began
        near = began is not None and place - began <= _MISSED_SECONDS * transport.rate
        first = began if began is not None and near else place
        self._transport = replace(transport, place=place, when=now, loop=loop)
        self._cursor = bisect_left(self._places, first - _SAME)
        sent = self._programs(self._channels, now) if self.sends_programs else []
        sent += self._start_clock(first, now)
        return sent + self._strike_held(first, now)

    def _strike_held(self, place: float, now: float) -> list[Due]:
        """The long notes that sound at this place already, as DAWs chase them; strokes of a drum are over."""
        sent = []
        soon = place + _SOON_OVER_SECONDS * self._transport.rate
        for event in self._events[
            bisect_left(self._places, place - self._longest) : bisect_left(self._places, place - _SAME)
        ]:
            if event.rank != _ON or self._timeline.presses[event.press].end <= soon:
                continue
            if self._channels.get(self._timeline.presses[event.press].part) != messages.DRUM_CHANNEL:
                sent += self._press(event.press, now)
        return sent

    def _carry_out(self, event: _Event, when: float) -> list[Due]:
        if event.rank == _CLOCK:
            runs = self._clock_runs and event.pulse >= self._from_pulse
            return [Due(when, messages.CLOCK)] if runs else []
        return self._press(event.press, when) if event.rank == _ON else self._release(event.press, when)

    def _press(self, number: int, when: float) -> list[Due]:
        press = self._timeline.presses[number]
        channel = self._channels.get(press.part)
        if channel is None:
            return []
        holding = self._sounding.setdefault((channel, press.pitch), [])
        # A key that is down must come up before it is struck again, or its note-off would be one too few.
        sent = [Due(when, messages.note_off(channel, press.pitch))] if holding else []
        holding.append(number)
        return [*sent, Due(when, messages.note_on(channel, press.pitch, press.velocity))]

    def _release(self, number: int, when: float) -> list[Due]:
        press = self._timeline.presses[number]
        key = (self._channels.get(press.part, -1), press.pitch)
        holding = self._sounding.get(key)
        if holding is None or number not in holding:
            return []
        holding.remove(number)
        if holding:
            return []
        del self._sounding[key]
        return [Due(when, messages.note_off(*key))]

    def _let_go(self, when: float) -> list[Due]:
        gone = [Due(when, messages.note_off(*key)) for key in self._sounding]
        self._sounding.clear()
        return gone

    def _go_round(self, when: float) -> list[Due]:
        assert self._transport.loop is not None
        start = self._transport.loop[0]
        sent = self._let_go(when)
        self._transport = replace(self._transport, place=start, when=when)
        self._cursor = bisect_left(self._places, start - _SAME)
        self._from_pulse = 0  # the clock runs through: gear that follows counts on
        return sent + self._strike_held(start, when)

    def _finish(self, when: float) -> list[Due]:
        self._transport = Transport(playing=False, place=self._timeline.end)
        return self._halt(when)

    def _halt(self, when: float) -> list[Due]:
        sent = self._let_go(when)
        if self._clock_runs:
            sent.append(Due(when, messages.STOP))
            self._clock_runs = False
        return sent

    def _programs(self, parts: Collection[int], when: float) -> list[Due]:
        if not self.sends_programs:
            return []
        programs = self._timeline.programs
        wanted = [(part, programs[part]) for part in parts if part < len(programs)]
        return [Due(when, messages.program_change(self._channels[p], n)) for p, n in wanted if n is not None]

    def _start_clock(self, place: float, when: float) -> list[Due]:
        """Song position, then start or continue; the first pulse is the one of that position, as the standard asks."""
        self._clock_runs = self.sends_clock
        if not self.sends_clock:
            return []
        pulse = self._timeline.first_pulse + bisect_left(self._timeline.pulses, place - _SAME)
        sixteenth = -(-pulse // messages.PULSES_A_SIXTEENTH)
        self._from_pulse = sixteenth * messages.PULSES_A_SIXTEENTH
        if sixteenth == 0:
            return [Due(when, messages.START)]
        return [Due(when, messages.song_position(sixteenth)), Due(when, messages.CONTINUE)]
