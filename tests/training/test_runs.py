"""Runs in processes of their own: queued, found again, stopped, killed, resumed, and their adapters put on the shelf."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from studio.engines.base import EngineError
from studio.engines.musicgen.adapters import Shelf
from studio.engines.musicgen.checkpoint import Checkpoint, inspect
from studio.training.config import CONFIG_FILE, PRESETS, RunConfig, from_preset
from studio.training.errors import RunError
from studio.training.estimate import decoder_parameters, estimate, preset_for, quickest
from studio.training.manifest import DataSet
from studio.training.progress import Curve
from studio.training.runs import Runs, RunView
from tests.training.data_sets import small_run

PLENTY = 64 * 10**9


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    opened = Runs(tmp_path / "runs", shelf=Shelf(tmp_path / "adapters"), free_memory=lambda device: PLENTY)
    yield opened
    for view in opened.all():
        opened.stop(view.name)
    opened.close()


@pytest.fixture
def config(checkpoint_folder: Callable[[str], Path], data_set: DataSet) -> RunConfig:
    return small_run(checkpoint_folder("mono"), data_set.folder, name="first", steps=4)


def wait_until(look: Callable[[], bool], *, seconds: float = 120.0) -> None:
    until = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < until, "it took too long"
        time.sleep(0.1)


def process_of(view: RunView) -> int:
    """The process that trains a run, found by its command line."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if str(view.folder / "config.yaml") in (entry / "cmdline").read_text():
                return int(entry.name)
        except OSError:
            continue
    raise AssertionError("no process trains it")


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds processes through /proc")
def test_runs_queue_outlive_the_studio_stop_resume_and_end_on_the_shelf(
    runs: Runs, config: RunConfig, tmp_path: Path
) -> None:
    long = config.changed(steps=100_000, checkpoint_every=1)
    assert runs.start(long).state == "running"
    assert runs.start(config.changed(name="second")).state == "queued"
    wait_until(lambda: runs.view("first").curve.step >= 2)

    again = Runs(tmp_path / "runs", shelf=Shelf(tmp_path / "adapters"), free_memory=lambda device: PLENTY)
    assert again.view("first").state == "running", "a studio opened anew finds it"
    assert again.view("first").curve.steps[0]["loss"] > 0
    again.close()

    os.kill(process_of(runs.view("first")), signal.SIGKILL)
    wait_until(lambda: runs.view("first").state == "broken off")
    assert "resume it" in runs.view("first").error
    reached = runs.view("first").curve.step

    wait_until(lambda: runs.view("second").state == "done")
    assert runs.resume("first").state == "running"
    wait_until(lambda: runs.view("first").curve.step > reached)
    with pytest.raises(RunError, match="is being trained: stop it first"):
        runs.delete("first")
    runs.stop("first")
    wait_until(lambda: runs.view("first").state == "stopped")
    stopped = runs.view("first").curve
    assert [line["step"] for line in stopped.steps] == list(range(1, stopped.step + 1)), "one curve, without a gap"

    adapter = runs.to_shelf("second", adapter_name="my sound")
    assert adapter.card["data"]["tracks"] == 4 and "CC-BY-NC" in adapter.card["licence"]
    with pytest.raises(EngineError, match="already"):
        runs.to_shelf("second", adapter_name="my sound")
    with pytest.raises(RunError, match="no such checkpoint; there are: 2, 4"):
        runs.to_shelf("second", step=3)
    runs.delete("second")
    assert [view.name for view in runs.all()] == ["first"]


def test_a_run_that_memory_does_not_allow_is_refused_with_a_sentence(
    runs: Runs, config: RunConfig, tmp_path: Path
) -> None:
    runs._free_memory = lambda device: 10**8
    with pytest.raises(RunError, match=r"needs about \d\.\d GB and 0\.1 GB are free: unload the models"):
        runs.start(config)
    assert runs.all() == []


def test_playing_beside_a_run_is_refused_only_when_memory_does_not_allow_it(
    runs: Runs, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.check_room(needed_bytes=10**13, device="cpu", label="MusicGen small")
    view = RunView("first", Path(), "running", config, Curve())
    monkeypatch.setattr(runs, "running", lambda: view)
    runs.check_room(needed_bytes=10**9, device="cpu", label="MusicGen small")
    with pytest.raises(EngineError, match=r"“first” is being trained, and MusicGen small would need 99.0 GB"):
        runs.check_room(needed_bytes=99 * 10**9, device="cpu", label="MusicGen small")


def test_a_name_that_is_taken_or_unknown_is_a_sentence(runs: Runs, config: RunConfig, tmp_path: Path) -> None:
    (tmp_path / "runs" / "first").mkdir(parents=True)
    (tmp_path / "runs" / "first" / CONFIG_FILE).write_text("name: first", encoding="utf-8")
    with pytest.raises(RunError, match="a run “first” already"):
        runs.start(config)
    for name in ("nobody", "../first", ""):
        with pytest.raises(RunError, match="no run"):
            runs.view(name)


def test_a_run_whose_data_set_is_gone_fails_with_a_sentence(runs: Runs, config: RunConfig, tmp_path: Path) -> None:
    runs.start(config.changed(data_set=tmp_path / "gone"))
    wait_until(lambda: not runs.view("first").is_active)
    view = runs.view("first")
    assert (view.state, view.error) == ("failed", "“gone” is no data set: build one first.")


def test_a_run_on_a_rented_machine_is_not_taken_for_broken_off(runs: Runs, config: RunConfig, tmp_path: Path) -> None:
    from studio.training.cloud import Cloud, CloudRun
    from studio.training.config import write_config

    folder = tmp_path / "runs" / "first"
    Cloud(folder)._keep(CloudRun("studio-first", "unreachable", 0.75, 5.0, launched_at=time.time() - 3600))
    write_config(folder / "config.yaml", config)
    view = runs.view("first")
    assert view.state == "elsewhere" and "`sky down studio-first`" in view.error
    assert runs.running() is None, "it takes no room here"
    with pytest.raises(RunError, match=r"may still have a machine: .* terminate it"):
        runs.delete("first")
    Cloud(folder)._keep(CloudRun("studio-first", "ended", 0.75, 5.0, launched_at=1.0, ended_at=2.0))
    runs.delete("first")
    assert runs.all() == []


def test_a_full_disk_leaves_no_half_run(runs: Runs, config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any, **named: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("studio.training.runs.write_config", full)
    with pytest.raises(RunError, match=r"could not be set up .the disk is full"):
        runs.start(config)
    assert runs.all() == []


# ------------------------------------------------------------------------------------------------ over-fitting


def curve(held_out: list[float], train: list[float]) -> Curve:
    return Curve(
        steps=[{"step": 10 * n, "loss": loss} for n, loss in enumerate(train, 1)],
        held_out=[{"step": 10 * n, "loss": loss} for n, loss in enumerate(held_out)],
    )


def test_over_fitting_is_said_from_the_step_where_it_begins() -> None:
    rising = curve([5.0, 4.0, 3.0, 3.2, 3.3, 3.4], [5.0, 4.0, 3.0, 2.0, 1.0])
    assert rising.overfits_since == 20 and rising.best == {"step": 20, "loss": 3.0}


@pytest.mark.parametrize(
    ("held_out", "train"),
    [
        ([5.0, 4.0, 3.0, 2.9, 2.8], [5.0, 4.0, 3.0, 2.0]),  # still getting better
        (
            [5.0, 4.0, 3.0, 3.2, 3.01, 3.3],
            [5.0, 4.0, 3.0, 2.0, 1.0],
        ),  # one look of the last three is as good as the best
        ([5.0, 3.0, 3.2, 3.3], [5.0, 4.0, 4.5, 4.6]),  # both rise: that is not learning by heart
        ([3.0, 3.2], [5.0, 4.0]),  # too early to say
        ([], [5.0, 4.0]),
    ],
)
def test_over_fitting_is_not_said_without_evidence(held_out: list[float], train: list[float]) -> None:
    assert curve(held_out, train).overfits_since is None


# --------------------------------------------------------------------------------------------------- estimates


@pytest.fixture(scope="module")
def small(checkpoint_folder: Callable[[str], Path]) -> Checkpoint:
    """The shape of facebook/musicgen-small, without its weights."""
    return replace(inspect(checkpoint_folder("mono")), layers=24, width=1024, codes=2048)


def test_the_decoders_size_is_musicgen_smalls(small: Checkpoint) -> None:
    assert decoder_parameters(small) == pytest.approx(420e6, rel=0.03)


@pytest.mark.parametrize(
    ("size", "layers", "width", "least"),
    [("small", 24, 1024, "8 GB"), ("medium", 48, 1536, "8 GB"), ("large", 48, 2048, "12 GB")],
)
def test_each_preset_fits_the_memory_it_is_named_after(
    small: Checkpoint, size: str, layers: int, width: int, least: str
) -> None:
    model = replace(small, layers=layers, width=width)
    sizes = [name for name in PRESETS if name != "CPU"]
    for name in sizes[sizes.index(least) :]:
        config = from_preset(name, name="a", model=Path("m"), data_set=Path("d"))
        found = estimate(config, device="cuda", flops_a_second=1e14, checkpoint=model)
        assert found.memory_bytes < float(name.split()[0]) * 1e9, f"{size} in {name}"


def test_checkpointing_trades_time_for_memory_and_shorter_segments_need_less(small: Checkpoint) -> None:
    config = from_preset("16 GB", name="a", model=Path("m"), data_set=Path("d"))

    def need(**changes: Any) -> Any:
        return estimate(config.changed(**changes), device="cuda", flops_a_second=1e14, checkpoint=small)

    assert need(gradient_checkpointing=False).memory_bytes > 1.5 * need().memory_bytes
    assert need(gradient_checkpointing=False).seconds < need().seconds
    assert need(segment_seconds=10.0).memory_bytes < need().memory_bytes
    assert need(lora={"rank": 64, "alpha": 64}).trained_parameters == 4 * need().trained_parameters


@pytest.mark.parametrize(
    ("layers", "width", "quick"),
    [(24, 1024, ["8 GB", "12 GB", "16 GB", "24 GB"]), (48, 1536, []), (48, 2048, [])],
)
def test_gradient_checkpointing_is_left_out_where_the_memory_suffices(
    small: Checkpoint, layers: int, width: int, quick: list[str]
) -> None:
    model = replace(small, layers=layers, width=width)
    found = list[str]()
    for name in (name for name in PRESETS if name != "CPU"):
        config = quickest(from_preset(name, name="a", model=Path("m"), data_set=Path("d")), name, checkpoint=model)
        if not config.gradient_checkpointing:
            assert estimate(config, device="cuda", checkpoint=model).memory_bytes < float(name.split()[0]) * 1e9
            found.append(name)
    assert found == quick


def test_the_number_that_learns_is_pefts_own(
    checkpoint_folder: Callable[[str], Path], data_set: DataSet, tmp_path: Path
) -> None:
    from studio.training.estimate import adapter_parameters
    from studio.training.trainer import Trainer

    for dora in (False, True):
        config = small_run(checkpoint_folder("mono"), data_set.folder, lora={"rank": 3, "alpha": 3, "dora": dora})
        trainer = Trainer(tmp_path, config)
        trainer._accelerate()
        trainer._load()
        # The tiny model's feed-forward is twice its width, MusicGen's four times.
        inner = 3 * 3 * 2 * (4 - 2) * 48 + (3 * (4 - 2) * 48 if dora else 0)
        counted = sum(weight.numel() for weight in trainer._weights.values())
        assert adapter_parameters(config, inspect(config.model)) == counted + inner


def test_the_preset_follows_the_card() -> None:
    assert [preset_for(gb * 10**9, device="cuda") for gb in (6, 8, 12, 15, 16, 24, 80)] == [
        "8 GB", "8 GB", "12 GB", "12 GB", "16 GB", "24 GB", "24 GB"
    ]  # fmt: skip
    assert preset_for(64 * 10**9, device="cpu") == "CPU"


if sys.platform == "win32":
    pytestmark = pytest.mark.skip(reason="ends processes by SIGKILL")
