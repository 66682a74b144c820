"""How the studio and its plug-in write to each other: lines of "name value", in UTF-8, free text percent-encoded.

As plain as it is because the other end is C++ without a JSON library.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, unquote

PROTOCOL = 1


def written(lines: Mapping[str, object]) -> str:
    """Each as "name value"; floats to a microsecond, tuples with spaces between."""
    return "".join(f"{name} {_word(value)}\n" for name, value in lines.items())


def read(text: str) -> dict[str, str]:
    """The lines of a request; what is no line is left out."""
    pairs = (line.partition(" ") for line in text.splitlines())
    return {name: value for name, space, value in pairs if name and space}


def free(text: str) -> str:
    """Free text as one word."""
    return quote(text, safe="")


def freed(word: str) -> str:
    """And back."""
    return unquote(word, errors="replace")


def _word(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6f}"
    if isinstance(value, tuple):
        return " ".join(_word(each) for each in value)
    return str(value)
