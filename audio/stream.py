"""Sound read a stretch at a time, so that three hours need no more memory than a minute.

Knows nothing of what is measured in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from audio.clip import Clip
from audio.io import AudioUnreadable

_STRETCH_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class SoundFacts:
    """What a sound file's header says. seconds may be an estimate for MP3s without one."""

    seconds: float
    sample_rate_hz: int
    channels: int


def sound_facts(path: Path) -> SoundFacts:
    """Length, rate and channels by the header alone. Raises AudioUnreadable."""
    for clip in stretches(path, stretch_seconds=0.1):
        return SoundFacts(_header_seconds(path), clip.sample_rate_hz, clip.channels)
    raise AudioUnreadable(f"“{path.name}” holds no sound.")


def stretches(
    source: Path | Clip, *, stretch_seconds: float = _STRETCH_SECONDS, from_seconds: float = 0.0
) -> Iterator[Clip]:
    """The sound in stretches of equal length, the last shorter, at its own rate and channels.

    from_seconds: where to begin; nothing before is decoded. Raises AudioUnreadable for what is no sound, is damaged, or
    holds samples that are no numbers.
    """
    if isinstance(source, Clip):
        step = max(1, round(stretch_seconds * source.sample_rate_hz))
        for start in range(round(from_seconds * source.sample_rate_hz), source.frames, step):
            yield Clip(source.samples[:, start : start + step], source.sample_rate_hz)
        return
    for clip in _from_file(source, stretch_seconds, from_seconds):
        if not np.isfinite(clip.samples).all():
            raise AudioUnreadable(f"“{source.name}” holds samples that are no numbers; it is damaged.")
        yield clip


def clip_between(source: Path | Clip, start_seconds: float, end_seconds: float) -> Clip:
    """A part of a sound, of which alone is read; cut where the sound ends. Raises AudioUnreadable."""
    start, wanted = max(0.0, start_seconds), max(0.0, end_seconds - max(0.0, start_seconds))
    parts: list[Clip] = []
    for clip in stretches(source, stretch_seconds=min(_STRETCH_SECONDS, wanted) or 0.1, from_seconds=start):
        parts.append(clip)
        if sum(part.seconds for part in parts) >= wanted:
            break
    if not parts:
        raise AudioUnreadable(f"The sound ends before {start:.0f} s.")
    return Clip.joined(parts).between(0.0, wanted)


def loudest_part(source: Path | Clip, *, seconds: float) -> Clip:
    """The stretch of that length with the most power, begun at a whole second; all of a shorter sound."""
    power = [float(np.mean(clip.samples**2)) for clip in stretches(source, stretch_seconds=1.0)]
    sums = np.convolve(power, np.ones(min(max(1, int(seconds)), len(power))), mode="valid")
    start = float(np.argmax(sums))
    return clip_between(source, start, start + seconds)


def mono_at(source: Path | Clip | Iterable[Clip], *, rate_hz: int) -> Iterator[np.ndarray]:
    """The channels' mean at another rate, float32, in pieces of about a stretch each.

    Resampled by libsoxr at its high quality, its state carried over the joints, so that the pieces joined are the same
    whatever the stretches were.
    """
    import soxr

    parts = stretches(source) if isinstance(source, Path | Clip) else source
    resampler: soxr.ResampleStream | None = None
    for clip in parts:
        mono = np.ascontiguousarray(clip.mono().samples[0])
        if clip.sample_rate_hz == rate_hz:
            yield mono
            continue
        if resampler is None:
            resampler = soxr.ResampleStream(clip.sample_rate_hz, rate_hz, 1, dtype="float32")
        yield resampler.resample_chunk(mono)
    if resampler is not None:
        yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)


def windows_of(pieces: Iterable[np.ndarray], *, frames: int, hop: int | None = None) -> Iterator[np.ndarray]:
    """Windows of exactly `frames` samples, one each `hop` (by default side by side); what is left over comes last, shorter."""
    hop = hop or frames
    held = np.zeros(0, np.float32)
    given = False
    for piece in pieces:
        held = np.concatenate([held, piece]) if len(held) else piece
        while len(held) >= frames:
            yield held[:frames]
            given = True
            held = held[hop:]
    overlap = frames - hop if given else 0
    if len(held) > overlap:
        yield held


def _from_file(path: Path, stretch_seconds: float, from_seconds: float) -> Iterator[Clip]:
    import soundfile

    try:
        file = soundfile.SoundFile(path)
    except (soundfile.LibsndfileError, OSError) as error:
        yield from _with_pedalboard(path, stretch_seconds, from_seconds, error)
        return
    damaged = AudioUnreadable(f"“{path.name}” ends in the middle or is damaged. Fetch or export it again.")
    with file:
        step = max(1, round(stretch_seconds * file.samplerate))
        read = file.seek(min(file.frames, round(from_seconds * file.samplerate))) if from_seconds else 0
        while True:
            try:
                samples = file.read(step, dtype="float32", always_2d=True)
            except soundfile.LibsndfileError as error:
                raise damaged from error
            if not len(samples):
                break
            read += len(samples)
            yield Clip(np.ascontiguousarray(samples.T), file.samplerate)
        if file.format in ("FLAC", "WAV") and read != file.frames:
            raise damaged
    if read == 0:
        raise AudioUnreadable(f"“{path.name}” holds no sound.")


def _with_pedalboard(path: Path, stretch_seconds: float, from_seconds: float, cause: Exception) -> Iterator[Clip]:
    """What libsndfile does not know (M4A and WMA where the system can) goes to pedalboard."""
    from pedalboard.io import AudioFile

    try:
        with path.open("rb") as stream, AudioFile(stream) as file:
            step = max(1, round(stretch_seconds * file.samplerate))
            file.seek(min(file.frames, round(from_seconds * file.samplerate)))
            while file.tell() < file.frames:
                samples = file.read(step)
                if not samples.shape[1]:
                    break
                yield Clip(samples, int(file.samplerate))
    except OSError as error:
        raise AudioUnreadable(f"“{path.name}” could not be opened: {error.strerror or error}.") from error
    except (ValueError, RuntimeError) as error:
        raise AudioUnreadable(
            f"“{path.name}” is not a sound file this studio reads, or it is damaged. Use WAV, FLAC, MP3, OGG or AIFF."
        ) from (error if cause is None else cause)


def _header_seconds(path: Path) -> float:
    import soundfile

    try:
        facts = soundfile.info(str(path))
        return facts.frames / facts.samplerate
    except (soundfile.LibsndfileError, OSError):
        from pedalboard.io import AudioFile

        with path.open("rb") as stream, AudioFile(stream) as file:
            return float(file.frames / file.samplerate)
