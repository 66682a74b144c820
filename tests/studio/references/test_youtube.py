"""Fetching one sound, tried with yt-dlp's generic extractor on this machine: limits, refusals, nothing left behind."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audio.clip import Clip
from audio.io import read_clip, write_clip
from studio.references.playlist import ReferenceError
from studio.references.youtube import Limits, check_address, fetch_sound


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A web server with a tone and a large file."""
    folder = tmp_path_factory.mktemp("site")
    tone = 0.3 * np.sin(np.arange(44_100 * 2) * 2 * np.pi * 220 / 44_100, dtype=np.float64)
    write_clip(folder / "tone.wav", Clip(tone[None].astype(np.float32), 44_100))
    (folder / "big.mp3").write_bytes(np.random.default_rng(1).bytes(1_500_000))

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *said: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def here(site: str) -> Limits:
    return Limits(hosts=(site,), extractors=("generic",), schemes=("http",), max_bytes=1_000_000)


def test_a_sound_is_fetched_and_can_be_read(site: str, here: Limits, tmp_path: Path) -> None:
    shares: list[float] = []
    got = fetch_sound(
        f"http://{site}/tone.wav", folder=tmp_path / "in", rights_confirmed=True, limits=here, progress=shares.append
    )
    assert read_clip(got.path).seconds == pytest.approx(2.0, abs=0.01)
    assert shares and shares[-1] == 1.0
    assert got.path.parent == tmp_path / "in"


def test_without_the_right_nothing_is_asked(site: str, here: Limits, tmp_path: Path) -> None:
    with pytest.raises(ReferenceError, match="right to use"):
        fetch_sound(f"http://{site}/tone.wav", folder=tmp_path, rights_confirmed=False, limits=here)
    assert list(tmp_path.iterdir()) == []


def test_too_large_is_refused_and_leaves_nothing(site: str, here: Limits, tmp_path: Path) -> None:
    with pytest.raises(ReferenceError, match="larger than"):
        fetch_sound(f"http://{site}/big.mp3", folder=tmp_path, rights_confirmed=True, limits=here)
    assert [p for p in tmp_path.iterdir() if p.name != "studio-data"] == []


def test_stopping_leaves_nothing(site: str, here: Limits, tmp_path: Path) -> None:
    with pytest.raises(ReferenceError, match="Stopped"):
        fetch_sound(
            f"http://{site}/tone.wav", folder=tmp_path, rights_confirmed=True, limits=here, cancelled=lambda: True
        )
    assert [p for p in tmp_path.iterdir() if p.name != "studio-data"] == []


def test_another_extractor_is_refused(site: str, here: Limits, tmp_path: Path) -> None:
    only_youtube = replace(here, extractors=("youtube",))
    with pytest.raises(ReferenceError, match="could not be fetched"):
        fetch_sound(f"http://{site}/tone.wav", folder=tmp_path, rights_confirmed=True, limits=only_youtube)


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/passwd", "http://www.youtube.com/watch?v=x", "https://127.0.0.1/x", "https://evil.example/youtube.com",
        "https://www.youtube.com.evil.example/", "https://www.youtube.com@evil.example/", "https://me:pw@www.youtube.com/x",
        "https://www.youtube.com:8080/x", "http://169.254.169.254/latest", "youtube.com/watch?v=x", "", "https://[::1",
    ],
)  # fmt: skip
def test_only_youtubes_own_addresses_are_asked(address: str, tmp_path: Path) -> None:
    with pytest.raises(ReferenceError):
        fetch_sound(address, folder=tmp_path, rights_confirmed=True)


@pytest.mark.parametrize("host", ["www.youtube.com", "youtu.be", "music.youtube.com", "m.youtube.com"])
def test_youtubes_hosts_pass(host: str) -> None:
    check_address(f"https://{host}/watch?v=dQw4w9WgXcQ", Limits())


def test_the_shipped_limits_name_youtube_alone() -> None:
    assert Limits().extractors == ("youtube",)
