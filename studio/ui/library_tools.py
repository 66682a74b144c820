"""What the Library's routes do alike: answer the library's refusals with their sentence, and read what a page sends."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from audio.io import AudioError
from rag.database import LibraryError
from rag.embeddings import EmbeddingError
from rag.vectordb import VectorStoreError
from studio.models.hub import ModelError
from studio.ui.guard import refusal
from studio.ui.library_asked import BadQuestion
from studio.ui.route_tools import answered
from studio.ui.visitors import Visitor

NOT_KEPT = {"Cache-Control": "no-store"}
_TROUBLE = (LibraryError, VectorStoreError, EmbeddingError, ModelError, AudioError, BadQuestion)
Room = TypeVar("Room")


def in_sentences(
    handler: Callable[[Room, Request, Visitor], Awaitable[Response]],
) -> Callable[[Room, Request], Awaitable[Response]]:
    """Answer the library's refusals with a 400 and their sentence; the rest as every route does."""

    @functools.wraps(handler)
    async def answer(self: Room, request: Request, visitor: Visitor) -> Response:
        try:
            return await handler(self, request, visitor)
        except _TROUBLE as trouble:
            return refusal(400, str(trouble))

    return answered(answer)


async def sent(request: Request) -> dict[str, Any]:
    """The JSON object in a request's body. Raises BadQuestion for anything else."""
    try:
        body = await request.json()
    except ValueError as wrong:
        raise BadQuestion("The page sent what cannot be read: reload it.") from wrong
    if not isinstance(body, dict):
        raise BadQuestion("The page sent what cannot be read: reload it.")
    return body
