"""Small real engines and plans for tests that are about everything but composing.

ToneEngine plays the plan's chords as sine tones: a true Engine, quick, deterministic, with stems, MIDI and tokens. It
can be told to be slow, to break in the middle, or to hold out more than it announced.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pretty_midi

from agents.harmony import Chord, Key, Meter
from agents.types import Brief, Decided, Section, SongPlan
from audio.clip import Clip
from studio.engines.base import Cancelled, Capabilities, EngineError, Listener, Rendering, Sampling

RATE_HZ = 22_050


def plan_of(
    *,
    seconds: float = 4.0,
    title: str = "Rainy Window",
    words: str = "slow lo-fi hip hop, rainy",
    key: str = "A minor",
    genre: str = "lofi_hip_hop",
    moods: tuple[str, ...] = ("rainy",),
    tempo_bpm: float = 120.0,
) -> SongPlan:
    """A plan of whole bars of 4/4 that fills the seconds as far as it goes."""
    bars = max(1, int(seconds // (240.0 / tempo_bpm)))
    section = Section(
        name=Decided(value="verse"), bars=Decided(value=bars), energy=Decided(value=0.5), prompt=Decided(value=words),
        chords=Decided(value=["Am", "F", "C", "G"]), instruments=Decided(value=["electric_piano"]),
    )  # fmt: skip
    return SongPlan(
        brief=Brief(words=words), title=Decided(value=title), seconds=Decided(value=max(seconds, bars * 240.0 / tempo_bpm)),
        tempo_bpm=Decided(value=tempo_bpm), key=Decided(value=Key.parse(key)), meter=Decided(value=Meter(beats=4)),
        genre=Decided(value=genre), moods=Decided(value=list(moods)), groove=Decided(value="lofi_swing"),
        instruments=Decided(value=["electric_piano", "upright_bass"]), prompt=Decided(value=f"{words}, warm vinyl"),
        negative_prompt=Decided(value=""), sections=[section],
    )  # fmt: skip


def plan_from_brief(brief: Brief, *, seed: int) -> SongPlan:
    """A planner for tests: the brief's length and words, nothing else."""
    if not brief.words:
        raise EngineError("Say in a few words what you want to hear.")
    plan = plan_of(seconds=brief.seconds or 4.0, words=brief.words, title=f"Tones {seed}")
    return plan.model_copy(update={"brief": brief})


class ToneEngine:
    """pause_seconds: real time taken for each chunk. breaks_after: seconds of sound after which it fails."""

    def __init__(
        self,
        *,
        pause_seconds: float = 0.0,
        chunk_seconds: float = 0.25,
        breaks_after: float | None = None,
        error: Exception | None = None,
        max_seconds: float = 600.0,
        plain: bool = False,
    ) -> None:
        self.pause_seconds, self.chunk_seconds, self.max_seconds = pause_seconds, chunk_seconds, max_seconds
        self.breaks_after, self.error, self.plain = (
            breaks_after,
            error or EngineError("The oscillator fell over."),
            plain,
        )
        self.plans_played: list[SongPlan] = []
        self.at_work = 0
        self.most_at_work = 0

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            name="tones", label="Tones", tier="built-in", sample_rate_hz=RATE_HZ, channels=2, max_seconds=self.max_seconds,
            makes_stems=not self.plain, makes_midi=not self.plain, makes_tokens=not self.plain, licence="CC-BY-NC 4.0",
        )  # fmt: skip

    def generate(self, plan: SongPlan, sampling: Sampling, listener: Listener) -> Rendering:
        self.plans_played.append(plan)
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        try:
            return self._generate(plan, sampling, listener)
        finally:
            self.at_work -= 1

    def _generate(self, plan: SongPlan, sampling: Sampling, listener: Listener) -> Rendering:
        frames = round(plan.seconds.value * RATE_HZ)
        listener.started(sample_rate_hz=RATE_HZ, channels=2, frames=frames)
        made: list[tuple[Clip, Clip]] = []
        complete = True
        for bass, chord in _chunks(plan, sampling.seed, frames, round(self.chunk_seconds * RATE_HZ)):
            if listener.cancelled():
                complete = False
                break
            if self.breaks_after is not None and sum(piece.seconds for piece, _ in made) >= self.breaks_after:
                raise self.error
            time.sleep(self.pause_seconds)
            made.append((bass, chord))
            listener.heard(Clip(bass.samples + chord.samples, RATE_HZ))
            listener.progress("rendering", sum(piece.frames for piece, _ in made) / frames)
        if not made:
            raise Cancelled("Stopped before any sound was made.")
        bass, chord = (Clip.joined(parts) for parts in zip(*made, strict=True))
        clip = Clip(bass.samples + chord.samples, RATE_HZ)
        if self.plain:
            return Rendering(clip=clip, complete=complete)
        return Rendering(
            clip=clip, complete=complete, stems={"Bass": bass, "Electric piano": chord}, midi=_midi(plan),
            tokens=np.arange(8).reshape(4, 2), identity={"engine": "tones", "seed": sampling.seed},
        )  # fmt: skip

    def unload(self) -> None:
        pass


class OneEngine:
    """The pipeline's face with a single engine behind it."""

    def __init__(self, engine: ToneEngine) -> None:
        self._engine = engine

    def engine(self, name: str) -> ToneEngine:
        if name != "tones":
            raise EngineError(f"There is no engine called “{name}”. Choose tones.")
        return self._engine

    def capabilities(self, name: str) -> Capabilities:
        return self.engine(name).capabilities

    def generate(self, name: str, plan: SongPlan, sampling: Sampling, listener: Listener) -> Rendering:
        return self.engine(name).generate(plan, sampling, listener)

    def unload(self) -> None:
        self._engine.unload()


def _chunks(plan: SongPlan, seed: int, frames: int, chunk_frames: int) -> Iterator[tuple[Clip, Clip]]:
    detune = 1.0 + np.random.default_rng(seed).uniform(-0.005, 0.005)
    chords = [Chord.parse(symbol) for symbol in plan.sections[0].chords.value]
    bar_frames = round(plan.bar_seconds * RATE_HZ)
    for start in range(0, frames, chunk_frames):
        at = np.arange(start, min(start + chunk_frames, frames))
        chord = chords[(start // bar_frames) % len(chords)]
        tones = [_tone(at, 48 + pitch, detune, 0.08) for pitch in chord.pitch_classes]
        yield Clip(_tone(at, 36 + chord.root, detune, 0.15), RATE_HZ).stereo(), Clip(sum(tones), RATE_HZ).stereo()


def _tone(at: np.ndarray, pitch: float, detune: float, gain: float) -> np.ndarray:
    return gain * np.sin(2 * np.pi * 440.0 * 2 ** ((pitch - 69) / 12) * detune * at / RATE_HZ)


def _midi(plan: SongPlan) -> bytes:
    song = pretty_midi.PrettyMIDI(initial_tempo=plan.tempo_bpm.value)
    piano = pretty_midi.Instrument(program=4, name="Electric piano")
    for bar, symbol in enumerate(plan.sections[0].chords.value):
        for pitch in Chord.parse(symbol).pitch_classes:
            piano.notes.append(pretty_midi.Note(80, 48 + pitch, bar * plan.bar_seconds, (bar + 1) * plan.bar_seconds))
    song.instruments.append(piano)
    buffer = io.BytesIO()
    song.write(buffer)
    return buffer.getvalue()


def leftovers(folder: Path) -> list[str]:
    """Names of half-written things anywhere below the folder."""
    return sorted(path.name for path in folder.rglob("*") if ".part" in path.name or path.name.startswith(".gone"))
