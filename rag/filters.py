"""What a listing or a search is narrowed to: one value, which SQLite and the vector store both obey.

Keys are numbers: 0 = C major to 11 = B major, 12 = C minor to 23 = B minor. Knows nothing of files or of sound.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

Span = tuple[float | None, float | None]
KEY_NAMES = tuple(
    f"{note} {mode}"
    for mode in ("major", "minor")
    for note in ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
)


def key_number(tonic: int, mode: str) -> int:
    """0 to 23 for a tonic (0 = C) and "major" or "minor"."""
    return tonic % 12 + (12 if mode == "minor" else 0)


def harmonic_neighbours(key: int) -> tuple[int, ...]:
    """The keys that mix with this one, itself first: its relative, and a fifth up and down in its own mode.

    These are the neighbours on the circle of fifths, what DJs know as the Camelot wheel's.
    """
    tonic, minor = key % 12, key >= 12
    relative = (tonic + 3) % 12 if minor else (tonic + 9) % 12 + 12
    return (key, relative, (tonic + 7) % 12 + 12 * minor, (tonic + 5) % 12 + 12 * minor)


@dataclass(frozen=True, slots=True)
class Filters:
    """Nothing set means everything. Spans are (least, most), both included, either None for open.

    keys: any of these numbers. genres, moods: any of these. own: True for the studio's takes, False for the rest.
    owner: None for anybody's, "" for the studio's own user. ids, without: only these tracks; none of these.
    """

    tempo_bpm: Span | None = None
    keys: tuple[int, ...] = ()
    energy: Span | None = None
    genres: tuple[str, ...] = ()
    moods: tuple[str, ...] = ()
    years: Span | None = None
    seconds: Span | None = None
    own: bool | None = None
    owner: str | None = None
    ids: tuple[int, ...] = ()
    without: tuple[int, ...] = ()

    def spans(self) -> dict[str, Span]:
        """The spans that are set, by the name of the field they narrow."""
        named = {"tempo_bpm": self.tempo_bpm, "energy": self.energy, "year": self.years, "seconds": self.seconds}
        return {name: span for name, span in named.items() if span is not None and span != (None, None)}

    def sql(self) -> tuple[str, list[Any]]:
        """A condition on the table `tracks` and its values; "1" when nothing is narrowed."""
        parts: list[str] = []
        values: list[Any] = []
        for name, (least, most) in self.spans().items():
            parts.append(f"{name} BETWEEN ? AND ?")
            values += [-1e18 if least is None else least, 1e18 if most is None else most]
        for name, chosen in (("key", self.keys), ("genre", self.genres)):
            if chosen:
                parts.append(f"{name} IN ({', '.join('?' * len(chosen))})")
                values += chosen
        if self.ids:  # in one value: there can be more of them than SQLite takes values
            parts.append("id IN (SELECT value FROM json_each(?))")
            values.append(json.dumps(self.ids))
        if self.moods:
            marks = ", ".join("?" * len(self.moods))
            parts.append(f"EXISTS (SELECT 1 FROM json_each(tracks.moods) WHERE value IN ({marks}))")
            values += self.moods
        if self.without:
            parts.append(f"id NOT IN ({', '.join('?' * len(self.without))})")
            values += self.without
        if self.own is not None:
            parts.append("take_id IS NOT NULL" if self.own else "take_id IS NULL")
        if self.owner is not None:
            parts.append("owner = ?")
            values.append(self.owner)
        return " AND ".join(parts) or "1", values


EVERYTHING = Filters()
