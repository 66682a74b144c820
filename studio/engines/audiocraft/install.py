"""Installs AudioCraft, or whatever else is to live apart, in an environment of its own, and says how far it is.

A virtual environment, then the packages in three steps, each noted when it is done, so that an installation that broke
off goes on from there. Nothing of the studio's own environment is touched. Knows nothing of pages or threads.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from studio.engines.audiocraft.engine import environment_python
from studio.engines.base import EngineError

# PyPI's audiocraft pins more than it needs (av 11 has no wheel); these resolve together (Python 3.9 to 3.11).
STEPS: tuple[tuple[str, ...], ...] = (
    (
        "torch==2.1.0", "torchaudio==2.1.0", "xformers==0.0.22.post7", "numpy<2", "transformers<4.45", "av", "einops",
        "flashy", "hydra-core", "hydra_colorlog", "julius", "num2words", "sentencepiece", "spacy", "librosa",
        "torchmetrics", "encodec",
    ),
    ("--no-deps", "audiocraft==1.3.0", "demucs==4.0.1"),
    ("dora-search", "openunmix", "lameenc"),
)  # fmt: skip
PYTHONS = ((3, 11), (3, 10), (3, 9))
NEEDED_BYTES = 12_000_000_000  # about 5 GB of packages, as much again while they are unpacked
NOTES = "installed.json"
_CHECK = "from audiocraft.models import MAGNeT, AudioGen, MultiBandDiffusion, MusicGen"
_DOING = re.compile(r"^(Collecting|Downloading|Installing collected packages|Building|Using cached)\b[ :]*(.{0,80})")

Progress = Callable[[str, float], None]


class InstallStopped(EngineError):
    """The user stopped the installation; what is there is kept."""


def is_installed(folder: Path) -> bool:
    """True when every step was done and its Python is there."""
    return environment_python(folder).exists() and _done(folder) >= {"whole"}


def remove(folder: Path) -> None:
    """Delete the environment; downloaded models stay. It counts as gone from the first moment."""
    with suppress(FileNotFoundError):
        (folder / NOTES).unlink()
    shutil.rmtree(folder / "env", ignore_errors=True)


def install(
    folder: Path,
    *,
    progress: Progress = lambda stage, fraction: None,
    cancelled: Callable[[], bool] = lambda: False,
    steps: Sequence[Sequence[str]] = STEPS,
    check: str = _CHECK,
    python: Path | None = None,
    needed_bytes: int = NEEDED_BYTES,
    what: str = "AudioCraft",
) -> None:
    """Install, or go on with an installation; does nothing when it is whole.

    progress: what is being done, and the share of the steps. python: the interpreter to build on; None finds one
    that AudioCraft is built for. what: its name in sentences.
    Raises InstallStopped, or EngineError with what to do; what has been done stays.
    """
    if is_installed(folder):
        return
    base = python or find_python()
    folder.mkdir(parents=True, exist_ok=True)
    _check_room(folder, needed_bytes, what)
    count = len(steps) + 2
    run = _Runner(folder / "install.log", cancelled)
    mine = environment_python(folder)
    if "env" not in _done(folder) or not mine.exists():
        progress("making the environment", 0.0)
        remove(folder)
        run([str(base), "-m", "venv", str(folder / "env")], lambda line: None)
        _note(folder, "env")
    for number, packages in enumerate(steps):
        name = f"step {number + 1} {' '.join(packages)}"
        if name in _done(folder):
            continue
        share = (number + 1) / count
        progress("installing", share)
        command = [str(mine), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", *packages]
        run(command, lambda line, share=share: _tell(line, progress, share))  # type: ignore[misc]
        _note(folder, name)
    progress("checking", (count - 1) / count)
    run([str(mine), "-c", check], lambda line: None)
    _note(folder, "whole")
    progress("installed", 1.0)


def find_python() -> Path:
    """A Python that AudioCraft's packages are built for; raises EngineError when this machine has none."""
    if sys.version_info[:2] in PYTHONS:
        return Path(sys.executable)
    for major, minor in PYTHONS:
        if found := shutil.which(f"python{major}.{minor}"):
            return Path(found)
    raise EngineError(
        "AudioCraft's packages need Python 3.9, 3.10 or 3.11, and this machine has none of them beside "
        f"{sys.version_info[0]}.{sys.version_info[1]}: install Python 3.11, then try again."
    )


class _Runner:
    """Runs commands, tells their lines, writes them to a log, and ends them when the user wants no more."""

    def __init__(self, log: Path, cancelled: Callable[[], bool]) -> None:
        self._log, self._cancelled = log, cancelled

    def __call__(self, command: list[str], tell: Callable[[str], None]) -> None:
        environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
        last = ""
        with self._log.open("a", encoding="utf-8") as log:
            try:
                process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                    errors="replace", env=environment, start_new_session=True,
                )  # fmt: skip
            except OSError as error:
                raise EngineError(
                    f"“{Path(command[0]).name}” cannot be run ({error.strerror}): install Python again."
                ) from error
            stopping = threading.Event()
            watch = threading.Thread(target=self._watch, args=(process, stopping), daemon=True)
            watch.start()
            with process:
                for line in process.stdout or ():
                    log.write(line)
                    last = line.strip() or last
                    tell(line)
            status = process.wait()
            stopping.set()
            watch.join()
        if status == 0:
            return
        if self._cancelled():
            raise InstallStopped("The installation was stopped; what is there is kept, and it goes on from there.")
        if "No space left" in last:
            raise EngineError("The disk is full: make room, then install again; what is there is kept.")
        raise EngineError(f"The installation broke off ({last[:200]}). Try again; the details are in {self._log}.")

    def _watch(self, process: subprocess.Popen[str], stopping: threading.Event) -> None:
        while not stopping.wait(0.2):
            if self._cancelled():
                with suppress(OSError):
                    if os.name == "posix":
                        os.killpg(process.pid, signal.SIGTERM)
                    else:
                        process.terminate()
                return


def _tell(line: str, progress: Progress, share: float) -> None:
    if found := _DOING.match(line):
        progress(f"{found[1].lower()} {found[2].split(' (from')[0]}".strip(), share)


def _check_room(folder: Path, needed_bytes: int, what: str) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise EngineError(
            f"{what} takes about {_gigabytes(needed_bytes)} GB while it is installed and the disk has "
            f"{free / 1e9:.1f} GB free: make room, then install again."
        )


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.0f}" if size >= 1e9 else f"{size / 1e9:.1f}"


def _done(folder: Path) -> set[str]:
    try:
        return set(json.loads((folder / NOTES).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return set()


def _note(folder: Path, step: str) -> None:
    draft = folder / f"{NOTES}.draft"
    draft.write_text(json.dumps(sorted(_done(folder) | {step})), encoding="utf-8")
    draft.replace(folder / NOTES)
