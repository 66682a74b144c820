"""The desk's HTTP routes: its items, their parts as sound and as waveform, the mix and its steps, and long work.

Every route asks who is there and answers 404 for what is another's, as if it did not exist. Knows nothing of logins: the
guard stands before it.
"""

from __future__ import annotations

import functools
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from audio.effects import Chain, describe
from audio.io import encode
from audio.loudness import integrated_lufs
from studio.desk.desk import Desk
from studio.desk.effect_presets import list_effect_presets, save_effect_preset
from studio.desk.errors import DeskError, NothingThere
from studio.desk.items import Item
from studio.desk.mix import ROOMS, room_response
from studio.studio import Studio
from studio.ui.desk_shown import page_shown, separators_shown, sheet_shown, sources_shown, upload_shown, work_shown
from studio.ui.route_tools import answered, in_thread
from studio.ui.routes import saved_as
from studio.ui.visitors import Visitor, features

_NOT_KEPT = {"Cache-Control": "no-store"}
_KEEP_PRIVATE = {"Cache-Control": "private, no-cache"}
_KEEP = {"Cache-Control": "private, max-age=86400"}
_MOST_SOURCES = 40
_MEDIA = {".flac": "audio/flac", ".wav": "audio/wav"}


class DeskRoutes:
    """The routes over one studio's desk."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    @property
    def _desk(self) -> Desk:
        return self._studio.mixing_desk

    def routes(self) -> list[Route]:
        item = "/studio/desk/items/{source}"
        work = "/studio/desk/work"
        return [
            Route("/studio/desk/sources", self.sources),
            Route("/studio/desk/uploads", self.uploads, methods=["GET"]),
            Route("/studio/desk/uploads", self.bring, methods=["POST"]),
            Route("/studio/desk/effects.json", self.effects, methods=["GET"]),
            Route("/studio/desk/effects.json", self.save_effects, methods=["POST"]),
            Route("/studio/desk/plugins", self.plugin, methods=["POST"]),
            Route("/studio/desk/separators", self.separators, methods=["GET"]),
            Route("/studio/desk/separators/{model}/{verb}", self.manage_separator, methods=["POST"]),
            Route("/studio/desk/rooms/{kind}.wav", self.room),
            Route(work, self.all_work),
            Route(f"{work}/{{work}}", self.one_work),
            Route(f"{work}/{{work}}/stop", self.stop_work, methods=["POST"]),
            Route(f"{work}/{{work}}/files/{{name}}", self.file),
            Route(item, self.sheet, methods=["GET"]),
            Route(item, self.take_off, methods=["DELETE"]),
            Route(f"{item}/peaks.json", self.peaks),
            Route(f"{item}/strips/{{name}}", self.strip),
            Route(f"{item}/strips/{{name}}/levels.json", self.levels),
            Route(f"{item}/mix", self.save_mix, methods=["PUT"]),
            Route(f"{item}/undo", self.undo, methods=["POST"]),
            Route(f"{item}/redo", self.redo, methods=["POST"]),
            Route(f"{item}/parts", self.use_parts, methods=["POST"]),
            Route(f"{item}/work", self.ask, methods=["POST"]),
        ]

    # ------------------------------------------------------------------------------------------- bringing along

    @answered
    async def uploads(self, request: Request, visitor: Visitor) -> Response:
        """The sounds this visitor has brought along, newest first."""
        found = await in_thread(self._desk.items.uploads, visitor.sees_only)
        return JSONResponse({"uploads": [upload_shown(each) for each in found]}, headers=_NOT_KEPT)

    @answered
    async def sources(self, request: Request, visitor: Visitor) -> Response:
        """What can be laid on the desk or taken for a reference: the newest takes, and what was brought along."""

        def find() -> list[dict[str, Any]]:
            takes = self._studio.takes(owner=visitor.sees_only, limit=_MOST_SOURCES).entries
            return sources_shown([entry.take for entry in takes], self._desk.items.uploads(visitor.sees_only))

        return JSONResponse({"sources": await in_thread(find)}, headers=_NOT_KEPT)

    @answered
    async def bring(self, request: Request, visitor: Visitor) -> Response:
        """Lay a sound file on the desk: its bytes as the body, its name as ?name=."""
        name = request.query_params.get("name", "sound")[:200]
        with tempfile.TemporaryDirectory(prefix="musicgen-studio-") as folder:
            path = Path(folder) / "sound"
            with path.open("wb") as file:
                async for piece in request.stream():
                    await in_thread(file.write, piece)
            item = await in_thread(functools.partial(self._desk.bring, path, filename=name, owner=visitor.owner))
        return JSONResponse({"source": item.source, "title": item.title, "notes": list(item.notes)}, headers=_NOT_KEPT)

    @answered
    async def take_off(self, request: Request, visitor: Visitor) -> Response:
        """Take a sound that was brought along off the desk, for good."""
        source = request.path_params["source"]
        await in_thread(functools.partial(self._desk.items.take_off, source, owner=visitor.sees_only))
        return JSONResponse({"gone": source}, headers=_NOT_KEPT)

    # ------------------------------------------------------------------------------------------------- looking

    @answered
    async def sheet(self, request: Request, visitor: Visitor) -> Response:
        """All that the desk shows of an item."""
        return await self._told(request, visitor, lambda item: self._shown(item, visitor))

    @answered
    async def peaks(self, request: Request, visitor: Visitor) -> Response:
        """The waveforms of the parts on the strips."""
        desk = self._desk
        return await self._told(
            request, visitor, lambda item: {"peaks": desk.items.peaks(item, desk.sheet(item).parts.key)}
        )

    @answered
    async def strip(self, request: Request, visitor: Visitor) -> Response:
        """A strip's sound through its chain, or ?dry=1 without; byte ranges."""

        def find(item: Item) -> Path:
            mix, name = self._desk.sheet(item).page.mix, request.path_params["name"]
            if request.query_params.get("dry"):
                return self._desk.items.parts(item, mix.parts).path(name)
            return self._desk.strip_path(item, mix, name)

        path = await self._do(request, visitor, find)
        return FileResponse(path, media_type=_MEDIA[path.suffix], headers=_KEEP_PRIVATE)

    @answered
    async def levels(self, request: Request, visitor: Visitor) -> Response:
        """How loud a strip is without its chain and with it, so that the two can be compared fairly."""

        def measure(item: Item) -> dict[str, float | None]:
            mix, name = self._desk.sheet(item).page.mix, request.path_params["name"]
            strip = next((each for each in mix.strips if each.name == name), None)
            if strip is None:
                raise NothingThere(f"There is no strip called “{name}”.")
            dry = integrated_lufs(self._desk.items.parts(item, mix.parts).open(name).stereo())
            wet = integrated_lufs(self._desk.strip_sound(item, mix, strip).stereo())
            finite = [each if each > float("-inf") else None for each in (dry, wet)]
            return {"dry_lufs": finite[0], "wet_lufs": finite[1]}

        return await self._told(request, visitor, measure)

    @answered
    async def room(self, request: Request, visitor: Visitor) -> Response:
        """A room's answer to a click, for the browser to convolve with. ?rate=44100"""
        kind, rate = request.path_params["kind"], request.query_params.get("rate", "44100")
        if kind not in ROOMS or not rate.isdecimal() or not 8_000 <= int(rate) <= 192_000:
            raise NothingThere("There is no such room.")
        data = await in_thread(lambda: encode(room_response(kind, int(rate)), format="wav32f"))
        return Response(data, media_type="audio/wav", headers=_KEEP)

    @answered
    async def effects(self, request: Request, visitor: Visitor) -> Response:
        """Every effect with its knobs, and the presets."""
        listing = await in_thread(list_effect_presets, self._presets_dir)
        presets = [
            {**each.model_dump(mode="json"), "id": each.id, "is_shipped": each.is_shipped}
            for each in listing.presets
            if visitor.is_host or each.is_shipped
        ]
        return JSONResponse({"kinds": describe(), "presets": presets}, headers=_NOT_KEPT)

    @answered
    async def save_effects(self, request: Request, visitor: Visitor) -> Response:
        """Keep a chain among the owner's own presets: {"name": …, "effects": […]}."""
        if not features(self._studio.settings, visitor).change_settings:
            raise DeskError("While the studio is shared, presets are not kept.")
        asked = _object(await request.body())
        chain = Chain.read(asked.get("effects"))
        keep = functools.partial(save_effect_preset, str(asked.get("name", "")).strip(), chain, self._presets_dir)
        return JSONResponse({"id": (await in_thread(keep)).id}, headers=_NOT_KEPT)

    @answered
    async def separators(self, request: Request, visitor: Visitor) -> Response:
        """What can take a sound apart here, and how far downloads are."""
        may_manage = features(self._studio.settings, visitor).manage_models
        shown = await in_thread(separators_shown, self._desk)
        return JSONResponse({"separators": shown, "may_manage": may_manage}, headers=_NOT_KEPT)

    @answered
    async def manage_separator(self, request: Request, visitor: Visitor) -> Response:
        """Download a separator, stop that, or delete it: only the owner, and not while the studio is shared."""
        if not features(self._studio.settings, visitor).manage_models:
            raise DeskError("While the studio is shared, models are neither fetched nor deleted.")
        desk, model = self._desk, request.path_params["model"]
        verbs = {
            "download": desk.stem_downloads.start,
            "stop": desk.stem_downloads.stop,
            "delete": desk.delete_separator,
        }
        verb = verbs.get(request.path_params["verb"])
        if verb is None:
            raise NothingThere("There is nothing of that name to do.")
        await in_thread(verb, model)
        return JSONResponse(
            {"separators": await in_thread(separators_shown, desk), "may_manage": True}, headers=_NOT_KEPT
        )

    @answered
    async def plugin(self, request: Request, visitor: Visitor) -> Response:
        """Try a VST3 of this machine's in a process of its own: {"path": …}. Only its own user may, unshared."""
        if not features(self._studio.settings, visitor).plug_ins:
            raise DeskError("Plug-ins of this machine run only for its own user, while the studio is not shared.")
        path = str(_object(await request.body()).get("path", ""))[:1000]

        def try_it() -> dict[str, Any]:
            from audio.plugin_hosting import try_plugin

            facts = try_plugin(Path(path))
            if facts.is_instrument:
                raise DeskError(f"“{facts.name}” is an instrument, not an effect. Choose one that changes a sound.")
            return {"path": facts.path, "name": facts.name, "maker": facts.maker, "values": dict(facts.values)}

        return JSONResponse(await in_thread(try_it), headers=_NOT_KEPT)

    @property
    def _presets_dir(self) -> Path:
        return self._studio.settings.presets_dir / "effects"

    # ------------------------------------------------------------------------------------------------- mixing

    @answered
    async def save_mix(self, request: Request, visitor: Visitor) -> Response:
        """The mix as it is now, as the next step."""
        document = _object(await request.body())
        return await self._told(request, visitor, lambda item: page_shown(self._desk.save_mix(item, document)))

    @answered
    async def undo(self, request: Request, visitor: Visitor) -> Response:
        """One step back."""
        return await self._told(request, visitor, lambda item: page_shown(self._desk.undo(item)))

    @answered
    async def redo(self, request: Request, visitor: Visitor) -> Response:
        """One step forward again."""
        return await self._told(request, visitor, lambda item: page_shown(self._desk.redo(item)))

    @answered
    async def use_parts(self, request: Request, visitor: Visitor) -> Response:
        """Lay another set of parts on the strips: {"key": …}."""
        key = str(_object(await request.body()).get("key", ""))

        def use(item: Item) -> dict[str, Any]:
            self._desk.use_parts(item, key)
            return self._shown(item, visitor)

        return await self._told(request, visitor, use)

    # ------------------------------------------------------------------------------------------------- working

    @answered
    async def ask(self, request: Request, visitor: Visitor) -> Response:
        """Start long work: {"kind": …, "options": {…}}."""
        asked = _object(await request.body())
        options = asked.get("options") or {}
        if not isinstance(options, dict):
            raise DeskError("The options of this work cannot be read.")
        start = functools.partial(
            self._desk.ask, str(asked.get("kind", "")), request.path_params["source"], options, owner=visitor.sees_only
        )
        return JSONResponse(work_shown(await in_thread(start)), headers=_NOT_KEPT)

    @answered
    async def all_work(self, request: Request, visitor: Visitor) -> Response:
        """This visitor's work on the desk, oldest first."""
        return JSONResponse(
            {"work": [work_shown(w) for w in self._desk.jobs.list(visitor.sees_only)]}, headers=_NOT_KEPT
        )

    @answered
    async def one_work(self, request: Request, visitor: Visitor) -> Response:
        """One piece of work with what it made."""
        work = self._desk.jobs.get(request.path_params["work"], owner=visitor.sees_only)
        return JSONResponse(work_shown(work, with_result=True), headers=_NOT_KEPT)

    @answered
    async def stop_work(self, request: Request, visitor: Visitor) -> Response:
        """Ask a piece of work to stop."""
        work = self._desk.jobs.stop(request.path_params["work"], owner=visitor.sees_only)
        return JSONResponse(work_shown(work), headers=_NOT_KEPT)

    @answered
    async def file(self, request: Request, visitor: Visitor) -> Response:
        """A file that work has made; ?play=1 to hear it rather than save it."""
        work = self._desk.jobs.get(request.path_params["work"], owner=visitor.sees_only)
        path = work.files.get(request.path_params["name"])
        if path is None or not path.is_file():
            raise NothingThere("This file is not here any more.")
        saved = (
            {}
            if request.query_params.get("play")
            else saved_as(path.name, path.name.encode("ascii", "ignore").decode())
        )
        return FileResponse(path, headers={**_KEEP_PRIVATE, **saved})

    # ------------------------------------------------------------------------------------------------- common

    def _shown(self, item: Item, visitor: Visitor) -> dict[str, Any]:
        shown = sheet_shown(self._desk, self._desk.sheet(item))
        return {**shown, "plugins": features(self._studio.settings, visitor).plug_ins}

    async def _do(self, request: Request, visitor: Visitor, what: Callable[[Item], Any]) -> Any:
        """Do something with the item the address names, beside the loop."""
        source = request.path_params["source"]
        return await in_thread(lambda: what(self._desk.open(source, owner=visitor.sees_only)))

    async def _told(self, request: Request, visitor: Visitor, what: Callable[[Item], Any]) -> Response:
        return JSONResponse(await self._do(request, visitor, what), headers=_NOT_KEPT)


def _object(body: bytes) -> dict[str, Any]:
    """A JSON object out of a request's body. Raises DeskError."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise DeskError("This request cannot be read.")
    return value
