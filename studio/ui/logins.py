"""Names, passwords, sessions: who may come in when the studio is shared.

Sessions live in memory and end with the program. What a guest made is found again by a cookie that this studio has
signed, because several people use the one generated guest password. Knows nothing of HTTP.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import tempfile
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from studio.settings import Settings
from studio.ui.visitors import HOST, Visitor

OWNER_NAME = "owner"
GUEST_NAME = "guest"
MAX_SESSIONS = 10_000
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


class BadLogin(ValueError):
    """An entry of `auth` that is no login; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Login:
    """A name and password. many_people: several visitors use it, so that the name does not tell them apart."""

    name: str
    password: str
    is_host: bool = False
    many_people: bool = False

    def __repr__(self) -> str:
        return f"Login(name={self.name!r})"


class Logins:
    """The logins of one launch: the owner's own, and the guests'."""

    def __init__(self, settings: Settings) -> None:
        guests = tuple(_login(entry) for entry in settings.auth)
        names = [login.name for login in guests]
        for name in names:
            if names.count(name) > 1:
                raise BadLogin(f"The login name “{name}” is given twice; give each guest a name of its own.")
        if not guests:
            guests = (Login(GUEST_NAME, new_password(), many_people=True),)
        self.owner = Login(OWNER_NAME, new_password(), is_host=True)
        self.guests = guests

    def check(self, name: str, password: str) -> Login | None:
        """The login that this name and password belong to, in a time that does not depend on how much is right."""
        found = None
        for login in (self.owner, *self.guests):
            right_name = _same(name, login.name)
            right_password = _same(password, login.password)
            if right_name and right_password:
                found = login
        return found


def _login(entry: str) -> Login:
    name, colon, password = entry.partition(":")
    name = name.strip()
    if not colon or not name or not password:
        raise BadLogin("A login is written NAME:PASSWORD, with both parts filled in.")
    if name == OWNER_NAME:
        raise BadLogin(f"“{OWNER_NAME}” is the studio's own login; choose another name for a guest.")
    return Login(name, password)


def new_password() -> str:
    """A password to read out and type: twelve letters and digits in threes, 59 bits."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(3))


def _same(given: str, right: str) -> bool:
    digests = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in (given, right)]
    return hmac.compare_digest(*digests)


class GuestSeal:
    """Makes and recognises the cookie by which one guest among several is known again.

    The key is kept in the data folder, so that a guest finds the same takes after a restart.
    """

    def __init__(self, data_dir: Path) -> None:
        self._key = _kept_key(data_dir / "guests.key")

    @property
    def label(self) -> str:
        """Tells two studios on one machine apart, whose cookies a browser mixes."""
        return hashlib.sha256(b"label" + self._key).hexdigest()[:8]

    def new_cookie(self) -> str:
        guest_id = secrets.token_urlsafe(18)
        return f"{guest_id}.{self._signature(guest_id)}"

    def guest_id(self, cookie: str | None) -> str | None:
        """The guest's identifier, or None for a cookie that this studio did not make."""
        guest_id, _, signature = (cookie or "").rpartition(".")
        return guest_id if guest_id and _same(signature, self._signature(guest_id)) else None

    def _signature(self, guest_id: str) -> str:
        return hmac.new(self._key, guest_id.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def _kept_key(path: Path) -> bytes:
    """The key in that file, made and moved into place when there is none."""
    if path.is_file() and len(key := path.read_bytes()) == 32:
        return key
    path.parent.mkdir(parents=True, exist_ok=True)
    key = secrets.token_bytes(32)
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=".guests-")  # readable by this user only
    with os.fdopen(handle, "wb") as file:
        file.write(key)
    Path(beside).replace(path)
    return key


class Sessions:
    """Who has logged in: unguessable tokens, at most MAX_SESSIONS, the longest unused forgotten first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._visitors: OrderedDict[str, Visitor] = OrderedDict()

    def open(self, login: Login, *, guest_id: str) -> str:
        """A new session's token; `guest_id` names the visitor where the login does not."""
        owner = f"{login.name}:{guest_id}" if login.many_people else login.name
        visitor = HOST if login.is_host else Visitor(owner=owner, is_host=False, name=login.name)
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._visitors[_digest(token)] = visitor
            if len(self._visitors) > MAX_SESSIONS:
                self._visitors.popitem(last=False)
        return token

    def visitor(self, token: str | None) -> Visitor | None:
        """Whose session this is, or None. Looked up by digest, so that timing tells nothing of the token."""
        if not token:
            return None
        digest = _digest(token)
        with self._lock:
            visitor = self._visitors.get(digest)
            if visitor is not None:
                self._visitors.move_to_end(digest)
            return visitor

    def close(self, token: str | None) -> None:
        """Log out this one session; others under the same login stay."""
        with self._lock:
            self._visitors.pop(_digest(token or ""), None)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
