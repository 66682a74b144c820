"""Several devices learn as one: two processes, each with half the batch, draw the same curve as one with all of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from studio.training.config import write_config
from studio.training.manifest import DataSet
from studio.training.progress import read_progress
from studio.training.trainer import Trainer
from tests.training.data_sets import small_run

ROOT = Path(__file__).parents[2]


def test_two_processes_draw_the_curve_of_one(
    checkpoint_folder: Callable[[str], Path], data_set: DataSet, tmp_path: Path
) -> None:
    config = small_run(
        checkpoint_folder("mono"), data_set.folder, steps=4, batch=2, lora={"rank": 4, "alpha": 4, "dropout": 0.0},
        samples={"every": 100},
    )  # fmt: skip
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    Trainer(one, config).train()
    write_config(two / "config.yaml", config.changed(batch=1))
    ran = subprocess.run(
        [
            sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2",
            "-m", "studio.training.train", str(two / "config.yaml"),
        ],
        cwd=ROOT, capture_output=True, text=True, timeout=280, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]
    ours, theirs = read_progress(two), read_progress(one)
    assert ours.state == "done"
    assert [line["loss"] for line in ours.steps] == pytest.approx([line["loss"] for line in theirs.steps], abs=1e-4)
    assert [look["loss"] for look in ours.held_out] == pytest.approx(
        [look["loss"] for look in theirs.held_out], abs=1e-4
    )
    assert len(list((two / "checkpoints").iterdir())) == 2
