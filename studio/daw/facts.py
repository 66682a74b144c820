"""What a DAW has to know of a take's music: its tempo in quarter notes, where its beats and bars lie, where it ends.

Knows nothing of plug-ins or of their protocol.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audio.beats import Beats, steady_beats
from studio.takes import Take

_SLACK_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Music:
    """A take's music in its own time.

    tempo_bpm: quarter notes a minute, as DAWs count them. beats_seconds, bars_seconds: ascending. end_seconds: where the last
    whole bar ends. rings: the sound behind it is the last chord ringing out, and may sound into a repeat.
    """

    tempo_bpm: float
    beats_seconds: tuple[float, ...]
    bars_seconds: tuple[float, ...]
    end_seconds: float
    rings: bool


def music_of(take: Take, beats: Beats | None) -> Music:
    """The music of a take; beats: where they are known to lie, None takes the plan's grid at its word."""
    plan = take.plan
    meter = plan.meter.value
    a_bar = max(1, round(meter.quarters_per_bar / meter.quarters_per_felt_beat))
    exact = beats is not None and beats.confidence >= 1.0
    if beats is None:
        first = float((take.identity.get("grid") or {}).get("first_beat_seconds", 0.0))
        beats = steady_beats(
            seconds=take.seconds, tempo_bpm=plan.tempo_bpm.value, beats_a_bar=a_bar, first_downbeat_seconds=first
        )
    quarters = beats.tempo_bpm * meter.quarters_per_felt_beat
    bar_seconds = beats.beats_a_bar * beats.beat_seconds
    bars = [each for each in beats.downbeats_seconds if each + bar_seconds <= take.seconds + _SLACK_SECONDS]
    start = bars[0] if bars else 0.0
    if exact and take.complete:  # a sketch: what lies behind its bars is the ring of its last chord
        bars = [each for each in bars if each < start + plan.music_seconds - _SLACK_SECONDS]
    end = min(take.seconds, bars[-1] + bar_seconds) if bars else take.seconds
    inside = np.asarray(beats.beats_seconds)
    inside = inside[(inside >= start - _SLACK_SECONDS) & (inside < end - _SLACK_SECONDS)]
    return Music(quarters, tuple(inside.tolist()), tuple(bars), end, rings=exact and take.complete)


def tempo_used(own_bpm: float, asked_bpm: float) -> float:
    """The tempo a take is stretched to for a host's: that, or half or double of it where the way there is too far to sound well.

    Stretching leaves the ratios between 0.5 and 2 to `audio.stretch`; beyond them the take goes in half or double time.
    """
    used = asked_bpm
    while used / own_bpm > 2.0:
        used /= 2
    while used / own_bpm < 0.5:
        used *= 2
    return used
