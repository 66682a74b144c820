"""A checkpoint from disk into memory, on the device and in the number format that suits it.

Reads local folders only; downloading is the catalogue's work. Imports torch and transformers when called.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from studio.engines.base import EngineError
from studio.engines.musicgen.checkpoint import AGAIN, Checkpoint, weights_sha256

DEVICES = ("auto", "cpu", "cuda", "mps")
# Absent from some published checkpoints without harm: tied, computed or used in training only.
HARMLESS = ("embed_tokens.", "embed_positions.", ".cluster_size", ".embed_avg", ".inited")


@dataclass(slots=True)
class Loaded:
    """A model ready to play: its parts, where they are, and what identifies them.

    has_layers: False when the decoder's layers were left on the disk, for a runtime that has its own.
    """

    model: Any
    tokenizer: Any
    checkpoint: Checkpoint
    device: str
    dtype: str
    weights_sha256: str
    has_layers: bool = True


def resolve_device(device: str) -> str:
    """The device that "auto" means here, or the one asked for.

    Raises EngineError when the asked one does not exist on this machine.
    """
    import torch

    if device not in DEVICES:
        raise EngineError(f"There is no device “{device}”: choose one of {', '.join(DEVICES)}.")
    here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return next(name for name, is_here in here.items() if is_here)
    if not here[device]:
        raise EngineError(f"This machine has no {device} device that torch can use: choose auto or cpu.")
    return device


def default_dtype(device: str) -> str:
    """float32 on the CPU; bfloat16 on CUDA cards that have it, else float16; float16 on MPS."""
    import torch

    if device == "cpu":
        return "float32"
    return "bfloat16" if device == "cuda" and torch.cuda.is_bf16_supported() else "float16"


def load(checkpoint: Checkpoint, *, device: str = "auto", dtype: str | None = None, has_layers: bool = True) -> Loaded:
    """Load a checkpoint's model and tokenizer.

    The decoder takes `dtype`; the text encoder and the codec stay in float32, being small and, for the codec,
    the last thing between the codes and the ear. has_layers: False leaves the decoder's layers, most of the model, on
    the disk. Raises EngineError when the files do not make a whole model.
    """
    import torch
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError
    from transformers import AutoTokenizer

    place = resolve_device(device)
    number_format = dtype or default_dtype(place)
    try:
        with _quiet():
            model, report = _model_class(checkpoint).from_pretrained(
                checkpoint.folder,
                dtype=getattr(torch, number_format),
                config=_config(checkpoint, has_layers=has_layers),
                local_files_only=True,
                output_loading_info=True,
            )
            tokenizer = AutoTokenizer.from_pretrained(checkpoint.folder, local_files_only=True)
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RuntimeError,
        SafetensorError,
        StrictDataclassError,
    ) as error:
        if is_out_of_memory(error):
            raise
        raise EngineError(
            f"The model in “{checkpoint.folder.name}” cannot be read ({_short(error)}): {AGAIN}."
        ) from error
    missing = [key for key in report["missing_keys"] if not any(part in key for part in HARMLESS)]
    if missing or report["mismatched_keys"]:
        raise EngineError(
            f"The model in “{checkpoint.folder.name}” is not whole "
            f"({len(missing) + len(report['mismatched_keys'])} weights are missing or of the wrong size): {AGAIN}."
        )
    model.config.decoder.num_hidden_layers = checkpoint.layers
    model.eval().to(place)
    return Loaded(model, tokenizer, checkpoint, place, number_format, weights_sha256(checkpoint), has_layers)


def free_memory() -> None:
    """Hand back what dropped models held, on every device torch has here."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """True for the several ways in which torch says that memory is gone: by device and by version."""
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    said = ("out of memory", "not enough memory", "can't allocate memory")
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in said)


def settle_codec(codec: Any) -> None:
    """Keep an EnCodec's weights as they are used; stock, they are made of direction and length anew in every pass.

    The sound stays the same to the bit. The weights' old names are gone, so that such a codec is for playing only.
    """
    from torch.nn.utils import parametrize

    for module in codec.modules():
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight")


def _config(checkpoint: Checkpoint, *, has_layers: bool) -> Any:
    """The checkpoint's own settings, but for the number of layers when they are to stay on the disk."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(checkpoint.folder, local_files_only=True)
    if not has_layers:
        config.decoder.num_hidden_layers = 0
    return config


def _model_class(checkpoint: Checkpoint) -> Any:
    """The transformers class, told to keep all but the decoder in float32."""
    from transformers import MusicgenForConditionalGeneration, MusicgenMelodyForConditionalGeneration

    is_melody = checkpoint.model_type == "musicgen_melody"
    stock = MusicgenMelodyForConditionalGeneration if is_melody else MusicgenForConditionalGeneration
    return type(stock.__name__, (stock,), {"_keep_in_fp32_modules_strict": ["text_encoder", "audio_encoder"]})


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars or notes of transformers' own on the terminal while loading."""
    from transformers.utils import logging

    level, had_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if had_bars:
            logging.enable_progress_bar()


def _short(error: BaseException) -> str:
    """The first line of an error, for the end of a sentence."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
