"""How far one runtime's choices stray from another's: what rounding costs, in figures.

    python -m studio.engines.musicgen.divergence FOLDER [--prompt WORDS] [--seconds 5]

prints it for a downloaded model, 8 and 4 bits and bfloat16 against float32. Both runtimes hear the same codes, drawn
by the exact one, so that differences do not add up to another piece. Knows nothing of how either works.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from studio.engines.musicgen.decode import Conditioning
    from studio.engines.musicgen.window import Runtime


@dataclass(frozen=True, slots=True)
class Divergence:
    """nats: the mean Kullback-Leibler divergence a code, after guidance. agreement: how often the likeliest is the same."""

    nats: float
    agreement: float


def diverge(
    exact: Runtime, other: Runtime, conditioning: Conditioning, columns: torch.Tensor, *, guidance: float
) -> Divergence:
    """Compare two runtimes step by step on columns of codes (codebooks, steps), after guidance."""
    import torch

    nats, same = [], []
    for runtime in (exact, other):
        runtime.begin(conditioning, steps=columns.shape[-1])
    for at in range(columns.shape[-1]):
        column = columns[:, at : at + 1]
        left, right = (_guided(each.feed(column)[:, 0], guidance).log_softmax(-1) for each in (exact, other))
        nats.append((left.exp() * (left - right)).sum(-1).mean())
        same.append((left.argmax(-1) == right.argmax(-1)).float().mean())
    return Divergence(nats=float(torch.stack(nats).mean()), agreement=float(torch.stack(same).mean()))


def _guided(logits: torch.Tensor, guidance: float) -> torch.Tensor:
    return logits[0] if len(logits) == 1 else logits[1] + (logits[0] - logits[1]) * guidance


def main(words: Sequence[str]) -> None:
    """Print what rounding costs for a model's folder."""
    parser = argparse.ArgumentParser(prog="python -m studio.engines.musicgen.divergence", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--prompt", default="bright acoustic folk with fingerpicked guitar, 100 bpm")
    parser.add_argument("--seconds", type=float, default=5.0)
    asked = parser.parse_args(words)
    for line in _lines(asked.folder, prompt=asked.prompt, steps=round(asked.seconds * 50)):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def _lines(folder: Path, *, prompt: str, steps: int) -> Any:
    import torch

    from studio.engines.musicgen import decode, weights_cache
    from studio.engines.musicgen.checkpoint import inspect
    from studio.engines.musicgen.load import load
    from studio.engines.musicgen.runtime_native import NativeRuntime
    from studio.engines.musicgen.runtime_torch import TorchRuntime

    loaded = load(inspect(folder), device="cpu", dtype="float32")
    tokens = loaded.tokenizer([prompt], return_tensors="pt")
    heard = decode.condition(loaded.model, tokens["input_ids"], tokens["attention_mask"], guided=True)
    drawn = torch.stack(list(decode.codes(loaded.model, heard, frames=steps, choice=decode.Choice())), dim=1)
    exact = TorchRuntime(loaded.model)
    for bits in (8, 4):
        other = NativeRuntime(weights_cache.rounded(loaded.model.decoder, bits=bits))
        found = diverge(exact, other, heard, drawn, guidance=3.0)
        yield f"int{bits} against float32: KL {found.nats:.2g} nats a code, same likeliest code {found.agreement:.1%}"
    coarse = load(inspect(folder), device="cpu", dtype="bfloat16")
    found = diverge(exact, TorchRuntime(coarse.model), heard, drawn, guidance=3.0)
    yield f"bfloat16 against float32: KL {found.nats:.2g} nats a code, same likeliest code {found.agreement:.1%}"


if __name__ == "__main__":
    main(sys.argv[1:])
