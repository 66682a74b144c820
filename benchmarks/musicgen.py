"""How fast MusicGen plays here, against transformers' `generate`, on random weights of the true sizes.

    .venv/bin/python benchmarks/musicgen.py [--size small medium] [--device cuda] [--seconds 5] [--runs 3] [--stream 30] [--write]
        [--ways transformers int8] [--processor-time] [--apart] [--no-float32]

End to end: words through T5, codes, sound through EnCodec. Run by run in turn, so that a busy moment falls on all, with
the memory's speed measured before each; medians. A step must read all of the decoder's weights once, so the memory's
speed sets the limit; the share of it reached is stated. Needs no download. --write puts it into docs/musicgen.md, size
by size. Large needs 17 GB: --apart holds it once, first in float32, then in bfloat16, with int8 beside each;
--no-float32 leaves out the first, for 11 GB.
"""

from __future__ import annotations

import argparse
import functools
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import musicgen_document as document  # noqa: E402
from benchmarks.musicgen_model import SIZES, random_model  # noqa: E402

TOKENS = 20
COMPARED = 40  # steps over which roundings are compared
CHUNK = 25  # frames decoded to sound at a time
STEADY = 0.25  # seconds that the player holds back before it starts


@dataclass
class Way:
    """One way to make sound. play(frames) returns the seconds to the first sound and a list of when chunks were there."""

    name: str
    play: Callable[[int], tuple[float, list[tuple[float, float]]]]
    bytes_a_step: float = 0.0
    runtime: Any = None
    seconds: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    bandwidth: list[float] = field(default_factory=list)


clock = time.perf_counter


def now() -> float:
    """Seconds on the wall, or with --processor-time of this program's work alone."""
    return clock()


def memory_bandwidth(device: str) -> float:
    """Bytes a second that all threads together read of memory too large for any cache: the best of five passes."""
    import torch

    numbers = torch.ones(1 << 26, dtype=torch.int64, device=device)  # 512 MB
    best = 0.0
    for _ in range(5):
        began = now()
        numbers.sum().item()
        best = max(best, numbers.nbytes / (now() - began))
    return best


def stock(name: str, model: Any, ids: Any) -> Way:
    """transformers' own `generate`."""
    import torch

    def play(frames: int) -> tuple[float, list[tuple[float, float]]]:
        began = now()
        with torch.inference_mode():
            sound = model.generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=True, top_k=250, guidance_scale=3.0,
                max_new_tokens=frames + 3,
            )  # fmt: skip
        sound.cpu()
        took = now() - began
        return took, [(took, frames / 50)]

    weights = sum(p.nbytes for n, p in model.decoder.named_parameters() if "embed_tokens" not in n)
    return Way(name, play, bytes_a_step=float(weights))


def ours(name: str, model: Any, ids: Any, runtime: Any, codec_of: Any, *, on_device: bool = False) -> Way:
    """The studio's loop on a runtime, decoded to sound as it comes."""
    import numpy as np
    import torch

    from studio.engines.musicgen import codec, decode
    from studio.engines.musicgen.blend import Blend
    from studio.engines.musicgen.device_loop import DeviceLoop
    from studio.engines.musicgen.window import Voice

    choice = decode.Choice()
    loop = on_device and DeviceLoop(runtime, late=decode.delays(model), start_token=decode.start_token(model))

    def frames_of(count: int) -> Iterator[Any]:
        heard = decode.condition(model, ids, torch.ones_like(ids), guided=True)
        if loop:
            yield from loop.frames(heard, frames=count, choice=choice)
            return
        blend = Blend(heard, lambda logits, step: logits[1] + (logits[0] - logits[1]) * choice.guidance)
        nothing, dice = torch.zeros((1, 4, 0), dtype=torch.long), [torch.Generator().manual_seed(0)]
        for frame in Voice(model, runtime).draw(blend, nothing, frames=count, choice=choice, dice=dice):
            yield frame[0]

    def play(frames: int) -> tuple[float, list[tuple[float, float]]]:
        began, waiting, chunks = now(), [], []
        player = codec.StreamingCodec(codec_of.audio_encoder, channels=1)
        for number, frame in enumerate(frames_of(frames), start=1):
            waiting.append(frame.numpy())
            if len(waiting) == CHUNK or number == frames:
                sound = player.push(np.stack(waiting, axis=1), last=number == frames)
                waiting = []
                chunks.append((now() - began, sound.shape[1] / 32_000))
        return chunks[0][0], chunks

    packed = getattr(runtime, "_packed", None)
    weights = packed.weight_bytes if packed else sum(p.nbytes for n, p in model.decoder.named_parameters() if "embed_tokens" not in n and ".encoder_attn.k" not in n and ".encoder_attn.v" not in n)  # fmt: skip
    return Way(name, play, bytes_a_step=float(weights), runtime=runtime)


def own_codec(model: Any) -> Any:
    """The model with a codec of its own, settled as the studio's, so that `generate` keeps its stock one.

    Built anew: a copy shares the class through which torch makes the weights, and settling would take it from both.
    """
    import copy

    from studio.engines.musicgen.load import settle_codec

    stock = model.audio_encoder
    codec = type(stock)(stock.config)
    codec.load_state_dict(stock.state_dict())
    settle_codec(codec.eval().to(stock.device))
    settled = copy.copy(model)
    settled._modules = {**model._modules, "audio_encoder": codec}
    return settled


def random_words(device: str) -> Any:
    """A prompt of words that mean nothing."""
    import torch

    return torch.randint(1, 32_000, (1, TOKENS), device=device)


def native(whole: Any, bits: int) -> Any:
    """The studio's runtime on the model's weights, rounded."""
    from studio.engines.musicgen import weights_cache
    from studio.engines.musicgen.runtime_native import NativeRuntime

    return NativeRuntime(weights_cache.rounded(whole.decoder, bits=bits))


def ways_here(whole: Any, device: str, *, named: list[str]) -> Iterator[Way]:
    """All ways on this machine of which a word is named, the slowest first; each is built when its turn comes."""
    import copy

    from studio.engines.musicgen.runtime_cuda import GraphRuntime
    from studio.engines.musicgen.runtime_torch import TorchRuntime

    ids = random_words(device)
    half = functools.cache(lambda: copy.deepcopy(whole).bfloat16())
    settled = own_codec(whole)

    ways: dict[str, Callable[[str], Way]] = {
        "transformers generate, float32": lambda name: stock(name, whole, ids),
        "transformers generate, bfloat16": lambda name: stock(name, half(), ids),
    }
    if device == "cpu":
        ways |= {
            "studio, float32": lambda name: ours(name, whole, ids, TorchRuntime(whole), settled),
            "studio, bfloat16": lambda name: ours(name, half(), ids, TorchRuntime(half()), settled),
            "studio, int8": lambda name: ours(name, whole, ids, native(whole, 8), settled),
            "studio, int4 (draft)": lambda name: ours(name, whole, ids, native(whole, 4), settled),
        }
    else:
        ways |= {
            "studio, bfloat16, all on the device": lambda name: ours(
                name, half(), ids, GraphRuntime(half()), settled, on_device=True
            ),
        }
    for name, build in ways.items():
        if any(word in name for word in named):
            yield build(name)


def rounds_apart(whole: Any, device: str, *, has_float32: bool) -> Iterator[list[Way]]:
    """The same with the model held once: in float32, then turned to bfloat16 where it lies, int8 beside each."""
    ids, settled, runtime = random_words(device), own_codec(whole), native(whole, 8)
    if has_float32:
        yield [
            stock("transformers generate, float32", whole, ids),
            ours("studio, int8", whole, ids, runtime, settled),
        ]
        whole.bfloat16()
    yield [
        stock("transformers generate, bfloat16", whole, ids),
        ours("studio, int8", whole, ids, runtime, settled),
    ]


def compare(ways: list[Way], device: str, *, seconds: float, runs: int) -> list[Way]:
    """Run the ways in turn, after one short run each that is not counted."""
    frames = round(seconds * 50)
    for way in ways:
        way.play(6)
    for run in range(runs):
        for way in ways:
            way.bandwidth.append(memory_bandwidth(device))
            first, chunks = way.play(frames)
            way.first.append(first)
            way.seconds.append(chunks[-1][0])
            print(f"  {run + 1}/{runs} {way.name}: {chunks[-1][0]:.2f} s", flush=True)
    return ways


def table(rounds: list[list[Way]], *, seconds: float) -> list[str]:
    """The comparison as lines of Markdown; a way is compared with those of its own round."""
    lines = [
        f"| {seconds:g} s of sound | seconds | frames a second | of float32 `generate` | of bfloat16 `generate` | first sound | memory read, of its speed |",
        "|---|---|---|---|---|---|---|",
    ]
    for way, beside in ((way, ways) for ways in rounds for way in ways):
        took = statistics.median(way.seconds)
        slow = {each.name.split()[-1]: statistics.median(each.seconds) for each in beside if "generate" in each.name}
        times = [f"{slow[kind] / took:.1f}x" if kind in slow else "-" for kind in ("float32", "bfloat16")]
        speed = statistics.median(way.bandwidth)
        steps = round(seconds * 50) + 3
        share = way.bytes_a_step * steps / took / speed
        lines.append(
            f"| {way.name} | {took:.2f} | {seconds * 50 / took:.1f} | {times[0]} | {times[-1]} | "
            f"{statistics.median(way.first):.2f} s | {share:.0%} of {speed / 1e9:.0f} GB/s |"
        )
    return lines


def stream(way: Way, *, seconds: float) -> str:
    """One long take, played while it is made: whether the player ever runs dry."""
    first, chunks = way.play(round(seconds * 50))
    begins, heard, least = first + STEADY, 0.0, float("inf")
    for at, length in chunks:
        least = min(least, begins + heard - at)
        heard += length
    verdict = "without an underrun" if least >= 0 else f"with underruns, {-least:.1f} s behind at worst"
    return (
        f"{way.name}: {seconds:g} s in {chunks[-1][0]:.1f} s ({seconds / chunks[-1][0]:.2f} times real time), "
        f"first sound after {first:.2f} s, played from {begins:.2f} s on {verdict}."
    )


def peak_memory(whole: Any) -> str:
    """What a take of 30 s needs of a card's memory when nothing else is on it; the model is bfloat16 afterwards."""
    import gc

    import torch

    from studio.engines.musicgen.runtime_cuda import GraphRuntime

    settled, half = own_codec(whole), whole.bfloat16()
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    ours("", half, random_words("cuda"), GraphRuntime(half), settled, on_device=True).play(1500)
    return f"Peak memory of a take of 30 s, the model with it: {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB."


def divergences(whole: Any, ways: list[Way]) -> list[str]:
    """What rounding costs on these weights, against float32, after guidance, as a table."""
    import torch

    from studio.engines.musicgen import decode
    from studio.engines.musicgen.divergence import diverge
    from studio.engines.musicgen.runtime_torch import TorchRuntime

    ids = torch.randint(1, 32_000, (1, TOKENS))
    heard = decode.condition(whole, ids, torch.ones_like(ids), guided=True)
    columns, exact = torch.randint(0, 2048, (4, COMPARED)), TorchRuntime(whole)
    lines = [f"| over {COMPARED} steps | KL, nats a code | the same likeliest code |", "|---|---|---|"]
    for way in ways:
        if way.runtime is not None and way.name != "studio, float32":
            found = diverge(exact, way.runtime, heard, columns, guidance=3.0)
            lines.append(f"| {way.name.removeprefix('studio, ')} | {found.nats:.2g} | {found.agreement:.1%} |")
    return lines


def main() -> None:
    import torch
    from transformers.utils import logging

    logging.set_verbosity_error()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", nargs="+", choices=list(SIZES), default=["small"])
    parser.add_argument("--seconds", type=float, default=5.0, help="of sound, for the smallest size")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--stream", type=float, default=30.0, help="seconds of the long take; 0 for none")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument(
        "--ways", nargs="+", default=[""], metavar="WORD", help="only those with one of these in their name"
    )
    parser.add_argument(
        "--processor-time", action="store_true", help="count one thread's work, for a machine that others keep busy"
    )
    parser.add_argument("--apart", action="store_true", help="hold the model once, for a machine of little memory")
    parser.add_argument("--no-float32", action="store_true", help="and never in float32")
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    if asked.processor_time:
        global clock
        clock = time.process_time
        torch.set_num_threads(1)
    first_to_go()
    command = " ".join(["benchmarks/musicgen.py", *sys.argv[1:]])
    with torch.inference_mode():
        for size in asked.size:
            lines = measured(size, asked)
            lines += ["", f"Measured by `{command}`."]
            print(f"## {size}", "", *lines, sep="\n")
            if asked.write:
                document.put(size, lines, device=asked.device)


def measured(size: str, asked: argparse.Namespace) -> list[str]:
    """One size's section."""

    device, is_first = asked.device, size == asked.size[0]
    lines = [f"{document.machine(device)}.{document.load()}", ""]
    if asked.processor_time:
        lines += ["Seconds are of the processor's work on one thread, not of the wall.", ""]
    seconds = asked.seconds / {"small": 1, "medium": 2, "large": 4}[size]
    whole = random_model(size, device, dtype="bfloat16" if asked.no_float32 else "float32")
    if asked.apart or asked.no_float32:
        rounds = rounds_apart(whole, device, has_float32=not asked.no_float32)
    else:
        rounds = iter([list(ways_here(whole, device, named=asked.ways))])
    done = [compare(ways, device, seconds=seconds, runs=asked.runs) for ways in rounds]
    lines += [*table(done, seconds=seconds), ""]
    if asked.stream and is_first:
        played = [way for way in done[-1] if way.name.endswith(("int8", "device"))]
        lines += [*(stream(way, seconds=asked.stream) for way in played), ""]
        del played
    if device == "cuda":
        done.clear()  # and with it what else is on the card
        lines += [peak_memory(whole), ""]
    elif is_first and len(done) == 1 and not asked.no_float32:
        lines += ["### What rounding costs, after guidance", "", *divergences(whole, done[0])]
    return lines


def first_to_go() -> None:
    """Where memory ends, Linux is to end this program before any other."""
    place = Path("/proc/self/oom_score_adj")
    if place.exists():
        place.write_text("1000")


if __name__ == "__main__":
    main()
