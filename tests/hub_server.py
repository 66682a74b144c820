"""A model hub on this machine: the few answers of the hub's API that a download needs, and ways to fail.

Serves a folder as one repository: the listing with sizes and SHA-256, and its files, the large ones through a
redirect and all of them by range.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

LARGE = 100_000


@dataclass
class Hub:
    """What is served, how it fails, and what was asked."""

    repo_id: str
    folder: Path
    revision: str = "a" * 40
    drop_after: list[int] = field(default_factory=list)  # bytes after which the next large answers break off
    spoil: bool = False  # large files arrive with a byte changed
    status: int = 200  # of every answer
    seconds_a_piece: float = 0.0
    url: str = ""
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)  # method, path, Range
    logins: list[str] = field(default_factory=list)

    def ranges(self, name: str) -> list[str | None]:
        """The Range headers with which a file's content was asked for."""
        return [span for method, path, span in self.asked if method == "GET" and path == f"/cdn/{name}"]

    def names(self) -> set[str]:
        """The files that were asked for."""
        return {path.rsplit("/", 1)[1] for _, path, _ in self.asked if "/resolve/" in path}

    def listing(self) -> dict[str, Any]:
        siblings = []
        for path in sorted(self.folder.iterdir()):
            content = path.read_bytes()
            sibling: dict[str, Any] = {"rfilename": path.name, "size": len(content)}
            sibling["blobId"] = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            if len(content) >= LARGE:
                sibling["lfs"] = {
                    "sha256": hashlib.sha256(content).hexdigest(),
                    "size": len(content),
                    "pointerSize": 134,
                }
            siblings.append(sibling)
        return {"_id": "0", "id": self.repo_id, "modelId": self.repo_id, "sha": self.revision, "siblings": siblings}


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *args: Any) -> None:
        """Nothing on the terminal."""

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        hub, path = self.hub, self.path.split("?")[0]
        hub.asked.append((self.command, path, self.headers.get("Range")))
        if "Authorization" in self.headers:
            hub.logins.append(self.headers["Authorization"])
        if hub.status != 200:
            return self._send(hub.status, {}, b"{}")
        if path == f"/api/models/{hub.repo_id}":
            body = json.dumps(hub.listing()).encode()
            return self._send(200, {"Content-Type": "application/json"}, body)
        if path.startswith(f"/{hub.repo_id}/resolve/{hub.revision}/"):
            return self._resolve(hub.folder / path.rsplit("/", 1)[1], with_body=with_body)
        if path.startswith("/cdn/"):
            return self._content(hub.folder / path.rsplit("/", 1)[1], with_body=with_body)
        return self._send(404, {"X-Error-Code": "RepoNotFound"}, b"{}")

    def _resolve(self, file: Path, *, with_body: bool) -> None:
        if file.stat().st_size < LARGE:
            return self._content(file, with_body=with_body)
        facts = {
            "Location": f"{self.hub.url}/cdn/{file.name}",
            "X-Repo-Commit": self.hub.revision,
            "X-Linked-Size": str(file.stat().st_size),
            "X-Linked-Etag": f'"{hashlib.sha256(file.read_bytes()).hexdigest()}"',
            # As the hub does for repositories on Xet storage: plain HTTP must work all the same.
            "X-Xet-Hash": "0" * 64,
        }
        return self._send(302, facts, b"")

    def _content(self, file: Path, *, with_body: bool) -> None:
        content = file.read_bytes()
        if self.hub.spoil and len(content) >= LARGE:
            content = content[:-1] + bytes([content[-1] ^ 1])
        facts = {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": self.hub.revision}
        span = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        start = int(span[1]) if span else 0
        if span:
            facts["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self._send(206 if span else 200, facts, content[start:], with_body=with_body)

    def _send(self, status: int, facts: dict[str, str], body: bytes, *, with_body: bool = True) -> None:
        self.send_response(status)
        for name, value in {**facts, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if not with_body:
            return
        cut = self.hub.drop_after.pop(0) if self.hub.drop_after and len(body) >= LARGE else None
        for start in range(0, len(body), 65_536):
            piece = body[start : min(start + 65_536, len(body) if cut is None else cut)]
            try:
                self.wfile.write(piece)
            except OSError:  # the other side has gone
                self.close_connection = True
                return
            time.sleep(self.hub.seconds_a_piece if len(body) >= LARGE else 0)
            if cut is not None and start + 65_536 >= cut:
                self.wfile.flush()
                self.connection.close()
                self.close_connection = True
                return


@contextmanager
def serve(hub: Hub) -> Iterator[Hub]:
    """Serve a hub on a free port of this machine while the block runs; `hub.url` is its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Answers", (_Answers,), {"hub": hub}))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
