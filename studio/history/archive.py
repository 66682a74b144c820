"""The whole studio as one file, and back: takes, bin, opinions, deeds, presets and settings that were learned.

A zip of the folders as they lie, with a manifest of SHA-256 sums written last, so that a cut-off archive is known as
such. Bringing one back adds what is not here and changes nothing that is. Models are not in it: they are downloaded
again. Knows nothing of pages.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import ValidationError

from audio import folders
from audio.folders import PART
from audio.io import written_whole
from studio.history import journal
from studio.history.opinions import Opinion
from studio.settings import VERSION, Settings
from studio.takes import Take

MANIFEST = "archive.json"
_VERSION = 1
_FOLDERS = ("takes", "bin", "presets", "adapters", "training", "sounds")
_FILES = ("opinions.jsonl", "deeds.jsonl", "defaults.json")
_BLOCK = 1 << 20
_PART = f"{PART}archive-"

Progress = Callable[[float], None]


class ArchiveError(Exception):
    """An archive cannot be made or brought back; the message is a sentence for the user."""


class ArchiveStopped(ArchiveError):
    """The user stopped it; nothing was left behind."""


@dataclass(frozen=True, slots=True)
class Brought:
    """What came back: takes new here, takes already here (left as they are), other files, opinions new here."""

    takes: tuple[str, ...]
    known: int
    files: int
    opinions: tuple[Opinion, ...]
    deeds: tuple[dict[str, Any], ...]


def archive(
    settings: Settings,
    path: Path,
    *,
    progress: Progress = lambda fraction: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Path:
    """Write everything into one zip at `path`, whole or not at all; an older archive there is replaced.

    Raises ArchiveError, ArchiveStopped.
    """
    if not path.parent.is_dir():
        raise ArchiveError(f"There is no folder {path.parent}: make it first, or name another.")
    if path.is_dir():
        raise ArchiveError(f"{path} is a folder: name a file in it, like {path / 'my-studio.zip'}.")
    if path.exists() and not _is_archive(path):
        raise ArchiveError(f"{path} is there already and is no archive: choose another name.")
    files = list(_files(settings.data_dir))
    total = sum(size for _, _, size in files) or 1
    done, sums = 0, {}
    try:
        if shutil.disk_usage(path.parent).free < total * 1.02:
            raise ArchiveError(f"The archive needs {total / 1e6:.0f} MB and there is less room in {path.parent}.")
        with written_whole(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_STORED, allowZip64=True) as bundle:
            for source, name, size in files:
                if cancelled():
                    raise ArchiveStopped("Stopped; no archive was made.")
                sums[name] = _add(bundle, source, name)
                done += size
                progress(done / total)
            said = {"version": _VERSION, "studio": VERSION, "made": datetime.now(UTC).isoformat(), "sha256": sums}
            bundle.writestr(MANIFEST, json.dumps(said))
    except OSError as error:
        raise ArchiveError(f"The archive could not be written: {error.strerror or error}.") from error
    return path


def bring_back(settings: Settings, path: Path, *, progress: Progress = lambda fraction: None) -> Brought:
    """Add what an archive holds and is not here. Everything is checked before anything is moved in.

    The caller takes in the opinions and lets the history find the takes. Raises ArchiveError; nothing is then changed.
    """
    try:
        with (
            zipfile.ZipFile(path) as bundle,
            tempfile.TemporaryDirectory(dir=settings.data_dir, prefix=_PART) as room,
        ):
            names = _checked_names(bundle)
            _unpack(bundle, names, Path(room), progress)
            return _move_in(settings, Path(room))
    except (zipfile.BadZipFile, EOFError) as error:
        raise ArchiveError(f"{path.name} is no archive of a studio, or it is damaged. Nothing was changed.") from error
    except OSError as error:
        raise ArchiveError(f"The archive could not be read: {error.strerror or error}. Nothing was changed.") from error


def sweep(data_dir: Path) -> None:
    """Remove what a killed bringing back left; the studio's lock sees to it that no other is at work."""
    folders.sweep(data_dir, _PART)


def _is_archive(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as bundle:
            return MANIFEST in bundle.namelist()
    except (zipfile.BadZipFile, OSError):
        return False


def _files(data_dir: Path) -> Iterator[tuple[Path, str, int]]:
    for name in _FILES:
        if (data_dir / name).is_file():
            yield data_dir / name, name, (data_dir / name).stat().st_size
    for folder in _FOLDERS:
        for source in sorted((data_dir / folder).rglob("*")):
            inside = source.relative_to(data_dir)
            if source.is_file() and not source.is_symlink() and not any(part.startswith(".") for part in inside.parts):
                yield source, inside.as_posix(), source.stat().st_size


def _add(bundle: zipfile.ZipFile, source: Path, name: str) -> str:
    said = hashlib.sha256()
    with source.open("rb") as file, bundle.open(zipfile.ZipInfo.from_file(source, name), "w") as inside:
        while block := file.read(_BLOCK):
            said.update(block)
            inside.write(block)
    return said.hexdigest()


def _checked_names(bundle: zipfile.ZipFile) -> dict[str, str]:
    """The archive's files and their sums; only names that stay inside the studio's own folders."""
    try:
        said = json.loads(bundle.read(MANIFEST))
        sums: dict[str, str] = said["sha256"]
        version = int(said["version"])
    except (KeyError, ValueError, TypeError) as error:
        raise ArchiveError(
            "The archive is not whole: it was cut off, or it is none of a studio. Nothing was changed."
        ) from error
    if version > _VERSION:
        raise ArchiveError("The archive was made by a newer MusicGen Studio. Update the studio to bring it back.")
    for name in sums:
        parts = PurePosixPath(name).parts
        inside = name in _FILES or (len(parts) > 1 and parts[0] in _FOLDERS)
        if not inside or any(part in ("", ".", "..") or "\\" in part or ":" in part for part in parts):
            raise ArchiveError(f"The archive holds “{name}”, which is no place of the studio's. Nothing was changed.")
    return sums


def _unpack(bundle: zipfile.ZipFile, sums: dict[str, str], room: Path, progress: Progress) -> None:
    total = sum(bundle.getinfo(name).file_size for name in sums) if sums else 0
    if shutil.disk_usage(room).free < total * 1.02 + 20_000_000:
        raise ArchiveError(f"Bringing it back needs {total / 1e6:.0f} MB; free some space first. Nothing was changed.")
    done = 0
    for name, expected in sums.items():
        target = room / name
        target.parent.mkdir(parents=True, exist_ok=True)
        said = hashlib.sha256()
        with bundle.open(name) as inside, target.open("wb") as file:
            while block := inside.read(_BLOCK):
                said.update(block)
                file.write(block)
                done += len(block)
                progress(done / max(1, total))
        if said.hexdigest() != expected:
            raise ArchiveError(f"“{name}” in the archive is damaged. Nothing was changed.")


def _move_in(settings: Settings, room: Path) -> Brought:
    """Whole folders of takes by one rename each; of the rest only files that are not here."""
    here = {
        folder.name for each in (settings.takes_dir, settings.bin_dir) if each.is_dir() for folder in each.iterdir()
    }
    places = {"takes": settings.takes_dir, "bin": settings.bin_dir}
    fresh, known, files = [], 0, 0
    for shelf, place in places.items():
        for folder in sorted((room / shelf).iterdir()) if (room / shelf).is_dir() else []:
            _readable_take(folder)
            if folder.name in here:
                known += 1
            else:
                fresh.append((folder, place / folder.name))
    for folder, target in fresh:
        target.parent.mkdir(parents=True, exist_ok=True)
        folder.rename(target)
    for shelf in _FOLDERS:
        if shelf not in places:
            files += _fill(room / shelf, settings.data_dir / shelf)
    if not (settings.data_dir / "defaults.json").exists() and (room / "defaults.json").exists():
        (room / "defaults.json").replace(settings.data_dir / "defaults.json")
    opinions = [Opinion.model_validate(record) for record in _readable(room / "opinions.jsonl")]
    deeds = journal.read(room / "deeds.jsonl")[0]
    return Brought(tuple(target.name for _, target in fresh), known, files, tuple(opinions), tuple(deeds))


def _readable_take(folder: Path) -> None:
    try:
        if Take.model_validate_json((folder / "take.json").read_text("utf-8")).id == folder.name:
            return
    except (OSError, ValidationError):
        pass
    raise ArchiveError(f"The take {folder.name} in the archive cannot be read. Nothing was changed.")


def _readable(path: Path) -> Iterator[dict[str, Any]]:
    for record in journal.read(path)[0]:
        try:
            Opinion.model_validate(record)
        except ValidationError:
            continue
        yield record


def _fill(source: Path, target: Path) -> int:
    """Move in the files that are not there yet; returns how many."""
    moved = 0
    for file in sorted(source.rglob("*")) if source.is_dir() else []:
        place = target / file.relative_to(source)
        if file.is_file() and not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            file.replace(place)
            moved += 1
    return moved
