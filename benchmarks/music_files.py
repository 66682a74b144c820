"""A folder of music as people have it, made of sketches: genres in folders, four formats, some files of no use."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from benchmarks.corpus import Sketch, sketches

SUFFIXES = (".flac", ".mp3", ".ogg", ".wav")


def make_files(folder: Path, count: int, *, per_genre: int, broken: int) -> str:
    """Write `count` files, the last `broken` of them of no use, unless they are there; returns what they are, in words.

    Each sketch is there as it is and once without each of its parts. Raises ValueError when that is too few.
    """
    corpus = sorted(sketches(per_genre=per_genre), key=lambda sketch: sketch.seed)  # genres in turn
    wanted = [(sketch, part) for sketch in corpus for part in ("", *_that_can_go(sketch))]
    if len(wanted) < count - broken:
        raise ValueError(f"{len(corpus)} sketches give {len(wanted)} files: ask for more --per-genre.")
    wanted = wanted[: count - broken]
    used, genres = {sketch.folder for sketch, _ in wanted}, list(dict.fromkeys(sketch.genre for sketch, _ in wanted))
    if not folder.exists() or sum(1 for path in folder.rglob("*") if path.is_file()) < count:
        todo = [(folder, sketch, part, SUFFIXES[number % 4]) for number, (sketch, part) in enumerate(wanted)]
        with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
            list(pool.map(_write, todo, chunksize=8))
        _spoil(folder, genres, broken)
    return (
        f"{len(used)} sketches of {len(genres)} genres, whole and without each of their parts, of 30 s, in FLAC, MP3, OGG and "
        f"WAV; {broken} of them broken"
    )


def _that_can_go(sketch: Sketch) -> list[str]:
    """Its parts; none where there is but one, whose lack is silence."""
    names = sketch.stem_names()
    return names if len(names) > 1 else []


def _spoil(folder: Path, genres: list[str], count: int) -> None:
    """Files that are no music among the others: empty, text, cut in half, noise."""
    whole = next(folder.rglob("*.flac")).read_bytes()
    kinds = (b"", b"this is text\n" * 99, whole[: len(whole) // 2], os.urandom(50_000))
    for number in range(count):
        path = folder / genres[number % len(genres)] / f"broken {number}{('.wav', '.mp3', '.flac', '.ogg')[number % 4]}"
        path.write_bytes(kinds[number % 4])


def _write(todo: tuple[Path, Sketch, str, str]) -> None:
    from audio.clip import Clip
    from audio.io import write_clip

    folder, sketch, part, suffix = todo
    clip = sketch.clip()
    if part:
        stem = sketch.stem(part)
        frames = min(clip.frames, stem.frames)
        clip = Clip(clip.samples[:, :frames] - stem.samples[:, :frames], clip.sample_rate_hz)
    path = folder / sketch.genre / f"{sketch.seed}{f' without {part}' if part else ''}{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_clip(path, clip, format="wav16" if suffix == ".wav" else None)
