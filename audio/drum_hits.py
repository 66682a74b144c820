"""Strokes heard in a drum part: when, and whether kick, snare, hat or another.

Every onset is described by how far twelve bands rise at it, and how soon they fall again; a small classifier per kind, trained by
`benchmarks/train_drums.py` on sketches whose strokes are known, says which kinds were struck together. Knows nothing of beats.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from audio.bands import Bands, bands_of
from audio.clip import Clip
from audio.transcription import CannotTranscribe, Note

WEIGHTS = Path(__file__).with_name("drum_hits.npz")
KINDS = ("kick", "snare", "hat", "other")
KEYS = {"kick": 36, "snare": 38, "hat": 42, "other": 45}
# Which General MIDI drum keys are of which kind; all others are "other".
KIND_OF_KEY = {
    **dict.fromkeys((35, 36), "kick"),
    **dict.fromkeys((37, 38, 39, 40), "snare"),
    **dict.fromkeys((42, 44, 46), "hat"),
}
EDGES_HZ = (30.0, 70.0, 110.0, 170.0, 260.0, 400.0, 700.0, 1_200.0, 2_200.0, 4_000.0, 6_500.0, 10_000.0, 16_000.0)
_HOP = 220
_WINDOW = 1_024
_APART_SECONDS = 0.025
_LEAST_RISE_DB = 3.0
_LENGTH_SECONDS = 0.08
EARLY_SECONDS = 0.0045  # a stroke is heard this long before it falls, for the windows see it coming


def transcribe_drums(clip: Clip, *, progress: Callable[[float], None] | None = None) -> tuple[Note, ...]:
    """The strokes of a drum part as General MIDI keys: 36 kick, 38 snare, 42 hat, 45 any other; several may fall together.

    progress: told 0 to 1; what it raises ends the work. Raises CannotTranscribe when the samples are no numbers.
    """
    if not np.isfinite(clip.samples).all():
        raise CannotTranscribe("This sound holds samples that are no numbers; it is damaged. Fetch or export it again.")
    if float(np.abs(clip.samples).max(initial=0.0)) < 1e-4:
        return ()
    if progress is not None:
        progress(0.0)
    bands = levels_of_strokes(clip)
    moments, features = strokes(bands)
    struck = likelihoods(features) >= _weights()["threshold"] if len(features) else np.zeros((0, len(KINDS)), bool)
    loudness = features[:, : len(EDGES_HZ) - 1].max(axis=1) if len(features) else np.zeros(0)
    notes = []
    for moment, kinds, loud in zip(moments, struck, loudness, strict=True):
        start = moment * bands.hop_seconds + EARLY_SECONDS
        velocity = int(np.clip(round(20 + 2.2 * loud), 20, 127))
        for kind, is_struck in zip(KINDS, kinds, strict=True):
            if is_struck:
                notes.append(Note(start, min(start + _LENGTH_SECONDS, clip.seconds), KEYS[kind], velocity))
    if progress is not None:
        progress(1.0)
    return tuple(sorted(notes))


def levels_of_strokes(clip: Clip) -> Bands:
    """Twelve bands every 5 ms."""
    return bands_of(clip, edges_hz=EDGES_HZ, hop_frames=_HOP, window_frames=_WINDOW)


def strokes(bands: Bands) -> tuple[np.ndarray, np.ndarray]:
    """Every onset: its moment (float, in hops), and its features, (onsets, 72): rises, heights, falls after 60 ms.

    In dB, so that they do not depend on how loud the part is (heights are under the clip's loudest); then the same once more
    as they stand among the clip's other onsets, for every kit is another.
    """
    from scipy.ndimage import maximum_filter1d, uniform_filter1d

    level = np.maximum(bands.level_db, float(bands.level_db.max(initial=0.0)) - 70.0)
    if len(level) < 20:
        return np.zeros(0), np.zeros((0, 6 * level.shape[1]))
    back = round(0.02 / bands.hop_seconds)
    before = np.pad(level, ((back, 0), (0, 0)), mode="edge")[: len(level)]
    rise = np.maximum(0.0, level - before)
    curve = np.sort(rise, axis=1)[:, -4:].mean(axis=1)
    steep = np.diff(curve, prepend=curve[:1])
    reach = 2 * round(_APART_SECONDS / bands.hop_seconds) + 1
    usual = uniform_filter1d(curve, round(0.4 / bands.hop_seconds))
    peaks = (curve == maximum_filter1d(curve, reach)) & (curve > np.maximum(_LEAST_RISE_DB, 0.6 * usual))
    moments = np.flatnonzero(peaks)
    moments = moments[np.append(True, np.diff(moments) > 1)] if len(moments) else moments
    ahead = round(0.015 / bands.hop_seconds)
    fall = round(0.06 / bands.hop_seconds)
    rows, when = [], []
    top = level.max(axis=0)
    for moment in moments:
        start = max(0, moment - back)
        low = level[max(0, start - 2) : start + 2].min(axis=0)
        high = level[moment : moment + ahead + 1].max(axis=0)
        later = level[min(len(level) - 1, moment + fall)]
        rows.append(np.concatenate([np.maximum(0, high - low), high - top, high - later]))
        window = steep[max(0, moment - back) : moment + 1]
        when.append(max(0, moment - back) + int(np.argmax(window)))
    if not rows:
        return np.zeros(0), np.zeros((0, 6 * level.shape[1]))
    features = np.stack(rows)
    within = (features - features.mean(axis=0)) / (features.std(axis=0) + 1.0)
    return np.array(when, float), np.concatenate([features, within], axis=1)


def likelihoods(features: np.ndarray) -> np.ndarray:
    """How likely each kind was struck at each onset: (onsets, kinds), 0 to 1."""
    weights = _weights()
    hidden = np.maximum(0.0, (features - weights["mean"]) / weights["spread"] @ weights["w1"] + weights["b1"])
    return 1 / (1 + np.exp(-np.clip(hidden @ weights["w2"] + weights["b2"], -30, 30)))


@cache
def _weights() -> dict[str, np.ndarray]:
    with np.load(WEIGHTS) as file:
        return {name: file[name].astype(np.float32) for name in file.files}
