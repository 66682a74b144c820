"""Lines of JSON appended to a file and flushed: what must outlive a lost database.

Knows nothing of what the lines say.
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

_locks: dict[Path, threading.Lock] = {}


def append(path: Path, record: dict[str, Any]) -> None:
    """Add one record; it is on the disk when this returns. A line that a crash cut off does not swallow it.

    Raises OSError.
    """
    line = (json.dumps(record, ensure_ascii=False) + "\n").encode()
    with _locks.setdefault(path, threading.Lock()), path.open("ab") as file:
        if file.tell() and not _ends_whole(path):
            line = b"\n" + line
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def read(path: Path) -> tuple[list[dict[str, Any]], int]:
    """The file's records, oldest first, and how many lines are none. A missing file has none."""
    if not path.exists():
        return [], 0
    found, odd = [], 0
    for line in path.read_text("utf-8", errors="replace").splitlines():
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if isinstance(record, dict):
            found.append(record)
        else:
            odd += 1
    return found, odd


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
