"""What the Training tab plays and hands out: segments, samples along a run, adapters as zips.

The studio's owner only; everybody else is answered 404, as if there were nothing.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from studio.engines.base import EngineError
from studio.studio import Studio
from studio.training.errors import TrainingError
from studio.training.sounding import SAMPLES
from studio.ui.route_tools import NotFound, answered, in_thread
from studio.ui.routes import saved_as
from studio.ui.visitors import Visitor, features

_KEEP_PRIVATE = {"Cache-Control": "private, no-cache"}
_SAMPLE = re.compile(r"step-\d+-\d+\.flac")


class TrainingRoutes:
    """The routes over one studio's training."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    def routes(self) -> list[Route]:
        return [
            Route("/studio/training/sets/{name}/{segment}.flac", self.segment),
            Route("/studio/training/runs/{name}/samples/{file}", self.sample),
            Route("/studio/training/adapters/{name}.zip", self.adapter),
        ]

    @answered
    async def segment(self, request: Request, visitor: Visitor) -> Response:
        """One segment's sound."""
        self._check(visitor)
        try:
            data_set = await in_thread(self._studio.school.data_set, request.path_params["name"])
        except TrainingError as error:
            raise NotFound from error
        wanted = request.path_params["segment"]
        found = next((one for one in data_set.segments if one.id == wanted), None)
        return _sound(data_set.audio_path(found) if found else None)

    @answered
    async def sample(self, request: Request, visitor: Visitor) -> Response:
        """What a run sounded like at a step."""
        self._check(visitor)
        file = request.path_params["file"]
        try:
            view = await in_thread(self._studio.school.runs.view, request.path_params["name"])
        except TrainingError as error:
            raise NotFound from error
        return _sound(view.folder / SAMPLES / file if _SAMPLE.fullmatch(file) else None)

    @answered
    async def adapter(self, request: Request, visitor: Visitor) -> Response:
        """An adapter in PEFT's files, zipped."""
        self._check(visitor)
        name = request.path_params["name"]
        with tempfile.NamedTemporaryFile(suffix=".zip", delete=False) as file:
            path = Path(file.name)
        try:
            await in_thread(self._studio.school.packed, name, path)
        except EngineError as error:
            path.unlink(missing_ok=True)
            raise NotFound from error
        plain = re.sub(r"[^A-Za-z0-9 ._-]", "_", name)
        headers = {**_KEEP_PRIVATE, **saved_as(f"{name}.zip", f"{plain}.zip")}
        return FileResponse(path, media_type="application/zip", headers=headers, background=BackgroundTask(path.unlink))

    def _check(self, visitor: Visitor) -> None:
        if not features(self._studio.settings, visitor).manage_models:
            raise NotFound


def _sound(path: Path | None) -> Response:
    if path is None or not path.is_file():
        raise NotFound
    return FileResponse(path, media_type="audio/flac", headers=_KEEP_PRIVATE)
