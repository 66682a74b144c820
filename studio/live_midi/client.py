"""The studio's side of the MIDI process: starts it when it is first needed, speaks to it, and starts it again when it died.

Knows nothing of takes or of pages.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]
_QUIT_SECONDS = 2.0
_ANSWER_SECONDS = 10.0
_START_SECONDS = 45.0  # until it speaks for the first time: a busy machine starts a process slowly


class MidiProcessError(Exception):
    """The MIDI process does not answer; the message is a sentence for the user."""


class WorkerClient:
    """A MIDI process that is there when it is spoken to. heard: told of each of its lines, on a thread of its own.

    options: further arguments of the process.
    """

    def __init__(self, heard: Callable[[dict[str, Any]], None], *, options: tuple[str, ...] = ()) -> None:
        self._heard, self._options = heard, options
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._has_spoken = False
        self._number = 0
        self._waiting: dict[int, threading.Event] = {}

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def tell(self, do: str, **what: Any) -> None:
        """Send a command and go on. Raises MidiProcessError when the process cannot be started."""
        with self._lock:
            for last in (False, True):
                process = self._process if self.is_running else self._start()
                assert process is not None and process.stdin is not None
                try:
                    process.stdin.write(json.dumps({"do": do, **what}).encode() + b"\n")
                    process.stdin.flush()
                    return
                except OSError as error:
                    self._process = None
                    if last:
                        raise MidiProcessError("The MIDI process does not answer. Try again.") from error

    def ask(self, do: str, **what: Any) -> None:
        """Send a command and wait until it has been carried out; what it says comes before. Raises MidiProcessError."""
        done = threading.Event()
        with self._lock:
            self._number += 1
            number = self._number
            self._waiting[number] = done
        try:
            self.tell(do, id=number, **what)
            if not done.wait(_ANSWER_SECONDS if self._has_spoken else _START_SECONDS):
                raise MidiProcessError("The MIDI system does not answer. Restart it, or use the browser's MIDI.")
        finally:
            self._waiting.pop(number, None)

    def close(self) -> None:
        """Let it end what sounds, and end it."""
        with self._lock:
            process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(OSError):
            assert process.stdin is not None
            process.stdin.close()
        try:
            process.wait(_QUIT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        hurry = getattr(subprocess, "HIGH_PRIORITY_CLASS", 0)  # Windows; elsewhere the process asks by itself
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "studio.live_midi.worker", *self._options], cwd=_ROOT, stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, creationflags=hurry,
            )  # fmt: skip
        except OSError as error:
            raise MidiProcessError(f"The MIDI process could not be started: {error.strerror or error}.") from error
        self._process, self._has_spoken = process, False
        threading.Thread(target=self._read, args=(process,), daemon=True).start()
        return process

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None and process.stdin is not None
        with process.stdout:
            for line in process.stdout:
                told = json.loads(line)
                self._has_spoken = True
                if told["kind"] == "done":
                    if waiting := self._waiting.get(told["id"]):
                        waiting.set()
                    continue
                self._heard(told)
        process.wait()
        with contextlib.suppress(OSError):
            process.stdin.close()
        if self._process is process:  # nobody asked it to end
            self._process = None
            self._heard({"kind": "died"})
