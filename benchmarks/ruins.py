"""Known ways to ruin a take, each by one hand's width: for calibrating the judge and for an engine that errs on purpose.

A ruin leaves the take's length alone unless its length is what it ruins. Knows nothing of the judge.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from agents.types import SongPlan
from audio.clip import Clip

Ruin = Callable[[Clip, SongPlan, np.random.Generator], Clip]


def wrong_tempo(clip: Clip, plan: SongPlan, rng: np.random.Generator) -> Clip:
    """9 to 22 % faster or 8 to 18 % slower, pitch kept; slower music is cut at the take's length."""
    ratio = float(rng.uniform(1.09, 1.22) if rng.random() < 0.5 else rng.uniform(0.82, 0.92))
    made = stretched(clip, ratio=ratio)
    return faded_at_end(Clip(made.samples[:, : clip.frames], clip.sample_rate_hz))


def wrong_key(clip: Clip, plan: SongPlan, rng: np.random.Generator) -> Clip:
    """One to six semitones off, or a third to half of one out of tune."""
    sign = 1 if rng.random() < 0.5 else -1
    semitones = float(rng.integers(1, 7)) if rng.random() < 0.6 else float(rng.uniform(0.33, 0.5))
    return stretched(clip, semitones=sign * semitones)


def clipped(clip: Clip, plan: SongPlan, rng: np.random.Generator) -> Clip:
    """5 to 12 dB too hot, cut at full scale, and half of the time turned down again."""
    hot = np.clip(clip.samples * 10 ** (rng.uniform(5, 12) / 20), -1, 1)
    return Clip(hot * np.float32(0.6 if rng.random() < 0.5 else 0.98), clip.sample_rate_hz)


def gap(clip: Clip, plan: SongPlan, rng: np.random.Generator) -> Clip:
    """A quarter of a second to a second and a half of nothing, with 3 ms fades, inside the music."""
    out, rate = clip.samples.copy(), clip.sample_rate_hz
    length = round(float(rng.uniform(0.25, 1.5)) * rate)
    start = _loud_place(clip, rng, length)
    fade = round(0.003 * rate)
    out[:, start : start + length] = 0
    out[:, start - fade : start] *= np.linspace(1, 0, fade, dtype=np.float32)
    out[:, start + length : start + length + fade] *= np.linspace(0, 1, fade, dtype=np.float32)
    return Clip(out, rate)


def dropped_section(clip: Clip, plan: SongPlan, rng: np.random.Generator) -> Clip:
    """A section cut out on its bar lines, the ends joined by a 10 ms crossfade."""
    starts = [*plan.section_starts_seconds(), plan.music_seconds]
    number = int(rng.integers(len(plan.sections)))
    rate = clip.sample_rate_hz
    a, b, fade = round(starts[number] * rate), round(starts[number + 1] * rate), round(0.01 * rate)
    if a == 0:
        return Clip(clip.samples[:, b:].copy(), rate)
    if b + fade > clip.frames:
        return faded_at_end(Clip(clip.samples[:, :a].copy(), rate))
    up = np.linspace(0, 1, fade, dtype=np.float32)
    join = clip.samples[:, a : a + fade] * (1 - up) + clip.samples[:, b : b + fade] * up
    return Clip(np.concatenate([clip.samples[:, :a], join, clip.samples[:, b + fade :]], axis=1), rate)


def hum(clip: Clip, plan: SongPlan, rng: np.random.Generator) -> Clip:
    """A 50 or 60 Hz hum with its harmonics, 12 to 20 dB under the music."""
    mains = 50.0 if rng.random() < 0.5 else 60.0
    seconds = np.arange(clip.frames) / clip.sample_rate_hz
    tone = sum(
        np.sin(2 * np.pi * mains * k * seconds + rng.uniform(0, 6.28)) / k ** rng.uniform(0.4, 0.9) for k in range(1, 9)
    )
    level = np.sqrt(np.mean(clip.samples**2)) * 10 ** (-rng.uniform(12, 20) / 20) / np.sqrt(np.mean(tone**2))
    return Clip((clip.samples + tone * level).astype(np.float32), clip.sample_rate_hz)


def mono(clip: Clip, plan: SongPlan, rng: np.random.Generator) -> Clip:
    """Both channels the same."""
    return Clip(np.repeat(clip.samples.mean(axis=0, keepdims=True), 2, axis=0), clip.sample_rate_hz)


def click(clip: Clip, plan: SongPlan, rng: np.random.Generator) -> Clip:
    """A join without a fade near a section's start: some milliseconds are left out where the waveform then jumps.

    The jump is one that is heard: at least 0.2 of full scale and twelve times the usual step between the samples round
    it, or the nearest to that among 400 tries. Under a loud cymbal the same jump would be masked.
    """
    rate = clip.sample_rate_hz
    starts = plan.section_starts_seconds()[1:] or [clip.seconds / 2]
    around = round(starts[int(rng.integers(len(starts)))] * rate)
    mid = clip.samples.mean(axis=0)
    best, most = (around, around + 100), -1.0
    for _ in range(400):
        a = int(np.clip(around + rng.integers(-rate // 4, rate // 4), rate // 50, clip.frames - rate // 10))
        b = a + int(rng.integers(rate // 500, rate // 40))
        jump = abs(float(mid[b] - mid[a - 1]))
        usual = np.abs(np.diff(np.concatenate([mid[a - rate // 200 : a], mid[b : b + rate // 200]])))
        heard = min(jump / 0.2, jump / (12 * float(np.median(usual)) + 1e-6))
        if heard > most:
            best, most = (a, b), heard
        if most >= 1:
            break
    a, b = best
    rest = clip.samples[:, b:]
    out = np.concatenate([clip.samples[:, :a], rest, np.zeros((clip.channels, b - a), np.float32)], axis=1)
    return Clip(out, rate)


RUINS: dict[str, tuple[Ruin, str]] = {
    "wrong tempo": (wrong_tempo, "tempo"),
    "wrong key": (wrong_key, "key"),
    "clipped": (clipped, "clipping"),
    "gap": (gap, "silence"),
    "dropped section": (dropped_section, "sections"),
    "hum": (hum, "hum"),
    "mono collapse": (mono, "stereo"),
    "click at a join": (click, "clicks"),
}


def faded_at_end(clip: Clip) -> Clip:
    """The last 50 ms faded, as a cut take ends."""
    frames = min(clip.frames, clip.sample_rate_hz // 20)
    out = clip.samples.copy()
    out[:, clip.frames - frames :] *= np.linspace(1, 0, frames, dtype=np.float32)
    return Clip(out, clip.sample_rate_hz)


def stretched(clip: Clip, *, ratio: float = 1.0, semitones: float = 0.0) -> Clip:
    """A clip at another speed or pitch, by Rubber Band."""
    import pedalboard

    made = pedalboard.time_stretch(
        clip.samples, clip.sample_rate_hz, stretch_factor=ratio, pitch_shift_in_semitones=semitones
    )
    # The stretcher may overshoot full scale; a file would clip there, which is another ruin.
    peak = float(np.abs(made).max(initial=0.0))
    return Clip(made * np.float32(min(1.0, 0.97 / max(peak, 1e-9))), clip.sample_rate_hz)


def _loud_place(clip: Clip, rng: np.random.Generator, length: int) -> int:
    """A place where the music plays just before and just after, not in the last ring."""
    rate = clip.sample_rate_hz
    for _ in range(50):
        start = int(rng.integers(rate, max(rate + 1, clip.frames - length - 3 * rate)))
        before = clip.samples[:, start - rate // 20 : start]
        if float(np.sqrt((before**2).mean())) > 0.03:
            return start
    return start
