"""What the composer writes: in key, in time, in style, and with an end."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from itertools import pairwise

import pytest

from agents.harmony import Chord
from agents.knowledge import GROOVES
from studio.engines.sketch.compose import compose
from studio.engines.sketch.grooves import all_grooves, lanes_of, steps_of
from studio.engines.sketch.score import TICKS_PER_QUARTER, Score

METERS = ("4/4", "3/4", "6/8", "12/8", "5/4", "7/8", "2/2", "9/8", "3/8", "5/8")


def foreign_notes(score: Score, plan) -> list[tuple[str, str]]:
    """Notes neither in the key nor in the chord they sound with."""
    chords = [
        Chord.parse(s.chords.value[bar % len(s.chords.value)]) for s in plan.sections for bar in range(s.bars.value)
    ]
    bar_ticks = round(plan.meter.value.quarters_per_bar * TICKS_PER_QUARTER)
    found = []
    for part in score.parts:
        if part.is_kit:
            continue
        for note in part.notes:
            # A few ticks of humanised timing, and anticipations, may start just before their bar.
            near = {
                min(max((note.start_tick + shift) // bar_ticks, 0), len(chords) - 1)
                for shift in (0, TICKS_PER_QUARTER + 60)
            }
            allowed = set(score.key.scale).union(*(chords[bar].pitch_classes for bar in near))
            if note.pitch % 12 not in allowed:
                found.append((part.name, score.key.note_name(note.pitch)))
    return found


def test_every_groove_the_knowledge_names_can_be_played():
    assert set(all_grooves()) == set(GROOVES)


@pytest.mark.parametrize("groove", GROOVES)
def test_no_groove_ever_leaves_the_key(groove, make_plan):
    for key, chords in (
        ("A minor", ()),
        ("Eb major", ()),
        ("D dorian", ("Dm7", "G7", "Am7", "C")),
        ("C major", ("C", "Fm", "Bb7", "E7")),  # borrowed chords bring their own notes
    ):
        plan = make_plan(groove=groove, key=key, chords=chords)
        for seed in (1, 2):
            assert foreign_notes(compose(plan, seed=seed), plan) == []


def test_over_a_borrowed_chord_the_key_gives_way():
    """E7 in A minor brings G sharp: the tune may not sing G against it."""
    from agents.harmony import Key
    from studio.engines.sketch.timeline import scale_over

    scale = scale_over(Key.parse("A minor"), Chord.parse("E7"))
    assert 8 in scale and 7 not in scale


@pytest.mark.parametrize("meter", METERS)
def test_every_groove_can_be_played_in_every_meter(meter, make_plan):
    for groove in GROOVES:
        plan = make_plan(groove=groove, meter=meter)
        score = compose(plan, seed=1)
        bar_ticks = round(plan.meter.value.quarters_per_bar * TICKS_PER_QUARTER)
        assert score.section_ticks == [0, 2 * bar_ticks, 6 * bar_ticks]
        heard = {note.start_tick // bar_ticks for part in score.parts for note in part.notes}
        assert heard >= set(range(10)), f"{groove} leaves bars of {meter} empty"


def test_no_two_grooves_play_the_same(make_plan):
    """Same song, same band: the rhythm of drums, bass and chords tells every groove from every other."""
    band = ["drum_kit", "hand_percussion", "finger_bass", "piano"]
    rhythms = {}
    for groove in GROOVES:
        score = compose(make_plan(groove=groove, instruments=band, form=(("verse", 4, 0.7),)), seed=1)
        rhythms[groove] = json.dumps(
            {
                part.name: sorted({(round(n.start_tick / 120), n.pitch if part.is_kit else 0) for n in part.notes})
                for part in score.parts
            }
        )
    twice = [text for text, count in Counter(rhythms.values()).items() if count > 1]
    assert not twice, [groove for groove, text in rhythms.items() if text in twice]


def test_a_groove_is_written_in_whole_beats():
    for name, groove in all_grooves().items():
        texts = [*groove.drums, groove.percussion] if groove.percussion else groove.drums
        lines = [bars for text in texts for bars in lanes_of(text).values()]
        lines += [steps_of(line) for line in (*groove.bass, *groove.comp, *groove.comp_plucked)]
        for bars in lines:
            assert all(len(bar) == groove.beats for bar in bars), name
            assert all(len(beat) in (3, 4) for bar in bars for beat in bar), name


def test_house_puts_a_kick_on_every_beat(make_plan):
    score = compose(make_plan(groove="four_on_floor", form=(("drop", 4, 0.9),)), seed=1)
    kicks = {round(n.start_tick / TICKS_PER_QUARTER) for p in score.parts if p.is_kit for n in p.notes if n.pitch == 36}
    assert kicks >= set(range(14))


def test_one_drop_leaves_the_first_beat_empty(make_plan):
    score = compose(make_plan(groove="reggae_one_drop", form=(("verse", 8, 0.5),)), seed=1)
    kicks = [n.start_tick for p in score.parts if p.is_kit for n in p.notes if n.pitch == 36]
    on_the_one = [
        tick
        for tick in kicks
        if (tick + 60) % 3840 < 120 and tick < score.last_hit_seconds / score.seconds_per_tick - 60
    ]
    assert kicks and not on_the_one


def test_jazz_walks_in_quarters_and_swings_its_ride(make_plan):
    score = compose(make_plan(groove="jazz_swing", form=(("head", 8, 0.6),)), seed=1)
    bass = next(p for p in score.parts if p.role == "bass")
    ride = [n.start_tick % 960 for p in score.parts if p.is_kit for n in p.notes if n.pitch == 51]
    assert len({round(n.start_tick / 960) for n in bass.notes if n.start_tick < 8 * 3840 - 60}) == 32
    late = [tick for tick in ride if 300 < tick < 900]
    assert late and all(590 < tick < 690 for tick in late)


def test_more_energy_is_more_notes_and_louder_ones(make_plan):
    for groove in ("rock_straight", "funk_16ths", "orchestral", "samba"):
        calm = compose(make_plan(groove=groove, form=(("verse", 8, 0.15),)), seed=1)
        loud = compose(make_plan(groove=groove, form=(("verse", 8, 0.95),)), seed=1)

        def weight(score: Score) -> int:
            return sum(n.velocity for part in score.parts for n in part.notes)

        assert weight(loud) > 1.4 * weight(calm), groove


def test_a_section_starts_with_a_crash_and_ends_with_a_fill(make_plan):
    plan = make_plan(groove="rock_straight", form=(("verse", 8, 0.6), ("chorus", 8, 0.9)))
    drums = next(p for p in compose(plan, seed=1).parts if p.is_kit)
    crashes = [n.start_tick for n in drums.notes if n.pitch == 49]
    assert any(abs(tick - 8 * 3840) < 60 for tick in crashes)
    last_bar = {n.pitch for n in drums.notes if 7 * 3840 + 1900 <= n.start_tick < 8 * 3840 - 60}
    middle_bar = {n.pitch for n in drums.notes if 5 * 3840 + 1900 <= n.start_tick < 6 * 3840 - 60}
    assert last_bar != middle_bar


def test_chords_move_as_little_as_they_can(make_plan):
    pad = next(p for p in compose(make_plan(instruments=["warm_pad"], form=(("verse", 8, 0.5),)), seed=1).parts)
    by_bar = [
        sorted(n.pitch for n in pad.notes if n.start_tick - 60 <= bar * 3840 < n.end_tick - 60) for bar in range(8)
    ]
    for before, after in itertools.pairwise(by_bar):
        assert abs(sum(after) / len(after) - sum(before) / len(before)) < 5


def test_the_song_ends_at_home_when_the_sections_are_over(make_plan):
    plan = make_plan(groove="rock_straight", ring_seconds=1.5)
    score = compose(plan, seed=4)
    assert score.last_hit_seconds == pytest.approx(plan.music_seconds, abs=0.001)
    last = [
        n
        for p in score.parts
        if not p.is_kit
        for n in p.notes
        if abs(n.start_tick * score.seconds_per_tick - plan.music_seconds) < 0.06
    ]
    assert last and {n.pitch % 12 for n in last} <= {9, 0, 4}


def test_without_time_to_ring_the_last_bar_is_the_end(make_plan):
    plan = make_plan(groove="rock_straight", ring_seconds=0.0)
    score = compose(plan, seed=4)
    assert plan.music_seconds - plan.bar_seconds - 0.01 <= score.last_hit_seconds < plan.music_seconds - 0.5


def test_drummers_do_not_rush(make_plan):
    """Humanised by milliseconds, and no later at the end than at the beginning."""
    plan = make_plan(groove="rock_straight", form=(("verse", 64, 0.6),))
    score = compose(plan, seed=1)
    drums = next(p for p in score.parts if p.is_kit)
    off = [
        (n.start_tick - round(n.start_tick / 480) * 480) * score.seconds_per_tick for n in drums.notes if n.pitch == 42
    ]
    assert max(map(abs, off)) < 0.02
    assert abs(sum(off[-100:]) / 100 - sum(off[:100]) / 100) < 0.002


def test_only_the_named_instruments_play_in_a_section(make_plan):
    plan = make_plan(
        form=(("intro", 4, 0.4), ("verse", 4, 0.6)),
        instruments=["piano", "drum_kit"],
        section_instruments=(["piano"], ["piano", "drum_kit"]),
    )
    drums = next(p for p in compose(plan, seed=1).parts if p.is_kit)
    assert min(n.start_tick for n in drums.notes) >= 4 * 3840 - 60


@pytest.mark.parametrize(
    "odd",
    [
        {"instruments": []},
        {"instruments": ["drum_kit"]},
        {"instruments": ["violin"]},
        {"instruments": ["finger_bass"]},
        {"instruments": ["a theremin nobody knows"]},
        {"instruments": ["piano", "strings"], "groove": "four_on_floor"},
        {"form": (("all", 1, 0.5),)},
        {"form": (("all", 1, 0.5),), "ring_seconds": 0.0},
        {"form": tuple((f"part {k}", 1, k / 64) for k in range(64))},
        {"tempo_bpm": 30.0, "form": (("slow", 2, 0.5),)},
        {"tempo_bpm": 300.0},
        {"genre": "a genre nobody knows", "groove": "rock_straight"},
    ],
    ids=str,
)  # fmt: skip
def test_odd_plans_are_played_all_the_same(odd, make_plan):
    plan = make_plan(**odd)
    score = compose(plan, seed=1)
    assert score.parts and all(part.notes for part in score.parts)
    end = plan.seconds.value / score.seconds_per_tick + 1
    assert all(0 <= n.start_tick < n.end_tick <= end for part in score.parts for n in part.notes)


@pytest.mark.parametrize(
    ("groove", "band"),
    [("ambient_free", ["drum_kit"]), ("jazz_swing", ["piano"]), ("orchestral", ["orchestral_kit"]), ("reggae_one_drop", ["finger_bass"]),
     ("ambient_free", ["pizzicato"])],
)  # fmt: skip
def test_however_few_play_it_is_never_silent_for_a_second(groove, band, make_plan):
    plan = make_plan(groove=groove, instruments=band, tempo_bpm=60.0, form=(("quiet", 8, 0.1),))
    score = compose(plan, seed=1)
    starts = sorted(n.start_tick * score.seconds_per_tick for part in score.parts for n in part.notes)
    ends = sorted(n.end_tick * score.seconds_per_tick for part in score.parts for n in part.notes)
    if band in (["piano"], ["finger_bass"]):
        holes = [s - max((e for e in ends if e <= s), default=0.0) for s in starts]
    else:
        holes = [b - a for a, b in pairwise(starts)]  # strokes: what counts is how soon the next one comes
    assert max(holes) <= 1.0 + 0.05
    assert foreign_notes(score, plan) == []


def test_an_unknown_groove_is_guessed_from_its_words(make_plan):
    plan = make_plan()
    plan.groove.__dict__["value"] = "melodic techno thing"
    assert compose(plan, seed=1).groove_name == "techno_rolling"


def test_seeds_differ_and_a_seed_is_kept(make_plan):
    plan = make_plan(groove="jazz_swing")
    one, again, two = (compose(plan, seed=s) for s in (1, 1, 2))
    assert [p.notes for p in one.parts] == [p.notes for p in again.parts]
    assert [p.notes for p in one.parts] != [p.notes for p in two.parts]


def test_choruses_share_their_tune(make_plan):
    plan = make_plan(form=(("chorus", 4, 0.8), ("verse", 4, 0.8), ("chorus", 4, 0.8)), instruments=["piano", "flute"])
    flute = next(p for p in compose(plan, seed=3).parts if p.role == "melody")

    def rhythm(first_bar: int) -> list[int]:
        return [
            round((n.start_tick - first_bar * 3840) / 240)
            for n in flute.notes
            if first_bar * 3840 - 60 <= n.start_tick < (first_bar + 3) * 3840 - 60
        ]

    assert rhythm(0) == rhythm(8) != rhythm(4)
