"""A run's log, `progress.jsonl`: a line a step, a look at the held-out tracks, a sample, a checkpoint.

Lines are appended while the run goes on and read by whoever looks, in any process. A line cut short by a crash is no
line. When a run resumes, what lies after its checkpoint is taken back, so that the curve is one curve. Knows nothing
of how losses come about.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audio.io import written_whole

PROGRESS = "progress.jsonl"
_WORSE = 1.01  # the held-out loss has left its best by so much
_PATIENCE = 3  # looks in a row


@dataclass(frozen=True, slots=True)
class Curve:
    """A run's log, by kind, each in the order of its steps; plain dictionaries as they were logged.

    state: "new", "running", "done", "stopped" or "failed", as the run itself last said. error: why it failed.
    """

    steps: list[dict[str, Any]] = field(default_factory=list)
    held_out: list[dict[str, Any]] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    notes: list[dict[str, Any]] = field(default_factory=list)
    state: str = "new"
    stage: str = ""
    error: str = ""

    @property
    def step(self) -> int:
        return int(self.steps[-1]["step"]) if self.steps else 0

    @property
    def best(self) -> dict[str, Any] | None:
        """The look at which the held-out loss was lowest."""
        return min(self.held_out, key=lambda look: look["loss"], default=None)

    @property
    def overfits_since(self) -> int | None:
        """The step from which the model learned its tracks by heart, or None.

        Said when the last three looks at the held-out tracks are all worse than the best by 1 %, while the loss on the
        tracks it learns from has gone down since.
        """
        best = self.best
        if best is None or len(self.held_out) < _PATIENCE + 1:
            return None
        last = self.held_out[-_PATIENCE:]
        if last[0]["step"] <= best["step"] or any(look["loss"] < _WORSE * best["loss"] for look in last):
            return None
        return int(best["step"]) if self._falls_since(int(best["step"])) else None

    def _falls_since(self, step: int) -> bool:
        before = [one["loss"] for one in self.steps if one["step"] <= step][-20:]
        after = [one["loss"] for one in self.steps if one["step"] > step][-20:]
        return not before or not after or sum(after) / len(after) < sum(before) / len(before)


class ProgressLog:
    """Appends to a run's log."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / PROGRESS

    def add(self, kind: str, **facts: Any) -> None:
        """Append a line; raises OSError when the disk is full."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"kind": kind, **facts}) + "\n")

    def take_back(self, *, after_step: int) -> None:
        """Drop what was logged past a step, and any line that was cut short."""
        kept = [line for line in _lines(self._path) if line.get("step", 0) <= after_step and line["kind"] != "end"]
        with written_whole(self._path) as part:
            part.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")


def read_progress(folder: Path) -> Curve:
    """What a run's folder says of its course; an empty curve where there is none yet."""
    curve = Curve()
    into: Mapping[str, list[dict[str, Any]]] = {
        "step": curve.steps, "held_out": curve.held_out, "sample": curve.samples, "note": curve.notes,
    }  # fmt: skip
    state, stage, error = "new", "", ""
    for line in _lines(folder / PROGRESS):
        kind = line["kind"]
        if kind in into:
            into[kind].append(line)
        if kind in ("stage", "step"):
            state, stage, error = "running", str(line.get("stage", "training")), ""
        elif kind == "end":
            state, error = str(line.get("state", "failed")), str(line.get("error", ""))
    return Curve(curve.steps, curve.held_out, curve.samples, curve.notes, state, stage, error)


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    found = []
    for line in text.splitlines():
        try:
            said = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(said, dict) and "kind" in said:
            found.append(said)
    return found
