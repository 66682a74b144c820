"""Fit the weights of the built-in separation to the true stems of sketches.

    .venv/bin/python benchmarks/fit_stems.py --write

Every second pair of genres, two sketches each, with loudness, place and colour of each part drawn anew; the other genres and
later seeds are kept for benchmarks/stems.py. The loss is the error of each masked stem against the true one, on a
logarithmic scale so that soft stems count. Needs about ten minutes of one processor.
"""

from __future__ import annotations

import argparse
import json
import sys
import zlib
from itertools import pairwise
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
WEIGHTS = ROOT / "audio" / "stem_weights.json"
HIDDEN = (32, 16)
POINTS = 12_000
PARTS = ("drums", "bass", "other")
SPREADS_DB = (3.0, 9.0)  # of the stems' levels: as a mix has them, and as only some have


def seen_genres() -> set[str]:
    """The genres whose sketches the weights are fitted to: the first two of every four by name."""
    from agents.knowledge import genres

    return {genre for place, genre in enumerate(sorted(genres())) if place % 4 < 2}


def example(sketch, start: float, spread_db: float, seconds: float = 10.0) -> list[np.ndarray]:
    """Drums, bass and other of a part of a sketch, mixed as another would mix it."""
    from scipy.signal import lfilter

    from benchmarks.stems import part_of

    drawn = np.random.default_rng(zlib.crc32(f"{sketch.genre}-{sketch.seed}-{start}".encode()))
    parts = {part: np.zeros((2, round(seconds * 44_100)), np.float32) for part in PARTS}
    for name, clip in sketch.stems().items():
        samples = clip.between(start, start + seconds).samples * 10 ** (drawn.uniform(-4, 4) / 20)
        if part_of(name) == "other" or drawn.random() < 0.3:
            pan = drawn.uniform(-0.5, 0.5)
            samples = samples * np.array([[1 - max(0.0, pan)], [1 + min(0.0, pan)]])
        if drawn.random() < 0.3:
            samples = lfilter([1, drawn.uniform(-0.5, 0.5)], [1], samples, axis=1)
        parts[part_of(name)] += samples.astype(np.float32)
    return [parts[part] * np.float32(10 ** (drawn.uniform(-spread_db, spread_db) / 20)) for part in PARTS]


def points(parts: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Some points of the spectrogram, louder ones more often: cues, energy, each stem's share in phase, stems' energies.

    A mask m leaves m²·energy - 2·m·share + the stem's own as its error, so nothing more need be kept.
    """
    from audio.spectra import short_spectra
    from audio.stem_cues import HOP, WINDOW, cues

    mix = sum(parts)
    spectra = short_spectra(mix, WINDOW, HOP)
    found = cues(mix, spectra)
    each = [short_spectra(part, WINDOW, HOP) for part in parts]
    energy = (np.abs(spectra) ** 2).sum(axis=0)
    shares = np.stack([(spectra.conj() * one).real.sum(axis=0) for one in each])
    whole = np.maximum([float((np.abs(one) ** 2).sum()) for one in each], 0.02 * energy.sum() + 1e-9)
    chance = np.sqrt(energy / (energy.sum() + 1e-9))
    chance = (0.9 * chance / chance.sum() + 0.1 / chance.size).ravel()
    some = np.random.default_rng(1).choice(chance.size, POINTS, p=chance)
    weight = 1 / (chance[some] * POINTS)
    return (
        found.reshape(len(found), -1)[:, some].T,
        (energy.ravel()[some] * weight).astype(np.float32),
        (shares.reshape(3, -1)[:, some].T * weight[:, None]).astype(np.float32),
        whole.astype(np.float32),
    )


def fit(data: list[tuple[np.ndarray, ...]], *, rounds: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The layers' weights and offsets, the cues' scaling folded into the first."""
    import torch

    torch.manual_seed(0)
    found, energy, shares, whole = (np.stack([one[place] for one in data]) for place in range(4))
    mean, spread = found.mean((0, 1)), found.std((0, 1)) + 1e-3
    inputs = torch.tensor((found - mean) / spread)
    energies, parts, wholes = torch.tensor(energy), torch.tensor(shares), torch.tensor(whole)
    sizes = (found.shape[2], *HIDDEN, 3)
    layers: list[torch.nn.Module] = []
    for one, two in pairwise(sizes):
        layers += [torch.nn.Linear(one, two), torch.nn.Tanh()]
    net = torch.nn.Sequential(*layers[:-1])
    optimiser = torch.optim.Adam(net.parameters(), lr=4e-3)
    for number in range(rounds):
        optimiser.param_groups[0]["lr"] = 4e-3 * (1 - number / rounds) + 1e-4
        for some in torch.randperm(len(data)).split(6):
            places = torch.randint(0, POINTS, (6000,))
            scale = POINTS / len(places)
            masks = torch.softmax(net(inputs[some][:, places]), -1)
            energy_, share = energies[some][:, places, None] * scale, parts[some][:, places] * scale
            error = (masks**2 * energy_ - 2 * masks * share).sum(1) / wholes[some] + 1.0
            there = share.sum(1) / wholes[some] > 0.2  # a stem that is not there has nothing to be near to
            loss = torch.where(there, torch.log(error.clamp(min=0.02)), 0.3 * error).mean()
            loss = loss + 1e-4 * sum((p**2).sum() for p in net.parameters() if p.ndim > 1)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        if number % 10 == 9:
            print(f"round {number + 1}: {loss.item():.3f}", file=sys.stderr)
    made = [(one.weight.detach().numpy(), one.bias.detach().numpy()) for one in net if hasattr(one, "weight")]
    first = made[0][0] / spread
    return [(first, made[0][1] - first @ mean), *made[1:]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=80)
    parser.add_argument("--write", action="store_true", help="write audio/stem_weights.json")
    options = parser.parse_args()
    from benchmarks.corpus import sketches

    data = []
    for place, sketch in enumerate(one for one in sketches(per_genre=2) if one.genre in seen_genres()):
        data.append(points(example(sketch, 3.0 + 2 * (place % 5), SPREADS_DB[sketch.seed % 2])))
        if place % 10 == 9:
            print(f"{place + 1} sketches …", file=sys.stderr)
    layers = fit(data, rounds=options.rounds)
    told = [
        {"weights": np.round(weights, 4).tolist(), "offsets": np.round(offsets, 4).tolist()}
        for weights, offsets in layers
    ]
    if options.write:
        text = json.dumps({"made_by": "benchmarks/fit_stems.py", "layers": told}, separators=(",", ":"))
        WEIGHTS.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
