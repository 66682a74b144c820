"""Every kept take is listened to afterwards: its verdict and its description, in a file of the take's own folder.

One thread of low priority works when no take is waiting for its first sound, so that listening never delays playing.
Knows nothing of pages; models that word a review are the desk's to choose.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from agents.answers import Answer
from agents.metadata_agent import Metadata, describe_song
from agents.types import Verdict
from audio.io import AudioError, read_clip, written_whole
from studio.agent_desk import AgentDesk
from studio.asking import asked_by
from studio.engines.base import Cancelled
from studio.history.history import History, HistoryError
from studio.takes import Take, TakeError, TakeStore

_log = logging.getLogger(__name__)
FILE = "review.json"
_REMEMBERED = 400
_FRESH = 60  # reviews the page is told of without asking
_LOOK_SECONDS = 0.2


class Review(BaseModel):
    """What was heard of a take, and what it is called. worded_by, described_by: who answered, for the page."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    verdict: Verdict
    worded_by: str = "built-in rules"
    metadata: Metadata
    described_by: str = "built-in rules"
    seconds: float = 0.0


class Reviews:
    """The reviews of a store's takes. Thread-safe. busy: whether a take is waiting for its first sound."""

    def __init__(
        self, *, store: TakeStore, history: History, desk: AgentDesk, busy: Callable[[], bool] = lambda: False
    ) -> None:
        self._store, self._history, self._desk, self._busy = store, history, desk, busy
        self._known: OrderedDict[str, Review] = OrderedDict()
        self._fresh: deque[tuple[str, str, float]] = deque(maxlen=_FRESH)
        self._queue: deque[str] = deque()
        self._at: str = ""
        self._change = threading.Condition()
        self._closing = False
        self._worker: threading.Thread | None = None

    # ----------------------------------------------------------------------------------------------- asking

    def ask(self, take_id: str) -> None:
        """Have a take reviewed in its turn; one that is waiting or was reviewed is left at that."""
        with self._change:
            if self._closing or take_id in self._queue or take_id == self._at or self.of(take_id) is not None:
                return
            self._queue.append(take_id)
            if self._worker is None:
                self._worker = threading.Thread(target=self._work, name="reviews", daemon=True)
                self._worker.start()
            self._change.notify_all()

    def keep(self, take: Take, verdict: Verdict) -> Review:
        """Keep a verdict that was found elsewhere: a refinement listens to its own passes. Raises TakeError."""
        worded = "built-in rules" if verdict.worded_by == "rules" else verdict.worded_by
        review = Review(verdict=verdict, worded_by=worded, metadata=describe_song(take.plan).value)
        self._write(take, review)
        return review

    def of(self, take_id: str) -> Review | None:
        """A take's review, or None when there is none yet, or none that can be read."""
        if take_id in self._known:
            return self._known[take_id]
        with suppress(TakeError, OSError, ValidationError):
            review = Review.model_validate_json((self._store.folder(take_id) / FILE).read_bytes())
            self._remember(take_id, review)
            return review
        return None

    def scores(self, take_ids: Iterable[str]) -> dict[str, float | None]:
        """The scores of those takes that have one; None where it is being found."""
        with self._change:
            waiting = {*self._queue, self._at}
        found: dict[str, float | None] = {}
        for take_id in take_ids:
            if (review := self.of(take_id)) is not None:
                found[take_id] = review.verdict.score
            elif take_id in waiting:
                found[take_id] = None
        return found

    def fresh(self, owner: str | None) -> dict[str, float]:
        """The scores found since the studio opened, for this owner (None for anyone's)."""
        return {take_id: score for take_id, whose, score in list(self._fresh) if owner is None or whose == owner}

    def wait(self, take_id: str, *, timeout_seconds: float) -> Review | None:
        """The review of a take that was asked for, or None when the time is up."""
        with self._change:
            self._change.wait_for(lambda: take_id not in self._queue and take_id != self._at, timeout_seconds)
        return self.of(take_id)

    def close(self, *, timeout_seconds: float = 10.0) -> None:
        """Leave what is not reviewed yet; it can be asked for again."""
        with self._change:
            self._closing = True
            self._queue.clear()
            self._change.notify_all()
        if self._worker is not None:
            self._worker.join(timeout_seconds)

    # ---------------------------------------------------------------------------------------------- working

    def _work(self) -> None:
        with suppress(OSError, AttributeError):  # what plays goes before what listens
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
        while True:
            with self._change:
                self._change.wait_for(lambda: self._queue or self._closing)
                if self._closing:
                    return
                if self._busy():
                    self._change.wait(_LOOK_SECONDS)
                    continue
                self._at = self._queue.popleft()
            try:
                self._review(self._at)
            except (TakeError, AudioError, HistoryError, Cancelled, OSError) as trouble:
                _log.warning("take %s could not be reviewed: %s", self._at, trouble)
            except Exception:  # noqa: BLE001 - a thread has nobody above it; the take itself is safe
                _log.exception("reviewing take %s broke", self._at)
            finally:
                with self._change:
                    self._at = ""
                    self._change.notify_all()

    def _review(self, take_id: str) -> None:
        began = time.monotonic()
        take = self._store.read(take_id)
        clip = read_clip(self._store.audio_path(take_id))
        with asked_by(take.owner, about=take_id, cancelled=lambda: self._closing):
            verdict = self._desk.judge(take.plan, clip, engine_channels=take.channels)
            described = self._described(take)
        worded = "built-in rules" if verdict.worded_by == "rules" else verdict.worded_by
        review = Review(
            verdict=verdict, worded_by=worded, metadata=described.value, described_by=described.credit,
            seconds=time.monotonic() - began,
        )  # fmt: skip
        self._write(take, review)
        self._desk.notes.note(
            about=take_id, agent="quality", owner=take.owner, asked={"take": take_id},
            answered={"score": verdict.score, "named": verdict.named, "words": verdict.words},
            model="" if worded == "built-in rules" else worded, tier="built-in" if worded == "built-in rules" else "full",
            seconds=review.seconds,
        )  # fmt: skip

    def _described(self, take: Take) -> Answer[Metadata]:
        with asked_by(take.owner, about=take.id, cancelled=lambda: self._closing):
            return self._desk.describe(take.plan)

    def _write(self, take: Take, review: Review) -> None:
        """Into the take's folder; a title a model found goes onto the take, where the user gave it none."""
        path: Path = self._store.folder(take.id) / FILE
        with written_whole(path) as part:
            part.write_text(review.model_dump_json(indent=1), encoding="utf-8")
        self._remember(take.id, review)
        self._fresh.append((take.id, take.owner, round(review.verdict.score, 1)))
        title = review.metadata.title
        if title != take.title and take.plan.title.by != "asked" and review.described_by != "built-in rules":
            self._history.add(self._store.retitle(take.id, title))

    def _remember(self, take_id: str, review: Review) -> None:
        self._known[take_id] = review
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
