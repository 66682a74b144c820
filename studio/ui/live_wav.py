"""A sound that is still being made, answered as an ordinary WAV file of known length with byte ranges.

What exists goes out with its length; what is still to come goes out in pieces as it is made, so that a take which
is stopped ends cleanly where it stops (RFC 9110, 14.4 and 15.3.7; RFC 9112, 7.1). Knows nothing of jobs or visitors.
"""

from __future__ import annotations

import re
import threading
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from studio.live import LiveSound

MAX_LISTENERS = 64
_PIECE_BYTES = 64 * 1024
_ONE_WAIT_SECONDS = 0.5
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
HEADERS = {"Accept-Ranges": "bytes", "Cache-Control": "no-store"}


class Listeners:
    """Counts who listens, so that no visitor can take all places, and keeps waiting reads off everybody's threads."""

    def __init__(self, *, a_visitor: int = 6) -> None:
        self._a_visitor = a_visitor
        self._counts: dict[str, int] = {}
        self._lock = threading.Lock()
        self._threads: anyio.CapacityLimiter | None = None

    @property
    def threads(self) -> anyio.CapacityLimiter:
        if self._threads is None:  # made inside the event loop it belongs to
            self._threads = anyio.CapacityLimiter(MAX_LISTENERS)
        return self._threads

    def come(self, who: str) -> bool:
        """Take a place; False when this visitor, or everybody together, has no more."""
        with self._lock:
            if self._counts.get(who, 0) >= self._a_visitor or sum(self._counts.values()) >= MAX_LISTENERS:
                return False
            self._counts[who] = self._counts.get(who, 0) + 1
            return True

    def go(self, who: str) -> None:
        """Give a place back."""
        with self._lock:
            self._counts[who] = self._counts.get(who, 1) - 1
            if self._counts[who] <= 0:
                del self._counts[who]


def asked_range(header: str | None, total_bytes: int) -> tuple[int, int] | None:
    """The (first, past-the-last) bytes that a Range header asks for; None when it asks for no single range.

    Raises ValueError for a range outside the sound.
    """
    match = _RANGE.fullmatch((header or "").replace(" ", ""))
    if match is None or match.group(1) == match.group(2) == "":
        return None
    first, last = match.groups()
    if first:
        start, end = int(first), min(int(last) + 1 if last else total_bytes, total_bytes)
    else:
        start, end = max(0, total_bytes - int(last)), total_bytes
    if start >= end:
        raise ValueError("no such bytes")
    return start, end


class Streamed(StreamingResponse):
    """A streamed reply that calls `done` once, however it ends."""

    def __init__(
        self, content: AsyncIterator[str] | AsyncIterator[bytes], *, done: Callable[[], None], **how: Any
    ) -> None:
        super().__init__(content, **how)
        self._done = done

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._done()


def live_wav(
    sound: LiveSound,
    *,
    range_header: str | None,
    listeners: Listeners,
    closing: threading.Event,
    done: Callable[[], None],
    head_only: bool = False,
) -> Streamed:
    """The reply to a request for a growing sound. Raises ValueError for bytes that are not in it and never will be."""
    asked = asked_range(range_header, sound.total_bytes)
    start, end = asked or (0, sound.total_bytes)
    if sound.closed and start >= sound.available_bytes:
        raise ValueError("these bytes will never be")
    headers, status = dict(HEADERS), 200
    if asked:
        headers["Content-Range"], status = f"bytes {start}-{end - 1}/{sound.total_bytes}", 206
    if end <= sound.available_bytes:
        headers["Content-Length"] = str(end - start)
    pieces = _nothing() if head_only else _pieces(sound, start, end, listeners=listeners, closing=closing)
    return Streamed(pieces, done=done, status_code=status, headers=headers, media_type="audio/wav")


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""


async def _pieces(
    sound: LiveSound, start: int, end: int, *, listeners: Listeners, closing: threading.Event
) -> AsyncIterator[bytes]:
    while start < end and not closing.is_set():
        stop = min(end, start + _PIECE_BYTES)
        if start < sound.available_bytes:
            piece: bytes | None = sound.read(start, stop, timeout_seconds=0.0)  # there already: no thread, no wait
        else:
            waiting = partial(sound.read, start, stop, timeout_seconds=_ONE_WAIT_SECONDS)
            piece = await anyio.to_thread.run_sync(waiting, limiter=listeners.threads, abandon_on_cancel=True)
        if piece == b"":
            return
        if piece:
            start += len(piece)
            yield piece
