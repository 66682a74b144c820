"""An engine that errs on purpose: the real sketch engine, some of whose sections come out broken.

A fault is planted with a chance that falls with every pass; never in a section that was not made anew. Knows nothing
of the judge.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from agents.types import SongPlan
from audio.clip import Clip
from benchmarks.ruins import stretched
from studio.engines.base import Capabilities, Listener, Rendering, Sampling
from studio.engines.sketch.engine import SketchEngine
from studio.engines.sketch.exchange import section_spans

FAULTS = ("gap", "clipped", "hum", "mono", "wrong key", "silent", "clicks")


class ErringEngine:
    """Keeps the Engine protocol. chance: that a section made comes out broken, halved for every take made before."""

    def __init__(self, engine: SketchEngine, *, chance: float = 0.5, halved: bool = True, seed: int = 0) -> None:
        self._engine, self._chance, self._halved = engine, chance, halved
        self._rng = np.random.default_rng(seed)
        self.planted: list[dict[int, str]] = []

    @property
    def capabilities(self) -> Capabilities:
        return self._engine.capabilities

    def generate(self, plan: SongPlan, sampling: Sampling, listener: Listener) -> Rendering:
        """The sketch engine's take, some sections broken; at least one in the first take."""
        made = self._engine.generate(plan, sampling, listener)
        return self._broken(plan, made, range(len(plan.sections)))

    def regenerate(
        self, plan: SongPlan, previous: Rendering, sections: Collection[int], sampling: Sampling, listener: Listener
    ) -> Rendering:
        """The sketch engine's exchange, perhaps broken again, in the exchanged sections only."""
        made = self._engine.regenerate(plan, previous, sections, sampling, listener)
        return self._broken(plan, made, sections)

    def unload(self) -> None:
        self._engine.unload()

    def _broken(self, plan: SongPlan, made: Rendering, sections: Collection[int]) -> Rendering:
        chance = self._chance * (0.5 ** len(self.planted) if self._halved else 1.0)
        chosen = [n for n in sorted(sections) if self._rng.random() < chance]
        if not self.planted and not chosen:
            chosen = [int(self._rng.choice(sorted(sections)))]
        out = made.clip.samples.copy()
        faults = {n: str(self._rng.choice(FAULTS)) for n in chosen}
        for number, fault in faults.items():
            start, end = section_spans(plan, {number}, seconds=made.clip.seconds)[0]
            rate = made.clip.sample_rate_hz
            # Well inside the section: its edges belong to the crossfade.
            a, b = round((start + 0.06) * rate), round((end - 0.12) * rate)
            out[:, a:b] = self._fault(fault, out[:, a:b], rate)
        self.planted.append(faults)
        # The stems would no longer sum to the broken mix.
        return Rendering(clip=Clip(out, made.clip.sample_rate_hz), complete=made.complete, identity=made.identity)

    def _fault(self, fault: str, samples: np.ndarray, rate: int) -> np.ndarray:
        out = samples.copy()
        frames = out.shape[1]
        if fault == "gap":
            length = min(frames // 3, round(0.6 * rate))
            at = int(self._rng.integers(frames // 4, max(frames // 4 + 1, frames // 2)))
            out[:, at : at + length] = 0
        elif fault == "clipped":
            out = np.clip(out * 4, -0.8, 0.8)
        elif fault == "hum":
            seconds = np.arange(frames) / rate
            tone = sum(np.sin(2 * np.pi * 50 * k * seconds) / k**0.6 for k in range(1, 9))
            out += (0.25 * np.sqrt((out**2).mean()) / np.sqrt((tone**2).mean()) * tone).astype(np.float32)
        elif fault == "mono":
            out[:] = out.mean(axis=0)
        elif fault == "wrong key":
            out = stretched(Clip(out, rate), semitones=float(self._rng.choice([-3, -1, 1, 3]))).samples[:, :frames]
            out = np.pad(out, ((0, 0), (0, frames - out.shape[1])))
        elif fault == "silent":
            out *= np.float32(0.0005)
        elif fault == "clicks":
            for at in np.linspace(0.2, 0.8, 3) * frames:
                out[:, int(at) : int(at) + 2] += np.float32(0.7)
            out = np.clip(out, -0.98, 0.98)
        return out
