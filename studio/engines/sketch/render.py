"""A score becomes sound, block by block, so that it can be heard while it is made.

First a few seconds out of the score are tried to set every fader and to guess the take's loudness; then each block is
played, mixed, and given out. Knows nothing of plans or of the final loudness stage.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from audio.loudness import quick_loudness_lufs
from audio.mastering import GlueCompressor, LiveLimiter
from studio.engines.sketch.desk import WORKING_LUFS, Ducker, Strip
from studio.engines.sketch.grooves import all_grooves
from studio.engines.sketch.score import Note, Part, Score
from studio.engines.sketch.synth import SAMPLE_RATE_HZ, Event, Font, Voice
from studio.engines.sketch.voices import voice_for

TARGET_LUFS = -14.0
_FIRST_BLOCK_FRAMES = 40_960
_BLOCK_FRAMES = 163_840
_TRIAL_SECONDS = 2.4
_MOST_TRIALS = 3
_ROOM_LU = 0.3
# How far a section of no energy lies under one of full energy.
_RIDE_DB = 6.0
# Beyond this the stems lie in a temporary file, which the system drops with them.
_MOST_BYTES_IN_MEMORY = 1_200_000_000
_KICK_KEYS = (35, 36)


@dataclass(slots=True)
class Channel:
    """A part, the voice that plays it and its strip."""

    part: Part
    events: list[Event]
    voice: Voice
    strip: Strip
    stem: np.ndarray


@dataclass(frozen=True, slots=True)
class Block:
    """The next stretch of the mix: where it starts, its sound (2, frames), and the gain that makes it a preview."""

    start_frame: int
    mix: np.ndarray
    preview_gain: np.ndarray


class Session:
    """One rendering: stems, mix and glue fill up as blocks are made."""

    def __init__(self, score: Score, font: Font) -> None:
        self._score, self._font = score, font
        self.groove = all_grooves()[score.groove_name]
        self.frames = round(score.seconds * SAMPLE_RATE_HZ)
        self._quarter_seconds = 60.0 / score.quarters_a_minute
        frames_per_tick = score.seconds_per_tick * SAMPLE_RATE_HZ
        stems = _room_for(len(score.parts), self.frames)
        self.channels: list[Channel] = []
        for number, part in enumerate(score.parts):
            events = [_event(note, frames_per_tick) for note in part.notes]
            strip = Strip(part, self.groove, score.groove_name, quarter_seconds=self._quarter_seconds)
            voice = voice_for(part, events, font, score.groove_name)
            self.channels.append(Channel(part, events, voice, strip, stems[number]))
        self._ducker = Ducker(
            [e.start_frame for c in self.channels if c.part.role == "drums" for e in c.events if e.pitch in _KICK_KEYS],
            depth_db=self.groove.pump,
            quarter_seconds=self._quarter_seconds,
        )
        self.mix = np.zeros((2, self.frames), np.float32)
        self.shape = np.ones(self.frames, np.float32)
        self._glue = GlueCompressor(sample_rate_hz=SAMPLE_RATE_HZ)
        self._workers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="sketch")
        self._preview = self._set_levels()

    def close(self) -> None:
        """Let the helpers go."""
        self._workers.shutdown()

    def blocks(self) -> Iterator[Block]:
        """Each next block; a short one first, so that the first sound comes soon."""
        start = 0
        while start < self.frames:
            end = min(self.frames, start + (_FIRST_BLOCK_FRAMES if start == 0 else _BLOCK_FRAMES))
            duck = self._ducker.gain(start, end - start)
            mix = self.mix[:, start:end]
            # Effects leave Python free, so they run beside the next voice; each strip sees its blocks in order.
            working = []
            for channel in self.channels:
                sound = channel.voice.render(end - start)
                ducked = None if channel.part.role == "drums" else duck
                working.append(self._workers.submit(channel.strip.process, sound, ducked))
            for channel, made in zip(self.channels, working, strict=True):
                channel.stem[:, start:end] = made.result()
                mix += channel.stem[:, start:end]
            shape = self._glue.gain(mix, scale=self._preview) * self._ride(start, end - start)
            self.shape[start:end] = shape
            yield Block(start, mix, shape * np.float32(self._preview))
            start = end

    def _ride(self, start: int, frames: int) -> np.ndarray:
        """The faders' slow hand over a stretch: calm sections a little under the loudest, moved within 40 ms of the bar line.

        And the end: full until the last chord has spoken, then down to nothing exactly at the last frame.
        """
        energies = np.array(self._score.section_energies)
        levels = 10 ** (_RIDE_DB * (energies - energies.max()) / 20)
        starts = np.array(self._score.section_ticks) * self._score.seconds_per_tick * SAMPLE_RATE_HZ
        slope = 0.04 * SAMPLE_RATE_HZ
        places = np.concatenate([[0.0], *([s - slope, s] for s in starts[1:])])
        values = np.concatenate([[levels[0]], *([a, b] for a, b in pairwise(levels))])
        now = np.arange(start, start + frames)
        ride = np.interp(now, places, values)
        ring = max(0.05, self._score.seconds - self._score.last_hit_seconds)
        length = min(self.frames, round(min(ring * 0.75, 6.0) * SAMPLE_RATE_HZ))
        if start + frames > self.frames - length:
            gone = np.clip((now - (self.frames - length)) / max(1, length - 1), 0.0, 1.0)
            ride *= np.where(gone < 1.0, np.cos(gone * np.pi / 2) ** 2, 0.0)
        return ride.astype(np.float32)

    def _set_levels(self) -> float:
        """Set trims and faders from a few tries, and answer with the gain that makes the mix about TARGET_LUFS."""
        windows = self._windows()
        tries: list[dict[int, np.ndarray]] = [{} for _ in windows]
        reference: dict[int, float] = {}
        for number, channel in enumerate(self.channels):
            raw = [self._try(channel, start, frames) for start, frames, _ in windows]
            heard = [x for x in raw if x is not None]
            if not heard:
                heard = [self._first_notes(channel)]
            loudness = _mean_lufs([quick_loudness_lufs(x, sample_rate_hz=SAMPLE_RATE_HZ) for x in heard])
            channel.strip.trim = _factor(WORKING_LUFS - loudness)
            dry = []
            for index, sound in enumerate(raw):
                if sound is not None:
                    tries[index][number] = channel.strip.dry(sound)
                    dry.append(tries[index][number])
                    channel.strip.reset()
            if not dry:
                dry = [channel.strip.dry(heard[0])]
                channel.strip.reset()
            reference[number] = _mean_lufs([quick_loudness_lufs(x, sample_rate_hz=SAMPLE_RATE_HZ) for x in dry])
            channel.strip.fader = _factor(WORKING_LUFS + channel.strip.setting.loudness_lu - reference[number])
        return self._preview_gain(tries, windows)

    def _preview_gain(
        self, tries: list[dict[int, np.ndarray]], windows: list[tuple[int, int, list[tuple[float, float]]]]
    ) -> float:
        mixes = []
        for sounds, (start, frames, _) in zip(tries, windows, strict=True):
            mix = np.zeros((2, frames), np.float32)
            duck = self._ducker.gain(start, frames)
            for number, sound in sounds.items():
                channel = self.channels[number]
                made = sound * np.float32(channel.strip.fader)
                mix += made if duck is None or channel.part.role == "drums" else made * duck
            mixes.append(mix)
        gain = 1.0
        for _ in range(3):
            energies: list[float] = []
            weights: list[float] = []
            for mix, (_, _, sections) in zip(mixes, windows, strict=True):
                for length, ride in sections:
                    energies.append(10 ** (self._heard_lufs(mix, gain, ride) / 10))
                    weights.append(length)
            level, share = np.array(energies), np.array(weights)
            total = float((level * share).sum())
            if total <= 0:
                return 1.0
            loud = level > total / share.sum() / 10
            mean = float((level * share * loud).sum() / (share * loud).sum())
            gain *= _factor(TARGET_LUFS - 10 * float(np.log10(mean)))
        return gain

    @staticmethod
    def _heard_lufs(mix: np.ndarray, gain: float, ride: float) -> float:
        """How loud a try would come out of glue and limiter; the room and earlier tails add a little that it lacks."""
        glued = mix * (GlueCompressor(sample_rate_hz=SAMPLE_RATE_HZ).gain(mix, scale=gain) * np.float32(gain * ride))
        limited = LiveLimiter(sample_rate_hz=SAMPLE_RATE_HZ).push(glued, last=True)
        return quick_loudness_lufs(limited, sample_rate_hz=SAMPLE_RATE_HZ) + _ROOM_LU

    def _windows(self) -> list[tuple[int, int, list[tuple[float, float]]]]:
        """Stretches to try: (start frame, frames, the sections it speaks for as (frames, ride)).

        One out of the middle of the busiest section, one of a middling and one of a calm one; each speaks for the
        sections nearest to it in business.
        """
        ticks = [*self._score.section_ticks, round(self._score.last_hit_seconds / self._score.seconds_per_tick)]
        spans = [(a, b) for a, b in pairwise(ticks) if b > a] or [(0, max(1, ticks[-1]))]
        per_tick = self._score.seconds_per_tick * SAMPLE_RATE_HZ
        starts = np.array([n.start_tick for part in self._score.parts for n in part.notes])
        strengths = np.array([float(n.velocity) for part in self._score.parts for n in part.notes])
        index = np.searchsorted([a for a, _ in spans], starts, side="right") - 1
        busy = np.bincount(np.maximum(index, 0), weights=strengths, minlength=len(spans))[: len(spans)]
        busy = busy / np.array([float(b - a) for a, b in spans])
        order = np.argsort(-busy, kind="stable")
        tried = sorted({int(order[k * len(order) // _MOST_TRIALS]) for k in range(_MOST_TRIALS)})
        speaks: dict[int, list[tuple[float, float]]] = {k: [] for k in tried}
        windows = []
        for number, (a, b) in enumerate(spans):
            middle = round((a + b) / 2 * per_tick)
            nearest = min(tried, key=lambda k: (abs(busy[k] - busy[number]), k))
            speaks[nearest].append(((b - a) * per_tick, float(self._ride(middle, 1)[0])))
        for k in tried:
            first, last = round(spans[k][0] * per_tick), min(self.frames, round(spans[k][1] * per_tick))
            frames = max(1, min(last - first, round(_TRIAL_SECONDS * SAMPLE_RATE_HZ)))
            windows.append((first + (last - first - frames) // 2, frames, speaks[k]))
        return windows

    def _try(self, channel: Channel, start: int, frames: int) -> np.ndarray | None:
        """The part alone in a window, notes already sounding struck again; None where it is silent."""
        end = start + frames
        events = [
            Event(max(0, e.start_frame - start), e.end_frame - start, e.pitch, e.velocity)
            for e in channel.events
            if e.start_frame < end and e.end_frame > start
        ]
        if not events:
            return None
        return voice_for(channel.part, events, self._font, self._score.groove_name).render(frames)

    def _first_notes(self, channel: Channel) -> np.ndarray:
        start = channel.events[0].start_frame
        frames = min(self.frames, round(_TRIAL_SECONDS * SAMPLE_RATE_HZ))
        sound = self._try(channel, start, frames)
        return sound if sound is not None else np.zeros((2, frames), np.float32)


def _event(note: Note, frames_per_tick: float) -> Event:
    start = round(note.start_tick * frames_per_tick)
    return Event(start, max(start + 1, round(note.end_tick * frames_per_tick)), note.pitch, note.velocity)


def _factor(decibels: float) -> float:
    return 10 ** (float(np.clip(decibels, -40, 40)) / 20)


def _mean_lufs(loudnesses: list[float]) -> float:
    """The mean of the energies; a silent try counts for nothing."""
    finite = [10 ** (x / 10) for x in loudnesses if np.isfinite(x)]
    return 10 * float(np.log10(np.mean(finite))) if finite else WORKING_LUFS


def _room_for(parts: int, frames: int) -> np.ndarray:
    """Zeros for the stems, (parts, 2, frames)."""
    shape = (parts, 2, frames)
    if 4 * parts * 2 * frames <= _MOST_BYTES_IN_MEMORY:
        return np.zeros(shape, np.float32)
    with tempfile.TemporaryFile(prefix="sketch-stems-") as file:
        return np.memmap(file, np.float32, "w+", shape=shape)
