"""What every route does alike: find out who asks, run in a thread, and answer refusals with a status and a sentence."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response

from audio.effects import EffectsError
from audio.work import SoundUnusable
from studio.clock import ClockError
from studio.desk.errors import DeskError, NothingThere
from studio.exports import ExportError
from studio.jobs import JobError, UnknownJob
from studio.models.hub import ModelError
from studio.presets import PresetError
from studio.refine import RefineError
from studio.studio import NotYours
from studio.takes import TakeError, TakeMissing
from studio.ui.guard import refusal
from studio.ui.visitors import LoginNeeded, Visitor, visitor_of

Room = TypeVar("Room")
Result = TypeVar("Result")
_REFUSALS = (DeskError, EffectsError, SoundUnusable, PresetError, ModelError, ClockError)


class NotFound(Exception):
    """There is nothing here for this visitor."""


def answered(
    handler: Callable[[Room, Request, Visitor], Awaitable[Response]],
) -> Callable[[Room, Request], Awaitable[Response]]:
    """Hand the visitor to a room's route, and turn what goes wrong into a status and a sentence.

    What is another's is answered like what does not exist.
    """

    @functools.wraps(handler)
    async def answer(self: Room, request: Request) -> Response:
        try:
            return await handler(self, request, visitor_of(request))
        except LoginNeeded as error:
            return refusal(401, str(error))
        except (NotFound, NotYours, TakeMissing, UnknownJob, NothingThere):
            return refusal(404, "There is nothing here.")
        except (*_REFUSALS, RefineError, JobError, ExportError) as error:
            return refusal(400, str(error))
        except TakeError as error:
            return refusal(500, str(error))

    return answer


async def in_thread(function: Callable[..., Result], *arguments: Any) -> Result:
    """Run what may wait for the disk without holding up the server."""
    return await anyio.to_thread.run_sync(functools.partial(function, *arguments))
