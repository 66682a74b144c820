"""The test signals of EBU Tech 3341 (2016) and Tech 3342 (2016) that can be synthesised, with what a meter must read.

Signals 7 and 8 of Tech 3341 and 5 and 6 of Tech 3342 are recorded programmes; they are not here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from audio.clip import Clip  # noqa: E402

RATE_HZ = 48_000


@dataclass(frozen=True)
class Signal:
    """One signal: its document and number, what is read, what it must be, and by how much it may be under and over."""

    document: str
    number: str
    reading: str
    wanted: float
    under: float
    over: float
    make: Callable[[], Clip]

    def passes(self, read: float) -> bool:
        return self.wanted - self.under <= read <= self.wanted + self.over


def read(signal: Signal, clip: Clip) -> float:
    """What the studio's meters say of it."""
    from audio.loudness_report import loudness_report

    report = loudness_report(clip)
    return {
        "I": report.integrated_lufs,
        "S max": report.short_term_max_lufs,
        "M max": report.momentary_max_lufs,
        "LRA": report.range_lu,
        "true peak": report.true_peak_dbtp,
    }[signal.reading]


def signals() -> Iterator[Signal]:
    """Every signal, in the documents' order."""
    yield from _loudness()
    yield from _true_peak()
    for number, wanted, stretches in (
        ("1", 10, ((-20, 20), (-30, 20))),
        ("2", 5, ((-20, 20), (-15, 20))),
        ("3", 20, ((-40, 20), (-20, 20))),
        ("4", 15, ((-50, 20), (-35, 20), (-20, 20), (-35, 20), (-50, 20))),
    ):
        yield Signal("3342", number, "LRA", wanted, 1.0, 1.0, _tones(stretches))


def _loudness() -> Iterator[Signal]:
    def one(number: str, reading: str, wanted: float, make: Callable[[], Clip]) -> Signal:
        return Signal("3341", number, reading, wanted, 0.1, 0.1, make)

    for reading in ("M max", "S max", "I"):
        yield one("1", reading, -23, _tones(((-23, 20),)))
    for reading in ("M max", "S max", "I"):
        yield one("2", reading, -33, _tones(((-33, 20),)))
    yield one("3", "I", -23, _tones(((-36, 10), (-23, 60), (-36, 10))))
    yield one("4", "I", -23, _tones(((-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10))))
    yield one("5", "I", -23, _tones(((-26, 20), (-20, 20.1), (-26, 20))))
    yield one("6", "I", -23, lambda: _surround((-28, -28, -24, -30, -30), 20))
    yield one("9", "S max", -23, _tones(((-20, 1.34), (-30, 1.66)) * 5))
    for file in range(1, 21):
        yield one(f"10.{file}", "S max", -23, _tones(((None, 0.15 * file), (-23, 3), (None, 1))))
    for file in range(1, 21):
        yield one(
            f"11.{file}", "S max", -39 + file, _tones(((None, 0.15 * file), (-39 + file, 3), (None, 3 - 0.15 * file)))
        )
    yield one("12", "M max", -23, _tones(((-20, 0.18), (-30, 0.22)) * 25))
    for file in range(1, 21):
        yield one(f"13.{file}", "M max", -23, _tones(((None, 0.02 * file), (-23, 0.4), (None, 1))))
    for file in range(1, 21):
        yield one(
            f"14.{file}",
            "M max",
            -39 + file,
            _tones(((None, 0.02 * file), (-39 + file, 0.4), (None, 0.4 - 0.02 * file))),
        )


def _true_peak() -> Iterator[Signal]:
    for number, period, degrees, amplitude, wanted in (
        ("15", 4, 0, 0.5, -6.0), ("16", 4, 45, 0.5, -6.0), ("17", 6, 60, 0.5, -6.0), ("18", 8, 67.5, 0.5, -6.0),
        ("19", 4, 45, 1.41, 3.0),
    ):  # fmt: skip
        yield Signal("3341", number, "true peak", wanted, 0.4, 0.2, _sine(period, degrees, amplitude))
    for offset in range(4):
        yield Signal("3341", str(20 + offset), "true peak", 0.0, 0.4, 0.2, _burst(offset))


def _tones(stretches: tuple[tuple[float | None, float], ...]) -> Callable[[], Clip]:
    """1 kHz in stereo, in stretches of (dBFS or silence, seconds)."""

    def make() -> Clip:
        level = np.concatenate(
            [np.full(round(s * RATE_HZ), 0.0 if db is None else 10 ** (db / 20)) for db, s in stretches]
        )
        wave = level * np.sin(2 * np.pi * 1000 * np.arange(len(level)) / RATE_HZ)
        return Clip(np.stack([wave, wave]), RATE_HZ)

    return make


def _surround(levels_db: tuple[float, ...], seconds: float) -> Clip:
    wave = np.sin(2 * np.pi * 1000 * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)
    return Clip(np.stack([10 ** (db / 20) * wave for db in levels_db]), RATE_HZ)


def _sine(period: int, degrees: float, amplitude: float) -> Callable[[], Clip]:
    """A sine of so many frames a period, faded in and out, whose crests lie between the samples."""

    def make() -> Clip:
        count = np.arange(RATE_HZ)
        fade = np.clip(np.minimum(count, count[::-1]) / 480, 0, 1)
        wave = fade * amplitude * np.sin(2 * np.pi * count / period + np.deg2rad(degrees))
        return Clip(np.stack([wave, wave]), RATE_HZ)

    return make


def _burst(offset: int) -> Callable[[], Clip]:
    """At four times the rate, one full-scale cycle of fs/6 within a sine of fs/4 at half of it; low-passed, and every
    fourth sample kept from `offset` on."""

    def make() -> Clip:
        from scipy.signal import firwin

        rate = 4 * RATE_HZ
        half = 0.5 * np.sin(2 * np.pi * np.arange(rate // 2) / 16)
        cycle = np.sin(2 * np.pi * np.arange(24) / 24)
        count = np.arange(2 * len(half) + 24)
        fade = np.clip(np.minimum(count, count[::-1]) / 1920, 0, 1)
        wave = np.convolve(fade * np.concatenate([half, cycle, half]), firwin(401, RATE_HZ / 2, fs=rate), mode="same")
        kept = wave[offset::4]
        return Clip(np.stack([kept, kept]), RATE_HZ)

    return make
