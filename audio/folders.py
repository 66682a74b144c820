"""Folders made and removed whole: what a killed process leaves of one is never taken for it."""

from __future__ import annotations

import secrets
import shutil
from contextlib import suppress
from pathlib import Path

PART, _GONE = ".part-", ".gone-"


def remove_whole(folder: Path) -> None:
    """Take a folder out of its name, so that it is gone at once, then delete what is in it.

    Nothing where there is none. Raises OSError when it cannot be moved; it is then whole and where it was.
    """
    with suppress(FileNotFoundError):
        folder.replace(folder.with_name(f"{_GONE}{secrets.token_hex(6)}"))
    sweep(folder.parent, _GONE)


def sweep(parent: Path, *prefixes: str) -> None:
    """Delete what killed processes left in `parent`: folders half made and half removed, or those of some prefixes.

    For when nobody else can be making one there. One with a file in use stays until the next time.
    """
    for prefix in prefixes or (PART, _GONE):
        for left in parent.glob(f"{prefix}*"):
            shutil.rmtree(left, ignore_errors=True)
