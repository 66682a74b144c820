"""Takes in a Link session: made at its tempo, and any take's sound laid on its grid."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from agents.harmony import Meter
from agents.types import Brief, SongPlan
from audio.beats import Beats, track_beats
from audio.clip import Clip
from audio.io import write_clip
from audio.stretch import TempoOutOfRange
from rag.tracks import Track
from studio.desk.errors import DeskError
from studio.desk.items import remember
from studio.desk.listening import beats_shown
from studio.engines.base import Listener, Rendering, Sampling
from studio.jobs import GenerateRequest
from studio.link import NotJoined
from studio.link_take import ask_link_take, felt_tempo, link_music, link_sound
from studio.settings import Settings
from studio.studio import NotYours, Studio
from studio.takes import EngineFacts
from tests.audio.rhythms import band
from tests.engines_for_tests import ToneEngine, plan_of
from tests.link_room import Room, until
from tests.ui.studios import ToneEngine as TonePipeline


@pytest.fixture
def studio(room: Room, tmp_path: Path) -> Iterator[Studio]:
    with Studio(Settings(data_dir=room.install_in(tmp_path))) as studio:
        yield studio


def made(studio: Studio, words: str, *, tempo_bpm: float | None = None) -> str:
    brief = Brief(words=words, seconds=12.0, tempo_bpm=tempo_bpm)
    job = studio.jobs.wait(studio.generate(GenerateRequest(brief=brief)).id, timeout_seconds=60)
    assert job.take_id, job.error
    return job.take_id


@pytest.mark.parametrize(
    ("session", "meter", "felt"),
    [(97.0, "4/4", 97.0), (137.49989, "4/4", 137.5), (180.0, "6/8", 120.0), (120.0, "2/2", 60.0), (400.0, "4/4", 200.0),
     (21.0, "4/4", 42.0)],
)  # fmt: skip
def test_a_sessions_quarters_are_a_plans_felt_beats(session: float, meter: str, felt: float) -> None:
    assert felt_tempo(session, Meter.parse(meter)) == felt


def test_a_take_is_asked_at_the_sessions_tempo_and_keeps_it(studio: Studio) -> None:
    request = GenerateRequest(brief=Brief(words="techno, four on the floor, 140 bpm", seconds=16.0))
    with pytest.raises(NotJoined, match="join first"):
        ask_link_take(studio, request)
    studio.link.join(tempo_bpm=111.0)
    job = studio.jobs.wait(ask_link_take(studio, request).id, timeout_seconds=60)
    assert job.take_id, job.error
    take = studio.entry(job.take_id).take
    assert take.plan.tempo_bpm.value == 111.0 and take.plan.tempo_bpm.by == "asked"
    heard = track_beats(studio.mixing_desk.open(f"take:{take.id}", owner=None).clip(), tempo_bpm=111.0)
    assert heard.tempo_bpm == pytest.approx(111.0, rel=0.002)
    assert link_music(studio, f"take:{take.id}", owner="").exact


class LooseEngine(TonePipeline):
    """A drummer who takes every tempo two percent too fast."""

    def generate(self, name: str, plan: SongPlan, sampling: Sampling, listener: Listener) -> Rendering:
        clip, _ = band(tempo_bpm=plan.tempo_bpm.value * 1.02, bars=12)
        listener.started(sample_rate_hz=clip.sample_rate_hz, channels=clip.channels, frames=clip.frames)
        listener.heard(clip)
        return Rendering(clip=clip, complete=True)


def test_what_is_played_inexactly_is_kept_on_the_grid_as_a_version(room: Room, tmp_path: Path) -> None:
    settings = Settings(data_dir=room.install_in(tmp_path), engine="tone")
    with Studio(settings, engines=LooseEngine()) as studio:
        studio.link.join(tempo_bpm=110.0)
        request = GenerateRequest(brief=Brief(words="drums, 90 bpm", seconds=24.0), engine="tone")
        job = studio.jobs.wait(ask_link_take(studio, request).id, timeout_seconds=60)
        assert job.take_id, job.error
        until(lambda: studio.takes().total == 2, "no version was laid on the grid", seconds=60)
        version = studio.takes(limit=1).entries[0].take
        assert version.parent == job.take_id
        music = link_music(studio, f"take:{version.id}", owner="")
        assert music.exact and music.tempo_bpm == pytest.approx(110.0)
        before, after = (
            track_beats(studio.mixing_desk.open(f"take:{each}", owner=None).clip()).tempo_bpm
            for each in (job.take_id, version.id)
        )
        assert before == pytest.approx(112.2, abs=0.3) and after == pytest.approx(110.0, abs=0.2)


def test_a_plan_that_was_made_first_is_moved_to_the_sessions_tempo(studio: Studio) -> None:
    plan = studio.plan(Brief(words="slow waltz in 3/4, 90 bpm", seconds=20.0))
    studio.link.join(tempo_bpm=120.0)
    job = studio.jobs.wait(ask_link_take(studio, GenerateRequest(plan=plan)).id, timeout_seconds=60)
    assert job.take_id, job.error
    moved = studio.entry(job.take_id).take.plan
    assert moved.tempo_bpm.value == 120.0 and moved.bars == plan.bars
    music = link_music(studio, f"take:{job.take_id}", owner="")
    assert (music.tempo_bpm, music.beats_a_bar) == (120.0, 3.0)


def test_in_six_eight_a_bar_is_three_quarters_long(studio: Studio) -> None:
    music = link_music(studio, f"take:{made(studio, 'jig in 6/8, 110 bpm')}", owner="")
    assert music.tempo_bpm == pytest.approx(165.0) and music.beats_a_bar == 3.0


def test_a_sketch_is_stretched_in_one_piece(studio: Studio) -> None:
    take = made(studio, "house, 124 bpm")
    sound = link_sound(studio, f"take:{take}", tempo_bpm=100.0, owner="")
    assert sound.clip.seconds == pytest.approx(studio.entry(take).take.seconds * 1.24, abs=0.01)
    assert sound.first_bar_seconds == 0.0
    assert track_beats(sound.clip, tempo_bpm=100.0).tempo_bpm == pytest.approx(100.0, rel=0.003)
    with pytest.raises(TempoOutOfRange, match="halved at most"):
        link_sound(studio, f"take:{take}", tempo_bpm=40.0, owner="")


def test_a_take_that_drifts_is_laid_on_the_grid_beat_by_beat(studio: Studio) -> None:
    rate, lengths = 22_050, 0.5 * (1 + 0.04 * np.sin(np.arange(31) / 5))
    where = 0.3 + np.concatenate([[0.0], np.cumsum(lengths)])
    samples = np.zeros((2, round((where[-1] + 0.5) * rate)), np.float32)
    for beat in where:
        samples[:, round(beat * rate) :][:, :200] += 0.8 * np.exp(-np.arange(200) / 30)
    clip, facts = Clip(samples, rate), EngineFacts.of(ToneEngine().capabilities)
    take = studio.store.write(
        Rendering(clip=clip, complete=True), plan=plan_of(seconds=clip.seconds), sampling=Sampling(), engine=facts
    )
    studio.history.add(take)
    beats = Beats(tuple(where.tolist()), tuple(where[::4].tolist()), 120.0, 4, 0.9)
    remember(studio.mixing_desk.open(f"take:{take.id}", owner=None), "beats", beats_shown(beats))
    assert not link_music(studio, f"take:{take.id}", owner="").exact

    sound = link_sound(studio, f"take:{take.id}", tempo_bpm=125.0, owner="")
    strokes = np.flatnonzero(np.diff(sound.clip.samples[0]) > 0.2) / sound.clip.sample_rate_hz
    strokes = strokes[np.concatenate([[True], np.diff(strokes) > 0.1])]
    steps = (strokes - sound.first_bar_seconds) / 0.48
    assert len(strokes) == 32
    assert np.abs(steps - np.arange(32)).max() * 0.48 < 0.006


def kept_track(studio: Studio, clip: Clip, *, owner: str = "") -> str:
    path = write_clip(studio.settings.data_dir / f"mine-{clip.frames}.flac", clip)
    return f"track:{studio.library.importer().add_known(Track(path=str(path), owner=owner)).id}"


def test_a_track_of_the_library_is_listened_to_and_laid_on_the_grid(studio: Studio) -> None:
    clip, beats = band(tempo_bpm=112.0, lead_seconds=0.2)
    source = kept_track(studio, clip)
    music = link_music(studio, source, owner=None)
    assert music.tempo_bpm == pytest.approx(112.0, abs=0.3) and not music.exact
    assert min(abs(np.asarray(beats) - music.first_bar_seconds)) < 0.03
    sound = link_sound(studio, source, tempo_bpm=120.0, owner=None)
    heard = track_beats(sound.clip, tempo_bpm=120.0)
    assert heard.tempo_bpm == pytest.approx(120.0, abs=0.2)
    assert abs((heard.beats_seconds[4] - sound.first_bar_seconds + 0.25) % 0.5 - 0.25) < 0.03
    assert studio.mixing_desk.beats(studio.mixing_desk.open(source, owner=None)), "it is listened to once"


def test_a_track_without_a_beat_is_said(studio: Studio) -> None:
    source = kept_track(studio, Clip(np.zeros((1, 4 * 44_100), np.float32), 44_100))
    with pytest.raises(DeskError, match="No beat can be heard in “mine"):
        link_music(studio, source, owner=None)
    with pytest.raises(DeskError):
        link_music(studio, "track:999", owner=None)


def test_anothers_take_is_not_there(studio: Studio) -> None:
    take = made(studio, "house, 124 bpm")
    with pytest.raises(NotYours):
        link_music(studio, f"take:{take}", owner="anna")


def test_live_midi_counts_by_the_session_while_there_is_one(studio: Studio) -> None:
    own = studio.midi.clock
    studio.link.join(tempo_bpm=97.0)
    assert studio.midi.clock.tempo_bpm == pytest.approx(97.0, abs=0.001)
    studio.link.leave()
    assert studio.midi.clock is own
