"""Where a run goes on this machine, in which number format, and how much memory is free there. Knows nothing of models."""

from __future__ import annotations

import shutil
import subprocess

from studio.training.config import RunConfig


def device_here(config: RunConfig | None = None) -> str:
    """Where a run would go on this machine: "cpu", "cuda" or "mps"."""
    if config is not None and config.device != "auto":
        return config.device
    import torch

    return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"


def precision_on(config: RunConfig, device: str) -> str:
    """The number format a run takes on a device: "fp32", "bf16" or "fp16".

    "auto" is bfloat16 where the device multiplies it: cards since 2020, processors with AVX-512 BF16 or AMX. An older
    card takes float16. A card that is not here, but is asked about, has bfloat16.
    """
    if config.precision != "auto":
        return config.precision
    if device == "cpu":
        return "bf16" if _processor_has_bf16() else "fp32"
    if device != "cuda":
        return "fp32"
    import torch

    return "fp16" if torch.cuda.is_available() and not torch.cuda.is_bf16_supported() else "bf16"


def free_memory_bytes(device: str) -> int:
    """Memory that is free on the device now."""
    if device == "cuda":
        import torch

        return int(torch.cuda.mem_get_info()[0])
    import psutil

    return int(psutil.virtual_memory().available)


def card_memory_bytes() -> int | None:
    """The whole memory of the first graphics card as NVIDIA's driver tells it, without torch; None where there is no driver.

    0 when it does not answer within two seconds: the page that asks is not to wait.
    """
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    asked = [program, "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(asked, capture_output=True, text=True, timeout=2.0, check=True).stdout
        return int(said.split()[0]) * 1024**2
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return 0


def _processor_has_bf16() -> bool:
    import torch

    has = torch.cpu.get_capabilities()
    return bool(has.get("avx512_bf16") or has.get("amx_bf16"))
