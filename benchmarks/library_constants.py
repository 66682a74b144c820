"""The constants of the built-in sound embedding, learnt anew: `python benchmarks/library_constants.py`.

Listens to sketches of every genre (benchmarks/corpus.py) and writes what centres, scales and reduces the statistics to
rag/data/signal_embedding.npz: principal components, no genre is looked at. A new file is a new identity: libraries then
offer to be indexed again.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

DIMENSIONS = 64
TARGET = ROOT / "rag" / "data" / "signal_embedding.npz"


def statistics(per_genre: int) -> np.ndarray:
    """A row for each sketch and for each of its windows."""
    from benchmarks.corpus import sketches
    from rag.frames import hear
    from rag.signal_statistics import statistics_of, windows_in

    rows = []
    for sketch in sketches(per_genre=per_genre):
        heard = hear(sketch.folder / "mix.flac")
        rows.append(statistics_of(heard))
        rows += [statistics_of(heard.between(*window)) for window in windows_in(heard.seconds)]
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per-genre", type=int, default=2)
    made = constants(statistics(parser.parse_args().per_genre))
    digest = hashlib.sha256(b"".join(part.tobytes() for part in made.values())).hexdigest()[:8]
    np.savez_compressed(TARGET, version=np.array(digest), **made)
    print(f"{TARGET.relative_to(ROOT)}: {made['reduce'].shape}, version {digest}, {TARGET.stat().st_size / 1e3:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
