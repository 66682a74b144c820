"""What lies in a checkpoint's folder: read from the files' headers, without loading the model.

Knows the layout in which transformers stores MusicGen. Knows nothing of torch, devices or downloads.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from studio.engines.base import EngineError, ModelMissing

MODEL_TYPES = ("musicgen", "musicgen_melody")
TOKENIZER_FILES = ("tokenizer.json", "spiece.model")
HASHES_FILE = ".weights-sha256.json"
AGAIN = "delete the model and download it again"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A whole checkpoint on disk.

    parameters: numbers in the weights, all three sub-models. layers, width: of the decoder. codebooks: 4, or 8 in
    stereo. weight_files: the safetensors files (or older .bin ones) in the order in which they are hashed.
    """

    folder: Path
    model_type: str
    channels: int
    codebooks: int
    codes: int
    sample_rate_hz: int
    parameters: int
    layers: int
    width: int
    weight_files: tuple[Path, ...]


def inspect(folder: Path) -> Checkpoint:
    """Read a folder's config and weight headers.

    Raises ModelMissing when files are absent or cut short, EngineError when the folder holds another kind of model.
    """
    if not folder.is_dir():
        raise ModelMissing(
            f"The model folder “{folder.name}” does not exist: download the model or choose another one."
        )
    config = _read_json(folder / "config.json")
    model_type = config.get("model_type")
    if model_type not in MODEL_TYPES:
        raise EngineError(
            f"The folder “{folder.name}” holds a model of the kind “{model_type}”, not MusicGen: "
            "choose a folder with a MusicGen model."
        )
    weights = _weight_files(folder)
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise ModelMissing(f"The tokenizer is missing from “{folder.name}”: {AGAIN}.")
    decoder, codec = config.get("decoder") or {}, config.get("audio_encoder") or {}
    return Checkpoint(
        folder=folder,
        model_type=model_type,
        channels=int(decoder.get("audio_channels", 1)),
        codebooks=int(decoder.get("num_codebooks", 4)),
        codes=int(decoder.get("vocab_size", 2048)),
        sample_rate_hz=int(codec.get("sampling_rate", 32_000)),
        parameters=sum(_count_parameters(path) for path in weights),
        layers=int(decoder.get("num_hidden_layers", 24)),
        width=int(decoder.get("hidden_size", 1024)),
        weight_files=weights,
    )


def weights_sha256(checkpoint: Checkpoint) -> str:
    """The weights' SHA-256: of the one file, or of the files' own sums in their order.

    Sums are kept beside the weights under their size and time of change, so that gigabytes are read once.
    """
    known = _known_hashes(checkpoint.folder)
    sums = []
    for path in checkpoint.weight_files:
        stamp = _stamp(path)
        entry = known.get(path.name)
        if not entry or entry.get("stamp") != stamp:
            known[path.name] = entry = {"stamp": stamp, "sha256": file_sha256(path)}
        sums.append(str(entry["sha256"]))
    _keep_hashes(checkpoint.folder, known)
    return sums[0] if len(sums) == 1 else hashlib.sha256("\n".join(sums).encode()).hexdigest()


def remember_sha256(folder: Path, sums: dict[str, str]) -> None:
    """Keep sums that are known already, by file name, so that the files need not be read for them."""
    fresh = {name: {"stamp": _stamp(folder / name), "sha256": sha256} for name, sha256 in sums.items()}
    _keep_hashes(folder, _known_hashes(folder) | fresh)


def file_sha256(path: Path) -> str:
    """A file's SHA-256, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelMissing(f"{path.name} is missing from “{path.parent.name}”: {AGAIN}.") from None
    except (ValueError, OSError):
        raise ModelMissing(f"{path.name} in “{path.parent.name}” cannot be read: {AGAIN}.") from None
    if not isinstance(content, dict):
        raise ModelMissing(f"{path.name} in “{path.parent.name}” is not what it should be: {AGAIN}.")
    return content


def _weight_files(folder: Path) -> tuple[Path, ...]:
    """One file, or the shards an index names; safetensors before the older .bin, as transformers chooses."""
    for whole, index in (
        ("model.safetensors", "model.safetensors.index.json"),
        ("pytorch_model.bin", "pytorch_model.bin.index.json"),
    ):
        if (folder / whole).is_file():
            return (folder / whole,)
        if (folder / index).is_file():
            shards = sorted(
                {Path(str(name)).name for name in _read_json(folder / index).get("weight_map", {}).values()}
            )
            missing = [name for name in shards if not (folder / name).is_file()]
            if missing or not shards:
                raise ModelMissing(f"{len(missing)} weight files are missing from “{folder.name}”: {AGAIN}.")
            return tuple(folder / name for name in shards)
    raise ModelMissing(f"The weights are missing from “{folder.name}”: {AGAIN}.")


def _count_parameters(path: Path) -> int:
    """How many numbers a weight file holds; raises ModelMissing when it is cut short."""
    cut_short = ModelMissing(f"{path.name} in “{path.parent.name}” is cut short or damaged: {AGAIN}.")
    size = path.stat().st_size
    if path.suffix == ".bin":
        # A .bin is a zip archive, whose table of contents comes last: a cut one is no zip.
        if not zipfile.is_zipfile(path):
            raise cut_short
        return size // 4
    try:
        with path.open("rb") as file:
            header_size = int.from_bytes(file.read(8), "little")
            if not 0 < header_size <= size - 8:
                raise cut_short
            header = json.loads(file.read(header_size))
        tensors = [entry for name, entry in header.items() if name != "__metadata__"]
        end = max((entry["data_offsets"][1] for entry in tensors), default=0)
        parameters = sum(prod(entry["shape"]) for entry in tensors)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise cut_short from None
    if size != 8 + header_size + end:
        raise cut_short
    return int(parameters)


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _known_hashes(folder: Path) -> dict[str, Any]:
    try:
        known = json.loads((folder / HASHES_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _keep_hashes(folder: Path, known: dict[str, Any]) -> None:
    """Write the sums beside the weights; a folder one may only read is hashed anew each time."""
    draft = folder / f"{HASHES_FILE}.{os.getpid()}"
    try:
        draft.write_text(json.dumps(known, indent=1), encoding="utf-8")
        draft.replace(folder / HASHES_FILE)
    except OSError:
        draft.unlink(missing_ok=True)
