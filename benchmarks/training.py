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
from benchmarks.tables import DOCS, put  # noqa: E402

CODES = 2048
THREADS = 1  # several would wait for one another on a busy machine, and waiting is processor time
BATCH, WORDS = 2, "plucked tune, warm and slow, 90 bpm"


def build_model(folder: Path, *, layers: int) -> None:
    """facebook/musicgen-small as it is laid out, with random weights and so many of its 24 layers: T5-base, EnCodec, decoder."""
    from tests import tiny_models

    tiny = tiny_models._configs

    def smalls(**sizes: Any) -> dict[str, Any]:
        parts = tiny(**sizes)
        parts["decoder"] |= {
            "num_hidden_layers": layers, "hidden_size": 1024, "ffn_dim": 4096, "num_attention_heads": 16,
            "vocab_size": CODES, "pad_token_id": CODES, "bos_token_id": CODES,
        }  # fmt: skip
        parts["audio_encoder"] |= {"codebook_size": CODES, "hidden_size": 128, "codebook_dim": 128, "num_filters": 64}
        parts["text_encoder"] |= {
            "vocab_size": 32_128, "d_model": 768, "d_kv": 64, "d_ff": 3072, "num_layers": 12, "num_heads": 12,
        }  # fmt: skip
        return parts

    tiny_models._configs, tiny_models.CODES = smalls, CODES
    tiny_models.build_mono(folder)


def ours(model: Path, data: Path, steps: int, *, seconds: float, checkpointing: bool) -> dict[str, float]:
    from studio.training.config import RunConfig
    from studio.training.trainer import Trainer

    config = RunConfig.model_validate(
        {
            "name": "bench", "model": model, "data_set": data, "device": "cpu", "steps": steps + 1, "batch": BATCH,
            "accumulate": 1, "segment_seconds": seconds, "gradient_checkpointing": checkpointing, "word_dropout": 0.0,
            "lora": {"rank": 16, "alpha": 16, "dropout": 0.05}, "threads": THREADS,
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

    torch.set_num_threads(THREADS)
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


def encoded(model: Path, data: Path, steps: int, *, seconds: float, checkpointing: bool) -> dict[str, float]:
    """Compute the codes that both will read."""
    from studio.engines.musicgen.checkpoint import inspect
    from studio.engines.musicgen.load import load
    from studio.training.codes import codes_of
    from studio.training.manifest import read_data_set

    found = read_data_set(data)
    codes_of(found, found.train, load(inspect(model), device="cpu").model.audio_encoder, channels=1)
    return {}


def table(rounds: int, steps: int, *, layers: int, seconds: float) -> str:
    from tests.training.data_sets import small_data_set

    lines = [
        f"A model laid out as musicgen-small with {layers} of its 24 layers, random weights; {BATCH} segments of {seconds:g} s a "
        f"step; {rounds} rounds of {steps} steps after a first one, by turns, on one thread: the middle one (and from the least to the most).",
        "",
        "| | processor seconds a step | against plain | peak memory | against plain |",
        "|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        build_model(model, layers=layers)
        data = small_data_set(
            Path(folder), tracks=4, seconds=seconds, segment_seconds=seconds, held_out_share=0.0
        ).folder
        in_a_process("encoded", model, data, steps, seconds, checkpointing=False)
        for checkpointing in (False, True):
            found: dict[str, list[dict[str, float]]] = {"plain": [], "ours": []}
            for _ in range(rounds):
                for kind, ran in found.items():
                    ran.append(in_a_process(kind, model, data, steps, seconds, checkpointing))
                    print(kind, checkpointing, ran[-1], file=sys.stderr, flush=True)
            with_it = ", gradient checkpointing" if checkpointing else ""
            for kind, name in (("plain", "peft + Trainer"), ("ours", "the studio’s run")):
                told = [_told(found[kind], found["plain"], key) for key in ("cpu", "peak_mb")]
                lines.append(f"| {name}{with_it} | {told[0]} | {told[1]} |")
    return "\n".join(lines)


def _told(ran: list[dict[str, float]], plain: list[dict[str, float]], key: str) -> str:
    """The middle and the range of one figure, and of its ratio to the plain loop's of the same round."""
    digits, unit = (2, "") if key == "cpu" else (0, " MB")
    values = sorted(one[key] for one in ran)
    ratios = sorted(one[key] / other[key] for one, other in zip(ran, plain, strict=True))
    absolute = f"{median(values):.{digits}f}{unit} ({values[0]:.{digits}f}-{values[-1]:.{digits}f})"
    if ran is plain:
        return f"{absolute} | 1"
    return f"{absolute} | {median(ratios):.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f})"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--write", action="store_true", help="write the table into docs/training.md")
    parser.add_argument("--worker", nargs=3, metavar=("KIND", "MODEL", "DATA"), help=argparse.SUPPRESS)
    parser.add_argument("--checkpointing", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        kind, model, data = arguments.worker
        options = {"seconds": arguments.seconds, "checkpointing": arguments.checkpointing}
        work = {"ours": ours, "plain": plain, "encoded": encoded}[kind]
        print(json.dumps(work(Path(model), Path(data), arguments.steps, **options)))
        return 0
    made = table(arguments.rounds, arguments.steps, layers=arguments.layers, seconds=arguments.seconds)
    print(made)
    if arguments.write:
        put("training", made.splitlines(), document=DOCS / "training.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
