"""What a search of the history asks for: words, and terms like `genre:house tempo:90-110 liked:yes since:2026-11-01`.

A query is read here and turned into conditions on the history's tables. Knows nothing of pages.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from agents.harmony import Key, UnknownName


class QueryError(ValueError):
    """A term of a search makes no sense; the message is a sentence for the user."""


@dataclass(frozen=True, slots=True)
class Query:
    """Words that every take found must hold, and SQL conditions on `takes` with their values."""

    words: str = ""
    conditions: tuple[str, ...] = ()
    values: tuple[Any, ...] = ()
    terms: Mapping[str, str] = field(default_factory=dict)


def read_query(text: str) -> Query:
    """Split a search into words and terms. Raises QueryError for a known term with a senseless value.

    What looks like a term but is none ("note: rain") counts as words. A minus before either leaves out what holds it.
    """
    words: list[str] = []
    conditions: list[str] = []
    values: list[Any] = []
    terms: dict[str, str] = {}
    for piece in _pieces(text):
        left_out, asked = piece.startswith("-"), piece.removeprefix("-")
        name, colon, value = asked.partition(":")
        name = name.lower()
        if colon and name in TERMS and value.strip():
            condition, given = TERMS[name](value.strip())
            conditions.append(f"NOT coalesce(({condition}), 0)" if left_out else condition)
            values += given
            if not left_out:
                terms[name] = value.strip()
        elif left_out and (wanted := beginnings(asked)):
            conditions.append(f"NOT {HOLDS}")
            values.append(wanted)
        else:
            words.append(piece)
    return Query(" ".join(words), tuple(conditions), tuple(values), terms)


HOLDS = "id IN (SELECT take_id FROM take_words WHERE take_words MATCH ?)"


def beginnings(text: str) -> str:
    """What HOLDS is asked with: every word of the text as a word's beginning; "" when there is none but signs."""
    return " ".join(f'"{word}"*' for word in re.findall(r"\w+", text))


def _pieces(text: str) -> list[str]:
    try:
        return shlex.split(text.replace("'", "\\'"))
    except ValueError:  # a quote left open: as it stands
        return text.replace('"', " ").split()


Term = Callable[[str], tuple[str, list[Any]]]


def _same(path: str) -> Term:
    """Equal to a value in the manifest, spaces and case aside."""
    column = f"lower(replace(json_extract(manifest, '$.{path}'), '_', ' '))"
    return lambda value: (f"{column} = ?", [value.lower().replace("_", " ")])


def _engine(value: str) -> tuple[str, list[Any]]:
    """A part of the engine's name or label: small, MusicGen, sketch."""
    plain = re.sub(r"([%_!])", r"!\1", value.lower())
    name, label = (f"lower(json_extract(manifest, '$.engine.{field}'))" for field in ("name", "label"))
    return f"({name} LIKE ? ESCAPE '!' OR {label} LIKE ? ESCAPE '!')", [f"%{plain}%"] * 2


def _among(path: str) -> Term:
    """One of a list in the manifest."""
    return lambda value: (
        f"EXISTS (SELECT 1 FROM json_each(manifest, '$.{path}') WHERE lower(replace(value, '_', ' ')) = ?)",
        [value.lower().replace("_", " ")],
    )


def _range(name: str, column: str, *, unit: str = "") -> Term:
    """A number, or a range: 90, 90-110, >90, <110. A lone number means itself, give or take half."""

    def read(value: str) -> tuple[str, list[Any]]:
        plain = value.lower().removesuffix(unit).strip()
        if match := re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:-|–|to)\s*(\d+(?:\.\d+)?)", plain):
            return f"{column} BETWEEN ? AND ?", sorted([float(match[1]), float(match[2])])
        if match := re.fullmatch(r"([<>])=?\s*(\d+(?:\.\d+)?)", plain):
            return f"{column} {match[1]}= ?", [float(match[2])]
        if re.fullmatch(r"\d+(?:\.\d+)?", plain):
            return f"{column} BETWEEN ? AND ?", [float(plain) - 0.5, float(plain) + 0.5]
        raise QueryError(f"{name}: takes a number or a range, like {name}:90 or {name}:90-110; “{value}” was given.")

    return read


def _key(value: str) -> tuple[str, list[Any]]:
    try:
        key = Key.parse(value)
    except UnknownName as wrong:
        raise QueryError(f'key: takes a key like key:"F# minor"; “{value}” was given.') from wrong
    columns = (
        "json_extract(manifest, '$.plan.key.value.tonic') = ? AND json_extract(manifest, '$.plan.key.value.mode') = ?"
    )
    return columns, [key.tonic, key.mode]


def _day(name: str, sign: str) -> Term:
    def read(value: str) -> tuple[str, list[Any]]:
        days = {"today": 0, "yesterday": 1, "week": 7, "month": 30, "year": 365}.get(value.lower())
        try:
            day = datetime.now(UTC).date() - timedelta(days=days) if days is not None else _date(value)
        except ValueError as wrong:
            raise QueryError(f"{name}: takes a day like {name}:2026-11-24, or week; “{value}” was given.") from wrong
        if sign == "<":  # the whole of that day counts
            day += timedelta(days=1)
        return f"created_at {sign} ?", [day.isoformat()]

    return read


def _date(value: str) -> Any:
    return datetime.strptime(value, "%Y-%m-%d").date()


def _on(value: str) -> tuple[str, list[Any]]:
    try:
        day = _date(value)
    except ValueError as wrong:
        raise QueryError(f"on: takes a day like on:2026-11-24; “{value}” was given.") from wrong
    return "created_at >= ? AND created_at < ?", [day.isoformat(), (day + timedelta(days=1)).isoformat()]


def _yes(name: str, condition: str) -> Term:
    def read(value: str) -> tuple[str, list[Any]]:
        if value.lower() not in ("yes", "no"):
            raise QueryError(f"{name}: is yes or no; “{value}” was given.")
        return (condition if value.lower() == "yes" else f"NOT ({condition})"), []

    return read


_VOTE = (
    "(SELECT json_extract(opinion, '$.value') FROM opinions WHERE json_extract(opinion, '$.take') = takes.id "
    "AND json_array_length(opinion, '$.others') = 0 ORDER BY created_at DESC, rowid DESC LIMIT 1)"
)
TERMS: dict[str, Term] = {
    "genre": _same("plan.genre.value"),
    "mood": _among("plan.moods.value"),
    "instrument": _among("plan.instruments.value"),
    "engine": _engine,
    "tier": _same("engine.tier"),
    "meter": lambda value: (
        "json_extract(manifest, '$.plan.meter.value.beats') || '/' || json_extract(manifest, '$.plan.meter.value.unit') = ?",
        [value],
    ),
    "key": _key,
    "mode": _same("plan.key.value.mode"),
    "tempo": _range("tempo", "json_extract(manifest, '$.plan.tempo_bpm.value')", unit="bpm"),
    "length": _range("length", "seconds", unit="s"),
    "seed": _range("seed", "json_extract(manifest, '$.sampling.seed')"),
    "guidance": _range("guidance", "json_extract(manifest, '$.sampling.guidance')"),
    "adapter": lambda value: (
        "EXISTS (SELECT 1 FROM json_each(manifest, '$.sampling.adapters') WHERE lower(json_extract(value, '$.name')) = ?)",
        [value.lower()],
    ),
    "series": _same("request.series"),
    "complete": _yes("complete", "complete = 1"),
    "edited": _yes("edited", "coalesce(json_extract(manifest, '$.request.edit'), '') <> ''"),
    "liked": _yes("liked", f"coalesce({_VOTE}, 0) = 1"),
    "disliked": _yes("disliked", f"coalesce({_VOTE}, 0) = -1"),
    "exported": _yes("exported", "EXISTS (SELECT 1 FROM deeds WHERE deeds.take_id = takes.id AND kind = 'export')"),
    "since": _day("since", ">="),
    "until": _day("until", "<"),
    "on": _on,
}
