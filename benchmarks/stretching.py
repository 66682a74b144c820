"""Do beats land where a new tempo has them, and notes where a new key has them?

    .venv/bin/python benchmarks/stretching.py --sketches 100 --write

Each sketch is stretched (0.7 to 1.4 times), shifted (−5 to +5 semitones), and both. Onsets are found in the sound before and
after by the same detector (energy over 1 ms, the strongest rises) and compared where the new tempo puts them; pitch is the lag at
which the long-term spectra before and after match on a grid of one cent.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
PAGE = ROOT / "docs" / "stretch.md"
FACTORS = (0.7, 0.8, 0.9, 1.1, 1.25, 1.4)
SEMITONES = (-5, -4, -3, -2, -1, 1, 2, 3, 4, 5)

from audio.clip import Clip  # noqa: E402


@dataclass(frozen=True)
class Outcome:
    kind: str
    onset_ms: float | None
    found_again: float | None
    pitch_cents: float | None
    frames_off: int
    times_real_time: float


def onsets(clip: Clip) -> np.ndarray:
    """Seconds of the sharp onsets: where the level over a millisecond rises at least three times within four."""
    from scipy.signal import find_peaks

    hop = round(clip.sample_rate_hz / 1000)
    loud = np.abs(np.diff(clip.samples, axis=1)).max(axis=0)  # a stroke's edge, not its body
    loud = loud[: len(loud) // hop * hop].reshape(-1, hop).max(axis=1)
    level = np.log(loud + 0.01 * loud.max() + 1e-9)
    rise = np.maximum(0.0, level[4:] - level[:-4])
    peaks, _ = find_peaks(rise, height=np.log(3), distance=60)
    return (peaks + 2) * hop / clip.sample_rate_hz


def cents_between(before: Clip, after: Clip, semitones: float) -> float | None:
    """How far the shift is from what was asked, in cents; None for a clip without tones."""
    grid = 120.0 * 2 ** (np.arange(0, 4800) / 1200)  # four octaves by the cent
    one, two = (_profile(clip, grid * 2 ** (shift / 12)) for clip, shift in ((before, 0.0), (after, semitones)))
    lags = np.arange(-60, 61)
    match = np.array([np.corrcoef(one[60:-60], np.roll(two, -lag)[60:-60])[0, 1] for lag in lags])
    place = int(match.argmax())
    if match[place] < 0.4 or place in (0, len(lags) - 1):
        return None
    left, top, right = match[place - 1 : place + 2]
    return float(lags[place] + 0.5 * (left - right) / (left - 2 * top + right))


def _profile(clip: Clip, hertz: np.ndarray) -> np.ndarray:
    window = 65_536
    mono = clip.samples.mean(axis=0)
    starts = range(0, max(1, len(mono) - window), window // 2)
    total = np.zeros(window + 1)
    for start in starts:
        piece = mono[start : start + window]
        total += np.abs(np.fft.rfft(piece * np.hanning(len(piece)), 2 * window))
    bins = np.fft.rfftfreq(2 * window, 1 / clip.sample_rate_hz)
    fine = np.log(np.interp(hertz, bins, total) + 1e-6)
    return fine - np.convolve(fine, np.ones(200) / 200, mode="same")


def measure(clip: Clip, factor: float, semitones: float, kind: str) -> Outcome:
    from audio.stretch import stretch_and_shift

    began = time.process_time()
    made = stretch_and_shift(clip, factor=factor, semitones=semitones)
    speed = clip.seconds / max(1e-6, time.process_time() - began)
    wanted, heard = onsets(clip) / factor, onsets(made)
    off = [np.abs(heard - moment).min() for moment in wanted] if len(heard) and len(wanted) >= 5 else []
    near = [value for value in off if value < 0.04]  # an onset the detector lost in one of the two is no measure
    onset = 1000 * float(np.median(near)) if len(near) >= 5 else None
    again = len(near) / len(off) if off else None
    return Outcome(
        kind, onset, again, cents_between(clip, made, semitones), made.frames - round(clip.frames / factor), speed
    )


def page(outcomes: list[Outcome], sketches: int, seconds: float) -> str:
    text = [
        "# Tempo stretch and key shift",
        "",
        f"{sketches} sketches of all genres, {seconds:g} s each. Made by `.venv/bin/python benchmarks/stretching.py --write`.",
        "",
        "| | clips | onset error: median of medians | 95 % of clips under | onsets found again | pitch error: median | largest | length off | × real time |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for kind in dict.fromkeys(one.kind for one in outcomes):
        some = [one for one in outcomes if one.kind == kind]
        onset = [one.onset_ms for one in some if one.onset_ms is not None]
        pitch = [abs(one.pitch_cents) for one in some if one.pitch_cents is not None]
        text.append(
            f"| {kind} | {len(some)} | {np.median(onset):.2f} ms ({len(onset)} with sharp onsets) | {np.percentile(onset, 95):.2f} ms "
            f"| {100 * np.mean([one.found_again for one in some if one.found_again is not None]):.0f} % "
            f"| {np.median(pitch):.2f} cents ({len(pitch)} with tones) | {max(pitch):.2f} cents | {sum(one.frames_off != 0 for one in some)} "
            f"| {np.median([one.times_real_time for one in some]):.0f} |"
        )
    onset = [one.onset_ms for one in outcomes if one.onset_ms is not None]
    pitch = [abs(one.pitch_cents) for one in outcomes if one.pitch_cents is not None]
    text += [
        "",
        f"Clips whose median onset error is over 5 ms: **{sum(value > 5 for value in onset)} of {len(onset)}**; whose pitch is off by over 5",
        f"cents: **{sum(value > 5 for value in pitch)} of {len(pitch)}**; whose length is not exact to the sample: "
        f"**{sum(one.frames_off != 0 for one in outcomes)} of {len(outcomes)}**.",
        "",
        "“Found again” is the share of onsets whose edge is still as steep (three times within 4 ms) within 40 ms of its place; the error is",
        "that of those. The rest have become softer or lie under the detector's bar on one side only.",
        "",
        "The stretcher's own transposition was measured too and left: sines at 110 Hz came out up to 17 cents off. A shift is a longer",
        "stretch, resampled, which keeps pitch within a hundredth of a cent on sines.",
    ]
    return "\n".join(text) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sketches", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--write", action="store_true", help="write docs/stretch.md")
    options = parser.parse_args()
    from benchmarks.corpus import sketches

    all_of_them = sketches(per_genre=max(1, -(-options.sketches // 57)))[: 2 * options.sketches]
    chosen = [all_of_them[(place * 7) % len(all_of_them)] for place in range(options.sketches)]
    outcomes = []
    for place, sketch in enumerate(chosen):
        clip = sketch.clip().between(6.0, 6.0 + options.seconds)
        factor, semitones = FACTORS[place % len(FACTORS)], SEMITONES[place % len(SEMITONES)]
        outcomes += [
            measure(clip, factor, 0.0, "stretched"),
            measure(clip, 1.0, semitones, "shifted"),
            measure(clip, factor, semitones, "both"),
        ]
    text = page(outcomes, len(chosen), options.seconds)
    print(text)
    if options.write:
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
