"""A spoken wish to written words: Whisper over what the microphone recorded.

Whisper is handed 16 kHz samples, never a file, so no ffmpeg is needed. What cannot be a spoken wish (silence, steady
noise, hours of sound) is said so before the model is troubled. Radford et al. 2022, "Robust Speech Recognition via
Large-Scale Weak Supervision". Knows nothing of pages or of briefs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from audio.clip import Clip
from studio.models.files import FileModels

RATE_HZ = 16_000
MOST_SPOKEN_SECONDS = 120.0
MOST_RECORDED_SECONDS = 900.0
BUDGET_SECONDS = 120.0
MOST_CHARACTERS = 4_000
_FRAME = RATE_HZ // 50
_SILENCE_DB = -55.0
_STEADY_DB = 4.0  # speech comes and goes by far more than this from moment to moment
_PAD_SECONDS = 0.25
_WAIT_SECONDS = 0.05
_REPEATS_ITSELF = 2.4  # Whisper's own sign of a text that runs in circles
_UNSURE = -2.0  # mean log probability of a token; what Whisper makes out lies above -1, what it invents far below
_speaking = threading.Lock()


class VoiceError(Exception):
    """A recording cannot be written down; the message is a sentence for the user, with what to do next."""


class VoiceStopped(VoiceError):
    """The user stopped the listening."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What was said. language: a two-letter code. spoken_seconds: without the silence round it. seconds: of work."""

    text: str
    language: str
    spoken_seconds: float
    seconds: float
    model: str


def transcribe(
    clip: Clip,
    *,
    model_path: Path,
    device: str = "cpu",
    budget_seconds: float = BUDGET_SECONDS,
    cancelled: Callable[[], bool] = lambda: False,
) -> Heard:
    """The words in a recording, its language found by the model.

    model_path: a checkpoint of openai-whisper. One recording at a time; the model stays in memory for the next.
    Raises VoiceStopped, or VoiceError for silence, steady noise, too long a recording, or a file that is no model.
    """
    started = time.monotonic()
    samples = spoken_part(clip)
    with _turn(cancelled):
        deadline = time.monotonic() + budget_seconds

        def look() -> None:
            if cancelled():
                raise VoiceStopped("The listening was stopped.")
            if time.monotonic() > deadline:
                raise VoiceError(
                    "Writing the words down takes too long here: speak more briefly, or choose a smaller model."
                )

        look()
        model = load(model_path, device=device)
        with _watched(model, look):
            result = model.transcribe(
                samples,
                temperature=(0.0, 0.4),
                condition_on_previous_text=False,
                without_timestamps=True,
                fp16=device.startswith("cuda"),
                verbose=None,
            )
    sure = [
        one
        for one in result["segments"]
        if one["compression_ratio"] <= _REPEATS_ITSELF and one["avg_logprob"] >= _UNSURE
    ]
    text = " ".join(" ".join(one["text"] for one in sure).split())[:MOST_CHARACTERS]
    if not any(letter.isalnum() for letter in text):
        raise VoiceError(
            "No words could be made out: speak nearer to the microphone, or choose a larger Whisper model."
        )
    return Heard(text, str(result["language"]), len(samples) / RATE_HZ, time.monotonic() - started, model_path.stem)


def hear(
    clip: Clip,
    files: FileModels,
    *,
    model_id: str,
    device: str = "cpu",
    cancelled: Callable[[], bool] = lambda: False,
) -> Heard:
    """`transcribe` by a model of the catalogue; raises ModelError, offering the download, when it is not here."""
    path = files.path(model_id)
    return transcribe(clip, model_path=path, device=device, cancelled=cancelled)


def spoken_part(clip: Clip) -> np.ndarray:
    """A recording as Whisper wants it: mono, 16 kHz, (frames,), the silence round the words cut off.

    Raises VoiceError when there is nothing in it to be written down, or too much.
    """
    if clip.seconds > MOST_RECORDED_SECONDS:
        minutes = round(clip.seconds / 60)
        length = f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} minutes"
        raise VoiceError(
            f"The recording lasts {length}: say what you wish for in at most {MOST_SPOKEN_SECONDS:.0f} seconds."
        )
    samples = _at_16_khz(clip)
    if len(samples) < RATE_HZ // 4:
        raise VoiceError("The recording is too short to hold a word: press record, speak, then stop.")
    levels = _levels_db(samples)
    loud = np.flatnonzero(levels > max(_SILENCE_DB, float(levels.max()) - 40.0))
    if float(levels.max()) < _SILENCE_DB or not len(loud):
        raise VoiceError("The recording is silent: check that the right microphone is chosen, then record again.")
    if float(np.percentile(levels, 95) - np.percentile(levels, 5)) < _STEADY_DB:
        raise VoiceError("Only a steady noise was recorded: check the microphone, then record again.")
    pad = round(_PAD_SECONDS * RATE_HZ)
    start, end = max(0, loud[0] * _FRAME - pad), (loud[-1] + 1) * _FRAME + pad
    spoken = samples[start:end]
    if len(spoken) > MOST_SPOKEN_SECONDS * RATE_HZ:
        raise VoiceError(
            f"The recording holds {len(spoken) / RATE_HZ:.0f} seconds of sound: say what you wish for in at most "
            f"{MOST_SPOKEN_SECONDS:.0f}."
        )
    return spoken


def load(model_path: Path, *, device: str = "cpu") -> Any:
    """A Whisper model, kept in memory until another is asked for; raises VoiceError when the file is none."""
    try:
        stat = model_path.stat()
    except OSError as error:
        raise VoiceError(
            f"{model_path.name} is not on this machine: download a Whisper model, or type the wish instead."
        ) from error
    return _loaded(model_path, device, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=1)
def _loaded(path: Path, device: str, size: int, mtime_ns: int) -> Any:
    try:
        import whisper
    except ImportError as error:
        raise VoiceError("openai-whisper is not installed here: install it with pip, or type the wish.") from error
    try:
        return whisper.load_model(str(path), device=device).eval()
    except Exception as error:  # a file of anybody's making, unpickled as data only: it may fail in any way
        raise VoiceError(
            f"{path.name} is not a Whisper model, or is damaged: delete it and download it again."
        ) from error


@contextmanager
def _turn(cancelled: Callable[[], bool]) -> Iterator[None]:
    while not _speaking.acquire(timeout=_WAIT_SECONDS):
        if cancelled():
            raise VoiceStopped("The listening was stopped.")
    try:
        yield
    finally:
        _speaking.release()


@contextmanager
def _watched(model: Any, look: Callable[[], None]) -> Iterator[None]:
    """Ask `look`, which may raise, before every step the model takes."""
    hooks = [part.register_forward_pre_hook(lambda *_: look()) for part in (model.encoder, model.decoder)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _at_16_khz(clip: Clip) -> np.ndarray:
    from math import gcd

    from scipy.signal import resample_poly

    samples = np.nan_to_num(clip.mono().samples[0], posinf=0.0, neginf=0.0)
    if clip.sample_rate_hz != RATE_HZ:
        common = gcd(RATE_HZ, clip.sample_rate_hz)
        samples = resample_poly(samples, RATE_HZ // common, clip.sample_rate_hz // common)
    return np.clip(samples, -1.0, 1.0).astype(np.float32)


def _levels_db(samples: np.ndarray) -> np.ndarray:
    """RMS of every 20 ms, in dB of full scale, the mean taken out: (frames,)."""
    whole = samples[: len(samples) // _FRAME * _FRAME].reshape(-1, _FRAME)
    return 10 * np.log10(((whole - samples.mean()) ** 2).mean(axis=1) + 1e-12)
