"""Several takes in one zip, to take away from the History tab."""

from __future__ import annotations

from contextlib import suppress

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from studio.exports import EXPORT_FORMATS, Bundle, ExportError
from studio.studio import NotYours, Studio
from studio.takes import Take, TakeMissing
from studio.ui.route_tools import NotFound, answered, in_thread
from studio.ui.visitors import Visitor

MOST = 500


class BundleRoutes:
    """The route over one studio."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    def routes(self) -> list[Route]:
        return [Route("/studio/bundle.zip", self.bundle, methods=["GET"])]

    @answered
    async def bundle(self, request: Request, visitor: Visitor) -> Response:
        """?takes=ID,ID…&format=flac: up to MOST takes of this visitor's. HEAD makes the zip ready.

        Takes that are gone or cannot be had so are left out, and the header X-Left-Out says that.
        """
        wanted = list(dict.fromkeys(name for name in request.query_params.get("takes", "").split(",") if name))
        if not wanted:
            raise NotFound
        if len(wanted) > MOST:
            raise ExportError(f"At most {MOST} takes go into one zip; pick fewer of these {len(wanted)}.")
        format, taken = request.query_params.get("format", "flac"), request.method != "HEAD"
        made = await in_thread(self._bundled, wanted, format, taken, visitor)
        headers = {"Cache-Control": "no-store"}
        if missing := len(wanted) - len(made.take_ids):
            headers["X-Left-Out"] = (
                f"{missing} of {len(wanted)} takes {'is' if missing == 1 else 'are'} not in the zip: gone, or not to be had as "
                f"{EXPORT_FORMATS[format]}."
            )
        return FileResponse(made.path, media_type=made.media_type, filename=made.ascii_filename, headers=headers)

    def _bundled(self, names: list[str], format: str, taken: bool, visitor: Visitor) -> Bundle:
        takes: dict[str, Take] = {}
        for name in names:
            with suppress(TakeMissing, NotYours):
                entry = self._studio.entry(name, owner=visitor.sees_only)
                if entry.state == "kept":
                    takes[name] = entry.take
        if not takes:
            raise NotFound
        made = self._studio.exports.bundle(
            list(takes), format=format, provenance=self._studio.settings.embed_provenance
        )
        if taken:
            for name in made.take_ids:
                self._studio.ledger.deeds.note(name, "export", format, owner=takes[name].owner)
        return made
