"""A run's checkpoints: whole or not there, each a PEFT adapter with what is needed to go on from it.

A checkpoint is written beside its place, flushed, and moved in with one rename; it lists its files' sums, and one that
does not match them is passed over for the one before. Knows nothing of how the weights were trained.
"""

from __future__ import annotations

import io
import json
import secrets
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audio.folders import PART, remove_whole, sweep
from audio.io import flush_to_disk
from studio.engines.musicgen.adapters import CARD, CONFIG, WEIGHTS
from studio.engines.musicgen.checkpoint import file_sha256
from studio.training.errors import RunError, why

if TYPE_CHECKING:
    import torch

CHECKPOINTS, WHOLE, STATE = "checkpoints", "whole.json", "trainer.pt"
_NAME = "step-{:06d}"


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint on disk. held_out: the held-out loss when it was written, or None."""

    folder: Path
    step: int
    held_out: float | None


class Checkpoints:
    """The checkpoints of one run's folder."""

    def __init__(self, run_folder: Path) -> None:
        self._folder = run_folder / CHECKPOINTS

    def all(self) -> list[Saved]:
        """Those that say they are whole, oldest first; their sums are checked by `latest`."""
        folders = sorted(self._folder.glob("step-*")) if self._folder.is_dir() else []
        read = [(folder, _facts(folder)) for folder in folders]
        return [Saved(folder, int(facts["step"]), facts.get("held_out")) for folder, facts in read if facts is not None]

    def latest(self) -> Saved | None:
        """The newest whose files match their sums, or None."""
        return next((saved for saved in reversed(self.all()) if is_whole(saved.folder)), None)

    def best(self) -> Saved | None:
        """The one with the lowest held-out loss, or the newest where nothing is held out."""
        heard = [saved for saved in self.all() if saved.held_out is not None and is_whole(saved.folder)]
        return min(heard, key=lambda saved: saved.held_out or 0.0, default=self.latest())

    def write(
        self,
        step: int,
        *,
        adapter: Mapping[str, torch.Tensor],
        adapter_config: Mapping[str, Any],
        card: Mapping[str, Any],
        state: Mapping[str, Any],
        held_out: float | None,
        keep: int,
    ) -> Saved:
        """Write one and delete the oldest beyond `keep`, never the best.

        adapter: the weights by PEFT's names. state: what training goes on from. Raises RunError when the disk is full;
        the checkpoints before it stay.
        """
        import torch
        from safetensors.torch import save

        place = self._folder / _NAME.format(step)
        draft = self._folder / f"{PART}{step:06d}-{secrets.token_hex(3)}"
        try:
            self.sweep()
            draft.mkdir(parents=True)
            # By Python's own writing, which hides no refusal of a full disk.
            weights = {name: weight.contiguous() for name, weight in adapter.items()}
            (draft / WEIGHTS).write_bytes(save(weights, {"format": "pt"}))
            whole_state = io.BytesIO()
            torch.save(dict(state), whole_state)
            (draft / STATE).write_bytes(whole_state.getbuffer())
            (draft / CONFIG).write_text(json.dumps(dict(adapter_config), indent=2, sort_keys=True), encoding="utf-8")
            (draft / CARD).write_text(json.dumps(dict(card), indent=1), encoding="utf-8")
            sums = {path.name: file_sha256(path) for path in sorted(draft.iterdir())}
            facts = {"step": step, "held_out": held_out, "files": sums}
            (draft / WHOLE).write_text(json.dumps(facts), encoding="utf-8")
            for path in (*draft.iterdir(), draft):
                flush_to_disk(path)
            if place.exists():  # one that lost a file since: `latest` passed over it
                remove_whole(place)
            draft.replace(place)
            flush_to_disk(self._folder)
        except OSError as error:
            shutil.rmtree(draft, ignore_errors=True)
            raise RunError(
                f"The checkpoint at step {step} could not be written ({why(error)}): free some space, then resume; the "
                "checkpoints before it are whole."
            ) from error
        saved = Saved(place, step, held_out)
        self._forget(keep)
        return saved

    def sweep(self) -> None:
        """Remove what a crash left half-written or half-deleted."""
        sweep(self._folder)

    def _forget(self, keep: int) -> None:
        heard = [saved for saved in self.all() if saved.held_out is not None]
        best = min(heard, key=lambda saved: saved.held_out or 0.0, default=None)
        for saved in self.all()[:-keep]:
            if best is None or saved.step != best.step:
                with suppress(OSError):  # a file of it is in use: it goes the next time
                    remove_whole(saved.folder)


def is_whole(folder: Path) -> bool:
    """Whether a checkpoint's files are all there, with the sums it was written with."""
    facts = _facts(folder)
    if facts is None:
        return False
    try:
        return all(file_sha256(folder / name) == sha256 for name, sha256 in facts["files"].items())
    except OSError:
        return False


def load_state(saved: Saved) -> dict[str, Any]:
    """What training goes on from; raises RunError when it cannot be read."""
    import torch

    try:
        state: dict[str, Any] = torch.load(saved.folder / STATE, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError) as error:
        raise RunError(
            f"The checkpoint at step {saved.step} cannot be read: delete its folder to go on from the one before."
        ) from error
    return state


def _facts(folder: Path) -> dict[str, Any] | None:
    try:
        facts = json.loads((folder / WHOLE).read_text(encoding="utf-8"))
        return facts if isinstance(facts["files"], dict) and int(facts["step"]) >= 0 else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
