"""Effect chains worth starting from: those shipped in `presets/effects/` and the user's own, one JSON file each.

A file with something wrong in it is named with what is wrong, and the others still load. Knows nothing of the page or
of how a chain is played.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agents.types import Line, Name
from audio.effects import Chain, Effect
from audio.io import written_whole
from studio.presets import MAX_FILE_BYTES, SHIPPED_DIR, PresetError, slug

Suits = Literal["any", "bass", "drums", "lead", "keys", "pad", "guitar", "mix"]


class EffectPreset(BaseModel):
    """A named chain. suits: the kind of part it was made for. id and is_shipped come from where the file lies."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    description: Line = ""
    suits: Suits = "any"
    effects: tuple[Effect, ...] = Field(min_length=1, max_length=24)
    id: str = Field(default="", exclude=True)
    is_shipped: bool = Field(default=False, exclude=True)

    @property
    def chain(self) -> Chain:
        return Chain(effects=self.effects)


@dataclass(frozen=True, slots=True)
class EffectListing:
    """The presets that could be read, the user's own first, and a sentence for each file that could not."""

    presets: tuple[EffectPreset, ...]
    problems: tuple[str, ...] = ()


def list_effect_presets(own_dir: Path, *, shipped_dir: Path = SHIPPED_DIR / "effects") -> EffectListing:
    """Every effect preset, the user's own before the shipped ones, each by name."""
    presets: dict[str, EffectPreset] = {}
    problems: list[str] = []
    for folder, is_shipped in ((own_dir, False), (shipped_dir, True)):
        found = []
        for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
            try:
                found.append(_read(path, is_shipped=is_shipped))
            except PresetError as wrong:
                problems.append(str(wrong))
        for preset in sorted(found, key=lambda one: one.name.casefold()):
            presets.setdefault(preset.id, preset)
    return EffectListing(tuple(presets.values()), tuple(problems))


def load_effect_preset(preset_id: str, own_dir: Path) -> EffectPreset:
    """One preset by its id, the user's own before the shipped; raises PresetError."""
    for preset in list_effect_presets(own_dir).presets:
        if preset.id == preset_id:
            return preset
    raise PresetError(f"There is no effect preset “{preset_id[:80]}”; choose another.")


def save_effect_preset(
    name: str, chain: Chain, own_dir: Path, *, description: str = "", suits: Suits = "any"
) -> EffectPreset:
    """Keep a chain among the user's own; one of the same name is replaced. Raises PresetError.

    A chain with a plug-in of this machine's is kept too: it is this user's file.
    """
    try:
        preset = EffectPreset(name=name, description=description, suits=suits, effects=chain.effects)
    except ValidationError as wrong:
        raise PresetError("An effect preset needs a name of up to 80 letters and at least one effect.") from wrong
    path = own_dir / f"{slug(name)}.json"
    try:
        own_dir.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as part:
            part.write_text(preset.model_dump_json(indent=2) + "\n", encoding="utf-8")
    except OSError as wrong:
        raise PresetError(f"The preset could not be written to {own_dir}: {wrong.strerror or wrong}.") from wrong
    return preset.model_copy(update={"id": path.stem})


def _read(path: Path, *, is_shipped: bool) -> EffectPreset:
    """One file; raises PresetError naming it and the field that is wrong."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise PresetError(f"The effect preset {path.name} is too large to be one.")
        value = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(value, dict) or {"id", "is_shipped"} & value.keys():
            raise PresetError(f"The effect preset {path.name} should hold a name and effects.")
        return EffectPreset.model_validate({**value, "id": path.stem, "is_shipped": is_shipped})
    except ValidationError as wrong:
        error = wrong.errors()[0]
        field = ".".join(str(part) for part in error["loc"])
        raise PresetError(f"The effect preset {path.name}: “{field}” is wrong ({error['msg'].lower()}).") from wrong
    except (OSError, ValueError, RecursionError) as wrong:
        raise PresetError(f"The effect preset {path.name} cannot be read ({wrong}).") from wrong
