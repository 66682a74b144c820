"""The mixing desk: a strip for every part, a room they share, and how loud each should stand in the mix.

A strip is trim, effects, fader, pan and the part's own share of the common room, so that a stem carries its reverb and
the stems still sum to the mix. Effects are pedalboard's. Knows nothing of notes but where the kick falls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from studio.engines.sketch.comping import DISTORTED_PROGRAMS
from studio.engines.sketch.grooves import Groove
from studio.engines.sketch.score import Part
from studio.engines.sketch.synth import SAMPLE_RATE_HZ

# K-weighted loudness of each role against the drums, in LU, while it plays; and its pan (-1 to 1) and reverb send (dB).
_BALANCE: dict[str, tuple[float, tuple[float, ...], float]] = {
    "drums": (0.0, (0.0,), -19.0),
    "percussion": (-7.0, (0.35, -0.35), -15.0),
    "bass": (-3.0, (0.0,), -40.0),
    "chords": (-5.5, (-0.28, 0.3, 0.0), -15.0),
    "pad": (-9.0, (0.0, 0.15, -0.15), -11.0),
    "melody": (-3.0, (0.06, -0.12, 0.18), -12.5),
    "counter": (-7.5, (0.4, -0.42, 0.2), -12.0),
}
# Loudness a strip's effects are set for, so that any SoundFont drives them alike.
WORKING_LUFS = -20.0
_ROOMS = {
    "small": (0.28, 0.6, 0.75), "middle": (0.5, 0.5, 0.9), "large": (0.8, 0.35, 1.0),
}  # fmt: skip
_LARGE = {
    "ambient_free",
    "cinematic_pulse",
    "orchestral",
    "trance_offbeat",
    "dub_steppers",
    "synthwave_eighths",
    "rock_half_time",
}
_SMALL = {
    "funk_16ths",
    "punk",
    "motown",
    "boom_bap",
    "chiptune_pulse",
    "electro",
    "techno_rolling",
    "country_train",
    "disco",
}
_SYNTH_PROGRAMS = frozenset({38, 39, *range(80, 104)})


def room_of(groove_name: str) -> str:
    """How large a room suits a groove."""
    return "large" if groove_name in _LARGE else "small" if groove_name in _SMALL else "middle"


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a part stands: loudness against the drums in LU, pan, and reverb send in dB."""

    loudness_lu: float
    pan: float
    send_db: float


def setting_of(part: Part, groove_name: str) -> Setting:
    """The part's place in the mix."""
    level, pans, send = _BALANCE[part.role]
    if (
        groove_name in ("trap", "drum_and_bass", "dubstep_half_time", "dub_steppers", "amapiano", "reggae_one_drop")
        and part.role == "bass"
    ):
        level += 1.5
    if groove_name in (
        "jazz_swing",
        "brushes_ballad",
        "bossa_nova",
        "folk_strum",
        "ambient_free",
        "orchestral",
    ) and part.role in ("drums", "percussion"):
        level -= 5.0
    if groove_name in ("metal_double_kick", "punk", "rock_straight") and part.role == "chords":
        level += 3.0
    if groove_name in ("ambient_free", "orchestral", "cinematic_pulse") and part.role == "pad":
        level += 4.0
    if room_of(groove_name) == "large":
        send += 2.5
    level -= 2.0 * min(part.order, 2)
    return Setting(level, pans[part.order % len(pans)], send)


def _effects(part: Part, groove: Groove, quarter_seconds: float) -> list[Any]:
    """The strip's effects in order, for a signal at WORKING_LUFS."""
    import pedalboard as pb

    program = part.instrument.program
    echo = min(1.5, quarter_seconds * 0.75)
    if part.role == "drums":
        kit: list[Any] = [
            pb.HighpassFilter(28),
            pb.PeakFilter(62, 2.0, 0.9),
            pb.PeakFilter(380, -2.5, 0.8),
            pb.HighShelfFilter(7500, 4.5),
        ]
        return [*kit, pb.Compressor(-17, 2.5, 14, 110)]
    if part.role == "percussion":
        return [pb.HighpassFilter(60 if program is not None else 170), pb.Compressor(-18, 2, 10, 120)]
    if part.role == "bass":
        warm = [pb.Distortion(5.0)] if program in _SYNTH_PROGRAMS or groove.pump else []
        return [
            pb.HighpassFilter(30),
            *warm,
            pb.Compressor(-20, 4, 12, 140),
            pb.PeakFilter(800, 1.5, 0.7),
            pb.LowpassFilter(7000),
        ]
    if program in DISTORTED_PROGRAMS:
        return [
            pb.HighpassFilter(95),
            pb.Distortion(9.0),
            pb.PeakFilter(450, -2.5, 0.8),
            pb.PeakFilter(2800, 2.5, 0.9),
            pb.LowpassFilter(7500),
        ]
    if part.role == "pad":
        return [
            pb.HighpassFilter(170),
            pb.Chorus(rate_hz=0.35, depth=0.2, centre_delay_ms=9, feedback=0.0, mix=0.4),
            pb.LowpassFilter(10500),
        ]
    if part.role == "chords":
        wide = (
            [pb.Chorus(rate_hz=0.6, depth=0.12, centre_delay_ms=7, feedback=0.0, mix=0.3)]
            if program in (4, 5, 27, 90, *range(80, 88))
            else []
        )
        return [pb.HighpassFilter(130), *wide, pb.Compressor(-20, 2, 15, 150), pb.HighShelfFilter(6500, 2.0)]
    delay = [pb.Delay(echo, 0.22, 0.14)] if program in _SYNTH_PROGRAMS or groove.pump else []
    if part.role == "melody":
        return [pb.HighpassFilter(150), pb.Compressor(-20, 2.5, 10, 140), pb.PeakFilter(2600, 2.0, 0.8), *delay]
    return [pb.HighpassFilter(190), pb.Compressor(-20, 2, 12, 140), *delay]


class Strip:
    """One part's channel: feed it blocks in order and it answers with the part as it stands in the mix."""

    def __init__(self, part: Part, groove: Groove, groove_name: str, *, quarter_seconds: float) -> None:
        import pedalboard as pb

        self.setting = setting_of(part, groove_name)
        self.trim = 1.0
        self.fader = 1.0
        self._effects = pb.Pedalboard(_effects(part, groove, quarter_seconds))
        size, damping, width = _ROOMS[room_of(groove_name)]
        self._room = pb.Pedalboard(
            [
                pb.HighpassFilter(260),
                pb.Reverb(room_size=size, damping=damping, wet_level=1.0, dry_level=0.0, width=width),
            ]
        )
        self._send = 10 ** (self.setting.send_db / 20)
        self._pan = _pan(self.setting.pan)
        self._tail = 0.0

    def dry(self, samples: np.ndarray) -> np.ndarray:
        """Trim, effects and pan, without fader and room: (2, frames)."""
        return self._effects(samples * np.float32(self.trim), SAMPLE_RATE_HZ, reset=False) * self._pan

    def process(self, samples: np.ndarray, duck: np.ndarray | None = None) -> np.ndarray:
        """The next block through the whole strip; duck: a gain a frame, laid on before the room."""
        if self._tail < 1e-6 and not samples.any():
            return np.zeros_like(samples)
        out = self.dry(samples)
        if duck is not None:
            out = out * duck
        out *= np.float32(self.fader)
        if self._send > 0.02:
            out += self._room(out * np.float32(self._send), SAMPLE_RATE_HZ, reset=False)
        self._tail = float(np.abs(out[:, -2048:]).max()) if out.shape[1] else 0.0
        return out

    def reset(self) -> None:
        """Forget what was heard: the next block is the first."""
        self._effects.reset()
        self._room.reset()
        self._tail = 0.0


class Ducker:
    """The breath of house music: everything but the drums steps back for each kick."""

    _LONGEST_SECONDS = 0.32

    def __init__(self, kick_frames: Sequence[int], *, depth_db: float, quarter_seconds: float) -> None:
        self._kicks = np.array(sorted(kick_frames), np.int64)
        self._depth = depth_db
        self._length = min(self._LONGEST_SECONDS, quarter_seconds * 0.8) * SAMPLE_RATE_HZ

    def gain(self, start_frame: int, frames: int) -> np.ndarray | None:
        """The gain of a stretch, float32 (frames,); None where nothing ducks."""
        if self._depth <= 0 or not len(self._kicks):
            return None
        # A point each 32 frames is finer than the ear; a short slope keeps the step from clicking.
        points = np.arange(start_frame, start_frame + frames + 64, 32)
        index = np.searchsorted(self._kicks, points, side="right") - 1
        since = np.where(index >= 0, points - self._kicks[np.maximum(index, 0)], 1 << 40) / self._length
        fall = np.clip(since * self._length / 160, 0.0, 1.0)
        reduction = self._depth * fall * np.clip(1.0 - since, 0.0, 1.0) ** 1.6
        curve = 10 ** (-reduction / 20)
        return np.interp(np.arange(start_frame, start_frame + frames), points, curve).astype(np.float32)


def _pan(place: float) -> np.ndarray:
    """Left and right factors of equal power, 1 in the middle: (2, 1)."""
    angle = (place + 1) * np.pi / 4
    return (np.sqrt(2) * np.array([[np.cos(angle)], [np.sin(angle)]])).astype(np.float32)
