"""A worker's plug-in that makes real sound without a model: a tone whose pitch the words decide. Also what goes wrong."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import time
from typing import Any

import numpy as np

RATE = 32_000


class TinySynth:
    def make(self, request: dict[str, Any], payload: bytes, progress: Any) -> Any:
        words = request.get("words", "")
        sys.stdout.write("a library prints into the pipe\n")
        sys.stdout.flush()
        if words == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if words == "leave":
            os._exit(3)
        if words == "freeze":
            os.kill(os.getpid(), signal.SIGSTOP)
        if words in ("stall", "deaf"):
            time.sleep(60)
        if words == "break":
            raise RuntimeError("CUDA out of memory")
        if words == "odd":
            raise ValueError("something odd\nand more of it")
        if request["task"] == "diffusion":
            codes = np.frombuffer(payload, "<i2").reshape(request["shape"])
            yield np.repeat(codes.mean(0) / 4096, 640)[None], RATE
            return
        seconds = request["seconds"]
        pitch = 110 + hashlib.sha256(f"{words}{request['seed']}".encode()).digest()[0]
        for step in range(10 if words != "endless" else 10_000):
            progress("composing", min(1.0, step / 10))
            time.sleep(0.01)
        times = np.arange(round(seconds * RATE) + 640) / RATE
        yield 0.4 * np.sin(2 * np.pi * pitch * times)[None], RATE

    def identity(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"audiocraft": "tiny synth", "temperature": request.get("temperature")}
