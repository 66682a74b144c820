"""Small pieces of music for the library's tests: made of notes and drums by formula, so that their truth is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from audio.clip import Clip
from audio.io import write_clip

RATE_HZ = 22_050
_CHORDS = {
    "major": ((0, 4, 7), (5, 9, 12), (7, 11, 14), (0, 4, 7)),
    "minor": ((0, 3, 7), (5, 8, 12), (7, 10, 14), (0, 3, 7)),
}


def piece(
    *,
    seed: int = 0,
    seconds: float = 12.0,
    tempo_bpm: float = 120.0,
    tonic: int = 0,
    mode: str = "major",
    drums: bool = True,
) -> Clip:
    """A melody over four chords, with a kit: stereo at 22,050 Hz. The same seed makes the same piece."""
    noise = np.random.default_rng(seed)
    frames = round(seconds * RATE_HZ)
    out = np.zeros(frames + RATE_HZ)
    beat = 60.0 / tempo_bpm
    scale = (0, 2, 4, 5, 7, 9, 11) if mode == "major" else (0, 2, 3, 5, 7, 8, 10)
    for number in range(int(seconds / beat)):
        at = number * beat
        chord = _CHORDS[mode][number // 4 % 4]
        if number % 4 == 0:
            for step in chord:
                _add(out, at, _tone(48 + tonic + step, 4 * beat, 0.10))
        _add(out, at, _tone(36 + tonic + chord[0], beat, 0.25))
        _add(out, at + beat / 2 * noise.integers(0, 2), _tone(72 + tonic + int(noise.choice(scale)), beat * 0.8, 0.15))
        if drums:
            _add(
                out,
                at,
                _kick() if number % 2 == 0 else 0.35 * noise.normal(size=3_000) * np.exp(-np.arange(3_000) / 700),
            )
            _add(out, at + beat / 2, 0.08 * noise.normal(size=800) * np.exp(-np.arange(800) / 200))
    left = out[:frames]
    right = np.roll(left, 40) * 0.9
    return Clip(np.stack([left, right]).astype(np.float32) * 0.6, RATE_HZ)


def written(path: Path, clip: Clip, **tags: str) -> Path:
    """The clip as a file, with Vorbis comments when it is a FLAC."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_clip(path, clip)
    if tags:
        import mutagen

        file = mutagen.File(path, easy=True)
        for name, text in tags.items():
            file[name] = text
        file.save()
    return path


def _add(out: np.ndarray, at_seconds: float, sound: np.ndarray) -> None:
    start = round(at_seconds * RATE_HZ)
    end = min(len(out), start + len(sound))
    out[start:end] += sound[: max(0, end - start)]


def _tone(pitch: int, seconds: float, gain: float) -> np.ndarray:
    moments = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    hertz = 440 * 2 ** ((pitch - 69) / 12)
    wave = sum(np.sin(2 * np.pi * hertz * n * moments) / n for n in (1, 2, 3, 4))
    return np.asarray(gain * wave * np.exp(-2.5 * moments) * np.minimum(1, moments * 200))


def _kick() -> np.ndarray:
    moments = np.arange(4_000) / RATE_HZ
    return np.asarray(
        0.8 * np.sin(2 * np.pi * (50 * moments + 6 * (1 - np.exp(-moments * 40)))) * np.exp(-moments * 22)
    )
