"""An optional part's installation, which outlives the page that asked for it; and the command that does the same.

One thread; who looks sees how far it is. Knows nothing of what is installed or how.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from studio.engines.audiocraft.install import InstallStopped, install, is_installed, remove
from studio.engines.base import EngineError
from studio.link_install import install_link
from studio.settings import Settings

State = Literal["absent", "running", "stopped", "failed", "installed"]
SIZE = "about 5 GB"
LABELS = {"audiocraft": "AudioCraft", "link": "Ableton Link"}


@dataclass(frozen=True, slots=True)
class InstallView:
    """How far the installation is. fraction: of its steps. error: a sentence when it failed."""

    state: State
    stage: str = ""
    fraction: float = 0.0
    error: str = ""


class Installation:
    """The installation in one folder. Thread-safe."""

    def __init__(self, folder: Path, *, what: str = "audiocraft") -> None:
        self._folder, self._what = folder, what
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._view = InstallView("absent")

    def view(self) -> InstallView:
        """Where it stands now."""
        with self._lock:
            if self._view.state in ("running", "failed", "stopped"):
                return self._view
        return InstallView("installed", fraction=1.0) if is_installed(self._folder) else InstallView("absent")

    def start(self) -> None:
        """Begin, or go on; nothing happens while it runs or when it is done."""
        with self._lock:
            if self._view.state == "running":
                return
            self._view = InstallView("running", "starting")
            self._stop = threading.Event()
            self._thread = threading.Thread(target=self._run, args=(self._stop,), name="install", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Break it off; what is there is kept for the next start."""
        self._stop.set()

    def remove(self) -> None:
        """Delete what is installed. Raises EngineError while it is being installed."""
        with self._lock:
            if self._view.state == "running":
                raise EngineError(f"{LABELS[self._what]} is being installed: stop that first.")
            self._view = InstallView("absent")
        remove(self._folder)

    def close(self, *, timeout_seconds: float = 10.0) -> None:
        """Break it off and wait."""
        self.stop()
        if self._thread is not None:
            self._thread.join(timeout_seconds)

    def _run(self, stop: threading.Event) -> None:
        def progress(stage: str, fraction: float) -> None:
            self._note(stage=stage, fraction=fraction)

        try:
            _installer(self._what)(self._folder, progress=progress, cancelled=stop.is_set)
            self._note(state="installed", fraction=1.0)
        except InstallStopped:
            self._note(state="stopped")
        except EngineError as error:
            self._note(state="failed", error=str(error))
        except Exception as error:  # noqa: BLE001 - a thread has nobody above it to tell
            self._note(state="failed", error=f"The installation broke off ({type(error).__name__}: {error}).")

    def _note(self, **changes: object) -> None:
        with self._lock:
            self._view = replace(self._view, **changes)  # type: ignore[arg-type]


def _installer(what: str) -> Callable[..., None]:
    """What installs it; looked up when it runs."""
    return install_link if what == "link" else install


def add_install_command(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command."""
    command = commands.add_parser("install", parents=[shared], help="install an optional part in a place of its own")
    command.add_argument("what", choices=list(LABELS))


def install_command(arguments: argparse.Namespace, settings: Settings) -> int:
    """`python app.py install audiocraft` or `link`: 0 done, 1 it could not be, 130 stopped by Ctrl-C, what is there kept."""
    stop = threading.Event()
    told = ""

    def progress(stage: str, fraction: float) -> None:
        nonlocal told
        if stage != told:
            told = stage
            sys.stdout.write(f"{round(100 * fraction):3d} %  {stage}\n")
            sys.stdout.flush()

    def on_ctrl_c(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    folder = settings.link_dir if arguments.what == "link" else settings.audiocraft_dir
    before = signal.signal(signal.SIGINT, on_ctrl_c)
    try:
        _installer(arguments.what)(folder, progress=progress, cancelled=stop.is_set)
    except InstallStopped as stopped:
        sys.stderr.write(f"{stopped}\n")
        return 130
    except EngineError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        signal.signal(signal.SIGINT, before)
    sys.stdout.write(f"{LABELS[arguments.what]} is installed in {folder}.\n")
    return 0
