"""The worker process: reads requests from its standard input, has a model make sound, writes it to its standard output.

Run as a script by AudioCraft's own Python: `worker.py --plugin FILE:CLASS`. The class makes the sound; `models.py` beside
this file is AudioCraft's. It ends when its input does. Knows nothing of models; standard library and NumPy only.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import queue
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import protocol

HEARTBEAT_SECONDS = 1.0


class Stopped(Exception):
    """The user wants no more of this request."""


class Worker:
    """One pipe, one plug-in, one request at a time."""

    def __init__(self, source: Any, sink: Any) -> None:
        self._source, self._sink = source, sink
        self._requests: queue.Queue[tuple[dict[str, Any], bytes]] = queue.Queue()
        self._stopped: set[Any] = set()
        self._sending = threading.Lock()

    def run(self, plugin: str) -> None:
        """Answer requests until the input ends."""
        threading.Thread(target=self._beat, daemon=True).start()
        models = _load(plugin)
        threading.Thread(target=self._listen, daemon=True).start()
        self.send({"kind": "ready", "python": sys.version.split()[0]})
        while True:
            request, payload = self._requests.get()
            self._answer(models, request, payload)

    def send(self, message: dict[str, Any], payload: bytes = b"") -> None:
        with self._sending:
            try:
                protocol.write(self._sink, message, payload)
            except OSError:
                os._exit(0)  # nobody listens any more

    def _answer(self, models: Any, request: dict[str, Any], payload: bytes) -> None:
        number = request.get("id")

        def progress(stage: str, fraction: float) -> None:
            if number in self._stopped:
                raise Stopped
            self.send({"kind": "progress", "id": number, "stage": stage, "fraction": float(fraction)})

        try:
            progress("starting", 0.0)
            for samples, sample_rate_hz in models.make(request, payload, progress):
                message, sound = protocol.sound_message(samples, sample_rate_hz)
                self.send({**message, "id": number}, sound)
            self.send({"kind": "done", "id": number, "identity": models.identity(request)})
        except Stopped:
            self.send({"kind": "stopped", "id": number})
        except Exception as error:  # noqa: BLE001 - whatever broke, the studio is told and the worker goes on
            traceback.print_exc()
            lines = str(error).strip().splitlines() or [""]
            self.send({"kind": "failed", "id": number, "type": type(error).__name__, "details": lines[0][:300]})
        self._stopped.discard(number)

    def _listen(self) -> None:
        try:
            while True:
                frame = protocol.read(self._source)
                if frame is None:
                    break
                message, payload = frame
                if message["kind"] == "make":
                    self._requests.put((message, payload))
                elif message["kind"] == "stop":
                    self._stopped.add(message.get("id"))
                else:
                    break
        except (protocol.ProtocolError, OSError):
            traceback.print_exc()
        os._exit(0)  # the studio is gone; a model at work would not notice

    def _beat(self) -> None:
        while True:
            self.send({"kind": "alive"})
            time.sleep(HEARTBEAT_SECONDS)


def _load(plugin: str) -> Any:
    """An instance of the class in FILE:CLASS."""
    path, _, name = plugin.rpartition(":")
    spec = importlib.util.spec_from_file_location("plugin", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plugin", default=f"{Path(__file__).with_name('models.py')}:AudioCraftModels")
    arguments = parser.parse_args()
    # Libraries print; what they print must not get among the frames.
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    Worker(sys.stdin.buffer, sink).run(arguments.plugin)


if __name__ == "__main__":
    main()
