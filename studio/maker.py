"""Makes one job's take: plan, render, keep; and turns whatever goes wrong into one sentence.

Knows nothing of queues or threads.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from agents.types import Brief, SongPlan
from studio.asking import asked_by
from studio.engines.base import Cancelled, Capabilities, Edit, EngineError, Listener, Rendering, Sampling
from studio.engines.edits import VERBS
from studio.history.history import History, HistoryError
from studio.job import GenerateRequest, Job, JobState
from studio.melodies import is_played
from studio.takes import Take, TakeStore, Timings

_log = logging.getLogger(__name__)
_OURS = ("agents", "audio", "rag", "studio")
RESCUED_SECONDS = 1.0


class Generate(Protocol):
    """The pipeline's generate."""

    def __call__(self, name: str, plan: SongPlan, sampling: Sampling, listener: Listener) -> Rendering: ...


class PlanRequest(Protocol):
    """What makes a request's plan."""

    def __call__(self, asked: GenerateRequest, listener: Listener) -> SongPlan: ...


class EditSound(Protocol):
    """The pipeline's edit."""

    def __call__(self, name: str, edit: Edit, plan: SongPlan, sampling: Sampling, listener: Listener) -> Rendering: ...


class PlanFromBrief(Protocol):
    """The structure agent."""

    def __call__(self, brief: Brief, *, seed: int) -> SongPlan: ...


class Maker:
    """What a job needs to become a take. log_path: where the user finds the details of a breakdown."""

    def __init__(
        self,
        *,
        generate: Generate,
        plan_from_brief: PlanFromBrief,
        capabilities: Callable[[str], Capabilities],
        store: TakeStore,
        history: History,
        log_path: Path | None = None,
        edit: EditSound | None = None,
        plan_request: PlanRequest | None = None,
    ) -> None:
        self._edit, self._plan_request = edit, plan_request
        self._generate, self._plan_from_brief, self._capabilities = generate, plan_from_brief, capabilities
        self._store, self._history, self._log_path = store, history, log_path

    def make(self, job: Job) -> tuple[JobState, str]:
        """Make the job's take and say how it ended: its last state, and a sentence when something is amiss.

        Sound the disk refused stays in `job.unkept`, and only writing it is tried when the job is made again.
        """
        try:
            if job.unkept is None:
                job.unkept = self._render(job, self._plan(job))
            return self._keep(job, job.unkept)
        except Cancelled:
            return "stopped", ""
        except Exception as error:  # noqa: BLE001 - whatever broke, the queue goes on and the user is told
            return "failed", self._sentence(job, error) + self._rescue(job)

    def _plan(self, job: Job) -> SongPlan:
        if job.plan is None or (self._plan_request is not None and is_played(job.request)):
            job.progress("planning", 0.0)
            with asked_by(job.owner, about=job.id, cancelled=job.cancelled):
                if self._plan_request is not None:
                    job.plan = self._plan_request(job.request, job)
                else:
                    job.plan = self._plan_from_brief(job.request.brief, seed=job.request.sampling.seed)
        job.stop_if_asked()
        return job.plan

    def _render(self, job: Job, plan: SongPlan) -> Rendering:
        able = self._capabilities(job.request.engine)
        seconds = plan.seconds.value
        if seconds > able.max_seconds:
            raise EngineError(
                f"{able.label} makes at most {able.max_seconds:.0f} s at a time and this song lasts {seconds:.0f} s. "
                "Make it shorter, or choose another engine."
            )
        self._store.check_room(
            seconds=seconds, sample_rate_hz=able.sample_rate_hz, channels=able.channels,
            parts=_takes_asked(job) + (len(plan.instruments.value) if able.makes_stems else 0),
        )  # fmt: skip
        job.enter("rendering")
        rendering = self._make(job, plan, able)
        if job.live is not None:
            job.live.close()
        if rendering.clip.frames == 0:
            raise Cancelled("Stopped before any sound was made.")
        return rendering

    def _make(self, job: Job, plan: SongPlan, able: Capabilities) -> Rendering:
        request = job.request
        if request.sampling.candidates > 1 and not able.makes_candidates:
            raise EngineError(f"{able.label} makes one take at a time: ask for one, or choose a MusicGen model.")
        if request.edit is None:
            return self._generate(request.engine, plan, request.sampling, job)
        if self._edit is None or request.edit.kind not in able.edits:
            raise EngineError(
                f"{able.label} cannot {VERBS[request.edit.kind]} a take: choose a MusicGen model for that."
            )
        return self._edit(request.engine, request.edit, plan, request.sampling, job)

    def _keep(self, job: Job, rendering: Rendering) -> tuple[JobState, str]:
        job.enter("writing")
        job.progress("keeping", 0.0)
        self._write(job, rendering)
        job.unkept = None
        state: JobState = "done" if rendering.complete else "stopped"
        try:
            self._list(job)
        except HistoryError as trouble:
            _log.warning("take %s is not listed: %s", job.take_id, trouble)
            return state, f"The take is kept in its folder, but it could not be listed. {trouble}"
        return state, rendering.trouble

    def _write(self, job: Job, rendering: Rendering) -> None:
        """Keep the further candidates, the last first, then the best: newest first is then best first."""
        others = rendering.others if job.request.keep_others else ()
        for other in reversed(others[: len(others) - len(job.other_ids)]):
            kept = self._store_take(job, other)
            job.other_ids = (kept.id, *job.other_ids)
            self._note(kept)
        job.take = self._store_take(job, rendering)
        job.take_id = job.take.id

    def _note(self, take: Take) -> None:
        try:
            self._history.add(take)
        except HistoryError as trouble:
            _log.warning("take %s is not listed: %s", take.id, trouble)

    def _store_take(self, job: Job, rendering: Rendering) -> Take:
        if job.plan is None:
            raise RuntimeError("a take without a plan cannot be kept")
        request = job.request
        return self._store.write(
            rendering, plan=job.plan, sampling=request.sampling, owner=job.owner, parent=request.parent, job=job.id,
            engine=job.engine, request=job.request_json(),
            timings=Timings(first_sound_seconds=job.first_sound_seconds, total_seconds=job.elapsed_seconds),
        )  # fmt: skip

    def _list(self, job: Job) -> None:
        if job.take is not None:
            self._history.add(job.take)

    def _rescue(self, job: Job) -> str:
        """After an engine broke: keep what was already heard, as an unfinished take."""
        live = job.live
        if live is None or live.seconds < RESCUED_SECONDS or job.unkept is not None or job.take_id is not None:
            return ""
        seconds = live.seconds
        try:
            self._write(job, Rendering(clip=live.clip(), complete=False, identity={"rescued_after_an_error": True}))
            self._list(job)
        except Exception:  # noqa: BLE001 - the first error is the one to show
            _log.exception("the part of job %s could not be kept", job.id)
            return ""
        return f" The {seconds:.0f} s already made are kept."

    def _sentence(self, job: Job, error: Exception) -> str:
        if type(error).__module__.split(".")[0] in _OURS:
            return str(error)
        _log.error("job %s failed", job.id, exc_info=error)
        if isinstance(error, MemoryError):
            return "There was not enough memory for this take. Make it shorter, or choose a smaller model."
        where = f" The details are in {self._log_path}." if self._log_path else ""
        return f"Something broke while making this take ({type(error).__name__}).{where}"


def _takes_asked(job: Job) -> int:
    """How many takes this job may have to keep."""
    edit = job.request.edit
    return max(job.request.sampling.candidates, getattr(edit, "candidates", 1), getattr(edit, "count", 1))
