"""Several takes in one zip, to take away from the History tab."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from studio.exports import ExportedFile
from studio.studio import Studio
from studio.ui.route_tools import NotFound, answered, in_thread
from studio.ui.visitors import Visitor

MOST = 100


class BundleRoutes:
    """The route over one studio."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    def routes(self) -> list[Route]:
        return [Route("/studio/bundle.zip", self.bundle, methods=["GET"])]

    @answered
    async def bundle(self, request: Request, visitor: Visitor) -> Response:
        """?takes=ID,ID…&format=flac: up to MOST takes of this visitor's."""
        wanted = [name for name in request.query_params.get("takes", "").split(",") if name][:MOST]
        if not wanted:
            raise NotFound
        made = await in_thread(self._bundled, wanted, request.query_params.get("format", "flac"), visitor)
        headers = {"Cache-Control": "no-store"}
        return FileResponse(made.path, media_type=made.media_type, filename=made.ascii_filename, headers=headers)

    def _bundled(self, names: list[str], format: str, visitor: Visitor) -> ExportedFile:
        takes = [self._studio.entry(name, owner=visitor.sees_only).take for name in names]
        made = self._studio.exports.bundle(
            [take.id for take in takes], format=format, provenance=self._studio.settings.embed_provenance
        )
        for take in takes:
            self._studio.ledger.deeds.note(take.id, "export", format, owner=take.owner)
        return made
