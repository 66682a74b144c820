"""The studio's library: own takes come in by themselves, imports run as jobs, a change of model offers a re-index."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from agents.planner import make_brief, plan_from_brief
from audio.clip import Clip
from rag.database import LibraryError
from rag.features import Features
from rag.filters import Filters
from rag.importing import Report
from rag.tracks import Track
from studio.engines.base import Rendering, Sampling
from studio.history.history import History
from studio.library.ears import BUILT_IN
from studio.library.jobs import LibraryBusy
from studio.library.library import Library, vocabulary
from studio.library.map import Drawn, LibraryMap
from studio.library.watch import Watch
from studio.models.clap import ClapModels
from studio.models.hub import ModelError
from studio.settings import Settings
from studio.takes import EngineFacts, Take, TakeStore
from tests.rag.music import piece, written
from tests.tiny_clap import save_tiny_clap


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data")


@pytest.fixture
def history(settings: Settings) -> Iterator[History]:
    made = History(settings.history_path)
    yield made
    made.close()


@pytest.fixture
def store(settings: Settings) -> TakeStore:
    return TakeStore(settings.takes_dir, settings.bin_dir)


@pytest.fixture
def library(settings: Settings, history: History, store: TakeStore) -> Iterator[Library]:
    made = Library(settings, history=history, store=store)
    yield made
    made.close()


def kept_take(store: TakeStore, history: History, words: str, clip: Clip, *, owner: str = "") -> Take:
    plan = plan_from_brief(make_brief(words=words, seconds=12.0), seed=1)
    take = store.write(
        Rendering(clip=clip, complete=True), plan=plan, sampling=Sampling(seed=1), owner=owner,
        engine=EngineFacts(name="sketch", label="Sketch", tier="built-in"),
    )  # fmt: skip
    history.add(take)
    return take


def step(library: Library) -> None:
    """What the watcher does when a take was kept or binned, and a question after that."""
    assert library.takes is not None
    library.takes.step()
    assert library.index


def track_of_take(library: Library, take: Take) -> Track | None:
    return next((track for track in library.tracks.stream(state=None) if track.take_id == take.id), None)


def test_opening_a_library_reads_and_writes_nothing(settings: Settings) -> None:
    Library(settings).close()
    assert not settings.library_dir.exists()


def test_a_kept_take_is_a_track_with_what_its_plan_says(library: Library, store: TakeStore, history: History) -> None:
    take = kept_take(store, history, "bossa nova, rainy evening, 132 bpm", piece(seed=1), owner="ann")
    step(library)
    track = track_of_take(library, take)
    assert track is not None and track.features is not None
    assert (track.genre, track.genre_by, track.owner, track.title) == ("bossa_nova", "take", "ann", take.title)
    assert "rainy evening" in track.description
    asked = library.words.embed(["a rainy bossa nova"])[0]
    assert library.index.store.nearest(asked, using="words", limit=1, filters=Filters(own=True))[0].id == track.id
    assert library.index.store.count(Filters(owner="bob")) == 0


def test_a_binned_take_leaves_the_library_and_comes_back(library: Library, store: TakeStore, history: History) -> None:
    take = kept_take(store, history, "jazz", piece(seed=2))
    step(library)
    store.to_bin(take.id)
    history.set_state(take.id, "binned")
    step(library)
    assert library.tracks.count() == library.index.store.count() == 0
    store.restore(take.id)
    history.set_state(take.id, "kept")
    step(library)
    assert library.tracks.count() == library.index.store.count() == 1


def test_takes_are_noticed_in_the_background(
    library: Library, store: TakeStore, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.library.takes._LOOK_SECONDS", 0.1)
    library.begin()
    take = kept_take(store, history, "jazz", piece(seed=2))
    patience = time.monotonic() + 60
    while track_of_take(library, take) is None and time.monotonic() < patience:
        time.sleep(0.1)
    assert track_of_take(library, take) is not None
    assert library.index.store.count() == 1  # in step as soon as somebody looks


def test_an_import_is_a_job_that_reports(library: Library, tmp_path: Path) -> None:
    written(tmp_path / "music" / "one.flac", piece(seed=3), title="One", genre="Bossa Nova")
    (tmp_path / "music" / "two.mp3").write_text("no music")
    library.start_import([tmp_path / "music"])
    job = library.jobs.wait(timeout_seconds=120)
    assert job is not None and job.report is not None
    assert (job.state, job.report.added, len(job.report.broken)) == ("done", 1, 1)
    assert library.tracks.folders() == {tmp_path / "music": False}
    track = library.tracks.by_path(tmp_path / "music" / "one.flac")
    assert track is not None and (track.genre, track.genre_by) == ("bossa_nova", "tags")


def test_the_studios_own_folder_is_never_imported_from(
    library: Library, store: TakeStore, history: History, settings: Settings
) -> None:
    kept_take(store, history, "jazz", piece(seed=2))
    library.start_import([settings.data_dir.parent])
    job = library.jobs.wait(timeout_seconds=120)
    assert job is not None and job.report is not None and job.report.added == 0


def test_two_jobs_do_not_run_at_once(library: Library) -> None:
    library.jobs.start("import", "Importing a", lambda progress, cancelled: _until(cancelled))
    with pytest.raises(LibraryBusy, match="Importing a is under way"):
        library.start_rebuild()
    library.jobs.stop()
    job = library.jobs.wait(timeout_seconds=20)
    assert job is not None and job.state == "stopped"


def _until(cancelled) -> Report:
    while not cancelled():
        time.sleep(0.02)
    return Report(cancelled=True)


def test_a_forgotten_folders_tracks_leave_if_wanted_and_its_files_stay(library: Library, tmp_path: Path) -> None:
    music = tmp_path / "music"
    for name in ("a/one.flac", "b/two.flac", "b2/three.flac"):
        written(music / name, piece(tempo_bpm=120, seconds=8), format="flac16")
    for place in ("a", "b", "b2"):
        library.start_import([music / place])
        assert library.jobs.wait(timeout_seconds=60)
    assert library.forget_folder(music / "a") == 0 and library.tracks.count() == 3
    assert library.forget_folder(music / "b", tracks=True) == 1
    assert [track.label for track in library.tracks.stream()] == ["one", "three"]
    assert library.index.store.ids() == set(library.tracks.ids())
    assert (music / "b" / "two.flac").exists() and list(library.tracks.folders()) == [music / "b2"]
    (music / "b2" / "three.flac").unlink()
    library.rescan()
    library.jobs.wait(timeout_seconds=60)
    assert library.tracks.count(state="gone") == 1 and library.forget_gone() == 1
    assert [track.label for track in library.tracks.stream(state=None)] == ["one"]


def test_nothing_is_taken_out_while_an_import_puts_in(library: Library, tmp_path: Path) -> None:
    go_on = threading.Event()
    library.jobs.start("import", "Importing", lambda progress, cancelled: Report(added=int(go_on.wait(30))))
    with pytest.raises(LibraryBusy, match="under way"):
        library.forget_folder(tmp_path, tracks=True)
    with pytest.raises(LibraryBusy, match="under way"):
        library.start_import([tmp_path])
    assert library.tracks.folders() == {}
    go_on.set()


def test_a_style_of_the_map_is_asked_for_by_the_drawing_it_is_in(library: Library) -> None:
    noise = np.random.default_rng(1)
    figures = Features(120.0, 0.9, 0.8, 0, 0.7, 0.5, 0.6, -14.0, 6.0, 900.0, 0.9, 0.9)
    added = []
    for number in range(24):
        vector = (
            noise.normal(0, 0.05, library.ears.signal.dimensions) + np.eye(library.ears.signal.dimensions)[number % 3]
        )
        track = Track(f"/music/{number}.flac", genre=("jazz", "techno", "ambient")[number % 3], features=figures)
        vectors = {(library.ears.signal.identity, "sound"): vector.astype(np.float32)}
        added.append(library.tracks.add(track, vectors=vectors).id)
    maps = LibraryMap(library)
    drawn = finished(maps)
    assert drawn.map is not None and len(drawn.map.clusters) == 3
    style = f"{drawn.name}.1"
    assert set(maps.style(None, style)) == set(drawn.map.clusters[1].tracks) < set(added)
    library.tracks.forget(added[:1])
    assert finished(maps).name != drawn.name
    with pytest.raises(LibraryError, match="drawn anew"):
        maps.style(None, style)


def finished(maps: LibraryMap) -> Drawn:
    """The map once it is drawn."""
    deadline = time.monotonic() + 60
    while (drawn := maps.look(None)).drawing and time.monotonic() < deadline:
        time.sleep(0.05)
    return drawn


def test_a_model_that_arrives_is_another_index_and_offers_to_hear_again(
    library: Library, tmp_path: Path, settings: Settings
) -> None:
    written(tmp_path / "music" / "one.flac", piece(seed=3))
    library.start_import([tmp_path / "music"])
    library.jobs.wait(timeout_seconds=120)
    before = library.index
    assert library.ears.model == BUILT_IN and library.to_be_heard() == 0
    save_tiny_clap(settings.models_dir / "laion--clap-htsat-unfused")
    assert library.ears.model == "laion/clap-htsat-unfused"
    assert library.index is not before and library.index.store.count() == 0
    assert library.to_be_heard() == 1
    library.start_reindex()
    job = library.jobs.wait(timeout_seconds=120)
    assert job is not None and job.state == "done", job
    assert library.to_be_heard() == 0 and library.index.store.count() == 1
    track = next(library.tracks.stream())
    assert track.genre_by == "clap" and track.genre in vocabulary().genres
    assert before.store.count() == 1  # the built-in tier's vectors are still there


def test_what_hears_is_chosen_and_stays_chosen(library: Library, settings: Settings) -> None:
    with pytest.raises(ModelError, match="not on this machine yet"):
        library.listen_by("laion/clap-htsat-unfused")
    save_tiny_clap(settings.models_dir / "laion--clap-htsat-unfused")
    assert library.sound.tier == "full"
    library.listen_by(BUILT_IN)
    again = Library(settings)
    assert again.ears.model == BUILT_IN and again.sound.tier == "built-in"
    again.listen_by("clap-htsat-unfused")
    assert library.ears.model == "laion/clap-htsat-unfused"
    library.delete_model("laion/clap-htsat-unfused")
    assert library.ears.model == again.ears.model == BUILT_IN and library.sound.tier == "built-in"
    again.close()
    decided = Library(Settings(data_dir=settings.data_dir, library_model=BUILT_IN))
    with pytest.raises(ModelError, match="MUSICGEN_STUDIO_LIBRARY_MODEL"):
        decided.listen_by(BUILT_IN)
    decided.close()


def test_a_take_made_while_the_library_is_open_is_found_by_ear(
    library: Library, store: TakeStore, history: History
) -> None:
    assert library.index.store.count() == 0
    kept_take(store, history, "jazz", piece(seed=2))
    assert library.takes is not None and library.takes.step() == (1, 0)
    assert library.index.store.ids() == set(library.tracks.ids()) != set()


def test_a_model_the_settings_name_must_be_here(settings: Settings) -> None:
    library = Library(Settings(data_dir=settings.data_dir, library_model="larger_clap_music"))
    with pytest.raises(ModelError, match="not on this machine yet"):
        _ = library.sound
    library.close()


def test_a_folder_that_holds_another_model_is_no_clap(tmp_path: Path) -> None:
    home = tmp_path / "laion--clap-htsat-unfused"
    home.mkdir(parents=True)
    (home / "config.json").write_text('{"model_type": "musicgen"}')
    status = ClapModels(tmp_path).status("clap-htsat-unfused")
    assert status.state == "partial" and "another kind" in status.problem


def test_a_watched_folder_tells_of_new_music_once_it_is_quiet(tmp_path: Path) -> None:
    looked: list[list[Path]] = []
    watch = Watch(lambda folders: looked.append(list(folders)), quiet_seconds=0.3)
    watch.follow([tmp_path])
    (tmp_path / "notes.txt").write_text("no sound")
    time.sleep(0.8)
    assert looked == []
    for number in range(3):
        written(tmp_path / f"{number}.wav", piece(seconds=1.0))
    patience = time.monotonic() + 20
    while not looked and time.monotonic() < patience:
        time.sleep(0.05)
    watch.close()
    assert looked == [[tmp_path]]
