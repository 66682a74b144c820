"""The full address of one of our routes, as whoever asks reaches this studio."""

from __future__ import annotations

from typing import Any


def address_of(request: Any, path: str) -> str:
    """A path of ours with scheme and host, through a proxy or a public link too. request: Starlette's or a `gr.Request`."""
    inner = getattr(request, "request", None) or request
    headers = inner.headers
    scheme = headers.get("x-forwarded-proto", inner.url.scheme).split(",")[0].strip()
    host = headers.get("x-forwarded-host", headers.get("host", "")).split(",")[0].strip()
    return f"{scheme}://{host}{path}"
