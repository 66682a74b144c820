"""LoRA adapters: a shelf of them on disk, and a model that wears some and takes them off without a trace.

LoRA: Hu et al. 2021 (arXiv 2106.09685), in the files that PEFT writes (adapter_config.json and
adapter_model.safetensors). PEFT reads them and adds them into the weights, so that whatever plays the model afterwards
runs at full speed and knows nothing of adapters; to take them off, the touched weights are read again from the
checkpoint, or from a copy kept where the checkpoint's differ. Knows nothing of training.
"""

from __future__ import annotations

import json
import re
import shutil
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audio.folders import PART, remove_whole, sweep
from studio.engines.base import EngineError
from studio.engines.musicgen.checkpoint import file_sha256
from studio.engines.steering import AdapterUse

if TYPE_CHECKING:
    import torch

    from studio.engines.musicgen.load import Loaded

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
CARD = "studio.json"  # what an adapter trained here says of its data and its licence
MOST_WORN = 8
_ROOT = "base_model.model."
_NAME = re.compile(r"[\w][\w .\-]{0,79}")


@dataclass(frozen=True, slots=True)
class Adapter:
    """One adapter on the shelf. base_model: what it says it was trained on, or "". width: of the model it fits.

    card: what it says of its data and its licence; empty for one that was trained elsewhere.
    """

    name: str
    folder: Path
    base_model: str
    rank: int
    width: int
    size_bytes: int
    card: Mapping[str, Any] = field(default_factory=dict)


class Shelf:
    """The adapters in one folder, each in a folder of its own name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def adapters(self) -> list[Adapter]:
        """All that can be read, by name; what cannot be read is left lying and not listed."""
        found = []
        for folder in sorted(self._folder.iterdir()) if self._folder.is_dir() else []:
            if folder.is_dir() and not folder.name.startswith("."):
                try:
                    found.append(inspect_adapter(folder))
                except EngineError:
                    continue
        return found

    def adapter(self, name: str) -> Adapter:
        """One by its name; raises EngineError naming those there are."""
        folder = self._folder / name
        if not _NAME.fullmatch(name) or not folder.is_dir():
            known = ", ".join(adapter.name for adapter in self.adapters()) or "none yet: add one"
            raise EngineError(f"There is no adapter “{name}” on the shelf; there are: {known}.")
        return inspect_adapter(folder)

    def add(self, source: Path, *, name: str | None = None) -> Adapter:
        """Copy an adapter's folder onto the shelf, whole or not at all.

        Raises EngineError when it is none, or when another of that name is there.
        """
        found = inspect_adapter(source)
        chosen = name or source.resolve().name
        if not _NAME.fullmatch(chosen):
            raise EngineError(f"“{chosen}” cannot be an adapter's name: use letters, digits, spaces and hyphens.")
        place = self._folder / chosen
        if place.exists():
            raise EngineError(f"There is an adapter “{chosen}” already: give this one another name.")
        draft = self._folder / f"{PART}{uuid.uuid4().hex}"
        draft.mkdir(parents=True)
        try:
            for part in (CONFIG, WEIGHTS, CARD):
                if part != CARD or (found.folder / part).is_file():
                    shutil.copyfile(found.folder / part, draft / part)
            draft.replace(place)
        except OSError as error:
            raise EngineError(f"The adapter could not be copied ({error.strerror or error}): make room.") from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return inspect_adapter(place)

    def remove(self, name: str) -> None:
        """Take one off the shelf for good; raises EngineError when it is not there."""
        try:
            remove_whole(self.adapter(name).folder)
        except OSError as error:
            raise EngineError(
                f"“{name}” could not be removed ({error.strerror or error}): it is still there."
            ) from error

    def sweep(self) -> None:
        """Remove what a crash left half copied or half removed."""
        sweep(self._folder)


def inspect_adapter(folder: Path) -> Adapter:
    """Read what an adapter's folder says of itself; raises EngineError when it is not a LoRA in PEFT's files."""
    again = "choose the folder that PEFT wrote, with adapter_config.json and adapter_model.safetensors"
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        kind, rank = str(config["peft_type"]), int(config["r"])
        shapes = _shapes(folder / WEIGHTS)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EngineError(f"“{folder.name}” is not an adapter that can be read: {again}.") from error
    if kind != "LORA":
        raise EngineError(f"“{folder.name}” is an adapter of the kind {kind}, and only LoRA can be worn.")
    widths = [shape[1] for name, shape in shapes.items() if "_proj.lora_A" in name]
    return Adapter(
        name=folder.name,
        folder=folder,
        base_model=str(config.get("base_model_name_or_path") or ""),
        rank=rank,
        width=max(widths, default=0),
        size_bytes=(folder / WEIGHTS).stat().st_size,
        card=_card(folder),
    )


def _card(folder: Path) -> dict[str, Any]:
    """The card's licence and data, as takes keep them."""
    try:
        written = json.loads((folder / CARD).read_text(encoding="utf-8"))
        return {key: written[key] for key in ("licence", "data") if key in written}
    except (OSError, ValueError, TypeError):
        return {}


class Wardrobe:
    """What one loaded model wears. Make a new one for every load."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._worn: tuple[tuple[str, float], ...] = ()  # each adapter's hash and strength
        self._touched: list[str] = []  # names of changed weights
        self._copies: dict[str, torch.Tensor] = {}  # those that the checkpoint cannot give back
        self.identity: list[dict[str, Any]] = []

    def wear(self, uses: Sequence[AdapterUse], shelf: Shelf) -> bool:
        """Change into these adapters and no others; True when the weights changed, so that what was made of them is old.

        An adapter of strength 0 is not worn. Raises EngineError when one is not there, or was trained on a model of
        another size; the model then wears what it wore, or nothing if PEFT itself gave up half way.
        """
        if len(uses) > MOST_WORN:
            raise EngineError(f"{len(uses)} adapters are too many at once: wear {MOST_WORN} or fewer.")
        chosen = [(shelf.adapter(use.name), use.strength) for use in uses if use.strength > 0]
        if len({adapter.name for adapter, _ in chosen}) < len(chosen):
            raise EngineError("An adapter is worn twice: name it once, with the strength it should have.")
        hashes = [file_sha256(adapter.folder / WEIGHTS) for adapter, _ in chosen]
        wanted = tuple((sha256, strength) for sha256, (_, strength) in zip(hashes, chosen, strict=True))
        if wanted == self._worn:
            return False
        for adapter, _ in chosen:
            _check_fit(adapter, self._loaded.model)
        self._take_off()
        if chosen:
            self._put_on(chosen)
        self._worn = wanted
        self.identity = [
            {"name": adapter.name, "strength": strength, "sha256": sha256, **adapter.card}
            for (adapter, strength), sha256 in zip(chosen, hashes, strict=True)
        ]
        return True

    def _put_on(self, chosen: list[tuple[Adapter, float]]) -> None:
        model = self._loaded.model
        weights = dict(model.named_parameters())
        self._touched = sorted({name for adapter, _ in chosen for name in _targets(_shapes(adapter.folder / WEIGHTS))})
        kept = _from_checkpoint(self._loaded, self._touched)
        for name in self._touched:
            weight = weights[name].detach()
            stored = kept.get(name)
            if stored is None or stored.shape != weight.shape or not _same(stored, weight):
                self._copies[name] = weight.cpu().clone()
        try:
            _merge(model, chosen)
        except BaseException:
            self._take_off()
            raise

    def _take_off(self) -> None:
        """Write the touched weights as they were, to the bit."""
        import torch

        if not self._touched:
            return
        weights = dict(self._loaded.model.named_parameters())
        stored = _from_checkpoint(self._loaded, [name for name in self._touched if name not in self._copies])
        with torch.no_grad():
            for name in self._touched:
                weights[name].copy_(self._copies[name] if name in self._copies else stored[name])
        self._touched, self._copies, self._worn, self.identity = [], {}, (), []


def _merge(model: Any, chosen: list[tuple[Adapter, float]]) -> None:
    """Let PEFT add each adapter, times its strength, into the weights, and leave nothing of its own behind."""
    from peft import LoraConfig, PeftModel

    for number, (adapter, strength) in enumerate(chosen):
        label, root = f"worn{number}", _root(adapter, model)
        config = LoraConfig.from_pretrained(str(adapter.folder))
        config.task_type, config.inference_mode = None, True
        try:
            dressed = PeftModel.from_pretrained(
                root, str(adapter.folder), adapter_name=label, config=config, local_files_only=True
            )
        except (ValueError, RuntimeError, KeyError, TypeError) as error:
            raise EngineError(f"The adapter “{adapter.name}” cannot be worn ({_short(error)}).") from error
        layers: list[Any] = [module for module in dressed.modules() if hasattr(module, "set_scale")]
        for layer in layers:
            layer.set_scale(label, strength)
        dressed.merge_and_unload(adapter_names=[label])
        for trace in ("peft_config", "_hf_peft_config_loaded"):
            root.__dict__.pop(trace, None)


def _root(adapter: Adapter, model: Any) -> Any:
    """Where the adapter hangs: on the whole model, or on its decoder, as its names tell."""
    return model if next(iter(_shapes(adapter.folder / WEIGHTS))).startswith(f"{_ROOT}decoder.") else model.decoder


def _targets(shapes: Iterable[str]) -> set[str]:
    """The names, in the whole model, of the weights that an adapter of such weights changes."""
    names = [name.removeprefix(_ROOT).split(".lora_")[0] for name in shapes if ".lora_" in name]
    return {f"{name if name.startswith('decoder.') else f'decoder.{name}'}.weight" for name in names}


def _check_fit(adapter: Adapter, model: Any) -> None:
    """Raise EngineError unless each of the adapter's weights has its place, of its size, in the model."""
    shapes = _shapes(adapter.folder / WEIGHTS)
    weights = {name: tuple(weight.shape) for name, weight in model.named_parameters()}
    width = model.config.decoder.hidden_size
    made_for = f" It was trained on {Path(adapter.base_model).name}." if adapter.base_model else ""
    if not shapes or any(".lora_" not in name for name in shapes):
        raise EngineError(f"The adapter “{adapter.name}” changes more than LoRA's weights and cannot be worn.")
    on_whole = _root(adapter, model) is model
    for name in _targets(shapes):
        inner = name if on_whole else name.removeprefix("decoder.")
        stem = f"{_ROOT}{inner.removesuffix('.weight')}.lora_"
        there = weights.get(name)
        fits = (shapes.get(f"{stem}B.weight", (0,))[0], shapes.get(f"{stem}A.weight", (0, 0))[-1])
        if there is None or fits != there:
            raise EngineError(
                f"The adapter “{adapter.name}” is for a model of another size ({adapter.width} wide, this one "
                f"{width}): choose the model it was trained on.{made_for}"
            )


def _from_checkpoint(loaded: Loaded, names: Iterable[str]) -> dict[str, torch.Tensor]:
    """Those of the weights that lie in the checkpoint's safetensors files under their own names, as loaded."""
    from safetensors import safe_open

    wanted = set(names)
    found: dict[str, torch.Tensor] = {}
    dtypes = {name: weight.dtype for name, weight in loaded.model.named_parameters() if name in wanted}
    with ExitStack() as files:
        for path in loaded.checkpoint.weight_files:
            if path.suffix == ".safetensors":
                file = files.enter_context(safe_open(path, framework="pt"))
                for name in wanted.intersection(file.keys()):
                    found[name] = file.get_tensor(name).to(dtypes[name])
    return found


def _same(stored: torch.Tensor, weight: torch.Tensor) -> bool:
    import torch

    return torch.equal(stored, weight.cpu())


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The names and shapes in a safetensors file, from its header; raises ValueError or OSError."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(str(error)) from error


def _short(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
