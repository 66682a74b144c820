"""A melody from a file or a take to a take that plays it, without any model: through the studio as it is used."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from agents.harmony import Chord
from agents.knowledge import instruments
from agents.types import Brief
from audio.clip import Clip
from studio.engines.base import Sampling
from studio.engines.sketch.exchange import tracks_of
from studio.engines.steering import Steering
from studio.job import GenerateRequest, JobView
from studio.settings import Settings
from studio.studio import NotYours, Studio
from studio.takes import Take
from tests.tunes import ODE_TO_JOY, TWINKLE, hummed, midi_of, notes_of


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with Studio(Settings(data_dir=tmp_path_factory.mktemp("studio"))) as opened:
        yield opened


def made(studio: Studio, words: str, *, owner: str = "", seed: int = 3, **steering: object) -> JobView:
    sampling = Sampling(seed=seed, steering=Steering.model_validate(steering))
    request = GenerateRequest(brief=Brief(words=words), engine="sketch", sampling=sampling)
    return studio.jobs.wait(studio.generate(request, owner=owner).id, timeout_seconds=120)


def take_of(studio: Studio, job: JobView) -> Take:
    assert job.state == "done", job.error
    return studio.entry(job.take_id or "", owner=None).take


def sung(studio: Studio, take: Take) -> list[tuple[float, int]]:
    """What the take's exact MIDI has of its lead, in quarters."""
    label = instruments()[take.identity["melody"]["played_by"]].label
    track = next(track for track in tracks_of(studio.store.midi_path(take.id).read_bytes()) if track.name == label)
    return [(start / 960, pitch) for start, _, pitch, _ in track.notes]


@pytest.fixture(scope="module")
def ode(studio: Studio) -> Take:
    name = studio.pipeline.sounds.keep_file(midi_of(notes_of(ODE_TO_JOY), tempo_bpm=104.0))
    return take_of(studio, made(studio, "pop song", melody=name))


def test_a_takes_midi_holds_the_melody_at_its_bars(studio: Studio, ode: Take) -> None:
    verse = next(n for n, section in enumerate(ode.plan.sections) if section.name.value == "verse")
    begins = 4.0 * sum(section.bars.value for section in ode.plan.sections[:verse])
    bars = min(8, ode.plan.sections[verse].bars.value)
    wanted = [(begins + n.start_quarters, n.pitch) for n in notes_of(ODE_TO_JOY) if n.start_quarters < 4 * bars]
    moved = 12 * ode.identity["melody"]["moved_octaves"]
    assert sung(studio, ode)[: len(wanted)] == [(at, pitch + moved) for at, pitch in wanted]


def test_the_take_says_what_it_follows(studio: Studio, ode: Take) -> None:
    assert ode.identity["melody"] | {"played_by": "", "moved_octaves": 0} == {
        "source": "midi", "name": ode.sampling.steering.melody if ode.sampling.steering else "", "notes": 30, "bars": 8,
        "key": "C major", "drawn_to_grid": 0.0, "played_by": "", "moved_octaves": 0,
    }  # fmt: skip
    assert (ode.plan.tempo_bpm.value, ode.plan.tempo_bpm.by) == (104.0, "inferred")
    assert ode.plan.shaped_by[0].name == "Your melody"


def test_most_chords_hold_what_is_sung_longest_over_them(ode: Take, studio: Studio) -> None:
    chart = [Chord.parse(s.chords.value[b % len(s.chords.value)]) for s in ode.plan.sections for b in range(s.bars.value)]  # fmt: skip
    firsts = {int(at / 4): pitch for at, pitch in reversed(sung(studio, ode)) if at % 4 == 0}
    held = [pitch % 12 in chart[bar].pitch_classes for bar, pitch in firsts.items() if bar < len(chart)]
    assert len(held) >= 8 and sum(held) >= 0.75 * len(held)


def test_made_again_it_sings_the_same(studio: Studio, ode: Take) -> None:
    again = take_of(studio, studio.jobs.wait(studio.make_again(ode.id).id, timeout_seconds=120))
    assert sung(studio, again) == sung(studio, ode) and again.plan == ode.plan


def test_a_takes_own_melody_is_taken_exactly_and_only_by_its_owner(studio: Studio) -> None:
    name = studio.pipeline.sounds.keep_file(midi_of(notes_of(TWINKLE), tempo_bpm=100.0))
    first = take_of(studio, made(studio, "solo flute, 12 seconds", owner="ada", melody=name))
    second = take_of(studio, made(studio, "jazz trio", owner="ada", melody=f"take:{first.id}"))
    assert second.identity["melody"]["source"] == "take"
    assert second.plan.tempo_bpm.value == first.plan.tempo_bpm.value
    first_bar = [pitch % 12 for _, pitch in sung(studio, second)][:7]
    assert first_bar == [pitch % 12 for _, pitch in sung(studio, first)][:7]
    with pytest.raises(NotYours):
        made(studio, "jazz trio", owner="bob", melody=f"take:{first.id}")


def test_what_is_hummed_is_sung(studio: Studio) -> None:
    name = studio.pipeline.sounds.keep(hummed(notes_of(TWINKLE), tempo_bpm=92.0, loose_seconds=0.02))
    take = take_of(studio, made(studio, "pop song", melody=name))
    assert take.identity["melody"]["source"] == "heard" and take.plan.key.value.name == "C major"
    assert take.plan.tempo_bpm.value == pytest.approx(92.0, rel=0.03)
    notes = sung(studio, take)[:14]
    assert [pitch % 12 for _, pitch in notes] == [0, 0, 7, 7, 9, 9, 7, 5, 5, 4, 4, 2, 2, 0]
    off = [at - notes[0][0] - n.start_quarters for (at, _), n in zip(notes, notes_of(TWINKLE), strict=True)]
    assert max(map(abs, off)) < 0.1


@pytest.mark.parametrize(
    ("sound", "sentence"),
    [
        (Clip(np.zeros((1, 44_100), np.float32), 44_100), "The melody is silent"),
        (midi_of([]), "holds no notes but drums"),
    ],
)
def test_a_melody_that_is_none_is_a_sentence(studio: Studio, sound: Clip | bytes, sentence: str) -> None:
    sounds = studio.pipeline.sounds
    name = sounds.keep(sound) if isinstance(sound, Clip) else sounds.keep_file(sound)
    job = made(studio, "pop song", melody=name)
    assert job.state == "failed" and sentence in job.error


def test_the_plan_shown_first_is_the_plan_that_is_played(studio: Studio) -> None:
    steering = Steering(melody=studio.pipeline.sounds.keep_file(midi_of(notes_of(TWINKLE))), melody_to_key=True)
    brief = Brief(words="lo-fi hip hop in F major, 20 seconds")
    plan = studio.plan(brief, seed=5, steering=steering)
    assert any("moved from C major" in note for note in plan.notes)
    request = GenerateRequest(brief=brief, plan=plan, engine="sketch", sampling=Sampling(seed=5, steering=steering))
    take = take_of(studio, studio.jobs.wait(studio.generate(request).id, timeout_seconds=120))
    assert take.plan == plan
    assert [pitch % 12 for _, pitch in sung(studio, take)][:4] == [5, 5, 0, 0]
