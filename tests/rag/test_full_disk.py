"""A disk that fills: a sentence instead of a crash, nothing lost, and the same goes on once there is room."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.vectordb import DiskFull, EdgeStore
from tests.rag.music import piece, written
from tests.rag.test_importing import opened
from tests.rag.test_vectordb import SCHEMA, points

MEGABYTE = 1_000_000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 120 MB of its own, held in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    made = mount and subprocess.run([mount, "-t", "tmpfs", "-o", "size=120m", "tmpfs", str(folder)], check=False)
    if not made or made.returncode:
        pytest.skip("a small disk needs the right to mount one")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path, *, leave_mb: int) -> Path:
    """A file that takes the disk's room but so much."""
    path = disk / "filler"
    path.write_bytes(bytes(shutil.disk_usage(disk).free - leave_mb * MEGABYTE))
    return path


def test_an_import_stops_with_a_sentence_and_goes_on_when_there_is_room(disk: Path, tmp_path: Path) -> None:
    music = tmp_path / "music"
    for number in range(4):
        written(music / f"{number}.flac", piece(seed=number, seconds=6))
    importer = opened(disk / "library", few=9)
    importer.run([music / "0.flac"])
    filler = fill(disk, leave_mb=40)
    with pytest.raises(DiskFull, match=r"disk is full.*safe"):
        importer.run([music])
    assert importer.tracks.count() == 4, "what was heard is kept, though its vectors found no room"
    asked = importer.index.sound.embed(music / "0.flac").whole
    assert len(importer.index.store.nearest(asked, using="sound", limit=5)) == 1, "what was there is still found"
    filler.unlink()
    report = importer.run([music])
    assert (report.added, report.unchanged) == (0, 4), "nothing is heard twice"
    assert importer.index.store.ids() == set(importer.tracks.ids())
    importer.index.close()
    importer.tracks.close()


def test_a_store_is_neither_made_nor_set_aside_for_want_of_room(disk: Path) -> None:
    filler = fill(disk, leave_mb=20)
    with pytest.raises(DiskFull):
        EdgeStore(disk / "vectors", SCHEMA)
    filler.unlink()
    store = EdgeStore(disk / "vectors", SCHEMA)
    store.upsert(points())
    assert store.count() == len(points()) and not store.notice
    store.close()


@pytest.mark.skipif(sys.platform == "win32", reason="mapped files on a full disk end a process on POSIX alone")
def test_a_writer_that_fills_the_disk_is_stopped_before_the_system_ends_it(disk: Path) -> None:
    """In a process of its own: without the room that is kept free, it dies of SIGBUS."""
    script = (
        "import sys; from pathlib import Path\nfrom dataclasses import replace\nfrom rag.vectordb import EdgeStore, DiskFull\n"
        "from tests.rag.test_vectordb import SCHEMA, points\nstore, n = EdgeStore(Path(sys.argv[1]), SCHEMA), 0\n"
        "kept = [replace(each, payload={'genre': 'x' * 20_000}) for each in points()]\n"
        "try:\n    while n < 90_000: store.upsert([replace(each, id=each.id + n) for each in kept]); n += len(kept)\n"
        "except DiskFull as full: print(store.count() == n, full)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, str(disk / "vectors")],
        capture_output=True, text=True, cwd=Path(__file__).parents[2], timeout=120,
    )  # fmt: skip
    assert ran.returncode == 0 and ran.stdout.startswith("True The disk is full"), ran
