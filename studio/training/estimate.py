"""What a run will need of a machine before it starts: memory from the shapes, time from a trial or from arithmetic.

Memory is the sum of what must be held at once: the base's weights, the adapters with their gradients and Adam's two
moments, what a step keeps for its gradient, and the logits. Time is a trial's (trial.py) on this machine; for one that is
not here, the steps' arithmetic over what it does a second. benchmarks/training_estimate.py says how far off both are.
Knows nothing of runs or of pages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from studio.engines.musicgen.checkpoint import Checkpoint, inspect
from studio.training.config import PRESETS, RunConfig
from studio.training.devices import precision_on
from studio.training.trial import Trial

NUMBER_BYTES = {"fp32": 4, "bf16": 2, "fp16": 2}
RUNNING_BYTES = {"cpu": 450_000_000, "mps": 700_000_000, "cuda": 900_000_000}  # torch itself and its libraries
PREPARING_BYTES = 700_000_000  # T5-base and EnCodec in float32, there only before the first step
TEXT_TOKENS = 32
EFFICIENCY = 0.5  # of a plain product's speed that a whole step reaches
_GUARD = 1.15


@dataclass(frozen=True, slots=True)
class Estimate:
    """memory_bytes: at the peak. seconds: of all steps, and with a trial of looks and samples too. parts: of the memory."""

    memory_bytes: int
    seconds: float
    seconds_a_step: float
    trained_parameters: int
    parts: dict[str, int]


def estimate(
    config: RunConfig,
    *,
    device: str,
    flops_a_second: float = 1.0,
    checkpoint: Checkpoint | None = None,
    trial: Trial | None = None,
    held_out: int = 0,
) -> Estimate:
    """What a run needs on "cpu", "cuda" or "mps", as fast as its trial there, or with None at this speed.

    held_out: segments that are looked at. Raises EngineError for a folder without a model.
    """
    model = checkpoint or inspect(config.model)
    number = NUMBER_BYTES[precision_on(config, device)]
    tokens = _steps(config, model) * config.batch
    weights = decoder_parameters(model)
    trained = adapter_parameters(config, model)
    parts = {
        "the model": weights * number,
        "the adapters and their optimiser": trained * (20 if config.ema else 16),
        "a step": _activations(config, model, tokens, number, device),
        "logits": _logits(model, tokens, number),
        "torch": RUNNING_BYTES[device],
    }
    memory = round(_GUARD * max(sum(parts.values()), parts["the model"] + _preparing(model) + parts["torch"]))
    # Forward, and back through weights that do not learn: 2 + 2 a parameter and token, and 2 to make activations anew.
    work = tokens * (weights + trained) * (6 if config.gradient_checkpointing else 4)
    a_step = config.accumulate * work / (EFFICIENCY * flops_a_second)
    if trial is not None:
        seconds = trial.run_seconds(config, held_out=held_out)
        return Estimate(memory, seconds, config.accumulate * trial.batch, trained, parts)
    return Estimate(memory, a_step * config.steps, a_step, trained, parts)


def decoder_parameters(model: Checkpoint) -> int:
    """Of the decoder: two attentions of 4 and a feed-forward of 8 squared widths a layer, embeddings and heads."""
    return model.layers * 16 * model.width**2 + 2 * model.codebooks * model.codes * model.width


def adapter_parameters(config: RunConfig, model: Checkpoint) -> int:
    """How many numbers learn; a melody model has one attention a layer, where others have two."""
    attentions = 1 if model.model_type == "musicgen_melody" else 2
    lora, width, inner = config.lora, model.width, 4 * model.width
    shapes = {"fc1": (width, inner), "fc2": (inner, width)}
    one_layer = 0
    for target in lora.targets:
        reads, gives = shapes.get(target, (width, width))
        times = 1 if target in shapes else attentions
        one_layer += times * (lora.rank * (reads + gives) + (gives if lora.dora else 0))
    return model.layers * one_layer


def _preparing(model: Checkpoint) -> int:
    """T5 and EnCodec, in float32: what the weights hold beside the decoder, where that can be told from their number."""
    beside = 4 * (model.parameters - decoder_parameters(model))
    return beside if beside > 0 else PREPARING_BYTES


def preset_for(memory_bytes: int, *, device: str) -> str:
    """The preset for so much memory of a graphics card; the CPU has its own."""
    if device != "cuda":
        return "CPU"
    sizes = [name for name in PRESETS if name != "CPU" and int(name.split()[0]) * 1e9 <= 1.05 * memory_bytes]
    return sizes[-1] if sizes else "8 GB"


def quickest(config: RunConfig, preset: str, *, checkpoint: Checkpoint | None = None) -> RunConfig:
    """The config without gradient checkpointing, which takes a third more time, where the preset's memory suffices for it.

    Raises EngineError for a folder without a model.
    """
    if preset == "CPU" or not config.gradient_checkpointing:
        return config
    quick = config.changed(gradient_checkpointing=False)
    needed = estimate(quick, device="cuda", checkpoint=checkpoint).memory_bytes
    return quick if needed <= 1e9 * int(preset.split()[0]) else config


def _steps(config: RunConfig, model: Checkpoint) -> int:
    before = 235 + TEXT_TOKENS if model.model_type == "musicgen_melody" else 0
    return round(config.segment_seconds * 50) + model.codebooks // model.channels - 1 + before


def _activations(config: RunConfig, model: Checkpoint, tokens: int, number: int, device: str) -> int:
    """What the gradient needs of a step's way forward, as counted from what torch keeps for it."""
    targets, attentions = set(config.lora.targets), 1 if model.model_type == "musicgen_melody" else 2
    # Widths a token in the model's format: into the norms, an attention's four or two, between the feed-forward's two.
    widths = 10.2 if attentions == 1 else 13.4
    widths += attentions * bool(targets & {"q_proj", "k_proj", "v_proj"}) + ("fc1" in targets) + 4 * ("fc2" in targets)
    inputs = sum(
        {"fc1": 1, "fc2": 4, "k_proj": 1, "v_proj": 1}.get(target, attentions)  # a cross-attention's keys are few
        for target in targets
    )
    if config.lora.dora:
        widths += inputs * 4 / number  # PEFT's own, which keeps each target's input once more, in float32
    masks = inputs if config.lora.dropout else 0
    own = (attentions + 1) * (number if device == "cpu" else 1)  # the model's own dropouts
    layer = round(model.width * tokens * (widths * number + masks + own))
    if config.gradient_checkpointing:
        return model.layers * model.width * tokens * number + 2 * layer
    return model.layers * layer


def _logits(model: Checkpoint, tokens: int, number: int) -> int:
    """One codebook's, in both formats, and of every codebook the slope."""
    return tokens * model.codes * (4 + 2 * number) + tokens * model.codebooks * model.width * number


def said(found: Estimate, *, free_bytes: int, device: str) -> dict[str, Any]:
    """An estimate in words for whoever decides."""
    where = {"cpu": "this machine’s memory", "cuda": "the graphics card", "mps": "this Mac’s memory"}[device]
    return {
        "memory": f"{found.memory_bytes / 1e9:.1f} GB of {where}, of which {free_bytes / 1e9:.1f} GB are free",
        "fits": found.memory_bytes <= free_bytes,
        "time": duration(found.seconds),
        "learns": _count(found.trained_parameters),
    }


def _count(numbers: int) -> str:
    return f"{numbers / 1e6:.1f} million numbers" if numbers >= 1e5 else f"{numbers:,} numbers"


def duration(seconds: float) -> str:
    """A length of time as one says it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5_400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
