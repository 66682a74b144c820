"""The queue: one take at a time, several waiting in sight, each outliving the page that asked for it.

One worker thread takes jobs first come, first served: plan, render, keep. Knows nothing of pages, of HTTP, or of
which engines there are.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from studio.engines.base import Capabilities
from studio.history.history import History, HistoryError
from studio.job import FINISHED, GenerateRequest, Job, JobState, JobView
from studio.live import LiveSound
from studio.maker import EditSound, Generate, Maker, PlanFromBrief, PlanRequest
from studio.takes import EngineFacts, TakeStore

__all__ = ["Changes", "GenerateRequest", "Job", "JobError", "JobState", "JobView", "Jobs", "TooManyJobs", "UnknownJob"]

_log = logging.getLogger(__name__)
LISTED_SECONDS = 3_600.0
LIVE_SECONDS = 300.0
LIVE_BYTES = 256_000_000
UNKEPT_JOBS = 2


class JobError(Exception):
    """A job could not be taken or found; the message is a sentence for the user."""


class TooManyJobs(JobError):
    """This owner has as many takes under way as are allowed."""


class UnknownJob(JobError):
    """There is no such job, or it is somebody else's."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Jobs changed since a version, and the identifiers of all that are listed now (others are gone)."""

    version: int
    jobs: tuple[JobView, ...]
    listed: tuple[str, ...]


class Jobs:
    """The studio's queue. Thread-safe. owner None means anyone's; "" is the studio's own user."""

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
        kept: Callable[[str], None] = lambda take_id: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._maker = Maker(
            generate=generate, plan_from_brief=plan_from_brief, capabilities=capabilities, store=store, history=history,
            log_path=log_path, edit=edit, plan_request=plan_request,
        )  # fmt: skip
        self._capabilities, self._history, self._clock, self._kept = capabilities, history, clock, kept
        self._jobs: dict[str, Job] = {}
        self._queue: deque[Job] = deque()
        self._change = threading.Condition(threading.RLock())
        self._version = self._first_version = int(time.time() * 1_000)  # later than any before a restart
        self._removed_at = self._version
        self._closing = False
        self._bring_back_interrupted()
        self._worker = threading.Thread(target=self._work, name="takes", daemon=True)
        self._worker.start()

    # ----------------------------------------------------------------------------------------------- asking

    def submit(self, request: GenerateRequest, *, owner: str = "", max_active: int | None = None) -> JobView:
        """Queue a take. Raises EngineError for an engine that is not there, TooManyJobs past max_active."""
        job = self._new_job(request.model_copy(deep=True), owner=owner)
        with self._change:
            self._tidy()
            if self._closing:
                raise JobError("The studio is closing; start it again to make more.")
            self.check_room(1, owner=owner, max_active=max_active)
            self._jobs[job.id] = job
            self._queue.append(job)
            job.enter("queued")
            return self._view(job)

    def check_room(self, count: int, *, owner: str, max_active: int | None) -> None:
        """Raise TooManyJobs when `count` more would be past max_active."""
        with self._change:
            active = sum(each.state not in FINISHED for each in self._of(owner))
        if max_active is not None and active >= max_active:
            raise TooManyJobs(
                f"{active} takes are already under way for you, which is all there may be at once. "
                "Wait for one to finish, or stop one."
            )
        if max_active is not None and active + count > max_active:
            raise TooManyJobs(
                f"These are {count} takes, and you may have {max_active} under way at once: ask for fewer."
            )

    def cancel(self, job_id: str, *, owner: str | None = None) -> JobView:
        """Stop a job: a waiting one leaves the queue, a running one keeps the part already made. UnknownJob."""
        with self._change:
            job = self._find(job_id, owner)
            job.stop_asked.set()
            if job in self._queue:
                self._queue.remove(job)
                job.enter("failed" if job.unkept else "stopped", error=job.error)
                self._queue_moved()
            else:
                self._changed(job)
            return self._view(job)

    def run_again(self, job_id: str, *, owner: str | None = None, max_active: int | None = None) -> JobView:
        """Queue a stopped, failed or interrupted job anew; the old entry goes. Raises as `submit`, UnknownJob."""
        with self._change:
            job = self._find(job_id, owner)
            if job.state not in FINISHED:
                raise JobError("This take is still being made.")
            again = self.submit(job.request, owner=job.owner, max_active=max_active)
            self.dismiss(job_id)
            return again

    def keep_again(self, job_id: str, *, owner: str | None = None) -> JobView:
        """Try once more to write a take the disk refused; its sound is still here. UnknownJob, JobError."""
        with self._change:
            job = self._find(job_id, owner)
            if job.unkept is None or job.state != "failed":
                raise JobError("The sound of this take is no longer in memory. Make it again.")
            job.stop_asked.clear()
            self._queue.appendleft(job)
            job.enter("queued")
            self._queue_moved()
            return self._view(job)

    def dismiss(self, job_id: str, *, owner: str | None = None) -> None:
        """Take a finished job off the list. UnknownJob; JobError while it is under way."""
        with self._change:
            job = self._find(job_id, owner)
            if job.state not in FINISHED:
                raise JobError("Stop this take first.")
            del self._jobs[job.id]
            self._version += 1
            self._removed_at = self._version
            self._change.notify_all()
            try:
                self._history.forget_job(job.id)
            except HistoryError as trouble:
                _log.warning("job %s could not be forgotten: %s", job.id, trouble)

    # ---------------------------------------------------------------------------------------------- watching

    def get(self, job_id: str, *, owner: str | None = None) -> JobView:
        """The job now. UnknownJob."""
        with self._change:
            return self._view(self._find(job_id, owner))

    @property
    def waits_for_sound(self) -> bool:
        """Whether a take is on its way whose first sound is still to come."""
        with self._change:
            return any(job.state not in FINISHED and job.first_sound_seconds is None for job in self._jobs.values())

    def list(self, owner: str | None = None) -> list[JobView]:
        """Every listed job, oldest first."""
        with self._change:
            self._tidy()
            return [self._view(job) for job in self._of(owner)]

    def live(self, job_id: str, *, owner: str | None = None, timeout_seconds: float = 0.0) -> LiveSound | None:
        """The job's growing sound, waited for; None when there is none yet, or none any more. UnknownJob."""
        with self._change:
            job = self._find(job_id, owner)
            self._change.wait_for(lambda: job.live is not None or job.state in FINISHED, timeout_seconds)
            return job.live

    def wait(self, job_id: str, *, timeout_seconds: float | None = None, owner: str | None = None) -> JobView:
        """The job once it is finished, or as it is when the time is up. UnknownJob."""
        with self._change:
            job = self._find(job_id, owner)
            self._change.wait_for(lambda: job.state in FINISHED, timeout_seconds)
            return self._view(job)

    def changed_since(self, version: int, *, owner: str | None = None, timeout_seconds: float = 10.0) -> Changes:
        """Wait for news. Version 0 (or one from before a restart) answers at once with everything."""

        def news() -> bool:
            newest = max((job.version for job in self._of(owner)), default=0)
            return version < self._first_version or max(newest, self._removed_at) > version or self._closing

        with self._change:
            self._tidy()
            self._change.wait_for(news, timeout_seconds)
            jobs = self._of(owner)
            changed = tuple(self._view(job) for job in jobs if job.version > version)
            return Changes(self._version, changed, tuple(job.id for job in jobs))

    def close(self, *, timeout_seconds: float = 30.0) -> bool:
        """Stop: the running take keeps its part, waiting ones are offered again at the next start.

        False when the engine would not stop in time.
        """
        with self._change:
            self._closing = True
            for job in self._jobs.values():
                if job.state not in FINISHED and job not in self._queue:
                    job.stop_asked.set()
            self._change.notify_all()
        self._worker.join(timeout_seconds)
        return not self._worker.is_alive()

    # ---------------------------------------------------------------------------------------------- working

    def _work(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._queue or self._closing)
                if self._closing:
                    return
                job = self._queue.popleft()
                job.enter("writing" if job.unkept else "planning")
                self._queue_moved()
            state, error = self._maker.make(job)
            with self._change:
                if state == "stopped" and self._closing:
                    state = "interrupted"  # the studio stopped it, not the user
                job.enter(state, error=error)
                self._tidy()
            for take_id in filter(None, (job.take_id, *job.other_ids)):
                self._kept(take_id)

    # --------------------------------------------------------------------------------------------- book-keeping

    def _new_job(self, request: GenerateRequest, *, owner: str) -> Job:
        facts = EngineFacts.of(self._capabilities(request.engine))
        return Job(secrets.token_hex(8), request, owner=owner, engine=facts, changed=self._changed)

    def _bring_back_interrupted(self) -> None:
        """Show what a crash cut off, to be run again with one click."""
        for row in reversed(self._history.jobs(state="interrupted")):
            try:
                request = GenerateRequest.model_validate(row.request)
                engine = EngineFacts.model_validate(row.engine)
            except ValidationError:
                _log.warning("the interrupted job %s can no longer be read", row.id)
                continue
            job = Job(row.id, request, owner=row.owner, engine=engine, changed=self._changed, created_at=row.created_at)
            job.take_id, job.noted_state = row.take_id, "interrupted"
            self._jobs[job.id] = job
            job.enter("interrupted")

    def _changed(self, job: Job) -> None:
        with self._change:
            self._version += 1
            job.version = self._version
            if job.state != job.noted_state:
                job.noted_state = job.state
                try:
                    self._history.note_job(
                        job.id, state=job.state, owner=job.owner, title=job.title, request=job.request_json(),
                        engine=job.engine.model_dump(), take_id=job.take_id, error=job.error,
                    )  # fmt: skip
                except HistoryError as trouble:  # a job is worth more than its note
                    _log.warning("job %s could not be noted: %s", job.id, trouble)
            self._change.notify_all()

    def _queue_moved(self) -> None:
        """Those who wait have new places."""
        for job in self._queue:
            self._changed(job)

    def _tidy(self) -> None:
        """Give back the memory of jobs long finished, oldest first."""
        now = self._clock()
        finished = sorted(
            (job for job in self._jobs.values() if job.finished_at is not None), key=lambda job: job.finished_at or 0.0
        )
        for job in finished:
            if now - (job.finished_at or now) > LIVE_SECONDS:
                job.let_live_sound_go()
            if now - (job.finished_at or now) > LISTED_SECONDS and job.state != "interrupted":
                self._jobs.pop(job.id, None)
        held = sum(job.live.available_bytes for job in finished if job.live is not None)
        for job in finished:
            if held > LIVE_BYTES and job.live is not None:
                held -= job.live.available_bytes
                job.let_live_sound_go()
        for job in [job for job in finished if job.unkept is not None][:-UNKEPT_JOBS]:
            job.unkept = None

    def _find(self, job_id: str, owner: str | None) -> Job:
        job = self._jobs.get(job_id)
        if job is None or (owner is not None and job.owner != owner):
            raise UnknownJob("There is no such job; it may be over for more than an hour.")
        return job

    def _of(self, owner: str | None) -> tuple[Job, ...]:
        return tuple(job for job in self._jobs.values() if owner is None or job.owner == owner)

    def _view(self, job: Job) -> JobView:
        return job.view(position=self._queue.index(job) + 1 if job in self._queue else 0)
