"""Everything the judge wants to know of a clip, measured once: numbers only, no opinion.

The caller says which tempo and which bar length to read it by; nothing else of a plan is known here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audio.clip import Clip
from audio.faults import Hum, Span, Stereo, clicks, clipped, dc_offset, holes, hum, stereo
from audio.loudness import integrated_lufs, true_peak_dbtp
from audio.pitch import PitchProfile, pitch_profile
from audio.pulse import SECONDS_A_FRAME, Pulse, onset_strength, pulse_at
from audio.texture import BANDS, Repetition, Texture, repetition, texture

# Under this the onsets are taken to contradict a tempo; over this clarity there is a pulse that can contradict.
LEAST_SUPPORT = 0.5
LEAST_CLARITY = 1.4


@dataclass(frozen=True, slots=True)
class HeardBar:
    """One bar. classes: twelve pitch classes from C, summing to 1 (or all 0). bands_db: absolute, by band of
    audio.texture. onsets: mean onset strength. cents, certainty: its tuning. level_db is the mean's; steady_db and
    side_db (the width) are those of the middle tenth of a second, which neighbours and strokes leave alone.
    """

    start_seconds: float
    end_seconds: float
    classes: tuple[float, ...]
    cents: float
    certainty: float
    level_db: float
    steady_db: float
    bands_db: tuple[float, ...]
    onsets: float
    side_db: float


@dataclass(frozen=True, slots=True)
class Heard:
    """A clip, measured. bars: by the tempo that was heard, from the clip's start, as many as begin inside it.

    tempo_ratio: heard over asked, 1 where the asked tempo is borne out or nothing contradicts it. balance_db: each
    band's share of the power. sounding: the stretch from the first to the last sound, in seconds.
    """

    seconds: float
    channels: int
    loudness_lufs: float
    peak_dbtp: float
    sounding: tuple[float, float]
    pulse: Pulse
    tempo_ratio: float
    bars: tuple[HeardBar, ...]
    cents: float
    tuning_certainty: float
    balance_db: tuple[float, ...]
    stereo: Stereo
    repetition: Repetition
    clipped: tuple[Span, ...]
    clicks: tuple[Span, ...]
    holes: tuple[Span, ...]
    hum: Hum | None
    dc_offset: float


def hear(clip: Clip, *, tempo_bpm: float, bar_seconds: float) -> Heard:
    """Measure a clip by the tempo (felt beats a minute) and the bar length it was asked to have.

    When the onsets clearly repeat at another tempo, the bars follow that one. Any length; memory grows by a few kB a
    second beyond the clip's own.
    """
    onsets = onset_strength(clip)
    pulse = pulse_at(onsets, tempo_bpm=tempo_bpm)
    contradicted = pulse.support < LEAST_SUPPORT and pulse.clarity >= LEAST_CLARITY
    ratio = pulse.heard_bpm / tempo_bpm if contradicted else 1.0
    edges = np.arange(0.0, clip.seconds + bar_seconds / ratio, bar_seconds / ratio)
    if len(edges) > 2 and clip.seconds - edges[-2] < 0.3 * bar_seconds / ratio:
        edges = edges[:-1]
    pitches = pitch_profile(clip, edges_seconds=edges.tolist())
    sound = texture(clip)
    # The last bar is the last chord ringing out: it is not held against the others.
    return Heard(
        seconds=clip.seconds, channels=clip.channels, loudness_lufs=integrated_lufs(clip),
        peak_dbtp=true_peak_dbtp(clip), sounding=_sounding(sound, clip.seconds), pulse=pulse, tempo_ratio=ratio,
        bars=_bars(edges, pitches, sound, onsets), cents=pitches.cents, tuning_certainty=pitches.certainty,
        balance_db=tuple(float(x) for x in sound.band_db) if len(sound.side) else (0.0,) * BANDS,
        stereo=stereo(clip), repetition=repetition(sound, pitches.classes, edges_seconds=edges[:-1].tolist()),
        clipped=tuple(clipped(clip)), clicks=tuple(clicks(clip)), holes=tuple(holes(clip)), hum=hum(clip),
        dc_offset=dc_offset(clip),
    )  # fmt: skip


def _sounding(sound: Texture, seconds: float) -> tuple[float, float]:
    loud = np.flatnonzero(sound.level_db > -60.0) if len(sound.side) else np.zeros(0, int)
    if not len(loud):
        return (0.0, 0.0)
    return float(loud[0]) * 0.1, min(seconds, float(loud[-1] + 1) * 0.1)


def _bars(edges: np.ndarray, pitches: PitchProfile, sound: Texture, onsets: np.ndarray) -> tuple[HeardBar, ...]:
    bars = []
    for number in range(len(edges) - 1):
        start, end = float(edges[number]), float(edges[number + 1])
        here = sound.between(start, end)
        struck = onsets[round(start / SECONDS_A_FRAME) : max(1, round(end / SECONDS_A_FRAME))]
        bars.append(
            HeardBar(
                start_seconds=start, end_seconds=end, classes=tuple(float(x) for x in pitches.classes[number]),
                cents=float(pitches.stretch_cents[number]), certainty=float(pitches.stretch_certainty[number]),
                level_db=here.mean_db, steady_db=float(np.median(here.level_db)) if len(here.side) else -120.0,
                bands_db=tuple(float(x) for x in 10 * np.log10(here.power.mean(axis=0) + 1e-12)),
                onsets=float(struck.mean()) if len(struck) else 0.0, side_db=10 * float(np.log10(float(np.median(here.side)) + 1e-9)) if len(here.side) else -90.0,
            )
        )  # fmt: skip
    return tuple(bars)
