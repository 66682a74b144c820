"""A shared studio, tried by strangers and guests over a real server: nobody gets what is not theirs."""

from __future__ import annotations

import http.client
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest

from studio.settings import Settings
from studio.studio import Studio
from studio.ui.build import build_page
from studio.ui.limits import LoginBrake, RateLimit
from studio.ui.logins import BadLogin, GuestSeal, Logins, Sessions
from studio.ui.visitors import HOST, LoginNeeded, Visitor, features, visitor_of
from tests.ui.studios import Served, owner_of, served_studio

HEADERS_OF_A_BROWSER = {"Accept": "text/html,application/xhtml+xml", "Sec-Fetch-Mode": "navigate"}


def page_with_wiring(studio: Studio) -> gr.Blocks:
    """A page with one wired button that says who pressed it, as the real page's callbacks find out."""
    with gr.Blocks(analytics_enabled=False) as blocks:
        said = gr.Textbox()

        def who(request: gr.Request) -> str:
            return visitor_of(request).owner or "the owner"

        gr.Button("Who am I?").click(who, None, said, api_name="who")
    return blocks


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A studio on every address, with the generated logins; uploads up to 1 MB."""
    folder = tmp_path_factory.mktemp("shared")
    with served_studio(
        folder, build=page_with_wiring, host="0.0.0.0", max_upload_mb=1, requests_a_minute=100_000
    ) as served:
        yield served


@pytest.fixture(scope="module")
def guest(shared: Served) -> Iterator[httpx.Client]:
    with shared.browser(shared.guest) as client:
        yield client


@pytest.fixture(scope="module")
def other_guest(shared: Served) -> Iterator[httpx.Client]:
    with shared.browser(shared.guest) as client:
        yield client


@pytest.fixture(scope="module")
def owner(shared: Served) -> Iterator[httpx.Client]:
    with shared.browser(shared.owner) as client:
        yield client


def routes_about(take: str, job: str) -> list[tuple[str, str]]:
    """Every route that concerns one take or one job."""
    return [
        ("GET", f"/studio/takes/{take}/sound.flac"),
        ("GET", f"/studio/takes/{take}/peaks.json"),
        ("GET", f"/studio/takes/{take}/stems/low.flac"),
        ("GET", f"/studio/takes/{take}/export?format=wav16"),
        ("GET", f"/studio/jobs/{job}/sound.wav"),
        ("POST", f"/studio/jobs/{job}/cancel"),
    ]


def all_served_paths(shared: Served) -> list[tuple[str, str]]:
    """Every path and method the running application knows, Gradio's included, with made-up parameters."""
    tries = []
    routes = list(shared.serving.app.routes)
    for route in routes:
        if included := getattr(route, "original_router", None):
            routes += included.routes
        path = getattr(route, "path", "")
        path = re.sub(r"\{\w+:path\}", "x/y.txt", re.sub(r"\{\w+\}", "x", path))
        tries += [(method, path or "/") for method in getattr(route, "methods", None) or ("GET", "POST")]
    return tries


# ----------------------------------------------------------------------------------------------- without a login


def test_without_a_login_there_is_only_the_way_in(shared: Served) -> None:
    tries = all_served_paths(shared)
    assert len(tries) > 90, "the application's routes were not found"
    assert ("POST", "/gradio_api/queue/join") in tries and ("GET", "/studio/events") in tries
    let_in = {}
    with shared.browser() as stranger:
        for method, path in tries:
            reply = stranger.request(method, path)
            if reply.status_code != 401 and not path.rstrip("/").endswith(("/login", "/logout")):
                let_in[f"{method} {path}"] = reply.status_code
    assert let_in == {}


@pytest.mark.parametrize(
    "path",
    [
        "/", "/config", "/gradio_api/info", "/gradio_api/mcp/", "/gradio_api/mcp/sse", "/gradio_api/startup-events",
        "/assets/index.js", "/theme.css", "/static/img/logo.svg", "/studio/static/studio.css", "/studio/events",
        "/gradio_api/file=/etc/passwd", "/monitoring", "/anything/else", "//", "/LOGIN", "/login/../config",
        "/%2e%2e/config", "/studio/events/", "/gradio_api/queue/data?session_hash=x",
    ],
)  # fmt: skip
def test_a_stranger_gets_a_401_and_a_sentence(shared: Served, path: str) -> None:
    with shared.browser() as stranger:
        reply = stranger.get(path)
        assert reply.status_code == 401
        assert reply.json()["detail"] == "Please log in to the studio first."


def test_a_strangers_browser_is_shown_the_login_page(shared: Served) -> None:
    with shared.browser(headers=HEADERS_OF_A_BROWSER) as stranger:
        assert stranger.get("/").headers["location"] == "/login"
        page = stranger.get("/login")
    assert page.status_code == 200 and "password" in page.text
    assert "gradio" not in page.text.lower()


def test_a_websocket_is_not_a_way_round(shared: Served) -> None:
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "x" * 22,
    }
    with shared.browser() as stranger:
        assert stranger.get("/gradio_api/queue/join", headers=upgrade).status_code in (400, 401, 403)


@pytest.mark.parametrize(
    "forged",
    [
        {"studio-session-{label}": "x"},
        {"studio-session-{label}": ""},
        {"studio-guest-{label}": "someone." + "0" * 64},
        {"studio-session-{label}": "owner", "access-token": "owner"},
        {"access-token-{label}": "x", "access-token-unsecure-{label}": "x"},
    ],
)
def test_a_forged_cookie_opens_nothing(shared: Served, guest: httpx.Client, forged: dict[str, str]) -> None:
    label = next(c.name for c in guest.cookies.jar).rpartition("-")[2]
    cookies = "; ".join(f"{name.format(label=label)}={value}" for name, value in forged.items())
    with shared.browser() as stranger:
        assert stranger.get("/config", headers={"Cookie": cookies}).status_code == 401
        assert stranger.get("/config", headers={"Authorization": "Bearer x"}).status_code == 401


def test_a_guests_cookie_without_a_session_opens_nothing(shared: Served, guest: httpx.Client) -> None:
    known = next(cookie for cookie in guest.cookies.jar if cookie.name.startswith("studio-guest"))
    with shared.browser() as stranger:
        assert stranger.get("/config", headers={"Cookie": f"{known.name}={known.value}"}).status_code == 401


def test_a_forged_guest_cookie_does_not_make_one_another_guest(shared: Served, guest: httpx.Client) -> None:
    victim = owner_of(guest, shared)
    known = next(cookie for cookie in guest.cookies.jar if cookie.name.startswith("studio-guest"))
    forged = f"{victim.partition(':')[2]}.{'0' * 64}"
    with shared.browser(cookies={known.name: forged}) as thief:
        thief.post("/login", data={"username": shared.guest.name, "password": shared.guest.password})
        sessions = [c.value for c in thief.cookies.jar if c.name.startswith("studio-session")]
        visitor = shared.serving.guard.sessions.visitor(sessions[0])
    assert visitor is not None and visitor.owner != victim and not visitor.is_host


# ------------------------------------------------------------------------------------------------- as a guest


def test_a_guest_sees_the_page_and_its_own_queue(shared: Served, guest: httpx.Client) -> None:
    assert guest.get("/").status_code == 200
    assert guest.get("/config").json()["username"] == "guest"
    mine = shared.submit(owner=owner_of(guest, shared), words="mine")
    shared.submit(owner="somebody", words="theirs")
    shared.submit(owner="", words="the owner's")
    shown = guest.get("/studio/jobs").json()["jobs"]
    assert {job["words"] for job in shown} == {"mine"} and shown[0]["id"] == mine


def test_a_guest_hears_and_exports_its_own_take(shared: Served, guest: httpx.Client) -> None:
    take = shared.take(owner=owner_of(guest, shared))
    for method, path in routes_about(take.id, take.job):
        assert guest.request(method, path, follow_redirects=True).status_code == 200, path


def test_another_guests_take_does_not_exist_for_one(
    shared: Served, guest: httpx.Client, other_guest: httpx.Client
) -> None:
    assert owner_of(guest, shared) != owner_of(other_guest, shared)
    theirs = shared.take(owner=owner_of(other_guest, shared))
    nobodys = routes_about("20250101-000000-abcdef", "0" * 16)
    for (method, path), (_, missing) in zip(routes_about(theirs.id, theirs.job), nobodys, strict=True):
        reply, as_if = guest.request(method, path), guest.request(method, missing)
        assert (reply.status_code, reply.content) == (as_if.status_code, as_if.content) == (404, as_if.content), path
        assert other_guest.request(method, path, follow_redirects=True).status_code == 200, path


def test_the_owners_takes_do_not_exist_for_a_guest_and_the_owner_sees_all(
    shared: Served, guest: httpx.Client, owner: httpx.Client
) -> None:
    hers, theirs = shared.take(owner=""), shared.take(owner=owner_of(guest, shared))
    for method, path in routes_about(hers.id, hers.job):
        assert guest.request(method, path).status_code == 404, path
    for take in (hers, theirs):
        for method, path in routes_about(take.id, take.job):
            assert owner.request(method, path, follow_redirects=True).status_code == 200, path


def test_a_guest_cannot_stop_another_ones_job(shared: Served, guest: httpx.Client) -> None:
    shared.engine.hold(after_tenths=1)
    try:
        job = shared.submit(owner="", seconds=2.0)
        assert guest.post(f"/studio/jobs/{job}/cancel").status_code == 404
        assert not shared.studio.jobs.get(job).is_finished
    finally:
        shared.engine.let_go()
    assert shared.studio.jobs.wait(job, timeout_seconds=10.0).state == "done"


def test_a_callback_of_the_page_knows_who_pressed(shared: Served, guest: httpx.Client, owner: httpx.Client) -> None:
    assert pressed_by(guest) == owner_of(guest, shared)
    assert pressed_by(owner) == "the owner"


def pressed_by(client: httpx.Client) -> str:
    event = client.post("/gradio_api/call/who", json={"data": []}).json()["event_id"]
    return re.findall(r'data: \["(.*)"\]', client.get(f"/gradio_api/call/who/{event}").text)[0]


def test_a_guest_comes_back_to_its_takes_with_the_cookie_alone_and_the_password(
    shared: Served, guest: httpx.Client
) -> None:
    known = {c.name: c.value for c in guest.cookies.jar if c.name.startswith("studio-guest")}
    with shared.browser(cookies=known) as again:
        again.post("/login", data={"username": shared.guest.name, "password": shared.guest.password})
        session = next(c.value for c in again.cookies.jar if c.name.startswith("studio-session"))
    visitor = shared.serving.guard.sessions.visitor(session)
    assert visitor is not None and visitor.owner == owner_of(guest, shared)


def test_cookies_are_out_of_reach_of_scripts_and_other_sites(shared: Served) -> None:
    with shared.browser() as client:
        reply = client.post("/login", data={"username": shared.guest.name, "password": shared.guest.password})
    set_cookies = reply.headers.get_list("set-cookie")
    assert len(set_cookies) == 2
    assert all("HttpOnly" in cookie and "SameSite=lax" in cookie for cookie in set_cookies)


def test_a_public_link_gets_secure_cookies(shared: Served) -> None:
    with shared.browser(headers={"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}) as client:
        reply = client.post("/login", data={"username": shared.guest.name, "password": shared.guest.password})
    assert all("Secure" in cookie for cookie in reply.headers.get_list("set-cookie"))


def test_logging_out_ends_this_session_only(shared: Served, other_guest: httpx.Client) -> None:
    with shared.browser(shared.guest) as leaving:
        session = next(c for c in leaving.cookies.jar if c.name.startswith("studio-session"))
        assert leaving.get("/logout").headers["location"] == "/login"
        assert leaving.get("/config", headers={"Cookie": f"{session.name}={session.value}"}).status_code == 401
    assert other_guest.get("/config").status_code == 200


# ------------------------------------------------------------------------------------------------- the real page


@pytest.fixture(scope="module")
def real_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The page as it is shipped, shared with two guests."""
    folder = tmp_path_factory.mktemp("real-page")
    with served_studio(folder, build=build_page, host="0.0.0.0", auth=("anna:a", "ben:b")) as served:
        yield served


def press(client: httpx.Client, page: dict[str, Any], elem_id: str, event: dict[str, str]) -> str:
    """Send the page's own event of that element by hand, as a guest's script could; what came back, as text."""
    element = next(c["id"] for c in page["components"] if c["props"].get("elem_id") == elem_id)
    wired = next(d for d in page["dependencies"] if any(target[0] == element for target in d["targets"]))
    session = secrets.token_hex(8)
    values = {c["id"]: c["props"].get("value") for c in page["components"]}
    body = {
        "data": [values.get(each) for each in wired["inputs"]],
        "fn_index": wired["id"],
        "session_hash": session,
        "event_data": event,
    }
    assert client.post("/gradio_api/queue/join", json=body).status_code == 200
    with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as reply:
        for line in reply.iter_lines():
            if '"process_completed"' in line:
                return line
    raise AssertionError("the page did not answer")


@pytest.mark.parametrize("verb", ["again", "bin", "restore", "edit", "rerun", "dismiss", "keep"])
def test_the_pages_buttons_do_nothing_to_another_ones_take(real_page: Served, verb: str) -> None:
    anna, ben = real_page.serving.logins[1:]
    with real_page.browser(anna) as hers, real_page.browser(ben) as his:
        take = real_page.take(owner="anna", words="hers and nobody elses")
        jobs = len(real_page.studio.jobs.list())
        target = {"action": verb, "take": take.id, "job": ""}
        if verb in ("rerun", "dismiss", "keep"):
            target = {"action": verb, "take": "", "job": take.job}
        answer = press(his, his.get("/config").json(), "st-bridge", target)
        assert "nobody elses" not in answer
        assert real_page.studio.entry(take.id, owner="anna").state == "kept"
        assert len(real_page.studio.jobs.list()) == jobs
        if verb == "bin":
            press(hers, hers.get("/config").json(), "st-bridge", target)
            assert real_page.studio.entry(take.id, owner="anna").state == "binned"


@pytest.mark.parametrize("verb", ["download", "stop", "delete"])
def test_a_guest_cannot_touch_the_models(real_page: Served, verb: str) -> None:
    with real_page.browser(real_page.guest) as guest:
        answer = press(guest, guest.get("/config").json(), "st-models-list", {"verb": verb, "model": "musicgen-small"})
    assert '"success":false' in answer and "owner" in answer
    assert not real_page.studio.downloads.any_running


# ---------------------------------------------------------------------------------------------- wandering paths

UPWARDS = ["../", "..%2f", "%2e%2e/", "%2e%2e%2f", "..%5c", "....//", "%252e%252e%252f", "..%00/", "..%c0%af"]


@pytest.mark.parametrize("up", UPWARDS)
def test_no_path_leads_out_of_a_folder(shared: Served, guest: httpx.Client, owner: httpx.Client, up: str) -> None:
    secret = shared.studio.settings.data_dir / "guests.key"
    own = shared.take(owner=owner_of(guest, shared)).id
    aims = [
        *(
            f"/studio/static/{up * deep}{name}"
            for deep, name in ((1, "guard.py"), (2, "settings.py"), (8, "etc/passwd"))
        ),
        *(f"/studio/takes/{up * deep}guests.key/sound.flac" for deep in (1, 2)),
        f"/studio/takes/{up}bin/{own}/sound.flac",
        f"/studio/takes/{own}/stems/{up}take.json%00.flac",
        f"/studio/takes/{own}/stems/{up}audio.flac",
        f"/studio/takes/{own}/export?format={up}{up}guests.key",
        f"/studio/jobs/{up}{own}/sound.wav",
        *(f"/gradio_api/file={prefix}{secret}" for prefix in ("", up, f"x/{up}")),
        f"/gradio_api/file={shared.studio.settings.takes_dir}/{own}/audio.flac",
        f"/gradio_api/file={up * 8}etc/passwd",
        f"/static/{up * 8}etc/passwd",
        f"/assets/{up * 8}etc/passwd",
        f"/svelte/{up * 8}etc/passwd",
    ]
    for client in (guest, owner):
        for aim in aims:
            status, content = get_untidied(client, aim)
            assert status in (400, 403, 404), f"{aim}: {status}"
            assert secret.read_bytes() not in content and b"root:" not in content


def get_untidied(client: httpx.Client, path: str) -> tuple[int, bytes]:
    """GET with the path exactly as written; httpx would resolve the dots before sending."""
    connection = http.client.HTTPConnection(client.base_url.host, client.base_url.port or 80, timeout=20)
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in client.cookies.jar)
    try:
        connection.request("GET", path, headers={"Cookie": cookies})
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


def test_the_untidied_paths_are_really_asked_for_with_the_login(guest: httpx.Client) -> None:
    assert get_untidied(guest, "/studio/static/studio.css")[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/monitoring", "/monitoring/summary", "/gradio_api/file=http://127.0.0.1:1/x", "/gradio_api/proxy=http://x/y",
        "/gradio_api/deep_link?session_hash=x", "/gradio_api/dev/reload", "/gradio_api/run-history/buckets",
    ],
)  # fmt: skip
def test_gradios_ways_into_the_machine_and_the_network_are_closed(guest: httpx.Client, path: str) -> None:
    assert guest.get(path).status_code == 404


# --------------------------------------------------------------------------------------------------- large bodies


def test_an_upload_that_is_too_large_is_refused_in_a_sentence(guest: httpx.Client) -> None:
    reply = guest.post("/gradio_api/upload", files={"files": ("long.wav", b"x" * (1_500_000))})
    assert reply.status_code == 413
    assert "1 MB" in reply.json()["detail"]


def test_an_upload_of_unsaid_length_is_cut_off(guest: httpx.Client) -> None:
    sent = 0

    def body() -> Iterator[bytes]:
        nonlocal sent
        yield b'--b\r\nContent-Disposition: form-data; name="files"; filename="x.wav"\r\n\r\n'
        for _ in range(1_000):
            sent += 65_536
            yield b"x" * 65_536

    try:
        reply = guest.post(
            "/gradio_api/upload", content=body(), headers={"Content-Type": "multipart/form-data; boundary=b"}
        )
        assert reply.status_code == 413
    except httpx.TransportError:
        pass  # the door was shut while the client still pushed: refused all the same
    assert sent < 30_000_000


def test_an_upload_that_fits_is_taken(guest: httpx.Client) -> None:
    reply = guest.post("/gradio_api/upload", files={"files": ("short.wav", b"x" * 500_000)})
    assert reply.status_code == 200 and len(reply.json()) == 1


@pytest.mark.parametrize(
    "path", ["/gradio_api/queue/join", "/gradio_api/call/who", "/gradio_api/mcp/", "/studio/jobs/x/cancel"]
)
def test_no_other_request_may_be_large(guest: httpx.Client, path: str) -> None:
    assert guest.post(path, content=b"[" * 3_000_000).status_code == 413


def test_a_login_is_small(shared: Served) -> None:
    with shared.browser() as stranger:
        assert stranger.post("/login", content=b"username=" + b"x" * 100_000).status_code == 413


# ------------------------------------------------------------------------------------------------ other web pages


def test_another_sites_page_cannot_post_with_a_guests_cookies(guest: httpx.Client) -> None:
    for origin in ("https://evil.example", "null", "http://127.0.0.1:9999"):
        assert guest.post("/gradio_api/call/who", json={"data": []}, headers={"Origin": origin}).status_code == 403
    own = str(guest.base_url).rstrip("/")
    assert guest.post("/gradio_api/call/who", json={"data": []}, headers={"Origin": own}).status_code == 200


def test_replies_carry_the_headers_that_browsers_obey(guest: httpx.Client) -> None:
    headers = guest.get("/").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert "frame-ancestors 'self'" in headers["content-security-policy"]


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
    assert host.manage_models and not host.path_fields
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
