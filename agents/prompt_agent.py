"""The prompt agent: writes a wish out in a text-to-music model's vocabulary.

The user's own words come first and whole, always. Knows nothing of sections' bars or chords.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from agents import knowledge
from agents.harmony import Key, Meter
from agents.lexicon import lowered
from agents.wishes import Wishes

PROMPT_CHARACTERS = 4_000


def describe(
    wishes: Wishes, *, tempo_bpm: float, key: Key, meter: Meter, instruments: Sequence[str], also: Sequence[str] = ()
) -> str:
    """The song in a text-to-music model's vocabulary; the user's own words come first and whole.

    instruments: identifiers, in the order to be named. At most PROMPT_CHARACTERS long.
    """
    genre = knowledge.genres()[wishes.genre.value]
    words = wishes.brief.words.strip()
    known = knowledge.instruments()
    parts = [genre.label, *(knowledge.genres()[one].label + " influence" for one in wishes.influences)]
    for mood in wishes.moods.value:
        parts += knowledge.moods()[mood].prompt
    parts += [known[one].prompt for one in instruments]
    unwanted = {word for one in wishes.without for word in known[one].prompt.split()}
    parts += [word for word in genre.production if not unwanted & set(re.findall(r"\w+", word.lower()))]
    parts += [*wishes.production, *also, f"{tempo_bpm:g} bpm", f"in {key.name}"]
    if meter != Meter.parse("4/4"):
        parts.append(f"{meter.name} time")
    parts += [f"no {word}" for word in wishes.negative]
    text = words
    for part in dict.fromkeys(parts):
        if lowered(part) in lowered(text):
            continue
        longer = f"{text}, {part}" if text else part
        if len(longer) > PROMPT_CHARACTERS:
            break
        text = longer
    return text
