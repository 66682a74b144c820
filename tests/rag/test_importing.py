"""An import hears what is new, follows what moved, marks what is gone, and goes on where it was cut off."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from audio.clip import Clip
from audio.io import write_clip
from audio.work import WorkCancelled
from rag.embeddings import SignalEmbedder
from rag.frames import hear
from rag.importing import Importer, Progress, _processes
from rag.index import Index
from rag.labels import Kind, Labels, Vocabulary
from rag.tracks import LibraryError, Tracks
from rag.vectordb import EdgeStore
from tests.rag.music import piece, written

ROOT = Path(__file__).parents[2]
WORDS = Vocabulary({"jazz": Kind("jazz", "Jazz", ("bebop",))}, {"calm": Kind("calm", "Calm")})


def opened(folder: Path, **options: object) -> Importer:
    tracks = Tracks(folder / "library.sqlite3")
    index = Index(tracks, sound=SignalEmbedder(), open_store=lambda schema: EdgeStore(folder / "vectors", schema))
    return Importer(index, Labels(WORDS), **options)  # type: ignore[arg-type]


@pytest.fixture
def importer(tmp_path: Path) -> Iterator[Importer]:
    made = opened(tmp_path / "library", few=9)
    yield made
    made.index.close()
    made.tracks.close()


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five songs in four formats, one in a folder of its own."""
    folder = tmp_path_factory.mktemp("songs")
    written(folder / "one.flac", piece(seed=1), title="One", artist="Ann", genre="Bebop", date="1999-05-01")
    written(folder / "two.wav", piece(seed=2, tempo_bpm=90))
    written(folder / "three.mp3", piece(seed=3, tonic=5))
    written(folder / "four.ogg", piece(seed=4, mode="minor"))
    written(folder / "deeper" / "five.flac", piece(seed=5, tempo_bpm=140), title="Five")
    return folder


@pytest.fixture
def music(songs: Path, tmp_path: Path) -> Path:
    shutil.copytree(songs, tmp_path / "music")
    return tmp_path / "music"


def test_a_folder_is_imported_with_its_tags_figures_and_vectors(importer: Importer, music: Path) -> None:
    importer.few, importer.workers = 0, 2
    seen: list[Progress] = []
    report = importer.run([music], progress=seen.append)
    assert (report.added, report.broken, report.cancelled) == (5, [], False)
    track = importer.tracks.by_path(music / "one.flac")
    assert track is not None and track.features is not None
    assert (track.title, track.artist, track.year, track.genre, track.genre_by) == ("One", "Ann", 1999, "jazz", "tags")
    assert track.seconds == pytest.approx(12.0, abs=0.01)
    assert importer.index.store.count() == 5
    assert [(each.done, each.total) for each in seen if each.stage == "listening"] == [(n, 5) for n in range(6)]
    assert seen[-1].tracks_a_minute > 0
    hit = importer.index.store.nearest(importer.index.sound.embed(music / "three.mp3").whole, using="sound", limit=1)[0]
    assert importer.tracks.get(hit.id) == importer.tracks.by_path(music / "three.mp3")


@pytest.mark.skipif(not hasattr(os, "nice"), reason="Windows has no nice")
def test_those_that_listen_stand_behind_the_page_in_line() -> None:
    with _processes(1, get_context("spawn").Event()) as pool:
        assert pool.submit(os.nice, 0).result() >= min(19, os.nice(0) + 5)


def test_a_second_import_hears_nothing(importer: Importer, music: Path) -> None:
    importer.run([music])
    added = [track.added_at for track in importer.tracks.stream()]
    report = importer.run([music])
    assert (report.added, report.changed, report.unchanged) == (0, 0, 5)
    assert [track.added_at for track in importer.tracks.stream()] == added


def test_a_moved_file_keeps_its_analysis_and_its_place(importer: Importer, music: Path) -> None:
    importer.run([music])
    before = importer.tracks.by_path(music / "two.wav")
    (music / "elsewhere").mkdir()
    (music / "two.wav").rename(music / "elsewhere" / "renamed.wav")
    report = importer.run([music])
    after = importer.tracks.by_path(music / "elsewhere" / "renamed.wav")
    assert (report.moved, report.added, report.gone) == (1, 0, 0)
    assert before is not None and after is not None
    assert (after.id, after.features, after.added_at) == (before.id, before.features, before.added_at)


def test_a_changed_file_is_heard_anew(importer: Importer, music: Path) -> None:
    importer.run([music])
    before = importer.tracks.by_path(music / "two.wav")
    written(music / "two.wav", piece(seed=2, tempo_bpm=132))
    report = importer.run([music])
    after = importer.tracks.by_path(music / "two.wav")
    assert (report.changed, report.unchanged) == (1, 4)
    assert before is not None and after is not None and before.features and after.features
    assert after.id == before.id and abs(after.features.tempo_bpm - 132) < 1.5 < abs(before.features.tempo_bpm - 132)


def test_a_touched_file_is_not_heard_anew(importer: Importer, music: Path) -> None:
    importer.run([music])
    os.utime(music / "two.wav")
    report = importer.run([music])
    assert (report.changed, report.unchanged) == (0, 5)


def test_a_file_that_goes_is_marked_and_comes_back_as_it_was(importer: Importer, music: Path, tmp_path: Path) -> None:
    importer.run([music])
    before = importer.tracks.by_path(music / "four.ogg")
    (music / "four.ogg").rename(tmp_path / "away.ogg")
    assert importer.run([music]).gone == 1
    assert importer.tracks.count() == importer.index.store.count() == 4
    (tmp_path / "away.ogg").rename(music / "four.ogg")
    report = importer.run([music])
    assert (report.unchanged, report.added) == (5, 0)
    assert importer.tracks.by_path(music / "four.ogg") == before
    assert importer.index.store.count() == 5


def test_broken_files_are_named_and_the_others_come_in(importer: Importer, music: Path) -> None:
    (music / "text.mp3").write_text("this is no music\n" * 50)
    (music / "empty.wav").write_bytes(b"")
    whole = (music / "one.flac").read_bytes()
    (music / "cut.flac").write_bytes(whole[: len(whole) // 3])
    write_clip(music / "silence.wav", Clip.silence(seconds=5, sample_rate_hz=44_100))
    report = importer.run([music])
    assert report.added == 5
    assert {Path(path).name for path, _ in report.broken} == {"text.mp3", "empty.wav", "cut.flac", "silence.wav"}
    assert all(reason.endswith(".") for _, reason in report.broken)
    assert importer.run([music]).broken == []  # not tried again until they change
    assert importer.tracks.count(state="broken") == 4


def test_unusual_sounds_are_heard(importer: Importer, tmp_path: Path) -> None:
    song = piece(seed=6)
    folder = tmp_path / "odd"
    folder.mkdir()
    up = np.repeat(song.samples, 8, axis=1)
    write_clip(folder / "fast.wav", Clip(up[:, : 176_400 * 8], 192_000))
    write_clip(folder / "many.wav", Clip(np.repeat(song.mono().samples, 8, axis=0), song.sample_rate_hz))
    report = importer.run([folder])
    assert (report.added, report.broken) == (2, [])
    many = importer.tracks.by_path(folder / "many.wav")
    assert many is not None and many.channels == 8


def test_links_in_a_circle_are_walked_once(importer: Importer, music: Path) -> None:
    (music / "deeper" / "again").symlink_to(music, target_is_directory=True)
    (music / "here").symlink_to(music, target_is_directory=True)
    assert importer.run([music]).added == 5


def test_a_folder_that_cannot_be_read_loses_nothing(importer: Importer, music: Path) -> None:
    importer.run([music])
    (music / "deeper").rename(music / "kept")
    (music / "deeper").symlink_to("/proc/1/nowhere")
    scan_of = importer.run
    (music / "kept").rename(music / "moved")
    assert scan_of([music]).moved == 1


def test_a_closed_folder_keeps_its_tracks(importer: Importer, music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    importer.run([music])
    real = os.scandir

    def closed(place: str) -> object:
        if str(place).endswith("deeper"):
            raise PermissionError(13, "Permission denied")
        return real(place)

    monkeypatch.setattr(os, "scandir", closed)
    report = importer.run([music])
    assert report.gone == 0 and any("deeper" in sentence for sentence in report.unreadable)
    assert importer.tracks.count() == 5


def test_cancelling_keeps_what_is_done(importer: Importer, music: Path) -> None:
    done: list[int] = []
    report = importer.run(
        [music], progress=lambda now: done.append(now.done), cancelled=lambda: max(done, default=0) >= 3
    )
    assert report.cancelled and report.added == 3
    assert importer.tracks.count() == importer.index.store.count() == report.added
    assert importer.run([music]).added == 2


def test_a_stop_does_not_wait_for_the_track_under_way(importer: Importer, tmp_path: Path) -> None:
    import soundfile

    importer.few, importer.workers = 0, 1
    folder = tmp_path / "hours"
    written(folder / "a.flac", piece(seed=1, seconds=6))
    minute = np.random.default_rng(0).normal(size=(22_050 * 60, 1)) * 0.1
    with soundfile.SoundFile(folder / "night.wav", "w", 22_050, 1, "PCM_16") as file:
        for _ in range(20):
            file.write(minute)
    report = importer.run([folder], cancelled=lambda: importer.tracks.count() > 0)
    assert report.cancelled and (report.added, report.broken) == (1, []), (
        "the long one is neither kept nor called broken"
    )
    assert importer.run([folder]).added == 1


def test_hearing_stops_within_a_stretch(tmp_path: Path) -> None:
    asked: list[int] = []

    def cancelled() -> bool:
        asked.append(1)
        return len(asked) > 2

    with pytest.raises(WorkCancelled):
        hear(
            Clip(np.random.default_rng(0).normal(size=(1, 8_000 * 600)).astype(np.float32), 8_000), cancelled=cancelled
        )
    assert len(asked) == 3


def test_a_killed_import_goes_on_and_hears_nothing_twice(music: Path, tmp_path: Path) -> None:
    for number in range(20, 44):
        written(music / f"{number}.flac", piece(seed=number, seconds=6))
    script = (
        "from pathlib import Path\nfrom tests.rag.test_importing import opened\n"
        f"if __name__ == '__main__': opened(Path({str(tmp_path / 'library')!r}), workers=1).run([Path({str(music)!r})])"
    )
    path = tmp_path / "run.py"
    path.write_text(script)
    running = subprocess.Popen(
        [sys.executable, str(path)], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, start_new_session=True
    )
    library = tmp_path / "library" / "library.sqlite3"
    patience = time.monotonic() + 100
    while time.monotonic() < patience and running.poll() is None:
        time.sleep(0.05)
        if library.exists() and _tracks_in(library) >= 6:
            break
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    importer = opened(tmp_path / "library", few=30)
    kept = {track.path: track.added_at for track in importer.tracks.stream()}
    assert 6 <= len(kept) < 29
    report = importer.run([music])
    assert (report.added, report.unchanged, report.changed) == (29 - len(kept), len(kept), 0)
    assert {track.path: track.added_at for track in importer.tracks.stream() if track.path in kept} == kept
    assert importer.index.store.ids() == set(importer.tracks.ids())
    assert not importer.tracks.without_vector(importer.index.words.identity, "words")
    importer.index.close()
    importer.tracks.close()


def _tracks_in(path: Path) -> int:
    import sqlite3

    try:
        with sqlite3.connect(path) as connection:
            return int(connection.execute("SELECT count(*) FROM tracks").fetchone()[0])
    except sqlite3.Error:
        return 0


def test_the_index_is_rebuilt_from_the_library_alone(importer: Importer, music: Path) -> None:
    importer.run([music])
    asked = importer.index.sound.embed(music / "one.flac").whole
    before = importer.index.store.nearest(asked, using="sound", limit=5)
    shutil.rmtree(music)
    importer.index.store.clear()
    assert importer.rebuild().changed == 5
    after = importer.index.store.nearest(asked, using="sound", limit=5)
    assert [hit.id for hit in after] == [hit.id for hit in before]


def test_a_decoder_that_crashes_takes_only_its_file_with_it(
    importer: Importer, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import rag.importing

    importer.few, importer.workers = 0, 1
    monkeypatch.setattr(rag.importing, "listen_here", listen_or_die)
    (music / "deadly.wav").write_bytes(b"die")
    report = importer.run([music])
    assert report.added == 5
    assert [(Path(path).name, "crashed" in reason) for path, reason in report.broken] == [("deadly.wav", True)]


def listen_or_die(path: str, known_hash: str = "") -> object:
    """What a decoder with a fault does to its process."""
    from rag.listening import listen

    if path.endswith("deadly.wav"):
        os.kill(os.getpid(), signal.SIGKILL)
    return listen(path, known_hash)


def test_a_full_disk_is_told_and_what_was_done_is_kept(importer: Importer, music: Path) -> None:
    connection = importer.tracks._connection
    importer.run([music / "one.flac"])
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(LibraryError, match="disk is full"):
        importer.run([music])
    assert importer.tracks.count() >= 1
    connection.execute("PRAGMA max_page_count = 1000000")
    importer.run([music])
    assert importer.tracks.count() == importer.index.store.count() == 5
