"""Logins, limits and localhost: who is let in, how often, and what is in nobody's way at home."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import pytest

from studio.settings import Settings
from studio.ui.limits import LoginBrake, RateLimit
from studio.ui.logins import BadLogin, GuestSeal, Logins, Sessions
from studio.ui.visitors import HOST, LoginNeeded, Visitor, features, visitor_of
from tests.ui.studios import Served, owner_of, served_studio

# -------------------------------------------------------------------------------------------------- passwords


def test_a_thousand_wrong_passwords_find_nothing_and_disturb_no_guest(tmp_path: Path) -> None:
    with served_studio(tmp_path / "guessed", host="0.0.0.0", auth=("anna:correct horse",)) as served:
        anna = served.guest
        with served.browser(anna) as guest, served.browser() as guesser:
            started = time.monotonic()
            replies = []
            for number in range(1_000):
                spoofed = {"X-Forwarded-For": f"198.51.100.{number % 250}"} if number >= 500 else {}
                data = {"username": "anna", "password": f"guess {number}"}
                replies.append(guesser.post("/login", data=data, headers=spoofed))
            assert time.monotonic() - started < 30.0
            counts = {status: sum(r.status_code == status for r in replies) for status in (200, 401, 429)}
            assert counts[200] == 0 and sum(counts.values()) == 1_000
            assert counts[401] <= 5 + 100 and counts[429] >= 890
            waits = [int(r.headers["retry-after"]) for r in replies[:20] if r.status_code == 429]
            assert waits == sorted(waits) and waits[-1] > waits[0]
            right = guesser.post("/login", data={"username": anna.name, "password": anna.password})
            assert right.status_code == 429, "the password was looked at although the door was closed"
            assert guest.get("/studio/jobs").status_code == 200
            assert guest.get("/config").status_code == 200


def test_a_closed_address_may_try_again_later_and_pays_more_each_time() -> None:
    now = [0.0]
    brake = LoginBrake(clock=lambda: now[0])
    for _ in range(5):
        assert brake.wait_seconds("a") == 0.0
        brake.failed("a")
    first = brake.wait_seconds("a")
    second = brake.wait_seconds("a")
    assert 0.0 < first < second
    assert brake.wait_seconds("b") == 0.0
    now[0] += second + 0.1
    assert brake.wait_seconds("a") == 0.0
    brake.succeeded("a")
    brake.failed("a")
    assert brake.wait_seconds("a") == 0.0


def test_guessing_from_many_addresses_is_slowed_as_well_and_remembered_in_bounded_memory() -> None:
    now = [0.0]
    brake = LoginBrake(clock=lambda: now[0])
    checked = 0
    for number in range(20_000):
        if brake.wait_seconds(f"2001:db8:{number % 65_536:x}::1") == 0.0:
            checked += 1
            brake.failed(f"2001:db8:{number % 65_536:x}::1")
    assert checked == 100
    assert len(brake._addresses) <= 4096


def test_addresses_of_one_ipv6_household_count_as_one() -> None:
    brake = LoginBrake()
    for number in range(5):
        brake.failed(f"2001:db8::{number:x}")
    assert brake.wait_seconds("2001:db8::ffff") > 0.0
    assert brake.wait_seconds("2001:db8:0:1::1") == 0.0


# ------------------------------------------------------------------------------------------------------- limits


def test_a_visitor_has_so_many_requests_a_minute_and_others_are_not_held_up(tmp_path: Path) -> None:
    with served_studio(tmp_path / "limited", host="0.0.0.0", auth=("anna:a", "ben:b"), requests_a_minute=10) as served:
        anna, ben = served.serving.logins[1:]
        with served.browser(anna) as one, served.browser(ben) as other:
            statuses = [one.get("/studio/jobs").status_code for _ in range(15)]
            assert statuses == [200] * 10 + [429] * 5
            refused = one.get("/studio/jobs")
            assert 1 <= int(refused.headers["retry-after"]) <= 6
            assert "try again" in refused.json()["detail"]
            assert one.get("/studio/static/studio.css").status_code == 200
            assert other.get("/studio/jobs").status_code == 200
            assert owner_of(one, served) == "anna" and owner_of(other, served) == "ben"


def test_requests_refill_over_the_minute() -> None:
    now = [0.0]
    limit = RateLimit(a_minute=60, clock=lambda: now[0])
    assert [limit.wait_seconds("a") for _ in range(60)] == [0.0] * 60
    assert limit.wait_seconds("a") == pytest.approx(1.0)
    now[0] += 1.0
    assert limit.wait_seconds("a") == 0.0
    assert limit.wait_seconds("a") > 0.0


# ---------------------------------------------------------------------------------------------------- localhost


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served_studio(tmp_path_factory.mktemp("local"), requests_a_minute=10, max_upload_mb=1) as served:
        yield served


def test_on_localhost_nothing_is_in_the_way(local: Served) -> None:
    assert local.serving.logins == ()
    with local.browser() as browser:
        assert {browser.get("/studio/jobs").status_code for _ in range(30)} == {200}
        assert browser.get("/").status_code == 200
        reply = browser.post("/gradio_api/upload", files={"files": ("long.wav", b"x" * 3_000_000)})
        assert reply.status_code == 200
        assert browser.get("/config").json()["username"] is None


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:7860", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", ""]
)
def test_a_name_that_was_turned_to_this_machine_is_refused(local: Served, host: str) -> None:
    with local.browser() as browser:
        for path in ("/", "/config", "/studio/jobs", "/studio/static/studio.css"):
            reply = browser.get(path, headers={"Host": host})
            assert reply.status_code in (400, 403)
            assert reply.status_code == 400 or "127.0.0.1" in reply.json()["detail"]


@pytest.mark.parametrize("host", ["localhost:7860", "127.0.0.1", "127.0.0.2:1", "[::1]:7860", "studio.localhost"])
def test_this_machines_own_names_are_welcome(local: Served, host: str) -> None:
    with local.browser() as browser:
        assert browser.get("/studio/jobs", headers={"Host": host}).status_code == 200


def test_another_sites_page_cannot_post_to_localhost(local: Served) -> None:
    with local.browser() as browser:
        for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
            assert browser.post("/studio/jobs/x/cancel", headers=headers).status_code == 403
        assert browser.post("/studio/jobs/x/cancel").status_code == 404


# ------------------------------------------------------------------------------------------- who may do what


def test_a_guest_makes_music_and_manages_nothing() -> None:
    shared, alone = Settings(host="0.0.0.0"), Settings()
    guest = features(shared, Visitor(owner="anna", is_host=False))
    assert not any(getattr(guest, name) for name in guest.__slots__)
    host = features(shared, HOST)
    assert not any(getattr(host, name) for name in host.__slots__), "while it is shared, nobody manages the studio"
    everything = features(alone, HOST)
    assert all(getattr(everything, name) for name in everything.__slots__)


def test_a_request_that_passed_no_door_is_nobodys() -> None:
    for request in (None, gr.Request(), object()):
        with pytest.raises(LoginNeeded):
            visitor_of(request)


@pytest.mark.parametrize("entry", ["anna", "anna:", ":secret", "owner:mine", " :x"])
def test_a_login_that_cannot_be_read_is_refused_without_repeating_it(entry: str) -> None:
    with pytest.raises(BadLogin) as refusal:
        Logins(Settings(host="0.0.0.0", auth=(entry,)))
    assert "secret" not in str(refusal.value) and "mine" not in str(refusal.value)


def test_generated_passwords_are_long_and_differ() -> None:
    logins = [Logins(Settings(host="0.0.0.0")) for _ in range(20)]
    passwords = {login.password for each in logins for login in (each.owner, *each.guests)}
    assert len(passwords) == 40 and min(map(len, passwords)) >= 14


def test_a_password_may_hold_a_colon_and_any_letters() -> None:
    logins = Logins(Settings(host="0.0.0.0", auth=("anna:päss:wörd",)))
    assert logins.check("anna", "päss:wörd") is not None
    assert logins.check("anna", "päss") is None


def test_a_guest_is_known_again_after_a_restart_but_not_in_another_studio(tmp_path: Path) -> None:
    cookie = GuestSeal(tmp_path / "one").new_cookie()
    assert GuestSeal(tmp_path / "one").guest_id(cookie)
    assert GuestSeal(tmp_path / "two").guest_id(cookie) is None
    assert (tmp_path / "one" / "guests.key").stat().st_mode & 0o077 == 0


def test_sessions_are_forgotten_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.ui.logins.MAX_SESSIONS", 3)
    sessions, login = Sessions(), Logins(Settings(host="0.0.0.0", auth=("anna:a",))).guests[0]
    tokens = [sessions.open(login, guest_id="") for _ in range(4)]
    assert [sessions.visitor(token) is not None for token in tokens] == [False, True, True, True]
