"""The beat clock: beats go by evenly, a change of tempo moves none of them, and bars are found ahead."""

from __future__ import annotations

import threading
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.clock import BeatClock, ClockError, FreeClock, Timeline, next_bar

TEMPOS = st.floats(20, 999)
MOMENTS = st.floats(-1e6, 1e6)


def test_a_minute_at_120_bpm_is_120_beats() -> None:
    clock = FreeClock(120.0)
    clock.start(at=1_000.0)
    assert clock.beat_at(1_060.0) == 120.0
    assert clock.seconds_at(-4.0) == 998.0


@given(tempo=TEMPOS, seconds=MOMENTS, beat=st.floats(-1e5, 1e5))
def test_the_moment_of_a_beat_is_when_that_beat_is(tempo: float, seconds: float, beat: float) -> None:
    line = Timeline(seconds, 0.0, tempo)
    assert line.beat_at(line.seconds_at(beat)) == pytest.approx(beat, abs=1e-6)


@given(first=TEMPOS, second=TEMPOS, after=st.floats(0, 3_600))
def test_a_change_of_tempo_keeps_the_beat_of_that_moment(first: float, second: float, after: float) -> None:
    clock = FreeClock(first)
    clock.start(at=100.0)
    before = clock.beat_at(100.0 + after)
    clock.set_tempo(second, at=100.0 + after)
    assert clock.beat_at(100.0 + after) == pytest.approx(before, abs=1e-9)
    assert clock.beat_at(101.0 + after) == pytest.approx(before + second / 60.0, abs=1e-9)
    assert clock.playing


def test_stopping_stops_the_transport_and_not_the_beats() -> None:
    clock = FreeClock(60.0)
    clock.start(beat=8.0, at=50.0)
    clock.stop()
    assert not clock.playing
    assert clock.beat_at(52.0) == 10.0


def test_a_start_may_lie_ahead() -> None:
    clock, soon = FreeClock(), monotonic() + 5.0
    clock.start(at=soon)
    assert clock.seconds_at(0.0) == soon
    assert clock.beat_at(soon - 0.5) == -1.0


@pytest.mark.parametrize("tempo", [0.0, 19.9, 1_000.0, float("nan"), float("inf"), -120.0])
def test_a_tempo_nobody_can_play_is_refused_and_the_old_one_stays(tempo: float) -> None:
    clock = FreeClock(97.0)
    with pytest.raises(ClockError, match="between 20 and 999"):
        clock.set_tempo(tempo)
    assert clock.tempo_bpm == 97.0


@given(tempo=TEMPOS, seconds=st.floats(0, 1e5), beats=st.sampled_from([1.0, 3.0, 4.0, 7.0]))
def test_the_next_bar_is_a_bar_line_less_than_a_bar_ahead(tempo: float, seconds: float, beats: float) -> None:
    line: BeatClock = Timeline(0.0, 0.0, tempo)
    found = next_bar(line, seconds, beats_a_bar=beats)
    bar = line.beat_at(found) / beats
    assert bar == pytest.approx(round(bar), abs=1e-6)
    assert -1e-6 <= found - seconds <= beats * 60.0 / tempo


def test_on_the_bar_line_the_next_bar_is_now() -> None:
    line = Timeline(10.0, 4.0, 97.0)
    assert next_bar(line, line.seconds_at(8.0)) == pytest.approx(line.seconds_at(8.0), abs=1e-9)


def test_readers_on_other_threads_never_see_half_a_change() -> None:
    clock, wrong, done = FreeClock(120.0), [], threading.Event()
    clock.start(at=0.0)

    def read() -> None:
        while not done.is_set():
            line = clock.timeline
            if abs(line.beat_at(line.seconds) - line.beat) > 1e-9 or line.tempo_bpm not in (120.0, 60.0):
                wrong.append(line)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(2_000):
        clock.set_tempo(60.0 if number % 2 else 120.0, at=10.0)
    done.set()
    reader.join()
    assert not wrong
    assert clock.beat_at(10.0) == pytest.approx(20.0, abs=1e-6)
