"""A library at a glance: how many tracks of each genre, mood, key and tempo, and how energy went over the years.

Counted by SQLite over what the filters leave, so that a hundred thousand tracks take a moment. Knows nothing of pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rag.filters import EVERYTHING, Filters
from rag.tracks import Tracks

TEMPO_BIN_BPM = 5


@dataclass(frozen=True, slots=True)
class Overview:
    """genres, moods: (name, tracks), most first. keys: 24 counts as in `rag.filters`. tempos: (lowest bpm of a bin of
    TEMPO_BIN_BPM, tracks). years: (year, mean energy, tracks). seconds: of music in all.
    """

    tracks: int
    own: int
    seconds: float
    genres: tuple[tuple[str, int], ...]
    moods: tuple[tuple[str, int], ...]
    keys: tuple[int, ...]
    tempos: tuple[tuple[int, int], ...]
    years: tuple[tuple[int, float, int], ...]


def overview_of(tracks: Tracks, filters: Filters = EVERYTHING, *, among: Sequence[int] = ()) -> Overview:
    """What is there among the present tracks. among: only these tracks, where any are named."""
    clause, values = filters.sql()
    where = f"FROM tracks WHERE {clause} AND state = 'present'"
    if among:
        where += f" AND id IN ({', '.join(str(int(each)) for each in among)})"
    (whole,) = tracks.read(
        f"SELECT count(*) AS tracks, count(take_id) AS own, coalesce(sum(seconds), 0) AS seconds {where}", values
    )
    genres = tracks.read(f"SELECT genre, count(*) AS n {where} AND genre != '' GROUP BY 1 ORDER BY 2 DESC, 1", values)
    moods = tracks.read(
        "SELECT each.value AS mood, count(*) AS n FROM (SELECT moods AS said "
        f"{where}) AS one, json_each(one.said) AS each GROUP BY 1 ORDER BY 2 DESC, 1",
        values,
    )
    keys = tracks.read(f"SELECT key, count(*) AS n {where} AND key IS NOT NULL GROUP BY 1", values)
    tempos = tracks.read(
        f"SELECT CAST(tempo_bpm / {TEMPO_BIN_BPM} AS INTEGER) * {TEMPO_BIN_BPM} AS low, count(*) AS n {where} "
        "AND tempo_bpm IS NOT NULL GROUP BY 1 ORDER BY 1",
        values,
    )
    years = tracks.read(
        f"SELECT year, avg(energy) AS energy, count(*) AS n {where} AND year IS NOT NULL AND energy IS NOT NULL "
        "GROUP BY 1 ORDER BY 1",
        values,
    )
    counts = {row["key"]: row["n"] for row in keys}
    return Overview(
        tracks=whole["tracks"],
        own=whole["own"],
        seconds=whole["seconds"],
        genres=tuple((row["genre"], row["n"]) for row in genres),
        moods=tuple((row["mood"], row["n"]) for row in moods),
        keys=tuple(counts.get(key, 0) for key in range(24)),
        tempos=tuple((row["low"], row["n"]) for row in tempos),
        years=tuple((row["year"], row["energy"], row["n"]) for row in years),
    )
