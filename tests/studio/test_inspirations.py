"""References in a studio: takes lend what they are, plans and prompts follow by weight, and nobody lends another's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.taste import Taste
from agents.types import Brief
from audio.clip import Clip
from studio.engines.base import Sampling
from studio.engines.steering import PromptWeight, Steering
from studio.job import GenerateRequest
from studio.library.inspirations import ReferenceGone
from studio.settings import Settings
from studio.studio import Studio
from studio.takes import Take


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with Studio(Settings(data_dir=tmp_path_factory.mktemp("inspired"))) as studio:
        yield studio


def make(studio: Studio, words: str, *, owner: str = "", **brief: object) -> Take:
    request = GenerateRequest(brief=Brief(words=words, seconds=10.0, **brief), sampling=Sampling(seed=4))  # type: ignore[arg-type]
    job = studio.jobs.wait(studio.generate(request, owner=owner).id, timeout_seconds=120)
    assert job.take_id, job.error
    return studio.store.read(job.take_id)


@pytest.fixture(scope="module")
def techno(studio: Studio) -> Take:
    return make(studio, "techno, 132 bpm, in F minor")


@pytest.fixture(scope="module")
def bossa(studio: Studio) -> Take:
    return make(studio, "bossa nova, 124 bpm, in C minor")


@pytest.fixture(scope="module")
def hers(studio: Studio) -> Take:
    return make(studio, "waltz in G major", owner="anna")


def test_a_take_lends_what_it_was_planned_to_be(studio: Studio, techno: Take) -> None:
    lent = studio.inspirations.reference(f"take:{techno.id}", owner=None)
    assert (lent.tempo_bpm, lent.genre, lent.groove) == (132.0, "techno", techno.plan.groove.value)
    assert lent.key == techno.plan.key.value and lent.register_pitch is not None and lent.percussive is not None


def test_a_take_made_after_others_keeps_who_shaped_it(studio: Studio, techno: Take, bossa: Take) -> None:
    names = (f"take:{techno.id}", f"take:{bossa.id}")
    made = make(studio, "", references=names, reference_weights=(2.0, 1.0))
    plan = made.plan
    assert 124 < plan.tempo_bpm.value < 132 and plan.tempo_bpm.value > 128
    assert plan.groove.value == techno.plan.groove.value
    assert [(one.id, one.weight) for one in plan.shaped_by] == list(zip(names, (2.0, 1.0), strict=True))
    assert [one.name for one in plan.shaped_by] == [techno.title, bossa.title]
    assert "132 bpm" in plan.shaped_by[0].gave
    again = studio.store.read(make_again(studio, made))
    assert again.plan.shaped_by == plan.shaped_by
    listed = studio.entry(made.id).take
    assert listed.plan.shaped_by == plan.shaped_by


def make_again(studio: Studio, take: Take) -> str:
    job = studio.jobs.wait(studio.make_again(take.id).id, timeout_seconds=120)
    assert job.take_id, job.error
    return job.take_id


def test_a_track_of_the_library_lends_what_was_measured(studio: Studio, techno: Take) -> None:
    from rag.tracks import Track

    path = studio.settings.data_dir / "A file.flac"
    path.write_bytes(studio.store.audio_path(techno.id).read_bytes())
    track = studio.library.importer().add_known(Track(path=str(path)))
    lent = studio.inspirations.reference(f"track:{track.id}", owner=None)
    assert lent.name == "A file" and lent.energy is not None
    assert lent.tempo_bpm is None or min(abs(lent.tempo_bpm * f - 132) for f in (0.5, 1, 2)) < 4
    studio.library.tracks.mark_gone([track.id])
    with pytest.raises(ReferenceGone):
        studio.inspirations.reference(f"track:{track.id}", owner=None)


def test_a_long_track_lends_its_style_and_melody_but_is_not_edited_whole(studio: Studio) -> None:
    import numpy as np
    import soundfile

    from rag.tracks import Track

    path = studio.settings.data_dir / "A whole night.flac"
    minute = np.random.default_rng(1).normal(size=(60 * 8_000, 1)) * 0.1
    with soundfile.SoundFile(path, "w", 8_000, 1, "PCM_16") as file:
        for number in range(11):
            file.write(minute * (2.0 if number == 7 else 0.5))
    track = studio.library.importer().add_known(Track(path=str(path)))
    name = f"track:{track.id}"
    lent = studio.inspirations.reference(name, owner=None)
    assert lent.brightness_hz is not None and lent.brightness_hz > 500
    melody = studio.inspirations.melody(name, owner=None)
    assert melody.seconds == 30.0 and np.std(melody.samples) > 0.15
    with pytest.raises(ReferenceGone, match=r"lasts 660 s; at most 600 s"):
        studio.inspirations.sound(name, owner=None)


def test_nobody_is_lent_what_is_anothers(studio: Studio, hers: Take, techno: Take) -> None:
    name = f"take:{hers.id}"
    request = GenerateRequest(brief=Brief(references=(name,)))
    with pytest.raises(ReferenceGone):
        studio.generate(request, owner="ben")
    with pytest.raises(ReferenceGone):
        studio.plan(Brief(references=(name,)), owner="ben")
    with pytest.raises(ReferenceGone):
        studio.generate(GenerateRequest(brief=Brief(references=(f"take:{techno.id}",))), owner="ben")
    assert studio.plan(Brief(references=(name,)), owner="anna").meter.value.name == "3/4"
    assert studio.inspirations.reference(name, owner=None).name == hers.title


@pytest.mark.parametrize(
    "name", ["track:999", "take:20200101-000000-abcdef", "take:../../etc", "elsewhere:1", "track:-1", ""]
)
def test_what_is_not_there_is_said(studio: Studio, name: str) -> None:
    with pytest.raises(ReferenceGone):
        studio.inspirations.reference(name, owner=None)


def test_prompts_are_blended_by_weight_and_the_users_own_stay(studio: Studio, techno: Take, bossa: Take) -> None:
    names = (f"take:{techno.id}", f"take:{bossa.id}")
    brief = Brief(references=names, reference_weights=(2.0, 0.5))
    steering = studio.inspirations.steering(brief, None, owner=None)
    assert steering is not None and steering.words_weight == 0.0
    assert [prompt.weight for prompt in steering.prompts] == [2.0, 0.5]
    assert "Techno" in steering.prompts[0].words and "132 bpm" in steering.prompts[0].words
    with_words = studio.inspirations.steering(brief.model_copy(update={"words": "at night"}), None, owner=None)
    assert with_words is not None and with_words.words_weight == 1.0
    own = Steering(prompts=(PromptWeight(words="solo cello"),))
    assert studio.inspirations.steering(brief, own, owner=None) == own


def test_the_sketch_engine_is_not_given_prompts(studio: Studio, techno: Take) -> None:
    request = GenerateRequest(brief=Brief(references=(f"take:{techno.id}",)))
    ready = studio.inspirations.ready(request, studio.capabilities("sketch"), owner="")
    assert ready.sampling.steering is None


def test_a_melody_is_a_references_loudest_stretch(studio: Studio, techno: Take) -> None:
    clip = studio.inspirations.melody(f"take:{techno.id}", owner=None)
    assert isinstance(clip, Clip) and clip.seconds == pytest.approx(techno.seconds, abs=0.01)


def test_the_prompt_agent_hears_of_tracks_near_the_words(studio: Studio, techno: Take, bossa: Take) -> None:
    assert studio.library.takes is not None
    studio.library.takes.step()
    context, near = studio.inspirations.context(Brief(words="bossa nova"), Taste(), owner="")
    assert near and near[0].take_id == bossa.id
    assert any(bossa.title in described for described in context.nearest)
    assert context.style is not None and context.style.tempo_bpm is None
    nothing, none = studio.inspirations.context(Brief(words="bossa nova"), Taste(), owner="nobody")
    assert none == [] and nothing.nearest == () and nothing.style is None


def test_a_style_of_the_library_is_put_into_words(studio: Studio, techno: Take, bossa: Take) -> None:
    assert studio.library.takes is not None
    studio.library.takes.step()
    tracks = [track for track in studio.library.tracks.stream() if track.take_id == techno.id]
    words = studio.inspirations.prompt_of(tracks)
    assert "Techno" in words
    assert studio.inspirations.prompt_of([]) == ""
    assert studio.plan(Brief(words=words)).genre.value == "techno"


def test_musicgen_hears_the_references_in_its_prompts(tmp_path: Path) -> None:
    from tests.tiny_models import build_mono

    build_mono(tmp_path / "tiny")
    with Studio(Settings(data_dir=tmp_path / "data", engine=str(tmp_path / "tiny"))) as studio:
        take = make(studio, "techno, 132 bpm")
        brief = Brief(references=(f"take:{take.id}",), seconds=2.0)
        request = GenerateRequest(brief=brief, engine=studio.pipeline.default, sampling=Sampling(seed=1))
        job = studio.jobs.wait(studio.generate(request).id, timeout_seconds=240)
        assert job.take_id, job.error
        made = studio.store.read(job.take_id)
        assert made.sampling.steering is not None and "Techno" in made.sampling.steering.prompts[0].words
        assert made.plan.shaped_by[0].name == take.title
