"""How fast and how safely music is imported: `python benchmarks/importing.py --write`.

2,000 real files are made of sketches of every genre (each as it is and without one of its parts, as FLAC, WAV, MP3 and
OGG), twenty of them broken; they are imported, killed half-way and resumed, and looked through again. Besides: an hour
and three hours in one file, with the memory they need, and a second look at a tree of 100,000 files.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from benchmarks.music_files import make_files  # noqa: E402

if TYPE_CHECKING:
    from rag.index import Index

_MARK = "done before the kill"
_ROWS = [
    "music imported", "killed (`kill -9`) and resumed", "done twice; reported as broken",
    "pace of the resumed run, starting included", "the same folder again", "1 h in one FLAC", "3 h in one FLAC",
    "tracks of 180 s with CLAP besides", "a second look at unchanged files",
]  # fmt: skip


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


def mark_as_done(data: Path) -> int:
    """Write a mark into every row there is, which hearing a file again would wipe away; returns how many rows."""
    with closing(sqlite3.connect(data / "library" / "library.sqlite3")) as connection, connection:
        return connection.execute("UPDATE tracks SET reason = ?", (_MARK,)).rowcount


def rows_in(data: Path, where: str = "1") -> int:
    try:
        with closing(sqlite3.connect(data / "library" / "library.sqlite3")) as connection:
            return int(connection.execute(f"SELECT count(*) FROM tracks WHERE {where}").fetchone()[0])
    except sqlite3.Error:
        return 0


def import_and_kill(folder: Path, count: int, what: str, *, workers: int) -> list[str]:
    """Import until a third is done, kill -9, resume, look again; what each came to."""
    with tempfile.TemporaryDirectory(prefix="library-") as scratch:
        data = Path(scratch)
        running = library_command(data, "import", str(folder), workers=workers)
        while running.poll() is None and rows_in(data) < count // 3:
            time.sleep(0.2)
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        time.sleep(0.5)
        before = mark_as_done(data)
        used, began = processor_seconds(), time.monotonic()
        resumed = library_command(data, "import", str(folder), workers=workers)
        said = resumed.communicate()[0].splitlines()[0]
        seconds, used = time.monotonic() - began, processor_seconds() - used
        kept, heard = rows_in(data, f"reason = '{_MARK}'"), rows_in(data) - before
        broken = rows_in(data, "state = 'broken'")
        began = time.monotonic()
        again = library_command(data, "import", str(folder), workers=workers).communicate()[0].splitlines()[0]
        return [
            f"| music imported | {count:,} files: {what} |",
            f"| killed (`kill -9`) and resumed | {before:,} were done; then {said}, {workers} processes |",
            f"| done twice; reported as broken | {before - kept}; {broken} |",
            f"| pace of the resumed run, starting included | {heard / used * 60:.0f} a minute of processor time, "
            f"{heard / seconds * 60:.0f} a minute by the clock {_load()} |",
            f"| the same folder again | {time.monotonic() - began:.1f} s: {again} |",
        ]


def _load() -> str:
    return f"(load {os.getloadavg()[0]:.0f} on {os.cpu_count()} processors)"


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


def _repeat(path: Path, seconds: float, *, genre: int = 0) -> None:
    import soundfile

    from benchmarks.corpus import sketches

    clip = sketches(per_genre=1, genres=genre + 1)[genre].clip()
    with soundfile.SoundFile(path, "w", clip.sample_rate_hz, clip.channels, "PCM_16", format="FLAC") as file:
        for _ in range(int(seconds / clip.seconds) + 1):
            file.write(clip.samples.T)


def clap_pace(tracks: int) -> str:
    """Whole tracks of three minutes heard and given CLAP's vectors, by a model of HTSAT-tiny's true size, on one thread."""
    script = (
        "import sys, time; sys.path.insert(0, '.')\nfrom pathlib import Path\nimport torch; torch.set_num_threads(1)\n"
        "from rag.listening import alone_on_one_thread, listen; alone_on_one_thread()\n"
        "from rag.clap import ClapEmbedder\nclap = ClapEmbedder(Path(sys.argv[2])); files = sorted(Path(sys.argv[1]).iterdir())\n"
        "clap.embed(files[0]); listen(str(files[0])); began = time.process_time()\n"
        "for file in files: assert not listen(str(file)).trouble; clap.embed(file)\n"
        "print(len(files) / (time.process_time() - began) * 60)"
    )
    with tempfile.TemporaryDirectory(prefix="clap-") as scratch:
        model, music = Path(scratch) / "htsat-tiny", Path(scratch) / "music"
        megabytes = _save_clap(model)
        music.mkdir()
        for number in range(tracks):
            _repeat(music / f"{number}.flac", 180.0, genre=number)
        ran = subprocess.run(
            [sys.executable, "-c", script, str(music), str(model)], capture_output=True, text=True, cwd=ROOT, check=True
        )
        pace = float(ran.stdout)
        return (
            f"| tracks of 180 s with CLAP besides | {pace:.0f} a minute of processor time, {60 / pace / 3:.1f} s a minute of music "
            f"({tracks} timed; HTSAT-tiny's size, {megabytes:.0f} MB, random weights) |"
        )


def _save_clap(folder: Path) -> float:
    """laion/clap-htsat-unfused in shape, with random weights; its size in MB."""
    import torch
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, ClapProcessor, RobertaTokenizer
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    torch.manual_seed(0)
    ClapModel(ClapConfig()).save_pretrained(folder)  # transformers' defaults are that checkpoint's
    words = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *bytes_to_unicode().values()]
    tokenizer = RobertaTokenizer(vocab={word: n for n, word in enumerate(words)}, merges=[], model_max_length=77)
    extractor = ClapFeatureExtractor(feature_size=64, truncation="rand_trunc", padding="repeatpad")
    ClapProcessor(extractor, tokenizer).save_pretrained(folder)
    return (folder / "model.safetensors").stat().st_size / 1e6


def second_look(count: int) -> str:
    """Seconds to open a library of ordinary tracks and look through their unchanged tree again.

    The rows and vectors are as an import leaves them; the files are a few bytes, for only their names, sizes and times
    are looked at.
    """
    from rag.importing import Importer
    from rag.labels import Labels, Vocabulary

    with tempfile.TemporaryDirectory(prefix="tree-") as scratch:
        root, data = Path(scratch) / "music", Path(scratch)
        _grow_library(root, data, count)
        used, began = time.process_time(), time.monotonic()
        index = _library_in(data)
        report = Importer(index, Labels(Vocabulary({}, {}))).run([root])
        seconds, used = time.monotonic() - began, time.process_time() - used
        there = index.store.count()
        index.close()
        index.tracks.close()
        return (
            f"| a second look at unchanged files | {count:,} in {seconds:.1f} s ({used:.1f} s of processor time), opening the "
            f"library and its {there:,} points included; {report.unchanged:,} unchanged |"
        )


def _library_in(data: Path) -> Index:
    from rag.embeddings import SignalEmbedder
    from rag.index import Index
    from rag.tracks import Tracks
    from rag.vectordb import EdgeStore

    tracks = Tracks(data / "library.sqlite3")
    return Index(tracks, sound=SignalEmbedder(), open_store=lambda schema: EdgeStore(data / "vectors", schema))


def _grow_library(root: Path, data: Path, count: int) -> None:
    """So many files in folders, and their tracks: one real track's figures and vectors, each a little otherwise."""
    from benchmarks.corpus import sketches
    from rag.features import ANALYSIS
    from rag.listening import listen
    from rag.tracks import Track

    heard = listen(str(sketches(per_genre=1, genres=1)[0].folder / "mix.flac"))
    assert heard.features is not None and heard.sound is not None and heard.windows is not None
    index, noise = _library_in(data), np.random.default_rng(0)
    words = noise.normal(size=index.words.dimensions).astype(np.float32)
    with index.tracks.writing() as connection:  # one commit for all, which an import would make one by one
        for number in range(count):
            folder = root / f"{number // 1000:03d}" / f"{number // 50 % 20:02d}"
            if number % 50 == 0:
                folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{number}.flac"
            path.write_bytes(b"x" * (number % 50))
            stat = path.stat()
            track = Track(
                str(path), hash=f"{number:032x}", size=stat.st_size, mtime_ns=stat.st_mtime_ns, heard_by=ANALYSIS,
                seconds=heard.seconds, title=f"Track {number}", artist=f"Artist {number // 12}", genre="house",
                genre_by="rules", description="a calm house track",
                features=replace(heard.features, tempo_bpm=float(noise.uniform(60, 180)), key=number % 24),
            )  # fmt: skip
            vectors = {
                (heard.signal_identity, "sound"): heard.sound + noise.normal(size=heard.sound.shape) * 0.1,
                (heard.signal_identity, "windows"): heard.windows, (index.words.identity, "words"): words,
            }  # fmt: skip
            index.tracks._put(connection, track, vectors, heard.fingerprint)
    index.rebuild()
    index.close()
    index.tracks.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2_000)
    parser.add_argument("--broken", type=int, default=20)
    parser.add_argument("--per-genre", type=int, default=6)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--tree", type=int, default=100_000)
    parser.add_argument("--hours", type=float, nargs="*", default=[1.0, 3.0])
    parser.add_argument("--clap", type=int, default=4, help="tracks of three minutes heard with CLAP")
    parser.add_argument("--folder", type=Path, help="where to keep the files, or those made before")
    parser.add_argument("--write", action="store_true", help="put the table into docs/library.md")
    given = parser.parse_args()
    rows: list[str] = []

    def say(*lines: str) -> None:
        rows.extend(lines)
        print("\n".join(lines), flush=True)

    if given.files:
        with tempfile.TemporaryDirectory(prefix="music-") as scratch:
            folder = given.folder or Path(scratch) / "music"
            what = make_files(folder, given.files, per_genre=given.per_genre, broken=given.broken)
            say(*import_and_kill(folder, given.files, what, workers=given.workers))
    for hours in given.hours:
        say(long_file(hours))
    if given.clap:
        say(clap_pace(given.clap))
    if given.tree:
        say(second_look(given.tree))
    if given.write:
        from benchmarks.tables import put_rows

        put_rows("import", ["| import | figure |", "|---|---|"], rows, order=_ROWS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
