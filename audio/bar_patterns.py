"""Which pulse is the beat, and which beat begins the bar: candidates compared by the pattern of a whole bar.

Every candidate lays a bar over the clip; what low, middle and high bands and the harmony do at each place of that bar, averaged
over all bars, is its pattern (after Krebs, Böck and Widmer, "Rhythmic Pattern Modeling for Beat and Downbeat Tracking in Musical
Audio", ISMIR 2013). A small network, trained by `benchmarks/train_bars.py` on sketches whose bars are known, says how much each
pattern looks like a bar of music. Knows nothing of how candidates are found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from audio.bands import Bands
from audio.pulse_tracks import PulseTrack

WEIGHTS = Path(__file__).with_name("bar_patterns.npz")
BAND_EDGES_HZ = (30.0, 120.0, 250.0, 500.0, 1_000.0, 2_000.0, 4_000.0, 8_000.0, 16_000.0)
LOWEST_PITCH, HIGHEST_PITCH = 33, 84
PITCH_EDGES_HZ = tuple(440.0 * 2 ** ((pitch - 69.5) / 12) for pitch in range(LOWEST_PITCH, HIGHEST_PITCH + 1))
_PLACES = (0.0, 1 / 4, 1 / 3, 1 / 2, 2 / 3, 3 / 4)
_GROUPS = ((0, 2), (2, 5), (5, 8))
_BASS_PITCHES = 19
_SLOTS = 4
BEATS_A_BAR = (2, 3, 4)


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """A candidate: a pulse, where in its period the beat falls (turns), and which of the beats, counted from it, begins a bar."""

    track: PulseTrack
    phase: float
    beats_a_bar: int
    first: int


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What readings are compared on, computed once: onsets in three groups of bands, changes of harmony and of texture."""

    groups: np.ndarray
    hop_seconds: float
    level: np.ndarray
    pitches: np.ndarray
    pitch_hop_seconds: float

    @classmethod
    def of(cls, bands: Bands, pitches: Bands) -> Heard:
        """bands: at BAND_EDGES_HZ. pitches: at PITCH_EDGES_HZ, a semitone each."""
        from scipy.ndimage import maximum_filter1d

        rises = np.minimum(bands.rises_db, 30.0)
        groups = np.stack([rises[:, a:b].mean(axis=1) for a, b in _GROUPS], axis=1)
        amplitude = 10 ** (pitches.level_db / 40)
        return cls(
            maximum_filter1d(groups, 5, axis=0), bands.hop_seconds, bands.level_db, amplitude, pitches.hop_seconds
        )


def readings_of(
    heard: Heard, track: PulseTrack, phases: Sequence[float], *, beats_a_bar: Sequence[int] = BEATS_A_BAR
) -> tuple[list[Reading], np.ndarray]:
    """All readings of one pulse, and their patterns: float32, (readings, features)."""
    readings, rows = [], []
    for phase in phases:
        turns = np.arange(np.ceil(track.turns[0] - phase), np.floor(track.turns[-1] - phase) + 1) + phase
        if len(turns) < 4:
            continue
        onsets = _at_places(heard, track, turns)
        changes = _changes(heard, track, turns)
        for beats in beats_a_bar:
            for first in range(beats):
                if len(turns) - first < beats:
                    continue
                readings.append(Reading(track, phase, beats, first))
                rows.append(_pattern(onsets, changes, track, beats, first))
    features = np.stack(rows).astype(np.float32) if rows else np.zeros((0, 0), np.float32)
    return readings, features


def likelihoods(features: np.ndarray) -> np.ndarray:
    """How likely each reading is the right one of them all, by the network: (readings,), summing to 1."""
    weights = _weights()
    hidden = np.maximum(0.0, (features - weights["mean"]) / weights["spread"] @ weights["w1"] + weights["b1"])
    score = (hidden @ weights["w2"]).ravel()
    odds = np.exp(score - score.max())
    return odds / odds.sum()


@cache
def _weights() -> dict[str, np.ndarray]:
    with np.load(WEIGHTS) as file:
        return {name: file[name].astype(np.float32) for name in file.files}


def _at_places(heard: Heard, track: PulseTrack, turns: np.ndarray) -> np.ndarray:
    """Onset strength at each place of each beat, in units of its mean over the clip: (beats, places, groups)."""
    grid = turns[:, None] + np.asarray(_PLACES)
    moments = np.rint(track.times_at(grid.ravel()) / heard.hop_seconds).astype(int)
    moments = np.clip(moments, 0, len(heard.groups) - 1)
    usual = heard.groups.mean(axis=0) + 0.3
    return (heard.groups[moments] / usual).reshape(len(turns), len(_PLACES), -1)


def _changes(heard: Heard, track: PulseTrack, turns: np.ndarray) -> np.ndarray:
    """How harmony (over one beat, over two, in the bass) and texture change at each beat, over their means: (beats, 4)."""
    times = track.times_at(np.append(turns, turns[-1] + 1))
    pitches = _means(heard.pitches, times / heard.pitch_hop_seconds)
    chroma = _folded(pitches)
    bass = _folded(pitches[:, :_BASS_PITCHES])
    two = chroma.copy()
    two[:-1] += chroma[1:]
    before_two = chroma.copy()
    before_two[1:] += chroma[:-1]
    level = _means(heard.level, times / heard.hop_seconds)
    later = (level + np.roll(level, -1, 0) + np.roll(level, -2, 0) + np.roll(level, -3, 0)) / 4
    earlier = (np.roll(level, 1, 0) + np.roll(level, 2, 0) + np.roll(level, 3, 0) + np.roll(level, 4, 0)) / 4
    columns = np.stack(
        [
            _distance(np.roll(chroma, 1, 0), chroma),
            _distance(np.roll(before_two, 1, 0), two),
            _distance(np.roll(bass, 1, 0), bass),
            np.abs(later - earlier).mean(axis=1),
        ],
        axis=1,
    )
    edge = min(4, len(turns) // 3)
    columns[:1, :3] = columns[1:, :3].mean(axis=0)
    inside = columns[edge:-edge, 3] if len(turns) > 2 * edge else columns[:, 3]
    columns[:edge, 3] = columns[len(columns) - edge :, 3] = inside.mean()
    return columns / (columns.mean(axis=0) + 1e-6)


def _means(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The mean row between each two edges (in moments): (edges - 1, columns)."""
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0, dtype=np.float64)])
    places = np.clip(np.rint(edges).astype(int), 0, len(values))
    return (sums[places[1:]] - sums[places[:-1]]) / np.maximum(1, places[1:] - places[:-1])[:, None]


def _folded(pitches: np.ndarray) -> np.ndarray:
    """Pitches to pitch classes: (beats, 12)."""
    padded = np.pad(pitches, ((0, 0), (0, -pitches.shape[1] % 12)))
    return padded.reshape(len(pitches), -1, 12).sum(axis=1)


def _distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    size = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1)) + 1e-9
    return 1 - (a * b).sum(axis=1) / size


def _pattern(onsets: np.ndarray, changes: np.ndarray, track: PulseTrack, beats: int, first: int) -> np.ndarray:
    """One reading's features: the bar's onsets and changes laid on four slots, its tempo, its metre, how alike its bars are."""
    bars = (len(onsets) - first) // beats
    used = slice(first, first + bars * beats)
    each = onsets[used].reshape(bars, beats, -1)
    bar = np.log1p(each.mean(axis=0))
    turn = changes[used].reshape(bars, beats, -1).mean(axis=0)
    slots = _onto_slots(np.concatenate([bar, turn], axis=1), beats)
    octave = np.log2(60.0 / track.period_seconds / 110.0)
    flat = each.reshape(bars, -1)
    alike = float(_distance(flat[:-1], flat[1:]).mean()) if bars > 1 else 1.0
    about = [
        octave, octave**2, np.exp(-0.5 * (octave / 0.35) ** 2), track.strength, float(track.steady), alike,
        *(float(beats == known) for known in BEATS_A_BAR), np.log1p(bars),
    ]  # fmt: skip
    return np.concatenate([slots.ravel(), about])


def _onto_slots(bar: np.ndarray, beats: int) -> np.ndarray:
    """A bar's beats on four slots: two are played twice, three leave the last empty, of more the last three stand."""
    if beats == 2:
        return np.concatenate([bar, bar])
    if beats < _SLOTS:
        return np.concatenate([bar, np.zeros((_SLOTS - beats, bar.shape[1]))])
    return bar if beats == _SLOTS else np.concatenate([bar[:1], bar[-3:]])
