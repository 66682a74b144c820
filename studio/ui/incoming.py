"""A request's body as a file: a sound of hours never stands in memory. Knows nothing of what is in it."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from starlette.requests import ClientDisconnect, Request

from rag.database import LibraryError

_FORGOTTEN_SECONDS = 86_400.0


@asynccontextmanager
async def incoming(request: Request, folder: Path, *, name: str) -> AsyncIterator[Path]:
    """The body in a file of the folder, with the name's ending; gone when the block ends, unless it was moved away.

    Raises LibraryError when it does not arrive whole or finds no room.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _tidy(folder)
        handle, place = tempfile.mkstemp(dir=folder, suffix=Path(name).suffix)
    except OSError as error:
        raise _no_room(name, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            try:
                async for chunk in request.stream():
                    file.write(chunk)
                file.flush()
            except ClientDisconnect as gone:
                raise LibraryError(f"“{name}” did not arrive whole: send it again.") from gone
            except OSError as error:
                raise _no_room(name, error) from error
        yield Path(place)
    finally:
        with suppress(OSError):
            Path(place).unlink(missing_ok=True)


def _no_room(name: str, error: OSError) -> LibraryError:
    return LibraryError(f"“{name}” could not be kept: {error.strerror or error}. Make room and send it again.")


def _tidy(folder: Path) -> None:
    """What a crash left behind."""
    for path in folder.iterdir():
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _FORGOTTEN_SECONDS:
                path.unlink()
