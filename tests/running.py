"""The studio as its user runs it: `python app.py` in a process of its own, on a free port and a data folder of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass
class RunningStudio:
    """A served studio. seconds_to_page: from the process's start to the line that says where it is."""

    url: str
    process: subprocess.Popen[str]
    seconds_to_page: float
    lines: list[str] = field(default_factory=list)

    def stop(self, *, kill: bool = False) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL if kill else signal.SIGINT)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)


@contextmanager
def running_studio(data_dir: Path, *arguments: str, timeout_seconds: float = 60.0) -> Iterator[RunningStudio]:
    """Start the app, wait for its greeting, stop it at the end."""
    studio = start_studio(data_dir, *arguments, timeout_seconds=timeout_seconds)
    try:
        yield studio
    finally:
        studio.stop()


def start_studio(data_dir: Path, *arguments: str, timeout_seconds: float = 60.0) -> RunningStudio:
    """Start the app and wait for its greeting; whoever calls stops it."""
    command = [sys.executable, "app.py", "--port", "0", "--data-dir", str(data_dir), *arguments]
    started = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "MUSICGEN_STUDIO_PLUGIN_FILE": str(data_dir / "plugin.txt")},
    )  # fmt: skip
    lines: list[str] = []
    greeted = threading.Event()
    found: list[tuple[str, float]] = []

    def read() -> None:
        for line in process.stdout or ():
            lines.append(line.rstrip("\n"))
            if match := re.search(r"MusicGen Studio is on (http://\S+)", line):
                found.append((match[1], time.perf_counter() - started))
                greeted.set()
        greeted.set()

    threading.Thread(target=read, daemon=True).start()
    greeted.wait(timeout_seconds)
    if not found:
        process.kill()
        raise RuntimeError("the studio did not start:\n" + "\n".join(lines))
    url, seconds = found[0]
    return RunningStudio(url=url.rstrip("/"), process=process, seconds_to_page=seconds, lines=lines)
