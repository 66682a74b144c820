"""A MIDI system of the tests' own: JACK's server on a driver without a sound card, under a name that no other program uses."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

BACKEND = "mido.backends.rtmidi/UNIX_JACK"


@contextmanager
def jack_server(*, frames: int = 2_048) -> Iterator[dict[str, str]]:
    """A running server; what programs need in their environment to play through it.

    Without real time, short periods lose messages on a busy machine: that is JACK's, not ours.
    """
    name = f"midi-{os.getpid()}-{time.monotonic_ns() % 1_000_000}"
    server = subprocess.Popen(
        ["jackd", "-n", name, "-r", "-d", "dummy", "-r", "48000", "-p", str(frames)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    environment = {"MIDO_BACKEND": BACKEND, "JACK_DEFAULT_SERVER": name, "JACK_NO_START_SERVER": "1"}
    try:
        deadline = time.monotonic() + 60.0
        while not _answers(environment):
            assert server.poll() is None, "jackd did not start; after a crash, remove /dev/shm/jack*"
            assert time.monotonic() < deadline, "jackd does not answer"
        yield environment
    finally:
        server.terminate()  # so that it takes itself out of JACK's list, which holds eight
        try:
            server.wait(5)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _answers(environment: dict[str, str]) -> bool:
    look = [sys.executable, "-c", "import mido; mido.get_output_names()"]
    return not subprocess.run(look, env={**os.environ, **environment}, capture_output=True).returncode


@pytest.fixture(scope="session")
def jack_here() -> Iterator[dict[str, str]]:
    """One server for all tests."""
    if shutil.which("jackd") is None:
        reason = "no JACK: apt install jackd2"
        if os.environ.get("MUSICGEN_STUDIO_TESTS_NEED_ALL"):
            pytest.fail(reason)
        pytest.skip(reason)
    with jack_server() as environment:
        yield environment


@pytest.fixture
def jack(jack_here: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """JACK for this test and all that it starts."""
    for name, value in jack_here.items():
        monkeypatch.setenv(name, value)
    return jack_here
