"""The studio as a whole: opened once a folder, at once, and everybody's takes are their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agents.types import Brief
from audio.io import read_clip
from studio.engines.base import EngineError, Sampling
from studio.jobs import GenerateRequest, TooManyJobs
from studio.settings import Settings
from studio.studio import NotYours, Studio, StudioBusy, StudioError
from studio.takes import Take, TakeMissing
from tests.engines_for_tests import OneEngine, ToneEngine, plan_from_brief

Open = Callable[..., Studio]


@pytest.fixture
def open_studio(data_dir: Path) -> Iterator[Open]:
    opened: list[Studio] = []

    def opens(engine: ToneEngine | None = None) -> Studio:
        studio = Studio(Settings(), engines=OneEngine(engine or ToneEngine()), planner=plan_from_brief)
        opened.append(studio)
        return studio

    yield opens
    for studio in opened:
        studio.close()


def make(studio: Studio, *, owner: str = "", words: str = "four chords", seed: int = 3) -> Take:
    request = GenerateRequest(brief=Brief(words=words, seconds=2), engine="tones", sampling=Sampling(seed=seed))
    done = studio.jobs.wait(studio.generate(request, owner=owner).id, timeout_seconds=20)
    assert done.state == "done", done.error
    return studio.entry(done.take_id or "", owner=owner).take


def test_made_again_it_is_the_same_bytes(open_studio: Open) -> None:
    studio = open_studio()
    take = make(studio)
    done = studio.jobs.wait(studio.make_again(take.id).id, timeout_seconds=20)
    again = studio.entry(done.take_id or "").take
    assert again.id != take.id
    assert again.parent == take.id
    assert (again.plan, again.sampling) == (take.plan, take.sampling)
    assert studio.store.audio_path(again.id).read_bytes() == studio.store.audio_path(take.id).read_bytes()


def test_a_sketch_made_again_after_a_restart_is_the_same_bytes(data_dir: Path) -> None:
    request = GenerateRequest(brief=Brief(words="rainy lo-fi hip hop", seconds=5), sampling=Sampling(seed=7))
    with Studio(Settings()) as studio:
        first = studio.jobs.wait(studio.generate(request).id, timeout_seconds=120)
        assert first.state == "done", first.error
    with Studio(Settings()) as studio:
        again = studio.jobs.wait(studio.make_again(first.take_id or "").id, timeout_seconds=120)
        paths = [studio.store.folder(take) for take in (first.take_id or "", again.take_id or "")]
    files = ["audio.flac", "notes.mid", *(stem.file for stem in studio.store.read(first.take_id or "").stems)]
    assert len(files) > 3
    for file in files:
        assert (paths[0] / file).read_bytes() == (paths[1] / file).read_bytes(), file


def test_a_stopped_sketch_keeps_what_was_heard(data_dir: Path) -> None:
    request = GenerateRequest(brief=Brief(words="calm ambient", seconds=240), sampling=Sampling(seed=7))
    with Studio(Settings()) as studio:
        view = studio.generate(request)
        live = studio.jobs.live(view.id, timeout_seconds=60)
        assert live is not None and live.read(44, 100, timeout_seconds=60)
        studio.jobs.cancel(view.id)
        stopped = studio.jobs.wait(view.id, timeout_seconds=120)
        assert (stopped.state, stopped.error) == ("stopped", "")
        take = studio.entry(stopped.take_id or "").take
        clip = read_clip(studio.store.audio_path(take.id))
        assert not take.complete and 0 < clip.seconds < 240
        assert clip.samples.any()


def test_a_deleted_take_can_be_had_back(open_studio: Open) -> None:
    studio = open_studio()
    take = make(studio)
    exported = studio.export(take.id, format="flac").path
    studio.delete_take(take.id)
    assert studio.takes().total == 0
    assert studio.takes(binned=True).total == 1
    assert not exported.exists()
    with pytest.raises(TakeMissing):
        studio.export(take.id, format="flac")
    studio.restore_take(take.id)
    assert studio.takes("four").entries[0].take == take
    assert read_clip(studio.export(take.id, format="flac").path).seconds == 2.0


def test_guests_touch_only_what_is_theirs(open_studio: Open) -> None:
    studio = open_studio()
    mine, theirs = make(studio, owner="ada"), make(studio, owner="bob")
    asks: list[Callable[[str], object]] = [
        lambda take: studio.entry(take, owner="ada"),
        lambda take: studio.export(take, format="flac", owner="ada"),
        lambda take: studio.make_again(take, owner="ada"),
        lambda take: studio.delete_take(take, owner="ada"),
        lambda take: studio.restore_take(take, owner="ada"),
    ]
    for ask in asks:
        with pytest.raises(NotYours) as refused:
            ask(theirs.id)
        with pytest.raises(TakeMissing) as missing:
            ask("20200101-000000-abcdef")
        assert str(refused.value) == str(missing.value), "a guest cannot find out which takes there are"
    assert [entry.take.id for entry in studio.takes(owner="ada").entries] == [mine.id]
    studio.delete_take(theirs.id, owner=None)
    assert studio.empty_bin(owner="ada") == 0
    assert studio.empty_bin(owner="bob") == 1
    assert studio.store.binned_ids() == []


def test_a_guest_is_limited_and_the_user_is_not(open_studio: Open) -> None:
    studio = open_studio(ToneEngine(pause_seconds=0.05))
    request = GenerateRequest(brief=Brief(words="x"), engine="tones")
    for _ in range(studio.settings.jobs_per_guest):
        studio.generate(request, owner="ada")
    with pytest.raises(TooManyJobs):
        studio.generate(request, owner="ada")
    for _ in range(studio.settings.jobs_per_guest + 2):
        studio.generate(request)


def test_opened_again_everything_is_there(open_studio: Open) -> None:
    studio = open_studio()
    take = make(studio)
    studio.close()
    again = open_studio()
    assert again.notices == []
    assert again.entry(take.id).take == take


def test_a_lost_and_a_damaged_history_come_back_from_the_folders(open_studio: Open) -> None:
    studio = open_studio()
    take = make(studio)
    studio.close()
    studio.settings.history_path.write_bytes(b"not a database, not at all" * 400)
    again = open_studio()
    assert "no take is lost" in again.notices[0]
    assert again.entry(take.id).take == take
    again.close()
    again.settings.history_path.unlink()
    once_more = open_studio()
    assert once_more.entry(take.id).take == take


def test_a_damaged_take_is_said_and_the_others_are_listed(open_studio: Open) -> None:
    studio = open_studio()
    good, bad = make(studio), make(studio)
    studio.close()
    (studio.store.folder(bad.id) / "take.json").write_text("{")
    studio.settings.history_path.unlink()
    again = open_studio()
    assert bad.id in again.notices[0] and "left as they are" in again.notices[0]
    assert [entry.take.id for entry in again.takes().entries] == [good.id]


def test_a_take_whose_folder_was_removed_is_said_to_be_missing(open_studio: Open) -> None:
    studio = open_studio()
    take = make(studio)
    studio.store.folder(take.id).rename(studio.settings.data_dir / "elsewhere")
    with pytest.raises(TakeMissing):
        studio.delete_take(take.id)
    assert studio.takes().total == 0
    assert studio.entry(take.id).state == "missing"


def test_a_second_studio_on_the_same_folder_is_told_so(open_studio: Open, data_dir: Path) -> None:
    open_studio()
    code = "from studio.settings import Settings\nfrom studio.studio import Studio\nStudio(Settings())"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False,
        env={**os.environ, "MUSICGEN_STUDIO_DATA_DIR": str(data_dir)},
    )  # fmt: skip
    assert "StudioBusy: Another MusicGen Studio already uses" in run.stderr


def test_closed_it_lets_the_folder_go(open_studio: Open) -> None:
    first = open_studio()
    with pytest.raises(StudioBusy):
        open_studio()
    first.close()
    open_studio()


def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StudioError, match="--data-dir"):
        Studio(Settings(data_dir=tmp_path / "file" / "data"))
    settings = Settings(data_dir=tmp_path / "data")
    settings.data_dir.mkdir()
    settings.takes_dir.write_text("in the way")
    with pytest.raises(StudioError, match="takes' folder could not be made"):
        Studio(settings)
    settings.takes_dir.unlink()
    Studio(settings).close()  # the failed opening let the folder go


def test_an_engine_that_is_not_there_is_said_by_name(data_dir: Path) -> None:
    with Studio(Settings()) as studio, pytest.raises(EngineError, match="theremin"):
        studio.generate(GenerateRequest(brief=Brief(words="piano"), engine="theremin"))


OPENS = """
import json, sys
import studio.studio
from studio.settings import Settings
opened = studio.studio.Studio(Settings())
heavy = {"torch", "transformers", "librosa", "pedalboard", "scipy", "gradio"} & set(sys.modules)
opened.close()
print(json.dumps(sorted(heavy)))
"""


def test_opening_loads_no_engine(data_dir: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", OPENS], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert json.loads(run.stdout) == []
