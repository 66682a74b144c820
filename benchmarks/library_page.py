"""How long the Library tab keeps its user waiting, at 20,000 tracks: `python benchmarks/library_page.py --write`.

The tracks are in the studio's own database and vector store, each a sketch of one genre that was listened to, its figures,
vectors, names and tags a little otherwise. The studio runs as its user starts it, and every question is asked over HTTP as
the page asks it: the tab's first showing, words, songs, filters, orders, dashboard and map.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    from rag.listening import Listened
    from rag.tracks import Track

GOAL_SECONDS = 0.3
_WORDS = (
    "rainy", "rainy lo-fi, 80 bpm, in A minor", "track 777", "slow and sad", "energetic techno 132 bpm", "warehouse",
    "jazz with brushes", "artist 12", "calm piano in D major", "bossa nova by the sea",
)  # fmt: skip
_NAMES = (
    "Night", "Rain", "Warehouse", "Promenade", "Tide", "Fog", "Harbour", "Signal", "Window", "Garden", "Engine", "Letter",
    "Silver", "Winter",
)  # fmt: skip
_MOODS = ("calm", "dark", "energetic", "happy", "melancholic", "groovy")


def fill(folder: Path, count: int) -> None:
    """A library of so many tracks in the studio's data folder, with its index."""
    from benchmarks.corpus import sketches
    from rag.embeddings import SignalEmbedder
    from rag.index import Index
    from rag.listening import listen
    from rag.tracks import Tracks
    from rag.vectordb import EdgeStore

    models = [(sketch.genre, listen(str(sketch.folder / "mix.flac"))) for sketch in sketches(per_genre=1)]
    tracks = Tracks(folder / "library.sqlite3")
    index = Index(
        tracks, sound=SignalEmbedder(), open_store=lambda schema: EdgeStore(folder / "vectors", schema)
    )  # fmt: skip
    genre_words = index.words.embed([genre.replace("_", " ") for genre, _ in models])
    noise = np.random.default_rng(0)
    with tracks.writing() as connection:  # one commit for all, which an import would make one by one
        for number in range(count):
            genre, heard = models[number % len(models)]
            words = genre_words[number % len(models)] + 0.02 * noise.normal(size=index.words.dimensions)
            track, vectors = _varied(number, genre, heard, noise)
            vectors[index.words.identity, "words"] = words.astype(np.float32)
            tracks._put(connection, track, vectors, heard.fingerprint)
    index.rebuild()
    index.close()
    tracks.close()


def _varied(
    number: int, genre: str, heard: Listened, noise: np.random.Generator
) -> tuple[Track, dict[tuple[str, str], np.ndarray]]:
    """A track like the one that was listened to, and its vectors."""
    from rag.embeddings import unit
    from rag.features import ANALYSIS
    from rag.tracks import Track

    assert heard.features is not None and heard.sound is not None and heard.windows is not None
    figures = replace(
        heard.features,
        tempo_bpm=float(np.clip(heard.features.tempo_bpm * noise.normal(1, 0.06), 50, 200)),
        key=int((heard.features.key % 12 + noise.integers(0, 12)) % 12 + 12 * noise.integers(0, 2)),
        energy=float(np.clip(heard.features.energy + noise.normal(0, 0.1), 0, 1)),
    )
    title = f"{_NAMES[number % len(_NAMES)]} {_NAMES[number // 14 % len(_NAMES)].lower()} {number}"
    moods = tuple(dict.fromkeys(_MOODS[each] for each in noise.integers(0, len(_MOODS), 2)))
    named = genre.replace("_", " ")
    track = Track(
        f"/music/{number // 12 // 10}/{number // 12}/{number:05d} {title}.flac", hash=f"{number:032x}", size=number,
        title=title, artist=f"Artist {number // 24}", album=f"Album {number // 12}", year=1960 + number % 64,
        genre_tags=(named,), genre=genre, genre_by="tags", moods=moods, moods_by="rules", features=figures,
        heard_by=ANALYSIS, seconds=float(noise.uniform(120, 420)), sample_rate_hz=44_100, channels=2,
        description=f"{title}, {named}, {', '.join(moods)}, {figures.tempo_bpm:.0f} bpm, {figures.key_name}",
    )  # fmt: skip
    sound = unit(heard.sound + 0.35 * unit(noise.normal(size=heard.sound.shape)))
    windows = unit(heard.windows + 0.35 * unit(noise.normal(size=heard.windows.shape)))
    return track, {(heard.signal_identity, "sound"): sound, (heard.signal_identity, "windows"): windows}


def asked(url: str, path: str, **query: object) -> tuple[float, int, dict[str, Any]]:
    """Seconds until the whole answer is there, its bytes, and what it says."""
    began = time.perf_counter()
    with urlopen(f"{url}/studio/library/{path}?{urlencode(query)}", timeout=600) as answer:
        body = answer.read()
    return time.perf_counter() - began, len(body), json.loads(body)


def questions(ids: list[int]) -> Iterator[tuple[str, list[tuple[str, dict[str, object]]]]]:
    """What a user does, each in several ways."""
    page: dict[str, object] = {"limit": 30}
    yield "the list, newest first", [("tracks", page)] * 10
    yield (
        "another order",
        [("tracks", {**page, "order": each}) for each in ("title", "artist", "tempo", "key", "energy")],
    )
    yield "show more, a thousand rows down", [("tracks", {**page, "offset": 990})] * 5
    yield "words", [("tracks", {**page, "words": each}) for each in _WORDS]
    yield "like this song", [("tracks", {**page, "like": f"{each}:1"}) for each in ids[:10]]
    yield (
        "a mash-up's middle",
        [
            ("tracks", {**page, "like": f"{a}:1,{b}:2,{c}:0.5"})
            for a, b, c in zip(ids[:9], ids[9:18], ids[18:27], strict=True)
        ],
    )
    narrowed: list[dict[str, object]] = [
        {"tempo": "118-128"}, {"key": "9", "harmonic": "1"}, {"genre": "house"}, {"mood": "calm"}, {"years": "1990-1999"},
        {"energy": "0.6-", "seconds": "-240"},
    ]  # fmt: skip
    yield "a filter", [("tracks", {**page, **each}) for each in narrowed]
    yield "words with a filter", [("tracks", {**page, **each, "words": "rainy piano"}) for each in narrowed]
    yield "the dashboard", [("overview", {})] * 5
    yield "the dashboard, narrowed", [("overview", each) for each in narrowed]
    yield "how it stands (asked every five seconds)", [("status", {})] * 10


def measure(url: str) -> list[str]:
    """The table's rows, over a studio that has just started."""
    rows = []

    def row(what: str, spent: list[float], size: int) -> None:
        middle, worst = statistics.median(spent), max(spent)
        said = f"| {what} | {1e3 * middle:.0f} ms | {1e3 * worst:.0f} ms | {size / 1024:.0f} kB |"
        print(said, flush=True)
        rows.append(said)

    first = [asked(url, "status"), asked(url, "tracks", limit=30), asked(url, "overview")]
    row(
        "the tab's first showing after the start: status, list, choices",
        [sum(each[0] for each in first)],
        sum(each[1] for each in first),
    )
    ids = [track["id"] for track in asked(url, "tracks", limit=30, order="tempo", offset=5_000)[2]["tracks"]]
    urlopen(
        Request(f"{url}/studio/library/ready", method="POST"), timeout=600
    ).close()  # as the page does once it shows
    time.sleep(1.0)
    spent, size, _ = asked(url, "tracks", words="night rain", limit=30)
    row("words a second later, by letter while the model that reads them is loaded", [spent], size)
    began = time.perf_counter()
    while asked(url, "tracks", words="night rain", limit=1)[2]["pending"]:
        time.sleep(0.2)
    loaded = time.perf_counter() - began
    print(f"words are read by their meaning {loaded:.1f} s later")
    for what, ways in questions(ids):
        got = [asked(url, path, **query) for path, query in ways]
        row(what, [each[0] for each in got], got[0][1])
    began = time.perf_counter()
    began_to_draw = asked(url, "map")[0]
    while asked(url, "map")[2]["drawing"]:
        time.sleep(1.0)
    drawn = time.perf_counter() - began
    row("the map's first showing, which begins to draw it", [began_to_draw], 0)
    got = [asked(url, "map") for _ in range(5)]
    row(f"the map, once it is drawn (in {drawn:.0f} s, beside everything else)", [each[0] for each in got], got[0][1])
    return rows


def main() -> int:
    from benchmarks.tables import put
    from tests.running import running_studio

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tracks", type=int, default=20_000)
    parser.add_argument("--folder", type=Path, help="where to keep the data folder, or the one made before")
    parser.add_argument("--write", action="store_true", help="put the table into docs/library.md")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="library-page-") as scratch:
        data = given.folder or Path(scratch)
        if not (data / "library" / "library.sqlite3").exists():
            fill(data / "library", given.tracks)
        with running_studio(data) as studio:
            rows = measure(studio.url)
    lines = [f"| at {given.tracks:,} tracks | middle | worst | answer |", "|---|---|---|---|", *rows]
    if given.write:
        put("page", lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
