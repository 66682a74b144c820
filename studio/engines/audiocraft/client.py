"""The studio's end of the pipe: one worker process, started when needed, ended when it hangs, started again.

Knows nothing of what the worker makes.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from studio.engines.audiocraft import protocol
from studio.engines.base import EngineError, Listener, ModelMissing

ASK_SECONDS = 0.05
LOG_BYTES = 2_000_000
AGAIN = "The studio goes on, and AudioCraft starts again with the next take."


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a worker may take: to start, to be silent, to make no progress, and to stop when asked."""

    start_seconds: float = 120.0
    silence_seconds: float = 30.0
    stall_seconds: float = 3_600.0
    stop_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A request's sound as far as it came, float32 (channels, frames); complete: False when it was stopped."""

    samples: np.ndarray
    sample_rate_hz: int
    complete: bool
    identity: Mapping[str, Any]


class WorkerClient:
    """One worker and the requests to it; one at a time. Thread-safe."""

    def __init__(self, command: Sequence[str | Path], *, log: Path, patience: Patience | None = None) -> None:
        """command: the worker's program and arguments. log: where its own words go."""
        self._command, self._log = [str(part) for part in command], log
        self._patience = patience or Patience()
        self._process: subprocess.Popen[bytes] | None = None
        self._heard: queue.Queue[tuple[dict[str, Any], bytes] | Exception | None] = queue.Queue()
        self._posted: queue.Queue[tuple[dict[str, Any], bytes] | None] = queue.Queue()
        self._lock = threading.Lock()
        self._number = 0

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def ask(self, request: Mapping[str, Any], payload: bytes = b"", *, listener: Listener) -> Answer:
        """Have one request answered.

        Raises EngineError, in the user's words, when the worker fails, dies, hangs or answers nonsense; it is then
        ended, and started again by the next request.
        """
        with self._lock:
            try:
                self._start(listener)
                self._number += 1
                self._send({**request, "kind": "make", "id": self._number}, payload)
                return self._await_answer(listener)
            except protocol.ProtocolError as error:
                self._end()
                raise EngineError(f"AudioCraft answered with something unreadable ({error}). {AGAIN}") from error
            except BaseException:
                if not self.is_running:
                    self._end()
                raise

    def close(self) -> None:
        """End the worker, whatever it does."""
        self._end()

    def _await_answer(self, listener: Listener) -> Answer:
        pieces: list[np.ndarray] = []
        rate = 0
        for message, payload in self._messages(listener):
            kind = message["kind"]
            if kind == "progress":
                listener.progress(str(message.get("stage", ""))[:60], _fraction(message.get("fraction")))
            elif kind == "sound":
                samples, rate = protocol.sound_of(message, payload)
                if pieces and pieces[0].shape[0] != samples.shape[0]:
                    raise protocol.ProtocolError("its channels changed within one sound")
                pieces.append(samples)
            elif kind == "failed":
                raise _failure(message, self._log)
            elif kind in ("done", "stopped"):
                identity = message.get("identity")
                sound = np.concatenate(pieces, axis=1) if pieces else np.zeros((1, 0), np.float32)
                return Answer(sound, rate, kind == "done", identity if isinstance(identity, dict) else {})
            else:
                raise protocol.ProtocolError(f"nobody asked for “{kind[:20]}”")
        # The user did not want to wait, and the model did not listen.
        self._end()
        return Answer(np.concatenate(pieces, axis=1) if pieces else np.zeros((1, 0), np.float32), rate, False, {})

    def _messages(self, listener: Listener) -> Iterator[tuple[dict[str, Any], bytes]]:
        """This request's messages; ends early when it was stopped and the worker did not obey in time."""
        heard_at = moved_at = time.monotonic()
        stop_at: float | None = None
        while True:
            now = time.monotonic()
            if stop_at is None and listener.cancelled():
                self._send({"kind": "stop", "id": self._number})
                stop_at = now + self._patience.stop_seconds
            if stop_at is not None and now > stop_at:
                return
            frame = self._next(timeout_seconds=ASK_SECONDS)
            if frame is None:
                self._check_patience(now - heard_at, now - moved_at)
                continue
            heard_at = time.monotonic()
            message, payload = frame
            if message["kind"] == "alive" or message.get("id") != self._number:
                self._check_patience(0.0, now - moved_at)
                continue
            moved_at = heard_at
            yield message, payload

    def _check_patience(self, silent_seconds: float, still_seconds: float) -> None:
        patience = self._patience
        if silent_seconds > patience.silence_seconds or still_seconds > patience.stall_seconds:
            self._end()
            waited = silent_seconds if silent_seconds > patience.silence_seconds else still_seconds
            raise EngineError(f"AudioCraft has not moved for {waited:.0f} s and was ended. {AGAIN}")

    def _next(self, *, timeout_seconds: float) -> tuple[dict[str, Any], bytes] | None:
        """The worker's next frame, or None when there is none yet; raises EngineError when it is dead."""
        try:
            frame = self._heard.get(timeout=timeout_seconds)
        except queue.Empty:
            return None
        if isinstance(frame, protocol.ProtocolError):
            raise frame
        if frame is None or isinstance(frame, Exception):
            raise self._death()
        return frame

    def _death(self) -> EngineError:
        status = self._end()
        why = "it was killed, often for want of memory" if status in (-9, 137) else f"status {status}"
        return EngineError(f"AudioCraft ended by itself ({why}). {AGAIN} Its last words are in {self._log}.")

    def _start(self, listener: Listener) -> None:
        if self.is_running:
            return
        self._end()
        listener.progress("starting AudioCraft", 0.0)
        self._log.parent.mkdir(parents=True, exist_ok=True)
        if self._log.exists() and self._log.stat().st_size > LOG_BYTES:
            self._log.unlink()
        try:
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                    env=_environment(self._log.parent), start_new_session=True,
                )  # fmt: skip
        except OSError as error:
            raise ModelMissing(
                f"AudioCraft cannot be started ({error.strerror or error}): install it again."
            ) from error
        self._heard, self._posted = queue.Queue(), queue.Queue()
        threading.Thread(target=_pump, args=(self._process, self._heard), daemon=True).start()
        threading.Thread(target=_post, args=(self._process, self._posted), daemon=True).start()
        self._await_ready(listener)

    def _await_ready(self, listener: Listener) -> None:
        until = time.monotonic() + self._patience.start_seconds
        while time.monotonic() < until:
            frame = self._next(timeout_seconds=ASK_SECONDS)
            if frame is not None and frame[0]["kind"] == "ready":
                return
        self._end()
        raise EngineError(f"AudioCraft did not start in {self._patience.start_seconds:.0f} s and was ended. {AGAIN}")

    def _send(self, message: dict[str, Any], payload: bytes = b"") -> None:
        """Post a frame; a worker that does not read cannot keep the studio waiting."""
        self._posted.put((message, payload))

    def _end(self) -> int | None:
        """Kill the worker and whatever it started; returns its exit status."""
        process, self._process = self._process, None
        if process is None:
            return None
        self._posted.put(None)
        if process.poll() is None:
            with suppress(OSError):
                if os.name == "posix":
                    os.killpg(process.pid, signal.SIGKILL)
                else:
                    process.kill()
        return process.wait()


def _pump(process: subprocess.Popen[bytes], heard: queue.Queue[Any]) -> None:
    """Read frames until the worker's output ends; then None, or what was wrong with it."""
    if process.stdout is None:
        return
    with process.stdout as stream:
        try:
            while (frame := protocol.read(stream)) is not None:  # type: ignore[arg-type]
                heard.put(frame)
            heard.put(None)
        except (protocol.ProtocolError, OSError, ValueError) as error:
            heard.put(error)


def _post(process: subprocess.Popen[bytes], posted: queue.Queue[Any]) -> None:
    """Write frames until None comes; that the worker is gone is noticed where it is heard."""
    if process.stdin is None:
        return
    with suppress(OSError, ValueError), process.stdin as stream:
        while (frame := posted.get()) is not None:
            protocol.write(stream, *frame)  # type: ignore[arg-type]


def _environment(folder: Path) -> dict[str, str]:
    """The studio's environment, with downloads kept beside AudioCraft, and no login handed on."""
    kept = {name: value for name, value in os.environ.items() if name not in ("HF_TOKEN", "PYTHONPATH", "PYTHONHOME")}
    return kept | {
        "HF_HOME": str(folder / "hub"), "AUDIOCRAFT_CACHE_DIR": str(folder / "hub" / "audiocraft"),
        "HF_HUB_DISABLE_TELEMETRY": "1", "PYTHONUNBUFFERED": "1",
    }  # fmt: skip


def _failure(message: Mapping[str, Any], log: Path) -> EngineError:
    kind, details = str(message.get("type", "")), str(message.get("details", ""))
    if "OutOfMemory" in kind or kind == "MemoryError" or "out of memory" in details.lower():
        return EngineError("AudioCraft ran out of memory: choose a smaller model or a shorter length.")
    if kind in ("ModuleNotFoundError", "ImportError"):
        return ModelMissing(f"AudioCraft is not whole ({details[:160]}): install it again.")
    if kind in ("LocalEntryNotFoundError", "ConnectionError", "OfflineModeIsEnabled"):
        return ModelMissing("AudioCraft's model is not here and the hub cannot be reached: connect, then try again.")
    return EngineError(f"AudioCraft could not make this ({kind}: {details[:160]}). The details are in {log}.")


def _fraction(value: Any) -> float:
    return min(1.0, max(0.0, float(value))) if isinstance(value, int | float) else 0.0
