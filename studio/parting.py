"""Parts heard alone, where a separator is here: a melody without drums and bass, a layer's own part out of its sound.

MusicGen melody was taught on music so separated (Copet et al. 2023, section 3.1). The built-in separation is not good
enough for either: without a downloaded Demucs each sound is left as it is, which is said. Knows nothing of engines.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from agents.knowledge import instruments
from audio.clip import Clip
from audio.work import SoundUnusable
from studio.models.hub import ModelError
from studio.separation import SeparationError, Separations

_RHYTHM = ("drums", "bass")


class Parting:
    """Takes single parts out of sounds, with the best separator that is here."""

    def __init__(self, separations: Separations) -> None:
        self._separations = separations

    def melody_of(self, clip: Clip) -> Clip | None:
        """The clip without drums and bass, at its rate and channels; None where no separator is here, or it fails."""
        return self._only(clip, lambda name: name not in _RHYTHM)

    def part_of(self, clip: Clip, instrument: str) -> Clip | None:
        """What an instrument of agents/knowledge plays in the clip, as far as the separator tells such parts apart."""
        wanted = _stem_of(instrument)
        return self._only(clip, lambda name: name == wanted if wanted in _RHYTHM else name not in _RHYTHM)

    def _only(self, clip: Clip, is_wanted: Callable[[str], bool]) -> Clip | None:
        best = self._separations.models.best()
        if best is None:
            return None
        try:
            kept = self._separations.separate(clip, model=best.id)
            parts = [kept.clip(name).samples for name in kept.paths if is_wanted(name)]
        except (SeparationError, ModelError, SoundUnusable):
            return None
        finally:
            self._separations.unload()
        return Clip(np.asarray(np.sum(parts, axis=0, dtype=np.float32)), kept.sample_rate_hz)


def _stem_of(instrument: str) -> str:
    """The separator's stem that an instrument falls into."""
    known = instruments()[instrument]
    if known.kit is not None or known.roles[0] in ("drums", "percussion"):
        return "drums"
    return "bass" if known.roles[0] == "bass" else "other"
