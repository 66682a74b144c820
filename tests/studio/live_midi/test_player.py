"""Notes, clock and song position as they leave, whatever the transport does."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Sequence

import pytest

from studio.live_midi import messages
from studio.live_midi.player import Due, Player, Press, Timeline, Transport

PARTS = {0: 0, 1: 1, 2: messages.DRUM_CHANNEL}


def song(seconds: float = 8.0, *, tempo_bpm: float = 120.0) -> Timeline:
    """Eighth notes, a long chord a bar that overlaps itself, and drums whose strokes are short."""
    presses = []
    for eighth in range(int(seconds / 0.25)):
        presses.append(Press(eighth * 0.25, eighth * 0.25 + 0.24, 0, 60 + eighth % 8, 70 + eighth % 50))
        presses.append(Press(eighth * 0.25, eighth * 0.25 + 0.05, 2, 36 + eighth % 4, 100))
    for bar in range(int(seconds / 2.0)):
        presses += [Press(bar * 2.0, bar * 2.0 + 2.5, 1, pitch, 80) for pitch in (48, 52, 55)]
    pulse = 60.0 / tempo_bpm / messages.PULSES_A_QUARTER
    return Timeline(tuple(presses), tuple(n * pulse for n in range(int(seconds / pulse + 1e-9))), 0, seconds, (0, 4, 0))


def loaded(timeline: Timeline | None = None, *, clock: bool = False, programs: bool = False) -> Player:
    player = Player()
    player.sends_programs = programs
    player.load(timeline or song(), PARTS, now=0.0)
    player.set_clock(clock, now=0.0)
    return player


def from_place(place: float, *, when: float = 0.0, loop: tuple[float, float] | None = None) -> Transport:
    return Transport(playing=True, place=place, when=when, loop=loop, exact=True)


def run(player: Player, start: float, end: float, *, step: float = 0.003) -> list[Due]:
    sent = []
    for number in range(int((end - start) / step) + 1):
        sent += player.due(start + number * step)
    return sent + player.due(end)


def notes(sent: Sequence[Due]) -> list[tuple[str, int, int]]:
    kinds = {0x90: "on", 0x80: "off"}
    return [(kinds[d.data[0] & 0xF0], d.data[0] & 0x0F, d.data[1]) for d in sent if d.data[0] & 0xF0 in kinds]


def check_pairs(sent: Sequence[Due]) -> Counter[tuple[int, int]]:
    """Every note-off belongs to a note-on before it, and no key is struck while it is down. Returns what still sounds."""
    down: Counter[tuple[int, int]] = Counter()
    for kind, channel, pitch in notes(sent):
        if kind == "on":
            assert not down[channel, pitch], "struck while it was down"
            down[channel, pitch] += 1
        else:
            assert down[channel, pitch] == 1, "let go without having been struck"
            del down[channel, pitch]
    return down


def test_every_note_leaves_once_at_its_own_moment() -> None:
    player = loaded()
    sent = player.follow(from_place(0.0, when=5.0), now=5.0) + run(player, 5.0, 14.0)
    ons = [(round(d.when - 5.0, 6), d.data[0] & 15, d.data[1], d.data[2]) for d in sent if d.data[0] & 0xF0 == 0x90]
    asked = [(round(p.start, 6), PARTS[p.part], p.pitch, p.velocity) for p in song().presses]
    assert sorted(ons) == sorted(asked)
    assert not check_pairs(sent)
    assert not player.playing  # it ended by itself


def test_velocity_is_as_it_was_written_and_drums_are_on_channel_ten() -> None:
    player = loaded()
    sent = player.follow(from_place(0.0), now=0.0) + run(player, 0.0, 0.1)
    first = {d.data[0] & 15: d.data[2] for d in sent if d.data[0] & 0xF0 == 0x90}
    assert first == {0: 70, 1: 80, 9: 100}


def test_no_note_is_stuck_after_a_thousand_jumps_stops_and_switches() -> None:
    """Seeks, loops, stops, parts and channels at random: the notes pair, and after the last stop nothing sounds."""
    dice = random.Random(20261126)
    player, sent, now = loaded(clock=True, programs=True), [], 0.0
    for _ in range(1_000):
        match dice.randrange(6):
            case 0:
                sent += player.follow(Transport(playing=False, place=dice.uniform(0, 8)), now=now)
            case 1 | 2:
                sent += player.follow(from_place(dice.uniform(-0.2, 8.2), when=now - dice.uniform(-0.1, 0.1)), now=now)
            case 3:
                a, b = sorted((dice.uniform(0, 8), dice.uniform(0, 8)))
                sent += player.follow(from_place(dice.uniform(0, 8), when=now, loop=(a, b)), now=now)
            case 4:
                channels = {p: dice.choice((c, 3)) for p, c in PARTS.items() if dice.random() < 0.7}
                sent += player.set_parts(channels, now=now)
            case 5:
                sent += player.set_clock(dice.random() < 0.5, now=now)
        for _ in range(dice.randrange(40)):
            now += dice.uniform(0.0, 0.06)
            sent += player.due(now)
    struck = sum(kind == "on" for kind, _, _ in notes(sent))
    sent += player.follow(Transport(playing=False), now=now)
    assert struck > 2_000
    assert not check_pairs(sent)


def test_at_every_moment_those_keys_are_down_that_the_song_holds_there() -> None:
    """Through jumps and loops: what an instrument holds is what is written at that place."""
    dice = random.Random(11)
    timeline, player, down, now = song(), loaded(), set(), 0.0
    pitched = [press for press in timeline.presses if press.part != 2]
    for _ in range(200):
        loop = tuple(sorted((dice.uniform(0, 3), dice.uniform(4, 8)))) if dice.random() < 0.5 else None
        sent = player.follow(from_place(dice.uniform(0, 7), when=now, loop=loop), now=now)
        for _ in range(dice.randrange(1, 30)):
            for kind, channel, pitch in notes(sent):
                (down.add if kind == "on" else down.discard)((channel, pitch))
            place = player.place_at(now)
            held = [p for p in pitched if p.start <= place < p.end]
            if player.playing and all(min(abs(p.start - place), abs(p.end - place)) > 0.025 for p in pitched):
                assert {key for key in down if key[0] != 9} == {(PARTS[p.part], p.pitch) for p in held}
            now += dice.uniform(0.0, 0.11)
            sent = player.due(now)
        for kind, channel, pitch in notes(sent):
            (down.add if kind == "on" else down.discard)((channel, pitch))


def test_a_stop_lets_go_of_what_sounds_at_once() -> None:
    player = loaded()
    sent = player.follow(from_place(0.0), now=0.0) + run(player, 0.0, 0.1)
    assert check_pairs(sent)  # a chord is held
    stopped = player.follow(Transport(playing=False, place=0.1), now=0.1)
    assert not check_pairs(sent + stopped)
    assert player.due(3.0) == []
    assert player.next_due() is None


def test_a_jump_into_a_held_chord_strikes_it_again_but_no_drum() -> None:
    player = loaded()
    sent = player.follow(from_place(1.02), now=0.0)  # a drum's stroke is not over yet either
    assert sorted(notes(sent)) == [("on", 0, 64), ("on", 1, 48), ("on", 1, 52), ("on", 1, 55)]


def test_a_part_switched_off_falls_silent_and_the_others_go_on() -> None:
    player = loaded()
    before = player.follow(from_place(0.0), now=0.0) + run(player, 0.0, 0.1)
    switched = player.set_parts({0: 0, 2: 9}, now=0.1)
    after = run(player, 0.1, 3.0)
    assert {channel for kind, channel, _ in notes(switched)} == {1}
    assert {channel for kind, channel, _ in notes(after) if kind == "on"} == {0, 9}
    assert all(channel != 1 for channel, _ in check_pairs(before + switched + after))


def test_a_loop_goes_round_without_a_gap_and_leaves_nothing_sounding() -> None:
    player = loaded()
    sent = player.follow(from_place(2.0, loop=(2.0, 4.0)), now=0.0) + run(player, 0.0, 6.1)
    drums = [d.when for d in sent if d.data[0] == 0x90 | 9]
    assert drums == pytest.approx([n * 0.25 for n in range(25)], abs=1e-6)
    check_pairs(sent)


@pytest.mark.parametrize("tempo_bpm", [60.0, 97.0, 174.0])
def test_clock_is_24_pulses_a_quarter(tempo_bpm: float) -> None:
    player = loaded(song(8.0, tempo_bpm=tempo_bpm), clock=True)
    sent = player.follow(from_place(0.0), now=0.0) + run(player, 0.0, 9.0)
    pulses = [d.when for d in sent if d.data == messages.CLOCK]
    assert len(pulses) == int(8.0 * tempo_bpm / 60.0 * 24 + 1e-9)
    assert pulses == pytest.approx([n * 60.0 / tempo_bpm / 24 for n in range(len(pulses))], abs=1e-6)
    assert [d.data for d in sent if d.data in (messages.START, messages.STOP)] == [messages.START, messages.STOP]


def test_a_quarter_keeps_its_24_pulses_over_every_change_of_tempo() -> None:
    """On a beat clock, places are quarters and the rate is the tempo, which moves all the time."""
    dice = random.Random(7)
    quarters = 64
    timeline = Timeline((), tuple(n / 24 for n in range(quarters * 24)), 0, float(quarters), ())
    player = loaded(timeline, clock=True)
    beat, now, tempo = 0.0, 0.0, 120.0
    sent = player.follow(Transport(True, beat, now, tempo / 60, exact=True), now=now)
    marks = []  # the moments of the quarters by the clock itself
    while player.playing:
        length = dice.uniform(0.05, 0.4)
        first = int(beat) + (beat > int(beat))
        sent += run(player, now, now + length, step=0.001)
        after = beat + length * tempo / 60
        marks += [now + (n - beat) * 60 / tempo for n in range(first, int(after) + 1) if beat <= n < after]
        beat, now, tempo = after, now + length, dice.uniform(60, 200)
        if player.playing:
            sent += player.follow(Transport(True, beat, now, tempo / 60, exact=True), now=now)
    pulses = [d.when for d in sent if d.data == messages.CLOCK]
    assert len(pulses) == quarters * 24
    assert pulses[::24] == pytest.approx(marks[:quarters], abs=1e-6)
    assert pulses == sorted(pulses)


def test_clock_runs_evenly_through_a_loop() -> None:
    player = loaded(clock=True)
    sent = player.follow(from_place(1.0, loop=(0.0, 2.0)), now=0.0) + run(player, 0.0, 10.0)
    assert sum(d.data == messages.CLOCK for d in sent) == pytest.approx(480, abs=1)
    pulses = [d.when for d in sent if d.data == messages.CLOCK]
    gaps = {round(b - a, 6) for a, b in itertools.pairwise(pulses)}
    assert max(gaps) - min(gaps) < 2e-6
    assert messages.STOP not in [d.data for d in sent]


def test_a_jump_sends_the_song_position_and_the_next_pulse_is_that_sixteenth() -> None:
    player = loaded(clock=True)
    sent = player.follow(from_place(0.0), now=0.0) + run(player, 0.0, 0.5)
    jumped = player.follow(from_place(3.05, when=0.5), now=0.5)
    assert [d.data for d in jumped if d.data[0] >= 0xF0] == [
        messages.STOP, messages.song_position(25), messages.CONTINUE,
    ]  # fmt: skip
    after = [d for d in run(player, 0.5, 1.5) if d.data == messages.CLOCK]
    assert 3.05 + after[0].when - 0.5 == pytest.approx(25 * 0.125, abs=1e-6)
    assert messages.START in [d.data for d in sent]


def test_song_position_is_two_bytes_of_seven_bits() -> None:
    assert messages.song_position(0) == bytes((0xF2, 0, 0))
    assert messages.song_position(300) == bytes((0xF2, 300 & 127, 300 >> 7))
    assert messages.song_position(99_999) == bytes((0xF2, 127, 127))


def test_panic_silences_sixteen_channels_three_ways_and_what_is_known_to_sound() -> None:
    player = loaded()
    sent = player.follow(from_place(0.0), now=0.0) + run(player, 0.0, 0.1)
    held = check_pairs(sent)
    panic = player.panic(now=0.1)
    assert not check_pairs(sent + panic)
    assert len(held) == sum(kind == "off" for kind, _, _ in notes(panic)) > 0
    controls = {(d.data[0] & 15, d.data[1]) for d in panic if d.data[0] & 0xF0 == 0xB0}
    assert controls == {(channel, number) for channel in range(16) for number in (120, 121, 123)}


def test_late_news_of_a_start_loses_no_first_note() -> None:
    player = loaded()
    sent = player.follow(Transport(True, place=0.08, when=1.0, began=0.0), now=1.0)
    sent += player.due(1.0)
    assert ("on", 9, 36) in notes(sent)
    seek = loaded()
    sent = seek.follow(Transport(True, place=0.08, when=1.0), now=1.0) + seek.due(1.0)
    assert ("on", 9, 36) not in notes(sent)


def test_reports_that_waver_neither_repeat_nor_lose_a_note() -> None:
    """A page measures its playhead to some milliseconds; it is followed gently and never jumps for that."""
    dice = random.Random(3)
    player, now = loaded(), 0.0
    sent = player.follow(Transport(True, 0.0, 0.0, began=0.0), now=0.0)
    while player.playing:  # reports are up to 30 ms off
        for _ in range(100):
            now += 0.005
            sent += player.due(now)
        if player.playing:
            sent += player.follow(Transport(True, now + dice.uniform(-0.03, 0.03), now), now=now)
    strokes = [d.when for d in sent if d.data[0] == 0x90 | 9]
    off = sorted(abs(moment - n * 0.25) for n, moment in enumerate(strokes))
    assert off[-1] < 0.02 and off[len(off) // 2] < 0.01
    ons = Counter((channel, pitch) for kind, channel, pitch in notes(sent) if kind == "on")
    assert ons == Counter((PARTS[p.part], p.pitch) for p in song().presses)
    assert not check_pairs(sent)


def test_two_parts_on_one_channel_never_cut_each_others_pairs() -> None:
    timeline = Timeline((Press(0.0, 1.0, 0, 60, 90), Press(0.5, 2.0, 1, 60, 90)), (), 0, 3.0, (None, None))
    player = Player()
    player.load(timeline, {0: 4, 1: 4}, now=0.0)
    sent = player.follow(from_place(0.0), now=0.0) + run(player, 0.0, 3.5)
    assert notes(sent) == [("on", 4, 60), ("off", 4, 60), ("on", 4, 60), ("off", 4, 60)]
    assert sent[-1].when == pytest.approx(2.0, abs=1e-6)


def test_each_part_says_its_instrument_before_it_plays() -> None:
    player = loaded(programs=True)
    sent = player.follow(from_place(0.0), now=0.0)
    assert [d.data for d in sent[:3]] == [bytes((0xC0, 0)), bytes((0xC1, 4)), bytes((0xC9, 0))]
