"""Finding the names of the field in running text: genres, moods, voices, sections, production words.

Longest name first, so that "drum and bass" is one genre and not two instruments. Knows nothing of what is to be done
with what it finds.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Literal, Protocol

from agents import knowledge

Kind = Literal["genre", "mood", "instrument", "family", "ensemble", "role", "voice", "production"]


@dataclass(frozen=True, slots=True)
class Hit:
    """A name found in a text: where, what was written, and what it may stand for (kind and identifier)."""

    start: int
    end: int
    written: str
    meanings: tuple[tuple[Kind, str], ...]

    def of(self, kind: Kind) -> str | None:
        """The identifier of that kind, or None."""
        return next((name for found, name in self.meanings if found == kind), None)


def lowered(text: str) -> str:
    """Lower case of exactly the same length, with plain quotes and dashes, so that positions carry over."""
    plain = {"’": "'", "‘": "'", "–": "-", "—": "-", "‑": "-", "\n": " ", "\t": " ", "♭": "b", "♯": "#"}
    return "".join(plain.get(c, low if len(low := c.lower()) == 1 else c) for c in text)


class Stretch(Protocol):
    """Anything that knows where in a text it stood."""

    @property
    def start(self) -> int: ...

    @property
    def end(self) -> int: ...


def spans(*groups: Iterable[Stretch]) -> list[tuple[int, int]]:
    """Where all of these stood."""
    return [(one.start, one.end) for group in groups for one in group]


def blanked(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """The text with those stretches overwritten by a sign no name contains, so that nobody reads them twice."""
    letters = list(text)
    for start, end in spans:
        letters[start:end] = "¦" * (end - start)
    return "".join(letters)


def any_of(phrases: Iterable[str]) -> str:
    """A pattern for any of the phrases, longest first; a space also matches a hyphen, and a plural s is allowed."""
    ordered = sorted(set(phrases), key=lambda phrase: (-len(phrase), phrase))
    bodies = [r"[\s-]+".join(re.escape(part) for part in re.split(r"[\s-]+", phrase)) for phrase in ordered]
    return rf"(?<![\w#&])(?:{'|'.join(bodies)})(?:e?s)?(?![\w#])"


def _plain(phrase: str) -> str:
    return re.sub(r"[\s-]+", " ", phrase.strip().lower())


@cache
def _names() -> dict[str, tuple[tuple[Kind, str], ...]]:
    """Every name, with hyphens as spaces, to what it may stand for."""
    names: dict[str, list[tuple[Kind, str]]] = defaultdict(list)

    def add(kind: Kind, identifier: str, phrases: Iterable[str]) -> None:
        for phrase in phrases:
            if (kind, identifier) not in names[_plain(phrase)]:
                names[_plain(phrase)].append((kind, identifier))

    words = knowledge.words()
    for name, genre in knowledge.genres().items():
        add("genre", name, (genre.label, *genre.aliases))
    for name, mood in knowledge.moods().items():
        add("mood", name, (mood.label, *mood.aliases))
    for name, family in words.families.items():
        add("family", name, family.words)
    for name in words.ensembles:
        add("ensemble", name, (name,))
    for name, instrument in knowledge.instruments().items():
        add("instrument", name, (instrument.label, *instrument.aliases))
    for phrase, role in words.roles.items():
        add("role", role, (phrase,))
    for phrase in words.voices:
        add("voice", phrase, (phrase,))
    for phrase in words.production:
        add("production", phrase, (phrase,))
    return {phrase: tuple(meanings) for phrase, meanings in names.items()}


@cache
def _pattern() -> re.Pattern[str]:
    return re.compile(any_of(_names()))


def meanings_of(written: str) -> tuple[tuple[Kind, str], ...]:
    """What a name may stand for, singular or plural; nothing when it is no name of the field."""
    names, plain = _names(), _plain(written)
    for form in (plain, plain.removesuffix("s"), plain.removesuffix("es")):
        if form in names:
            return names[form]
    return ()


def names_in(text: str) -> list[Hit]:
    """Every name in an already lowered text, in order, none overlapping."""
    return [Hit(match.start(), match.end(), match[0], meanings_of(match[0])) for match in _pattern().finditer(text)]


def instruments_of(hit: Hit, *, extended: bool = False) -> tuple[str, ...]:
    """The instruments a found name covers, most likely first; `extended` adds what its exclusion takes away."""
    words = knowledge.words()
    if family := hit.of("family"):
        return words.families[family].members + (words.families[family].also if extended else ())
    if instrument := hit.of("instrument"):
        return (instrument,)
    if ensemble := hit.of("ensemble"):
        return words.ensembles[ensemble] if extended else ()
    return ()


def instruments_in(words: str) -> set[str]:
    """Instruments whose label or everyday name stands anywhere in the words, inside a genre's name too."""
    text = lowered(words)
    return {
        name
        for name, one in knowledge.instruments().items()
        if any(re.search(rf"\b{re.escape(alias.lower())}\b", text) for alias in (one.label, *one.aliases))
    }
