"""The HTTP routes of live MIDI: ports, switches, what the page plays and where, and melodies that were played.

Ports are this machine's: they are for its own user and closed while the studio is shared. The score and a played melody are
everyone's own, so that a guest's browser can play and record by Web MIDI. Knows nothing of logins: the guard stands before it.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from studio.clock import FASTEST_BPM, SLOWEST_BPM
from studio.desk.errors import DeskError
from studio.engines.base import EngineError
from studio.live_midi.live import LiveMidi, LiveMidiError, now
from studio.live_midi.recording import NothingPlayed, Recording
from studio.live_midi.score import score_of_item, score_shown
from studio.studio import Studio
from studio.ui.guard import refusal
from studio.ui.route_tools import NotFound, answered, in_thread
from studio.ui.visitors import Visitor, features

_NOT_KEPT = {"Cache-Control": "no-store"}
_MOST_KEYS = 20_000


class MidiRoutes:
    """The routes over one studio's live MIDI."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    @property
    def _midi(self) -> LiveMidi:
        return self._studio.midi

    def routes(self) -> list[Route]:
        return [
            Route("/studio/midi/now", self.now, methods=["GET"]),
            Route("/studio/midi/score", self.score, methods=["GET"]),
            Route("/studio/midi/melody", self.melody, methods=["POST"]),
            Route("/studio/midi", self.status, methods=["GET"]),
            Route("/studio/midi/{verb}", self.do, methods=["POST"]),
        ]

    @answered
    async def now(self, request: Request, visitor: Visitor) -> Response:
        """When this was asked and answered by the studio's clock, for a page that finds out how far its own is off."""
        return JSONResponse({"received": now(), "sent": now()}, headers=_NOT_KEPT)

    @answered
    async def status(self, request: Request, visitor: Visitor) -> Response:
        """Ports and what plays, or that this visitor has the browser's MIDI only; ?look=1 asks the system anew."""
        if not self._has_ports(visitor):
            return JSONResponse({"browser_only": True}, headers=_NOT_KEPT)
        if not request.query_params.get("look"):
            return JSONResponse(self._midi.status(), headers=_NOT_KEPT)
        return await self._told(self._midi.look)

    @answered
    async def score(self, request: Request, visitor: Visitor) -> Response:
        """The notes of ?source= with clock pulses, for the browser's MIDI."""

        def find() -> dict[str, Any]:
            desk = self._studio.mixing_desk
            item = desk.open(request.query_params.get("source", ""), owner=visitor.sees_only)
            return score_shown(score_of_item(desk, item), with_notes=True)

        return JSONResponse(await in_thread(find), headers=_NOT_KEPT)

    @answered
    async def melody(self, request: Request, visitor: Visitor) -> Response:
        """Keep what was played in the browser: {"keys": [[seconds, pitch, velocity]], "seconds", "tempo_bpm", "beats_a_bar", "grid"}."""
        asked = _object(await request.body())
        recording = _recording_of(asked)
        return await self._told(functools.partial(self._keep, recording, asked))

    @answered
    async def do(self, request: Request, visitor: Visitor) -> Response:
        """A verb of this machine's MIDI: choose, set, follow, load, play, stop, panic, listen, record, recorded."""
        verb = getattr(self, f"_{request.path_params['verb']}_now", None)
        if verb is None or not self._has_ports(visitor):
            raise NotFound
        asked = _object(await request.body() or b"{}")
        return await self._told(functools.partial(verb, asked, visitor))

    # ------------------------------------------------------------------------------------------------ verbs

    def _choose_now(self, asked: dict[str, Any], visitor: Visitor) -> dict[str, Any]:
        self._midi.choose(str(asked.get("port", "")))
        return self._midi.status()

    def _set_now(self, asked: dict[str, Any], visitor: Visitor) -> dict[str, Any]:
        self._midi.set(asked)
        return self._midi.status()

    def _follow_now(self, asked: dict[str, Any], visitor: Visitor) -> dict[str, Any]:
        return self._midi.follow(asked, owner=visitor.sees_only)

    def _load_now(self, asked: dict[str, Any], visitor: Visitor) -> dict[str, Any]:
        self._midi.load(str(asked.get("source", "")), owner=visitor.sees_only)
        return self._midi.status()

    def _play_now(self, asked: dict[str, Any], visitor: Visitor) -> dict[str, Any]:
        if asked.get("source"):
            self._midi.load(str(asked["source"]), owner=visitor.sees_only)
        self._midi.play()
        return self._midi.status()

    def _stop_now(self, asked: dict[str, Any], visitor: Visitor) -> dict[str, Any]:
        self._midi.stop()
        return self._midi.status()

    def _panic_now(self, asked: dict[str, Any], visitor: Visitor) -> dict[str, Any]:
        self._midi.panic()
        return self._midi.status()

    def _listen_now(self, asked: dict[str, Any], visitor: Visitor) -> dict[str, Any]:
        self._midi.listen(str(asked.get("port", "")))
        return self._midi.status()

    def _record_now(self, asked: dict[str, Any], visitor: Visitor) -> dict[str, Any]:
        tempo, a_bar = _tempo(asked), _whole(asked.get("beats_a_bar", 4), 1, 16)
        begins = self._midi.record(
            tempo_bpm=tempo, beats_a_bar=a_bar, count_in_bars=_whole(asked.get("count_in", 1), 0, 4)
        )
        return {"begins": begins, "now": now()}

    def _recorded_now(self, asked: dict[str, Any], visitor: Visitor) -> dict[str, Any]:
        return self._keep(self._midi.recorded(), asked)

    # ------------------------------------------------------------------------------------------------- rest

    def _keep(self, recording: Recording, asked: dict[str, Any]) -> dict[str, Any]:
        """The melody's name in Generate, and what was played."""
        data = recording.file(steps_a_beat=_whole(asked.get("grid", 0), 0, 12))
        struck = sum(key.velocity > 0 for key in recording.keys)
        return {"melody": self._studio.pipeline.sounds.keep_file(data, name="the melody"), "keys": struck}

    def _has_ports(self, visitor: Visitor) -> bool:
        return features(self._studio.settings, visitor).change_settings

    async def _told(self, what: Callable[[], dict[str, Any]]) -> Response:
        try:
            return JSONResponse(await in_thread(what), headers=_NOT_KEPT)
        except (LiveMidiError, NothingPlayed, EngineError) as error:
            return refusal(400, str(error))
        except (TypeError, ValueError, KeyError) as error:
            raise DeskError("This request cannot be read.") from error


def _recording_of(asked: dict[str, Any]) -> Recording:
    """A browser's recording. Raises DeskError."""
    try:
        recording = Recording(0.0, _tempo(asked), _whole(asked.get("beats_a_bar", 4), 1, 16), float(asked["seconds"]))
        rows = asked["keys"]
        if len(rows) > _MOST_KEYS:
            raise DeskError("That is too much for one melody. Play a shorter one.")
        if not all(math.isfinite(float(seconds)) for seconds, _, _ in rows) or not math.isfinite(recording.ends):
            raise ValueError
        for seconds, pitch, velocity in rows:
            recording.heard(float(seconds), _whole(pitch, 0, 127), _whole(velocity, 0, 127))
    except (KeyError, TypeError, ValueError) as error:
        raise DeskError("What was played cannot be read.") from error
    return recording


def _tempo(asked: dict[str, Any]) -> float:
    tempo = float(asked.get("tempo_bpm") or 120.0)
    if not SLOWEST_BPM <= tempo <= FASTEST_BPM:
        raise DeskError(f"The tempo must be between {SLOWEST_BPM:.0f} and {FASTEST_BPM:.0f} bpm.")
    return tempo


def _whole(value: Any, least: int, most: int) -> int:
    number = int(value)
    if not least <= number <= most:
        raise DeskError(f"A number from {least} to {most} is wanted here.")
    return number


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise DeskError("This request cannot be read.")
    return value
