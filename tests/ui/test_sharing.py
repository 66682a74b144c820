"""A shared studio, tried by strangers and guests over a real server: nobody gets what is not theirs."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator

import gradio as gr
import httpx
import pytest

from studio.studio import Studio
from studio.ui.visitors import visitor_of
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
        ("GET", f"/studio/carry/take:{take}/mix"),
        ("GET", f"/studio/carry/take:{take}/strip?part=low"),
        ("GET", f"/studio/carry/take:{take}/project"),
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
