"""The studio's side: what is followed, from when on, and who may stop it; and what a score makes of a take."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from typing import Any

import mido
import pytest

from audio.midi import MidiTrack, midi_file
from audio.tempo_map import TempoMap
from audio.transcription import Note
from studio.clock import FreeClock
from studio.desk.errors import DeskError
from studio.live_midi import messages
from studio.live_midi.live import LiveMidi, now
from studio.live_midi.recording import Key, NothingPlayed, melody_file, notes_of_keys, on_grid
from studio.live_midi.score import LivePart, LiveScore, channels_for, score_of_midi
from studio.live_midi.switches import LiveMidiError
from tests.studio.live_midi.test_process import jack_may_drop, listening, until


def score(*, source: str = "take:one", bars: int = 4, tempo_bpm: float = 120.0) -> LiveScore:
    quarter = 60.0 / tempo_bpm
    tune = tuple(Note(n * quarter, (n + 0.9) * quarter, 60 + n % 12, 90) for n in range(bars * 4))
    kick = tuple(Note(n * quarter, n * quarter + 0.05, 36, 100) for n in range(bars * 4))
    parts = (LivePart("Tune", False, 4, 0, tune), LivePart("Kit", True, 0, 9, kick))
    return LiveScore(source, "Four bars", bars * 4 * quarter, parts, TempoMap.steady(tempo_bpm), "exact")


def no_desk() -> Any:
    raise DeskError("No desk is needed here.")


class Room:
    """A room's clock that a test may turn."""

    def __init__(self) -> None:
        self.clock = FreeClock(120.0)


@pytest.fixture
def room() -> Room:
    return Room()


@pytest.fixture
def midi(jack: dict[str, str], room: Room) -> Iterator[LiveMidi]:
    midi = LiveMidi(no_desk, clock=lambda: room.clock)
    for attempt in range(5):  # JACK may not answer at once on a busy machine
        try:
            midi.choose("virtual")
            break
        except LiveMidiError:
            assert attempt < 4
            time.sleep(0.5)
    yield midi
    midi.close()


def pulses(heard: Any) -> list[float]:
    return [moment for moment, data in heard.messages if data == messages.CLOCK]


@jack_may_drop
def test_it_plays_from_the_next_bar_of_the_rooms_clock_and_follows_its_tempo(midi: LiveMidi, room: Room) -> None:
    midi.set({"clock_out": True})
    midi.use(score())
    with listening("MusicGen Studio") as synth:
        asked = time.monotonic()
        midi.play()
        until(lambda: pulses(synth))
        begun = pulses(synth)[0] - now() + time.monotonic()
        beat = room.clock.beat_at(begun)
        assert begun > asked
        assert abs(beat - 4 * round(beat / 4)) < 0.4  # JACK's period and a busy machine
        room.clock.set_tempo(240.0)
        until(lambda: not midi.status()["playing"])
        until(lambda: len(pulses(synth)) > 16 * 24 - 7)
        moments = pulses(synth)
        assert len(moments) == pytest.approx(16 * 24, abs=6)
        assert (moments[-1] - moments[-97]) / 4 == pytest.approx(0.25, rel=0.15)  # a quarter at 240


@jack_may_drop
def test_the_rooms_stop_stops_it_and_its_start_begins_on_the_bar(midi: LiveMidi, room: Room) -> None:
    room.clock.start()
    midi.use(score(bars=32))
    with listening("MusicGen Studio") as synth:
        midi.play()
        until(lambda: len(synth.of(0x90)) > 3)
        room.clock.stop()
        until(lambda: not midi.status()["playing"])
        until(lambda: not synth.held)


def report(at: float, *, playing: bool = True, page: str = "one", **more: Any) -> dict[str, Any]:
    return {"source": "take:one", "playing": playing, "at": at, "when": now(), "rate": 1.0, "page": page, **more}


@jack_may_drop
def test_the_page_is_followed_and_another_pages_silence_does_not_stop_it(midi: LiveMidi) -> None:
    midi.use(score())
    with listening("MusicGen Studio") as synth:
        assert midi.follow(report(0.0, began=0.0), owner="")["followed"]
        until(lambda: synth.of(0x90))
        assert not midi.follow(report(0.0, playing=False, page="two"), owner="")["followed"]
        assert midi.status()["playing"]
        midi.follow(report(0.5, playing=False), owner="")
        assert not midi.status()["playing"]
        until(lambda: not synth.held)


def test_a_page_that_went_away_without_a_word_is_not_played_for_ever(midi: LiveMidi) -> None:
    midi.use(score(bars=64))
    midi.follow(report(0.0), owner="")
    assert midi.status()["playing"]
    until(lambda: not midi.status()["playing"])


def test_a_score_goes_round_in_whole_bars(midi: LiveMidi) -> None:
    midi.set({"go_round": True, "clock_out": True})
    midi.use(score(bars=1, tempo_bpm=240.0))
    with listening("MusicGen Studio") as synth:
        midi.play(tempo_bpm=240.0)
        until(lambda: len(synth.of(0x90)) > 20)
        midi.stop()
        assert messages.STOP not in [data for _, data in synth.messages[:40]]


def test_nothing_is_played_without_a_port_or_a_score() -> None:
    midi = LiveMidi(no_desk)
    try:
        with pytest.raises(LiveMidiError, match="what to play"):
            midi.play()
        midi.use(score())
        with pytest.raises(LiveMidiError, match="output"):
            midi.play()
        assert not midi.follow(report(0.0), owner="")["followed"]
        assert not midi._client.is_running
    finally:
        midi.close()


# ------------------------------------------------------------------------------------------------- scores


def test_each_part_has_a_channel_of_its_own_and_drums_have_ten() -> None:
    assert channels_for([False, True, False, True]) == [0, 9, 1, 9]
    many = channels_for([False] * 15)
    assert sorted(many) == [c for c in range(16) if c != 9]


def test_a_sketchs_file_comes_back_as_it_was_written() -> None:
    tracks = [
        MidiTrack("Piano", 1, False, [(0, 480, 60, 71), (480, 960, 64, 72)]),
        MidiTrack("Kit", 24, True, [(0, 60, 36, 99)]),
    ]
    data = midi_file(tracks, ticks_per_quarter=480, quarters_a_minute=97.0, beats=4, unit=4)
    played = score_of_midi(data, source="take:x", title="X", seconds=8.0)
    piano, kit = played.parts
    assert (piano.label, piano.channel, piano.program, kit.channel, kit.program) == ("Piano", 0, 1, 9, 24)
    assert [(round(n.start_seconds * 97 / 60, 4), n.pitch, n.velocity) for n in piano.notes] == [
        (0, 60, 71),
        (1, 64, 72),
    ]
    assert played.tempo_bpm == pytest.approx(97.0, abs=0.001)


def test_pulses_lie_on_the_tempo_map_through_its_changes() -> None:
    """A sound that begins three quarters into a bar and speeds up in the middle."""
    tempo_map = TempoMap(((0.0, 120.0), (8.0, 60.0)), sound_quarter=3.0)
    note = Note(0.0, 1.0, 60, 80)
    played = LiveScore("s", "S", 6.0, (LivePart("P", False, 0, 0, (note,)),), tempo_map, "heard")
    timeline = played.timeline("seconds")
    assert timeline.first_pulse == 72
    quarters = [72 / 24 + n / 24 for n in range(len(timeline.pulses))]
    assert list(timeline.pulses) == pytest.approx([tempo_map.seconds_at(q) for q in quarters], abs=1e-9)
    in_quarters = played.timeline("quarters")
    assert in_quarters.pulses[24] == pytest.approx(1.0)
    assert in_quarters.presses[0].end == pytest.approx(2.0)  # a second at 120


# ----------------------------------------------------------------------------------------------- recording


def test_what_was_played_into_the_count_in_is_left_out_but_an_early_downbeat_is_not() -> None:
    keys = [Key(-1.5, 50, 80), Key(-1.2, 50, 0), Key(-0.1, 60, 90), Key(0.4, 60, 0), Key(0.5, 62, 70)]
    notes = notes_of_keys(keys, tempo_bpm=120.0, ends_seconds=1.0)
    assert [(n.start_seconds, n.end_seconds, n.pitch, n.velocity) for n in notes] == [
        (0.0, 0.4, 60, 90),
        (0.5, 1.0, 62, 70),
    ]


def test_a_key_struck_again_before_it_came_up_makes_two_notes() -> None:
    notes = notes_of_keys([Key(0.0, 60, 80), Key(0.5, 60, 81), Key(0.9, 60, 0)], tempo_bpm=120.0, ends_seconds=1.0)
    assert [(n.start_seconds, n.end_seconds) for n in notes] == [(0.0, 0.5), (0.5, 0.9)]


@pytest.mark.parametrize(
    ("steps", "starts"), [(0, [0.07, 0.61]), (4, [0.125, 0.625]), (2, [0.0, 0.5]), (3, [0.0, 2 / 3])]
)
def test_the_grid_moves_notes_to_the_nearest_step(steps: int, starts: list[float]) -> None:
    notes = (Note(0.07, 0.2, 60, 80), Note(0.61, 0.7, 64, 80))
    moved = on_grid(notes, tempo_bpm=120.0, steps_a_beat=steps)
    assert [n.start_seconds for n in moved] == pytest.approx(starts)
    assert all(n.end_seconds > n.start_seconds for n in moved)


def test_a_melody_file_carries_its_tempo_and_nothing_played_is_refused() -> None:
    file = mido.MidiFile(file=io.BytesIO(melody_file((Note(0.0, 0.5, 60, 80),), tempo_bpm=97.0, beats_a_bar=3)))
    head = {message.type: message for message in file.tracks[0]}
    assert mido.tempo2bpm(head["set_tempo"].tempo) == pytest.approx(97.0, abs=0.001)
    assert head["time_signature"].numerator == 3
    with pytest.raises(NothingPlayed):
        melody_file((), tempo_bpm=120.0)
