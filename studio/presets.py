"""Presets: briefs worth starting from, shipped with the studio or saved by the user, one JSON file each.

A file with something wrong in it is named with what is wrong, and the others still load. Knows nothing of the page.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import time
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_serializer, field_validator

from agents.harmony import Key, Meter
from agents.revision import make_brief, sentence_for
from agents.types import MAX_SECONDS, MAX_TEMPO_BPM, MIN_SECONDS, MIN_TEMPO_BPM, Brief, Line, Name
from studio.engines.base import Sampling

SHIPPED_DIR = Path(__file__).resolve().parent.parent / "presets"
MAX_FILE_BYTES = 64_000
_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_RESERVED = re.compile(r"con|prn|aux|nul|com\d|lpt\d")  # names Windows keeps for devices


class PresetError(ValueError):
    """A preset cannot be read, kept or deleted; the message names the file and what is wrong with it."""


class Preset(BaseModel):
    """A named brief, perhaps with an engine and how to draw from it.

    key and meter are written as people write them ("F# minor", "3/4"). id and is_shipped come from where the file
    lies and are not in it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    description: Line = ""
    words: Line
    seconds: float | None = Field(default=None, ge=MIN_SECONDS, le=MAX_SECONDS)
    tempo_bpm: float | None = Field(default=None, ge=MIN_TEMPO_BPM, le=MAX_TEMPO_BPM)
    key: Key | None = None
    meter: Meter | None = None
    negative_words: Line = ""
    engine: Name | None = None
    sampling: Sampling | None = None
    id: str = Field(default="", exclude=True)
    is_shipped: bool = Field(default=False, exclude=True)

    @field_validator("key", mode="before")
    @classmethod
    def _read_key(cls, value: Any) -> Any:
        return Key.parse(value) if isinstance(value, str) else value

    @field_validator("meter", mode="before")
    @classmethod
    def _read_meter(cls, value: Any) -> Any:
        return Meter.parse(value) if isinstance(value, str) else value

    @field_serializer("key", "meter")
    def _write_name(self, value: Key | Meter | None) -> str | None:
        return None if value is None else value.name

    def brief(self) -> Brief:
        """The brief this preset stands for; raises BriefError."""
        return make_brief(
            words=self.words,
            seconds=self.seconds,
            tempo_bpm=self.tempo_bpm,
            key=self.key,
            meter=self.meter,
            negative_words=self.negative_words,
        )


@dataclass(frozen=True, slots=True)
class Listing:
    """The presets that could be read, the user's own first, and a sentence for each file that could not."""

    presets: tuple[Preset, ...]
    problems: tuple[str, ...] = ()


def list_presets(own_dir: Path, *, shipped_dir: Path = SHIPPED_DIR) -> Listing:
    """Every preset, the user's own before the shipped ones, each by name."""
    presets: dict[str, Preset] = {}
    problems: list[str] = []
    for folder, is_shipped in ((own_dir, False), (shipped_dir, True)):
        found: list[Preset] = []
        for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
            try:
                found.append(_read(path, is_shipped=is_shipped))
            except PresetError as wrong:
                problems.append(str(wrong))
        for preset in sorted(found, key=lambda one: one.name.casefold()):
            presets.setdefault(preset.id, preset)
    return Listing(tuple(presets.values()), tuple(problems))


def load_preset(preset_id: str, own_dir: Path, *, shipped_dir: Path = SHIPPED_DIR) -> Preset:
    """One preset by its id; raises PresetError when there is none or its file is wrong."""
    for folder, is_shipped in ((own_dir, False), (shipped_dir, True)):
        path = folder / f"{_checked_id(preset_id)}.json"
        if path.is_file():
            return _read(path, is_shipped=is_shipped)
    raise PresetError(f"There is no preset “{preset_id}” any more; choose another.")


def save_preset(preset: Preset, own_dir: Path, *, shipped_dir: Path = SHIPPED_DIR) -> Preset:
    """Keep a preset among the user's own and answer with it, its id filled in.

    The user's earlier preset of the same name is replaced (the old file goes to the folder's bin); a shipped preset
    or one of another name never is. Written beside its place and moved in.
    """
    if not preset.words.strip():
        raise PresetError("A preset needs some words; describe the music first.")
    path = _free_path(preset, own_dir, shipped_dir)
    text = json.dumps(
        preset.model_dump(mode="json", exclude_none=True, exclude_defaults=True), ensure_ascii=False, indent=2
    )
    try:
        own_dir.mkdir(parents=True, exist_ok=True)
        if path.exists():
            _to_bin(path)
        handle, written = tempfile.mkstemp(prefix=".", suffix=".part", dir=own_dir)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text + "\n")
                file.flush()
                os.fsync(file.fileno())
            Path(written).replace(path)
        finally:
            Path(written).unlink(missing_ok=True)
    except OSError as wrong:
        raise PresetError(f"The preset could not be written to {own_dir}: {wrong.strerror or wrong}.") from wrong
    return preset.model_copy(update={"id": path.stem, "is_shipped": False})


def delete_preset(preset_id: str, own_dir: Path, *, shipped_dir: Path = SHIPPED_DIR) -> None:
    """Move one of the user's own presets to the folder's bin; raises PresetError for a shipped or unknown one."""
    path = own_dir / f"{_checked_id(preset_id)}.json"
    if path.is_file():
        try:
            _to_bin(path)
        except OSError as wrong:
            raise PresetError(f"{path.name} could not be deleted: {wrong.strerror or wrong}.") from wrong
        return
    if (shipped_dir / path.name).is_file():
        raise PresetError("This preset comes with the studio and stays; only your own can be deleted.")
    raise PresetError(f"There is no preset “{preset_id}” any more.")


def slug(name: str) -> str:
    """A file name for a preset's name that every file system takes: "Café Nights!" is "cafe-nights"."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    plain = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60].strip("-") or "preset"
    return f"preset-{plain}" if _RESERVED.fullmatch(plain) else plain


def _free_path(preset: Preset, own_dir: Path, shipped_dir: Path) -> Path:
    stem, count = slug(preset.name), 1
    while True:
        path = own_dir / f"{stem if count == 1 else f'{stem}-{count}'}.json"
        if not (shipped_dir / path.name).exists() and (not path.exists() or _name_in(path) == preset.name):
            return path
        count += 1


def _name_in(path: Path) -> str | None:
    try:
        return _read(path, is_shipped=False).name
    except PresetError:
        return None


def _to_bin(path: Path) -> None:
    kept = path.parent / ".bin"
    kept.mkdir(exist_ok=True)
    path.replace(kept / f"{path.stem}.{time.time_ns()}.json")


def _checked_id(preset_id: str) -> str:
    if not _ID.fullmatch(preset_id):
        raise PresetError(f"“{preset_id[:80]}” is not the name of a preset.")
    return preset_id


def _read(path: Path, *, is_shipped: bool) -> Preset:
    """One file; raises PresetError naming it and the field that is wrong."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise PresetError(f"The preset file {path.name} is too large to be one.")
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as wrong:
        raise PresetError(f"The preset file {path.name} cannot be opened.") from wrong
    except (ValueError, RecursionError) as wrong:
        raise PresetError(f"The preset file {path.name} is not valid JSON ({wrong}).") from wrong
    if not isinstance(value, dict):
        raise PresetError(f"The preset file {path.name} should hold named values, like name and words.")
    if private := {"id", "is_shipped"} & value.keys():
        raise PresetError(f"The preset file {path.name}: there is no setting called “{private.pop()}”.")
    try:
        preset = Preset.model_validate({**value, "id": path.stem, "is_shipped": is_shipped})
    except ValidationError as wrong:
        error = wrong.errors()[0]
        field = ".".join(str(part) for part in error["loc"]) or "the file"
        raise PresetError(f"The preset file {path.name}: “{field}” is wrong. {sentence_for(error)}") from wrong
    if not preset.words.strip():
        raise PresetError(f"The preset file {path.name}: “words” is empty; it should describe the music.")
    return preset
