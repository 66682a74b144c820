"""The names a language model may choose among, as types: a grammar made from them lets it write no others.

Out of agents/knowledge, so that a name the studio cannot play can never be answered. Knows nothing of prompts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import StringConstraints

from agents import knowledge

SECTIONS = tuple(knowledge.words().sections)
TONICS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
NUMERALS = (
    "I", "ii", "iii", "IV", "V", "vi", "i", "iv", "v", "III", "VI", "VII", "bVII", "bVI", "bII", "I7", "IV7", "V7",
    "ii7", "iii7", "vi7", "i7", "iv7", "v7", "Imaj7", "IVmaj7", "VImaj7", "IIImaj7", "i9", "iv9", "ii9", "V9",
    "Vsus4", "Isus2", "iio",
)  # fmt: skip

# What a model may write freely: letters and few signs. The grammar knows these patterns too.
_LETTERS = "a-zA-ZÀ-ÖØ-öø-ÿ"
Phrase = Annotated[
    str, StringConstraints(pattern=f"^[{_LETTERS}]{{3,14}}( [{_LETTERS}'-]{{2,14}}){{0,3}}$", max_length=40)
]
Title = Annotated[str, StringConstraints(pattern=f"^[{_LETTERS}][{_LETTERS}0-9 ',!?-]{{1,46}}$")]
Sentences = Annotated[
    str, StringConstraints(pattern=f"^[{_LETTERS}]{{1,14}}( [{_LETTERS}'-]{{1,14}}[,.]?){{3,30}}$", max_length=260)
]


if TYPE_CHECKING:
    GenreName = str
    MoodName = str
    InstrumentName = str
    SectionName = str
    TonicName = str
    NumeralName = str
else:
    GenreName = Literal[tuple(knowledge.genres())]
    MoodName = Literal[tuple(knowledge.moods())]
    InstrumentName = Literal[tuple(knowledge.instruments())]
    SectionName = Literal[SECTIONS]
    TonicName = Literal[TONICS]
    NumeralName = Literal[NUMERALS]
