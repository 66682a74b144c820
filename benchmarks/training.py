"""How fast a run learns and what memory it takes, against a plain peft + transformers Trainer loop, in one go.

    .venv/bin/python benchmarks/training.py [--steps 4] [--rounds 3] [--write]

The plain loop is the recipe of musicgen-dreamboothing: PEFT's LoRA on the whole model, `labels` handed to `forward`, the
Trainer round it. Both train the same model (random weights), the same codes, words, batch and
settings, each in a process of its own, taking turns. Peak memory is the process's own, from the first step on.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))
CODES = 2048
BATCH, WORDS = 2, "plucked tune, warm and slow, 90 bpm"
DOCS = ROOT / "docs" / "training.md"
MARKS = ("<!-- figures: benchmarks/training.py -->", "<!-- end of figures -->")


def build_model(folder: Path, *, layers: int, width: int) -> None:
    """A model between the tiny one and musicgen-small, laid out as the hub's; its text encoder is half as deep."""
    from tests import tiny_models

    honest = tiny_models._configs

    def wider(**sizes: Any) -> dict[str, Any]:
        parts = honest(**sizes)
        parts["decoder"] |= {
            "num_hidden_layers": layers, "hidden_size": width, "ffn_dim": 4 * width, "num_attention_heads": 8,
            "vocab_size": CODES, "pad_token_id": CODES, "bos_token_id": CODES,
        }  # fmt: skip
        parts["audio_encoder"] |= {"codebook_size": CODES}
        parts["text_encoder"] |= {"d_model": width, "num_layers": layers // 2, "num_heads": 8, "d_kv": width // 8}
        return parts

    tiny_models._configs, tiny_models.CODES = wider, CODES
    tiny_models.build_mono(folder)


def ours(model: Path, data: Path, steps: int, *, seconds: float, checkpointing: bool) -> dict[str, float]:
    from studio.training.config import RunConfig
    from studio.training.trainer import Trainer

    config = RunConfig.model_validate(
        {
            "name": "bench", "model": model, "data_set": data, "device": "cpu", "steps": steps + 1, "batch": BATCH,
            "accumulate": 1, "segment_seconds": seconds, "gradient_checkpointing": checkpointing, "word_dropout": 0.0,
            "lora": {"rank": 16, "alpha": 16, "dropout": 0.05}, "threads": 2,
        }
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(Path(folder), config)
        trainer._accelerate()
        trainer._load()
        trainer._step(0)
        return _measured(lambda: [trainer._step(step + 1) for step in range(steps)], steps)


def plain(model: Path, data: Path, steps: int, *, seconds: float, checkpointing: bool) -> dict[str, float]:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import (
        AutoTokenizer,
        MusicgenForConditionalGeneration,
        Trainer,
        TrainerCallback,
        TrainingArguments,
    )

    from studio.training.codes import codes_of
    from studio.training.manifest import read_data_set

    torch.set_num_threads(2)
    loaded = MusicgenForConditionalGeneration.from_pretrained(model)
    tokenizer = AutoTokenizer.from_pretrained(model)
    found = read_data_set(data)
    frames = round(50 * seconds)
    start = CODES
    examples = []
    for codes in codes_of(found, found.train, loaded.audio_encoder, channels=1):
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

    class AfterTheFirst(TrainerCallback):
        """The first step warms up."""

        def on_step_end(self, args: Any, state: Any, control: Any, **named: Any) -> None:
            if state.global_step == 1:
                clock.begin()

    clock = _Clock()
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, per_device_train_batch_size=BATCH, max_steps=steps + 1, learning_rate=2e-4, report_to=[], use_cpu=True,
            gradient_checkpointing=checkpointing, gradient_checkpointing_kwargs={"use_reentrant": False},
            save_strategy="no", logging_strategy="no", disable_tqdm=True, remove_unused_columns=False,
        )  # fmt: skip
        trainer = Trainer(
            dressed, arguments, data_collator=together, train_dataset=Songs(), callbacks=[AfterTheFirst()]
        )
        trainer.train()
    return clock.end(steps)


class _Clock:
    """Processor and wall time and the peak of memory between `begin` and `end`."""

    def begin(self) -> None:
        with Path("/proc/self/clear_refs").open("w") as file:
            file.write("5")
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def end(self, steps: int) -> dict[str, float]:
        cpu, wall = time.process_time() - self.cpu, time.perf_counter() - self.wall
        peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
        return {"cpu": cpu / steps, "wall": wall / steps, "peak_mb": int(peak.split()[1]) / 1024}


def _measured(work: Any, steps: int) -> dict[str, float]:
    clock = _Clock()
    clock.begin()
    work()
    return clock.end(steps)


def in_a_process(
    kind: str, model: Path, data: Path, steps: int, seconds: float, checkpointing: bool
) -> dict[str, float]:
    command = [
        sys.executable,
        __file__,
        "--worker",
        kind,
        str(model),
        str(data),
        "--steps",
        str(steps),
        "--seconds",
        str(seconds),
    ]
    ran = subprocess.run(
        [*command, *(["--checkpointing"] if checkpointing else [])], capture_output=True, text=True, check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"},
    )  # fmt: skip
    if ran.returncode:
        raise SystemExit(ran.stderr[-3000:])
    return json.loads(ran.stdout.strip().splitlines()[-1])


def estimated_mb(model: Path, data: Path, seconds: float, checkpointing: bool) -> float:
    """What the page would have said before such a run."""
    from studio.training.config import RunConfig
    from studio.training.estimate import estimate

    fields = {"batch": BATCH, "segment_seconds": seconds, "lora": {"rank": 16, "alpha": 16}}
    config = RunConfig(name="a", model=model, data_set=data, gradient_checkpointing=checkpointing, **fields)
    return estimate(config, device="cpu", flops_a_second=1.0).memory_bytes / 1e6


def table(rounds: int, steps: int, *, layers: int, width: int, seconds: float) -> str:
    from tests.training.data_sets import small_data_set

    lines = [
        f"A decoder of {layers} layers, {width} wide; {BATCH} segments of {seconds:g} s a step; {rounds} rounds of {steps} steps.",
        "",
        "| | processor seconds a step | against plain | peak memory | against plain | said before |",
        "|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        build_model(model, layers=layers, width=width)
        data = small_data_set(
            Path(folder), tracks=4, seconds=seconds, segment_seconds=seconds, held_out_share=0.0
        ).folder
        for checkpointing in (False, True):
            found: dict[str, list[dict[str, float]]] = {"ours": [], "plain": []}
            for _ in range(rounds):
                for kind in found:
                    found[kind].append(in_a_process(kind, model, data, steps, seconds, checkpointing))
                    print(kind, checkpointing, found[kind][-1], file=sys.stderr, flush=True)
            middle = {kind: {key: median(one[key] for one in each) for key in each[0]} for kind, each in found.items()}
            with_it = ", gradient checkpointing" if checkpointing else ""
            for kind, name in (("plain", "peft + Trainer"), ("ours", "the studio’s run")):
                cpu, peak = middle[kind]["cpu"], middle[kind]["peak_mb"]
                said = f"{estimated_mb(model, data, seconds, checkpointing):.0f} MB" if kind == "ours" else ""
                lines.append(
                    f"| {name}{with_it} | {cpu:.2f} | {cpu / middle['plain']['cpu']:.2f} | {peak:.0f} MB | "
                    f"{peak / middle['plain']['peak_mb']:.2f} | {said} |"
                )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--write", action="store_true", help="write the table into docs/training.md")
    parser.add_argument("--worker", nargs=3, metavar=("KIND", "MODEL", "DATA"), help=argparse.SUPPRESS)
    parser.add_argument("--checkpointing", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        kind, model, data = arguments.worker
        work = {"ours": ours, "plain": plain}[kind]
        print(
            json.dumps(
                work(
                    Path(model),
                    Path(data),
                    arguments.steps,
                    seconds=arguments.seconds,
                    checkpointing=arguments.checkpointing,
                )
            )
        )
        return 0
    sizes = {"layers": arguments.layers, "width": arguments.width, "seconds": arguments.seconds}
    made = table(arguments.rounds, arguments.steps, **sizes)
    print(made)
    if arguments.write:
        text = DOCS.read_text(encoding="utf-8")
        before, rest = text.split(MARKS[0])
        DOCS.write_text(f"{before}{MARKS[0]}\n{made}\n{MARKS[1]}{rest.split(MARKS[1])[1]}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
