"""Real Demucs checkpoints of a few hundred kilobytes, random weights, in the two formats Demucs itself writes.

The hub's: a bag's list in YAML, and safetensors that carry class and arguments. The older one: `.th` packages with a
checksum in their name.
"""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

FOUR = ("drums", "bass", "other", "vocals")
SIX = (*FOUR, "guitar", "piano")
SIGNATURES = {
    "htdemucs": ("955717e8",),
    "htdemucs_ft": ("f7e0c4bc", "d12395a8", "92cfc3b6", "04573f0d"),
    "htdemucs_6s": ("5c90dfd2",),
}


def tiny_model(seed: int, *, sources: tuple[str, ...] = FOUR, segment: Fraction = Fraction(2)) -> Any:
    """Demucs' own class, its layers as thin as they go."""
    import torch
    from demucs.htdemucs import HTDemucs

    torch.manual_seed(seed)
    return HTDemucs(
        list(sources), channels=4, depth=4, nfft=4096, t_layers=1, t_heads=2, t_hidden_scale=1.0, bottom_channels=16,
        dconv_depth=1, dconv_comp=4, samplerate=44_100, segment=segment,
    )  # fmt: skip


def write_demucs(
    folder: Path, name: str = "htdemucs", *, packed: bool = False, segment: Fraction = Fraction(2)
) -> Path:
    """A model's folder as it lies after a download; packed: as `.th` files instead."""
    import yaml

    folder.mkdir(parents=True, exist_ok=True)
    signatures = SIGNATURES[name]
    for seed, signature in enumerate(signatures):
        model = tiny_model(seed, sources=SIX if name.endswith("6s") else FOUR, segment=segment)
        (_pack if packed else _write_safetensors)(model, folder, signature)
    bag: dict[str, Any] = {"models": list(signatures)}
    if len(signatures) > 1:
        bag["weights"] = [[float(row == column) for column in range(4)] for row in range(4)]
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(bag), encoding="utf-8")
    return folder


def write_model(folder: Path, model: Any) -> Path:
    """Any Demucs as htdemucs' folder after a download."""
    folder.mkdir(parents=True, exist_ok=True)
    (signature,) = SIGNATURES["htdemucs"]
    _write_safetensors(model, folder, signature)
    (folder / "htdemucs.yaml").write_text(f"models: ['{signature}']\n", encoding="utf-8")
    return folder


def _write_safetensors(model: Any, folder: Path, signature: str) -> None:
    from safetensors.torch import save_file

    def plain(value: Any) -> Any:
        if isinstance(value, Fraction):
            return {"_type": "fraction", "numerator": value.numerator, "denominator": value.denominator}
        return str(value)

    args, kwargs = model._init_args_kwargs
    tensors = {key: value.half().contiguous() for key, value in model.state_dict().items()}
    told = {"klass": "demucs.htdemucs.HTDemucs", "args": json.dumps(args), "kwargs": json.dumps(kwargs, default=plain)}
    save_file(tensors, folder / f"{signature}.safetensors", metadata=told)


def _pack(model: Any, folder: Path, signature: str) -> None:
    from demucs.states import get_state, save_with_checksum

    args, kwargs = model._init_args_kwargs
    package = {
        "klass": type(model), "args": args, "kwargs": kwargs, "state": get_state(model, None, half=True),
        "training_args": {},
    }  # fmt: skip
    save_with_checksum(package, folder / f"{signature}.th")
