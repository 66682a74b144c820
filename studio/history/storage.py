"""How much room the studio takes, and the user's rules for giving it back. Without rules nothing is ever removed.

Rules only move takes into the bin, or empty what has lain in the bin for long. Liked and exported takes, and takes that
others were made of, stay. Knows nothing of pages.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from audio.io import written_whole
from studio.history.history import History
from studio.settings import Settings
from studio.takes import Take, TakeError, TakeStore

ROOMS = {
    "takes": "Takes", "bin": "Bin", "models": "Models", "exports": "Exports, made again when asked for",
    "library": "Library's index", "training": "Training runs", "adapters": "Adapters", "sounds": "Melodies",
    "audiocraft": "AudioCraft", "desk": "The desk: sounds brought along, renderings", "separations": "Separated stems, made again when asked for",
}  # fmt: skip


class Retention(BaseModel):
    """What may be given back by itself. None: never. empty_bin_after_days: from the day a take was deleted.
    takes_gb: beyond this, the oldest takes that nobody liked, exported or built on go into the bin."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    empty_bin_after_days: int | None = Field(default=None, ge=1, le=3_650)
    takes_gb: float | None = Field(default=None, gt=0, le=100_000)


@dataclass(frozen=True, slots=True)
class Room:
    """One folder of the data folder and its size on the disk."""

    name: str
    label: str
    size_bytes: int
    files: int


def usage(settings: Settings) -> list[Room]:
    """What lies where, the largest first; rooms that do not exist are left out."""
    found = []
    for name, label in ROOMS.items():
        folder = settings.data_dir / name
        if folder.is_dir():
            size, files = size_of(folder)
            found.append(Room(name, label, size, files))
    return sorted(found, key=lambda room: -room.size_bytes)


def size_of(folder: Path) -> tuple[int, int]:
    """Bytes and number of the files in a folder; links are not followed."""
    size = files = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                size += (Path(place) / name).lstat().st_size
                files += 1
            except OSError:  # gone meanwhile
                continue
    return size, files


def read_rules(path: Path) -> Retention:
    """The rules kept at `path`; none when there are none or they cannot be read."""
    try:
        return Retention.model_validate(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, ValidationError):
        return Retention()


def write_rules(path: Path, rules: Retention) -> None:
    """Keep the rules. Raises OSError."""
    with written_whole(path) as part:
        part.write_text(rules.model_dump_json(indent=1), "utf-8")


def too_old_in_bin(store: TakeStore, rules: Retention, *, now: datetime | None = None) -> list[str]:
    """Takes whose time in the bin is over; a folder's change time is when it was moved there."""
    if rules.empty_bin_after_days is None:
        return []
    limit = (now or datetime.now(UTC)) - timedelta(days=rules.empty_bin_after_days)
    return [
        take_id
        for take_id in store.binned_ids()
        if datetime.fromtimestamp((store.bin_dir / take_id).stat().st_ctime, UTC) < limit
    ]


def beyond_the_limit(
    takes: Collection[Take], rules: Retention, *, size: Callable[[str], int], spared: Callable[[Take], bool]
) -> list[str]:
    """The oldest takes to put into the bin so that the others fit; never one that is spared."""
    if rules.takes_gb is None:
        return []
    sizes = {take.id: size(take.id) for take in takes}
    over = sum(sizes.values()) - rules.takes_gb * 1e9
    chosen = []
    for take in sorted(takes, key=lambda take: take.created_at):
        if over <= 0:
            break
        if not spared(take):
            chosen.append(take.id)
            over -= sizes[take.id]
    return chosen


def apply_rules(
    rules: Retention, *, store: TakeStore, history: History, spared: Callable[[Take], bool]
) -> tuple[list[str], list[str]]:
    """Do what the rules say; returns the takes put into the bin and those deleted for good. Raises TakeError."""
    deleted = too_old_in_bin(store, rules)
    for take_id in deleted:
        store.delete_binned(take_id)
        history.forget([take_id])
    binned = []
    if rules.takes_gb is not None:
        takes = [entry.take for entry in history.search(limit=100_000).entries]
        built_on = {take.parent for take in takes}
        for take_id in beyond_the_limit(
            takes, rules, size=lambda take_id: size_of(store.takes_dir / take_id)[0],
            spared=lambda take: take.id in built_on or spared(take),
        ):  # fmt: skip
            try:
                store.to_bin(take_id)
            except TakeError:  # moved meanwhile
                continue
            history.set_state(take_id, "binned")
            binned.append(take_id)
    return binned, deleted
