"""How words are compared: without accents and case, as people type them. Knows nothing of what they are about."""

from __future__ import annotations

import re
import unicodedata

_WORD = re.compile(r"[\w#'’]+")


def folded(text: str) -> str:
    """The text without accents and case: “Été” is “ete”."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(letter for letter in plain if not unicodedata.combining(letter))


def words_in(text: str) -> list[str]:
    """The words as they are written; an underscore parts them as a space does, as it does in files' names."""
    return _WORD.findall(text.replace("_", " "))
