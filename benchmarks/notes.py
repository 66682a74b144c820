"""Loops on constructed material, and how fast and how large each operation on time and notes is.

    .venv/bin/python benchmarks/notes.py                # prints
    .venv/bin/python benchmarks/notes.py --write        # and writes docs/notes.md

Loops: some bars of a sketch whose two halves have different chords are played round eight times or so; the best loop must be as long.
Speed: multiples of real time by processor time, on one thread. Memory: the most a process of its own ever held, on ten minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from audio.clip import Clip  # noqa: E402
from benchmarks.corpus import Sketch, sketches  # noqa: E402

DOC = ROOT / "docs" / "notes.md"
OPERATIONS = ("beats and bars", "BPM sync", "loops", "notes", "drum strokes", "DAWproject", "MP3 under its ceiling")
_LENGTHS = (2, 4)


@dataclass(frozen=True)
class Constructed:
    """One constructed clip: how many bars go round, how many were found, and how the best seam compares with the music's onsets."""

    genre: str
    bars: int
    found: int
    among_three: bool
    seam_db: float


def constructed(sketch: Sketch, bars: int) -> Constructed | None:
    """Bars of the sketch played round; None when it has no stretch whose halves differ in their chords."""
    from audio.beats import steady_beats
    from audio.loops import Loop, find_loops, looped, tile

    plan = sketch.plan
    chords = [s.chords.value[bar % len(s.chords.value)] for s in plan.sections for bar in range(s.bars.value)]
    half = bars // 2
    starts = [n for n in range(2, len(chords) - bars) if chords[n : n + half] != chords[n + half : n + bars]]
    if not starts:
        return None
    clip = sketch.clip()
    length = round(bars * plan.bar_seconds * clip.sample_rate_hz)
    start = round(starts[len(starts) // 2] * plan.bar_seconds * clip.sample_rate_hz)
    # Joined as a producer joins it: a hard cut would be a click of the material's own, in every loop there is.
    piece = looped(clip, Loop(start_frame=start, end_frame=start + length, bars=bars, score=1.0, why="")).samples
    round_and_round = Clip(np.tile(piece, (1, max(3, 16 // bars))), clip.sample_rate_hz)
    meter = plan.meter.value
    beats = steady_beats(
        seconds=round_and_round.seconds, tempo_bpm=plan.tempo_bpm.value,
        beats_a_bar=round(meter.quarters_per_bar / meter.quarters_per_felt_beat),
    )  # fmt: skip
    loops = find_loops(round_and_round, beats)
    best = loops[0]
    played = tile(round_and_round, best, seconds=2 * best.frames / clip.sample_rate_hz)
    seam = _flux(played.samples[0, best.frames - 2_000 : best.frames + 2_000]).max()
    return Constructed(
        sketch.genre, bars, best.bars, bars in {loop.bars for loop in loops[:3]},
        20 * float(np.log10(seam / max(1e-9, _flux(clip.samples[0]).max()))),
    )  # fmt: skip


def _flux(samples: np.ndarray) -> np.ndarray:
    """The steepest step of each 3 ms: what makes a click."""
    steps = np.abs(np.diff(samples))
    return steps[: len(steps) // 132 * 132].reshape(-1, 132).max(axis=1)


def measured(operation: str, *, minutes: float) -> dict[str, float]:
    """One operation in a process of its own: {"pace": times real time, "mb": the most it held, "sound_mb": the sound alone}."""
    run = subprocess.run(
        [sys.executable, __file__, "--one", operation, "--minutes", str(minutes)],
        capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    return json.loads(run.stdout.splitlines()[-1])


def one(operation: str, *, minutes: float) -> dict[str, float]:
    """Run one operation on a sketch played round for so many minutes."""
    import resource
    import tempfile

    from audio.beats import steady_beats, track_beats
    from audio.drum_hits import transcribe_drums
    from audio.io import write_clip
    from audio.loops import find_loops
    from audio.lossy import encode_under_ceiling
    from audio.sync import sync_to_tempo
    from audio.tempo_map import TempoMap
    from audio.transcription import transcribe
    from studio.projects.dawproject import write_dawproject
    from studio.projects.session import Part, Session

    sketch = sketches(per_genre=1, first_seed=2, genres=1)[0]
    source = sketch.clip().samples
    clip = Clip(
        np.tile(source, (1, -(-round(minutes * 60 * 44_100) // source.shape[1])))[:, : round(minutes * 60 * 44_100)],
        44_100,
    )
    del source
    beats = steady_beats(seconds=clip.seconds, tempo_bpm=sketch.plan.tempo_bpm.value)
    with tempfile.TemporaryDirectory() as folder:
        sounds = [write_clip(Path(folder) / f"{n}.flac", clip) for n in range(1)] if operation == "DAWproject" else []
        begun = time.process_time()
        if operation == "beats and bars":
            track_beats(clip)
        elif operation == "BPM sync":
            sync_to_tempo(clip, beats, tempo_bpm=beats.tempo_bpm * 1.07)
        elif operation == "loops":
            find_loops(clip, beats)
        elif operation == "notes":
            transcribe(clip)
        elif operation == "drum strokes":
            transcribe_drums(clip)
        elif operation == "DAWproject":
            parts = tuple(Part(f"part {n}", sounds[0]) for n in range(4))
            session = Session("Long", TempoMap.steady(beats.tempo_bpm), parts)
            write_dawproject(Path(folder) / "a.dawproject", session, software="benchmark", version="0")
        else:
            encode_under_ceiling(clip, format="mp3-192")
        took = time.process_time() - begun
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    return {"pace": clip.seconds / took, "mb": most, "sound_mb": clip.samples.nbytes / 1e6}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--genres", type=int, help="loops of only the first few")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long the sound of the speed table is (10)")
    parser.add_argument("--workers", type=int, default=2, help="operations measured side by side (2)")
    parser.add_argument("--one", choices=OPERATIONS, help=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true", help="write docs/notes.md")
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(one(asked.one, minutes=asked.minutes)))
        return
    kept = sketches(per_genre=1, first_seed=2, genres=asked.genres)
    asks = [(sketch, _LENGTHS[number % len(_LENGTHS)]) for number, sketch in enumerate(kept)]
    # Side by side: processor time and each process's own memory are counted, so none disturbs another's figures.
    with ThreadPoolExecutor(asked.workers) as each, ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        running = {name: each.submit(measured, name, minutes=asked.minutes) for name in OPERATIONS}
        loops = [found for found in pool.map(constructed, *zip(*asks, strict=True)) if found is not None]
        paces = {}
        for name, result in running.items():
            paces[name] = result.result()
            print(name, paces[name], file=sys.stderr, flush=True)
    text = report(paces, loops, asked.minutes)
    print(text)
    if asked.write:
        DOC.write_text(text)


def report(paces: dict[str, dict[str, float]], loops: list[Constructed], minutes: float) -> str:
    rows = [f"| {name} | {each['pace']:.0f}x | {each['mb']:.0f} MB |" for name, each in paces.items()]
    by_length = []
    for bars in _LENGTHS:
        those = [each for each in loops if each.bars == bars]
        if those:
            right = np.mean([each.found == bars for each in those])
            three = np.mean([each.among_three for each in those])
            by_length.append(f"| {bars} | {len(those)} | {100 * right:.0f} % | {100 * three:.0f} % |")
    wrong = [
        f"{each.genre.replace('_', ' ')} ({each.bars} bars, found {each.found})"
        for each in loops
        if each.found != each.bars
    ]
    seams = [each.seam_db for each in loops]
    return _TEXT.format(
        rows="\n".join(rows), loops="\n".join(by_length), count=len(loops), right=100 * np.mean([e.found == e.bars for e in loops]),
        louder=sum(each > 0 for each in seams), worst=max(seams), median=float(np.median(seams)),
        wrong="; ".join(wrong) or "none", minutes=minutes, sound=next(iter(paces.values()))["sound_mb"],
    )  # fmt: skip


_TEXT = """# Loops, and what time and notes cost

Made by `.venv/bin/python benchmarks/notes.py --write`.

## Loops on constructed material

Bars of {count} sketches whose halves have different chords, played round; the best loop must be as long as what goes round:
{right:.0f} % are.

| bars that go round | clips | best loop as long | among the first three |
|---|---|---|---|
{loops}

Not as long: {wrong}. Where bars differ only in their chords and a loud groove does not, a shorter length can be the better loop.

The seam of the best loop against the loudest onset of the music it came from (steepest step in 3 ms): median {median:.1f} dB, worst
{worst:.1f} dB; louder in {louder} of {count}.

## Speed and memory

{minutes:g} minutes of stereo at 44.1 kHz ({sound:.0f} MB as samples), one thread, processor time; memory is the most the whole process held,
Python and the sound itself included.

| operation | times real time | memory |
|---|---|---|
{rows}

DAWproject: four parts, each as long as the sound.
"""


if __name__ == "__main__":
    main()
