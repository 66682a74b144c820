"""A title for a song, out of the brief's own words, its mood and its genre.

Knows nothing of music beyond their names.
"""

from __future__ import annotations

import random
import re

from agents import knowledge
from agents.lexicon import blanked, lowered, names_in
from agents.wishes import Wishes

MAX_CHARACTERS = 48
_SMALL = {"of", "the", "a", "an", "in", "on", "at", "to", "and", "for", "by", "from"}


def title_for(wishes: Wishes, rng: random.Random) -> str:
    """A short title; the same wishes and the same state of `rng` give the same one."""
    words = knowledge.words()
    pictures = _pictures(wishes.brief.words)
    nouns = [noun for mood in wishes.moods.value for noun in words.title_nouns.get(mood, ())]
    nouns = nouns or list(words.title_plain)
    colours = list(words.title_genre.get(wishes.genre.value, ())) or list(words.title_plain)
    noun, colour, plain = rng.choice(nouns), rng.choice(colours), rng.choice(words.title_plain)
    choices = [noun, f"{noun} {colour}" if colour.split()[-1] not in noun else noun, f"{plain} {colour}"]
    if pictures:
        picture = rng.choice(pictures)
        choices = [picture, f"{picture} {colour}" if colour not in picture else picture, picture]
    title = rng.choice(choices)
    return title if len(title) <= MAX_CHARACTERS else noun


def _pictures(text: str) -> list[str]:
    """Stretches of one to four words that paint something: no names of the field, no filler at the ends."""
    low = lowered(text)
    low = blanked(low, [(hit.start, hit.end) for hit in names_in(low)])
    sections = {
        part for phrases in knowledge.words().sections.values() for phrase in phrases for part in phrase.split()
    }
    stop = set(knowledge.words().stopwords) | sections | set(knowledge.words().tempo_words)
    pictures: list[str] = []
    for clause in re.split(r"[^\w\s'-]+", low):
        run: list[str] = []
        for word in [*clause.split(), ""]:
            content = bool(re.fullmatch(r"[^\W\d_]{3,}(?:['-][^\W\d_]+)*", word)) and word not in stop
            if content or (run and word in _SMALL):
                run.append(word)
                continue
            while run and run[-1] in _SMALL:
                run.pop()
            if run:
                pictures.append(" ".join(run[:4]))
            run = []
    pictures = [re.sub(r"(?:\s+(?:" + "|".join(_SMALL) + r"))+$", "", one) for one in pictures]
    return [_capitalised(one) for one in dict.fromkeys(pictures) if len(one) >= 4][:6]


def _capitalised(phrase: str) -> str:
    parts = phrase.split()
    return " ".join(
        part if index and part in _SMALL else part[:1].upper() + part[1:] for index, part in enumerate(parts)
    )
