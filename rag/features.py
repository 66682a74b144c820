"""What a piece is like, in figures a musician knows: tempo, key, energy, loudness and their like.

Each is an estimate out of `rag.frames`; those that have one carry a confidence. Sources are named at each. Knows
nothing of genres or of files.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from audio.analysis import HalfAndDouble
from audio.key import key_of
from audio.loudness import lufs_of_hops, range_of_hops
from audio.tempo import TempoReading, tempo_of
from rag.filters import KEY_NAMES, key_number
from rag.frames import BAND_EDGES_HZ, ONSET_SECONDS, Frames

# What made the figures: a change here has every track heard again.
ANALYSIS = "frames-1"


@dataclass(frozen=True, slots=True)
class Features(HalfAndDouble):
    """Figures of one piece; shares and scores are 0 to 1.

    tempo_bpm: the beat most listeners would tap, `tempo_confidence` how clearly the onsets repeat at it, `tempo_octave`
    how sure it is against half and double. key: 0 to 23 as in `rag.filters`, `key_confidence` its lead over the next
    best that is no relative. energy: loudness, onsets and brightness together. danceability: how strongly and evenly
    the beat recurs at a walking to running pace. loudness_lufs, loudness_range_lu: EBU R 128 and Tech 3342.
    brightness_hz: the power spectrum's centre on a log scale. instrumentalness: 1 where no voice is made out, a weak
    estimate. beat_regularity: how little the beat wanders.
    """

    tempo_bpm: float
    tempo_confidence: float
    tempo_octave: float
    key: int
    key_confidence: float
    energy: float
    danceability: float
    loudness_lufs: float
    loudness_range_lu: float
    brightness_hz: float
    instrumentalness: float
    beat_regularity: float

    @property
    def key_name(self) -> str:
        """ "F# minor"."""
        return KEY_NAMES[self.key]

    def as_dict(self) -> dict[str, Any]:
        return {name: round(value, 4) for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Features:
        """Out of `as_dict`; what an older studio did not know reads as 0."""
        return cls(**{each.name: values.get(each.name, 0) for each in fields(cls)})

    def vector(self) -> np.ndarray:
        """The figures as a point, float32, (12,): near for pieces that would mix. Tempo and key lie on circles, so that
        half and double tempo are near, and keys lie by fifths with relatives together."""
        turn = 2 * np.pi * np.log2(max(20.0, self.tempo_bpm) / 60.0)
        tonic = self.key % 12 if self.key < 12 else (self.key + 3) % 12
        fifths = 2 * np.pi * (tonic * 7 % 12) / 12
        point = (
            np.cos(turn), np.sin(turn), np.log2(max(20.0, self.tempo_bpm) / 110.0), np.cos(fifths), np.sin(fifths),
            0.5 if self.key < 12 else -0.5, 2 * self.energy - 1, 2 * self.danceability - 1,
            (max(-40.0, self.loudness_lufs) + 16) / 12, np.log2(max(50.0, self.brightness_hz) / 800) / 2,
            self.instrumentalness - 0.5, 2 * self.beat_regularity - 1,
        )  # fmt: skip
        return np.asarray(point, np.float32)


FEATURE_DIMENSIONS = 12


def features_of(heard: Frames) -> Features:
    """The figures of what was heard."""
    tempo = tempo_of(heard.onsets, seconds_a_frame=ONSET_SECONDS)
    key = key_of(heard.tonal, heard.bass)
    loudness = max(-70.0, lufs_of_hops(heard.hops))
    brightness = brightness_hz(heard)
    return Features(
        tempo_bpm=tempo.tempo_bpm,
        tempo_confidence=tempo.confidence,
        tempo_octave=tempo.octave_confidence,
        key=key_number(key.tonic, key.mode),
        key_confidence=key.confidence,
        energy=energy_of(heard, loudness_lufs=loudness, brightness_hz=brightness),
        danceability=danceability_of(tempo),
        loudness_lufs=loudness,
        loudness_range_lu=range_of_hops(heard.hops),
        brightness_hz=brightness,
        instrumentalness=instrumentalness_of(heard),
        beat_regularity=tempo.regularity,
    )


def brightness_hz(heard: Frames) -> float:
    """The centre of gravity of the bands' amplitudes on a log frequency axis (after Grey and Gordon 1978), in Hz."""
    centres = np.log2(np.sqrt(BAND_EDGES_HZ[:-1] * BAND_EDGES_HZ[1:]))
    weight = np.sqrt(heard.bands.mean(axis=0))
    return float(2 ** ((weight * centres).sum() / max(1e-12, float(weight.sum()))))


def energy_of(heard: Frames, *, loudness_lufs: float, brightness_hz: float) -> float:
    """How much is going on: loudness, how much is struck in the bass and in the middle, and brightness.

    What listeners call energy follows loudness and onsets first (Sandvold, Aucouturier and Herrera 2004 on intensity);
    the weights are a fit to the sketches' planned energies, loudness halved because masters differ in it for other
    reasons.
    """
    struck = np.log(heard.onsets.mean(axis=0) + 1e-3)
    line = 2.17 + 0.06 * loudness_lufs + 0.219 * struck[0] + 0.211 * struck[2] + 0.026 * np.log2(brightness_hz)
    return float(1 / (1 + np.exp(-4 * (line - 0.5))))


def danceability_of(tempo: TempoReading) -> float:
    """How well it can be danced to: a clear, steady beat near 120 beats a minute, where people move most readily.

    In the spirit of Streich and Herrera (2005), who take steadiness of the pulse over many time scales.
    """
    pace = float(np.exp(-0.5 * (np.log2(tempo.tempo_bpm / 118.0) / 0.55) ** 2))
    return float(np.clip(0.45 * tempo.confidence + 0.25 * tempo.regularity + 0.3 * pace * tempo.confidence, 0, 1))


def instrumentalness_of(heard: Frames) -> float:
    """How surely there is no singing: voices move between 200 Hz and 3 kHz at the rate of syllables, 3 to 7 a second.

    The share of that band's level changes which lies at those rates (after Scheirer and Slaney's 4 Hz modulation,
    1997), lessened by drums, whose rises span all bands. A weak estimate: it knows no words.
    """
    centres = np.sqrt(BAND_EDGES_HZ[:-1] * BAND_EDGES_HZ[1:])
    voice = (centres > 200) & (centres < 3_000)
    level = 10 * np.log10(heard.bands.T + 1e-6)
    floor = level.max(initial=-60.0) - 60
    level = np.maximum(level, floor)
    if level.shape[1] < 64:
        return 0.5
    inside, outside = level[voice].mean(axis=0), level[~voice].mean(axis=0)
    own = inside - outside
    spectrum = np.abs(np.fft.rfft((own - own.mean()) * np.hanning(len(own)))) ** 2
    hertz = np.fft.rfftfreq(len(own), 1_024 / 22_050)
    share = spectrum[(hertz > 3) & (hertz < 7)].sum() / max(1e-9, float(spectrum[hertz > 0.2].sum()))
    return float(np.clip(1.15 - 1.6 * share, 0, 1))
