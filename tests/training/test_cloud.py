"""A run on a rented machine: what it would cost, a YAML that SkyPilot itself accepts, and every way it can go wrong."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from studio.engines.musicgen.checkpoint import Checkpoint, inspect
from studio.training.cloud import Cloud, CloudError, ConnectionLost, NoCredit, NoMachine, SkyMissing
from studio.training.cloud_task import OFFERS, Quote, cluster_name, quotes
from studio.training.config import RunConfig, from_preset, read_config
from studio.training.errors import RunError
from studio.training.manifest import DataSet
from studio.training.progress import ProgressLog, read_progress
from studio.training.trainer import Trainer
from tests.training import recorded_sky
from tests.training.data_sets import small_run

SCRIPT = Path(recorded_sky.__file__)


class Recorded:
    """A cloud whose `sky` replays a scenario, and how it was called."""

    def __init__(self, folder: Path, *, ssh: tuple[str, ...] = ("false",), **scenario: list[list[Any]]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "scenario.json"
        self.folder = folder / "run"
        self.change(**scenario)
        self.cloud = Cloud(self.folder, sky=(sys.executable, str(SCRIPT), str(self.path)), ssh=ssh)

    def change(self, **scenario: list[list[Any]]) -> None:
        self.path.write_text(json.dumps(scenario))

    @property
    def calls(self) -> list[list[str]]:
        written = self.path.with_suffix(".calls")
        return [json.loads(line) for line in written.read_text().splitlines()] if written.exists() else []


@pytest.fixture
def config(checkpoint_folder: Callable[[str], Path], data_set: DataSet) -> RunConfig:
    return small_run(checkpoint_folder("mono"), data_set.folder, name="lesson")


def launched(recorded: Recorded, config: RunConfig, *, cap: float = 5.0) -> Recorded:
    task = recorded.cloud.prepare(config, Quote(OFFERS[0], 1.0), cap_dollars=cap)
    recorded.cloud.launch(task)
    return recorded


@pytest.fixture
def small(checkpoint_folder: Callable[[str], Path]) -> Checkpoint:
    return replace(inspect(checkpoint_folder("mono")), layers=24, width=1024, codes=2048)


# ------------------------------------------------------------------------------------------------- before launch


def test_the_cost_is_known_before_anything_is_rented(config: RunConfig, small: Checkpoint) -> None:
    run = from_preset("16 GB", name="a", model=config.model, data_set=config.data_set, steps=1_000)
    found = quotes(run, checkpoint=small)
    assert found[0].dollars == min(quote.dollars for quote in found)
    assert found[0].dollars == pytest.approx(found[0].hours * found[0].offer.price_an_hour)
    assert f"${found[0].dollars:.2f} in all" in found[0].sentence
    longer = quotes(run.changed(steps=2_000), checkpoint=small)
    assert longer[0].hours - 0.2 == pytest.approx(2 * (found[0].hours - 0.2), rel=0.3)


def test_what_fits_nowhere_is_a_sentence(config: RunConfig, small: Checkpoint) -> None:
    large = replace(small, layers=48, width=2048)
    run = from_preset("24 GB", name="a", model=config.model, data_set=config.data_set).changed(
        batch=64, gradient_checkpointing=False
    )
    with pytest.raises(RunError, match="fits on none of the machines"):
        quotes(run, checkpoint=large)


def test_more_than_the_cap_is_refused_before_launch(config: RunConfig, tmp_path: Path) -> None:
    recorded = Recorded(tmp_path)
    with pytest.raises(CloudError, match=r"about \$7.50, which is more than the cap of \$5.00"):
        recorded.cloud.prepare(config, Quote(OFFERS[0], 10.0), cap_dollars=5.0)
    assert recorded.calls == []


def test_the_yaml_ends_the_machine_whatever_happens(config: RunConfig, tmp_path: Path) -> None:
    recorded = Recorded(tmp_path)
    task = yaml.safe_load(recorded.cloud.prepare(config, Quote(OFFERS[0], 1.0), cap_dollars=3.0).read_text())
    assert task["resources"]["autostop"] == {"idle_minutes": 5, "down": True}
    assert [one["infra"] for one in task["resources"]["any_of"]] == ["runpod", "lambda"]
    assert f"timeout --signal=TERM --kill-after=120 {int(3 * 3600 / 0.75)} " in task["run"], "the cap, as time"
    assert all(Path(local).exists() for local in task["file_mounts"].values())
    remote = read_config(recorded.folder / "cloud" / "config.yaml")
    assert (remote.device, remote.steps, str(remote.data_set)) == ("cuda", config.steps, "../data")


def test_a_hosted_model_is_fetched_there_and_an_own_one_taken_along(config: RunConfig, tmp_path: Path) -> None:
    recorded = Recorded(tmp_path)
    own = yaml.safe_load(recorded.cloud.prepare(config, Quote(OFFERS[0], 1.0), cap_dollars=3.0).read_text())
    hosted = yaml.safe_load(
        recorded.cloud.prepare(
            config.changed(model_name="facebook/musicgen-small"), Quote(OFFERS[0], 1.0), cap_dollars=3.0
        ).read_text()
    )
    assert "~/lesson/model" in own["file_mounts"] and "snapshot_download" not in own["setup"]
    assert "~/lesson/model" not in hosted["file_mounts"] and "facebook/musicgen-small" in hosted["setup"]


def test_what_the_yaml_runs_is_the_run(config: RunConfig, tmp_path: Path) -> None:
    """Its `run` part, with this machine standing in for the rented one: the log comes out, and the run is done."""
    recorded = Recorded(tmp_path)
    config = config.changed(steps=2, samples={"every": 10})
    task = yaml.safe_load(recorded.cloud.prepare(config, Quote(OFFERS[0], 1.0), cap_dollars=3.0).read_text())
    home = tmp_path / "home"
    for there, here in task["file_mounts"].items():
        target = home / there.removeprefix("~/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if there.endswith(".yaml"):
            target.write_text(Path(here).read_text().replace("device: cuda", "device: cpu"))
        else:
            target.symlink_to(here)
    (home / "lesson/env/bin").mkdir(parents=True)
    (home / "lesson/env/bin/python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (home / "lesson/env/bin/python").chmod(0o755)
    ran = subprocess.run(
        ["bash", "-c", task["run"]], capture_output=True, text=True, timeout=240, check=False,
        env={**os.environ, "HOME": str(home), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert '"kind": "step", "step": 2' in ran.stdout
    assert (home / "lesson/run/checkpoints/step-000002/adapter_model.safetensors").exists()


def _sky_python() -> Path | None:
    sky = shutil.which("sky")
    python = Path(sky).resolve().parent / "python" if sky else None
    return python if python and python.exists() else None


@pytest.mark.skipif(_sky_python() is None, reason="no SkyPilot: put its environment's bin folder on PATH")
@pytest.mark.parametrize("offer", OFFERS, ids=lambda offer: offer.name)
def test_skypilot_itself_accepts_the_yaml(config: RunConfig, tmp_path: Path, offer: Any) -> None:
    """`Task.from_yaml(…).validate()`. Its price lists come from the network; the few lines it needs stand in for them."""
    task = Recorded(tmp_path).cloud.prepare(config, Quote(offer, 1.0), cap_dollars=30.0)
    lists = tmp_path / "home" / ".sky" / "catalogs" / "v8"
    header = "InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,Price,Region,GpuInfo,SpotPrice"
    for cloud, gpu in (("runpod", offer.runpod), ("lambda", offer.lambda_)):
        (lists / cloud).mkdir(parents=True)
        zone = ",AvailabilityZone" if cloud == "runpod" else ""
        row = f"1x_{gpu},{gpu},1.0,8.0,64.0,{offer.price_an_hour},CA,,{',CA-MTL-1' if zone else ''}"
        (lists / cloud / "vms.csv").write_text(f"{header}{zone}\n{row}\n")
    (lists / "common").mkdir()
    known = "".join(f"{gpu},\"['{cloud}']\"\n" for gpu, cloud in ((offer.runpod, "RunPod"), (offer.lambda_, "Lambda")))
    (lists / "common" / "accelerators.csv").write_text(f"AcceleratorName,Clouds\n{known}")
    (lists / "common" / "metadata.csv").write_text(
        f"GPU,MemoryGB,Manufacturer\n{offer.runpod},{offer.memory_gb},NVIDIA\n"
    )
    script = (
        "import sky, sys; task = sky.Task.from_yaml(sys.argv[1]); task.validate()\n"
        "print(sorted(str(each.cloud) for each in task.resources), "
        "[(each.autostop_config.enabled, each.autostop_config.down) for each in task.resources])"
    )
    ran = subprocess.run(
        [str(_sky_python()), "-c", script, str(task)], capture_output=True, text=True, timeout=240, check=False,
        env={**os.environ, "HOME": str(tmp_path / "home"), "SKYPILOT_DISABLE_USAGE_COLLECTION": "1"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert ran.stdout.strip().endswith("['Lambda', 'RunPod'] [(True, True), (True, True)]")


# -------------------------------------------------------------------------------------------------- the whole way


def test_the_whole_way_from_launch_to_the_adapter_here(config: RunConfig, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    Trainer(there, config).train()
    ProgressLog(there).add("end", state="done")
    logged = "".join(
        f"(studio-lesson, pid=2101) {line}\n" for line in (there / "progress.jsonl").read_text().splitlines()
    )
    half = "\n".join(logged.splitlines()[:9]) + '\n(studio-lesson, pid=2101) {"kind": "st'
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as file:
        file.add(there / "checkpoints", "checkpoints")
        file.add(there / "samples", "samples")
    (tmp_path / "packed.tar").write_bytes(packed.getvalue())
    copy = f"import shutil, sys; shutil.copyfileobj(open({str(tmp_path / 'packed.tar')!r}, 'rb'), sys.stdout.buffer)"
    recorded = Recorded(
        tmp_path / "here", ssh=(sys.executable, "-c", copy), status=[[0, recorded_sky.UP]],
        queue=[[0, '{"studio-lesson": [{"job_id": 1, "status": "RUNNING"}]}'], [0, '{"studio-lesson": [{"job_id": 1, "status": "SUCCEEDED"}]}']],
        logs=[[101, half], [0, logged]],
    )  # fmt: skip
    launched(recorded, config)
    assert recorded.calls[0][:8] == ["launch", "-y", "-d", "--down", "-i", "5", "-c", "studio-lesson"]
    assert recorded.cloud.status().state == "running"
    first = recorded.cloud.follow()
    assert 0 < first < 6
    assert recorded.cloud.status().state == "done"
    assert recorded.cloud.follow() == 6
    ours, theirs = read_progress(recorded.folder), read_progress(there)
    assert ours.steps == theirs.steps and ours.held_out == theirs.held_out, "the same curve, no line twice"
    assert ours.state == "done"
    whole = recorded.cloud.fetch()
    assert [folder.name for folder in whole] == ["step-000002", "step-000004", "step-000006"]
    ended = recorded.cloud.terminate()
    assert recorded.calls[-1] == ["down", "-y", "studio-lesson"]
    assert not ended.may_cost and ended.spent_dollars < 0.75


@pytest.mark.parametrize(
    ("said", "kind", "sentence"),
    [
        (recorded_sky.NO_CREDIT, NoCredit, r"for want of credit: add some .* Nothing runs\."),
        (recorded_sky.NO_MACHINE, NoMachine, r"has such a machine free now: try again later\. Nothing runs\."),
        (recorded_sky.NOT_SET_UP, SkyMissing, r"no provider set up: run `sky check` .* Nothing runs\."),
    ],
)
def test_what_the_provider_refuses_costs_nothing_and_says_so(
    config: RunConfig, tmp_path: Path, said: str, kind: Any, sentence: str
) -> None:
    recorded = Recorded(tmp_path, launch=[[1, said]])
    with pytest.raises(kind, match=sentence):
        launched(recorded, config)
    run = recorded.cloud.kept()
    assert run is not None and not run.may_cost and run.spent_dollars == 0


def test_sky_that_is_not_installed_says_how_to_get_it(config: RunConfig, tmp_path: Path) -> None:
    cloud = Cloud(tmp_path / "run", sky=("no-such-sky",))
    task = cloud.prepare(config, Quote(OFFERS[0], 1.0), cap_dollars=5.0)
    with pytest.raises(SkyMissing, match=r"skypilot\[runpod,lambda\]"):
        cloud.launch(task)


@pytest.mark.parametrize("command", ["status", "logs", "queue", "down"])
def test_a_lost_connection_says_that_it_costs_and_how_to_end_it(
    config: RunConfig, tmp_path: Path, command: str
) -> None:
    recorded = launched(Recorded(tmp_path, status=[[0, recorded_sky.UP]]), config)
    recorded.change(**{"status": [[0, recorded_sky.UP]], command: [[1, recorded_sky.CONNECTION]]})
    ask = {"logs": recorded.cloud.follow, "down": recorded.cloud.terminate}.get(command, recorded.cloud.status)
    with pytest.raises(ConnectionLost) as lost:
        ask()
    said = str(lost.value)
    assert "may be running" in said and "about $0.75 an hour" in said and "`sky down studio-lesson`" in said
    assert "ends itself at $5.00 at the latest" in said
    run = recorded.cloud.kept()
    assert run is not None and run.state == "unreachable" and run.may_cost
    recorded.change(down=[[0, "Terminating cluster studio-lesson...done."]])
    assert not recorded.cloud.terminate().may_cost


def test_a_connection_lost_while_launching_may_have_rented(config: RunConfig, tmp_path: Path) -> None:
    recorded = Recorded(tmp_path, launch=[[1, recorded_sky.CONNECTION]])
    with pytest.raises(ConnectionLost, match="may be running"):
        launched(recorded, config)
    run = recorded.cloud.kept()
    assert run is not None and run.may_cost


def test_a_machine_whose_setup_failed_is_ended(config: RunConfig, tmp_path: Path) -> None:
    recorded = Recorded(tmp_path, launch=[[1, recorded_sky.SETUP_FAILED]], down=[[0, "done"]])
    with pytest.raises(CloudError, match=r"Failed to setup .* and was ended"):
        launched(recorded, config)
    assert recorded.calls[-1] == ["down", "-y", "studio-lesson"]
    run = recorded.cloud.kept()
    assert run is not None and not run.may_cost


def test_a_machine_that_ended_itself_is_known_to_be_gone(config: RunConfig, tmp_path: Path) -> None:
    recorded = launched(Recorded(tmp_path, status=[[0, "[]"]]), config)
    assert recorded.cloud.status().state == "ended"
    assert recorded.cloud.terminate().state == "ended"


def test_fetching_from_a_machine_that_is_gone_is_a_sentence(config: RunConfig, tmp_path: Path) -> None:
    recorded = launched(Recorded(tmp_path), config)
    with pytest.raises(ConnectionLost, match="cannot be reached"):
        recorded.cloud.fetch()
    assert not list(recorded.folder.glob("*.tar"))


def test_names_become_ones_that_sky_takes() -> None:
    assert cluster_name("My Band, take 2") == "studio-my-band-take-2"
    assert cluster_name("ß") == "studio-run" and len(cluster_name("x" * 90)) <= 40


@pytest.mark.cloud
def test_live_on_the_cheapest_machine(config: RunConfig, tmp_path: Path) -> None:
    """Rents a real machine for some minutes; run with `pytest -m cloud`, an account and credit."""
    cloud = Cloud(tmp_path / "run")
    try:
        cloud.launch(cloud.prepare(config, Quote(OFFERS[0], 0.5), cap_dollars=1.0))
        assert cloud.status().state in ("running", "done")
    finally:
        cloud.terminate()
