"""How fast MusicGen plays here, against transformers' `generate`, on random weights of the true sizes.

    .venv/bin/python benchmarks/musicgen.py [--size small medium] [--seconds 5] [--runs 3] [--stream 30] [--write]
        [--ways transformers int8] [--processor-time]

End to end: words through T5, codes, sound through EnCodec. Run by run in turn, so that a busy moment falls on all, with
the memory's speed measured before each; medians. A step must read all of the decoder's weights once, so the memory's
speed sets the limit; the share of it reached is stated. Needs no download. --write puts it into docs/musicgen.md.
"""

from __future__ import annotations

import argparse
import functools
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

SIZES = {"small": (24, 1024, 16), "medium": (48, 1536, 24), "large": (48, 2048, 32)}  # layers, width, heads
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


def random_model(size: str, device: str) -> Any:
    """A transformers MusicGen of that size with T5-base and EnCodec at 32 kHz, its weights random."""
    import torch
    from transformers import MusicgenConfig, MusicgenForConditionalGeneration

    layers, width, heads = SIZES[size]
    text = {"model_type": "t5", "vocab_size": 32128, "d_model": 768, "d_kv": 64, "d_ff": 3072, "num_layers": 12, "num_heads": 12}  # fmt: skip
    codec = {
        "model_type": "encodec", "target_bandwidths": [2.2], "sampling_rate": 32000, "audio_channels": 1,
        "normalize": False, "chunk_length_s": None, "overlap": None, "hidden_size": 128, "num_filters": 64,
        "num_residual_layers": 1, "upsampling_ratios": [8, 5, 4, 4], "norm_type": "weight_norm", "kernel_size": 7,
        "last_kernel_size": 7, "residual_kernel_size": 3, "dilation_growth_rate": 2, "use_causal_conv": False,
        "pad_mode": "reflect", "compress": 2, "num_lstm_layers": 2, "trim_right_ratio": 1.0, "codebook_size": 2048,
        "codebook_dim": 128, "use_conv_shortcut": False,
    }  # fmt: skip
    decoder = {
        "model_type": "musicgen_decoder", "vocab_size": 2048, "num_hidden_layers": layers, "hidden_size": width,
        "ffn_dim": 4 * width, "num_attention_heads": heads, "num_codebooks": 4, "audio_channels": 1, "dropout": 0.0,
    }  # fmt: skip
    torch.manual_seed(0)
    model = MusicgenForConditionalGeneration(MusicgenConfig(text_encoder=text, audio_encoder=codec, decoder=decoder))
    with torch.no_grad():
        for name, weight in model.decoder.named_parameters():
            if weight.ndim == 2:  # of the size at which a step's numbers neither vanish nor grow
                weight.normal_(std=0.5 if "embed_tokens" in name else weight.shape[1] ** -0.5)
        for layer in model.audio_encoder.quantizer.layers:
            layer.codebook.embed.normal_()
    settings = model.generation_config
    settings.decoder_start_token_id = settings.bos_token_id = settings.pad_token_id = 2048
    return model.eval().to(device)


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
    from studio.engines.musicgen.runtime_cuda import DeviceLoop
    from studio.engines.musicgen.window import Voice

    choice = decode.Choice()

    def frames_of(count: int) -> Iterator[Any]:
        heard = decode.condition(model, ids, torch.ones_like(ids), guided=True)
        if on_device:
            loop = DeviceLoop(runtime, late=decode.delays(model), start_token=decode.start_token(model))
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


def ways_here(whole: Any, device: str, *, named: list[str]) -> Iterator[Way]:
    """All ways on this machine of which a word is named, the slowest first; each is built when its turn comes."""
    import copy

    import torch

    from studio.engines.musicgen import weights_cache
    from studio.engines.musicgen.runtime_cuda import GraphRuntime
    from studio.engines.musicgen.runtime_native import NativeRuntime
    from studio.engines.musicgen.runtime_torch import TorchRuntime

    ids = torch.randint(1, 32_000, (1, TOKENS), device=device)
    half = functools.cache(lambda: copy.deepcopy(whole).bfloat16())
    settled = own_codec(whole)

    def native(bits: int) -> NativeRuntime:
        return NativeRuntime(weights_cache.rounded(whole.decoder, bits=bits))

    ways: dict[str, Callable[[str], Way]] = {
        "transformers generate, float32": lambda name: stock(name, whole, ids),
        "transformers generate, bfloat16": lambda name: stock(name, half(), ids),
    }
    if device == "cpu":
        ways |= {
            "studio, float32": lambda name: ours(name, whole, ids, TorchRuntime(whole), settled),
            "studio, bfloat16": lambda name: ours(name, half(), ids, TorchRuntime(half()), settled),
            "studio, int8": lambda name: ours(name, whole, ids, native(8), settled),
            "studio, int4 (draft)": lambda name: ours(name, whole, ids, native(4), settled),
        }
    else:
        ways |= {
            "studio, bfloat16, recorded steps, drawn on the host": lambda name: ours(
                name, half(), ids, GraphRuntime(half()), settled
            ),
            "studio, bfloat16, all on the device": lambda name: ours(
                name, half(), ids, TorchRuntime(half()), settled, on_device=True
            ),
        }
    for name, build in ways.items():
        if any(word in name for word in named):
            yield build(name)


def compare(whole: Any, device: str, *, seconds: float, runs: int, named: list[str]) -> list[Way]:
    """Run the ways in turn, after one short run each that is not counted."""
    ways, frames = list(ways_here(whole, device, named=named)), round(seconds * 50)
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


def table(ways: list[Way], *, seconds: float) -> list[str]:
    """The comparison as lines of Markdown."""
    slow = {name: statistics.median(way.seconds) for way in ways if (name := way.name).startswith("transformers")}
    lines = [
        f"| {seconds:g} s of sound | seconds | frames a second | of float32 `generate` | of bfloat16 `generate` | first sound | memory read, of its speed |",
        "|---|---|---|---|---|---|---|",
    ]
    for way in ways:
        took = statistics.median(way.seconds)
        times = [f"{base / took:.1f}x" for base in slow.values()] or ["-", "-"]
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


def machine(device: str) -> str:
    import platform

    import torch

    name = torch.cuda.get_device_name() if device == "cuda" else platform.processor() or platform.machine()
    if device == "cpu" and Path("/proc/cpuinfo").exists():
        models = [
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ]
        name = models[0] if models else name
    return f"{name}, {torch.get_num_threads()} of {os.cpu_count()} processors used, torch {torch.__version__}"


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
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    if asked.processor_time:
        global clock
        clock = time.process_time
        torch.set_num_threads(1)
    lines = ["# How fast MusicGen plays", "", f"{machine(asked.device)}; {date.today()}; random weights.", ""]
    if asked.processor_time:
        lines += ["Seconds are of the processor's work on one thread, not of the wall.", ""]
    if hasattr(os, "getloadavg") and os.getloadavg()[0] > 1:
        lines += [f"Other programs were at work: a load of {os.getloadavg()[0]:.1f} at the start.", ""]
    with torch.inference_mode():
        for size in asked.size:
            seconds = asked.seconds if size == "small" else asked.seconds / 2
            whole = random_model(size, asked.device)
            ways = compare(whole, asked.device, seconds=seconds, runs=asked.runs, named=asked.ways)
            lines += [f"## {size}", "", *table(ways, seconds=seconds), ""]
            if asked.stream and size == asked.size[0]:
                played = [way for way in ways if way.name.endswith(("int8", "device"))]
                lines += [*(stream(way, seconds=asked.stream) for way in played), ""]
            if asked.device == "cuda":
                lines += [
                    f"Peak memory with all of these loaded: {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB.",
                    "",
                ]
            if asked.device == "cpu" and size == asked.size[0]:
                lines += ["### What rounding costs, after guidance", "", *divergences(whole, ways), ""]
            del ways, whole
    text = "\n".join(lines)
    print(text)
    if asked.write:
        target = ROOT / "docs" / "musicgen.md"
        target.parent.mkdir(exist_ok=True)
        command = " ".join(["benchmarks/musicgen.py", *sys.argv[1:]])
        target.write_text(f"{text}\nMeasured by `{command}`.\n", encoding="utf-8")


if __name__ == "__main__":
    main()
