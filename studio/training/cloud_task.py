"""What SkyPilot is asked for: a machine that fits, its price and the run's, and the YAML that says all of it.

Prices are typical ones of autumn 2025 and only a guide; SkyPilot takes the cheapest that it finds, and the cap holds
whatever it is. Knows nothing of how `sky` is called.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from audio.io import written_whole
from studio.engines.musicgen.checkpoint import Checkpoint
from studio.training.config import CONFIG_FILE, RunConfig, write_config
from studio.training.errors import RunError
from studio.training.estimate import estimate

ROOT = Path(__file__).resolve().parents[2]
IDLE_MINUTES = 5
SETUP_HOURS = 0.2  # renting, installing, fetching the model
_CODE = ("studio", "agents", "audio", "rag")
_PACKAGES = (
    "torch", "transformers", "peft", "accelerate", "numpy", "scipy", "soundfile", "pydantic", "pydantic-settings", "pyyaml",
    "safetensors", "sentencepiece", "huggingface-hub", "filelock", "platformdirs", "mutagen",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Offer:
    """A kind of graphics card. price_an_hour: in dollars, the dearer of the two. flops_a_second: of bf16 products."""

    name: str
    memory_gb: int
    price_an_hour: float
    flops_a_second: float
    runpod: str = ""
    lambda_: str = ""


OFFERS = (
    Offer("24 GB (RTX 4090 or A10)", 24, 0.75, 6e13, runpod="RTX4090", lambda_="A10"),
    Offer("40-48 GB (L40S or A100)", 40, 1.29, 1.2e14, runpod="L40S", lambda_="A100"),
    Offer("80 GB (A100 or H100)", 80, 2.49, 1.5e14, runpod="A100-80GB", lambda_="H100"),
)


@dataclass(frozen=True, slots=True)
class Quote:
    """What a run will cost on an offer. dollars: renting and installing included."""

    offer: Offer
    hours: float

    @property
    def dollars(self) -> float:
        return self.hours * self.offer.price_an_hour

    @property
    def sentence(self) -> str:
        return (
            f"{self.offer.name}: about {self.hours:.1f} h at ${self.offer.price_an_hour:.2f} an hour, some "
            f"${self.dollars:.2f} in all."
        )


def quotes(config: RunConfig, *, checkpoint: Checkpoint | None = None) -> list[Quote]:
    """What the run would cost where it fits, the cheapest first; raises RunError when it fits nowhere."""
    found = []
    rented = config.changed(device="cuda", threads=0)
    for offer in OFFERS:
        needed = estimate(rented, device="cuda", flops_a_second=offer.flops_a_second, checkpoint=checkpoint)
        if needed.memory_bytes <= 0.95e9 * offer.memory_gb:
            found.append(Quote(offer, SETUP_HOURS + needed.seconds / 3600))
    if not found:
        raise RunError("This run fits on none of the machines on offer: choose the preset for less memory.")
    return sorted(found, key=lambda quote: quote.dollars)


def cluster_name(run: str) -> str:
    """A name that SkyPilot takes: letters, digits and hyphens."""
    return f"studio-{re.sub(r'[^a-z0-9]+', '-', run.lower()).strip('-') or 'run'}"[:40].rstrip("-")


def write_task(folder: Path, config: RunConfig, quote: Quote, *, cap_dollars: float) -> Path:
    """Write the run's config for over there and the YAML beside it; returns the YAML."""
    import yaml

    there = folder / "cloud"
    there.mkdir(parents=True, exist_ok=True)
    remote = config.changed(model=Path("../model"), data_set=Path("../data"), device="cuda", threads=0)
    write_config(there / CONFIG_FILE, remote)
    with written_whole(there / "task.yaml") as part:
        text = yaml.safe_dump(
            task_of(config, quote, there, cap_dollars=cap_dollars), sort_keys=False, allow_unicode=True
        )
        part.write_text(text, encoding="utf-8")
    return there / "task.yaml"


def task_of(config: RunConfig, quote: Quote, there: Path, *, cap_dollars: float) -> dict[str, Any]:
    """The YAML's content: RunPod or Lambda, whichever is cheaper and has one free."""
    hosted = config.model_name.startswith("facebook/")
    mounts = {f"~/lesson/code/{name}": str(ROOT / name) for name in _CODE}
    mounts |= {"~/lesson/data": str(config.data_set.resolve()), f"~/lesson/run/{CONFIG_FILE}": str(there / CONFIG_FILE)}
    if not hosted:
        mounts["~/lesson/model"] = str(config.model.resolve())
    seconds = int(3600 * cap_dollars / quote.offer.price_an_hour)
    return {
        "name": cluster_name(config.name),
        "resources": {
            "any_of": [
                {"infra": "runpod", "accelerators": f"{quote.offer.runpod}:1"},
                {"infra": "lambda", "accelerators": f"{quote.offer.lambda_}:1"},
            ],
            "disk_size": 80,
            "autostop": {"idle_minutes": IDLE_MINUTES, "down": True},
        },
        "file_mounts": mounts,
        "setup": _setup(config.model_name if hosted else ""),
        "run": _RUN.format(seconds=seconds, grace=120),
    }


def _setup(model: str) -> str:
    pins = " ".join(f"{name}=={found}" if (found := _version(name)) else name for name in _PACKAGES)
    lines = ["set -e", "python3 -m venv ~/lesson/env", f"~/lesson/env/bin/pip install -q {pins}"]
    if model:
        fetch = f"from huggingface_hub import snapshot_download as f; f('{model}', local_dir='model')"
        lines.append(f'cd ~/lesson && ~/lesson/env/bin/python -c "{fetch}"')
    return "\n".join(lines) + "\n"


# The log goes through sky's own, so that the curves can be followed. `timeout` keeps to the cap, and lets the run save.
_RUN = """cd ~/lesson/code
touch ~/lesson/run/progress.jsonl
tail -n +1 -F ~/lesson/run/progress.jsonl & TAIL=$!
timeout --signal=TERM --kill-after={grace} {seconds} \
  ~/lesson/env/bin/python -m studio.training.train ~/lesson/run/config.yaml
STATUS=$?
sleep 3; kill $TAIL
exit $STATUS
"""


def _version(package: str) -> str:
    try:
        return version(package).split("+")[0]
    except PackageNotFoundError:
        return ""
