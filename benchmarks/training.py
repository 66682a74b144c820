"""How fast a run learns and what memory it takes, against a plain peft + transformers Trainer loop, in one go.

    .venv/bin/python benchmarks/training.py [--steps 4] [--rounds 3] [--write]
    .venv/bin/python benchmarks/training.py --device cuda [--size medium] [--write]

The plain loop is the recipe of musicgen-dreamboothing: PEFT's LoRA on the whole model, `labels` handed to `forward`, the
Trainer round it. Both train the same model (random weights), the same codes (random too), words, batch and
settings, each in a process of its own, taking turns. On CUDA both have the base in bfloat16, adapters in float32 and bf16 mixed
precision. Peak memory is the process's own, on CUDA what torch allocated, from the end of the warm-up on.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))
from benchmarks.tables import DOCS, put  # noqa: E402

CODES, ALL_CODES = 2048, "codes.npy"
WORDS = "plucked tune, warm and slow, 90 bpm"
SIZES = {
    "tiny": {"layers": 2, "width": 64, "heads": 4},
    "small": {"layers": 24, "width": 1024, "heads": 16},
    "medium": {"layers": 48, "width": 1536, "heads": 24},
}


@dataclass(frozen=True, slots=True)
class Job:
    """What both ways do. warm: steps before those that are measured. threads: of the CPU, 0 for torch's own choice."""

    model: Path
    data: Path
    device: str
    precision: str
    steps: int
    warm: int
    batch: int
    seconds: float
    checkpointing: bool
    threads: int


def build_model(folder: Path, *, layers: int, size: str = "small") -> None:
    """facebook/musicgen-* as it is laid out, with random weights and so many of its layers: T5-base, EnCodec, decoder."""
    from tests import tiny_models

    tiny, shape = tiny_models._configs, SIZES[size]
    width = shape["width"]

    def sized(**sizes: Any) -> dict[str, Any]:
        parts = tiny(**sizes)
        parts["decoder"] |= {
            "num_hidden_layers": layers, "hidden_size": width, "ffn_dim": 4 * width,
            "num_attention_heads": shape["heads"],
            "vocab_size": CODES, "pad_token_id": CODES, "bos_token_id": CODES, "dropout": 0.1,
        }  # fmt: skip
        if size != "tiny":
            parts["audio_encoder"] |= {"hidden_size": 128, "codebook_dim": 128, "num_filters": 64}
            parts["text_encoder"] |= {
                "vocab_size": 32_128, "d_model": 768, "d_kv": 64, "d_ff": 3072, "num_layers": 12, "num_heads": 12,
            }  # fmt: skip
        parts["audio_encoder"] |= {"codebook_size": CODES}
        return parts

    tiny_models._configs, codes, tiny_models.CODES = sized, tiny_models.CODES, CODES
    try:
        tiny_models.build_mono(folder)
    finally:
        tiny_models._configs, tiny_models.CODES = tiny, codes


def write_data(folder: Path, *, tracks: int, seconds: float) -> None:
    """A data set of silent files whose codes, drawn at random, are written by `encode`: a step costs what any codes cost."""
    import wave

    from studio.training.manifest import AUDIO, DataSetFacts, Segment, write_facts, write_manifest

    (folder / AUDIO).mkdir(parents=True)
    segments = []
    for number in range(tracks):
        file = f"{AUDIO}/track-{number}.wav"
        with wave.open(str(folder / file), "wb") as sound:
            sound.setparams((1, 2, 32_000, 0, "NONE", ""))
            sound.writeframes(bytes([number, 0]) * round(32_000 * seconds))
        segments.append(
            Segment(
                id=f"track-{number}",
                track=f"track {number}",
                file=file,
                start_seconds=0,
                seconds=seconds,
                caption=WORDS,
            )
        )
    write_manifest(folder, segments)
    write_facts(folder, DataSetFacts(name="tunes"))


def encode(job: Job) -> None:
    """Put codes where both will look for those of the sound."""
    import hashlib

    import numpy as np

    from studio.engines.musicgen.checkpoint import inspect
    from studio.engines.musicgen.load import load
    from studio.training.codes import CODES as FOLDER
    from studio.training.codes import codec_name
    from studio.training.manifest import read_data_set

    found = read_data_set(job.data)
    folder = job.data / FOLDER / f"{codec_name(load(inspect(job.model), device='cpu').model.audio_encoder)}-1"
    folder.mkdir(parents=True)
    chance = np.random.default_rng(0)
    all_codes = chance.integers(0, CODES, (len(found.segments), 4, round(50 * job.seconds))).astype(np.int16)
    np.save(job.data / ALL_CODES, all_codes)
    for segment, codes in zip(found.segments, all_codes, strict=True):
        sha256 = hashlib.sha256(found.audio_path(segment).read_bytes()).hexdigest()
        np.save(folder / f"{sha256[:24]}.npy", codes)


def ours(job: Job) -> dict[str, float]:
    from studio.training.config import RunConfig
    from studio.training.trainer import Trainer

    config = RunConfig.model_validate(
        {
            "name": "bench", "model": job.model, "data_set": job.data, "device": job.device, "batch": job.batch,
            "steps": job.warm + job.steps, "accumulate": 1, "segment_seconds": job.seconds, "word_dropout": 0.0,
            "gradient_checkpointing": job.checkpointing, "precision": job.precision, "threads": job.threads,
            "lora": {"rank": 16, "alpha": 16, "dropout": 0.05},
        }
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(Path(folder), config)
        trainer._accelerate()
        trainer._load()
        for step in range(job.warm):
            trainer._step(step)
        clock = _Clock(job.device)
        clock.begin()
        for step in range(job.steps):
            trainer._step(job.warm + step)
        return clock.end(job.steps)


def plain(job: Job) -> dict[str, float]:
    import numpy as np
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import (
        AutoTokenizer,
        MusicgenForConditionalGeneration,
        Trainer,
        TrainerCallback,
        TrainingArguments,
    )

    if job.threads:
        torch.set_num_threads(job.threads)
    in_bf16 = job.precision == "bf16"
    loaded = MusicgenForConditionalGeneration.from_pretrained(
        job.model, dtype=torch.bfloat16 if in_bf16 else torch.float32
    )
    tokenizer = AutoTokenizer.from_pretrained(job.model)
    frames = round(50 * job.seconds)
    start = CODES
    examples = []
    for codes in np.load(job.data / ALL_CODES):
        sound = torch.from_numpy(codes[:, :frames].astype("int64"))
        begun = torch.cat([torch.full((4, 1), start), sound], dim=1)
        delayed, _ = loaded.decoder.build_delay_pattern_mask(begun, pad_token_id=start, max_length=frames + 5)
        examples.append(delayed[:, 1:].T)
    loaded.config.decoder.decoder_start_token_id = start
    loaded.freeze_text_encoder()
    loaded.freeze_audio_encoder()
    targets = ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]
    dressed = get_peft_model(loaded, LoraConfig(r=16, lora_alpha=16, lora_dropout=0.05, target_modules=targets))
    tokens = tokenizer([WORDS], return_tensors="pt")

    class Songs(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return 10_000

        def __getitem__(self, index: int) -> dict[str, Any]:
            return {"labels": examples[index % len(examples)]}

    def together(rows: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "input_ids": tokens["input_ids"].repeat(len(rows), 1),
            "attention_mask": tokens["attention_mask"].repeat(len(rows), 1),
            "labels": torch.stack([row["labels"] for row in rows]),
        }

    clock = _Clock(job.device)
    measured: dict[str, float] = {}

    class AfterTheWarmUp(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **named: Any) -> None:
            if state.global_step == job.warm:
                clock.begin()
            if state.global_step == job.warm + job.steps:
                measured.update(clock.end(job.steps))

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, per_device_train_batch_size=job.batch, max_steps=job.warm + job.steps, learning_rate=2e-4,
            report_to=[], use_cpu=job.device == "cpu", bf16=in_bf16, gradient_checkpointing=job.checkpointing,
            gradient_checkpointing_kwargs={"use_reentrant": False}, save_strategy="no", logging_strategy="no",
            disable_tqdm=True, remove_unused_columns=False,
        )  # fmt: skip
        trainer = Trainer(
            dressed, arguments, data_collator=together, train_dataset=Songs(), callbacks=[AfterTheWarmUp()]
        )
        trainer.train()
    return measured


class _Clock:
    """Processor and wall time and the peak of memory between `begin` and `end`."""

    def __init__(self, device: str) -> None:
        self._on_cuda = device == "cuda"

    def begin(self) -> None:
        import torch

        if self._on_cuda:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        else:
            with Path("/proc/self/clear_refs").open("w") as file:
                file.write("5")
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def end(self, steps: int) -> dict[str, float]:
        import torch

        if self._on_cuda:
            torch.cuda.synchronize()
        cpu, wall = time.process_time() - self.cpu, time.perf_counter() - self.wall
        if self._on_cuda:
            peak = torch.cuda.max_memory_allocated() / 2**20
        else:
            lines = Path("/proc/self/status").read_text().splitlines()
            peak = int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
        return {"cpu": cpu / steps, "wall": wall / steps, "peak_mb": peak}


WAYS = {"plain": plain, "ours": ours}


def in_a_process(way: str, job: Job) -> dict[str, float]:
    told = {key: str(value) if isinstance(value, Path) else value for key, value in asdict(job).items()}
    ran = subprocess.run(
        [sys.executable, __file__, "--worker", way, json.dumps(told)], capture_output=True, text=True, check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"},
    )  # fmt: skip
    if ran.returncode:
        raise SystemExit(f"{way}: " + "\n".join(ran.stderr.strip().splitlines()[-30:]))
    return json.loads(ran.stdout.strip().splitlines()[-1])


def in_this_process(way: str, told: str) -> None:
    fields = json.loads(told)
    print(json.dumps(WAYS[way](Job(**fields | {key: Path(fields[key]) for key in ("model", "data")}))))
    if listed := os.environ.get("BENCHMARK_MODULES"):
        roots = {name.split(".")[0] for name in sys.modules}
        Path(listed).write_text("\n".join(sorted(roots - set(sys.stdlib_module_names))), encoding="utf-8")


def table(arguments: argparse.Namespace) -> str:
    layers, seconds, batch = arguments.layers, arguments.seconds, arguments.batch
    on_cuda = arguments.device == "cuda"
    of_all = f"{layers} of its {SIZES[arguments.size]['layers']} layers"
    where = f"on one {_card()}, bf16" if on_cuda else f"on one thread, {arguments.precision}"
    lines = [
        f"A model laid out as musicgen-{arguments.size} with {of_all}, random weights; {batch} segments of {seconds:g} s a step; "
        f"{arguments.rounds} rounds of {arguments.steps} steps after {arguments.warm} that warm up, by turns, {where}: "
        "the middle one (and from the least to the most).",
        "",
        f"| | {'' if on_cuda else 'processor '}seconds a step | against plain | peak memory | against plain |",
        "|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        model, data = Path(folder) / "model", Path(folder) / "tunes"
        build_model(model, layers=layers, size=arguments.size)
        write_data(data, tracks=4, seconds=seconds)
        job = {
            "model": model, "data": data, "device": arguments.device, "precision": arguments.precision,
            "steps": arguments.steps, "warm": arguments.warm, "batch": batch, "seconds": seconds,
            "threads": 0 if on_cuda else 1,  # several would wait for one another, and waiting is processor time
        }  # fmt: skip
        encode(Job(**job, checkpointing=False))
        for checkpointing in {"both": (False, True), "with": (True,), "without": (False,)}[arguments.checkpointing]:
            found: dict[str, list[dict[str, float]]] = {"plain": [], "ours": []}
            for _ in range(arguments.rounds):
                for way, ran in found.items():
                    ran.append(in_a_process(way, Job(**job, checkpointing=checkpointing)))
                    print(way, checkpointing, ran[-1], file=sys.stderr, flush=True)
            with_it = ", gradient checkpointing" if checkpointing else ""
            for way, name in (("plain", "peft + Trainer"), ("ours", "the studio’s run")):
                told = [_told(found[way], found["plain"], key) for key in ("wall" if on_cuda else "cpu", "peak_mb")]
                lines.append(f"| {name}{with_it} | {told[0]} | {told[1]} |")
    return "\n".join(lines)


def _card() -> str:
    ran = subprocess.run(
        [sys.executable, "-c", "import torch; print(torch.cuda.get_device_name())"], capture_output=True, text=True, check=True
    )  # fmt: skip
    return ran.stdout.strip()


def _told(ran: list[dict[str, float]], plain: list[dict[str, float]], key: str) -> str:
    """The middle and the range of one figure, and of its ratio to the plain loop's of the same round."""
    digits, unit = {"cpu": (2, ""), "wall": (3, ""), "peak_mb": (0, " MB")}[key]
    values = sorted(one[key] for one in ran)
    ratios = sorted(one[key] / other[key] for one, other in zip(ran, plain, strict=True))
    absolute = f"{median(values):.{digits}f}{unit} ({values[0]:.{digits}f}-{values[-1]:.{digits}f})"
    if ran is plain:
        return f"{absolute} | 1"
    return f"{absolute} | {median(ratios):.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f})"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--size", choices=tuple(SIZES), default="small")
    parser.add_argument("--precision", choices=("fp32", "bf16"), help="fp32 on the CPU, bf16 on CUDA")
    parser.add_argument("--steps", type=int, help="3 on the CPU, 20 on CUDA")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--layers", type=int, help="8 on the CPU, all on CUDA")
    parser.add_argument("--seconds", type=float, help="6 on the CPU, 30 on CUDA")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--checkpointing", choices=("both", "with", "without"), default="both")
    parser.add_argument("--write", action="store_true", help="write the table into docs/training.md")
    parser.add_argument("--worker", nargs=2, metavar=("WAY", "JOB"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        in_this_process(*arguments.worker)
        return 0
    on_cuda = arguments.device == "cuda"
    all_layers = SIZES[arguments.size]["layers"]
    arguments.warm = 4 if on_cuda else 1
    arguments.precision = arguments.precision or ("bf16" if on_cuda else "fp32")
    arguments.steps = arguments.steps or (20 if on_cuda else 3)
    arguments.layers = arguments.layers or (all_layers if on_cuda else min(8, all_layers))
    arguments.seconds = arguments.seconds or (30.0 if on_cuda else 6.0)
    made = table(arguments)
    print(made)
    if arguments.write:
        name = f"training cuda {arguments.size}" if on_cuda else "training"
        put(name, made.splitlines(), document=DOCS / "training.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
