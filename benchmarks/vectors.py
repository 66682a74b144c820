"""Where the library's vectors should lie: Qdrant Edge, qdrant-client's local mode, or numpy: `python benchmarks/vectors.py`.

Vectors are synthesised with clusters as music has them: 300 styles, each with its own spread, on 100,000 tracks with the
library's own four named vectors (sound as wide as CLAP's). Each store is measured in a process of its own: filling,
opening, memory, queries plain and filtered, four readers and a writer at once, and recall@10 against exact search.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from rag.filters import Filters  # noqa: E402
from rag.vectordb import Point, Schema, VectorSpec  # noqa: E402

SCHEMA = Schema(
    {
        "sound": VectorSpec(512),
        "windows": VectorSpec(64, many=True),
        "words": VectorSpec(384),
        "features": VectorSpec(12),
    },
    {"sound": "benchmark"},
)
_WINDOWS = 8
_BLOCK = 1_000
NARROW = Filters(tempo_bpm=(118.0, 128.0), keys=(3,))


def block(start: int, count: int) -> tuple[dict[str, np.ndarray], list[dict]]:
    """Tracks start to start + count: vectors by name, payloads. The same for the same numbers."""
    noise = np.random.default_rng(start + 1)
    style = noise.integers(0, 300, count)
    vectors = {}
    for name, spec in SCHEMA.vectors.items():
        centres = np.random.default_rng(7).normal(size=(300, spec.dimensions)).astype(np.float32)
        shape = (count, _WINDOWS, spec.dimensions) if spec.many else (count, spec.dimensions)
        middle = centres[style][:, None] if spec.many else centres[style]
        rows = middle + noise.normal(size=shape).astype(np.float32)
        vectors[name] = rows / np.linalg.norm(rows, axis=-1, keepdims=True)
    payloads = [
        {
            "tempo_bpm": float(tempo),
            "key": int(key),
            "energy": float(energy),
            "genre": f"g{s % 20}",
            "seconds": 200.0,
            "own": 0,
        }
        for tempo, key, energy, s in zip(
            noise.uniform(60, 200, count), noise.integers(0, 24, count), noise.random(count), style, strict=True
        )
    ]
    return vectors, payloads


def points(start: int, count: int) -> list[Point]:
    vectors, payloads = block(start, count)
    return [Point(start + n + 1, {name: rows[n] for name, rows in vectors.items()}, payloads[n]) for n in range(count)]


def queries(tracks: int, count: int) -> np.ndarray:
    """Near tracks of the library, as a changed copy would be."""
    noise = np.random.default_rng(99)
    rows = []
    for _ in range(count):
        start = int(noise.integers(0, max(1, tracks // _BLOCK))) * _BLOCK
        row = block(start, _BLOCK)[0]["sound"][int(noise.integers(0, _BLOCK))] if len(rows) % 20 == 0 else rows[-1]
        row = row + noise.normal(size=512).astype(np.float32) * 0.02
        rows.append(row / np.linalg.norm(row))
    return np.array(rows, np.float32)


def opened(kind: str, folder: Path):
    if kind == "edge":
        from rag.vectordb import EdgeStore

        return EdgeStore(folder, SCHEMA)
    from qdrant_client import QdrantClient

    from rag.vector_server import ServerStore

    return ServerStore("local", SCHEMA, client=QdrantClient(path=str(folder), force_disable_check_same_thread=True))


def memory_mb() -> float:
    """Resident memory of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def timed(ask, rows: np.ndarray) -> dict[str, float]:
    for row in rows[:5]:
        ask(row)
    spent = []
    used = time.process_time()
    for row in rows:
        began = time.perf_counter()
        ask(row)
        spent.append((time.perf_counter() - began) * 1e3)
    used = (time.process_time() - used) / len(rows) * 1e3
    return {"p50": float(np.percentile(spent, 50)), "p99": float(np.percentile(spent, 99)), "processor": used}


def fill(kind: str, folder: Path, tracks: int) -> dict:
    store = opened(kind, folder)
    spent = 0.0
    for start in range(0, tracks, _BLOCK):
        made = points(start, min(_BLOCK, tracks - start))
        began = time.perf_counter()
        store.upsert(made)
        spent += time.perf_counter() - began
    store.close()
    return {"tracks a second in": round(tracks / spent)}


def work_at_once(kind: str, folder: Path, tracks: int, seconds: float) -> dict:
    store = opened(kind, folder)
    return together(store, queries(tracks, 300), tracks, seconds)


def ask(kind: str, folder: Path, tracks: int, asked: int, seconds: float, exact_at: int) -> dict:
    import qdrant_client
    import qdrant_edge  # noqa: F401 - what is measured is opening, not importing

    del qdrant_client
    rows = queries(tracks, asked)
    began, before = time.perf_counter(), memory_mb()
    store = opened(kind, folder)
    store.count()
    out: dict = {"open s": time.perf_counter() - began}
    out["plain ms"] = timed(lambda row: store.nearest(row, using="sound", limit=10), rows)
    out["filtered ms"] = timed(lambda row: store.nearest(row, using="sound", limit=10, filters=NARROW), rows)
    parts = block(0, 10)[0]["windows"]
    out["windows ms"] = timed(lambda row: store.nearest(parts[0][:1], using="windows", limit=10), rows[: asked // 10])
    out["memory MB"] = memory_mb() - before
    right = []
    for row in rows[:exact_at]:
        exact = {hit.id for hit in store.nearest(row, using="sound", limit=10, exact=True)}
        right.append(len(exact & {hit.id for hit in store.nearest(row, using="sound", limit=10)}) / 10)
    out["recall@10"] = float(np.mean(right))
    out |= together(store, rows, tracks, seconds)
    return out


def together(store, rows: np.ndarray, tracks: int, seconds: float) -> dict:
    """Four readers and a writer on one store."""
    errors: list[str] = []
    counts = [0] * 5
    fresh = points(tracks, 200)
    until = time.monotonic() + seconds

    def read(number: int) -> None:
        while time.monotonic() < until:
            try:
                store.nearest(rows[counts[number] % len(rows)], using="sound", limit=10)
                counts[number] += 1
            except Exception as error:  # noqa: BLE001 - errors are what is counted
                errors.append(str(error))

    def write() -> None:
        while time.monotonic() < until:
            try:
                store.upsert(fresh[counts[4] % 200 :][:20])
                counts[4] += 20
            except Exception as error:  # noqa: BLE001 - errors are what is counted
                errors.append(str(error))

    threads = [threading.Thread(target=read, args=(n,)) for n in range(4)] + [threading.Thread(target=write)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {
        "seconds": seconds,
        "errors": len(errors),
        "read at once": sum(counts[:4]),
        "written at once": counts[4],
        "first error": (errors or [""])[0][:90],
    }


def plain_numpy(tracks: int, asked: int) -> dict:
    before = memory_mb()
    blocks = [block(start, _BLOCK) for start in range(0, tracks, _BLOCK)]
    sound = np.concatenate([vectors["sound"] for vectors, _ in blocks])
    tempo = np.array([row["tempo_bpm"] for _, rows in blocks for row in rows])
    key = np.array([row["key"] for _, rows in blocks for row in rows])
    del blocks
    rows = queries(tracks, asked)

    def nearest(row: np.ndarray) -> np.ndarray:
        score = sound @ row
        top = np.argpartition(-score, 10)[:10]
        return top[np.argsort(-score[top])]

    def narrowed(row: np.ndarray) -> np.ndarray:
        chosen = np.flatnonzero((tempo >= 118) & (tempo <= 128) & (key == 3))
        score = sound[chosen] @ row
        return chosen[np.argsort(-score)[:10]]

    return {
        "plain ms": timed(nearest, rows), "filtered ms": timed(narrowed, rows), "memory MB": memory_mb() - before,
        "recall@10": 1.0,
    }  # fmt: skip


def in_a_process(*arguments: str) -> dict:
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    ran = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, env=env)
    if ran.returncode:
        return {"failed": ran.stderr.strip().splitlines()[-1][:120] if ran.stderr.strip() else str(ran.returncode)}
    return json.loads(ran.stdout.strip().splitlines()[-1])


def said_at_once(made: dict) -> str:
    return f"{made['errors']} errors, {made['read at once']:,} reads, {made['written at once']:,} writes in {made['seconds']:.0f} s"


def put_at_once(rows: list[tuple[str, int, dict]]) -> None:
    """The last column alone anew: errors do not mind what else the machine does, times of an answer do."""
    from benchmarks.tables import lines_of, put

    lines = lines_of("vectors")
    for name, tracks, made in rows:
        for number, line in enumerate(lines):
            if line.startswith(f"| {name} | {tracks:,} |"):
                lines[number] = "|".join([*line.split("|")[:-2], f" {said_at_once(made)} ", ""])
    put("vectors", lines)


def table(rows: list[tuple[str, int, dict]]) -> list[str]:
    def spread(values: dict | None) -> str:
        return f"{values['p50']:.1f} / {values['p99']:.1f} ({values['processor']:.1f})" if values else "–"

    lines = [
        "| store | tracks | in, a second | opens in | plain, ms p50 / p99 (processor) | filtered, ms p50 / p99 | one window, ms p50 / p99 | memory | recall@10 | 4 readers + writer |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, tracks, made in rows:
        if "failed" in made:
            lines.append(f"| {name} | {tracks:,} | failed: {made['failed']} | | | | | | | |")
            continue
        opens = f"{made['open s']:.2f} s" if "open s" in made else "–"
        at_once = said_at_once(made) if "errors" in made else "–"
        lines.append(
            f"| {name} | {tracks:,} | {made.get('tracks a second in', '–')} | {opens} | {spread(made.get('plain ms'))} | "
            f"{spread(made.get('filtered ms'))} | {spread(made.get('windows ms'))} | {made['memory MB']:,.0f} MB | "
            f"{made['recall@10']:.3f} | {at_once} |"
        )
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tracks", type=int, default=100_000)
    parser.add_argument("--local-tracks", type=int, default=5_000, help="for qdrant-client's local mode, which is slow")
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long readers and a writer work at once")
    parser.add_argument("--graph-tracks", type=int, default=0, help="also measure Edge with its search graph built")
    parser.add_argument("--at-once", action="store_true", help="only the readers and the writer, and only their column")
    parser.add_argument("--write", action="store_true", help="put the table into docs/library.md")
    parser.add_argument("--part", nargs=4, metavar=("WHAT", "KIND", "FOLDER", "TRACKS"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        what, kind, folder, tracks = given.part
        if what == "fill":
            made = fill(kind, Path(folder), int(tracks))
        elif what == "graph":
            store = opened(kind, Path(folder))
            store.optimise()
            store.close()
            made = {}
        elif what == "together":
            made = work_at_once(kind, Path(folder), int(tracks), given.seconds)
        elif what == "numpy":
            made = plain_numpy(int(tracks), given.queries)
        else:
            made = ask(kind, Path(folder), int(tracks), given.queries, given.seconds, exact_at=min(50, given.queries))
        print(json.dumps(made))
        return 0
    rows, load_before = [], os.getloadavg()[0]
    passed = ("--queries", str(given.queries), "--seconds", str(given.seconds))
    with tempfile.TemporaryDirectory(prefix="vectors-") as scratch:
        runs = [
            ("Qdrant Edge", "edge", given.tracks, False),
            ("qdrant-client local", "local", given.local_tracks, False),
        ]
        if given.graph_tracks:
            runs.append(("Qdrant Edge, graph built", "edge", given.graph_tracks, True))
        for number, (name, kind, tracks, graph) in enumerate(runs):
            folder = str(Path(scratch) / str(number))
            made = in_a_process("--part", "fill", kind, folder, str(tracks))
            if graph:
                in_a_process("--part", "graph", kind, folder, str(tracks))
            if "failed" not in made:
                what = "together" if given.at_once else "ask"
                made |= in_a_process("--part", what, kind, folder, str(tracks), *passed)
            rows.append((name, tracks, made))
            print(name, made, flush=True)
            shutil.rmtree(folder, ignore_errors=True)
        if given.at_once:
            if given.write:
                put_at_once(rows)
            return 0
        rows.append(("numpy", given.tracks, in_a_process("--part", "numpy", "-", "-", str(given.tracks), *passed)))
    lines = table(rows)
    lines.append("")
    lines.append(
        f"The machine's load on {os.cpu_count()} processors: {load_before:.0f} before, {os.getloadavg()[0]:.0f} after, this "
        "run's own five threads included."
    )
    print("\n".join(lines))
    if given.write:
        from benchmarks.tables import put

        put("vectors", lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
