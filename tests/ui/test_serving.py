"""Putting the page on the network: where it is, what is said of it, and what is left alone meanwhile."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from studio.settings import Settings
from studio.studio import Studio
from studio.ui.serve import CannotServe, serve
from tests.ui.studios import ToneEngine, empty_page, served_studio, tiny_plan

ROOT = Path(__file__).parents[2]


def test_a_port_that_is_taken_is_said_with_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        settings = Settings(data_dir=tmp_path / "data", port=other.getsockname()[1])
        with Studio(settings, engines=ToneEngine(), planner=tiny_plan) as studio, pytest.raises(CannotServe) as refusal:
            serve(empty_page(studio), studio, settings, say=print)
    assert str(settings.port) in str(refusal.value) and "--port" in str(refusal.value)


def test_a_host_that_is_not_this_machine_is_said(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", port=0, host="192.0.2.7")
    with (
        Studio(settings, engines=ToneEngine(), planner=tiny_plan) as studio,
        pytest.raises(CannotServe, match=r"192\.0\.2\.7"),
    ):
        serve(empty_page(studio), studio, settings, say=print)


def test_a_machine_too_busy_to_answer_within_gradios_three_seconds_serves_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gradio.networking.url_ok", lambda url: False)
    with served_studio(tmp_path / "busy") as served, served.browser() as client:
        assert client.get("/studio/jobs").status_code == 200


def test_the_greeting_says_where_and_only_when_shared_with_which_login(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with served_studio(tmp_path / "alone") as served:
        alone = served.serving.greeting(served.studio.settings)
        assert alone == f"MusicGen Studio is on {served.url}"
        assert httpx.get(served.url, trust_env=False).status_code == 200
    with served_studio(tmp_path / "shared", host="0.0.0.0", auth=("anna:a secret",)) as served:
        shared = served.serving.greeting(served.studio.settings)
    assert served.owner.password in shared and "anna" in shared and "a secret" in shared
    assert capsys.readouterr().out == "", "Gradio's own talk is kept off the console"


def test_a_studio_can_be_closed_twice_and_its_port_is_free_again(tmp_path: Path) -> None:
    with served_studio(tmp_path / "closed") as served:
        port = int(served.url.rpartition(":")[2])
        served.serving.close()
        served.serving.close()
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("127.0.0.1", port))


def test_ipv6_localhost_is_localhost(tmp_path: Path) -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with served_studio(tmp_path / "six", host="::1") as served:
        assert served.serving.logins == ()
        assert httpx.get(f"{served.url}/studio/jobs", trust_env=False).status_code == 200


_WATCHED = """
import ipaddress, sys
asked = []
def watch(event, arguments):
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        try:
            if ipaddress.ip_address(arguments[1][0]).is_loopback: return
        except ValueError: pass
        asked.append(arguments[1])
    if event == "socket.getaddrinfo" and arguments[0] not in (None, "localhost", "127.0.0.1", b"localhost", b"127.0.0.1"):
        asked.append(arguments[0])
sys.addaudithook(watch)
from pathlib import Path
from tests.ui.studios import served_studio
import httpx
with served_studio(Path(sys.argv[1])) as served:
    httpx.get(served.url, trust_env=False)
print("asked:", asked)
print("torch:", "torch" in sys.modules)
"""


def test_nothing_is_asked_of_the_network_to_serve_the_page(tmp_path: Path) -> None:
    reply = subprocess.run(
        [sys.executable, "-c", _WATCHED, str(tmp_path / "data")], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert reply.returncode == 0, reply.stderr
    assert reply.stdout.splitlines()[-2:] == ["asked: []", "torch: False"]
