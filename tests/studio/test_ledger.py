"""Trees, grids, storage rules and the archive, over a real studio and its takes."""

from __future__ import annotations

import json
import os
import signal
import sys
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from agents.types import Brief
from audio.clip import Clip
from audio.io import read_clip
from audio.loudness import integrated_lufs
from studio.engines.base import Rendering, Sampling
from studio.history import archive as archives
from studio.history.archive import MANIFEST, ArchiveError, ArchiveStopped
from studio.history.grid import Grid, GridError
from studio.history.storage import Retention, beyond_the_limit, too_old_in_bin
from studio.jobs import GenerateRequest
from studio.settings import Settings
from studio.studio import Studio
from studio.takes import EngineFacts, Take
from tests.tiny_plans import make_plan
from tests.ui.studios import ToneEngine, tiny_plan

TONE = EngineFacts(name="tone", label="Tone", tier="built-in")


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    with Studio(Settings(data_dir=tmp_path / "one", engine="tone"), engines=ToneEngine(), planner=tiny_plan) as studio:
        yield studio


def keep(
    studio: Studio, *, level: float = 0.5, parent: str | None = None, request: dict[str, object] | None = None
) -> Take:
    """A second of a tone as a take, listed."""
    tone = level * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    take = studio.store.write(
        Rendering(clip=Clip(tone.astype(np.float32), 16_000), complete=True), plan=make_plan(seconds=1.0),
        sampling=Sampling(), engine=TONE, parent=parent, request=request,
    )  # fmt: skip
    studio.history.add(take)
    return take


# --------------------------------------------------------------------------------------------------------- trees


def test_takes_stand_under_what_they_were_made_of(studio: Studio) -> None:
    song = keep(studio)
    repainted = keep(studio, parent=song.id, request={"edit": {"kind": "repaint"}})
    again = keep(studio, parent=song.id)
    deeper = keep(studio, parent=repainted.id, request={"edit": {"kind": "vary"}})
    alone = keep(studio)
    studio.ledger.deeds.note(deeper.id, "export", "flac")
    found, total = studio.ledger.trees()
    assert total == 2 and [node.take.id for node in found] == [alone.id, song.id]
    tree = found[1]
    assert tree.size == 4 and {child.how for child in tree.children} == {"repainted", "made again"}
    below = next(child for child in tree.children if child.take.id == repainted.id).children[0]
    assert (below.take.id, below.how, below.deeds[0].detail) == (deeper.id, "varied", "flac")
    assert again.id in {child.take.id for child in tree.children}


def test_a_take_whose_parent_is_deleted_stands_at_a_root(studio: Studio) -> None:
    song = keep(studio)
    child = keep(studio, parent=song.id)
    studio.delete_take(song.id)
    found, _ = studio.ledger.trees()
    assert [node.take.id for node in found] == [child.id]


def test_words_find_the_whole_tree(studio: Studio) -> None:
    song = keep(studio)
    keep(studio, parent=song.id)
    keep(studio)
    studio.ledger.opinions.vote(song.id, 1)
    found, total = studio.ledger.trees("liked:yes")
    assert total == 1 and found[0].take.id == song.id and found[0].size == 2


# ------------------------------------------------------------------------------------------------------- levels


def test_compared_takes_are_equally_loud_and_none_is_raised(studio: Studio) -> None:
    loud, quiet, silent = keep(studio, level=0.9), keep(studio, level=0.1), keep(studio, level=0.0)
    gains = studio.ledger.levels([loud, quiet, silent])
    assert gains[quiet.id] == 0.0 and gains[silent.id] == 0.0 and gains[loud.id] < -15
    heard = [integrated_lufs(read_clip(studio.store.audio_path(take.id))) + gains[take.id] for take in (loud, quiet)]
    assert abs(heard[0] - heard[1]) < 0.01


# -------------------------------------------------------------------------------------------------------- grids


def test_a_grid_plays_every_cell_of_one_plan_and_tables_the_best_first(studio: Studio) -> None:
    grid = Grid(engines=("tone",), seeds=(1, 2, 3))
    series, jobs = studio.ledger.run_grid(studio, grid, Brief(words="a tone", seconds=1.0))
    takes = [studio.jobs.wait(job.id, timeout_seconds=20).take_id for job in jobs]
    assert len(takes) == 3 and all(takes)
    studio.ledger.opinions.vote(str(takes[1]), 1)
    studio.ledger.opinions.vote(str(takes[0]), -1)
    rows = studio.ledger.grid(series)
    assert [row.settings[3] for row in rows] == ["2", "3", "1"]
    assert len({row.take.plan.model_dump_json() for row in rows}) == 1
    assert [name for name, _ in studio.ledger.grids()] == [series]


def test_an_engine_that_reads_no_guidance_has_one_cell_for_all(studio: Studio) -> None:
    grid = Grid(engines=("tone",), guidances=(2.0, 3.0, 4.0), seeds=(1, 2))
    assert len(grid.cells(samples=lambda engine: False)) == 2
    assert len(grid.cells(samples=lambda engine: True)) == 6


@pytest.mark.parametrize("seeds", [(1,), (1, 1), tuple(range(40))])
def test_a_grid_of_one_cell_or_too_many_is_refused(studio: Studio, seeds: tuple[int, ...]) -> None:
    with pytest.raises(GridError, match="2 to 36"):
        studio.ledger.run_grid(studio, Grid(engines=("tone",), seeds=seeds), Brief(words="a tone", seconds=1.0))
    assert not studio.jobs.list()


# ------------------------------------------------------------------------------------------------------ storage


def test_without_rules_nothing_is_removed(studio: Studio) -> None:
    take = keep(studio)
    studio.delete_take(take.id)
    assert studio.ledger.tidy() == ([], [])
    assert studio.store.binned_ids() == [take.id]


def test_the_oldest_takes_nobody_cares_for_go_into_the_bin_and_the_others_stay(studio: Studio) -> None:
    liked, built_on, exported, plain = (keep(studio) for _ in range(4))
    child = keep(studio, parent=built_on.id)
    studio.ledger.opinions.vote(liked.id, 1)
    studio.ledger.deeds.note(exported.id, "export", "flac")
    studio.ledger.keep_rules(Retention(takes_gb=1e-6))
    binned, deleted = studio.ledger.tidy()
    assert set(binned) == {plain.id, child.id} and not deleted
    assert {entry.take.id for entry in studio.takes().entries} == {liked.id, built_on.id, exported.id}


def test_opening_follows_only_rules_that_were_kept_and_says_what_went(studio: Studio) -> None:
    liked, plain = keep(studio), keep(studio)
    studio.ledger.opinions.vote(liked.id, 1)
    assert studio.ledger.tidy_at_opening() == "" == studio.ledger.tidied
    assert len(studio.takes().entries) == 2
    studio.ledger.keep_rules(Retention(takes_gb=1e-6))
    said = studio.ledger.tidy_at_opening()
    assert said.endswith("followed at opening: 1 take went into the bin.") and studio.ledger.tidied == said
    assert studio.store.binned_ids() == [plain.id] and studio.takes().entries[0].take.id == liked.id


def test_only_as_many_go_as_must() -> None:
    takes = [make_take(number) for number in range(5)]
    chosen = beyond_the_limit(takes, Retention(takes_gb=3.0), size=lambda _: 1_000_000_000, spared=lambda take: False)
    assert chosen == [takes[0].id, takes[1].id]


def make_take(number: int) -> Take:
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number)
    return Take(
        id=f"{moment:%Y%m%d-%H%M%S}-{number:06x}", created_at=moment, title="t", plan=make_plan(seconds=1.0),
        sampling=Sampling(), engine=TONE, seconds=1.0, complete=True, sample_rate_hz=8_000, channels=1,
    )  # fmt: skip


def test_the_bin_is_emptied_of_what_lay_there_long_enough(studio: Studio) -> None:
    take = keep(studio)
    studio.delete_take(take.id)
    rules = Retention(empty_bin_after_days=30)
    assert too_old_in_bin(studio.store, rules) == []
    assert too_old_in_bin(studio.store, rules, now=datetime.now(UTC) + timedelta(days=31)) == [take.id]


def test_the_rooms_sizes_are_those_of_the_disk(studio: Studio) -> None:
    keep(studio)
    takes = next(room for room in studio.ledger.usage() if room.name == "takes")
    expected = sum(path.stat().st_size for path in studio.store.takes_dir.rglob("*") if path.is_file())
    assert takes.size_bytes == expected and takes.files >= 3


# ------------------------------------------------------------------------------------------------------ archive


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Studio]:
    with Studio(Settings(data_dir=tmp_path / "two", engine="tone"), engines=ToneEngine(), planner=tiny_plan) as studio:
        yield studio


def test_the_whole_studio_comes_back_elsewhere(studio: Studio, other: Studio, tmp_path: Path) -> None:
    kept, binned = keep(studio), keep(studio)
    studio.delete_take(binned.id)
    studio.ledger.opinions.vote(kept.id, 1, words="the one")
    studio.ledger.deeds.note(kept.id, "export", "flac")
    (studio.settings.presets_dir / "mine.json").write_text("{}")
    already = keep(other)
    path = studio.ledger.archive(tmp_path / "all.zip")
    brought = other.ledger.bring_back(path)
    assert set(brought.takes) == {kept.id, binned.id}
    assert {entry.take.id for entry in other.takes().entries} == {kept.id, already.id}
    assert [entry.take.id for entry in other.takes(binned=True).entries] == [binned.id]
    assert other.ledger.standings()[kept.id].vote == 1 and other.ledger.deeds.exported() == {kept.id}
    assert (other.settings.presets_dir / "mine.json").exists()
    assert other.store.audio_path(kept.id).read_bytes() == studio.store.audio_path(kept.id).read_bytes()
    again = other.ledger.bring_back(path)
    assert again.takes == () and again.known == 2 and len(other.ledger.opinions.all()) == 1


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("studio.log", "studio.lock") and "history" not in path.name
    }


@pytest.mark.parametrize("harm", ["cut off", "no manifest", "a byte changed", "no zip", "climbs out", "a broken take"])
def test_a_damaged_archive_is_refused_and_changes_nothing(
    studio: Studio, other: Studio, tmp_path: Path, harm: str
) -> None:
    take = keep(studio)
    path = studio.ledger.archive(tmp_path / "all.zip")
    whole = path.read_bytes()
    if harm == "cut off":
        path.write_bytes(whole[: len(whole) // 2])
    elif harm == "no zip":
        path.write_bytes(b"no zip at all")
    elif harm == "a byte changed":
        spot = whole.index(b"fLaC") + 500
        path.write_bytes(whole[:spot] + bytes([whole[spot] ^ 255]) + whole[spot + 1 :])
    else:
        rewrite(path, harm, take.id)
    before = contents(other.settings.data_dir)
    with pytest.raises(ArchiveError):
        other.ledger.bring_back(path)
    assert contents(other.settings.data_dir) == before and other.takes().total == 0


def rewrite(path: Path, harm: str, take_id: str) -> None:
    """The archive anew, with one thing wrong in it."""
    import hashlib

    with zipfile.ZipFile(path) as bundle:
        files = {name: bundle.read(name) for name in bundle.namelist()}
    said = json.loads(files.pop(MANIFEST))
    if harm == "climbs out":
        files["takes/../../evil.txt"] = b"evil"
    if harm == "a broken take":
        files[f"takes/{take_id}/take.json"] = b"{}"
    said["sha256"] = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    with zipfile.ZipFile(path, "w") as bundle:
        for name, data in files.items():
            bundle.writestr(name, data)
        if harm != "no manifest":
            bundle.writestr(MANIFEST, json.dumps(said))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither fork nor SIGKILL")
def test_a_killed_bringing_back_leaves_nothing_once_the_studio_opens(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(studio)
    path = studio.ledger.archive(tmp_path / "all.zip")
    there = Settings(data_dir=tmp_path / "there")
    there.data_dir.mkdir()
    child = os.fork()
    if child == 0:
        monkeypatch.setattr(archives, "_move_in", lambda settings, room: os.kill(os.getpid(), signal.SIGKILL))
        archives.bring_back(there, path)
        os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    assert len(list(there.data_dir.iterdir())) == 1, "it was killed half way, or this shows nothing"
    archives.sweep(there.data_dir)
    assert list(there.data_dir.iterdir()) == []


def test_an_archive_writes_over_nothing_that_is_none(studio: Studio, tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("dear all")
    for wrong, said in (
        (letter, "is no archive"),
        (tmp_path, "is a folder"),
        (tmp_path / "nowhere/all.zip", "no folder"),
    ):
        with pytest.raises(ArchiveError, match=said):
            studio.ledger.archive(wrong)
    assert letter.read_text() == "dear all"
    assert studio.ledger.archive(tmp_path / "all.zip") == studio.ledger.archive(tmp_path / "all.zip")


def test_stopping_an_archive_leaves_no_file(studio: Studio, tmp_path: Path) -> None:
    keep(studio)
    with pytest.raises(ArchiveStopped):
        studio.ledger.archive(tmp_path / "all.zip", cancelled=lambda: True)
    assert not list(tmp_path.glob("*all.zip*"))


def test_exports_are_remembered_when_the_files_are_gone(studio: Studio) -> None:
    take = keep(studio)
    studio.export(take.id, format="wav16")
    studio.exports.forget(take.id)
    assert studio.ledger.deeds.exported() == {take.id}
    assert [deed.detail for deed in studio.ledger.deeds.all(take_id=take.id)] == ["wav16"]


def test_a_request_of_a_grid_survives_the_manifest(studio: Studio) -> None:
    request = GenerateRequest(brief=Brief(words="x"), engine="tone", series="grid-1")
    take = keep(studio, request=request.model_dump(mode="json"))
    assert GenerateRequest.model_validate(studio.store.read(take.id).request).series == "grid-1"
