"""Notes heard in a pitched part, by basic-pitch's network.

The network (Bittner et al., "A Lightweight Instrument-Agnostic Model for Polyphonic Note Transcription and Multipitch Estimation",
ICASSP 2022, Apache-2.0) is an ONNX file of 230 kB inside the installed package, which is itself never imported: windows and notes
are made here. Transcribe parts, not mixes: a mix of four parts loses a third of its notes. Knows nothing of MIDI files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from audio.bands import stretches_at
from audio.beats import Beats
from audio.clip import Clip

RATE_HZ = 22_050
_HOP = 256
_WINDOW = 43_844
_EDGE = 15  # frames at either end of a window that hear too little
_FRAMES = 172
_STEP = _WINDOW - 2 * _EDGE * _HOP
_BATCH = 8
_LOWEST_PITCH = 21
_ONSET, _FRAME, _AMPLITUDE = 0.7, 0.3, 0.45
_SHORTEST_SECONDS = 0.1
_GAP_FRAMES = 11  # how long a note may fall under the threshold before it has ended
_LATE_SECONDS = 0.002


class CannotTranscribe(Exception):
    """No notes can be heard in this sound; the message is a sentence for the user."""


@dataclass(frozen=True, slots=True, order=True)
class Note:
    """One note. pitch: MIDI number (a General MIDI drum key in a drum part). velocity: 1 to 127."""

    start_seconds: float
    end_seconds: float
    pitch: int
    velocity: int


@dataclass(frozen=True, slots=True, eq=False)
class Posteriors:
    """What the network hears. times_seconds: (frames,). notes, onsets: (frames, 88), 0 to 1, from A0 up."""

    times_seconds: np.ndarray
    notes: np.ndarray
    onsets: np.ndarray


def transcribe(
    clip: Clip,
    *,
    progress: Callable[[float], None] | None = None,
    lowest_pitch: int = 21,
    highest_pitch: int = 108,
) -> tuple[Note, ...]:
    """The notes of a pitched part, in order. progress: told 0 to 1; what it raises ends the work.

    lowest_pitch, highest_pitch: the part's compass, where it is known. Silence has no notes. Raises CannotTranscribe when the
    network is not installed or the samples are no numbers.
    """
    if not np.isfinite(clip.samples).all():
        raise CannotTranscribe("This sound holds samples that are no numbers; it is damaged. Fetch or export it again.")
    peak = float(np.abs(clip.samples).max(initial=0.0))
    if peak < 1e-4:
        return ()
    heard = posteriors(clip, gain=1.0 / peak, progress=progress)
    found = notes_of(heard, lowest_pitch=lowest_pitch, highest_pitch=highest_pitch)
    return _with_velocities(found, clip)


def posteriors(clip: Clip, *, gain: float = 1.0, progress: Callable[[float], None] | None = None) -> Posteriors:
    """What the network hears in the clip, played `gain` times as loud."""
    network = _network()
    outputs = ["StatefulPartitionedCall:1", "StatefulPartitionedCall:2"]
    notes, onsets, times = [], [], []
    total = clip.frames * RATE_HZ // clip.sample_rate_hz
    done = 0
    for windows in _windows(clip):
        note, onset = network.run(outputs, {network.get_inputs()[0].name: windows[..., None] * np.float32(gain)})
        for index in range(len(windows)):
            notes.append(note[index, _EDGE : _FRAMES - _EDGE])
            onsets.append(onset[index, _EDGE : _FRAMES - _EDGE])
            frames = np.arange(_EDGE, _FRAMES - _EDGE)
            times.append(((done + index) * _STEP + frames * _HOP - _EDGE * _HOP) / RATE_HZ)
        done += len(windows)
        if progress is not None:
            progress(min(1.0, done * _STEP / max(1, total)))
    if not times:
        return Posteriors(np.zeros(0), np.zeros((0, 88), np.float32), np.zeros((0, 88), np.float32))
    when = np.concatenate(times)
    # Windows overlap by less than a frame: what lies beyond the next one's start is that one's.
    inside = np.append(when[:-1] < np.minimum.accumulate(when[::-1])[::-1][1:], True) & (when < total / RATE_HZ)
    return Posteriors(when[inside], np.concatenate(notes)[inside], np.concatenate(onsets)[inside])


def notes_of(heard: Posteriors, *, lowest_pitch: int = 21, highest_pitch: int = 108) -> list[Note]:
    """Notes out of what the network hears: from each onset on, until the pitch has been gone for a while.

    Then what still sounds without an onset, strongest first (the paper's "melodia" pass). Velocities stand at 100.
    """
    left = heard.notes.copy()
    left[:, : max(0, lowest_pitch - _LOWEST_PITCH)] = 0
    left[:, max(0, highest_pitch - _LOWEST_PITCH + 1) :] = 0
    onsets = np.where(left > 0, _with_inferred(heard), 0.0)
    rises = np.pad(onsets, ((1, 1), (0, 0)))
    peaks = (rises[1:-1] > rises[:-2]) & (rises[1:-1] >= rises[2:]) & (onsets >= _ONSET)
    found = []
    frames, bins = np.nonzero(peaks)
    for frame, pitch in sorted(zip(frames.tolist(), bins.tolist(), strict=True), reverse=True):
        end = _end_of(left[:, pitch], frame)
        if _is_note(left, heard, frame, end, pitch):
            found.append(_note(heard, frame, end, pitch))
            _take_away(left, frame, end, pitch)
    for index in np.argsort(-left, axis=None, kind="stable")[: int((left > _FRAME).sum())].tolist():
        middle, pitch = divmod(index, left.shape[1])
        if left[middle, pitch] <= _FRAME:  # taken by a stronger one meanwhile
            continue
        end = _end_of(left[:, pitch], middle)
        start = middle - (_end_of(left[middle::-1, pitch], 0) - 1)
        if _is_note(left, heard, start, end, pitch):
            found.append(_note(heard, start, end, pitch))
        _take_away(left, start, end, pitch)
    return sorted(found)


def quantised(notes: Sequence[Note], beats: Beats, *, steps_a_beat: int = 4, strength: float = 1.0) -> tuple[Note, ...]:
    """The notes moved to the nearest step of the beat grid, `strength` of the way (0 to 1); none shorter than half a step."""
    made = []
    for note in notes:
        start, end = (beats.beat_at(each) * steps_a_beat for each in (note.start_seconds, note.end_seconds))
        on = start + strength * (round(start) - start)
        off = max(end + strength * (round(end) - end), on + 0.5)
        begins = max(0.0, beats.seconds_at(on / steps_a_beat))
        made.append(replace(note, start_seconds=begins, end_seconds=beats.seconds_at(off / steps_a_beat)))
    return tuple(sorted(made))


def model_path() -> Path:
    """The network's file. Raises CannotTranscribe when the package that carries it is not installed."""
    from importlib.util import find_spec

    package = find_spec("basic_pitch")
    path = Path(package.origin or "").parent / "saved_models/icassp_2022/nmp.onnx" if package else None
    if path is None or not path.is_file():
        raise CannotTranscribe(
            "The network that hears notes is not installed. Run `make run` once more; it fetches it."
        )
    return path


@cache
def _network() -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(model_path()), options, providers=["CPUExecutionProvider"])


def _windows(clip: Clip) -> Any:
    """The clip at 22,050 Hz in windows of about two seconds that overlap by thirty frames: batches of (n, 43844)."""
    batch = []
    for samples in stretches_at(clip, RATE_HZ, hop_frames=_STEP, window_frames=_WINDOW, lead_frames=_EDGE * _HOP):
        for window in np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_STEP]:
            batch.append(window)
            if len(batch) == _BATCH:
                yield np.stack(batch)
                batch = []
    if batch:
        yield np.stack(batch)


def _with_inferred(heard: Posteriors) -> np.ndarray:
    """The onsets heard, and those that a sudden rise of a pitch betrays, at the scale of the heard ones."""
    if len(heard.notes) < 3:
        return heard.onsets
    back = np.pad(heard.notes, ((2, 0), (0, 0)))
    rise = np.minimum(heard.notes - back[1:-1], heard.notes - back[:-2])
    rise = np.maximum(rise, 0.0)
    rise[:2] = 0
    scale = float(heard.onsets.max()) / max(1e-9, float(rise.max()))
    return np.maximum(heard.onsets, rise * scale)


def _end_of(pitch: np.ndarray, start: int) -> int:
    """The frame after the last that sounds, from `start` on: gaps shorter than _GAP_FRAMES do not end a note."""
    quiet = 0
    frame = start + 1
    while frame < len(pitch) and quiet < _GAP_FRAMES:
        quiet = quiet + 1 if pitch[frame] < _FRAME else 0
        frame += 1
    return frame - quiet


def _is_note(left: np.ndarray, heard: Posteriors, start: int, end: int, pitch: int) -> bool:
    lasts = (end - start) * _HOP / RATE_HZ >= _SHORTEST_SECONDS
    return (
        lasts and float(heard.notes[start:end, pitch].mean()) >= _AMPLITUDE and float(left[start:end, pitch].max()) > 0
    )


def _take_away(left: np.ndarray, start: int, end: int, pitch: int) -> None:
    """What has become a note, and its shadow a semitone to either side, is not heard again."""
    left[start:end, max(0, pitch - 1) : pitch + 2] = 0


def _note(heard: Posteriors, start: int, end: int, pitch: int) -> Note:
    last = heard.times_seconds[min(end, len(heard.times_seconds) - 1)]
    return Note(max(0.0, float(heard.times_seconds[start]) - _LATE_SECONDS), float(last), _LOWEST_PITCH + pitch, 100)


def _with_velocities(notes: Sequence[Note], clip: Clip) -> tuple[Note, ...]:
    """Velocities by how loud the part is just after each onset: the loudest at 112, 0.4 of a dB a step, never under 20."""
    if not notes:
        return ()
    length = round(0.06 * clip.sample_rate_hz)
    levels = []
    for note in notes:
        start = min(round(note.start_seconds * clip.sample_rate_hz), max(0, clip.frames - length))
        power = float((clip.samples[:, start : start + length] ** 2).mean()) if clip.frames else 0.0
        levels.append(10 * np.log10(power + 1e-10))
    loudest = float(np.percentile(levels, 95))
    return tuple(
        replace(note, velocity=int(np.clip(round(108 + 2.5 * (level - loudest)), 20, 127)))
        for note, level in zip(notes, levels, strict=True)
    )
