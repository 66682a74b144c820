"""Refinements at work: the orchestrator's loop over the studio's engines, takes and history.

Each refinement has a thread; the pipeline's lock sees that one take is made at a time. Every pass is kept as a take
whose parent is the take it was made from, and the loop's whole state is written after each, so that a reload or a
crash goes on from the last finished pass. Knows nothing of pages.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Collection
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from agents.orchestrator import ENDINGS, Budget, Pass, PassStopped, RefinementState, overrule, refine
from agents.types import Brief, SongPlan, Verdict
from audio.clip import Clip
from audio.io import read_clip
from studio.asking import asked_by
from studio.engines.base import Cancelled, Engine, Listener, Rendering, Sampling
from studio.history.agent_history import AgentHistory, RefinementRow
from studio.history.history import History
from studio.listening import judge_clip
from studio.melodies import Melodies
from studio.takes import EngineFacts, Take, TakeError, TakeStore

_log = logging.getLogger(__name__)


class RefineError(Exception):
    """A refinement cannot be begun, found or changed; the message is a sentence for the user."""


class Players(Protocol):
    """What a refinement needs of a pipeline."""

    def engine(self, name: str) -> Engine: ...

    def generate(self, name: str, plan: SongPlan, sampling: Sampling, listener: Listener) -> Rendering: ...

    def regenerate(
        self,
        name: str,
        plan: SongPlan,
        previous: Rendering,
        sections: Collection[int],
        sampling: Sampling,
        listener: Listener,
    ) -> Rendering: ...


class Judge(Protocol):
    """Listens to a clip that was made from a plan."""

    def __call__(self, plan: SongPlan, clip: Clip, *, engine_channels: int | None = None) -> Verdict: ...


class RefineRequest(BaseModel):
    """What to make and when to stop. With a plan, the plan is what every pass is held against."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    brief: Brief = Brief()
    plan: SongPlan | None = None
    engine: str = "sketch"
    sampling: Sampling = Sampling()
    budget: Budget = Budget()


class RefinementView(BaseModel):
    """A refinement at one moment. best: the number of the best pass. ended_words: how it stands, for people.

    stage, fraction: of the pass being made. can_resume: it was cut off or stopped and could go on. left: sections the
    user wants left as they are.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    owner: str
    title: str
    engine: str
    running: bool
    passes: tuple[Pass, ...]
    section_names: tuple[str, ...]
    best: int | None
    best_take: str | None
    ended: str
    ended_words: str
    error: str
    spent_seconds: float
    budget: Budget
    stage: str = ""
    fraction: float = 0.0
    can_resume: bool = False
    left: tuple[int, ...] = ()


class Refinements:
    """The studio's refinements. Thread-safe. owner None means anyone's."""

    def __init__(
        self,
        *,
        pipeline: Players,
        planner: Callable[..., SongPlan],
        store: TakeStore,
        history: History,
        judge: Judge = judge_clip,
        judged: Callable[[Take, Verdict], object] = lambda take, verdict: None,
    ) -> None:
        """judge: listens to each pass. judged: told of each pass's take and its verdict."""
        self._pipeline, self._store, self._history = pipeline, store, history
        self._plan = Melodies(pipeline, planner).plan
        self._agents = AgentHistory(history)
        self._judge, self._judged = judge, judged
        self.version = 0  # grows with every change, for those who watch
        self._lock = threading.RLock()
        self._working: dict[str, _Work] = {}

    # ----------------------------------------------------------------------------------------------- asking

    def start(self, request: RefineRequest, *, owner: str = "", max_active: int | None = None) -> RefinementView:
        """Plan and begin. Raises the agents' and the engines' errors in the user's words, RefineError past max_active."""
        self._pipeline.engine(request.engine)
        with self._lock:
            active = sum(work.owner == owner for work in self._working.values())
        if max_active is not None and active >= max_active:
            raise RefineError(f"{active} refinements are already at work for you: wait for one to end, or stop one.")
        began = time.monotonic()
        refinement_id = secrets.token_hex(8)
        with asked_by(owner, about=refinement_id):
            plan = self._plan(request)
        if request.plan is None and not plan.planned_by:  # else the desk has noted it
            self._agents.note(
                about=refinement_id, agent="structure", owner=owner, asked=request.brief.model_dump(mode="json"),
                answered=plan.model_dump(mode="json"), seconds=time.monotonic() - began,
            )  # fmt: skip
        state = RefinementState(plan=plan, seed=request.sampling.seed, budget=request.budget)
        work = _Work(refinement_id, request.model_copy(update={"plan": plan}), owner, state)
        self._keep(work, state)
        return self._go(work)

    def resume(self, refinement_id: str, *, owner: str | None = None) -> RefinementView:
        """Go on from the last finished pass. Raises RefineError."""
        with self._lock:
            if self._at_work(refinement_id):
                raise RefineError("This refinement is at work already.")
            return self._go(self._load(refinement_id, owner))

    def stop(self, refinement_id: str, *, owner: str | None = None) -> RefinementView:
        """Stop; the passes made are kept."""
        work = self._load(refinement_id, owner)
        work.stop_asked.set()
        return self._view(work)

    def overrule(
        self,
        refinement_id: str,
        *,
        best: int | None = None,
        leave: Collection[int] = (),
        redo: Collection[int] = (),
        owner: str | None = None,
    ) -> RefinementView:
        """The user's word against the judge's (see agents.orchestrator.overrule); a wish to redo sets it to work again.

        Raises RefineError while a pass is being made (stop it first), or for what does not exist.
        """
        with self._lock:
            if self._at_work(refinement_id):
                raise RefineError("A pass is being made: stop it first, then choose.")
            work = self._load(refinement_id, owner)
            try:
                self._keep(work, overrule(work.state, best=best, leave=leave, redo=redo))
            except IndexError as wrong:
                raise RefineError(str(wrong)) from wrong
            return self._go(work) if redo else self._view(work)

    # --------------------------------------------------------------------------------------------- watching

    def view(self, refinement_id: str, *, owner: str | None = None) -> RefinementView:
        """A refinement now. Raises RefineError."""
        return self._view(self._load(refinement_id, owner))

    def list(self, *, owner: str | None = None, limit: int = 20) -> list[RefinementView]:
        """Refinements, newest first."""
        return [self._view(self._of(row)) for row in self._agents.refinements(owner=owner, limit=limit)]

    def at_work(self, *, owner: str | None = None) -> tuple[dict[str, object], ...]:
        """Those at work: id, and how far the pass being made is. Cheap, to be asked often."""
        with self._lock:
            works = [work for work in self._working.values() if owner is None or work.owner == owner]
        return tuple({"id": work.id, "stage": work.stage, "fraction": round(work.fraction, 2)} for work in works)

    def wait(self, refinement_id: str, *, timeout_seconds: float | None = None) -> RefinementView:
        """The refinement once it rests, or as it is when the time is up."""
        work = self._load(refinement_id, None)
        if work.thread is not None:
            work.thread.join(timeout_seconds)
        return self._view(self._load(refinement_id, None))

    def close(self, *, timeout_seconds: float = 30.0) -> None:
        """Stop all; each goes on from its last finished pass when it is resumed."""
        with self._lock:
            works = list(self._working.values())
        for work in works:
            work.stop_asked.set()
        for work in works:
            if work.thread is not None:
                work.thread.join(timeout_seconds)

    # ---------------------------------------------------------------------------------------------- working

    def _go(self, work: _Work) -> RefinementView:
        with self._lock:
            work.stop_asked.clear()
            work.state = work.state.model_copy(update={"ended": "", "error": ""})
            self._working[work.id] = work
            work.thread = threading.Thread(target=self._run, args=(work,), name=f"refine-{work.id}", daemon=True)
            work.thread.start()
            return self._view(work)

    def _run(self, work: _Work) -> None:
        with asked_by(work.owner, about=work.id, cancelled=work.stop_asked.is_set):
            self._pass_after_pass(work)

    def _pass_after_pass(self, work: _Work) -> None:
        able = self._pipeline.engine(work.request.engine).capabilities
        try:
            refine(
                work.state,
                make=lambda plan, *, seed: self._make(work, plan, seed),
                remake=self._remaker(work) if able.edits_sections else None,
                listen=lambda ref, plan: self._listen(work, ref, plan, able.channels),
                keep=lambda state: self._keep(work, state),
                stopped=work.stop_asked.is_set,
            )
        except Exception as error:  # noqa: BLE001 - the loop has kept its state; the user reads the sentence there
            _log.error("refinement %s broke", work.id, exc_info=error)
        finally:
            work.stage, work.fraction = "", 0.0
            with self._lock:
                self._working.pop(work.id, None)
            self._changed(work.id)

    def _make(self, work: _Work, plan: SongPlan, seed: int) -> str:
        sampling = work.request.sampling.model_copy(update={"seed": seed})
        return self._kept_take(
            work, plan, sampling, lambda ears: self._pipeline.generate(work.request.engine, plan, sampling, ears), None
        )

    def _remaker(self, work: _Work) -> Callable[..., str]:
        def remake(plan: SongPlan, *, ref: str, sections: tuple[int, ...], seed: int) -> str:
            sampling = work.request.sampling.model_copy(update={"seed": seed})
            previous = rendering_of(self._store, ref)
            return self._kept_take(
                work, plan, sampling,
                lambda ears: self._pipeline.regenerate(
                    work.request.engine, plan, previous, sections, sampling, ears
                ),
                ref,
            )  # fmt: skip

        return remake

    def _kept_take(
        self,
        work: _Work,
        plan: SongPlan,
        sampling: Sampling,
        play: Callable[[Listener], Rendering],
        parent: str | None,
    ) -> str:
        began = time.monotonic()
        try:
            rendering = play(_Ears(work, self._changed))
        except Cancelled as stopped:
            raise PassStopped from stopped
        if not rendering.complete:
            raise PassStopped
        able = self._pipeline.engine(work.request.engine).capabilities
        take = self._store.write(
            rendering, plan=plan, sampling=sampling, engine=EngineFacts.of(able), owner=work.owner, parent=parent,
            request={"refinement": work.id, "pass": len(work.state.passes)},
        )  # fmt: skip
        self._history.add(take)
        self._agents.note(
            about=work.id, agent="orchestrator", owner=work.owner, seconds=time.monotonic() - began,
            asked={"pass": len(work.state.passes), "parent": parent, "seed": sampling.seed}, answered={"take": take.id},
        )  # fmt: skip
        return take.id

    def _listen(self, work: _Work, ref: str, plan: SongPlan, channels: int) -> Verdict:
        began = time.monotonic()
        work.stage, work.fraction = "listening", 0.0
        verdict = self._judge(plan, read_clip(self._store.audio_path(ref)), engine_channels=channels)
        try:
            self._judged(self._store.read(ref), verdict)
        except TakeError as trouble:
            _log.warning("the verdict on take %s could not be kept with it: %s", ref, trouble)
        worded = verdict.worded_by != "rules"
        self._agents.note(
            about=work.id, agent="quality", owner=work.owner, asked={"take": ref},
            answered=verdict.model_dump(mode="json"), model=verdict.worded_by if worded else "",
            tier="full" if worded else "built-in", seconds=time.monotonic() - began,
        )  # fmt: skip
        return verdict

    # ------------------------------------------------------------------------------------------ book-keeping

    def _changed(self, refinement_id: str) -> None:
        self.version += 1

    def _keep(self, work: _Work, state: RefinementState) -> None:
        work.state = state
        request = work.request.model_dump(mode="json", exclude={"plan"})
        self._agents.keep_refinement(
            work.id, owner=work.owner, title=state.plan.title.value, request=request,
            state=state.model_dump(mode="json"), ended=state.ended,
        )  # fmt: skip
        self._changed(work.id)

    def _at_work(self, refinement_id: str) -> bool:
        work = self._working.get(refinement_id)
        return work is not None and work.thread is not None and work.thread.is_alive()

    def _load(self, refinement_id: str, owner: str | None) -> _Work:
        with self._lock:
            work = self._working.get(refinement_id)
        if work is None:
            row = self._agents.refinement(refinement_id)
            work = self._of(row) if row is not None else None
        if work is None or (owner is not None and work.owner != owner):
            raise RefineError("There is no such refinement, or it is not yours.")
        return work

    def _of(self, row: RefinementRow) -> _Work:
        with self._lock:
            if row.id in self._working:
                return self._working[row.id]
        return _Work(
            row.id, RefineRequest.model_validate(row.request), row.owner, RefinementState.model_validate(row.state)
        )

    def _view(self, work: _Work) -> RefinementView:
        state, running = work.state, self._at_work(work.id)
        best = state.best
        ended = "" if running else state.ended
        words = ENDINGS[ended] if running or ended else "It was cut off; it can go on from the last finished pass."
        return RefinementView(
            id=work.id, owner=work.owner, title=state.plan.title.value, engine=work.request.engine, running=running,
            passes=state.passes, section_names=tuple(s.name.value for s in state.plan.sections),
            best=best.number if best else None, best_take=best.ref if best else None, ended=ended, ended_words=words,
            error=state.error, spent_seconds=state.spent_seconds, budget=state.budget, stage=work.stage,
            fraction=work.fraction, can_resume=not running and ended in ("", "stopped", "failed"),
            left=state.left,
        )  # fmt: skip


class _Work:
    """One refinement in memory."""

    def __init__(self, refinement_id: str, request: RefineRequest, owner: str, state: RefinementState) -> None:
        self.id, self.request, self.owner, self.state = refinement_id, request, owner, state
        self.stop_asked = threading.Event()
        self.thread: threading.Thread | None = None
        self.stage, self.fraction = "", 0.0


class _Ears(Listener):
    """Hears a pass being made: its progress, and whether it should stop (the first pass is always let finish in time)."""

    def __init__(self, work: _Work, changed: Callable[[str], None]) -> None:
        self._work, self._changed = work, changed
        left = work.state.budget.seconds - work.state.spent_seconds
        self._until = time.monotonic() + left if work.state.passes else float("inf")

    def progress(self, stage: str, fraction: float) -> None:
        self._work.stage, self._work.fraction = stage, fraction
        self._changed(self._work.id)

    def cancelled(self) -> bool:
        return self._work.stop_asked.is_set() or time.monotonic() > self._until


def rendering_of(store: TakeStore, take_id: str) -> Rendering:
    """A kept take as its engine made it, but for tokens. Raises TakeError or AudioError."""
    take: Take = store.read(take_id)
    return Rendering(
        clip=read_clip(store.audio_path(take_id)), complete=take.complete,
        stems={stem.name: read_clip(store.stem_path(take_id, stem.name)) for stem in take.stems},
        midi=store.midi_path(take_id).read_bytes() if take.has_midi else None, identity=take.identity,
    )  # fmt: skip
