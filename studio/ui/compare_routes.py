"""What the comparison asks the server: takes with the gains that make them equally loud, and where a choice goes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from studio.history.differences import differences
from studio.history.opinions import OpinionError
from studio.studio import Studio
from studio.takes import Take
from studio.ui.cards import badges_of
from studio.ui.guard import refusal
from studio.ui.route_tools import answered, in_thread
from studio.ui.visitors import Visitor

MOST = 8
_LONGEST_BODY = 20_000
_NOT_KEPT = {"Cache-Control": "no-store"}


class _Choice(BaseModel):
    model_config = ConfigDict(extra="forbid")

    takes: list[str] = Field(min_length=2, max_length=MOST)
    preferred: str | None = None
    reasons: list[str] = Field(default=[], max_length=20)
    words: str = Field(default="", max_length=2_000)
    blind: bool = False


class CompareRoutes:
    """The comparison's routes over one studio."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    def routes(self) -> list[Route]:
        return [
            Route("/studio/compare", self.compare, methods=["GET"]),
            Route("/studio/compare/choice", self.choose, methods=["POST"]),
        ]

    @answered
    async def compare(self, request: Request, visitor: Visitor) -> Response:
        """?takes=ID,ID…: each take's title, badges, what sets it apart, length, loudness gain in dB (0 or less), standing."""
        wanted = [name for name in request.query_params.get("takes", "").split(",") if name][:MOST]
        shown = await in_thread(self._compared, wanted, visitor)
        return JSONResponse({"takes": shown}, headers=_NOT_KEPT)

    @answered
    async def choose(self, request: Request, visitor: Visitor) -> Response:
        """Keep a choice among takes: {takes, preferred or null, reasons, words, blind}."""
        body = await request.body()
        try:
            if len(body) > _LONGEST_BODY:
                raise OpinionError("That is too long for an opinion.")
            choice = _Choice.model_validate_json(body)
            await in_thread(self._keep, choice, visitor)
        except (OpinionError, ValidationError) as wrong:
            said = str(wrong) if isinstance(wrong, OpinionError) else "A choice names two or more takes."
            return refusal(400, said)
        return JSONResponse({"kept": True}, headers=_NOT_KEPT)

    def _takes(self, names: Sequence[str], visitor: Visitor) -> list[Take]:
        return [self._studio.entry(name, owner=visitor.sees_only).take for name in names]

    def _compared(self, names: Sequence[str], visitor: Visitor) -> list[dict[str, Any]]:
        takes = self._takes(names, visitor)
        gains = self._studio.ledger.levels(takes)
        standings = self._studio.ledger.standings(owner=visitor.sees_only)
        return [
            {
                "take": take.id, "title": take.title, "seconds": take.seconds, "gain_db": round(gains[take.id], 3),
                "badges": badges_of(take), "differs": differs, "won": standings[take.id].won if take.id in standings else 0,
                "lost": standings[take.id].lost if take.id in standings else 0,
            }
            for take, differs in zip(takes, differences(takes), strict=True)
        ]  # fmt: skip

    def _keep(self, choice: _Choice, visitor: Visitor) -> None:
        self._takes(choice.takes, visitor)
        self._studio.ledger.opinions.choose(
            choice.takes, choice.preferred, reasons=choice.reasons, words=choice.words, blind=choice.blind,
            owner=visitor.owner,
        )  # fmt: skip
