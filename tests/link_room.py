"""A room for Link: an empty network with a loopback alone, so that tests meet their own peers and nobody else's.

Where this machine allows no network namespace the machine's own loopback serves, and `Room.where` says so.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from studio.engines.audiocraft.engine import environment_python
from studio.engines.audiocraft.install import NOTES

# As `ip link set lo up` does it (netdevice(7): SIOCSIFFLAGS with IFF_UP and IFF_RUNNING), for not every machine has that.
_LOOPBACK_UP = """
import fcntl, socket, struct, time
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sH14x", b"lo", 0x41))
print("up", flush=True)
time.sleep(3600)
"""
PEER = Path(__file__).with_name("link_peer.py")


def needs_link() -> None:
    """Skip where Link cannot be installed; where all tests must run, fail instead."""
    missing = [name for name in ("aalink", "link") if importlib.util.find_spec(name) is None]
    if missing and not os.environ.get("MUSICGEN_STUDIO_TESTS_NEED_ALL"):
        pytest.skip(f"no Ableton Link here ({' and '.join(missing)} missing): run make link")
    assert not missing


@dataclass
class Peer:
    """The other program, as it last told where it stands."""

    process: subprocess.Popen[str]
    told: dict[str, Any] = field(default_factory=dict)
    heard: list[dict[str, Any]] = field(default_factory=list)

    def do(self, **asked: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()

    def beat_at(self, seconds: float) -> float:
        """Its beat at a moment of `time.monotonic()`, from what it told last."""
        told = self.told
        return told["beat"] + (seconds - told["seconds"]) * told["tempo_bpm"] / 60.0

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@dataclass
class Room:
    """where: in words. python: a program that runs Python inside; for Link's worker and for peers alike."""

    where: str
    python: Path

    def install_in(self, data_dir: Path) -> Path:
        """Let a studio on this data folder find Link installed there, in the room."""
        python = environment_python(data_dir / "link")
        python.parent.mkdir(parents=True)
        python.symlink_to(self.python)
        (data_dir / "link" / NOTES).write_text('["env", "whole"]')
        return data_dir

    @contextmanager
    def peer(self, tempo_bpm: float = 120.0) -> Iterator[Peer]:
        """Another program in the session until the block ends."""
        process = subprocess.Popen(
            [str(self.python), "-u", str(PEER), str(tempo_bpm)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        peer = Peer(process)

        def listen() -> None:
            for line in process.stdout or ():
                with contextlib.suppress(ValueError):  # the last line of one that is killed
                    peer.told = json.loads(line)
                    peer.heard.append(peer.told)

        threading.Thread(target=listen, daemon=True).start()
        try:
            until(lambda: peer.told, "the peer did not start")
            yield peer
        finally:
            peer.end()


@contextmanager
def link_room(folder: Path) -> Iterator[Room]:
    """A namespace with nothing but a loopback, held open by a sleeping process."""
    needs_link()
    python = folder / "python-in-the-room"
    holder = _namespace()
    if holder is None:
        python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        where = "this machine's own network, for it allows no namespace"
    else:
        enter = f"nsenter --target {holder.pid} --net"
        python.write_text(f'#!/bin/sh\nexec {enter} {sys.executable} "$@"\n')
        where = "a network namespace with a loopback alone"
    python.chmod(0o755)
    try:
        yield Room(where, python)
    finally:
        if holder is not None:
            holder.kill()
            holder.wait()


def _namespace() -> subprocess.Popen[str] | None:
    if not (shutil.which("unshare") and shutil.which("nsenter")):
        return None
    holder = subprocess.Popen(
        ["unshare", "--net", sys.executable, "-c", _LOOPBACK_UP],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert holder.stdout is not None
    if holder.stdout.readline().strip() == "up":
        entered = subprocess.run(["nsenter", "--target", str(holder.pid), "--net", "true"], capture_output=True)
        if entered.returncode == 0:
            return holder
    holder.kill()
    holder.wait()
    return None


def until(holds: Callable[[], Any], otherwise: str, *, seconds: float = 60.0) -> None:
    """Wait until something holds, and fail in words where it does not."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.005)
