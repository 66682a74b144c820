"""The runs of one studio: each in a process of its own, which outlives the page and the studio.

Whether a run is under way is told by the lock its process holds, so that a studio opened anew finds it again. One run
trains at a time; the others wait in the order they came. Knows nothing of pages or of what a run does.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from audio.folders import remove_whole
from studio.engines.base import EngineError
from studio.engines.musicgen.adapters import Adapter, Shelf
from studio.training.checkpoints import Checkpoints
from studio.training.cloud import Cloud
from studio.training.config import CONFIG_FILE, RunConfig, read_config, write_config
from studio.training.devices import device_here, free_memory_bytes
from studio.training.errors import RunError, why
from studio.training.estimate import estimate
from studio.training.progress import PROGRESS, Curve, ProgressLog, read_progress
from studio.training.train import LOCK, STOP

ROOT = Path(__file__).resolve().parents[2]
QUEUED, OUTPUT = "queued", "output.txt"
State = Literal["queued", "running", "elsewhere", "done", "stopped", "failed", "broken off"]
_LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as it stands. error: a sentence when it failed, or why it cannot be read.

    is_ending: it has said its last word, and its process is about to leave.
    """

    name: str
    folder: Path
    state: State
    config: RunConfig | None
    curve: Curve
    error: str = ""
    is_ending: bool = False

    @property
    def is_active(self) -> bool:
        return self.state in ("queued", "running")


class Runs:
    """The runs in one folder. Thread-safe; opening it starts nothing that was not queued."""

    def __init__(
        self,
        folder: Path,
        *,
        shelf: Shelf,
        command: tuple[str, ...] = (sys.executable, "-m", "studio.training.train"),
        free_memory: Callable[[str], int] = free_memory_bytes,
    ) -> None:
        self.folder = folder
        self._folder, self._shelf, self._command, self._free_memory = folder, shelf, command, free_memory
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._logged: dict[str, float] = {}  # when a run's log was last written to before its process began
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        if any(folder.glob(f"*/{QUEUED}")):
            self._watch()

    # ---------------------------------------------------------------------------------------------- looking

    def all(self) -> list[RunView]:
        """Every run, the newest first."""
        folders = [path.parent for path in self._folder.glob(f"[!.]*/{CONFIG_FILE}")]
        folders.sort(key=lambda path: (path / CONFIG_FILE).stat().st_mtime, reverse=True)
        return [self._view(folder) for folder in folders]

    def view(self, name: str) -> RunView:
        """One run; raises RunError when there is none."""
        folder = self._folder / name
        if not re.fullmatch(r"[\w][\w .\-]*", name) or not (folder / CONFIG_FILE).is_file():
            raise RunError(f"There is no run “{name}”.")
        return self._view(folder)

    def running(self) -> RunView | None:
        """The run that trains now, if any."""
        return next((view for view in self.all() if view.state == "running"), None)

    def _view(self, folder: Path) -> RunView:
        curve = read_progress(folder)
        try:
            config, error = read_config(folder / CONFIG_FILE), curve.error
        except RunError as wrong:
            config, error = None, str(wrong)
        state: State
        has_ended = curve.state in ("done", "stopped", "failed")
        is_ending = False
        if self._is_alive(folder):
            state = "running"
            is_ending = has_ended and _written_at(folder / PROGRESS) != self._logged.get(folder.name)
        elif (folder / QUEUED).exists():
            state = "queued"
        elif (machine := Cloud(folder).kept()) is not None and machine.may_cost:
            state, error = "elsewhere", machine.warning
        elif has_ended:
            state = curve.state  # type: ignore[assignment]
        else:
            state = "broken off"
            said = _last_line(folder / OUTPUT) if curve.state == "new" else ""
            error = error or said or "Its process ended without a word; its checkpoints are whole: resume it."
        return RunView(folder.name, folder, state, config, curve, error, is_ending)

    def _is_alive(self, folder: Path) -> bool:
        """Whether a process trains it: one of ours that has not ended, or any that holds its lock."""
        with self._lock:
            child = self._children.get(folder.name)
            if child is not None:
                if child.poll() is None:
                    return True
                del self._children[folder.name]
        return _is_locked(folder / LOCK)

    # ----------------------------------------------------------------------------------------------- acting

    def start(self, config: RunConfig) -> RunView:
        """Begin a run, or queue it behind the one that trains.

        Raises RunError when the name is taken, when memory does not suffice, or when the disk is full.
        """
        folder = self._folder / config.name
        with self._lock:
            if (folder / CONFIG_FILE).exists():
                raise RunError(
                    f"There is a run “{config.name}” already: give this one another name, or resume that one."
                )
            self._check_memory(config)
            try:
                folder.mkdir(parents=True, exist_ok=True)
                write_config(folder / CONFIG_FILE, config)
            except OSError as error:
                shutil.rmtree(folder, ignore_errors=True)
                raise RunError(f"The run could not be set up ({why(error)}): make room and try again.") from error
            return self._begin_or_queue(folder)

    def resume(self, name: str) -> RunView:
        """Go on from a run's newest whole checkpoint, or from the beginning where there is none."""
        view = self.view(name)
        with self._lock:
            if view.is_active or view.state == "elsewhere":
                return view
            if view.config is None:
                raise RunError(view.error)
            self._check_memory(view.config)
            return self._begin_or_queue(view.folder)

    def stop(self, name: str) -> None:
        """Ask a run to save and leave; one that is queued leaves the queue."""
        view = self.view(name)
        with self._lock:
            (view.folder / QUEUED).unlink(missing_ok=True)
            if view.state == "running":
                (view.folder / STOP).touch()

    def delete(self, name: str) -> None:
        """Delete a run with its checkpoints and samples; raises RunError while it trains."""
        view = self.view(name)
        if view.is_active:
            raise RunError(f"“{name}” is being trained: stop it first.")
        if view.state == "elsewhere":
            raise RunError(f"“{name}” may still have a machine: fetch what you want to keep, then terminate it.")
        try:
            remove_whole(view.folder)
        except OSError as error:
            raise RunError(f"“{name}” could not be deleted ({why(error)}): nothing was changed.") from error

    def to_shelf(self, name: str, *, step: int | None = None, adapter_name: str | None = None) -> Adapter:
        """Put a run's adapter on the shelf: its best checkpoint, or that of a step.

        Raises RunError when there is no such checkpoint, EngineError when the shelf has one of that name.
        """
        view = self.view(name)
        checkpoints = Checkpoints(view.folder)
        chosen = checkpoints.best() if step is None else next((s for s in checkpoints.all() if s.step == step), None)
        if chosen is None:
            there = ", ".join(str(saved.step) for saved in checkpoints.all()) or "none yet"
            raise RunError(f"“{name}” has no such checkpoint; there are: {there}.")
        return self._shelf.add(chosen.folder, name=adapter_name or name)

    def check_room(self, *, needed_bytes: int, device: str, label: str) -> None:
        """Raise EngineError when a run trains and a model would not fit beside it."""
        running = self.running()
        if running is None:
            return
        free = self._free_memory(device)
        if needed_bytes > free:
            raise EngineError(
                f"The run “{running.name}” is being trained, and {label} would need {needed_bytes / 1e9:.1f} GB of the "
                f"{free / 1e9:.1f} GB that are free beside it: wait for the run, stop it, or choose the sketch engine."
            )

    def close(self) -> None:
        """Leave the queue alone; runs go on by themselves."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(5.0)

    # ------------------------------------------------------------------------------------------------ queue

    def _begin_or_queue(self, folder: Path) -> RunView:
        if self.running() is None and not any(self._folder.glob(f"*/{QUEUED}")):
            self._spawn(folder)
        else:
            (folder / QUEUED).write_text(f"{time.time():.6f}", encoding="utf-8")
            self._watch()
        return self._view(folder)

    def _spawn(self, folder: Path) -> None:
        (folder / QUEUED).unlink(missing_ok=True)
        (folder / STOP).unlink(missing_ok=True)
        self._logged[folder.name] = _written_at(folder / PROGRESS)
        detached: dict[str, Any] = {"creationflags": 0x00000208} if os.name == "nt" else {"start_new_session": True}
        with (folder / OUTPUT).open("ab") as output:
            self._children[folder.name] = subprocess.Popen(
                [*self._command, str(folder / CONFIG_FILE)],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                **detached,
            )

    def _watch(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._keep_going, name="training queue", daemon=True)
            self._thread.start()

    def _keep_going(self) -> None:
        """Start what is queued, one after another, until nothing waits."""
        while not self._closing.wait(_LOOK_SECONDS):
            with self._lock:
                waiting = sorted(self._folder.glob(f"*/{QUEUED}"), key=_since)
                if not waiting:
                    self._thread = None
                    return
                if self.running() is None:
                    self._start_queued(waiting[0].parent)

    def _start_queued(self, folder: Path) -> None:
        try:
            self._check_memory(read_config(folder / CONFIG_FILE))
            self._spawn(folder)
        except (RunError, EngineError, OSError) as error:
            (folder / QUEUED).unlink(missing_ok=True)
            with suppress(OSError):
                ProgressLog(folder).add("end", state="failed", error=str(error))

    def _check_memory(self, config: RunConfig) -> None:
        device = device_here(config)
        needed = estimate(config, device=device, flops_a_second=1.0).memory_bytes
        free = self._free_memory(device)
        if needed > free:
            raise RunError(
                f"This run needs about {needed / 1e9:.1f} GB and {free / 1e9:.1f} GB are free: unload the models under "
                "Generate, close other programs, or choose the preset for less memory or a smaller model."
            )


def _since(mark: Path) -> float:
    try:
        return float(mark.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 0.0


def _written_at(path: Path) -> float:
    """When a file was last written to, in seconds of the system's clock; 0 where there is none."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _is_locked(path: Path) -> bool:
    from filelock import FileLock, Timeout

    if not path.exists():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False


def _last_line(path: Path) -> str:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
