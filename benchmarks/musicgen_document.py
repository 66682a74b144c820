"""docs/musicgen.md: a section for each size, of which a run replaces its own and leaves the others."""

from __future__ import annotations

import os
import re
from datetime import date
from pathlib import Path

from benchmarks.musicgen_model import SIZES

DOCUMENT = Path(__file__).parents[1] / "docs" / "musicgen.md"
ON_A_CARD = " on a graphics card"
HEAD = """# How fast MusicGen plays

Random weights of the true sizes, from words through T5 and the decoder to sound through EnCodec; `generate` is
transformers' own, on the same machine in the same run, turn by turn. Both draw with guidance 3 and top-k 250. On
a processor with instructions for bfloat16 (AVX512-BF16, AMX) `generate` uses them through oneDNN, as here; on one
without, it is slower in bfloat16 and the comparison says less. On a graphics card the processor that feeds `generate`
its kernels sets its speed, in either format.
"""


def machine(device: str) -> str:
    """The processor or the card, how much of it is used, and the day."""
    import platform

    import torch

    name = torch.cuda.get_device_name() if device == "cuda" else platform.processor() or platform.machine()
    if device == "cpu" and Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(":")[1].strip() for line in lines if "model name" in line), name)
    used = f"{torch.get_num_threads()} of {os.cpu_count()} processors used"
    return f"{name}, {used}, torch {torch.__version__}; {date.today()}"


def load() -> str:
    """What other programs were at, where it could disturb."""
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return f" Other programs were at work: a load of {busy:.1f} at the start." if busy > 1 else ""


def put(size: str, lines: list[str], *, device: str) -> None:
    """Replace a size's section, or add it in the order of the sizes, the processor's before the card's."""
    text = DOCUMENT.read_text(encoding="utf-8") if DOCUMENT.exists() else ""
    places = [*SIZES, *(f"{name}{ON_A_CARD}" for name in SIZES)]
    found = re.findall(r"^## ([\w ]+)\n(.*?)(?=^## |\Z)", text, flags=re.M | re.S)
    sections = {name: body.strip() for name, body in found if name in places}
    sections[size if device == "cpu" else f"{size}{ON_A_CARD}"] = "\n".join(lines).strip()
    whole = [HEAD, *(f"## {name}\n\n{sections[name]}\n" for name in places if name in sections)]
    DOCUMENT.write_text("\n".join(whole), encoding="utf-8")
    print(f"written to {DOCUMENT.name}")
