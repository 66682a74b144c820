"""How fast and how safely music is imported: `python benchmarks/importing.py --write`.

2,000 real files are made of sketches of every genre (each as it is and without one of its parts, as FLAC, WAV, MP3 and
OGG), twenty of them broken; they are imported, killed half-way and resumed, and looked through again. Besides: an hour
and three hours in one file, with the memory they need, and a second look at a tree of 100,000 files.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

_SUFFIXES = (".flac", ".mp3", ".ogg", ".wav")


def make_files(folder: Path, count: int, *, per_genre: int, broken: int) -> None:
    """count files in folders by genre; the last `broken` of them are of no use."""
    from audio.clip import Clip
    from audio.io import write_clip
    from benchmarks.corpus import sketches

    made = 0
    corpus = sketches(per_genre=per_genre)
    for sketch in corpus:
        mix, stems = sketch.clip(), sketch.stems()
        versions = [("", mix)]
        for name, stem in stems.items():
            frames = min(mix.frames, stem.frames)
            rest = mix.samples[:, :frames] - stem.samples[:, :frames]
            if np.abs(rest).max() > 0.01:
                versions.append((f" without {name}", Clip(rest, mix.sample_rate_hz)))
        for name, clip in versions:
            if made >= count - broken:
                break
            path = folder / sketch.genre / f"{sketch.seed}{name}{_SUFFIXES[made % 4]}"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_clip(path, clip, format="wav16" if path.suffix == ".wav" else None)
            made += 1
    whole = next(folder.rglob("*.flac")).read_bytes()
    for number in range(broken):
        kinds = (b"", b"this is text\n" * 99, whole[: len(whole) // 2], os.urandom(50_000))
        (folder / f"broken {number}{('.wav', '.mp3', '.flac', '.ogg')[number % 4]}").write_bytes(kinds[number % 4])
    print(f"{made} files and {broken} broken ones of {len(corpus)} sketches in {folder}", file=sys.stderr)


def library_command(data: Path, *arguments: str, workers: int) -> subprocess.Popen[str]:
    env = {**os.environ, "MUSICGEN_STUDIO_LIBRARY_WORKERS": str(workers), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, str(ROOT / "app.py"), "library", "--data-dir", str(data), *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env, start_new_session=True,
    )  # fmt: skip


def processor_seconds() -> float:
    """Of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def rows_in(data: Path) -> dict[str, str]:
    import sqlite3

    try:
        with sqlite3.connect(data / "library" / "library.sqlite3") as connection:
            return dict(connection.execute("SELECT path, added_at FROM tracks").fetchall())
    except sqlite3.Error:
        return {}


def import_and_kill(folder: Path, count: int, *, workers: int) -> list[str]:
    """Import until a third is done, kill -9, resume, look again; what each came to."""
    lines = []
    with tempfile.TemporaryDirectory(prefix="library-") as scratch:
        data = Path(scratch)
        used, began = processor_seconds(), time.monotonic()
        running = library_command(data, "import", str(folder), workers=workers)
        while running.poll() is None and len(rows_in(data)) < count // 3:
            time.sleep(0.2)
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        time.sleep(0.5)
        before = rows_in(data)
        resumed = library_command(data, "import", str(folder), workers=workers)
        said = resumed.communicate()[0].splitlines()[0]
        seconds, used = time.monotonic() - began, processor_seconds() - used
        after = rows_in(data)
        again = {path for path in before if after.get(path) != before[path]}
        lines.append(
            f"| {count:,} files, {workers} processes, killed after {len(before)} and resumed | {count / used * 60:.0f} a minute of "
            f"processor time ({count / seconds * 60:.0f} a minute by the clock); done twice: {len(again)}; {said} |"
        )
        began = time.monotonic()
        said = library_command(data, "import", str(folder), workers=workers).communicate()[0].splitlines()[0]
        lines.append(f"| the same folder again | {time.monotonic() - began:.1f} s: {said} |")
    return lines


def long_file(hours: float) -> str:
    """Seconds and peak memory of hearing one long file."""
    script = (
        "import resource, sys, time; sys.path.insert(0, '.')\nfrom rag.listening import listen\n"
        "began = time.process_time(); made = listen(sys.argv[1])\n"
        "print(made.seconds, made.trouble, time.process_time() - began, "
        "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, sep='|')"
    )
    with tempfile.TemporaryDirectory(prefix="long-") as scratch:
        path = Path(scratch) / "long.flac"
        _repeat(path, hours * 3600)
        ran = subprocess.run(
            [sys.executable, "-c", script, str(path)], capture_output=True, text=True, cwd=ROOT, check=True
        )
        heard, trouble, seconds, peak = ran.stdout.strip().split("|")
        return f"| {hours:g} h in one FLAC | heard {float(heard) / 3600:.2f} h in {float(seconds):.0f} s of processor time, {float(peak):.0f} MB at most {trouble}|"


def _repeat(path: Path, seconds: float) -> None:
    import soundfile

    from benchmarks.corpus import sketches

    clip = sketches(per_genre=1, genres=1)[0].clip()
    with soundfile.SoundFile(path, "w", clip.sample_rate_hz, clip.channels, "PCM_16", format="FLAC") as file:
        for _ in range(int(seconds / clip.seconds) + 1):
            file.write(clip.samples.T)


def second_look(count: int) -> str:
    """Seconds to look through an unchanged tree again. The files are a second of sound each, the same one linked."""
    from rag.embeddings import SignalEmbedder
    from rag.features import ANALYSIS
    from rag.importing import Importer
    from rag.index import Index
    from rag.labels import Labels, Vocabulary
    from rag.tracks import Track, Tracks
    from rag.vectordb import EdgeStore

    with tempfile.TemporaryDirectory(prefix="tree-") as scratch:
        root = Path(scratch) / "music"
        for number in range(count):
            folder = root / f"{number // 1000:03d}" / f"{number // 50 % 20:02d}"
            if number % 50 == 0:
                folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{number}.flac").write_bytes(b"x" * (number % 50))
        tracks = Tracks(Path(scratch) / "library.sqlite3")
        index = Index(
            tracks, sound=SignalEmbedder(), open_store=lambda schema: EdgeStore(Path(scratch) / "vectors", schema)
        )
        with tracks._writing() as connection:  # rows as an import leaves them, without hearing 100,000 files
            for path in root.rglob("*.flac"):
                stat = path.stat()
                track = Track(
                    str(path),
                    hash=path.stem,
                    size=stat.st_size,
                    mtime_ns=stat.st_mtime_ns,
                    heard_by=ANALYSIS,
                    state="broken",
                )
                tracks._put(connection, track, None, None)
        began = time.monotonic()
        report = Importer(index, Labels(Vocabulary({}, {}))).run([root])
        seconds = time.monotonic() - began
        index.close()
        tracks.close()
        return f"| a second look at {count:,} unchanged files | {seconds:.1f} s, {report.unchanged:,} unchanged |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2_000)
    parser.add_argument("--broken", type=int, default=20)
    parser.add_argument("--per-genre", type=int, default=4)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--tree", type=int, default=100_000)
    parser.add_argument("--hours", type=float, nargs="*", default=[1.0, 3.0])
    parser.add_argument("--folder", type=Path, help="files made before, or where to keep them")
    parser.add_argument("--write", action="store_true", help="put the table into docs/library.md")
    given = parser.parse_args()
    lines = ["| import | figure |", "|---|---|"]
    scratch = Path(tempfile.mkdtemp(prefix="music-"))
    folder = given.folder or scratch / "music"
    try:
        if given.files:
            if not folder.exists():
                make_files(folder, given.files, per_genre=given.per_genre, broken=given.broken)
            lines += import_and_kill(folder, given.files, workers=given.workers)
        for hours in given.hours:
            lines.append(long_file(hours))
        if given.tree:
            lines.append(second_look(given.tree))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print("\n".join(lines))
    if given.write:
        from benchmarks.library_tables import put

        put("import", lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
