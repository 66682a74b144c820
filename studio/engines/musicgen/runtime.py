"""What a loaded model decodes on: chosen by the device and the precision that the user wants.

On the CPU 8-bit weights are the default, being several times faster than float32 (docs/musicgen.md); float32 and
bfloat16 stay selectable, and 4 bits are a draft, which one hears. Where the compiled kernel cannot run, torch plays in
its stead, and the take says so. On CUDA the model plays in its own format, by kernels of ours where Triton is and by
torch's where not; on MPS torch plays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from studio.engines.base import EngineError
from studio.engines.musicgen.checkpoint import Checkpoint, weights_sha256

if TYPE_CHECKING:
    from studio.engines.musicgen.load import Loaded
    from studio.engines.musicgen.window import Runtime

PRECISIONS = ("auto", "fp32", "bf16", "int8", "int4-draft", "native")  # native: as the model was loaded
DTYPES = {"fp32": "float32", "bf16": "bfloat16"}
BITS = {"int8": 8, "int4-draft": 4}


@dataclass(frozen=True, slots=True)
class Opened:
    """A runtime, and what a take it plays is to say of it."""

    runtime: Runtime
    identity: Mapping[str, Any] = field(default_factory=dict)


def check_precision(precision: str) -> None:
    """Raise EngineError unless it is one of PRECISIONS."""
    if precision not in PRECISIONS:
        raise EngineError(f"There is no precision “{precision}”: choose one of {', '.join(PRECISIONS)}.")


def dtype_for(precision: str) -> str | None:
    """The number format in which the model is loaded for a precision; None for the device's own."""
    return DTYPES.get(precision)


def bits_for(precision: str, *, device: str) -> int | None:
    """How many bits the decoder's weights are rounded to for a precision on a device; None for not at all."""
    check_precision(precision)
    if device != "cpu":
        return None
    return 8 if precision == "auto" else BITS.get(precision)


def needs_layers(checkpoint: Checkpoint, *, precision: str, device: str) -> bool:
    """False when all that the precision needs of the decoder's layers was converted before and lies beside them."""
    from studio.engines.musicgen import weights_cache

    bits = bits_for(precision, device=device)
    if bits is None or not _has_kernel():
        return True
    path = weights_cache.path_of(checkpoint.folder, bits=bits)
    return not (path.is_file() and weights_cache.is_kept(path, made_from=_origin(checkpoint)))


def open_runtime(
    loaded: Loaded,
    *,
    precision: str = "auto",
    wears_adapters: bool = False,
    progress: Callable[[float], None] = lambda fraction: None,
) -> Opened:
    """The runtime for a loaded model.

    wears_adapters: the weights are no longer the checkpoint's, so rounded ones are made anew and not kept. progress:
    told how much of the rounding is done. Raises EngineError for an unknown precision.
    """
    bits = bits_for(precision, device=loaded.device)
    if bits is not None and _has_kernel():
        return _native(loaded, bits=bits, is_changed=wears_adapters, progress=progress)
    wanted = next((name for name, count in BITS.items() if count == bits), precision if precision in BITS else "")
    return _torch(loaded, instead_of=wanted)


def _origin(checkpoint: Checkpoint) -> str:
    """What converted weights are made from: the weights and the settings that say how to read them."""
    settings = sha256((checkpoint.folder / "config.json").read_bytes()).hexdigest()
    return f"{weights_sha256(checkpoint)} {settings}"


def _has_kernel() -> bool:
    try:
        import studio.engines.musicgen.runtime_native  # noqa: F401
    except ImportError:
        return False
    return True


def _native(loaded: Loaded, *, bits: int, is_changed: bool, progress: Callable[[float], None]) -> Opened:
    from studio.engines.musicgen import weights_cache
    from studio.engines.musicgen.runtime_native import NativeRuntime

    progress(0.0)
    made_from, path = _origin(loaded.checkpoint), weights_cache.path_of(loaded.checkpoint.folder, bits=bits)
    decoder = loaded.model.decoder
    if is_changed:
        packed = weights_cache.rounded(decoder, bits=bits, progress=progress)
    else:
        packed = weights_cache.read(path, made_from=made_from) or weights_cache.convert(
            decoder, path, bits=bits, made_from=made_from, progress=progress
        )
    runtime = NativeRuntime(packed)
    runtime.warm()
    return Opened(runtime, {"runtime": runtime.name, "precision": runtime.precision, "products": runtime.products})


def _torch(loaded: Loaded, *, instead_of: str = "") -> Opened:
    from studio.engines.musicgen.runtime_cuda import GraphRuntime
    from studio.engines.musicgen.runtime_torch import TorchRuntime

    runtime = (GraphRuntime if loaded.device == "cuda" else TorchRuntime)(loaded.model)
    identity = {"runtime": runtime.name, "precision": runtime.precision}
    return Opened(runtime, identity | ({"instead_of": instead_of} if instead_of else {}))
