"""Sketches with known truth, made once and kept: what the benchmarks of listening code are measured on.

    from benchmarks.corpus import sketches
    for sketch in sketches(per_genre=2, seconds=30.0): sketch.clip(), sketch.plan, sketch.stems(), sketch.midi()

They lie in `out/corpus/`, under a name made of the code which plays them, so that a change of the engine makes new ones.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))
CORPUS = ROOT / "out" / "corpus"
# What decides how a sketch sounds; a change elsewhere keeps those already made.
_PLAYS = (
    "studio/engines/sketch/**/*", "agents/knowledge/*", "agents/structure_agent.py", "agents/layout.py",
    "agents/arranging.py", "agents/harmony.py", "audio/mastering.py",
)  # fmt: skip

if TYPE_CHECKING:
    from agents.types import SongPlan
    from audio.clip import Clip


@dataclass(frozen=True)
class Sketch:
    """One take on the disk: mix.flac, stems/*.flac, notes.mid and plan.json in a folder."""

    genre: str
    seed: int
    folder: Path

    @property
    def plan(self) -> SongPlan:
        from agents.types import SongPlan

        return SongPlan.model_validate_json((self.folder / "plan.json").read_text())

    def clip(self) -> Clip:
        """The mix, stereo at 44.1 kHz."""
        from audio.io import read_clip

        return read_clip(self.folder / "mix.flac")

    def stems(self) -> dict[str, Clip]:
        """The true stems by part, which sum to the mix."""
        from audio.io import read_clip

        return {path.stem: read_clip(path) for path in sorted((self.folder / "stems").glob("*.flac"))}

    def stem_names(self) -> list[str]:
        return sorted(path.stem for path in (self.folder / "stems").glob("*.flac"))

    def stem(self, name: str) -> Clip:
        """One of the true stems."""
        from audio.io import read_clip

        return read_clip(self.folder / "stems" / f"{name}.flac")

    def midi(self) -> bytes:
        """The notes as played, a Standard MIDI file."""
        return (self.folder / "notes.mid").read_bytes()


def sketches(
    *, per_genre: int = 1, seconds: float = 30.0, first_seed: int = 0, genres: int | None = None, workers: int = 0
) -> list[Sketch]:
    """Takes of every genre (or of the first few) under successive seeds; those not there yet are made.

    workers: processes that make them, 0 for one a processor.
    """
    from agents.knowledge import genres as known

    base = CORPUS / _code_name() / f"{seconds:g}s"
    wanted = [
        Sketch(name, seed, base / f"{name}-{seed}")
        for name in list(known())[:genres]
        for seed in range(first_seed, first_seed + per_genre)
    ]
    missing = [sketch for sketch in wanted if not (sketch.folder / "plan.json").exists()]
    if missing:
        print(f"Making {len(missing)} sketches of {seconds:g} s in {base} …", file=sys.stderr)
        with ProcessPoolExecutor(workers or os.cpu_count(), mp_context=get_context("spawn")) as pool:
            list(pool.map(_make, missing, [seconds] * len(missing)))
    return wanted


def _make(sketch: Sketch, seconds: float) -> None:
    """Plan and play one take, written beside its place and moved in."""
    from agents.knowledge import genres
    from agents.structure_agent import plan_from_brief
    from agents.types import Brief
    from audio.io import write_clip
    from studio.engines.base import Listener, Sampling
    from studio.engines.sketch.engine import SketchEngine

    plan = plan_from_brief(Brief(words=genres()[sketch.genre].label, seconds=seconds), seed=sketch.seed)
    made = SketchEngine().generate(plan, Sampling(seed=sketch.seed), Listener())
    beside = sketch.folder.with_name(f".{sketch.folder.name}.{os.getpid()}")
    (beside / "stems").mkdir(parents=True, exist_ok=True)
    write_clip(beside / "mix.flac", made.clip)
    for name, clip in made.stems.items():
        write_clip(beside / "stems" / f"{name}.flac", clip)
    (beside / "notes.mid").write_bytes(made.midi or b"")
    (beside / "plan.json").write_text(plan.model_dump_json())
    if sketch.folder.exists():
        shutil.rmtree(beside)
    else:
        beside.replace(sketch.folder)


@cache
def _code_name() -> str:
    """A name for the code and data that decide how sketches sound."""
    said = hashlib.sha256()
    for pattern in _PLAYS:
        for path in sorted(ROOT.glob(pattern)):
            if path.is_file() and path.suffix in (".py", ".json"):
                said.update(path.relative_to(ROOT).as_posix().encode() + path.read_bytes())
    return said.hexdigest()[:10]
