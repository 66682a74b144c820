"""A folder that is removed is gone at once: no half of it is ever found by its name."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from audio.folders import remove_whole, sweep


def folder_of(tmp_path: Path, *names: str) -> Path:
    folder = tmp_path / "take"
    (folder / "stems").mkdir(parents=True)
    for name in names:
        (folder / name).write_bytes(b"sound")
    return folder


def test_it_goes_with_all_that_is_in_it(tmp_path: Path) -> None:
    remove_whole(folder_of(tmp_path, "mix.flac", "stems/drums.flac"))
    assert list(tmp_path.iterdir()) == []


def test_removing_what_is_not_there_is_nothing(tmp_path: Path) -> None:
    remove_whole(tmp_path / "no such take")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither fork nor SIGKILL")
def test_killed_after_the_first_file_nothing_is_left_by_its_name(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "mix.flac", "stems/drums.flac", "take.json")
    child = os.fork()
    if child == 0:
        unlink = os.unlink

        def last(*names: object, **options: object) -> None:
            unlink(*names, **options)  # type: ignore[arg-type]
            os.kill(os.getpid(), signal.SIGKILL)

        os.unlink = last  # type: ignore[assignment]
        remove_whole(folder)
        os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    assert not folder.exists()
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(left) == 2, "killed half way, or this shows nothing"
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="the administrator may do anything")
def test_one_that_cannot_be_moved_stays_whole(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "mix.flac")
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OSError):
            remove_whole(folder)
        assert (folder / "mix.flac").read_bytes() == b"sound"
    finally:
        tmp_path.chmod(0o700)
