"""What the Training tab says of a run."""

from __future__ import annotations

from pathlib import Path

from studio.training.progress import ProgressLog, read_progress
from studio.training.runs import RunView
from studio.training.train import STOP
from studio.ui.training_views import run_cards


def test_a_run_says_what_it_is_at_between_its_steps(tmp_path: Path) -> None:
    def said() -> str:
        return run_cards([RunView("first", tmp_path, "running", None, read_progress(tmp_path))])

    assert "starting …" in said()
    log = ProgressLog(tmp_path)
    log.add("stage", stage="encoding the data set", fraction=0.5)
    assert "encoding the data set …" in said()
    log.add("stage", stage="training", fraction=0.0)
    assert "…" not in said()
    (tmp_path / STOP).touch()
    assert "saving, then stopping …" in said()
    (tmp_path / STOP).unlink()
    log.add("end", state="stopped")
    assert "starting …" in said(), "gone on with, it has not written yet"
    closing = RunView("first", tmp_path, "running", None, read_progress(tmp_path), is_ending=True)
    assert "saved, and closing …" in run_cards([closing])
