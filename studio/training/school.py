"""Training in one object for the studio: data sets and how they are built, runs, and the shelf of adapters.

Building happens on one thread and outlives the page that asked. Loads nothing until used. Knows nothing of pages.
"""

from __future__ import annotations

import re
import threading
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from audio.clip import Clip
from audio.folders import remove_whole, sweep
from studio.asking import asked_by
from studio.engines.base import EngineError
from studio.engines.musicgen.adapters import CARD, CONFIG, WEIGHTS, Adapter, Shelf
from studio.training.dataset import Recipe, Source, build_data_set, sources_in
from studio.training.errors import DataSetError, TrainingError, why
from studio.training.manifest import FACTS, DataSet, read_data_set, write_manifest
from studio.training.runs import Runs

if TYPE_CHECKING:
    from studio.studio import Studio

MOST_ZIP_BYTES = 4_000_000_000
_NAME = re.compile(r"[\w][\w .\-]{0,79}")


@dataclass(frozen=True, slots=True)
class Building:
    """How far the data set being built is. name: of the one that came of it, once it is done."""

    state: Literal["idle", "running", "done", "failed"] = "idle"
    stage: str = ""
    fraction: float = 0.0
    name: str = ""
    error: str = ""


class School:
    """Everything about training, over one studio. Thread-safe."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self.folder = studio.settings.data_dir / "training"
        self.shelf = Shelf(studio.settings.adapters_dir)
        sweep(self.sets_folder)
        self.shelf.sweep()
        self.runs = Runs(self.folder / "runs", shelf=self.shelf)
        self._building = Building()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def close(self) -> None:
        """Break off what is being built; runs go on."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(10.0)
        self.runs.close()

    # -------------------------------------------------------------------------------------------- data sets

    @property
    def sets_folder(self) -> Path:
        return self.folder / "sets"

    def data_sets(self) -> list[str]:
        """Names of the data sets, the newest first."""
        found = [path.parent for path in self.sets_folder.glob(f"[!.]*/{FACTS}")]
        return [folder.name for folder in sorted(found, key=lambda one: one.stat().st_mtime, reverse=True)]

    def data_set(self, name: str) -> DataSet:
        """One by its name; raises DataSetError."""
        if not _NAME.fullmatch(name or ""):
            raise DataSetError("Choose a data set first, or build one.")
        return read_data_set(self.sets_folder / name)

    def edit_captions(self, name: str, rows: Sequence[tuple[str, str, bool]]) -> DataSet:
        """Write captions and sides as edited, (segment id, caption, held out); a track follows its first segment's side.

        Raises DataSetError when a row is no segment's.
        """
        data_set = self.data_set(name)
        edited = {segment_id: (caption, held_out) for segment_id, caption, held_out in rows}
        known = {segment.id for segment in data_set.segments}
        if strange := set(edited) - known:
            raise DataSetError(f"There is no segment “{sorted(strange)[0]}” in “{name}”: load the table anew.")
        changed = {
            segment.track: edited[segment.id][1]
            for segment in data_set.segments
            if segment.id in edited and edited[segment.id][1] != segment.held_out
        }
        segments = []
        for segment in data_set.segments:
            caption = " ".join(edited.get(segment.id, (segment.caption, False))[0].split())
            by = segment.caption_by if caption == segment.caption else "you"
            side = changed.get(segment.track, segment.held_out)
            segments.append(segment.model_copy(update={"caption": caption, "caption_by": by, "held_out": side}))
        write_manifest(data_set.folder, segments)
        return self.data_set(name)

    def delete_data_set(self, name: str) -> None:
        """Delete a data set with its sound; raises DataSetError while a run learns from it."""
        data_set = self.data_set(name)
        for view in self.runs.all():
            if view.is_active and view.config is not None and view.config.data_set == data_set.folder:
                raise DataSetError(f"The run “{view.name}” learns from “{name}”: stop it first.")
        try:
            remove_whole(data_set.folder)
        except OSError as error:
            raise DataSetError(f"“{name}” could not be deleted ({why(error)}): nothing was changed.") from error

    # ---------------------------------------------------------------------------------------------- sources

    def from_takes(self, take_ids: Iterable[str]) -> list[Source]:
        """Takes as sources, captioned by their plans."""
        found = []
        for take_id in take_ids:
            take = self._studio.entry(take_id, owner=None).take
            found.append(Source(self._studio.store.audio_path(take_id), f"{take.title} ({take_id})", plan=take.plan))
        return found

    def from_library(self, track_ids: Iterable[int]) -> list[Source]:
        """Tracks of the library as sources, captioned by what it knows of them."""
        tracks = self._studio.library.tracks.many(track_ids)
        return [
            Source(Path(track.path), f"{track.label} ({track.id})", caption=_known_of(track))
            for track in tracks.values()
        ]

    def from_files(self, paths: Iterable[str | Path]) -> list[Source]:
        """Uploaded files as sources; a `.txt` among them is the caption of the sound of the same name."""
        files = [Path(path) for path in paths]
        words = {
            file.stem: " ".join(file.read_text("utf-8", "replace").split()) for file in files if file.suffix == ".txt"
        }
        return [
            Source(file, file.name, caption=words.get(file.stem, ""), caption_by="sidecar")
            for file in files
            if file.suffix != ".txt"
        ]

    def from_folder(self, folder: str) -> list[Source]:
        """Every sound in a folder of this machine; raises DataSetError."""
        return sources_in(Path(folder).expanduser())

    # ------------------------------------------------------------------------------------------------ building

    def build(self, sources: Sequence[Source], recipe: Recipe, *, remove_vocals: bool = False) -> None:
        """Begin to build a data set; raises DataSetError while another is being built or without sources."""
        with self._lock:
            if self._building.state == "running":
                raise DataSetError("A data set is being built already: wait for it, or stop it.")
            if not sources:
                raise DataSetError("There is nothing to build from: choose files, a folder, takes or tracks first.")
            self._stop.clear()
            self._building = Building("running", "starting")
        desk = self._studio.desk
        recipe = replace(recipe, wording=desk.caption, describe=partial(desk.describe, note=False))
        if remove_vocals:
            recipe = replace(recipe, without_vocals=self._without_vocals)
        self._thread = threading.Thread(target=self._build, args=(sources, recipe), name="data set", daemon=True)
        self._thread.start()

    def building(self) -> Building:
        """How far the building is, or how the last one ended."""
        with self._lock:
            return self._building

    def stop_building(self) -> None:
        self._stop.set()

    def _build(self, sources: Sequence[Source], recipe: Recipe) -> None:
        def progress(stage: str, fraction: float) -> None:
            with self._lock:
                self._building = Building("running", stage, fraction)

        stopped = self._stop.is_set
        try:
            with asked_by("", cancelled=stopped):
                made = build_data_set(sources, recipe, into=self.sets_folder, progress=progress, cancelled=stopped)
            ended = Building("done", fraction=1.0, name=made.facts.name)
        except (TrainingError, EngineError) as error:
            ended = Building("failed", error=str(error))
        except Exception as error:  # noqa: BLE001 - a thread has nobody above it to tell
            ended = Building("failed", error=f"The building broke off ({type(error).__name__}: {error}).")
        with self._lock:
            self._building = ended

    def _without_vocals(self, clip: Clip) -> Clip:
        """The clip less its singing, by the best separator that is here; raises DataSetError without one that can."""
        from audio.work import SoundUnusable
        from studio.separation import SeparationError

        try:
            kept = self._studio.mixing_desk.separations.separate(clip, cancelled=self._stop.is_set)
            if "vocals" not in kept.paths:
                raise DataSetError(
                    "Singing can only be removed by the Demucs separator, which is not here: fetch it under Stems, or build "
                    "without removing vocals."
                )
            vocals = kept.clip("vocals").samples
        except (SeparationError, SoundUnusable) as error:
            raise DataSetError(f"The vocals could not be removed: {error}") from error
        return Clip(clip.samples - vocals[:, : clip.frames], clip.sample_rate_hz)

    # ------------------------------------------------------------------------------------------------ adapters

    def packed(self, name: str, into: Path) -> Path:
        """An adapter as a zip of PEFT's files, at `into`; raises EngineError when it is not on the shelf."""
        from audio.io import written_whole

        adapter = self.shelf.adapter(name)
        with written_whole(into) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as file:
            for each in (CONFIG, WEIGHTS, CARD):
                if (adapter.folder / each).is_file():
                    file.write(adapter.folder / each, each)
        return into

    def unpack(self, archive: Path, *, name: str) -> Adapter:
        """Put somebody else's adapter, zipped, on the shelf; raises EngineError when it is none."""
        from tempfile import TemporaryDirectory

        with TemporaryDirectory() as folder:
            try:
                with zipfile.ZipFile(archive) as file:
                    for info in file.infolist():
                        inner = Path(info.filename).name
                        if inner in (CONFIG, WEIGHTS, CARD) and info.file_size < MOST_ZIP_BYTES:
                            (Path(folder) / inner).write_bytes(file.read(info))
            except (zipfile.BadZipFile, OSError, RuntimeError) as error:
                raise EngineError(f"“{archive.name}” is not a zip that can be read: choose another.") from error
            return self.shelf.add(Path(folder), name=name)

    def check_room(self, engine: str) -> None:
        """Raise EngineError when a run trains and that engine's model would not fit beside it."""
        from studio.models.hub import ModelError

        if self.runs.running() is None:
            return
        try:
            card = self._studio.catalogue.card(engine)
        except ModelError:
            return
        from studio.training.devices import device_here

        device = device_here()
        self.runs.check_room(needed_bytes=card.memory_needed_bytes(device), device=device, label=card.label)


def _known_of(track: Any) -> str:
    """A library track's caption: its genres and moods, and tempo and key where the analysis is sure of them.

    "" when it has no genre and no mood: then the file's own tags are asked, and then the metadata agent.
    """
    from rag.filters import KEY_NAMES
    from studio.training.captions import SURE_OF_KEY, SURE_OF_TEMPO

    words = [word.lower() for word in (*track.genre_tags, track.genre, *track.moods) if word]
    if not words:
        return ""
    heard = track.features
    if heard is not None and heard.tempo_confidence >= SURE_OF_TEMPO:
        words.append(f"{round(heard.tempo_bpm)} bpm")
    if heard is not None and heard.key_confidence >= SURE_OF_KEY:
        words.append(KEY_NAMES[heard.key])
    return ", ".join(dict.fromkeys(words))
