"""Where a plug-in finds the running studio: one small file of the user's, with address, port and a token.

Written when the page is up, for this user's eyes only, and removed when the studio closes. The token is drawn anew at every
start, so a file that was left behind opens nothing. Knows nothing of what the plug-in asks.
"""

from __future__ import annotations

import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path


class Place:
    """The file of one studio."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.token = secrets.token_urlsafe(32)
        self.lines = ""  # as announced; "" while no plug-in is let in

    def opens(self, token: str) -> bool:
        """Whether a request brought this studio's token."""
        return hmac.compare_digest(token.encode("utf-8", "replace"), self.token.encode())

    def announce(self, *, address: str, port: int) -> None:
        """Say where the studio is. Raises OSError."""
        self.lines = f"address {address}\nport {port}\ntoken {self.token}\n"
        self._write(self.lines)

    def announce_shared(self) -> None:
        """Say that the studio is there, but lets no plug-in in. Raises OSError."""
        self._write(f"shared yes\nstudio {self.token}\n")

    def withdraw(self) -> None:
        """Remove the file, unless another studio has put its own there."""
        with suppress(OSError):
            if self.token in self.path.read_text(encoding="utf-8"):
                self.path.unlink()

    def _write(self, lines: str) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        part.unlink(missing_ok=True)
        # Made with its permissions rather than given them afterwards: nobody else can open it in between.
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(lines)
        part.replace(self.path)
