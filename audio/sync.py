"""BPM sync: a clip bent so that its beats fall on a grid, exact to the sample.

The clip is stretched piece by piece between its own beats, so a drummer's drift goes and the pitch stays. Knows nothing of how the
beats were found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audio.beats import Beats, steady_beats
from audio.clip import Clip


@dataclass(frozen=True, slots=True)
class Synced:
    """A clip on a grid: its sound, and where its beats lie now (exactly there, to the sample)."""

    clip: Clip
    beats: Beats


def sync_to_tempo(clip: Clip, beats: Beats, *, tempo_bpm: float) -> Synced:
    """The clip at a steady tempo; its first tracked beat comes as many beats after the start as before.

    Raises audio.stretch.TempoOutOfRange when a stretch of it would have to leave half to double speed.
    """
    beat = 60.0 / tempo_bpm
    lead = beats.beats_seconds[0] * beats.tempo_bpm / tempo_bpm
    places = lead + beat * np.arange(len(beats.beats_seconds))
    return _on_grid(clip, beats, places.tolist(), tempo_bpm=tempo_bpm)


def sync_to_beats(clip: Clip, beats: Beats, *, to: Beats) -> Synced:
    """The clip laid on another track's beats: its first downbeat falls on that track's first downbeat.

    Raises audio.stretch.TempoOutOfRange as `sync_to_tempo`.
    """
    shift = to.first_downbeat - beats.first_downbeat
    places = [to.seconds_at(number + shift) for number in range(len(beats.beats_seconds))]
    return _on_grid(clip, beats, places, tempo_bpm=to.tempo_bpm)


def _on_grid(clip: Clip, beats: Beats, places_seconds: Sequence[float], *, tempo_bpm: float) -> Synced:
    from audio.stretch import stretch

    made = stretch(clip, factor=tempo_bpm / beats.tempo_bpm)
    return Synced(
        made,
        steady_beats(
            seconds=made.seconds, tempo_bpm=tempo_bpm, beats_a_bar=beats.beats_a_bar,
            first_downbeat_seconds=(beats.downbeats_seconds or beats.beats_seconds)[0] * beats.tempo_bpm / tempo_bpm,
        ),
    )  # fmt: skip
