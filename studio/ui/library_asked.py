"""What the Library's page asks for, out of an address: words, songs to be like, a clip, and filters.

Raises BadQuestion for what makes no sense; a visitor's owner is laid over it by the routes. Knows nothing of libraries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rag.filters import KEY_NAMES, Filters, Span, harmonic_neighbours

ORDERS = ("added", "title", "artist", "tempo", "key", "energy", "year", "seconds")
MOST_LIKE = 5


class BadQuestion(ValueError):
    """A question to the library cannot be read; the message is a sentence for the user."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it was asked. like: tracks and their weights. clip: the name of a clip heard before. cluster: a style
    of the map, as the map named it."""

    words: str
    like: dict[int, float]
    clip: str
    cluster: str
    filters: Filters
    order: str
    limit: int
    offset: int


def asked_in(query: Mapping[str, str], *, owner: str | None) -> Asked:
    """?words=&like=3:1,9:0.5&clip=&tempo=80-100&key=A minor&harmonic=1&energy=0.2-0.6&genre=&mood=&years=&seconds=&own=…"""
    order = query.get("order") or "added"
    if order not in ORDERS:
        raise BadQuestion(f"The library is ordered by {', '.join(ORDERS)}.")
    return Asked(
        words=query.get("words", "")[:400],
        like=_like(query.get("like", "")),
        clip=query.get("clip", "")[:64],
        cluster=query.get("cluster", "")[:64],
        filters=Filters(
            tempo_bpm=span(query.get("tempo", ""), "tempo"),
            keys=_keys(query.get("key", ""), harmonic=query.get("harmonic") == "1"),
            energy=span(query.get("energy", ""), "energy"),
            genres=_several(query.get("genre", "")),
            moods=_several(query.get("mood", "")),
            years=span(query.get("years", ""), "year"),
            seconds=span(query.get("seconds", ""), "length"),
            own={"1": True, "0": False}.get(query.get("own", "")),
            ids=_ids(query.get("among", "")),
            owner=owner,
        ),
        order=order,
        limit=max(1, min(100, _whole(query.get("limit"), 30))),
        offset=max(0, _whole(query.get("offset"), 0)),
    )


def span(text: str, what: str) -> Span | None:
    """ "80-100", "80-", "-100" or "80"; None for nothing."""
    if not text.strip():
        return None
    low, dash, high = text.strip().partition("-")
    try:
        least = float(low) if low.strip() else None
        most = (float(high) if high.strip() else None) if dash else least
    except ValueError as wrong:
        raise BadQuestion(f"A {what} range is written like 80-100; “{text[:40]}” was given.") from wrong
    return least, most


def _keys(text: str, *, harmonic: bool) -> tuple[int, ...]:
    keys: dict[int, None] = {}
    for name in filter(None, (part.strip() for part in text.split(","))):
        number = int(name) if name.isdecimal() else next((i for i, one in enumerate(KEY_NAMES) if one == name), -1)
        if not 0 <= number < len(KEY_NAMES):
            raise BadQuestion(f"“{name[:40]}” is not a key of the library, like “A minor” or “F# major”.")
        keys |= dict.fromkeys(harmonic_neighbours(number) if harmonic else (number,))
    return tuple(keys)


def _like(text: str) -> dict[int, float]:
    found: dict[int, float] = {}
    for part in filter(None, text.split(",")):
        number, _, weight = part.partition(":")
        try:
            found[int(number)] = max(-3.0, min(3.0, float(weight or 1.0)))
        except ValueError as wrong:
            raise BadQuestion("The songs to be like could not be read: choose them again.") from wrong
    return dict(list(found.items())[:MOST_LIKE])


def _ids(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(",")[:2_000] if part.isdecimal())


def _several(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",")[:40] if part.strip())


def _whole(text: str | None, usual: int) -> int:
    return int(text) if text and text.isdecimal() else usual
