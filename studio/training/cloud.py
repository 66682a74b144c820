"""A run on a rented machine: one YAML for SkyPilot, what it will cost, and everything said by `sky` in the user's words.

SkyPilot (Apache-2.0) rents from RunPod and Lambda alike and lives in an environment of its own; it is only ever called
as the program `sky`. A machine is always started with `--down` and an idle limit, and the run itself is cut off when the
cap is reached, so that money stops being spent even when nobody looks. Knows nothing of pages.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from audio.io import written_whole
from studio.training.checkpoints import CHECKPOINTS, is_whole
from studio.training.cloud_task import IDLE_MINUTES, Quote, cluster_name, write_task
from studio.training.config import RunConfig
from studio.training.errors import TrainingError
from studio.training.progress import PROGRESS, read_progress

STATE_FILE = "cloud.json"
INSTALL = 'python -m venv sky-env && sky-env/bin/pip install "skypilot[runpod,lambda]" && sky-env/bin/sky check'
_LAUNCH_SECONDS, _ASK_SECONDS, _FETCH_SECONDS = 3_600.0, 120.0, 3_600.0
CloudState = Literal["prepared", "starting", "running", "done", "failed", "unreachable", "ended"]


class CloudError(TrainingError):
    """A rented machine could not be had, reached or ended; the message says whether one may still cost money."""


class SkyMissing(CloudError):
    """SkyPilot is not installed, or no provider is set up."""


class NoCredit(CloudError):
    """The provider wants money first."""


class NoMachine(CloudError):
    """No provider has such a machine free."""


class ConnectionLost(CloudError):
    """A machine may be running that cannot be reached."""


@dataclass(frozen=True, slots=True)
class CloudRun:
    """A rented machine as it was last known. spent_dollars: at its price since it was launched, at most."""

    cluster: str
    state: CloudState
    price_an_hour: float
    cap_dollars: float
    launched_at: float = 0.0
    ended_at: float = 0.0

    @property
    def may_cost(self) -> bool:
        return self.state in ("starting", "running", "unreachable", "done", "failed") and not self.ended_at

    @property
    def spent_dollars(self) -> float:
        if not self.launched_at:
            return 0.0
        return self.price_an_hour * ((self.ended_at or time.time()) - self.launched_at) / 3600

    @property
    def warning(self) -> str:
        """What to do when a machine may be running and nobody can reach it."""
        return (
            f"It costs about ${self.price_an_hour:.2f} an hour until it ends. End it with Terminate here, with "
            f"`sky down {self.cluster}` in a terminal, or on the provider’s own page; left alone it ends itself at "
            f"${self.cap_dollars:.2f} at the latest, or {IDLE_MINUTES} minutes after the run."
        )


class Cloud:
    """A run's rented machine; everything about it is kept in the run's folder, so that any process can go on."""

    def __init__(self, run_folder: Path, *, sky: Sequence[str] = ("sky",), ssh: Sequence[str] = ("ssh",)) -> None:
        self._folder, self._sky, self._ssh = run_folder, tuple(sky), tuple(ssh)

    def prepare(self, config: RunConfig, quote: Quote, *, cap_dollars: float) -> Path:
        """Write the YAML and what it takes along; returns the YAML. Nothing is rented. Raises CloudError."""
        if cap_dollars <= 0:
            raise CloudError("A spending cap is a sum above 0 dollars.")
        if quote.dollars > cap_dollars:
            raise CloudError(
                f"The run will cost about ${quote.dollars:.2f}, which is more than the cap of ${cap_dollars:.2f}: raise the "
                "cap, or take fewer steps."
            )
        task = write_task(self._folder, config, quote, cap_dollars=cap_dollars)
        self._keep(CloudRun(cluster_name(config.name), "prepared", quote.offer.price_an_hour, cap_dollars))
        return task

    def launch(self, task: Path) -> CloudRun:
        """Rent a machine and begin; takes minutes. Raises SkyMissing, NoCredit, NoMachine, ConnectionLost, CloudError."""
        run = self._kept()
        if shutil.which(self._sky[0]) is None and not Path(self._sky[0]).is_file():
            raise SkyMissing(f"SkyPilot is not installed. In a terminal: {INSTALL}")
        run = self._changed(run, state="starting", launched_at=time.time())
        idle = str(IDLE_MINUTES)
        said = self._call(
            "launch", "-y", "-d", "--down", "-i", idle, "-c", run.cluster, str(task), seconds=_LAUNCH_SECONDS
        )
        if said.returncode == 0:
            return self._changed(run, state="running")
        return self._refused(run, said.output)

    def status(self) -> CloudRun:
        """Ask how it stands. Raises ConnectionLost when that cannot be known while a machine may cost money."""
        run = self._kept()
        if not run.may_cost:
            return run
        said = self._call("status", "-o", "json", run.cluster)
        if said.returncode != 0:
            if _says(said.output, _UNKNOWN):
                return self._changed(run, state="ended", ended_at=time.time())
            self._lost(run)
        machines = _json_of(said.output)
        if not machines:
            return self._changed(run, state="ended", ended_at=time.time())
        return self._changed(run, state=self._job_state(run))

    def follow(self) -> int:
        """Take what the run has logged over there into the local curves; returns the step it is at.

        Raises ConnectionLost.
        """
        run = self._kept()
        said = self._call("logs", "--no-follow", run.cluster, "1")
        if said.returncode not in (0, 100, 101, 103):
            self._lost(run)
        logged = _logged(said.output)
        if sum(line["kind"] == "step" for line in logged) >= len(read_progress(self._folder).steps):
            with written_whole(self._folder / PROGRESS) as part:
                part.write_text("".join(json.dumps(line) + "\n" for line in logged), encoding="utf-8")
        return read_progress(self._folder).step

    def fetch(self) -> list[Path]:
        """Bring checkpoints and samples here; returns the checkpoints that arrived whole. Raises ConnectionLost, CloudError."""
        run = self._kept()
        with written_whole(self._folder / "fetched.tar") as part:
            with part.open("wb") as file:
                command = [*self._ssh, run.cluster, "tar -C lesson/run -cf - checkpoints samples"]
                try:
                    ran = subprocess.run(
                        command, stdout=file, stderr=subprocess.PIPE, timeout=_FETCH_SECONDS, check=False
                    )
                except (OSError, subprocess.TimeoutExpired) as error:
                    self._lost(run, cause=error)
            if ran.returncode != 0:
                self._lost(run)
        self._unpack(self._folder / "fetched.tar")
        return [folder for folder in sorted((self._folder / CHECKPOINTS).glob("step-*")) if is_whole(folder)]

    def terminate(self) -> CloudRun:
        """End the machine and make sure that it is gone. Raises ConnectionLost when that cannot be made sure of."""
        run = self._kept()
        said = self._call("down", "-y", run.cluster)
        if said.returncode != 0 and not _says(said.output, _UNKNOWN):
            self._lost(run)
        return self._changed(run, state="ended", ended_at=time.time())

    # ------------------------------------------------------------------------------------------------- inside

    def _job_state(self, run: CloudRun) -> CloudState:
        said = self._call("queue", "-o", "json", run.cluster)
        if said.returncode != 0:
            self._lost(run)
        jobs = _json_of(said.output)
        jobs = jobs.get(run.cluster, []) if isinstance(jobs, dict) else jobs
        status = str(jobs[0].get("status", "")).rsplit(".", 1)[-1].upper() if jobs else ""
        if status == "SUCCEEDED":
            return "done"
        return "failed" if status.startswith("FAILED") or status == "CANCELLED" else "running"

    def _refused(self, run: CloudRun, said: str) -> CloudRun:
        """Say why nothing was rented, or that something may have been."""
        if _says(said, _NO_CREDIT):
            self._changed(run, state="ended", ended_at=run.launched_at)
            raise NoCredit(
                "The provider refused for want of credit: add some on its page, then launch again. Nothing runs."
            )
        if _says(said, _NOT_SET_UP):
            self._changed(run, state="ended", ended_at=run.launched_at)
            raise SkyMissing(
                "SkyPilot has no provider set up: run `sky check` in a terminal and do as it says. Nothing runs."
            )
        if _says(said, _NO_MACHINE):
            self._changed(run, state="ended", ended_at=run.launched_at)
            raise NoMachine("Neither RunPod nor Lambda has such a machine free now: try again later. Nothing runs.")
        if _says(said, _CONNECTION):
            self._lost(run)
        # Setting up failed, say: the machine stays up for looking at it, which costs, so it is ended.
        self.terminate()
        raise CloudError(
            f"The machine could not be started ({_last(said)}), and was ended. The log is in {self._folder.name}."
        )

    def _lost(self, run: CloudRun, *, cause: BaseException | None = None) -> None:
        run = self._changed(run, state="unreachable")
        raise ConnectionLost(f"The machine cannot be reached, and may be running. {run.warning}") from cause

    def _call(self, *arguments: str, seconds: float = _ASK_SECONDS) -> _Said:
        """Run sky; what it says is kept in the run's folder."""
        try:
            ran = subprocess.run(
                [*self._sky, *arguments],
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
                stdin=subprocess.DEVNULL,
            )
            said = _Said(ran.returncode, f"{ran.stdout}\n{ran.stderr}")
        except FileNotFoundError as error:
            raise SkyMissing(f"SkyPilot is not installed. In a terminal: {INSTALL}") from error
        except subprocess.TimeoutExpired:
            said = _Said(1, "timed out")
        with (self._folder / "sky.txt").open("a", encoding="utf-8") as log:
            log.write(f"$ sky {' '.join(arguments)}\n{said.output}\n")
        return said

    def _unpack(self, archive: Path) -> None:
        import tarfile

        try:
            with tarfile.open(archive) as file:
                file.extractall(self._folder, filter="data")
        except (tarfile.TarError, OSError) as error:
            raise CloudError("What was fetched is not whole: fetch it again.") from error
        finally:
            archive.unlink(missing_ok=True)

    def kept(self) -> CloudRun | None:
        """What is known of this run's machine, or None when it never had one."""
        try:
            return CloudRun(**json.loads((self._folder / STATE_FILE).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def _kept(self) -> CloudRun:
        run = self.kept()
        if run is None:
            raise CloudError("This run has no machine: prepare and launch it first.")
        return run

    def _keep(self, run: CloudRun) -> CloudRun:
        self._folder.mkdir(parents=True, exist_ok=True)
        facts = {name: getattr(run, name) for name in CloudRun.__dataclass_fields__}
        with written_whole(self._folder / STATE_FILE) as part:
            part.write_text(json.dumps(facts), encoding="utf-8")
        return run

    def _changed(self, run: CloudRun, **changes: Any) -> CloudRun:
        from dataclasses import replace

        return self._keep(replace(run, **changes))


@dataclass(frozen=True, slots=True)
class _Said:
    returncode: int
    output: str


_NO_CREDIT = ("insufficient balance", "insufficient funds", "insufficient credit", "not enough credit", "payment method", "add funds", "balance is too low")  # fmt: skip
_NO_MACHINE = ("resourcesunavailableerror", "insufficient-capacity", "failed to provision all possible", "no longer any instances available", "failed to acquire resources", "no resource satisfying")  # fmt: skip
_NOT_SET_UP = ("not enabled", "no cloud access", "no enabled cloud")
_CONNECTION = ("timed out", "connection refused", "connection reset", "failed to connect", "name resolution", "max retries exceeded", "network is unreachable", "broken pipe")  # fmt: skip
_UNKNOWN = ("does not exist", "not found", "no existing clusters")


def _says(said: str, words: Sequence[str]) -> bool:
    lower = said.lower()
    return any(word in lower for word in words)


def _last(said: str) -> str:
    return next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "no reason given")[:200]


def _json_of(said: str) -> Any:
    """The JSON in what sky printed, which may stand behind notes of its own."""
    decoder = json.JSONDecoder()
    for place, sign in enumerate(said):
        if sign in "[{":
            try:
                return decoder.raw_decode(said[place:])[0]
            except json.JSONDecodeError:
                continue
    return []


def _logged(said: str) -> list[dict[str, Any]]:
    """The run's own lines out of sky's log, which puts “(lesson, pid=1234) ” before each."""
    found = []
    for line in said.splitlines():
        at = line.find('{"kind":')
        if at < 0:
            continue
        try:
            logged = json.loads(line[at:].rstrip())
        except json.JSONDecodeError:
            continue
        if isinstance(logged, dict):
            found.append(logged)
    return found
