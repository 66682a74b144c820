"""A public function's refusal: one sentence, no trace."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import gradio as gr
from pydantic import ValidationError

from agents.harmony import UnknownName
from agents.types import BriefError, PlanError
from rag.database import LibraryError
from rag.embeddings import EmbeddingError
from rag.vectordb import VectorStoreError
from studio.clock import ClockError
from studio.desk.errors import DeskError
from studio.engines.base import EngineError
from studio.exports import ExportError
from studio.history.archive import ArchiveError
from studio.history.finding import QueryError
from studio.history.grid import GridError
from studio.history.history import HistoryError
from studio.history.opinions import OpinionError
from studio.jobs import JobError
from studio.live_midi.switches import LiveMidiError
from studio.refine import RefineError
from studio.studio import StudioError
from studio.takes import TakeError
from studio.ui.library_asked import BadQuestion
from studio.ui.visitors import LoginNeeded

_REFUSALS = (
    BriefError, PlanError, UnknownName, JobError, EngineError, ExportError, TakeError, HistoryError, StudioError, LoginNeeded, RefineError,
    QueryError, OpinionError, GridError, ArchiveError, DeskError, LibraryError, VectorStoreError, EmbeddingError, BadQuestion,
    LiveMidiError, ClockError,
)  # fmt: skip


class Refusal(gr.Error):
    """What a function that will not says."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, print_exception=False, title="MusicGen Studio")

    def __str__(self) -> str:
        return str(self.message)


def in_one_sentence(function: Callable[..., Any]) -> Callable[..., Any]:
    """Turn what the studio refuses into a Refusal; works on plain and on async functions."""

    def refusal_for(error: Exception) -> Refusal:
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            return Refusal(f"{where + ': ' if where else ''}{first['msg'].removeprefix('Value error, ')}.")
        return Refusal(str(error))

    @functools.wraps(function)
    async def answered(*given: Any, **named: Any) -> Any:
        try:
            return await function(*given, **named)
        except (*_REFUSALS, ValidationError) as error:
            raise refusal_for(error) from error

    @functools.wraps(function)
    def answer(*given: Any, **named: Any) -> Any:
        try:
            return function(*given, **named)
        except (*_REFUSALS, ValidationError) as error:
            raise refusal_for(error) from error

    return answered if inspect.iscoroutinefunction(function) else answer
