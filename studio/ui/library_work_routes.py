"""The Library tab's routes for its owner: folders brought in and forgotten, the work on them, and what hears them.

Nobody's while the studio is shared. Knows nothing of what is found: library_routes.py shows that.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from studio.studio import Studio
from studio.ui.guard import refusal
from studio.ui.library_asked import BadQuestion
from studio.ui.library_shown import ears_shown, job_shown
from studio.ui.library_tools import NOT_KEPT, in_sentences, sent
from studio.ui.route_tools import NotFound, in_thread
from studio.ui.visitors import Visitor, features

_MODELS_ONLY_HERE = "Models are chosen, fetched and deleted by the studio's owner, while the studio is not shared."
_ONLY_HERE = "Folders are imported by the studio's owner on this machine, while the studio is not shared."


class LibraryWorkRoutes:
    """The routes over one studio's library."""

    def __init__(self, studio: Studio) -> None:
        self._studio, self._library = studio, studio.library

    def routes(self) -> list[Route]:
        base = "/studio/library"
        return [
            Route(f"{base}/import", self.start_import, methods=["POST"]),
            Route(f"{base}/stop", self.stop, methods=["POST"]),
            Route(f"{base}/work", self.work, methods=["POST"]),
            Route(f"{base}/forget", self.forget, methods=["POST"]),
            Route(f"{base}/ears", self.choose_ears, methods=["POST"]),
        ]

    @in_sentences
    async def start_import(self, request: Request, visitor: Visitor) -> Response:
        """Import a folder or a file of this machine: {path, watched}."""
        if not features(self._studio.settings, visitor).import_folders:
            return refusal(403, _ONLY_HERE)
        body = await sent(request)
        path = str(body.get("path") or "").strip().strip("'\"")
        if not path:
            raise BadQuestion("Write the folder's path first, like /home/me/Music.")
        begin = functools.partial(self._library.start_import, [Path(path)], watched=bool(body.get("watched")))
        return JSONResponse({"job": job_shown(await in_thread(begin))}, headers=NOT_KEPT)

    @in_sentences
    async def work(self, request: Request, visitor: Visitor) -> Response:
        """Look through the folders again, hear everything with another model, or rebuild the index: {what}."""
        if not features(self._studio.settings, visitor).import_folders:
            return refusal(403, _ONLY_HERE)
        kinds: dict[str, Callable[[], Any]] = {
            "rescan": self._library.rescan, "reindex": self._library.start_reindex,
            "rebuild": self._library.start_rebuild,
        }  # fmt: skip
        begin = kinds.get(str((await sent(request)).get("what")))
        if begin is None:
            raise NotFound
        job = await in_thread(begin)
        if job is None:
            raise BadQuestion("No folder has been imported yet, or none of them is there.")
        return JSONResponse({"job": job_shown(job)}, headers=NOT_KEPT)

    @in_sentences
    async def stop(self, request: Request, visitor: Visitor) -> Response:
        """Stop the work under way; what is done is kept."""
        if not visitor.is_host:
            raise NotFound
        self._library.jobs.stop()
        return JSONResponse({"job": job_shown(self._library.jobs.view())}, headers=NOT_KEPT)

    @in_sentences
    async def forget(self, request: Request, visitor: Visitor) -> Response:
        """Take a folder off the list of those imported from: {path}, with {tracks} what came from it too; or {gone}: the
        tracks whose files are not there any more. No file is touched."""
        if not features(self._studio.settings, visitor).import_folders:
            return refusal(403, _ONLY_HERE)
        body = await sent(request)
        if body.get("gone"):
            left = await in_thread(self._library.forget_gone)
        else:
            path, tracks = Path(str(body.get("path") or "")), bool(body.get("tracks"))
            left = await in_thread(functools.partial(self._library.forget_folder, path, tracks=tracks))
        return JSONResponse({"left": left}, headers=NOT_KEPT)

    @in_sentences
    async def choose_ears(self, request: Request, visitor: Visitor) -> Response:
        """What hears the library: {do: “use”, “download”, “stop” or “delete”, model}."""
        if not features(self._studio.settings, visitor).manage_models:
            return refusal(403, _MODELS_ONLY_HERE)
        body, ears = await sent(request), self._library.ears
        verbs: dict[str, Callable[[str], None]] = {
            "use": self._library.listen_by, "download": ears.downloads.start, "stop": ears.downloads.stop,
            "delete": self._library.delete_model,
        }  # fmt: skip
        act = verbs.get(str(body.get("do")))
        if act is None:
            raise NotFound
        await in_thread(act, str(body.get("model") or ""))
        return JSONResponse(await in_thread(ears_shown, ears), headers=NOT_KEPT)
