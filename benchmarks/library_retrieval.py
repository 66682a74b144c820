"""How well the built-in tier finds: `python benchmarks/library_retrieval.py --write`.

On sketches of every genre, in a library and an index of their own: another take of the same genre among the first five;
a take's own genre by its name in words among the first ten; an altered copy's original first (benchmarks/altered.py); and
of pairs that are not the same recording (without one part, another take of the same plan, an edit, another seed), how many
are taken for duplicates, and of encodings of the same, how many are.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import zlib
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from audio.clip import Clip  # noqa: E402
from audio.io import decode, encode  # noqa: E402
from benchmarks import altered  # noqa: E402
from rag.copies import Copies, same_length, same_print, same_sound  # noqa: E402
from rag.embeddings import SignalEmbedder, WordEmbedder  # noqa: E402
from rag.features import ANALYSIS, features_of  # noqa: E402
from rag.fingerprint import fingerprint  # noqa: E402
from rag.frames import Frames, hear  # noqa: E402
from rag.index import Index  # noqa: E402
from rag.tracks import Track, Tracks  # noqa: E402
from rag.vectordb import EdgeStore  # noqa: E402

SIGNAL = SignalEmbedder()


def filled(folder: Path, sketches: list, heard: list[Frames]) -> tuple[Index, list[Track]]:
    """A library of the sketches, described as the studio describes its takes."""
    tracks = Tracks(folder / "library.sqlite3")
    index = Index(
        tracks, sound=SIGNAL, words=WordEmbedder(), open_store=lambda schema: EdgeStore(folder / "vectors", schema)
    )
    kept = []
    said = [f"{sketch.plan.title.value}. {sketch.plan.prompt.value}" for sketch in sketches]
    words = index.words.embed(said)
    for sketch, frames, text, row in zip(sketches, heard, said, words, strict=True):
        made = SIGNAL.embed_heard(frames)
        track = Track(
            str(sketch.folder / "mix.flac"), hash=str(sketch.folder), seconds=frames.seconds, genre=sketch.genre,
            genre_by="take", description=text, features=features_of(frames), heard_by=ANALYSIS,
        )  # fmt: skip
        vectors = {
            (SIGNAL.identity, "sound"): made.whole, (SIGNAL.identity, "windows"): made.windows,
            (index.words.identity, "words"): row,
        }  # fmt: skip
        kept.append(tracks.add(track, vectors=vectors, fingerprint=fingerprint(frames)))
    index.put([track.id for track in kept])
    return index, kept


def same_genre(index: Index, tracks: list[Track], heard: list[Frames], *, among: int) -> float:
    genre = {track.id: track.genre for track in tracks}
    right = []
    for track, frames in zip(tracks, heard, strict=True):
        hits = index.store.nearest(SIGNAL.embed_heard(frames).whole, using="sound", limit=among + 1)
        right.append(track.genre in [genre[hit.id] for hit in hits if hit.id != track.id][:among])
    return float(np.mean(right))


def by_words(index: Index, tracks: list[Track], *, among: int) -> float:
    """The share of genres whose name alone brings a take of theirs among the first."""
    from agents.knowledge import genres

    genre = {track.id: track.genre for track in tracks}
    names = sorted(set(genre.values()))
    rows = index.words.embed([genres()[name].label for name in names])
    found = [
        name in [genre[hit.id] for hit in index.store.nearest(row, using="words", limit=among)]
        for name, row in zip(names, rows, strict=True)
    ]
    return float(np.mean(found))


def altered_found(index: Index, tracks: list[Track], sketches: list) -> dict[str, tuple[float, float]]:
    """By kind: (original first, original first by the windows' likeness alone)."""
    copies = Copies(index)
    out = {}
    for kind in altered.KINDS:
        first, alone = [], []
        for track, sketch in zip(tracks, sketches, strict=True):
            frames = hear(altered.of(sketch.clip(), kind, seed=zlib.crc32(sketch.folder.name.encode())))
            found = copies.of(frames, limit=1)
            first.append(bool(found) and found[0].track.id == track.id)
            windows = SIGNAL.embed_heard(frames).windows
            alone.append(index.store.nearest(windows, using="windows", limit=1)[0].id == track.id)
        out[kind] = (float(np.mean(first)), float(np.mean(alone)))
    return out


def are_duplicates(one: Frames, other: Frames) -> bool:
    """What the library says of two tracks."""
    a, b = SIGNAL.embed_heard(one), SIGNAL.embed_heard(other)
    return (
        same_length(one.seconds, other.seconds)
        and same_sound(a.whole, b.whole, a.windows, b.windows)
        and same_print(fingerprint(one), fingerprint(other))
    )


def pairs(sketches: list, heard: list[Frames]) -> dict[str, list[bool]]:
    """Which pairs are taken for the same, by kind; "copies" are the same, all others are not."""
    from studio.engines.base import Listener, Sampling
    from studio.engines.sketch.engine import SketchEngine

    out: dict[str, list[bool]] = {
        name: [] for name in ("copies", "without a part", "another take of the plan", "edits", "neighbours")
    }
    engine = SketchEngine()
    for number, (sketch, frames) in enumerate(zip(sketches, heard, strict=True)):
        clip = sketch.clip()
        for again in (
            altered.of(clip, "mp3 128k"),
            decode(encode(clip, format="ogg")),
            decode(encode(clip, format="mp3vbr")),
        ):
            out["copies"].append(are_duplicates(frames, hear(again)))
        for stem in sketch.stems().values():
            rest = clip.samples[:, : stem.frames] - stem.samples[:, : clip.frames]
            if np.abs(rest).max() > 0.01:
                out["without a part"].append(are_duplicates(frames, hear(Clip(rest, clip.sample_rate_hz))))
        taken = engine.generate(sketch.plan, Sampling(seed=sketch.seed + 1_000), Listener()).clip
        out["another take of the plan"].append(are_duplicates(frames, hear(taken)))
        bar = sketch.plan.bar_seconds
        parts = [clip.between(0, 4 * bar), clip.between(0, 2 * bar), clip.between(6 * bar, clip.seconds)]
        out["edits"].append(are_duplicates(frames, hear(Clip.joined(parts))))
        # The likeliest to be confused: takes of the same genre, and of the next.
        out["neighbours"] += [
            are_duplicates(frames, heard[(number + step) % len(heard)]) for step in range(1, min(31, len(heard)))
        ]
    return out


def main() -> int:
    from benchmarks.corpus import sketches

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per-genre", type=int, default=4)
    parser.add_argument("--altered", type=int, default=1, help="takes of each genre that are altered and paired")
    parser.add_argument("--genres", type=int)
    parser.add_argument("--write", action="store_true", help="put the table into docs/library.md")
    given = parser.parse_args()
    corpus = sketches(per_genre=given.per_genre, genres=given.genres)
    heard = [hear(sketch.folder / "mix.flac") for sketch in corpus]
    chosen = [n for n, sketch in enumerate(corpus) if sketch.seed < given.altered]
    lines = [f"| retrieval, built-in tier, among {len(corpus)} takes | figure | goal |", "|---|---|---|"]
    with tempfile.TemporaryDirectory(prefix="library-") as scratch:
        index, tracks = filled(Path(scratch), corpus, heard)
        lines.append(
            f"| another take of the genre among the first five | {same_genre(index, tracks, heard, among=5):.1%} | 90 % |"
        )
        lines.append(
            f"| a genre's name in words brings a take of it among the first ten | {by_words(index, tracks, among=10):.1%} | 80 % |"
        )
        found = altered_found(index, [tracks[n] for n in chosen], [corpus[n] for n in chosen])
        for kind, (first, alone) in found.items():
            lines.append(
                f"| original first: {kind} ({len(chosen)} copies; by likeness alone {alone:.1%}) | {first:.1%} | 98 % |"
            )
        index.close()
        index.tracks.close()
    told = pairs([corpus[n] for n in chosen], [heard[n] for n in chosen])
    for kind, merged in told.items():
        goal = "" if kind == "copies" else "0"
        lines.append(
            f"| {'found as duplicates' if not goal else 'falsely merged'}: {kind} ({len(merged)} pairs) | {sum(merged)} | {goal} |"
        )
    print("\n".join(lines))
    if given.write:
        from benchmarks.tables import put

        put("retrieval", lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
