"""One job: what was asked, how far it is, and what one is shown of it.

Knows nothing of the queue it stands in or of where its take is kept.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from agents.types import Brief, SongPlan
from audio.clip import Clip
from studio.engines.base import Cancelled, Edit, Listener, Rendering, Sampling, Tier
from studio.live import LiveSound
from studio.takes import EngineFacts, Take

JobState = Literal["queued", "planning", "rendering", "writing", "done", "stopped", "failed", "interrupted"]
FINISHED: frozenset[str] = frozenset({"done", "stopped", "failed", "interrupted"})


class GenerateRequest(BaseModel):
    """What to make. With a plan, the plan is played as it is; without one it is made from the brief.

    parent: the take this one comes from, when it is made again or varied. edit: what to do to sound that exists; the
    plan is then the whole result's. keep_others: keep the further candidates as takes too. series: the grid run this
    take is a cell of.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    brief: Brief = Brief()
    plan: SongPlan | None = None
    engine: str = "sketch"
    sampling: Sampling = Sampling()
    parent: str | None = None
    edit: Edit | None = None
    keep_others: bool = True
    series: str = ""


class JobView(BaseModel):
    """A job at one moment, safe to keep and to send.

    position: 1 is next in the queue, 0 is not queued. fraction: sound made of the sound planned, 0 to 1.
    stage_fraction: 0 to 1 of the stage named. seconds_left: None until the pace is known. peaks: 0 to 100, one each
    0.1 s of the sound so far. first_sound_seconds: from leaving the queue to the first sound. version: grows with
    every change. take_ids: all takes the job made, the best first; take_id is the best. series: of the
    grid it is a cell of.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    owner: str
    series: str = ""
    title: str
    words: str
    engine: str
    engine_label: str
    tier: Tier
    licence: str
    state: JobState
    position: int = 0
    stage: str = ""
    stage_fraction: float = 0.0
    fraction: float = 0.0
    seconds_done: float = 0.0
    seconds_total: float = 0.0
    seconds_left: float | None = None
    elapsed_seconds: float = 0.0
    first_sound_seconds: float | None = None
    peaks: tuple[int, ...] = ()
    plan: SongPlan | None = None
    take_id: str | None = None
    take_ids: tuple[str, ...] = ()
    error: str = ""
    can_run_again: bool = False
    can_keep_again: bool = False
    has_live_sound: bool = False
    created_at: datetime
    version: int = 0

    @property
    def is_finished(self) -> bool:
        return self.state in FINISHED


class Job(Listener):
    """The job at work: the engine's listener and the queue's record. `changed` is called after every change."""

    def __init__(
        self,
        job_id: str,
        request: GenerateRequest,
        *,
        owner: str,
        engine: EngineFacts,
        changed: Callable[[Job], None],
        created_at: datetime | None = None,
    ) -> None:
        self.id, self.request, self.owner = job_id, request, owner
        self.engine = engine
        self.created_at = created_at or datetime.now(UTC)
        self.plan: SongPlan | None = request.plan
        self.state: JobState = "queued"
        self.noted_state = ""  # the state the history knows
        self.live: LiveSound | None = None
        self.unkept: Rendering | None = None  # made, but the disk refused it: kept here for another try
        self.take: Take | None = None
        self.take_id: str | None = None
        self.other_ids: tuple[str, ...] = ()  # further candidates, best first
        self.error = ""
        self.version = 0
        self.stage, self.stage_fraction = "", 0.0
        self.stop_asked = threading.Event()
        self.started_at: float | None = None
        self.finished_at: float | None = None
        self.first_sound_seconds: float | None = None
        self._changed = changed
        self._paces: tuple[tuple[float, float], tuple[float, float]] | None = None  # (moment, seconds): first, last
        self._last_sound: tuple[float, float, tuple[int, ...]] = (0.0, 0.0, ())  # done, total, peaks

    # ----------------------------------------------------------------------------------- what the engine tells

    def started(self, *, sample_rate_hz: int, channels: int, frames: int) -> None:
        self.live = LiveSound(sample_rate_hz=sample_rate_hz, channels=channels, frames=frames)
        self._changed(self)

    def heard(self, clip: Clip) -> None:
        if self.live is None:
            raise RuntimeError("an engine let sound be heard before it said how much there will be")
        self.live.feed(clip)
        now = time.monotonic()
        if self.first_sound_seconds is None and clip.frames:
            self.first_sound_seconds = now - (self.started_at or now)
        here = (now, self.live.seconds)
        self._paces = (self._paces[0] if self._paces else here, here)
        self._changed(self)

    def progress(self, stage: str, fraction: float) -> None:
        self.stage, self.stage_fraction = stage, min(1.0, max(0.0, fraction))
        self._changed(self)

    def cancelled(self) -> bool:
        return self.stop_asked.is_set()

    # ------------------------------------------------------------------------------------------ how it goes on

    def enter(self, state: JobState, *, error: str = "") -> None:
        """Go into another state."""
        if self.started_at is None and state not in ("queued", "interrupted"):
            self.started_at = time.monotonic()
        self.state, self.error = state, error
        self.finished_at = time.monotonic() if state in FINISHED else None
        if state in FINISHED and self.live is not None:
            self.live.close()
        self._changed(self)

    def stop_if_asked(self) -> None:
        """Raise Cancelled when the user wants no more."""
        if self.cancelled():
            raise Cancelled("Stopped before any sound was made.")

    # --------------------------------------------------------------------------------------------- what it says

    @property
    def title(self) -> str:
        if self.plan is not None:
            return self.plan.title.value
        words = " ".join(self.request.brief.words.split())
        return words if len(words) <= 60 else words[:59].rsplit(" ", 1)[0] + "…"

    @property
    def elapsed_seconds(self) -> float:
        if self.started_at is None:
            return 0.0
        return (self.finished_at or time.monotonic()) - self.started_at

    def let_live_sound_go(self) -> None:
        """Give the live sound's memory back; the waveform and the figures stay."""
        self._last_sound = self._sound()
        self.live = None

    def _sound(self) -> tuple[float, float, tuple[int, ...]]:
        live = self.live
        if live is None:
            return self._last_sound
        return live.seconds, live.frames / live.sample_rate_hz, live.peaks

    def _seconds_left(self, *, done: float, total: float) -> float | None:
        """From the pace between the first and the last sound heard; None until two were heard."""
        if self.state in FINISHED or self._paces is None:
            return None
        (first_moment, first_seconds), (last_moment, last_seconds) = self._paces
        if last_seconds <= first_seconds or last_moment - first_moment < 0.05:
            return None
        pace = (last_seconds - first_seconds) / (last_moment - first_moment)
        return max(0.0, (total - done) / pace - (time.monotonic() - last_moment))

    def view(self, *, position: int) -> JobView:
        """The job now."""
        done, total, peaks = self._sound()
        if total == 0.0 and self.plan is not None:
            total = self.plan.seconds.value
        fraction = 1.0 if self.state == "done" else (min(1.0, done / total) if total else 0.0)
        return JobView(
            id=self.id, owner=self.owner, series=self.request.series, title=self.title, words=self.request.brief.words, engine=self.request.engine,
            engine_label=self.engine.label, tier=self.engine.tier, licence=self.engine.licence, state=self.state, position=position,
            stage=self.stage, stage_fraction=self.stage_fraction, fraction=fraction, seconds_done=done,
            seconds_total=total, seconds_left=self._seconds_left(done=done, total=total),
            elapsed_seconds=self.elapsed_seconds, first_sound_seconds=self.first_sound_seconds, peaks=peaks,
            plan=self.plan, take_id=self.take_id, take_ids=(*filter(None, [self.take_id]), *self.other_ids), error=self.error,
            can_run_again=self.state in ("failed", "stopped", "interrupted") and self.unkept is None,
            can_keep_again=self.unkept is not None and self.state == "failed", has_live_sound=self.live is not None,
            created_at=self.created_at, version=self.version,
        )  # fmt: skip

    def request_json(self) -> dict[str, Any]:
        return self.request.model_dump(mode="json")
