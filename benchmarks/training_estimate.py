"""What the page says before a run, against what the run then takes: time and memory, on the CPU, a process a run.

Time is the processor's, of one thread, on both sides, so that what else the machine does is not in it. Memory is what is
the run's own: pages of the weights' file, which the system may drop, are not in it.

    .venv/bin/python benchmarks/training_estimate.py [--steps 3] [--write]

Two models with random weights, both laid out as the hub's: the tests' tiny one, and one of musicgen-small's size (T5-base, EnCodec,
layers of 1,024). The run is the CPU preset's, started as the page starts it.
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

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))
from benchmarks.tables import DOCS, put  # noqa: E402
from benchmarks.training import build_model  # noqa: E402


def measured(model: Path, data: Path, folder: Path, *, steps: int) -> dict[str, float]:
    """Say it, run it, say it again: seconds and bytes said (the mean of before and after) and taken."""
    from studio.training.config import CONFIG_FILE, from_preset, write_config
    from studio.training.progress import read_progress

    config = from_preset(
        "CPU", name="run", model=model, data_set=data, steps=steps, held_out_every=steps, checkpoint_every=steps, threads=1,
        samples={"prompts": ("a tune",), "every": steps, "seconds": 2.0},
    )  # fmt: skip
    folder.mkdir(parents=True)
    write_config(folder / CONFIG_FILE, config)
    before = _said(folder / CONFIG_FILE)
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "studio.training.train", str(folder / CONFIG_FILE)],
            cwd=ROOT,
            stdout=output,
            stderr=output,
        )
        peak = began = ended = 0.0
        while process.poll() is None:
            time.sleep(0.1)
            peak = max(peak, _own_bytes(process.pid))
            ended = max(ended, _processor_seconds(process.pid))
            if not began and read_progress(folder).stage == "training":
                began = ended
    if process.returncode:
        raise SystemExit((folder / "output.txt").read_text())
    after = _said(folder / CONFIG_FILE)
    times = [after["seconds"], before["seconds"]]
    return {"said": sum(times) / 2, "took": ended - began, "said_bytes": before["bytes"], "took_bytes": peak}


def _said(config: Path) -> dict[str, float]:
    """What the page says, by a process of its own, as the studio is one."""
    ran = subprocess.run([sys.executable, __file__, "--say", str(config)], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise SystemExit(ran.stderr)
    return json.loads(ran.stdout.splitlines()[-1])


def say(path: Path) -> None:
    import torch

    from studio.training.config import read_config
    from studio.training.devices import precision_on
    from studio.training.estimate import estimate
    from studio.training.manifest import read_data_set
    from studio.training.trial import try_out

    config = read_config(path)
    torch.set_num_threads(config.threads)
    trial = try_out(config, device="cpu", precision=precision_on(config, "cpu"), clock=time.process_time)
    found = estimate(config, device="cpu", trial=trial, held_out=len(read_data_set(config.data_set).held_out))
    print(json.dumps({"seconds": found.seconds, "bytes": found.memory_bytes}))


def _processor_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _own_bytes(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((1024.0 * int(line.split()[1]) for line in lines if line.startswith("RssAnon")), 0.0)


def table(*, steps: int, rounds: int, layers: int) -> str:
    from tests.tiny_models import build_mono
    from tests.training.data_sets import small_data_set

    lines = [
        "| model | time said | taken | off by | memory said | taken | off by |",
        "|---|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = small_data_set(folder, tracks=3, seconds=10.0, segment_seconds=10.0).folder
        build_mono(folder / "tiny")
        build_model(folder / "small", layers=layers)
        for size, said in (
            ("tiny", "the tests’ tiny one"),
            ("small", f"musicgen-small’s size, {layers} of its 24 layers"),
        ):
            for number in range(rounds):
                many = steps * 10 if size == "tiny" else steps
                found = measured(folder / size, data, folder / f"{size}-{number}", steps=many)
                print(size, found, file=sys.stderr, flush=True)
                off = [found["said"] / found["took"] - 1, found["said_bytes"] / found["took_bytes"] - 1]
                lines.append(
                    f"| {said} | {found['said']:.1f} s | {found['took']:.1f} s | {off[0]:+.0%} | "
                    f"{found['said_bytes'] / 1e9:.2f} GB | {found['took_bytes'] / 1e9:.2f} GB | {off[1]:+.0%} |"
                )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--layers", type=int, default=24)
    parser.add_argument("--say", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true", help="write the table into docs/training.md")
    arguments = parser.parse_args()
    if arguments.say:
        say(arguments.say)
        return 0
    made = table(steps=arguments.steps, rounds=arguments.rounds, layers=arguments.layers)
    print(made)
    if arguments.write:
        put("estimate", made.splitlines(), document=DOCS / "training.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
