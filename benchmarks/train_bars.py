"""Trains the small network that tells bars from what only looks like them, on sketches whose bars are known.

    .venv/bin/python benchmarks/train_bars.py            # seeds 0 and 1 of every genre; writes audio/bar_patterns.npz
    .venv/bin/python benchmarks/train_bars.py --genres-apart   # trains on two thirds of the genres, tells how it reads the others

`benchmarks/beats.py` reports on seeds 2 to 5, which are never trained on. Each sketch is heard as it is, and cut at a random place
and at 0.8 to 1.25 of its speed, so that neither a genre's usual tempo nor the start tells the answer.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from audio.bands import Bands  # noqa: E402
from audio.bar_patterns import WEIGHTS, Heard, Reading  # noqa: E402
from benchmarks.corpus import Sketch, sketches  # noqa: E402

TRAINING_SEEDS = (0, 1)
_HIDDEN = 24
_OF_A_SET = 160


@dataclass(frozen=True)
class Hearing:
    """A sketch as heard once: its levels, and where its bars truly lie."""

    name: str
    genre: str
    bands: Bands
    pitches: Bands
    beat_seconds: float
    beats_a_bar: int
    first_seconds: float
    music_seconds: float


def heard(sketch: Sketch) -> Hearing:
    from audio.beats import levels_of

    plan = sketch.plan
    bands, pitches = levels_of(sketch.clip())
    meter = plan.meter.value
    beats = round(meter.quarters_per_bar / meter.quarters_per_felt_beat)
    return Hearing(
        f"{sketch.genre}-{sketch.seed}", sketch.genre, bands, pitches, 60.0 / plan.tempo_bpm.value, beats, 0.0,
        plan.music_seconds,
    )  # fmt: skip


def varied(whole: Hearing, dice: np.random.Generator) -> Hearing:
    """The same at another speed, from another start: levels are relabelled in time, nothing is heard anew."""
    speed = float(np.exp(dice.uniform(np.log(0.8), np.log(1.25))))
    seconds = len(whole.bands.level_db) * whole.bands.hop_seconds
    start = round(dice.uniform(0, 0.2) * seconds / 0.05) * 0.05
    end = seconds - round(dice.uniform(0, 0.2) * seconds / 0.05) * 0.05
    cut = [
        Bands(each.level_db[round(start / each.hop_seconds) : round(end / each.hop_seconds)], each.hop_seconds / speed)
        for each in (whole.bands, whole.pitches)
    ]
    return replace(
        whole, bands=cut[0], pitches=cut[1], beat_seconds=whole.beat_seconds / speed,
        first_seconds=(whole.first_seconds - start) / speed,
        music_seconds=(min(whole.music_seconds, end) - start) / speed,
    )  # fmt: skip


def examples(each: Hearing) -> tuple[np.ndarray, np.ndarray]:
    """All readings' features, and how right each is: 0 wrong, 1 the beat, 2 the bar too."""
    from audio.beats import candidates

    readings, features = candidates(each.bands, Heard.of(each.bands, each.pitches))
    return features, np.array([_rightness(reading, each) for reading in readings], np.int8)


def _rightness(reading: Reading, truth: Hearing) -> int:
    turns = np.arange(np.ceil(reading.track.turns[0] - reading.phase), reading.track.turns[-1]) + reading.phase
    times = reading.track.times_at(turns)
    numbers = (times - truth.first_seconds) / truth.beat_seconds
    inside = (times > 0) & (times < truth.music_seconds)
    if inside.sum() < 3 or abs(reading.track.period_seconds / truth.beat_seconds - 1) > 0.02:
        return 0
    off = np.abs(numbers - np.rint(numbers))[inside] * truth.beat_seconds
    if np.median(off) > 0.035:
        return 0
    first = round(float(np.median((numbers - np.arange(len(times)))[inside]))) + reading.first
    return 2 if reading.beats_a_bar == truth.beats_a_bar and first % truth.beats_a_bar == 0 else 1


def train(sets: list[tuple[np.ndarray, np.ndarray]], *, steps: int = 700, seed: int = 0) -> dict[str, np.ndarray]:
    """Weights under which the right reading of each set is the likeliest: cross entropy over the set, Adam, weight decay."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    sets = [(features, right) for features, right in sets if (right == 2).any()]
    everything = np.concatenate([features for features, _ in sets])
    mean, spread = everything.mean(axis=0), everything.std(axis=0) + 1e-3
    sets = [((features - mean) / spread, right) for features, right in sets]
    net = torch.nn.Sequential(
        torch.nn.Linear(len(mean), _HIDDEN),
        torch.nn.ReLU(),
        torch.nn.Dropout(0.2),
        torch.nn.Linear(_HIDDEN, 1, bias=False),
    )
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=0.03)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, 8e-3, total_steps=steps)
    dice = np.random.default_rng(seed)
    for _ in range(steps):
        chosen = [_some(*sets[index], dice) for index in dice.integers(0, len(sets), 24)]
        features = torch.tensor(np.stack([each for each, _ in chosen]), dtype=torch.float32)
        right = torch.tensor(np.stack([each for _, each in chosen]))
        score = net(features + 0.05 * torch.randn_like(features)).squeeze(2).clamp(-40, 40)
        everyone = torch.logsumexp(score, 1)
        loss = sum((everyone - torch.logsumexp(score.masked_fill(right < good, -1e9), 1)).mean() for good in (1, 2))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        plan.step()
    first, last = net[0], net[3]
    return {
        "mean": mean, "spread": spread, "w1": first.weight.detach().numpy().T, "b1": first.bias.detach().numpy(),
        "w2": last.weight.detach().numpy().T,
    }  # fmt: skip


def _some(features: np.ndarray, right: np.ndarray, dice: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A right reading and others drawn from the rest, so that all sets are of one size."""
    good = np.flatnonzero(right == 2)
    rest = dice.choice(len(right), _OF_A_SET - 1, replace=len(right) < _OF_A_SET - 1)
    picked = np.append(rest, dice.choice(good))
    return features[picked], right[picked]


def accuracy(weights: dict[str, np.ndarray], sets: list[tuple[np.ndarray, np.ndarray]]) -> tuple[float, float]:
    """The share of sets whose likeliest reading has the right beat, and the right bar."""
    best = []
    for features, right in sets:
        hidden = np.maximum(0.0, (features - weights["mean"]) / weights["spread"] @ weights["w1"] + weights["b1"])
        best.append(right[int(np.argmax(hidden @ weights["w2"]))] if len(features) else 0)
    chosen = np.array(best)
    return float((chosen >= 1).mean()), float((chosen == 2).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--genres-apart", action="store_true", help="measure on genres never heard in training; write nothing"
    )
    parser.add_argument(
        "--copies", type=int, default=1, help="varied hearings of each sketch besides the plain one (1)"
    )
    asked = parser.parse_args()
    dice = np.random.default_rng(7)
    names: list[str] = []
    sets: list[tuple[np.ndarray, np.ndarray]] = []
    for sketch in sketches(per_genre=len(TRAINING_SEEDS), first_seed=TRAINING_SEEDS[0]):
        plain = heard(sketch)
        hearings = [plain, *(varied(plain, dice) for _ in range(asked.copies))]
        sets += [examples(each) for each in hearings]
        names += [sketch.genre] * len(hearings)
    if asked.genres_apart:
        return _tell_apart(sets, names)
    weights = train(sets)
    beat, bar = accuracy(weights, sets)
    print(f"on what it was trained on: beats {beat:.3f}, bars {bar:.3f}, of {len(sets)} hearings")
    np.savez(WEIGHTS, **{name: value.astype(np.float32) for name, value in weights.items()})


def _tell_apart(sets: list[tuple[np.ndarray, np.ndarray]], names: list[str]) -> None:
    """Three times: trained on two thirds of the genres, measured on the third never heard."""
    order = np.random.default_rng(1).permutation(sorted(set(names)))
    found = []
    for part in range(3):
        unheard = set(order[part::3])
        weights = train([each for each, name in zip(sets, names, strict=True) if name not in unheard])
        found.append(accuracy(weights, [each for each, name in zip(sets, names, strict=True) if name in unheard]))
    beat, bar = np.mean(found, axis=0)
    print(f"on genres never heard in training: beats {beat:.3f}, bars {bar:.3f} of {len(sets)} hearings")


if __name__ == "__main__":
    main()
