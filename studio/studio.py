"""The whole studio in one object: engines, queue, takes, history, exports, wired together.

Opening it loads no engine, so that the page is up at once. Knows nothing of pages or of HTTP; owners are names
handed in ("" the studio's own user, None anyone's).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, cast

from agents.types import Brief, SongPlan
from studio.agent_desk import AgentDesk
from studio.asking import asked_by
from studio.daw.plug_ins import PlugIns
from studio.desk.desk import Desk
from studio.editing import editor_for, request_for_sound, request_for_take
from studio.engines.base import Capabilities, Edit, Engine, Listener, Rendering, Sampling
from studio.engines.steering import Steering
from studio.exports import ExportedFile, Exports
from studio.history.history import Entry, History, HistoryError, Page
from studio.history.ledger import Ledger
from studio.jobs import GenerateRequest, Jobs, JobView
from studio.library.inspirations import TRACK, Inspirations
from studio.library.library import Library
from studio.link import LinkSession
from studio.link_install import python_with_link
from studio.live_midi.live import LiveMidi
from studio.melodies import Melodies, is_played
from studio.models.catalogue import Catalogue
from studio.models.downloads import Downloads
from studio.models.installing import Installation
from studio.pipeline import Pipeline
from studio.refine import Players, Refinements
from studio.reviews import Reviews
from studio.settings import Settings
from studio.sources import open_source, take_id_of
from studio.takes import TakeError, TakeMissing, TakeStore
from studio.training.school import School

_GONE = "There is no such take, or it is not yours."


class StudioError(Exception):
    """The studio cannot open; the message is a sentence for the user."""


class StudioBusy(StudioError):
    """Another process has this data folder open."""


class NotYours(TakeError):
    """The take is somebody else's."""


class Engines(Protocol):
    """What the studio needs of a pipeline."""

    def engine(self, name: str) -> Engine: ...

    def generate(self, name: str, plan: SongPlan, sampling: Sampling, listener: Listener) -> Rendering: ...

    def unload(self) -> None: ...


def plan_from_brief(brief: Brief, *, seed: int) -> SongPlan:
    """The structure agent by rules, fetched when first needed."""
    from agents.planner import plan_from_brief as plan

    return plan(brief, seed=seed)


class Studio:
    """Open on a data folder until `close`. notices: sentences about what was found odd at opening.

    Raises StudioBusy when another studio has the folder, StudioError when it cannot be used. `engines` and `planner`
    replace the usual ones.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        engines: Engines | None = None,
        planner: Callable[..., SongPlan] | None = None,
    ) -> None:
        self.settings = settings
        self.notices: list[str] = []
        self._lock = _lock_folder(settings.data_dir)
        self.log_path = settings.data_dir / "studio.log"
        self._log_handler = _log_into(self.log_path)
        try:
            settings.presets_dir.mkdir(parents=True, exist_ok=True)
            self.store = TakeStore(settings.takes_dir, settings.bin_dir)
            self.store.sweep()
            self.history = History(settings.history_path)
            self._reconcile()
            self.ledger = Ledger(settings, self.history, self.store)
            self.notices += self.ledger.notices
            self.exports = Exports(self.store, settings.data_dir / "exports")
            self.catalogue = Catalogue(settings.models_dir)
            self.downloads = Downloads(self.catalogue)
            self.installation = Installation(settings.audiocraft_dir)
            self.link = LinkSession(settings.link_dir, python=lambda: python_with_link(settings.link_dir))
            self.link_installation = Installation(settings.link_dir, what="link")
            self.library = Library(settings, history=self.history, store=self.store)
            self.pipeline: Any = engines or Pipeline(settings, self.catalogue)
            self.desk = AgentDesk(settings, self.history, sound=lambda: self.library.sound)
            self.reviews = Reviews(
                store=self.store, history=self.history, desk=self.desk, busy=lambda: self.jobs.waits_for_sound
            )
            self.inspirations = Inspirations(
                self.library,
                history=self.history,
                store=self.store,
                planner=planner or self.desk.plan,
                style=self.desk.style,
            )
            self.planner = self.inspirations.plan
            self.melodies = Melodies(self.pipeline, self.planner)
            self.jobs = Jobs(
                generate=self.pipeline.generate, plan_from_brief=self.planner, capabilities=self.capabilities, store=self.store,
                history=self.history, log_path=self.log_path, edit=getattr(self.pipeline, "edit", None), kept=self.reviews.ask, plan_request=self.melodies.plan,
            )  # fmt: skip
            self.refinements = Refinements(
                pipeline=cast(Players, self.pipeline), planner=self.planner, store=self.store, history=self.history,
                judge=self.desk.judge, judged=self.reviews.keep,
            )  # fmt: skip
            self.mixing_desk = Desk(self)
            self.midi = LiveMidi(lambda: self.mixing_desk, clock=lambda: self.link.clock)
            self.plug_ins = PlugIns(self)
            self.library.begin()
            self.school = School(self)
            cast(Any, self.pipeline).room = self.school.check_room
        except (TakeError, HistoryError, OSError) as error:
            self._let_go()
            raise StudioError(f"The studio cannot open {settings.data_dir}. {error}") from error
        except BaseException:
            self._let_go()
            raise

    def close(self) -> None:
        """Stop the running take, keeping its part, and let the folder go."""
        self.downloads.close()
        self.installation.close()
        self.link_installation.close()
        self.link.close()
        self.desk.close()
        self.refinements.close()
        self.reviews.close()
        self.midi.close()
        self.plug_ins.close()
        self.mixing_desk.close()
        self.school.close()
        if self.jobs.close():
            self.pipeline.unload()
        self.library.close()
        self.history.close()
        self._let_go()

    def _let_go(self) -> None:
        logging.getLogger("studio").removeHandler(self._log_handler)
        self._log_handler.close()
        self._lock.release()

    def __enter__(self) -> Studio:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ---------------------------------------------------------------------------------------------- asking

    def capabilities(self, engine: str) -> Capabilities:
        """What an engine can do. Raises EngineError for one that is not here."""
        return self.pipeline.engine(engine).capabilities

    def plan(self, brief: Brief, *, seed: int = 0, owner: str = "", steering: Steering | None = None) -> SongPlan:
        """What would be played. steering: names a melody whose notes are played, for the plan to be made round.

        Raises the agents' errors, in the user's words, Cancelled when stopped, and EngineError for a melody that is none.
        """
        self._check_melody(steering, owner)
        with asked_by(owner):
            if steering is not None and steering.melody:
                return self.melodies.around(steering, brief, None, seed=seed)
            return self.planner(brief, seed=seed)

    def generate(self, request: GenerateRequest, *, owner: str = "") -> JobView:
        """Queue a take; a guest may have only so many under way.

        Raises as `Jobs.submit`, the agents' errors for a brief that says nothing (that is refused, not queued) or whose
        references are not there, and TakeMissing or NotYours for a melody out of a take that is not the owner's.
        """
        self._check_melody(request.sampling.steering, owner)
        if request.brief.references:
            request = self.inspirations.ready(request, self.capabilities(request.engine), owner=owner)
        if request.plan is None and not is_played(request):
            from agents.planner import read_brief

            read_brief(request.brief)
        return self.jobs.submit(request, owner=owner, max_active=self._allowance(owner))

    def check_room(self, count: int, *, owner: str = "") -> None:
        """Raise TooManyJobs when a guest may not have so many more under way."""
        self.jobs.check_room(count, owner=owner, max_active=self._allowance(owner))

    def _check_melody(self, steering: Steering | None, owner: str) -> None:
        """Raise TakeMissing or NotYours for a melody out of a take that is not the owner's."""
        if steering is not None and (steering.melody or "").startswith("take:"):
            self.entry((steering.melody or "").removeprefix("take:"), owner=owner)

    def edit(
        self,
        edit: Edit,
        *,
        words: str = "",
        engine: str | None = None,
        sampling: Sampling | None = None,
        changes: Mapping[str, Any] | None = None,
        owner: str | None = "",
    ) -> JobView:
        """Queue an edit of a take, of a kept sound or of a track of the library; the earlier version stays, as the new
        take's parent.

        words: what a sound that is no take is; a track has words of its own. engine: None for the take's own, else one that can. sampling: None for
        the take's own under a new seed; changes are laid over it. Raises as `Jobs.submit`, TakeMissing, NotYours, and
        EngineError for what lies outside the sound.
        """
        if edit.source.startswith(TRACK):
            words = words or self.inspirations.words_for(self.inspirations.reference(edit.source, owner=owner))
            clip = self.inspirations.sound(edit.source, owner=owner)
            edit = edit.model_copy(update={"source": self.pipeline.sounds.keep(clip)})
        take_id = take_id_of(edit.source)
        take = self.entry(take_id, owner=owner).take if take_id else None
        here = [option.name for option in self.pipeline.engines() if option.ready]
        wanted = [engine] if engine else [*([take.engine.name] if take else []), self.pipeline.default, *here]
        able = editor_for(edit, wanted, self.capabilities)
        if take is not None:
            request = request_for_take(edit, take, engine=able, sampling=sampling)
        else:
            clip = open_source(edit.source, store=self.store, sounds=self.pipeline.sounds).clip
            request = request_for_sound(edit, clip, words=words, engine=able, sampling=sampling, planner=self.planner)
        if changes:
            drawn = Sampling.model_validate({**request.sampling.model_dump(), **changes})
            request = request.model_copy(update={"sampling": drawn})
        asker = (take.owner if take else "") if owner is None else owner
        return self.jobs.submit(request, owner=asker, max_active=self._allowance(asker))

    def make_again(self, take_id: str, *, owner: str | None = "") -> JobView:
        """The same plan, sampling and engine once more: the same bytes on the same machine."""
        take = self.entry(take_id, owner=owner).take
        edit = GenerateRequest.model_validate(take.request).edit if take.request.get("edit") else None
        request = GenerateRequest(
            brief=take.plan.brief, plan=take.plan, engine=take.engine.name, sampling=take.sampling, parent=take.id,
            edit=edit,
        )  # fmt: skip
        asker = take.owner if owner is None else owner
        return self.jobs.submit(request, owner=asker, max_active=self._allowance(asker))

    def _allowance(self, owner: str) -> int | None:
        return self.settings.jobs_per_guest if owner else None

    # ----------------------------------------------------------------------------------------------- takes

    def takes(
        self, words: str = "", *, owner: str | None = "", binned: bool = False, limit: int = 20, offset: int = 0
    ) -> Page:
        """A page of takes, newest first, narrowed by words."""
        return self.history.search(words, owner=owner, state="binned" if binned else "kept", limit=limit, offset=offset)

    def entry(self, take_id: str, *, owner: str | None = "") -> Entry:
        """A take with its state. Raises TakeMissing, or NotYours."""
        entry = self.history.get(take_id)
        if entry is None:
            raise TakeMissing(_GONE)
        if owner is not None and entry.take.owner != owner:
            raise NotYours(_GONE)
        return entry

    def export(
        self,
        take_id: str,
        *,
        format: str,
        provenance: bool | None = None,
        owner: str | None = "",
        folder: Path | None = None,
        taken: bool = True,
    ) -> ExportedFile:
        """The take as a file; provenance None follows the settings. taken: it is carried off, not only made ready.

        Raises ExportError, TakeMissing, NotYours.
        """
        entry = self.entry(take_id, owner=owner)
        tagged = self.settings.embed_provenance if provenance is None else provenance
        made = self.exports.export(take_id, format=format, provenance=tagged, folder=folder)
        if taken:
            self.ledger.deeds.note(take_id, "export", format, owner=entry.take.owner)
        return made

    def delete_take(self, take_id: str, *, owner: str | None = "") -> None:
        """Into the bin. Raises TakeMissing, NotYours, TakeError."""
        self.entry(take_id, owner=owner)
        try:
            self.store.to_bin(take_id)
        except TakeMissing:
            if take_id not in self.store.binned_ids():
                self.history.set_state(take_id, "missing")
                raise
        self.history.set_state(take_id, "binned")
        self.exports.forget(take_id)

    def restore_take(self, take_id: str, *, owner: str | None = "") -> None:
        """Out of the bin. Raises TakeMissing, NotYours, TakeError."""
        self.entry(take_id, owner=owner)
        self.store.restore(take_id)
        self.history.set_state(take_id, "kept")

    def empty_bin(self, *, owner: str | None = "") -> int:
        """Delete this owner's binned takes for good; returns how many."""
        gone = 0
        while entries := self.history.search(owner=owner, state="binned", limit=100).entries:
            for entry in entries:
                if entry.take.id in self.store.binned_ids():
                    self.store.delete_binned(entry.take.id)
                self.history.forget([entry.take.id])
                gone += 1
        return gone

    # ---------------------------------------------------------------------------------------------- models

    def delete_model(self, model_id: str) -> None:
        """Remove a model's files; one that is loaded gives its memory back first. Raises ModelError."""
        self.pipeline.unload()
        self.catalogue.delete(model_id)

    def _reconcile(self) -> None:
        found = self.history.reconcile(self.store)
        if self.history.notice:
            self.notices.append(self.history.notice)
        if found.unreadable:
            self.notices.append(
                f"{len(found.unreadable)} take folders cannot be read and are not listed: "
                f"{', '.join(found.unreadable[:5])}. They are left as they are in {self.store.takes_dir}."
            )
        if found.missing:
            self.notices.append(f"The folders of {len(found.missing)} takes are gone from {self.store.takes_dir}.")


def _lock_folder(data_dir: Path) -> Any:
    """One studio a folder: two would sweep each other's work."""
    from filelock import FileLock, Timeout

    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = FileLock(data_dir / "studio.lock", timeout=0, thread_local=False)
        lock.acquire()
    except Timeout as error:
        raise StudioBusy(
            f"Another MusicGen Studio already uses {data_dir}. Close it first, or give this one another --data-dir."
        ) from error
    except OSError as error:
        raise StudioError(
            f"The data folder {data_dir} cannot be used: {error.strerror or error}. Choose another with --data-dir."
        ) from error
    return lock


def _log_into(path: Path) -> RotatingFileHandler:
    handler = RotatingFileHandler(path, maxBytes=2_000_000, backupCount=2, encoding="utf-8", delay=True)
    handler.setLevel(logging.INFO)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger("studio").addHandler(handler)
    return handler
