"""Whatever becomes of the studio: the host goes on, the project's take plays, and the status says what is wrong."""

from __future__ import annotations

import os
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.plugin.built import Built
from tests.plugin.conftest import KnownStudio
from tests.plugin.hosts import Daw
from tests.plugin.known_takes import clicks, keep
from tests.running import start_studio

Answer = Callable[[socket.socket], None]
PATIENCE_SECONDS = 3.0  # HttpRequest::silent_seconds, the least the plug-in waits for a studio that says nothing


@contextmanager
def impostor(answer: Answer) -> Iterator[int]:
    """Something that listens where the studio should; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        over = threading.Event()

        def one(peer: socket.socket) -> None:
            with peer:
                try:
                    peer.settimeout(5)
                    peer.recv(65536)
                    answer(peer)
                except OSError:
                    pass

        def listen() -> None:
            while not over.is_set():
                try:
                    peer, _ = server.accept()
                except TimeoutError:
                    continue
                threading.Thread(target=one, args=(peer,), daemon=True).start()

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            over.set()
            thread.join(5)


def hangs(peer: socket.socket) -> None:
    time.sleep(30)


def stops_in_the_middle(peer: socket.socket) -> None:
    peer.sendall(b"HTTP/1.1 200 OK\r\nX-Studio-Protocol: 1\r\nContent-Length: 500\r\n\r\ntakes")
    time.sleep(30)


def sends_garbage(peer: socket.socket) -> None:
    peer.sendall(os.urandom(20_000))


def sends_another_page(peer: socket.socket) -> None:
    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>")


def sends_a_gigabyte(peer: socket.socket) -> None:
    peer.sendall(b"HTTP/1.1 200 OK\r\nX-Studio-Protocol: 1\r\nContent-Length: 1073741824\r\n\r\n")
    for _ in range(1024):
        peer.sendall(bytes(2**20))


def sends_without_end(peer: socket.socket) -> None:
    while True:
        peer.sendall(b"x" * 2**20)


def speaks_another_version(peer: socket.socket) -> None:
    peer.sendall(b"HTTP/1.1 200 OK\r\nX-Studio-Protocol: 2\r\nContent-Length: 0\r\n\r\n")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which the plug-in looks for the studio; the tests write it."""
    path = tmp_path / "plugin.txt"
    monkeypatch.setenv("MUSICGEN_STUDIO_PLUGIN_FILE", str(path))
    return path


@pytest.fixture(scope="module")
def project(built: Built, studio: KnownStudio, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a take in it, made with the studio at hand."""
    path = tmp_path_factory.mktemp("project") / "state"
    before = os.environ.get("MUSICGEN_STUDIO_PLUGIN_FILE")
    os.environ["MUSICGEN_STUDIO_PLUGIN_FILE"] = str(studio.plugin_file)
    try:
        daw = Daw(built.vst3, bpm=120.0)
        daw.wait_for_sound(120.0)
        daw.plugin.save_state(str(path))
    finally:
        if before is None:
            del os.environ["MUSICGEN_STUDIO_PLUGIN_FILE"]
        else:
            os.environ["MUSICGEN_STUDIO_PLUGIN_FILE"] = before
    return path


def opened(built: Built, project: Path) -> Daw:
    daw = Daw(built.vst3, bpm=120.0)
    daw.restore(project)
    return daw


def plays_on(daw: Daw) -> None:
    """The take sounds while a key is held, faster than real time, and no rendering waits for the network.

    A busy machine may hold up one rendering of five, never by as much as the plug-in's patience with a silent studio.
    """
    took = []
    for _ in range(5):
        began = time.monotonic()
        heard = daw.play(0.5, notes=[(60, 480, 0.4)])
        took.append(time.monotonic() - began)
        assert np.abs(heard).max() > 0.3
    assert sorted(took)[2] < 0.5 and max(took) < PATIENCE_SECONDS


TROUBLES = [
    (hangs, "The studio does not answer"),
    (stops_in_the_middle, "The studio does not answer"),
    (sends_garbage, "That is not the studio"),
    (sends_another_page, "That is not the studio"),
    (sends_without_end, "That is not the studio"),
    (sends_a_gigabyte, "The studio sends too much"),
    (speaks_another_version, "The studio is another version"),
]


@pytest.mark.parametrize(("answer", "status"), TROUBLES, ids=lambda each: getattr(each, "__name__", ""))
def test_an_impostor_is_named_and_the_project_plays_on(
    built: Built, project: Path, place: Path, answer: Answer, status: str
) -> None:
    memory_before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with impostor(answer) as port:
        place.write_text(f"address 127.0.0.1\nport {port}\ntoken any\n")
        daw = opened(built, project)
        daw.wait(lambda each: each.status == status, seconds=90)
        plays_on(daw)
        began = time.monotonic()
        del daw
        assert time.monotonic() - began < PATIENCE_SECONDS  # nor does closing wait for it
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory_before) / 1024
    assert grown_mb < 400


def test_no_studio_at_all(built: Built, project: Path, place: Path) -> None:
    daw = opened(built, project)
    daw.wait(lambda each: each.status == "The studio is not running")
    plays_on(daw)
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    place.write_text(f"address 127.0.0.1\nport {port}\ntoken any\n")  # left behind by one that was killed
    daw.idle(2.5)
    assert daw.status == "The studio is not running"


def test_a_token_that_does_not_fit(built: Built, project: Path, studio: KnownStudio, place: Path) -> None:
    real = studio.place()
    place.write_text(f"address {real['address']}\nport {real['port']}\ntoken {'x' * 43}\n")
    daw = opened(built, project)
    daw.wait(lambda each: each.status == "The studio refuses the token")
    plays_on(daw)


def test_a_place_outside_this_machine_is_never_asked(built: Built, project: Path, place: Path) -> None:
    place.write_text("address 192.0.2.1\nport 80\ntoken secret\n")
    daw = opened(built, project)
    daw.wait(lambda each: each.status == "The studio is not running")


def test_a_shared_studio_says_so(built: Built, project: Path, place: Path) -> None:
    place.write_text("shared yes\n")
    daw = opened(built, project)
    daw.wait(lambda each: each.status == "The studio is being shared")


def test_the_studio_killed_and_started_again(built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data_dir = tmp_path / "data"
    keep(data_dir, "Clicks", clicks())
    monkeypatch.setenv("MUSICGEN_STUDIO_PLUGIN_FILE", str(data_dir / "plugin.txt"))
    first = start_studio(data_dir, timeout_seconds=180)
    try:
        daw = Daw(built.vst3, bpm=120.0)
        daw.wait_for_sound(120.0)
        first.stop(kill=True)
        daw.wait(lambda each: each.status == "The studio is not running")
        plays_on(daw)
        daw.engine.set_bpm(90.0)  # nobody stretches it: it goes with the tempo, higher or lower
        daw.idle(1.0)
        assert daw.sound_tempo == 120.0
        plays_on(daw)
    finally:
        first.stop(kill=True)
    second = start_studio(data_dir, timeout_seconds=180)
    try:
        daw.wait_for_sound(90.0)  # another port, another token: found, and asked what was missed
    finally:
        second.stop()
    assert not (data_dir / "plugin.txt").exists()
    daw.wait(lambda each: each.status == "The studio is not running")
