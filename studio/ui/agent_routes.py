"""The agents' own HTTP routes: verdicts, refinements, answers being written, and the microphone.

Each works for whoever asks, and another's things do not exist. Knows nothing of logins: the guard stands before it.
"""

from __future__ import annotations

import asyncio
import functools
import json
import threading
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from audio.io import AudioError
from studio.models.agents import missing_voice
from studio.models.hub import ModelError
from studio.refine import RefineError
from studio.studio import Studio
from studio.ui.guard import refusal
from studio.ui.refining_shown import refinement_shown
from studio.ui.route_tools import NotFound, answered, in_thread
from studio.ui.verdict_view import verdict_view
from studio.ui.visitors import Visitor, features

MOST_RECORDING_BYTES = 24 * 2**20  # some two minutes of stereo at the highest usual rate
SHOWN_REFINEMENTS = 4
_NOT_KEPT = {"Cache-Control": "no-store"}
_LOOK_SECONDS = 0.15


class AgentRoutes:
    """The routes over one studio's agents."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    def routes(self) -> list[Route]:
        refinement = "/studio/refinements/{refinement_id}"
        return [
            Route("/studio/takes/{take_id}/verdict.html", self.verdict),
            Route("/studio/takes/{take_id}/judge", self.judge, methods=["POST"]),
            Route("/studio/refinements", self.refinements),
            Route(f"{refinement}/{{verb}}", self.refinement_verb, methods=["POST"]),
            Route("/studio/agents/{line_id}/stop", self.stop_writing, methods=["POST"]),
            Route("/studio/voice", self.voice, methods=["POST"]),
            Route("/studio/voice/model", self.voice_model, methods=["GET", "POST"]),
        ]

    # ---------------------------------------------------------------------------------------------- verdicts

    @answered
    async def verdict(self, request: Request, visitor: Visitor) -> Response:
        """A take's verdict as the card shows it: parts, reasons, sections, description."""
        take_id = request.path_params["take_id"]
        entry = await in_thread(functools.partial(self._studio.entry, take_id, owner=visitor.sees_only))
        review = await in_thread(self._studio.reviews.of, take_id)
        if review is None:
            raise NotFound
        return HTMLResponse(verdict_view(entry.take, review), headers=_NOT_KEPT)

    @answered
    async def judge(self, request: Request, visitor: Visitor) -> Response:
        """Have a take judged that never was."""
        take_id = request.path_params["take_id"]
        await in_thread(functools.partial(self._studio.entry, take_id, owner=visitor.sees_only))
        await in_thread(self._studio.reviews.ask, take_id)
        return JSONResponse({"asked": take_id}, headers=_NOT_KEPT)

    # ------------------------------------------------------------------------------------------- refinements

    @answered
    async def refinements(self, request: Request, visitor: Visitor) -> Response:
        """This visitor's newest refinements, whole."""
        find = functools.partial(self._studio.refinements.list, owner=visitor.sees_only, limit=SHOWN_REFINEMENTS)
        shown = [refinement_shown(view) for view in await in_thread(find)]
        return JSONResponse({"refinements": shown}, headers=_NOT_KEPT)

    @answered
    async def refinement_verb(self, request: Request, visitor: Visitor) -> Response:
        """Stop, resume or overrule one. A body for overrule: {"best": 0, "leave": [1], "redo": [2]}."""
        refinement_id, verb = request.path_params["refinement_id"], request.path_params["verb"]
        every, owner = self._studio.refinements, visitor.sees_only
        try:
            await in_thread(functools.partial(every.view, refinement_id, owner=owner))
        except RefineError as error:
            raise NotFound from error
        match verb:
            case "stop":
                act = functools.partial(every.stop, refinement_id, owner=owner)
            case "resume":
                act = functools.partial(every.resume, refinement_id, owner=owner)
            case "overrule":
                act = functools.partial(every.overrule, refinement_id, owner=owner, **await _overruling(request))
            case _:
                raise NotFound
        return JSONResponse(refinement_shown(await in_thread(act)), headers=_NOT_KEPT)

    @answered
    async def stop_writing(self, request: Request, visitor: Visitor) -> Response:
        """Break off an answer that an agent is writing."""
        if not self._studio.desk.writing.stop(request.path_params["line_id"], owner=visitor.sees_only):
            raise NotFound
        return JSONResponse({}, headers=_NOT_KEPT)

    # ----------------------------------------------------------------------------------------------- the voice

    @answered
    async def voice(self, request: Request, visitor: Visitor) -> Response:
        """A recording (WAV in the body) to words. 409 offers the download when no Whisper model is here.

        Whoever goes away while it listens stops the listening.
        """
        from studio.voice import MOST_RECORDED_SECONDS, VoiceError

        data = await _body(request)
        if data is None:
            sentence = "The recording is too long: say what you wish for in at most a minute."
            return refusal(413, sentence, {"Connection": "close"})  # the rest is not even taken in
        gone = threading.Event()
        work = asyncio.create_task(in_thread(self._heard, data, MOST_RECORDED_SECONDS, gone))
        try:
            while not work.done():
                await asyncio.wait({work}, timeout=_LOOK_SECONDS)
                if not work.done() and await request.is_disconnected():
                    gone.set()
            return JSONResponse(work.result(), headers=_NOT_KEPT)
        except (VoiceError, AudioError) as error:
            return refusal(422, str(error))
        except ModelError as error:
            may = features(self._studio.settings, visitor).manage_models
            offer = self._studio.desk.voice_model() if may else ""
            return JSONResponse({"detail": str(error), "download": offer}, status_code=409, headers=_NOT_KEPT)

    def _heard(self, data: bytes, most_seconds: float, gone: threading.Event) -> dict[str, Any]:
        from audio.io import decode

        clip = decode(data, name="the recording", max_seconds=most_seconds)
        heard = self._studio.desk.hear(clip, cancelled=gone.is_set)
        return {"text": heard.text, "language": heard.language, "seconds": heard.seconds, "model": heard.model}

    @answered
    async def voice_model(self, request: Request, visitor: Visitor) -> Response:
        """Whether the microphone can be understood: the model, its state and its download. POST begins the download."""
        desk = self._studio.desk
        may = features(self._studio.settings, visitor).manage_models
        if request.method == "POST":
            if not may:
                return refusal(403, "While the studio is shared, models are neither fetched nor deleted.")
            await in_thread(desk.downloads.start, desk.voice_model())
        return JSONResponse(await in_thread(missing_voice, desk.files, desk.voice_model(), desk.downloads, may))


async def _body(request: Request) -> bytes | None:
    """The body, or None when it is more than a recording can be; what is too long is not read to its end."""
    if int(request.headers.get("content-length") or 0) > MOST_RECORDING_BYTES:
        return None
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > MOST_RECORDING_BYTES:
            return None
        pieces.append(piece)
    return b"".join(pieces)


async def _overruling(request: Request) -> dict[str, Any]:
    """The body of an overruling. Raises RefineError when it makes no sense."""
    try:
        asked = json.loads(await request.body() or b"{}")
        best = asked.get("best")
        return {
            "best": None if best is None else int(best),
            "leave": [int(each) for each in asked.get("leave") or ()],
            "redo": [int(each) for each in asked.get("redo") or ()],
        }
    except (ValueError, TypeError, AttributeError) as wrong:
        raise RefineError("An overruling names passes and sections by their numbers.") from wrong
