"""The door: every request passes here before Gradio or our own routes see it.

On localhost it only keeps other web pages from driving the studio (DNS rebinding, cross-site requests). When shared
it asks for a login on everything, slows down guessed passwords, limits requests and bodies, and closes those of
Gradio's routes that reach into the machine or the network. A pure ASGI middleware: responses stream through untouched.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from studio.settings import Settings
from studio.ui.limits import LoginBrake, RateLimit
from studio.ui.logins import GuestSeal, Login, Logins, Sessions
from studio.ui.visitors import HOST, introduce

MAX_FORM_BYTES = 2 * 2**20
MAX_LOGIN_BYTES = 8 * 2**10
GUEST_COOKIE_SECONDS = 365 * 24 * 3600
_LOGIN_PAGE = Path(__file__).with_name("login.html")
_STARTUP_PATH = "/gradio_api/startup-events"
_UPLOAD_PATHS = (
    "/gradio_api/upload",
    "/gradio_api/component_server",
    "/studio/desk/uploads",
    "/studio/library/clip",
    "/studio/library/upload",
)
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_FREE_OF_LIMITS = ("/assets/", "/static/", "/svelte/", "/studio/static/")
_CLOSED_WHEN_SHARED = (
    "/monitoring",
    "/gradio_api/proxy=",
    "/gradio_api/file=http",
    "/gradio_api/file/http",
    "/gradio_api/deep_link",
    "/gradio_api/dev/",
    "/gradio_api/process_recording",
    "/gradio_api/run-history",
    "/gradio_api/vibe",
)


class Guard:
    """Knows the logins and limits of one launch, and answers for the door.

    `starting` is true until the server has been seen to work: Gradio calls itself once, without a login, at start-up.
    `share_host` is the host name of the public link, once there is one.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.is_shared = settings.is_shared
        self.starting = True
        self.share_host = ""
        self.logins = Logins(settings) if self.is_shared else None
        self.sessions = Sessions()
        self.brake = LoginBrake()
        self._requests = RateLimit(a_minute=settings.requests_a_minute)
        self._seal = GuestSeal(settings.data_dir) if self.is_shared else None
        label = self._seal.label if self._seal else ""
        self._session_cookie = f"studio-session-{label}"
        self._guest_cookie = f"studio-guest-{label}"

    async def answer(self, scope: Scope, receive: Receive) -> Response | None:
        """What the door itself replies to a request, or None to let it in (its visitor is then written into it)."""
        connection = HTTPConnection(scope)
        host = connection.headers.get("host", "")
        if not self.is_shared and not is_local_name(host):
            return refusal(
                403,
                f"The studio is open to this machine only, and “{host[:80]}” is not its name. Open it as "
                f"http://127.0.0.1:{_port(scope)}, or start it with --host 0.0.0.0 to let others in with a login.",
            )
        if not self._comes_from_our_page(connection, scope, host):
            return refusal(403, "This request came from another web page; the studio only answers its own.")
        if self.logins is None:
            introduce(scope, HOST)
            return None
        path = scope["path"].rstrip("/") or "/"
        if self.starting and path == _STARTUP_PATH:
            return None
        token = self._token(connection)
        visitor = self.sessions.visitor(token)
        if not path.startswith(_FREE_OF_LIMITS) or visitor is None:
            who = f"visitor {visitor.owner}" if visitor else f"address {_address(scope)}"
            if wait_seconds := self._requests.wait_seconds(who):
                return too_many("That was too many requests at once.", wait_seconds)
        if path == "/login":
            return await self._login(scope, receive)
        if path == "/logout":
            return self._logout(token)
        if visitor is None:
            return self._who_is_it(connection, scope, path)
        if path.lower().startswith(_CLOSED_WHEN_SHARED):
            return refusal(404, "There is nothing here.")
        introduce(scope, visitor)
        return None

    def body_limit_bytes(self, scope: Scope) -> int | None:
        """The largest body this request may bring, or None on localhost."""
        if not self.is_shared:
            return None
        path = scope["path"].rstrip("/")
        if path == "/login":
            return MAX_LOGIN_BYTES
        return self.settings.max_upload_mb * 2**20 if path in _UPLOAD_PATHS else MAX_FORM_BYTES

    def _comes_from_our_page(self, connection: HTTPConnection, scope: Scope, host: str) -> bool:
        if scope["method"] in _SAFE_METHODS:
            return True
        origin = connection.headers.get("origin")
        if origin is None:
            return connection.headers.get("sec-fetch-site", "none") in ("none", "same-origin")
        ours = {host.lower()}
        if self.is_shared:
            ours |= {connection.headers.get("x-forwarded-host", host).lower(), self.share_host or host.lower()}
        return urlsplit(origin).netloc.lower() in ours

    def _token(self, connection: HTTPConnection) -> str | None:
        scheme, _, bearer = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return bearer.strip()
        return connection.cookies.get(self._session_cookie)

    def _who_is_it(self, connection: HTTPConnection, scope: Scope, path: str) -> Response:
        wants_page = "text/html" in connection.headers.get("accept", "")
        if scope["method"] == "GET" and wants_page and not path.startswith(("/studio", "/gradio_api")):
            return RedirectResponse("/login", status_code=303, headers={"Cache-Control": "no-store"})
        return refusal(401, "Please log in to the studio first.", {"WWW-Authenticate": "Bearer"})

    async def _login(self, scope: Scope, receive: Receive) -> Response:
        if scope["method"] in ("GET", "HEAD"):
            return HTMLResponse(_LOGIN_PAGE.read_text(encoding="utf-8"), headers=_LOGIN_PAGE_HEADERS)
        if scope["method"] != "POST":
            return refusal(405, "Log in with POST.")
        request = Request(scope, receive)
        address = _address(scope)
        if wait_seconds := self.brake.wait_seconds(address):
            return too_many("There were too many wrong passwords.", wait_seconds)
        fields = parse_qs((await request.body()).decode("utf-8", "replace"), keep_blank_values=True)
        assert self.logins is not None
        login = self.logins.check(fields.get("username", [""])[0].strip(), fields.get("password", [""])[0])
        if login is None:
            self.brake.failed(address)
            return refusal(401, "That name and password do not belong together.")
        self.brake.succeeded(address)
        return self._welcome(request, login)

    def _welcome(self, request: Request, login: Login) -> Response:
        assert self._seal is not None
        guest_cookie = request.cookies.get(self._guest_cookie)
        if self._seal.guest_id(guest_cookie) is None:
            guest_cookie = self._seal.new_cookie()
        token = self.sessions.open(login, guest_id=self._seal.guest_id(guest_cookie) or "")
        from_browser = "sec-fetch-mode" in request.headers
        answer = JSONResponse({"success": True} if from_browser else {"success": True, "token": token})
        secure = request.url.scheme == "https"
        answer.set_cookie(self._session_cookie, token, httponly=True, samesite="lax", secure=secure)
        if login.many_people and guest_cookie:
            answer.set_cookie(
                self._guest_cookie,
                guest_cookie,
                max_age=GUEST_COOKIE_SECONDS,
                httponly=True,
                samesite="lax",
                secure=secure,
            )
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def _logout(self, token: str | None) -> Response:
        self.sessions.close(token)
        answer = RedirectResponse("/login", status_code=303, headers={"Cache-Control": "no-store"})
        answer.delete_cookie(self._session_cookie)
        return answer


class GuardMiddleware:
    """Stands in front of an ASGI application and lets through what its guard lets in."""

    def __init__(self, app: ASGIApp, *, guard: Guard) -> None:
        self._app = app
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # the studio has none
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = _with_security_headers(send, scope)
        limit_bytes = self._guard.body_limit_bytes(scope)
        body = _CountedBody(receive, send, limit_bytes=limit_bytes)
        if limit_bytes is not None and _declared_bytes(scope) > limit_bytes:
            await body.refuse(scope)
            return
        try:
            if answer := await self._guard.answer(scope, body.receive):
                await answer(scope, receive, body.send)
            else:
                await self._app(scope, body.receive, body.send)
        except ClientDisconnect:
            if not body.too_large:
                raise
        if body.too_large:
            await body.refuse(scope)


class _CountedBody:
    """A request's body on its way in; past its limit the reader is cut off and the reply becomes a 413."""

    def __init__(self, receive: Receive, send: Send, *, limit_bytes: int | None) -> None:
        self._receive = receive
        self._send = send
        self._limit_bytes = limit_bytes
        self._seen_bytes = 0
        self._replied = False
        self.too_large = False

    async def receive(self) -> Message:
        message = await self._receive()
        if self._limit_bytes is not None and message["type"] == "http.request":
            self._seen_bytes += len(message.get("body", b""))
            if self._seen_bytes > self._limit_bytes:
                self.too_large = True
                return {"type": "http.disconnect"}
        return message

    async def send(self, message: Message) -> None:
        if self.too_large and not self._replied:
            return
        self._replied = True
        await self._send(message)

    async def refuse(self, scope: Scope) -> None:
        """Reply 413, after taking in a little of what is still under way, so that a browser reads the reply."""
        if self._replied:
            return
        limit_mb = (self._limit_bytes or 0) / 2**20
        drained = 0
        while drained < min(8 * 2**20, 2 * (self._limit_bytes or 0)):
            message = await self._receive()
            drained += len(message.get("body", b""))
            if not message.get("more_body", False):
                break
        sentence = f"That is too large: this studio accepts up to {limit_mb:.3g} MB here."
        await refusal(413, sentence, {"Connection": "close"})(scope, self._receive, self._send)


def refusal(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    """A reply that says in one sentence why not."""
    return JSONResponse(
        {"detail": sentence}, status_code=status, headers={"Cache-Control": "no-store", **(headers or {})}
    )


def too_many(sentence: str, wait_seconds: float) -> Response:
    """A 429 that says when to come back."""
    seconds = math.ceil(round(wait_seconds, 3))
    return refusal(429, f"{sentence} Please try again in {seconds} seconds.", {"Retry-After": str(seconds)})


def is_local_name(host: str) -> bool:
    """Whether a Host header names this machine to itself: localhost or a loopback address, with any port."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if name == "localhost" or name.endswith(".localhost"):
            return True
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else "unknown"


def _port(scope: Scope) -> int:
    server = scope.get("server")
    return int(server[1]) if server and server[1] else 7860


def _declared_bytes(scope: Scope) -> int:
    headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
    lengths = [value for name, value in headers if name == b"content-length"]
    return int(lengths[0]) if lengths and lengths[0].isdigit() else 0


def _with_security_headers(send: Send, scope: Scope) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["X-Content-Type-Options"] = "nosniff"
            headers["Referrer-Policy"] = "same-origin"
            headers["X-Frame-Options"] = "SAMEORIGIN"
            headers.setdefault("Content-Security-Policy", "frame-ancestors 'self'")
            if scope["path"].startswith("/studio/"):
                headers["Cross-Origin-Resource-Policy"] = "same-origin"
        await send(message)

    return sending


_LOGIN_PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'",
}
