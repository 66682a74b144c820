"""What can lie on the desk: takes with their parts, and sounds that were brought along.

Each has a folder of its own for what is made of it there (parts, analyses, renderings). Knows nothing of mixing or of
work that takes long.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from agents.types import SongPlan
from audio.clip import Clip
from audio.folders import PART, remove_whole, sweep
from audio.io import AudioError, decode, encode, read_clip, written_whole
from audio.peaks import bucket_peaks
from audio.stems import RESIDUAL, SILENT_DB
from rag.tracks import Track
from studio.desk.errors import DeskError, NothingThere
from studio.separation import BUILT_IN, KeptStems
from studio.takes import Take, TakeError, TakeStore

MAX_SECONDS = 600.0
PEAKS = 1_600
WHOLE, TRUE = "whole", "true"
_UPLOAD = re.compile(r"[0-9a-f]{16}")
_KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")
_GONE = "There is no such sound on the desk, or it is not yours."


class Upload(BaseModel):
    """A sound that was brought along: upload.json in its folder. notes: what was changed so that it fits the desk."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    owner: str = ""
    title: str
    seconds: float
    sample_rate_hz: int
    channels: int
    created_at: datetime
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """Something on the desk. folder: where what is made of it lies; mix_path: its mix, beside a take in the take's own folder.

    plan: the song plan of a take, None of a sound whose song nobody knows. licence: the badge all that is made of it carries.
    """

    source: str
    owner: str
    title: str
    seconds: float
    sample_rate_hz: int
    channels: int
    audio_path: Path
    folder: Path
    mix_path: Path
    licence: str = ""
    plan: SongPlan | None = None
    take: Take | None = None
    notes: tuple[str, ...] = ()

    def clip(self) -> Clip:
        """The whole sound. Raises DeskError."""
        return _read(self.audio_path)


@dataclass(frozen=True, slots=True)
class Parts:
    """A set of parts of an item. key: "true", "whole" or what separated them; label: the same in words, for everyone to see."""

    key: str
    label: str
    files: Mapping[str, Path]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.files)

    def path(self, name: str) -> Path:
        """A part's file. Raises NothingThere."""
        if name not in self.files or not self.files[name].is_file():
            raise NothingThere(f"There is no part called “{name}” here.")
        return self.files[name]

    def open(self, name: str) -> Clip:
        """A part's sound. Raises NothingThere or DeskError."""
        return _read(self.path(name))


class DeskItems:
    """The items of one studio. take: finds one for an owner, as `Studio.entry` does; stems: a kept separation by its mark; track: one of the library's."""

    def __init__(
        self,
        folder: Path,
        *,
        store: TakeStore,
        take: Callable[[str, str | None], Take],
        stems: Callable[[str], KeptStems | None],
        track: Callable[[int, str | None], Track | None] = lambda track_id, owner: None,
    ) -> None:
        self._folder, self._store, self._take, self._stems, self._track = folder, store, take, stems, track
        self._uploads_dir = folder / "uploads"

    # ---------------------------------------------------------------------------------------------- finding

    def open(self, source: str, *, owner: str | None) -> Item:
        """The item of that name (“take:…”, “upload:…”) if this owner may see it. Raises NothingThere, TakeMissing, NotYours."""
        kind, _, identity = source.partition(":")
        if kind == "take":
            return self._of_take(self._take(identity, owner))
        if kind == "upload":
            return self._of_upload(self._upload(identity, owner))
        if kind == "track" and identity.isdecimal() and (track := self._track(int(identity), owner)) is not None:
            return self._of_track(track, owner)
        raise NothingThere(_GONE)

    def uploads(self, owner: str | None) -> tuple[Upload, ...]:
        """What was brought along, newest first."""
        found = [self._manifest(path.name) for path in self._uploads_dir.glob("*/") if _UPLOAD.fullmatch(path.name)]
        mine = [each for each in found if each is not None and (owner is None or each.owner == owner)]
        return tuple(sorted(mine, key=lambda each: each.created_at, reverse=True))

    def _of_take(self, take: Take) -> Item:
        folder = self._store.folder(take.id)
        return Item(
            source=f"take:{take.id}", owner=take.owner, title=take.title, seconds=take.seconds,
            sample_rate_hz=take.sample_rate_hz, channels=take.channels, audio_path=folder / "audio.flac",
            folder=self._folder / "takes" / take.id, mix_path=folder / "mix.json", licence=take.engine.licence,
            plan=take.plan, take=take,
        )  # fmt: skip

    def _of_track(self, track: Track, owner: str | None) -> Item:
        """A track of the library: its file read once into the desk's own form. Raises DeskError."""
        if track.take_id:
            return self._of_take(self._take(track.take_id, owner))
        mark = hashlib.sha256(f"{track.hash}:{track.path}:{track.mtime_ns}".encode()).hexdigest()[:16]
        folder = self._folder / "tracks" / f"{track.id}-{mark}"
        kept = folder / "sound.json"
        if not kept.is_file():
            path = Path(track.path)
            try:
                clip, notes = _fitted(read_clip(path, max_seconds=MAX_SECONDS))
                if clip.frames == 0:
                    raise DeskError(f"“{track.label}” holds no sound at all.")
                folder.mkdir(parents=True, exist_ok=True)
                with written_whole(folder / "sound.flac") as part:
                    part.write_bytes(encode(clip, format="flac"))
                told = {"rate": clip.sample_rate_hz, "channels": clip.channels, "seconds": clip.seconds, "notes": notes}
                with written_whole(kept) as part:
                    part.write_text(json.dumps(told), encoding="utf-8")
            except AudioError as error:
                raise DeskError(str(error)) from error
            except OSError as error:
                raise DeskError(f"“{track.label}” could not be laid on the desk: {error.strerror or error}.") from error
        told = json.loads(kept.read_bytes())
        return Item(
            source=f"track:{track.id}", owner=track.owner, title=track.label, seconds=told["seconds"],
            sample_rate_hz=told["rate"], channels=told["channels"], audio_path=folder / "sound.flac",
            folder=folder / "desk", mix_path=folder / "mix.json", notes=tuple(told["notes"]),
        )  # fmt: skip

    def _of_upload(self, upload: Upload) -> Item:
        folder = self._uploads_dir / upload.id
        return Item(
            source=f"upload:{upload.id}", owner=upload.owner, title=upload.title, seconds=upload.seconds,
            sample_rate_hz=upload.sample_rate_hz, channels=upload.channels, audio_path=folder / "sound.flac",
            folder=folder / "desk", mix_path=folder / "mix.json", notes=upload.notes,
        )  # fmt: skip

    def _upload(self, identity: str, owner: str | None) -> Upload:
        upload = self._manifest(identity) if _UPLOAD.fullmatch(identity) else None
        if upload is None or (owner is not None and upload.owner != owner):
            raise NothingThere(_GONE)
        return upload

    def _manifest(self, identity: str) -> Upload | None:
        try:
            return Upload.model_validate_json((self._uploads_dir / identity / "upload.json").read_bytes())
        except (OSError, ValidationError):
            return None

    # ------------------------------------------------------------------------------------------ bringing along

    def bring(self, data: bytes | Path, *, filename: str, owner: str, most: int | None = None) -> Item:
        """Keep a sound file as an item, in one or two channels. Raises DeskError for what is no sound, empty or too long."""
        if most is not None and len(self.uploads(owner)) >= most:
            raise DeskError(f"You have {most} sounds on the desk already. Take one off it first.")
        name = Path(filename.replace("\\", "/")).name[:120] or "sound"
        try:
            if isinstance(data, Path):
                with data.open("rb") as file:
                    clip = decode(file, name=name, max_seconds=MAX_SECONDS)
            else:
                clip = decode(data, name=name, max_seconds=MAX_SECONDS)
        except (AudioError, OSError) as error:
            raise DeskError(str(error)) from error
        if clip.frames == 0:
            raise DeskError(f"“{name}” holds no sound at all. Choose another file.")
        clip, notes = _fitted(clip)
        return self._keep(clip, title=Path(name).stem[:120].strip() or "Sound", owner=owner, notes=notes)

    def _keep(self, clip: Clip, *, title: str, owner: str, notes: tuple[str, ...]) -> Item:
        upload = Upload(
            id=secrets.token_hex(8), owner=owner, title=title, seconds=clip.seconds, sample_rate_hz=clip.sample_rate_hz,
            channels=clip.channels, created_at=datetime.now(UTC), notes=notes,
        )  # fmt: skip
        part = self._uploads_dir / f"{PART}{upload.id}"
        try:
            part.mkdir(parents=True)
            (part / "sound.flac").write_bytes(encode(clip, format="flac"))
            (part / "upload.json").write_text(upload.model_dump_json(), encoding="utf-8")
            part.rename(self._uploads_dir / upload.id)
        except OSError as error:
            raise DeskError(f"The sound could not be kept: {error.strerror or error}. Free some space.") from error
        finally:
            shutil.rmtree(part, ignore_errors=True)
        return self._of_upload(upload)

    def take_off(self, source: str, *, owner: str | None) -> None:
        """Remove a sound that was brought along, with all that was made of it; a take stays in the history. Raises NothingThere."""
        upload = self._upload(source.removeprefix("upload:"), owner)
        try:
            remove_whole(self._uploads_dir / upload.id)
        except OSError as error:
            raise DeskError(
                f"“{upload.title}” could not be removed: {error.strerror or error}. It is still there."
            ) from error

    def sweep(self) -> None:
        """Remove what a crash left half written, and what was made of takes that are gone for good."""
        sweep(self._uploads_dir)
        kept = {*self._store.list_ids(), *self._store.binned_ids()}
        for folder in (self._folder / "takes").glob("*/"):
            if folder.name not in kept:
                shutil.rmtree(folder, ignore_errors=True)

    # ------------------------------------------------------------------------------------------------- parts

    def sets_of(self, item: Item) -> tuple[Parts, ...]:
        """All sets of parts an item has, the best first; "whole", the sound in one piece, is always there."""
        sets = []
        if item.take is not None and item.take.stems:
            folder = item.audio_path.parent
            files = {stem.name: folder / stem.file for stem in item.take.stems}
            sets.append(Parts(TRUE, _whose(item.take), files))
        links = sorted((item.folder / "parts").glob("*.json"), key=lambda each: each.stat().st_mtime, reverse=True)
        sets += [found for path in links if (found := self._linked(path))]
        return (*sets, Parts(WHOLE, "in one piece, not separated", {"mix": item.audio_path}))

    def parts(self, item: Item, key: str) -> Parts:
        """One set of an item's parts. Raises NothingThere."""
        for each in self.sets_of(item):
            if each.key == key:
                return each
        raise NothingThere("These parts are not here any more. Separate the sound again.")

    def link_parts(self, item: Item, kept: KeptStems) -> Parts:
        """Take a separation's stems for parts of an item, under what separated them. Raises DeskError."""
        key = BUILT_IN if kept.tier == "built-in" else kept.model.partition(":")[0]
        if not _KEY.fullmatch(key) or key in (TRUE, WHOLE):
            raise ValueError(f"{key!r} cannot name a set of parts")
        path = item.folder / "parts" / f"{key}.json"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(path) as part:
                silent = [RESIDUAL] if RESIDUAL in kept.paths and _is_silent(kept.clip(RESIDUAL)) else []
                part.write_text(json.dumps({"key": key, "mark": kept.mark, "silent": silent}), encoding="utf-8")
        except OSError as error:
            raise DeskError(f"The parts could not be kept: {error.strerror or error}. Free some space.") from error
        return self.parts(item, key)

    def _linked(self, path: Path) -> Parts | None:
        """The parts a link stands for; None once their stems made way for others."""
        try:
            link = json.loads(path.read_bytes())
            kept, key, silent = self._stems(str(link["mark"])), str(link["key"]), link.get("silent", [])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if kept is None:
            return None
        label = "built-in signal separation" if kept.tier == "built-in" else f"Demucs {key}"
        return Parts(key, label, {name: path for name, path in kept.paths.items() if name not in silent})

    def peaks(self, item: Item, key: str) -> dict[str, list[int]]:
        """The waveform of each part of a set, 0 to 100; measured once."""
        parts = self.parts(item, key)

        def measure() -> dict[str, list[int]]:
            return {name: bucket_peaks(parts.open(name), buckets=PEAKS).tolist() for name in parts.names}

        marked = "-".join(str(parts.path(name).stat().st_mtime_ns) for name in parts.names)
        name = f"peaks-{key}-{hashlib.sha256(marked.encode()).hexdigest()[:12]}"
        return remembered(item, name, measure)


def _whose(take: Take) -> str:
    """Where a take's own stems come from: what the desk made of separated parts stays separated parts."""
    if label := (take.request.get("desk") or {}).get("parts_label"):
        return str(label)
    return f"true stems of {'the sketch' if take.engine.name == 'sketch' else 'this take'}"


def put_sound(place: Path, clip: Clip) -> Path:
    """Write a sound under this name: FLAC, or float WAV where it goes over full scale, so that sums stay true."""
    over = bool(clip.frames) and float(np.abs(clip.samples).max()) > 1.0
    path = place.with_suffix(".wav" if over else ".flac")
    with written_whole(path) as part:
        part.write_bytes(encode(clip, format="wav32f" if over else "flac"))
    return path


def remembered(item: Item, name: str, find: Callable[[], Any]) -> Any:
    """What was found out about an item, found out once and then kept as JSON in its folder."""
    path = item.folder / "found" / f"{name}.json"
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        found = find()
    remember(item, name, found)
    return found


def remember(item: Item, name: str, found: Any) -> None:
    """Keep what was found out; a disk that refuses only means it is found out again."""
    path = item.folder / "found" / f"{name}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as part:
            part.write_text(json.dumps(found), encoding="utf-8")
    except OSError:
        pass


def recalled(item: Item, name: str) -> Any:
    """What was found out earlier, or None."""
    try:
        return json.loads((item.folder / "found" / f"{name}.json").read_bytes())
    except (OSError, ValueError):
        return None


def _is_silent(clip: Clip) -> bool:
    """Whether a part holds rounding noise only, and needs no strip."""
    return not clip.frames or float(np.abs(clip.samples).max()) < 10 ** (SILENT_DB / 20)


def _read(path: Path) -> Clip:
    try:
        return read_clip(path)
    except (AudioError, TakeError) as error:
        raise DeskError(str(error)) from error


def _fitted(clip: Clip) -> tuple[Clip, tuple[str, ...]]:
    """A clip as the desk keeps it: at most two channels, nothing over full scale; and what was done to it."""
    notes = []
    if clip.channels > 2:
        notes.append(f"It has {clip.channels} channels; the desk mixed them down to two.")
        clip = clip.stereo()
    peak = float(np.abs(clip.samples).max())
    if peak > 1.0:
        notes.append(f"It went over full scale and was turned down by {20 * np.log10(peak):.1f} dB.")
        clip = _within_scale(clip)
    if peak == 0.0:
        notes.append("It is silent from end to end.")
    return clip, tuple(notes)


def _within_scale(clip: Clip) -> Clip:
    peak = float(np.abs(clip.samples).max()) if clip.frames else 0.0
    return clip if peak <= 1.0 else Clip(clip.samples / np.float32(peak), clip.sample_rate_hz)
