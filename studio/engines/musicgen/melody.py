"""Melodies for a melody model to follow: a clip, notes out of a MIDI file, or a plan's chords.

Notes and chords are sounded by a plain tone, so that all three are heard by the same ears. The model was trained on
music without drums and bass: a clip is heard without them where they can be taken away, and as it is elsewhere, so that
a lone voice or instrument is then followed best. Knows nothing of files, of takes or of the model.
"""

from __future__ import annotations

import hashlib
import io
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import gcd

import numpy as np

from agents.harmony import Chord
from agents.types import SongPlan
from audio.clip import Clip
from studio.engines.base import EngineError
from studio.engines.musicgen.chroma import FRAMES_A_SECOND, SAMPLE_RATE_HZ, chroma

SILENT_RMS = 1e-3  # -60 dB of full scale: below it the strongest note is the noise's
LONGEST_SECONDS = 600.0
NO_SOUND = "The melody is silent: hum or play it again, nearer to the microphone, or choose another sound."
DRUM_CHANNEL = 9
_FADE_SECONDS = 0.01
_HARMONICS = (1.0, 0.3, 0.1)
_LEADING, _SUSTAINED = 1.0, 0.25


@dataclass(frozen=True, slots=True)
class Note:
    """A sounding note. velocity: 0 to 1."""

    start_seconds: float
    end_seconds: float
    pitch: int
    velocity: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Melody:
    """A melody as mono sound at 32 kHz. source: "clip", "midi" or "chords". sha256: of what it was made from."""

    samples: np.ndarray
    source: str
    sha256: str
    heard: str = "as it is, without separation"

    @property
    def seconds(self) -> float:
        return self.samples.shape[0] / SAMPLE_RATE_HZ

    def chroma(self, *, start_seconds: float = 0.0, seconds: float = 30.0) -> np.ndarray:
        """What is heard from one time on, (frames, 12), at most 30 s; the melody begins anew after its end."""
        first, count = round(start_seconds * SAMPLE_RATE_HZ), round(min(seconds, 30.0) * SAMPLE_RATE_HZ)
        if first == 0:
            return chroma(self.samples[:count])
        places = np.arange(first, first + min(count, self.samples.shape[0])) % self.samples.shape[0]
        return chroma(self.samples[places])

    def identity(self) -> dict[str, str]:
        """What a take keeps of it."""
        return {"source": self.source, "sha256": self.sha256, "heard": self.heard}


def check_clip(clip: Clip) -> None:
    """Raise EngineError when a sound is too long or damaged."""
    if clip.seconds > LONGEST_SECONDS:
        raise EngineError(f"The melody lasts {clip.seconds:.0f} s: cut it to {LONGEST_SECONDS:.0f} s or less.")
    if not np.isfinite(clip.samples).all():
        raise EngineError("The melody's sound is damaged (numbers that are none): choose another file.")


def from_clip(clip: Clip, *, lone: Clip | None = None) -> Melody:
    """A melody out of any sound: a take, a hummed tune, an upload; any rate, any number of channels.

    lone: the same without drums and bass, as the model was taught, where they could be taken away and something was
    left. Raises EngineError when it is silent, is no sound at all, or is too long.
    """
    check_clip(clip)
    if lone is not None and _rms(lone.samples) >= SILENT_RMS:
        return replace(from_clip(lone), sha256=_digest(clip), heard="without drums and bass")
    mono = clip.mono().samples[0]
    if clip.channels > 1 and _rms(mono) < SILENT_RMS <= _rms(clip.samples):
        mono = clip.samples[np.square(clip.samples).sum(axis=1).argmax()]  # channels that cancel: hear the loudest
    if _rms(mono) < SILENT_RMS:
        raise EngineError(NO_SOUND)
    return Melody(_resampled(mono, clip.sample_rate_hz), "clip", _digest(clip))


def _digest(clip: Clip) -> str:
    return hashlib.sha256(clip.samples.tobytes() + clip.sample_rate_hz.to_bytes(8, "little")).hexdigest()


def from_midi(data: bytes) -> Melody:
    """A melody out of a Standard MIDI File: its highest line, drums left out.

    Raises EngineError when it cannot be read or holds no notes.
    """
    notes = _top_line(_notes_of(data))
    if not notes:
        raise EngineError("The MIDI file holds no notes but drums: choose a file with a melody.")
    return Melody(_sounded(notes), "midi", hashlib.sha256(data).hexdigest())


def from_chords(plan: SongPlan) -> Melody:
    """A bed of the plan's chords, bar by bar.

    The model keeps but the strongest note of each moment, so the chord's notes take turns in leading, the root first,
    while the others sustain beneath.
    """
    notes: list[Note] = []
    bar_at, symbols = 0.0, []
    for section in plan.sections:
        for bar in range(section.bars.value):
            symbol = section.chords.value[bar % len(section.chords.value)]
            symbols.append(symbol)
            notes += _bed(Chord.parse(symbol), start_seconds=bar_at, bar_seconds=plan.bar_seconds)
            bar_at += plan.bar_seconds
    if plan.seconds.value > bar_at:  # the last chord rings out
        notes += _bed(Chord.parse(symbols[-1]), start_seconds=bar_at, bar_seconds=plan.seconds.value - bar_at)
    written = f"{plan.tempo_bpm.value} {plan.meter.value} {plan.seconds.value} {' '.join(symbols)}"
    return Melody(_sounded(notes), "chords", hashlib.sha256(written.encode()).hexdigest())


def _bed(chord: Chord, *, start_seconds: float, bar_seconds: float) -> list[Note]:
    """One bar: every note held, and each in turn (root, third, fifth …) loudest, no turn shorter than the ear's step."""
    pitches = [60 + pitch_class for pitch_class in chord.pitch_classes]
    turns = max(1, min(len(pitches), int(bar_seconds * FRAMES_A_SECOND / 4)))
    length, notes = bar_seconds / turns, []
    for turn in range(turns):
        start = start_seconds + turn * length
        notes += [
            Note(start, start + length, pitch, _LEADING if place == turn else _SUSTAINED)
            for place, pitch in enumerate(pitches)
        ]
    return notes


def _notes_of(data: bytes) -> list[Note]:
    import mido

    try:
        file = mido.MidiFile(file=io.BytesIO(data), clip=True)
        if file.length > LONGEST_SECONDS:
            raise EngineError(f"The MIDI file lasts {file.length:.0f} s: cut it to {LONGEST_SECONDS:.0f} s or less.")
        sounding: dict[tuple[int, int], tuple[float, int]] = {}
        notes, now = [], 0.0
        for message in file:
            now += message.time
            if message.type not in ("note_on", "note_off") or message.channel == DRUM_CHANNEL:
                continue
            begun = sounding.pop((message.channel, message.note), None)
            if begun is not None and now > begun[0]:
                notes.append(Note(begun[0], now, message.note, begun[1] / 127))
            if message.type == "note_on" and message.velocity > 0:
                sounding[message.channel, message.note] = (now, message.velocity)
    except (OSError, EOFError, ValueError, KeyError, IndexError) as error:
        raise EngineError("The MIDI file cannot be read: choose another one.") from error
    return sorted(notes, key=lambda note: (note.start_seconds, -note.pitch))


def _top_line(notes: Sequence[Note]) -> list[Note]:
    """The highest note at every moment, each cut where a higher one, or the next of the line, begins."""
    turns = sorted({time for note in notes for time in (note.start_seconds, note.end_seconds)})
    line: list[Note] = []
    sounding: list[Note] = []
    waiting = list(reversed(notes))
    for start, end in itertools.pairwise(turns):
        while waiting and waiting[-1].start_seconds <= start:
            sounding.append(waiting.pop())
        sounding = [note for note in sounding if note.end_seconds > start]
        if sounding:
            top = max(sounding, key=lambda note: note.pitch)
            line.append(Note(start, end, top.pitch, top.velocity))
    return line


def _sounded(notes: Sequence[Note]) -> np.ndarray:
    """Notes as a plain tone of three partials, float32 mono at 32 kHz, below full scale."""
    sound = np.zeros(round(max(note.end_seconds for note in notes) * SAMPLE_RATE_HZ) + 1, np.float32)
    for note in notes:
        first, last = round(note.start_seconds * SAMPLE_RATE_HZ), round(note.end_seconds * SAMPLE_RATE_HZ)
        times = np.arange(first, last) / SAMPLE_RATE_HZ
        hertz = 440.0 * 2 ** ((note.pitch - 69) / 12)
        tone = sum(
            level * np.sin(2 * np.pi * hertz * (number + 1) * times)
            for number, level in enumerate(_HARMONICS)
            if hertz * (number + 1) < SAMPLE_RATE_HZ / 2
        )
        edge = np.minimum(times - note.start_seconds, note.end_seconds - times) / _FADE_SECONDS
        sound[first:last] += note.velocity * np.clip(edge, 0.0, 1.0) * tone
    peak = np.abs(sound).max()
    return sound if peak == 0 else (sound * (0.5 / peak)).astype(np.float32)


def _resampled(mono: np.ndarray, rate_hz: int) -> np.ndarray:
    if rate_hz == SAMPLE_RATE_HZ:
        return np.ascontiguousarray(mono)
    from scipy.signal import resample_poly

    common = gcd(SAMPLE_RATE_HZ, rate_hz)
    return np.asarray(resample_poly(mono, SAMPLE_RATE_HZ // common, rate_hz // common), np.float32)


def _rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if samples.size else 0.0
