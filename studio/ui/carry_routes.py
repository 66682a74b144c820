"""The route behind the desk's drag handles: a strip, the mix, a loop, notes or the project as a file, made on demand.

Every file is the visitor's own or answered with 404. Knows nothing of logins: the guard stands before it.
"""

from __future__ import annotations

import functools
import math

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from studio.desk.carrying import MEDIA, carried
from studio.desk.errors import DeskError
from studio.exports import ascii_name
from studio.studio import Studio
from studio.ui.route_tools import answered, in_thread
from studio.ui.routes import saved_as
from studio.ui.visitors import Visitor


class CarryRoutes:
    """The routes over one studio."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    def routes(self) -> list[Route]:
        return [Route("/studio/carry/{source}/{what}", self.carry, methods=["GET"])]

    @answered
    async def carry(self, request: Request, visitor: Visitor) -> Response:
        """A file to save or to drop: ?part= of a strip or of notes, ?start= and ?end= seconds of a loop."""
        asked = request.query_params
        desk = self._studio.mixing_desk
        item = await in_thread(functools.partial(desk.open, request.path_params["source"], owner=visitor.sees_only))
        make = functools.partial(
            carried, desk, item, request.path_params["what"], part=asked.get("part", ""),
            start_seconds=_seconds(asked.get("start")), end_seconds=_seconds(asked.get("end")),
        )  # fmt: skip
        path = await in_thread(make)
        headers = {"Cache-Control": "private, no-cache", **saved_as(path.name, ascii_name(path.name))}
        return FileResponse(path, media_type=MEDIA[path.suffix], headers=headers)


def _seconds(written: str | None) -> float | None:
    if written is None:
        return None
    try:
        seconds = float(written)
    except ValueError:
        seconds = math.nan
    if not 0.0 <= seconds < 1e6:
        raise DeskError("A loop begins and ends at seconds of the sound.")
    return seconds
