"""`python app.py library`: import, status, rebuild, and what it says when it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from app import main
from tests.rag.music import piece, written


def test_a_folder_is_imported_told_and_rebuilt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path / "music" / "one.flac", piece(seed=1))
    (tmp_path / "music" / "bad.wav").write_bytes(b"")
    data = ["--data-dir", str(tmp_path / "data")]
    assert main(["library", *data, "import", str(tmp_path / "music")]) == 0
    said = capsys.readouterr().out
    assert "1 added, 1 broken" in said and "bad.wav" in said
    assert main(["library", *data, "import"]) == 0  # the folders imported before
    assert "2 unchanged" in capsys.readouterr().out
    assert main(["library", *data, "rebuild"]) == 0
    capsys.readouterr()
    assert main(["library", *data, "status"]) == 0
    said = capsys.readouterr().out
    assert "1 tracks, 0 gone, 1 broken" in said and "1 in the index" in said


def test_a_folder_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["library", "--data-dir", str(tmp_path / "data"), "import", str(tmp_path / "none")]) == 1
    assert "is not there" in capsys.readouterr().err
    assert main(["library", "--data-dir", str(tmp_path / "data"), "import"]) == 1
    assert "Say which folder" in capsys.readouterr().err
