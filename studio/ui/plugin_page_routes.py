"""What the page asks about plug-ins: who is out there, what one shall play or have made, and the built files.

For the studio's owner on this machine alone; while the studio is shared there is nothing here. The plug-ins' own routes are in
plugin_routes.py.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from studio.daw.instances import NoSuchInstance
from studio.studio import Studio
from studio.ui.guard import refusal
from studio.ui.route_tools import NotFound, answered, in_thread
from studio.ui.visitors import Visitor, features

_NOT_KEPT = {"Cache-Control": "no-store"}
_MOST_BODY_BYTES = 10_000
_SHOWN_TAKES = 40


class _Asked(BaseModel):
    """What a plug-in shall do: play a take, or have one made from words."""

    model_config = ConfigDict(extra="forbid")

    take: str = Field(default="", max_length=80)
    words: str = Field(default="", max_length=1_900)
    bars: int = Field(default=8, ge=1, le=64)


class PluginPageRoutes:
    """The routes over one studio."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    def routes(self) -> list[Route]:
        base = "/studio/plug-in"
        return [
            Route(f"{base}/instances", self.instances, methods=["GET"]),
            Route(f"{base}/instances/{{instance}}", self.wish, methods=["POST"]),
            Route(f"{base}/place", self.place, methods=["GET"]),
            Route(f"{base}/{{name}}.zip", self.download, methods=["GET"]),
        ]

    @answered
    async def instances(self, request: Request, visitor: Visitor) -> Response:
        """The plug-ins heard of lately, and the takes there are for them."""
        self._check(visitor)
        return JSONResponse(await in_thread(self._shown), headers=_NOT_KEPT)

    def _shown(self) -> dict[str, Any]:
        takes = self._studio.plug_ins.takes()[:_SHOWN_TAKES]
        titles = {take.id: take.title for take in takes}
        return {
            "takes": [{"id": take.id, "title": take.title} for take in takes],
            "instances": [
                {
                    "id": each.id, "program": each.program, "status": each.status, "tempo_bpm": each.tempo_bpm,
                    "take": each.wanted_id or each.take_id, "title": titles.get(each.wanted_id or each.take_id, ""),
                    "waiting": each.wish is not None,
                }
                for each in self._studio.plug_ins.instances.listing()
            ],
        }  # fmt: skip

    @answered
    async def wish(self, request: Request, visitor: Visitor) -> Response:
        """{"take": ID} to play one, or {"words": …, "bars": 8} to have one made."""
        self._check(visitor)
        body = await request.body()
        try:
            if len(body) > _MOST_BODY_BYTES:
                raise ValueError
            asked = _Asked.model_validate(json.loads(body))
        except (ValueError, ValidationError):
            return refusal(400, "Choose a take, or say in words what is to be made.")
        if asked.take:
            await in_thread(self._studio.plug_ins.music, asked.take)
        elif not asked.words.strip():
            return refusal(400, "Say in words what is to be made.")
        try:
            self._studio.plug_ins.instances.wish(
                request.path_params["instance"], take_id=asked.take, words=asked.words.strip(), bars=asked.bars
            )
        except NoSuchInstance as gone:
            return refusal(404, str(gone))
        return JSONResponse(await in_thread(self._shown), headers=_NOT_KEPT)

    @answered
    async def place(self, request: Request, visitor: Visitor) -> Response:
        """Address, port and token in lines, for a plug-in that cannot read the file they lie in."""
        self._check(visitor)
        return JSONResponse({"lines": self._studio.plug_ins.place.lines}, headers=_NOT_KEPT)

    @answered
    async def download(self, request: Request, visitor: Visitor) -> Response:
        """The plug-in that `make plugin` has built here, in one format."""
        self._check(visitor)
        built = built_formats(self._studio).get(request.path_params["name"])
        if built is None:
            raise NotFound
        data = await in_thread(_zipped, built)
        headers = {"Content-Disposition": f'attachment; filename="{built.name}.zip"', "Cache-Control": "no-cache"}
        return Response(data, media_type="application/zip", headers=headers)

    def _check(self, visitor: Visitor) -> None:
        if not features(self._studio.settings, visitor).plug_ins:
            raise NotFound


def built_formats(studio: Studio) -> dict[str, Path]:
    """What of the plug-in is built here: "vst3", "clap", "lv2" to its file or folder."""
    built = {suffix: studio.plug_ins.built_dir / f"MusicGenStudio.{suffix}" for suffix in ("vst3", "clap", "lv2")}
    return {suffix: path for suffix, path in built.items() if path.exists()}


def _zipped(path: Path) -> bytes:
    """A file, or a folder with what is in it, in one zip under its own name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bundle:
        for each in [path] if path.is_file() else sorted(path.rglob("*")):
            if each.is_file():
                bundle.write(each, each.relative_to(path.parent))
    return buffer.getvalue()
