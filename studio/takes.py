"""A take and its folder: sound, stems, MIDI, tokens, peaks and everything needed to make it again.

A take is written into `.part-<id>` beside its place and moved in with one rename, so it is there whole or not at
all. Knows nothing of the history that lists takes or of who may see them.
"""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agents.types import SongPlan
from audio.clip import Clip
from audio.folders import PART, remove_whole, sweep
from audio.io import encode, flush_to_disk, written_whole
from audio.peaks import bucket_peaks
from studio.engines.base import Capabilities, Rendering, Sampling, Tier

TAKE_VERSION: Literal[1] = 1
PEAK_BUCKETS = 2_000
_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")
_SPARE_BYTES = 20_000_000
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class TakeError(Exception):
    """A take could not be kept, read or moved; the message is a sentence for the user."""


class TakeMissing(TakeError):
    """There is no such take in the folder."""


class TakeDamaged(TakeError):
    """The take's folder is there but cannot be read."""


class DiskFull(TakeError):
    """There is no room for a take."""


class EngineFacts(BaseModel):
    """Which engine made a take. licence: the badge its sound carries, "" when it is the user's own freely."""

    model_config = ConfigDict(frozen=True)

    name: str
    label: str
    tier: Tier
    licence: str = ""

    @classmethod
    def of(cls, capabilities: Capabilities) -> EngineFacts:
        return cls(
            name=capabilities.name, label=capabilities.label, tier=capabilities.tier, licence=capabilities.licence
        )


class Timings(BaseModel):
    """Seconds from the job's start to its first sound (None when never heard live) and to its last."""

    model_config = ConfigDict(frozen=True)

    first_sound_seconds: float | None = None
    total_seconds: float = 0.0


class Stem(BaseModel):
    """One part's name and its file in the take's folder."""

    model_config = ConfigDict(frozen=True)

    name: str
    file: str


class Take(BaseModel):
    """The manifest, take.json. owner "" is the studio's own user; job and parent are identifiers or ""/None."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = TAKE_VERSION
    id: str = Field(pattern=_ID.pattern)
    owner: str = ""
    created_at: datetime
    title: str
    plan: SongPlan
    sampling: Sampling
    engine: EngineFacts
    identity: dict[str, Any] = {}
    seconds: float
    complete: bool
    sample_rate_hz: int
    channels: int
    stems: tuple[Stem, ...] = ()
    has_midi: bool = False
    has_tokens: bool = False
    timings: Timings = Timings()
    parent: str | None = None
    job: str = ""
    request: dict[str, Any] = {}


def new_take_id(moment: datetime) -> str:
    """Sortable by time, safe in addresses and file names: "20261124-153012-ab12cd"."""
    return f"{moment.astimezone(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


class TakeStore:
    """The takes' folder and the bin beside it. Several processes may share them."""

    def __init__(self, takes_dir: Path, bin_dir: Path) -> None:
        self.takes_dir, self.bin_dir = takes_dir, bin_dir
        with _in_words("The takes' folder could not be made"):
            takes_dir.mkdir(parents=True, exist_ok=True)
            bin_dir.mkdir(parents=True, exist_ok=True)

    # ---------------------------------------------------------------------------------------------- writing

    def check_room(self, *, seconds: float, sample_rate_hz: int, channels: int, parts: int = 1) -> None:
        """Raise DiskFull unless a take of this shape (mix and stems counted as parts) surely fits."""
        needed = round(seconds * sample_rate_hz * channels * 3 * max(1, parts)) + _SPARE_BYTES
        free = shutil.disk_usage(self.takes_dir).free
        if free < needed:
            raise DiskFull(
                f"The disk has {free / 1e6:.0f} MB left and this take may need {needed / 1e6:.0f} MB. "
                "Empty the bin or free some space, then try again."
            )

    def write(
        self,
        rendering: Rendering,
        *,
        plan: SongPlan,
        sampling: Sampling,
        engine: EngineFacts,
        owner: str = "",
        parent: str | None = None,
        job: str = "",
        request: Mapping[str, Any] | None = None,
        timings: Timings | None = None,
        created_at: datetime | None = None,
    ) -> Take:
        """Keep what an engine made. Raises DiskFull or TakeError; nothing is then left behind."""
        if rendering.clip.frames == 0:
            raise TakeError("There is no sound to keep.")
        created_at = created_at or datetime.now(UTC)
        take = Take(
            id=new_take_id(created_at), owner=owner, created_at=created_at, title=plan.title.value, plan=plan,
            sampling=sampling, engine=engine, identity=dict(rendering.identity), seconds=rendering.clip.seconds,
            complete=rendering.complete, sample_rate_hz=rendering.clip.sample_rate_hz,
            channels=rendering.clip.channels, stems=_name_stems(rendering.stems), has_midi=rendering.midi is not None,
            has_tokens=rendering.tokens is not None, timings=timings or Timings(), parent=parent, job=job,
            request=dict(request or {}),
        )  # fmt: skip
        parts = 1 + len(rendering.stems)
        self.check_room(seconds=take.seconds, sample_rate_hz=take.sample_rate_hz, channels=take.channels, parts=parts)
        with _in_words("The take could not be kept"), self._part_folder(take.id) as part:
            _fill_folder(part, take, rendering)
            part.rename(self.takes_dir / take.id)
            flush_to_disk(self.takes_dir)
        return take

    def retitle(self, take_id: str, title: str) -> Take:
        """Give a kept take another title. Raises TakeMissing, TakeDamaged or TakeError."""
        take = self.read(take_id).model_copy(update={"title": title})
        with (
            _in_words("The take could not be given its title"),
            written_whole(self.folder(take_id) / "take.json") as part,
        ):
            part.write_bytes(take.model_dump_json(indent=1).encode())
        return take

    @contextmanager
    def _part_folder(self, take_id: str) -> Iterator[Path]:
        """A folder only this process writes to: the lock tells a sweep in another process to leave it alone."""
        from filelock import FileLock

        part = self.takes_dir / f"{PART}{take_id}"
        lock_path = part.with_name(f"{part.name}.lock")
        lock = FileLock(lock_path, timeout=10)
        try:
            with lock:
                part.mkdir()
                yield part
        finally:
            if part.exists():
                shutil.rmtree(part, ignore_errors=True)
            with suppress(OSError):
                lock_path.unlink(missing_ok=True)

    def sweep(self) -> list[str]:
        """Remove what dead processes left half-written; returns the names removed. Living writers are left alone."""
        from filelock import FileLock, Timeout

        swept = []
        for path in sorted(self.takes_dir.glob(f"{PART}*")):
            folder = path.with_suffix("") if path.suffix == ".lock" else path
            lock_path = folder.with_name(f"{folder.name}.lock")
            try:
                with FileLock(lock_path, timeout=0):
                    if folder.exists():
                        shutil.rmtree(folder, ignore_errors=True)
                        swept.append(folder.name)
            except (Timeout, OSError):
                continue
            with suppress(OSError):
                lock_path.unlink(missing_ok=True)
        return swept

    # ---------------------------------------------------------------------------------------------- reading

    def list_ids(self) -> list[str]:
        """Every kept take's identifier, newest first. Raises TakeError when the folder cannot be read."""
        return self._ids_in(self.takes_dir)

    def binned_ids(self) -> list[str]:
        """Every identifier in the bin, newest first."""
        return self._ids_in(self.bin_dir)

    def folder(self, take_id: str) -> Path:
        """A kept take's folder. Raises TakeMissing, also for names that are no identifiers."""
        return self._find(self.takes_dir, take_id)

    def read(self, take_id: str, *, binned: bool = False) -> Take:
        """The manifest. Raises TakeMissing or TakeDamaged."""
        path = self._find(self.bin_dir if binned else self.takes_dir, take_id) / "take.json"
        try:
            take = Take.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise TakeDamaged(f"The take {take_id} cannot be read; its take.json is damaged or missing.") from error
        if take.id != take_id:
            raise TakeDamaged(f"The folder {take_id} holds another take's manifest ({take.id}).")
        return take

    def audio_path(self, take_id: str) -> Path:
        """The mix, FLAC 24 bit."""
        return self._file(take_id, "audio.flac")

    def stem_path(self, take_id: str, name: str) -> Path:
        """One part, FLAC 24 bit, by the name the manifest gives it. Raises TakeMissing."""
        for stem in self.read(take_id).stems:
            if stem.name == name:
                return self._file(take_id, stem.file)
        raise TakeMissing(f"This take has no part called “{name}”.")

    def midi_path(self, take_id: str) -> Path:
        return self._file(take_id, "notes.mid")

    def tokens_path(self, take_id: str) -> Path:
        return self._file(take_id, "tokens.npz")

    def peaks(self, take_id: str) -> list[int]:
        """About 2,000 peaks over the whole take, 0 to 100. Raises TakeMissing or TakeDamaged."""
        try:
            return [int(peak) for peak in json.loads(self._file(take_id, "peaks.json").read_bytes())["peaks"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TakeDamaged(f"The take {take_id} has no readable waveform.") from error

    def _file(self, take_id: str, name: str) -> Path:
        path = self.folder(take_id) / name
        if not path.is_file():
            raise TakeMissing(f"The take {take_id} has no {name}.")
        return path

    def _ids_in(self, folder: Path) -> list[str]:
        with _in_words("The takes' folder cannot be read"):
            names = [entry.name for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]
        return sorted((name for name in names if _ID.fullmatch(name)), reverse=True)

    def _find(self, parent: Path, take_id: str) -> Path:
        if not _ID.fullmatch(take_id) or not (folder := parent / take_id).is_dir() or folder.is_symlink():
            raise TakeMissing("There is no such take; it may have been deleted.")
        return folder

    # ---------------------------------------------------------------------------------------------- the bin

    def to_bin(self, take_id: str) -> None:
        """Move a take out of sight. Raises TakeMissing or TakeError."""
        with _in_words("The take could not be moved to the bin"):
            self._find(self.takes_dir, take_id).rename(self.bin_dir / take_id)

    def restore(self, take_id: str) -> None:
        """Move a take back out of the bin. Raises TakeMissing or TakeError."""
        with _in_words("The take could not be restored"):
            self._find(self.bin_dir, take_id).rename(self.takes_dir / take_id)

    def delete_binned(self, take_id: str) -> None:
        """Delete one take of the bin for good. Raises TakeMissing or TakeError."""
        with _in_words("The bin could not be emptied"):
            remove_whole(self._find(self.bin_dir, take_id))

    def empty_bin(self) -> list[str]:
        """Delete everything in the bin for good; returns the identifiers deleted."""
        ids = self.binned_ids()
        for take_id in ids:
            self.delete_binned(take_id)
        sweep(self.bin_dir)
        return ids


def _fill_folder(folder: Path, take: Take, rendering: Rendering) -> None:
    """Everything of the take, the manifest last, each file flushed to the disk."""
    _put(folder / "audio.flac", encode(rendering.clip, format="flac"))
    for stem, clip in zip(take.stems, rendering.stems.values(), strict=True):
        (folder / "stems").mkdir(exist_ok=True)
        _put(folder / stem.file, encode(clip, format="flac"))
    if rendering.midi is not None:
        _put(folder / "notes.mid", rendering.midi)
    if rendering.tokens is not None:
        with (folder / "tokens.npz").open("wb") as file:
            np.savez_compressed(file, tokens=rendering.tokens)
        flush_to_disk(folder / "tokens.npz")
    _put(folder / "peaks.json", json.dumps(_peaks_of(rendering.clip)).encode())
    _put(folder / "take.json", take.model_dump_json(indent=1).encode())
    if take.stems:
        flush_to_disk(folder / "stems")
    flush_to_disk(folder)


def _peaks_of(clip: Clip) -> dict[str, Any]:
    return {"seconds": clip.seconds, "peaks": bucket_peaks(clip, buckets=PEAK_BUCKETS).tolist()}


def _put(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    flush_to_disk(path)


def _name_stems(stems: Mapping[str, Clip]) -> tuple[Stem, ...]:
    """Files whose names are safe on every system and still tell the part: stems/02-electric-piano.flac."""
    named = []
    for number, name in enumerate(stems, start=1):
        plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "part"
        named.append(Stem(name=name, file=f"stems/{number:02}-{plain[:40]}.flac"))
    return tuple(named)


@contextmanager
def _in_words(what: str) -> Iterator[None]:
    """Turn the disk's refusals into sentences."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFull(f"{what}: the disk is full. Empty the bin or free some space, then try again.") from error
        reason = error.strerror or str(error)
        raise TakeError(f"{what}: {reason} ({error.filename}). Check the data folder's permissions.") from error
