"""A title for a song, out of the brief's own words, its mood and its genre.

Knows nothing of music beyond their names.
"""

from __future__ import annotations

import random
import re

from agents import knowledge
from agents.lexicon import blanked, lowered, names_in, spans
from agents.reading import lengths, meters, tempos
from agents.reading_keys import keys
from agents.wishes import Wishes

MAX_CHARACTERS = 48
_SMALL = {"of", "the", "a", "an", "in", "on", "at", "to", "and", "for", "by", "from"}


def title_for(wishes: Wishes, rng: random.Random) -> str:
    """A short title; the same wishes and the same state of `rng` give the same one."""
    words = knowledge.words()
    pictures = _pictures(wishes.brief.words)
    nouns = [noun for mood in wishes.moods.value for noun in words.title_nouns.get(mood, ())]
    nouns = nouns or list(words.title_plain)
    noun, plain = rng.choice(nouns), rng.choice(words.title_plain)
    colour = rng.choice(words.title_genre.get(wishes.genre.value, ("",)))
    choices = [noun, plain, *(f"{one} {colour}" for one in (noun, plain) if colour and colour not in one)]
    if pictures:
        picture = rng.choice(pictures)
        choices = [picture, picture, f"{picture} {colour}".strip() if colour not in picture else picture]
    title = rng.choice(choices)
    return title if len(title) <= MAX_CHARACTERS else noun


def _pictures(text: str) -> list[str]:
    """Stretches of one to four words that paint something: no names of the field, no filler at the ends."""
    low = lowered(text)
    low = blanked(low, spans(names_in(low), keys(text), tempos(low), lengths(low), meters(low)))
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
    return [_capitalised(one) for one in dict.fromkeys(pictures) if " " in one or _is_a_thing(one, text)][:6]


def _is_a_thing(word: str, text: str) -> bool:
    """Whether a lone word names something: a proper name, or what the music is about, for or of."""
    return bool(
        re.search(rf"\w[,\s]+{re.escape(word.capitalize())}(?!\w)", text)
        or re.search(
            rf"(?i)\b(?:about|for|of|at|like|in)\s+(?:an?\s+|the\s+|my\s+)?{re.escape(word)}\s*(?:$|[,.;!?])", text
        )
    )


def _capitalised(phrase: str) -> str:
    parts = phrase.split()
    return " ".join(
        part if index and part in _SMALL else part[:1].upper() + part[1:] for index, part in enumerate(parts)
    )
