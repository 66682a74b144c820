"""A run killed at any moment resumes as if nothing had happened, and never from half a checkpoint."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from studio.training.checkpoints import Checkpoints, is_whole
from studio.training.config import RunConfig
from studio.training.manifest import DataSet
from studio.training.progress import PROGRESS, Curve, read_progress
from studio.training.trainer import Trainer
from tests.training.data_sets import small_run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither fork nor SIGKILL")
STEPS, KILLS = 32, 10


@pytest.fixture
def config(checkpoint_folder: Callable[[str], Path], data_set: DataSet) -> RunConfig:
    return small_run(
        checkpoint_folder("mono"), data_set.folder, steps=STEPS, checkpoint_every=2, held_out_every=6,
        samples={"prompts": ("a tune",), "every": 12, "seconds": 0.2},
    )  # fmt: skip


def start(folder: Path, config: RunConfig, *, before: Callable[[], None] = lambda: None) -> int:
    """The run in a process of its own, forked so that torch need not load again; its process id."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            before()
            status = 0 if Trainer(folder, config).train() == "done" else 3
        finally:
            os._exit(status)
    return child


def to_the_end(folder: Path, config: RunConfig) -> Curve:
    assert os.waitpid(start(folder, config), 0)[1] == 0
    return read_progress(folder)


def same(ours: Curve, theirs: Curve) -> None:
    for mine, other in ((ours.steps, theirs.steps), (ours.held_out, theirs.held_out)):
        assert [line["step"] for line in mine] == [line["step"] for line in other], "each step once, none missing"
        assert [line["loss"] for line in mine] == pytest.approx([line["loss"] for line in other], abs=1e-5)
    assert {line["file"] for line in ours.samples} == {line["file"] for line in theirs.samples}


def wait_for_step(folder: Path, step: int, child: int) -> bool:
    """False when the run ended before."""
    while read_progress(folder).step < step:
        if os.waitpid(child, os.WNOHANG)[0]:
            return False
        time.sleep(0.005)
    return True


def test_killed_at_ten_random_moments_it_resumes_the_same_curve(config: RunConfig, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    started = time.monotonic()
    expected = to_the_end(whole, config)
    a_step = (time.monotonic() - started) / STEPS
    chance, kills, lost = random.Random(7), 0, []
    while kills < KILLS:
        latest = Checkpoints(killed).latest()
        at = latest.step if latest else 0
        child = start(killed, config)
        # A step or two on, so that ten kills fit though this process wakes late; the moment within a step is chance.
        if not wait_for_step(killed, min(STEPS - 1, at + chance.randint(0, 2)), child):
            pytest.fail("the run ended before it could be killed ten times")
        time.sleep(chance.uniform(0.0, a_step))
        os.kill(child, signal.SIGKILL)
        ended = os.WIFEXITED(os.waitpid(child, 0)[1])
        kills += not ended
        found = Checkpoints(killed)
        assert all(is_whole(saved.folder) for saved in found.all())
        reached, latest = read_progress(killed).step, found.latest()
        lost.append(reached - (latest.step if latest else 0))
        if ended:
            break
    assert kills == KILLS
    assert max(lost) <= config.checkpoint_every, "at most the steps since the last checkpoint"
    same(to_the_end(killed, config), expected)


@pytest.mark.parametrize("moment", ["weights written", "state written", "before it is moved in", "moved in"])
def test_killed_while_a_checkpoint_is_written(config: RunConfig, tmp_path: Path, moment: str) -> None:
    config = config.changed(steps=6, held_out_every=3)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def die_at_step_4() -> None:
        write, replace = Path.write_bytes, Path.replace
        files = {"weights written": "adapter_model.safetensors", "state written": "trainer.pt"}

        def written(self: Path, data: bytes) -> int:
            half = moment == "state written" and self.name == "trainer.pt"
            count = write(self, bytes(data)[: len(data) // 2] if half and "000004" in str(self) else data)
            if "part-000004" in str(self) and self.name == files.get(moment):
                die()
            return count

        def replaced(self: Path, target: Path) -> Path:
            if moment == "before it is moved in" and self.name.startswith(".part-000004"):
                die()
            moved = replace(self, target)
            if moment == "moved in" and str(target).endswith("step-000004"):
                die()
            return moved

        Path.write_bytes, Path.replace = written, replaced  # type: ignore[method-assign]

    child = start(killed, config, before=die_at_step_4)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    latest = Checkpoints(killed).latest()
    assert latest is not None and latest.step == (4 if moment == "moved in" else 2)
    same(to_the_end(killed, config), to_the_end(whole, config))
    assert not list((killed / "checkpoints").glob(".part-*"))


def test_killed_while_an_old_checkpoint_is_deleted(config: RunConfig, tmp_path: Path) -> None:
    config = config.changed(steps=8, keep=1)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()

    def die_with_the_first_file_deleted() -> None:
        unlink = os.unlink

        def unlinked(path: str, *, dir_fd: int | None = None) -> None:
            unlink(path, dir_fd=dir_fd)
            if path in ("adapter_model.safetensors", "trainer.pt", "adapter_config.json"):
                os.kill(os.getpid(), signal.SIGKILL)

        os.unlink = unlinked

    assert os.WIFSIGNALED(os.waitpid(start(killed, config, before=die_with_the_first_file_deleted), 0)[1])
    listed = Checkpoints(killed).all()
    assert listed and all(is_whole(saved.folder) for saved in listed), "the one half deleted is not listed"
    same(to_the_end(killed, config), to_the_end(whole, config))
    assert not list((killed / "checkpoints").glob(".*"))


def test_a_line_of_the_log_cut_short_is_no_line(config: RunConfig, tmp_path: Path) -> None:
    config = config.changed(steps=4)
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    whole.mkdir()
    torn.mkdir()
    Trainer(torn, config, stopped=lambda: read_progress(torn).step >= 2).train()
    with (torn / PROGRESS).open("a") as log:
        log.write('{"kind": "step", "step": 3, "loss": 1.2')
    assert read_progress(torn).step == 2
    Trainer(torn, config).train()
    Trainer(whole, config).train()
    same(read_progress(torn), read_progress(whole))
