"""The whole studio carried from one folder to another on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from app import main


def test_a_studio_is_archived_and_brought_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two, file = tmp_path / "one", tmp_path / "two", tmp_path / "all.zip"
    assert main(["make", "techno", "--seconds", "3", "--seed", "1", "--data-dir", str(one)]) == 0
    assert main(["archive", str(file), "--data-dir", str(one)]) == 0
    assert "holds everything but the models" in capsys.readouterr().out
    assert main(["bring-back", str(file), "--data-dir", str(two)]) == 0
    assert "1 takes came back; 0 were here already." in capsys.readouterr().out
    assert len(list((two / "takes").iterdir())) == 1


def test_what_is_no_archive_is_refused_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "no.zip").write_bytes(b"no")
    assert main(["bring-back", str(tmp_path / "no.zip"), "--data-dir", str(tmp_path / "one")]) == 1
    assert "Nothing was changed" in capsys.readouterr().err
