"""Reading lengths, meters and tempos out of running text, the way a musician means them.

"90s" is a decade before a genre and a length after "for"; "2/4" is a meter and "24/7" is not. Every reader takes text
already lowered by `lexicon.lowered` and answers with what it found and where. Knows nothing of genres or plans.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Generic, TypeVar

from agents import knowledge
from agents.harmony import Meter, UnknownName
from agents.lexicon import names_in

Value = TypeVar("Value")

_NUMBER_WORDS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
    "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17,
    "eighteen": 18, "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60,
    "seventy": 70, "eighty": 80, "ninety": 90,
}  # fmt: skip
_WORD = "|".join(sorted((*_NUMBER_WORDS, "hundred"), key=len, reverse=True))
NUMBER = rf"(?:\d+(?:[.,]\d+)?|(?:an? )?(?:{_WORD})(?:(?:[ -]and)?[ -](?:{_WORD}))*)"
_NOT_THE_WHOLE = re.compile(
    r"(?:\b(?:after|at|first|last|every|each|until|till|by|from|next|wait|per|@|than a)\s*(?:the\s+)?"
    r"(?:about\s+|around\s+)?|@\s*)$"
)
_A_PART_FOLLOWS = re.compile(r"[\s-]*(?:in(?!\w)|mark\b|delay|reverb|attack|release|tail|fade|crossfade|pause|silence)")
_DECADE = r"(?:(?:19|20)\d0|[02-9]0)'?s"


@dataclass(frozen=True, slots=True)
class Found(Generic[Value]):
    """Something read out of the text, and where it stood."""

    value: Value
    start: int
    end: int


def number(text: str) -> float:
    """The number that digits or words stand for: "2.5", "ninety", "a hundred and twenty"."""
    if re.match(r"\d", text):
        return float(text.replace(",", "."))
    total = 0
    for word in re.findall(_WORD, text):
        total = (total or 1) * 100 if word == "hundred" else total + _NUMBER_WORDS[word]
    return float(total)


def decades(text: str) -> list[Found[str]]:
    """ "80s", "1990s", "the '70s" where they mean a time; the value is the two digits.

    "90s pop" is a decade; "90s" alone is a minute and a half, which people do ask for, as they do for "60s".
    """
    found = []
    for match in re.finditer(rf"(?<![\w.:])(?:'?)({_DECADE})(?![\w'])", text):
        digits = re.sub(r"\D", "", match[1])[-2:]
        before, after = text[: match.start()].rstrip(), text[match.end() :]
        named = len(re.sub(r"\D", "", match[1])) == 4 or text[match.start()] == "'"
        named |= bool(re.search(r"\b(?:the|early|late|mid|mid-|like)[\s-]*'?$", before))
        lengthy = re.search(
            r"\b(?:for|about|around|lasts?|lasting|length|exactly|max|maximum|under|of|is|be)[\s:=~]*$", before
        )
        noun = re.match(r"\s*(?:long|clips?|loops?|tracks?|pieces?|jingles?|songs?|total|of)\b", after)
        followed = re.match(r"[\s-]+[a-z]", after) and not re.match(
            r"\s+(?:with|at|and|in|on|no|without|please)\b", after
        )
        old_enough = digits in ("50", "60", "70", "80", "90", "00") or (
            digits in ("20", "30", "40")
            and re.match(r"[\s-]+(?:jazz|swing|big band|ragtime|blues|style|hollywood)", after)
        )
        if named or (old_enough and not lengthy and not noun and (followed or digits not in ("60", "90"))):
            found.append(Found(digits, match.start(), match.end()))
    return found


def lengths(text: str) -> list[Found[float]]:
    """Lengths of the whole, in seconds; cues ("after 10 seconds", "drop at 1:30") are left alone."""
    n, minutes, seconds = NUMBER, r"(?:minutes?|mins?)", r"(?:seconds?|secs?)"
    readers: list[tuple[str, object]] = [
        (
            rf"({n})[\s-]*(?:{minutes}|m)[\s,-]*(?:and\s+)?({n})[\s-]*(?:{seconds}|s)",
            lambda a, b: 60 * number(a) + number(b),
        ),
        (
            rf"({n})[\s-]*{minutes}\s+([1-5]?\d|thirty|forty|fifty|twenty|fifteen|ten)(?!\s*-?[a-z%])",
            lambda a, b: 60 * number(a) + number(b),
        ),
        (rf"({n}) and a half[\s-]*{minutes}", lambda a: 60 * (number(a) + 0.5)),
        (rf"({n}|an?)[\s-]*{minutes} and a half", lambda a: 60 * (_one(a) + 0.5)),
        (rf"half[\s-]+an?[\s-]+{minutes}", lambda: 30.0),
        (rf"({n}|an?)[\s-]*hours?", lambda a: 3600 * _one(a)),
        (rf"({n}|an?)[\s-]*{minutes}", lambda a: 60 * _one(a)),
        (r"(\d{1,2})m", lambda a: 60 * number(a)),
        (rf"({n})[\s-]*{seconds}", lambda a: number(a)),
        (r"(?!(?:808|909|707|606|505|303)s)(\d{1,3}(?:\.\d+)?)\s?s", lambda a: number(a)),
        (r"(\d{1,2}):([0-5]\d)", lambda a, b: 60 * number(a) + number(b)),
    ]
    found: list[Found[float]] = []
    for pattern, value in readers:
        for match in re.finditer(rf"(?<![\w.:/]){pattern}(?![\w:/])", text):
            if any(match.start() < other.end and other.start < match.end() for other in found):
                continue
            if _NOT_THE_WHOLE.search(text[: match.start()]) or _A_PART_FOLLOWS.match(text, match.end()):
                continue
            found.append(Found(value(*match.groups()), match.start(), match.end()))  # type: ignore[operator]
    return sorted(found, key=lambda one: one.start)


def _one(text: str) -> float:
    return 1.0 if text in ("a", "an") else number(text)


_METER_NUMBERS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "nine": 9, "twelve": 12}
_METER_UNITS = {"two": 2, "four": 4, "eight": 8, "sixteen": 16}


def meters(text: str) -> list[Found[Meter]]:
    """ "3/4", "six eight", "three-four time", "common time", "in 7", "waltz time"."""
    found: list[Found[Meter]] = []

    def add(meter: Meter, match: re.Match[str]) -> None:
        if not any(match.start() < other.end and other.start < match.end() for other in found):
            found.append(Found(meter, match.start(), match.end()))

    for match in re.finditer(r"(?<![\w/.])(\d{1,2})\s?/\s?(\d{1,2})(?:[\s-]+(?:time|meter|metre))?(?![\w/])", text):
        if re.match(r"\s+(?:of|notes?|bars?)\b", text[match.end() :]):
            continue
        try:
            add(Meter.parse(f"{match[1]}/{match[2]}"), match)
        except UnknownName:
            continue
    beats, units = "|".join(_METER_NUMBERS), "|".join(_METER_UNITS)
    for match in re.finditer(
        rf"\b({beats})[\s-]({units})(?P<time>[\s-]+(?:time|meter|metre|feel|beat)\b)?(?!\w)", text
    ):
        said_so = match["time"] or re.search(r"\bin\s+(?:an?\s+)?$", text[: match.start()]) or match[2] == "eight"
        if said_so and not re.match(r"[\s-]*(?:bar|bars|measure|minute|second|piece)", text[match.end() :]):
            add(Meter(beats=_METER_NUMBERS[match[1]], unit=_METER_UNITS[match[2]]), match)
    for match in re.finditer(r"\b(common|cut|waltz|march)[\s-]time\b", text):
        add(Meter.parse({"common": "4/4", "cut": "2/2", "waltz": "3/4", "march": "2/4"}[match[1]]), match)
    for match in re.finditer(
        r"\bin\s+(3|5|6|7|9|three|five|six|seven|nine)(?=\s*(?:$|[.,;!]|time\b|feel\b))(?:\s+(?:time|feel))?", text
    ):
        count = _METER_NUMBERS.get(match[1]) or int(match[1])
        add(Meter(beats=count, unit=8 if count in (6, 7, 9) else 4), match)
    return sorted(found, key=lambda one: one.start)


@dataclass(frozen=True, slots=True)
class TempoWish:
    """A tempo in words: exact limits when numbers were given, otherwise a position in the genre's range.

    low_bpm == high_bpm for a single number. position: -1 the slow end, 1 the fast end. factor: "half the tempo".
    """

    low_bpm: float | None = None
    high_bpm: float | None = None
    position: float | None = None
    factor: float | None = None


def tempos(text: str) -> list[Found[TempoWish]]:
    """Every tempo in the text, in order: numbers, Italian terms, "slow", "half the tempo"."""
    found: list[Found[TempoWish]] = []

    def add(wish: TempoWish, match: re.Match[str]) -> None:
        if not any(match.start() < other.end and other.start < match.end() for other in found):
            found.append(Found(wish, match.start(), match.end()))

    per_minute = r"(?:b\.?p\.?m\.?(?!\w)|beats?\s+(?:per|a)\s+minute|beats/min)"
    lead = r"(?:\b(?:at|around|about|tempo|speed)\s+)*"
    for match in re.finditer(rf"({NUMBER})\s?(?:-|to|and)\s?({NUMBER})\s*-?{per_minute}", text):
        low, high = sorted((number(match[1]), number(match[2])))
        if low >= 20 and not re.search(r"hundred$", match[1]):
            add(TempoWish(low, high), match)
    for match in re.finditer(rf"(?<![\w.]){lead}({NUMBER})[\s-]*{per_minute}", text):
        add(TempoWish(number(match[1]), number(match[1])), match)
    for match in re.finditer(
        r"(?:\b(?:bpm|tempo)(?:\s+(?:of|is|at|around|about))?\s*[:=]?|[♩=]\s?=)\s*(\d{2,3}(?:\.\d+)?)(?![\w:/%]|\s*(?:seconds?|secs?|bars?|minutes?))",
        text,
    ):
        add(TempoWish(number(match[1]), number(match[1])), match)
    if not found:  # "techno 140", "deep house. 122."
        ends = {hit.end for hit in names_in(text) if hit.of("genre")}
        for match in re.finditer(
            r"(?<![\w.,:/#])(\d{2,3})(?=\s*(?:$|[,;!)]|\.(?!\d)|in\b|[a-g][#b]?\s*(?:m\b|maj|min)))", text
        ):
            alone = (
                re.search(r"(?:^|[,.;(¦])\s*$", text[: match.start()]) or len(text[: match.start()].rstrip()) in ends
            )
            if alone and 50 <= number(match[1]) <= 220:
                add(TempoWish(number(match[1]), number(match[1])), match)
    not_a_tempo = r"\s*(?:%|°|seconds?\b|secs?\b|s\b|bars?\b|minutes?\b|mins?\b|hz|khz|db|degrees|years?|am\b|pm\b|percent|kbps|bit)"
    for match in re.finditer(
        rf"\b(?:at|around|about)\s+(?:around\s+|about\s+)?(\d{{2,3}}(?:\.\d+)?)(?![\w:/%]|\.\d|{not_a_tempo}|\s+[a-z]+\s+(?:per|a)\b)",
        text,
    ):
        if 30 <= number(match[1]) <= 300:
            add(TempoWish(number(match[1]), number(match[1])), match)
    for match in re.finditer(
        r"\b(?:at\s+)?(half|double|twice)[\s-]+(?:of\s+)?(?:the\s+|its\s+)?(?:usual\s+)?(?:tempo|speed|bpm)\b", text
    ):
        add(TempoWish(factor=0.5 if match[1] == "half" else 2.0), match)
    words = knowledge.words()
    for word in sorted(words.tempo_words, key=len, reverse=True):
        for match in re.finditer(
            rf"(?<![\w-]){re.escape(word)}(?![\w-])(?!\s+(?:blues|jams?|attack|release|fade|build|reveal|arp))", text
        ):
            tempered = re.search(
                r"\b(?:not|n't|never|nothing)\s+(?:too|so|very|that|overly)?\s*$", text[: match.start()]
            )
            add(TempoWish(position=0.0 if tempered else words.tempo_words[word]), match)
    for word, bpm in words.italian_tempos.items():
        for match in re.finditer(rf"(?<![\w-]){word}(?![\w-])", text):
            add(TempoWish(bpm * 0.94, bpm * 1.06), match)
    return sorted(found, key=lambda one: one.start)
