"""A training run's settings: one value, one YAML file, and presets for the memory one has.

Defaults are those people report good adapters with: rank 16, learning rate 2e-4 with a cosine after a warm-up, words
left out of a fifth of the steps (classifier-free guidance, Ho & Salimans 2022). Knows nothing of data or of torch.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from audio.io import written_whole
from studio.training.errors import RunError

CONFIG_FILE = "config.yaml"
TARGETS = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")
NAME = re.compile(r"[\w][\w .\-]{0,59}")
Precision = Literal["auto", "fp32", "bf16", "fp16"]


class Lora(BaseModel):
    """What is trained: low-rank additions to these layers of the decoder (Hu et al. 2021).

    alpha: the additions weigh alpha / rank. dora: also learn each weight's length (DoRA, Liu et al. 2024).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rank: int = Field(default=16, ge=1, le=256)
    alpha: int = Field(default=16, ge=1, le=512)
    dropout: float = Field(default=0.05, ge=0.0, lt=1.0)
    dora: bool = False
    targets: tuple[str, ...] = TARGETS

    @field_validator("targets")
    @classmethod
    def _known(cls, targets: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(targets) - set(TARGETS))
        if unknown or not targets:
            raise ValueError(f"targets are some of {', '.join(TARGETS)}, not {', '.join(unknown) or 'none'}")
        return targets


class Samples(BaseModel):
    """What is played along the way: the same prompts under the same seed, so that steps can be compared by ear."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompts: tuple[str, ...] = ()
    every: int = Field(default=100, ge=1)
    seconds: float = Field(default=10.0, gt=0.0, le=30.0)
    seed: int = Field(default=0, ge=0, le=2**32 - 1)
    guidance: float = Field(default=3.0, ge=1.0, le=15.0)


class RunConfig(BaseModel):
    """Everything that decides a run; the same config on the same machine gives the same curve.

    model: the checkpoint's folder. model_name: what it is called in the catalogue, kept in the adapter. data_set: the
    folder with manifest.jsonl. batch: segments at once on one device; accumulate: batches before a step. word_dropout:
    the share of segments trained without their words. ema: how much of the running mean of weights each step keeps, 0
    off. precision: "auto" is the device's quickest that learns as well (devices.py). keep: checkpoints kept, besides the best. threads: of the CPU, 0 for torch's own choice.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    name: str
    model: Path
    data_set: Path
    model_name: str = ""
    lora: Lora = Lora()
    steps: int = Field(default=500, ge=1, le=1_000_000)
    batch: int = Field(default=1, ge=1, le=64)
    accumulate: int = Field(default=8, ge=1, le=256)
    segment_seconds: float = Field(default=30.0, ge=1.0, le=30.0)
    learning_rate: float = Field(default=2e-4, gt=0.0, le=0.1)
    warmup_steps: int = Field(default=20, ge=0)
    weight_decay: float = Field(default=0.01, ge=0.0, le=1.0)
    clip_norm: float = Field(default=1.0, gt=0.0)
    word_dropout: float = Field(default=0.2, ge=0.0, le=1.0)
    precision: Precision = "auto"
    gradient_checkpointing: bool = True
    ema: float = Field(default=0.0, ge=0.0, lt=1.0)
    held_out_every: int = Field(default=25, ge=1)
    checkpoint_every: int = Field(default=50, ge=1)
    keep: int = Field(default=3, ge=1, le=100)
    samples: Samples = Samples()
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    threads: int = Field(default=0, ge=0, le=512)
    seed: int = Field(default=0, ge=0, le=2**31 - 1)

    @field_validator("name")
    @classmethod
    def _plain(cls, name: str) -> str:
        if not NAME.fullmatch(name):
            raise ValueError("a name is letters, digits, spaces and hyphens, 60 at most")
        return name

    def learning_rate_at(self, step: int) -> float:
        """The rate of a step, from 0: rising straight over the warm-up, then half a cosine down to a tenth."""
        import math

        warmup = min(self.warmup_steps, self.steps // 2)
        if step < warmup:
            return self.learning_rate * (step + 1) / warmup
        done = (step - warmup) / max(1, self.steps - warmup)
        return self.learning_rate * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))

    def changed(self, **changes: Any) -> RunConfig:
        """Another config with these fields; raises RunError for a value out of range."""
        return _checked({**self.model_dump(), **changes})


# What fits in so many gigabytes of a graphics card's memory, after `estimate`; the CPU has time rather than memory.
PRESETS: dict[str, dict[str, Any]] = {
    "8 GB": {"batch": 1, "accumulate": 8, "gradient_checkpointing": True, "lora": {"rank": 8, "alpha": 8}},
    "12 GB": {"batch": 1, "accumulate": 8, "gradient_checkpointing": True, "lora": {"rank": 16, "alpha": 16}},
    "16 GB": {"batch": 2, "accumulate": 4, "gradient_checkpointing": True, "lora": {"rank": 16, "alpha": 16}},
    "24 GB": {"batch": 4, "accumulate": 2, "gradient_checkpointing": True, "lora": {"rank": 32, "alpha": 32}},
    "CPU": {
        "batch": 1, "accumulate": 2, "segment_seconds": 10.0, "gradient_checkpointing": False, "device": "cpu",
        "steps": 100, "warmup_steps": 10, "lora": {"rank": 8, "alpha": 8},
    },
}  # fmt: skip


def from_preset(preset: str, **fields: Any) -> RunConfig:
    """A config for so much memory, with fields of one's own over it; raises RunError."""
    if preset not in PRESETS:
        raise RunError(f"There is no preset “{preset}”: choose one of {', '.join(PRESETS)}.")
    return _checked({**PRESETS[preset], **fields})


def read_config(path: Path) -> RunConfig:
    """A run's YAML file; raises RunError naming what is wrong in it."""
    import yaml

    try:
        written = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        detail = (str(error).splitlines() or [""])[0]
        raise RunError(f"“{path.name}” cannot be read as YAML ({detail}): write it anew from the page.") from error
    if not isinstance(written, dict):
        raise RunError(f"“{path.name}” holds no settings: write it anew from the page.")
    return _checked(written)


def write_config(path: Path, config: RunConfig) -> Path:
    """Write it, whole or not at all."""
    import yaml

    with written_whole(path) as part:
        part.write_text(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True), "utf-8")
    return path


def _checked(fields: dict[str, Any]) -> RunConfig:
    try:
        return RunConfig.model_validate(fields)
    except ValidationError as wrong:
        first = wrong.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the settings"
        said = first["msg"].removeprefix("Value error, ")
        raise RunError(f"The run’s setting “{place}” will not do: {said}.") from wrong
