"""Where the beats and the bars of a clip lie.

`track_beats` answers with times a listener would clap at, with the first beats of the bars among them, and says how sure it is.
Knows nothing of plans, of files or of stretching.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audio.bands import Bands, bands_of
from audio.bar_patterns import BAND_EDGES_HZ, BEATS_A_BAR, PITCH_EDGES_HZ, Heard, Reading, likelihoods, readings_of
from audio.clip import Clip
from audio.pulse_tracks import onset_curve, phases_of, pulse_tracks

MIN_SECONDS = 2.0
_NEARLY_SECONDS = 0.03  # a beat this little before the start is the start's
_REACH_SECONDS = 0.03
_EARLY_SECONDS = 0.004  # a stroke is heard this long before it falls, for the windows see it coming
_NOTHING = (
    "There is no beat to follow here: it takes at least two seconds of sound that is not all one tone or silence."
)
MIN_TEMPO_BPM, MAX_TEMPO_BPM = 40.0, 240.0


class NoBeat(ValueError):
    """A clip has no beat to follow: it is too short, silent, or damaged. The message is a sentence for the user."""


@dataclass(frozen=True, slots=True)
class Beats:
    """The pulse of a clip.

    beats_seconds, downbeats_seconds: ascending; every downbeat is one of the beats. tempo_bpm: beats a minute, by regression
    over all of them. beats_a_bar: 2 to 7. confidence: 0 to 1, how far the reading stands out before the next best.
    """

    beats_seconds: tuple[float, ...]
    downbeats_seconds: tuple[float, ...]
    tempo_bpm: float
    beats_a_bar: int
    confidence: float

    @property
    def beat_seconds(self) -> float:
        return 60.0 / self.tempo_bpm

    def seconds_at(self, beat: float) -> float:
        """When a beat falls, counted from 0 for the first one tracked; between beats by proportion, outside by the tempo."""
        times = np.asarray(self.beats_seconds)
        if beat <= 0:
            return float(times[0] + beat * self.beat_seconds)
        if beat >= len(times) - 1:
            return float(times[-1] + (beat - len(times) + 1) * self.beat_seconds)
        return float(np.interp(beat, np.arange(len(times)), times))

    def beat_at(self, seconds: float) -> float:
        """The inverse of `seconds_at`."""
        times = np.asarray(self.beats_seconds)
        if seconds <= times[0]:
            return float((seconds - times[0]) / self.beat_seconds)
        if seconds >= times[-1]:
            return float(len(times) - 1 + (seconds - times[-1]) / self.beat_seconds)
        return float(np.interp(seconds, times, np.arange(len(times))))

    @property
    def first_downbeat(self) -> int:
        """Which of the beats is the first of a bar, counted from 0."""
        return self.beats_seconds.index(self.downbeats_seconds[0]) if self.downbeats_seconds else 0


def steady_beats(
    *, seconds: float, tempo_bpm: float, beats_a_bar: int = 4, first_downbeat_seconds: float = 0.0
) -> Beats:
    """The beats of music whose tempo is known and steady, such as a planned take's: nothing is listened for."""
    beat = 60.0 / tempo_bpm
    before = int(np.floor(first_downbeat_seconds / beat + 1e-6))
    count = int(np.floor((seconds - first_downbeat_seconds) / beat + 1e-6)) + 1
    numbers = np.arange(-before, max(1, count))
    times = first_downbeat_seconds + numbers * beat
    return Beats(tuple(times.tolist()), tuple(times[numbers % beats_a_bar == 0].tolist()), tempo_bpm, beats_a_bar, 1.0)


def track_beats(clip: Clip, *, tempo_bpm: float | None = None, beats_a_bar: int | None = None) -> Beats:
    """The beats and downbeats of a clip.

    tempo_bpm: about how fast it is, where that is known: the beat is then within 8 % of it. beats_a_bar: where that is known.
    Raises NoBeat for a clip under two seconds, for silence, and for samples that are no numbers.
    """
    if clip.seconds < MIN_SECONDS or not np.isfinite(clip.samples).all():
        raise NoBeat(_NOTHING)
    bands, pitches = levels_of(clip)
    heard = Heard.of(bands, pitches)
    readings, features = candidates(bands, heard, tempo_bpm=tempo_bpm, beats_a_bar=beats_a_bar)
    if not readings:
        raise NoBeat(_NOTHING)
    odds = likelihoods(features)
    best = int(np.argmax(odds))
    alike = [same_beat(reading, readings[best]) for reading in readings]
    return _beats_of(readings[best], onset_curve(bands), clip.seconds, confidence=float(odds[alike].sum()))


def levels_of(clip: Clip) -> tuple[Bands, Bands]:
    """What tracking listens to: levels in eight bands every 10 ms, and in semitones every 50 ms."""
    bands = bands_of(clip, edges_hz=BAND_EDGES_HZ)
    return bands, bands_of(clip, edges_hz=PITCH_EDGES_HZ, hop_frames=2_205, window_frames=8_192)


def candidates(
    bands: Bands, heard: Heard, *, tempo_bpm: float | None = None, beats_a_bar: int | None = None
) -> tuple[list[Reading], np.ndarray]:
    """Every reading of the clip's pulse and metre that its onsets allow, and their features."""
    onsets = onset_curve(bands)
    if not (onsets[10:-10] > 0.5).any():  # what begins or ends with the clip is no onset
        return [], np.zeros((0, 0))
    slowest, fastest = (tempo_bpm / 1.08, tempo_bpm * 1.08) if tempo_bpm else (MIN_TEMPO_BPM, MAX_TEMPO_BPM)
    tracks = pulse_tracks(onsets, hop_seconds=bands.hop_seconds, slowest_bpm=slowest, fastest_bpm=fastest)
    curves = [onsets, *heard.groups.T]
    metres = (beats_a_bar,) if beats_a_bar else BEATS_A_BAR
    readings, features = [], []
    for track in tracks:
        some, rows = readings_of(heard, track, phases_of(track, curves), beats_a_bar=metres)
        if some:
            readings += some
            features.append(rows)
    return readings, np.concatenate(features) if features else np.zeros((0, 0))


def same_beat(one: Reading, other: Reading) -> bool:
    """True when two readings clap together, whatever bars they count."""
    return one.track is other.track and abs((one.phase - other.phase + 0.5) % 1.0 - 0.5) < 0.1


def _beats_of(reading: Reading, onsets: np.ndarray, seconds: float, *, confidence: float) -> Beats:
    track = reading.track
    first, last = np.ceil(track.turns[0] - reading.phase), np.floor(track.turns[-1] - reading.phase)
    numbers = np.arange(first - 1, last + 2)
    times = track.times_at(numbers + reading.phase)
    period = track.period_seconds
    if track.steady:
        times, period = _on_a_line(times, onsets, track.hop_seconds)
    times = times + _EARLY_SECONDS
    times = np.where(np.abs(times) < _NEARLY_SECONDS, np.maximum(times, 0.0), times)
    inside = (times >= 0) & (times < seconds)
    begins = (numbers - first - reading.first) % reading.beats_a_bar == 0
    return Beats(
        tuple(times[inside].tolist()), tuple(times[inside & begins].tolist()), 60.0 / period, reading.beats_a_bar,
        confidence,
    )  # fmt: skip


def _on_a_line(times: np.ndarray, onsets: np.ndarray, hop_seconds: float) -> tuple[np.ndarray, float]:
    """Steady beats sharpened: a line through the onsets nearest to them, those far off it counting little; and its slope."""
    numbers = np.arange(len(times))
    reach = round(_REACH_SECONDS / hop_seconds)
    centres = np.rint(times / hop_seconds).astype(int)
    usable = (centres >= reach) & (centres < len(onsets) - reach - 1)
    if usable.sum() < 8:
        return times, float(np.polyfit(numbers, times, 1)[0])
    windows = onsets[centres[usable, None] + np.arange(-reach, reach + 1)]
    power = windows**2 + 1e-9
    found = (centres[usable] + (power * np.arange(-reach, reach + 1)).sum(axis=1) / power.sum(axis=1)) * hop_seconds
    weight = np.sqrt(power.sum(axis=1))
    slope, start = np.polyfit(numbers, times, 1)
    for _ in range(6):
        stray = found - (slope * numbers[usable] + start)
        slope, start = np.polyfit(numbers[usable], found, 1, w=np.sqrt(weight / (1 + (stray / 0.008) ** 2)))
    return slope * numbers + start, float(slope)
