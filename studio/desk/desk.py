"""The desk: where a take, or a sound brought along, is taken apart, mixed, shaped and carried off.

One object on the studio; opening it loads nothing heavy. What takes long is in desk_tasks.py and runs in `jobs`. Knows
nothing of pages; owners are names handed in ("" the studio's own user, None anyone's).
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from agents.types import SongPlan
from audio.beats import Beats, steady_beats
from audio.clip import Clip
from studio.desk.errors import DeskError, NothingThere
from studio.desk.items import DeskItems, Item, Parts, put_sound, recalled
from studio.desk.jobs import DeskJobs, WorkView
from studio.desk.mix import Mix, Strip, flat_mix, through_chain
from studio.desk.mix_book import MixBook, Page
from studio.desk.options import DESK_ENGINE
from studio.desk.plans import plan_of_sound, titled
from studio.engines.base import Rendering, Sampling
from studio.models.downloads import Downloads
from studio.models.stems import StemModels
from studio.separation import KeptStems, Separations
from studio.takes import EngineFacts, Take

if TYPE_CHECKING:
    from studio.studio import Studio

UPLOADS_PER_GUEST = 12
_MOST_WET = 48  # parts with effects laid on, kept an item


@dataclass(frozen=True, slots=True)
class Sheet:
    """An item as it lies there: its sets of parts, the one in use, its mix, and where its beats are (None: not known yet)."""

    item: Item
    sets: tuple[Parts, ...]
    parts: Parts
    page: Page
    beats: Beats | None


class Desk:
    """The desk of one studio."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        settings = studio.settings
        self.stem_models = StemModels(settings.models_dir)
        self.stem_downloads = Downloads(self.stem_models)
        self.separations = Separations(settings.data_dir / "separations", self.stem_models, device=settings.device)
        self.items = DeskItems(
            studio.settings.data_dir / "desk",
            store=studio.store,
            take=lambda take_id, owner: studio.entry(take_id, owner=owner).take,
            stems=self.separations.find,
            track=lambda track_id, owner: studio.library.tracks.get(track_id, owner=owner),
        )
        self.jobs = DeskJobs()
        self._writing = threading.RLock()
        self.items.sweep()
        self.separations.sweep()

    @property
    def studio(self) -> Studio:
        return self._studio

    @property
    def plugins_allowed(self) -> bool:
        """Plug-ins of this machine run for its own user only: never while others can reach the studio."""
        return not self._studio.settings.is_shared

    def close(self) -> None:
        """Stop what is being done."""
        self.stem_downloads.close()
        self.jobs.close()

    def delete_separator(self, model_id: str) -> None:
        """Remove a separator's files; one that is loaded gives its memory back first. Raises ModelError."""
        self.separations.unload()
        self.stem_models.delete(model_id)

    # ------------------------------------------------------------------------------------------------ looking

    def open(self, source: str, *, owner: str | None) -> Item:
        """An item this owner may see. Raises NothingThere, TakeMissing or NotYours."""
        return self.items.open(source, owner=owner)

    def bring(self, data: bytes | Path, *, filename: str, owner: str) -> Item:
        """Lay a sound file on the desk; a guest may have only so many there. Raises DeskError."""
        return self.items.bring(data, filename=filename, owner=owner, most=UPLOADS_PER_GUEST if owner else None)

    def sheet(self, item: Item) -> Sheet:
        """The item with its parts and mix. Parts that are gone give way to the best there are."""
        with self._writing:
            sets = self.items.sets_of(item)
            page = self._book(item, sets).page
            parts = next((each for each in sets if each.key == page.mix.parts), None)
            if parts is None or set(parts.names) != {strip.name for strip in page.mix.strips}:
                parts = parts or sets[0]
                page = self._book(item, sets).save(_refitted(page.mix, parts))
            return Sheet(item, sets, parts, page, self.beats(item))

    def beats(self, item: Item) -> Beats | None:
        """Where the beats are: exactly, of a planned sketch; as found earlier, of anything else; None before that."""
        if exact := self._planned_beats(item):
            return exact
        kept = recalled(item, "beats")
        if not kept:
            return None
        return Beats(
            tuple(kept["beats_seconds"]), tuple(kept["downbeats_seconds"]), kept["tempo_bpm"], kept["beats_a_bar"],
            kept["confidence"],
        )  # fmt: skip

    def _planned_beats(self, item: Item) -> Beats | None:
        """The grid of a take that was made on one: a sketch's, and what the desk has made of it."""
        if item.take is None or item.plan is None:
            return None
        grid = item.take.identity.get("grid") or {}
        if item.take.engine.name != "sketch" and not grid.get("exact"):
            return None
        meter = item.plan.meter.value
        a_bar = round(meter.quarters_per_bar / meter.quarters_per_felt_beat)
        return steady_beats(
            seconds=item.seconds, tempo_bpm=item.plan.tempo_bpm.value, beats_a_bar=max(2, a_bar),
            first_downbeat_seconds=float(grid.get("first_beat_seconds", 0.0)),
        )  # fmt: skip

    # ------------------------------------------------------------------------------------------------- mixing

    def save_mix(self, item: Item, document: Mapping[str, Any]) -> Page:
        """The mix as it is now, as a new step. Raises DeskError in the user's words."""
        try:
            mix = Mix.model_validate(document)
        except ValidationError as wrong:
            first = wrong.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise DeskError(f"This mix cannot be read: {where} – {first['msg'].lower()}.") from wrong
        if mix.has_plugins and not self.plugins_allowed:
            raise DeskError("Plug-ins of this machine run only while the studio is not shared.")
        with self._writing:
            sets = self.items.sets_of(item)
            parts = next((each for each in sets if each.key == mix.parts), None)
            if parts is None or set(parts.names) != {strip.name for strip in mix.strips}:
                raise DeskError("This mix is of other parts than the sound has now. Open it again.")
            return self._book(item, sets).save(mix)

    def use_parts(self, item: Item, key: str) -> Page:
        """Lay another set of parts on the strips, as a step that can be undone. Raises NothingThere."""
        with self._writing:
            parts = self.items.parts(item, key)
            book = self._book(item, self.items.sets_of(item))
            return book.save(_refitted(book.page.mix, parts))

    def lay_parts(self, item: Item, kept: KeptStems) -> Parts:
        """Lay a separation's stems on the strips, as a step that can be undone. Raises DeskError."""
        with self._writing:
            self._book(item, self.items.sets_of(item)).settle()
            parts = self.items.link_parts(item, kept)
            self.use_parts(item, parts.key)
        return parts

    def undo(self, item: Item) -> Page:
        """One step back."""
        with self._writing:
            return self._book(item, self.items.sets_of(item)).undo()

    def redo(self, item: Item) -> Page:
        """One step forward again."""
        with self._writing:
            return self._book(item, self.items.sets_of(item)).redo()

    def strip_path(self, item: Item, mix: Mix, name: str) -> Path:
        """The file of a strip's sound with its chain laid on, made when it is first asked for. Raises NothingThere, EffectsError."""
        strip = next((each for each in mix.strips if each.name == name), None)
        if strip is None:
            raise NothingThere(f"There is no strip called “{name}”.")
        dry = self.items.parts(item, mix.parts).path(name)
        if not any(effect.on for effect in strip.chain.effects):
            return dry
        tempo = self.tempo_of(item)
        known = f"{dry}:{dry.stat().st_mtime_ns}:{tempo}:{strip.chain.model_dump_json()}"
        place = item.folder / "wet" / hashlib.sha256(known.encode()).hexdigest()[:32]
        for made in (place.with_suffix(".flac"), place.with_suffix(".wav")):
            if made.is_file():
                made.touch()
                return made
        clip = self.items.parts(item, mix.parts).open(name)
        wet = through_chain(clip, strip.chain, tempo_bpm=tempo, plugins_allowed=self.plugins_allowed)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            made = put_sound(place, wet)
        except OSError as error:
            raise DeskError(f"The effect could not be kept: {error.strerror or error}. Free some space.") from error
        _make_room(place.parent)
        return made

    def strip_sound(self, item: Item, mix: Mix, strip: Strip) -> Clip:
        """A strip's sound with its chain laid on."""
        from audio.io import read_clip

        return read_clip(self.strip_path(item, mix, strip.name))

    def _book(self, item: Item, sets: tuple[Parts, ...]) -> MixBook:
        return MixBook(item.mix_path, start=flat_mix(sets[0].names, parts=sets[0].key))

    def tempo_of(self, item: Item) -> float | None:
        """Beats a minute: as planned, else as heard, else None."""
        if item.plan is not None:
            return item.plan.tempo_bpm.value
        beats = self.beats(item)
        return beats.tempo_bpm if beats else None

    # ------------------------------------------------------------------------------------------------- working

    def ask(self, kind: str, source: str, options: Mapping[str, Any], *, owner: str | None) -> WorkView:
        """Start long work on an item. Raises DeskError for work there is none of, or options that make no sense."""
        from studio.desk.tasks import task_for

        item = self.open(source, owner=owner)
        task, label, lane = task_for(self, item, kind, options)
        asker = item.owner if owner is None else owner
        most = self._studio.settings.jobs_per_guest if asker else None
        return self.jobs.submit(task, kind=kind, label=label, source=source, owner=asker, lane=lane, most=most)

    def keep_take(
        self,
        item: Item,
        clip: Clip,
        *,
        how: Mapping[str, Any],
        title: str = "",
        stems: Mapping[str, Clip] | None = None,
        plan: SongPlan | None = None,
        midi: bytes | None = None,
        grid: Mapping[str, Any] | None = None,
    ) -> Take:
        """Keep what was made of an item as a take, a version of the take it came from. how: what was done, for its provenance."""
        studio = self._studio
        plan = plan or item.plan or self.plan_for(item)
        origin = item.take.engine if item.take else None
        by = (
            f"{origin.label}, on the desk"
            if origin and origin.name != DESK_ENGINE
            else (origin.label if origin else "")
        )
        engine = EngineFacts(
            name=DESK_ENGINE, label=by or "Brought along, on the desk", tier=origin.tier if origin else "built-in",
            licence=item.licence,
        )  # fmt: skip
        identity: dict[str, Any] = {"desk": how.get("kind", ""), "made_of": item.source}
        if grid:
            identity["grid"] = dict(grid)
        take = studio.store.write(
            Rendering(clip=clip, complete=True, stems=stems or {}, midi=midi, identity=identity),
            plan=titled(plan, title or plan.title.value),
            sampling=item.take.sampling if item.take else Sampling(),
            engine=engine,
            owner=item.owner,
            parent=item.take.id if item.take else None,
            request={"desk": dict(how)},
        )
        studio.history.add(take)
        return take

    def plan_for(self, item: Item) -> SongPlan:
        """A plan for a sound that has none, from what was heard of it so far."""
        from agents.harmony import Key

        beats, key = self.beats(item), recalled(item, "key")
        return plan_of_sound(
            item.title, seconds=item.seconds, tempo_bpm=beats.tempo_bpm if beats else None,
            key=Key(tonic=key["tonic"], mode=key["mode"]) if key else None, beats_a_bar=beats.beats_a_bar if beats else 4,
        )  # fmt: skip


def _refitted(mix: Mix, parts: Parts) -> Mix:
    """The mix on another set of parts: strips of the same name stay as they were set."""
    known = {strip.name: strip for strip in mix.strips}
    strips = tuple(known.get(name, Strip(name=name)) for name in parts.names)
    return mix.model_copy(update={"parts": parts.key, "strips": strips})


def _make_room(folder: Path) -> None:
    files = sorted(
        (path for path in folder.iterdir() if path.suffix in (".flac", ".wav")), key=lambda p: p.stat().st_mtime
    )
    for path in files[: max(0, len(files) - _MOST_WET)]:
        path.unlink(missing_ok=True)
