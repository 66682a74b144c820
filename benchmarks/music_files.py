"""A folder of music as people have it, made of sketches: genres in folders, four formats, some files of no use."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from benchmarks.corpus import Sketch, sketches

SUFFIXES = (".flac", ".mp3", ".ogg", ".wav")


def make_files(folder: Path, count: int, *, per_genre: int, broken: int) -> str:
    """Write `count` files, the last `broken` of them of no use; returns what they are, in words.

    Each sketch is there as it is and once without each of its parts. Raises ValueError when that is too few.
    """
    corpus = sorted(sketches(per_genre=per_genre), key=lambda sketch: sketch.seed)  # genres in turn
    wanted = [(sketch, part) for sketch in corpus for part in ("", *sketch.stem_names())]
    if len(wanted) < count - broken:
        raise ValueError(f"{len(corpus)} sketches give {len(wanted)} files: ask for more --per-genre.")
    wanted = wanted[: count - broken]
    todo = [(folder, sketch, part, SUFFIXES[number % 4]) for number, (sketch, part) in enumerate(wanted)]
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        quiet = sum(pool.map(_write, todo, chunksize=8))
    whole = next(folder.rglob("*.flac")).read_bytes()
    for number in range(broken):
        kinds = (b"", b"this is text\n" * 99, whole[: len(whole) // 2], os.urandom(50_000))
        genre = wanted[number * len(wanted) // broken][0].genre
        (folder / genre / f"broken {number}{('.wav', '.mp3', '.flac', '.ogg')[number % 4]}").write_bytes(
            kinds[number % 4]
        )
    used = len({sketch.folder for sketch, _ in wanted})
    return f"{used} sketches of {len({s.genre for s, _ in wanted})} genres, each whole and without each part ({quiet} such without a change)"


def _write(todo: tuple[Path, Sketch, str, str]) -> bool:
    """One file; True where the part left out was silent, so that it sounds like the whole."""
    from audio.clip import Clip
    from audio.io import write_clip

    folder, sketch, part, suffix = todo
    clip = sketch.clip()
    silent = False
    if part:
        stem = sketch.stem(part)
        frames = min(clip.frames, stem.frames)
        silent = float(np.abs(stem.samples[:, :frames]).max()) < 0.01
        clip = Clip(clip.samples[:, :frames] - stem.samples[:, :frames], clip.sample_rate_hz)
    path = folder / sketch.genre / f"{sketch.seed}{f' without {part}' if part else ''}{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_clip(path, clip, format="wav16" if suffix == ".wav" else None)
    return silent
