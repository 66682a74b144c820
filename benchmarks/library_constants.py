"""The constants of the library's built-in tier, learnt anew: `python benchmarks/library_constants.py`.

Listens to sketches of every genre (benchmarks/corpus.py), the first seeds only, so that docs/library.md is measured on
others. Writes what centres, scales and reduces the sound's statistics to rag/data/signal_embedding.npz (principal
components: no genre is looked at; a new file is a new identity, and libraries then offer to be indexed again), and
the weights of a tempo's readings to audio/tempo_readings.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    from rag.frames import Frames

DIMENSIONS = 64
TARGET = ROOT / "rag" / "data" / "signal_embedding.npz"
TEMPO_TARGET = ROOT / "audio" / "tempo_readings.json"


def statistics(heard: list[Frames]) -> np.ndarray:
    """A row for each sketch and for each of its windows."""
    from rag.signal_statistics import statistics_of, windows_in

    rows = []
    for each in heard:
        rows.append(statistics_of(each))
        rows += [statistics_of(each.between(*window)) for window in windows_in(each.seconds)]
    return np.array(rows)


def constants(rows: np.ndarray) -> dict[str, np.ndarray]:
    """centre, scale: (statistics,). reduce: (statistics, DIMENSIONS), principal directions, half whitened, so that many
    small differences count beside the few large ones."""
    centre, scale = rows.mean(axis=0), rows.std(axis=0) + 1e-6
    scaled = np.clip((rows - centre) / scale, -4, 4)
    _, sizes, directions = np.linalg.svd(scaled, full_matrices=False)
    strength = sizes[:DIMENSIONS] / np.sqrt(len(rows))
    return {
        "centre": centre.astype(np.float32), "scale": scale.astype(np.float32),
        "reduce": (directions[:DIMENSIONS] / np.sqrt(strength)[:, np.newaxis]).T.astype(np.float32),
    }  # fmt: skip


def readings(heard: list[Frames], tempos_bpm: list[float], *, strictness: float = 0.03) -> dict[str, list[float]]:
    """centre, scale, weights: a linear score of a tempo's readings, by logistic regression over each piece's readings."""
    from scipy.optimize import minimize
    from scipy.special import logsumexp

    from audio.tempo import READINGS, found_tempo, reading_features
    from rag.frames import ONSET_SECONDS

    rows, right = [], []
    for each, truth in zip(heard, tempos_bpm, strict=True):
        found = found_tempo(each.onsets, seconds_a_frame=ONSET_SECONDS)
        fits = [abs(found * reading / truth - 1) < 0.02 for reading in READINGS]
        if any(fits):
            rows.append([reading_features(each.onsets, found * r, seconds_a_frame=ONSET_SECONDS) for r in READINGS])
            right.append(fits.index(True))
    table, chosen = np.array(rows), np.array(right)
    flat = table.reshape(-1, table.shape[2])
    centre, scale = flat.mean(axis=0), flat.std(axis=0) + 1e-6
    table = np.clip((table - centre) / scale, -4, 4)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        score = table @ weights
        likely = np.exp(score - logsumexp(score, axis=1, keepdims=True))
        hit = np.arange(len(chosen)), chosen
        likely_right = np.log(likely[hit])
        likely[hit] -= 1
        slope = np.einsum("pr,prf->f", likely, table) / len(chosen)
        return float(-likely_right.mean() + strictness * (weights**2).sum()), slope + 2 * strictness * weights

    best = minimize(loss, np.zeros(table.shape[2]), jac=True, method="L-BFGS-B")
    return {
        name: [round(float(x), 5) for x in values]
        for name, values in (("centre", centre), ("scale", scale), ("weights", best.x))
    }


def main() -> int:
    from benchmarks.corpus import sketches
    from rag.frames import hear

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per-genre", type=int, default=2)
    corpus = sketches(per_genre=parser.parse_args().per_genre)
    heard = [hear(sketch.folder / "mix.flac") for sketch in corpus]
    weighed = readings(heard, [sketch.plan.tempo_bpm.value for sketch in corpus])
    TEMPO_TARGET.write_text(json.dumps(weighed) + "\n", encoding="utf-8")
    print(f"{TEMPO_TARGET.relative_to(ROOT)}: {len(weighed['weights'])} weights")
    made = constants(statistics(heard))
    digest = hashlib.sha256(b"2" + b"".join(part.tobytes() for part in made.values())).hexdigest()[:8]
    np.savez_compressed(TARGET, version=np.array(digest), **made)
    print(f"{TARGET.relative_to(ROOT)}: {made['reduce'].shape}, version {digest}, {TARGET.stat().st_size / 1e3:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
