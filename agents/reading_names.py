"""Reading genres, moods and voices out of running text, wanted and unwanted.

"no drums", "without piano or bass", "drumless", "not sad", "just guitar". A later wish beats an earlier one. Takes
text already lowered, with what other readers took blanked. Knows nothing of sections, tempos or keys.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from agents import knowledge
from agents.lexicon import Hit, instruments_of, meanings_of, names_in
from agents.reading_form import describes_a_section
from agents.wishes import VoiceWish

_NO = re.compile(
    r"(?:\b(?:no|not|without(?:\s+using)?|minus|avoid(?:ing)?|exclud(?:e|ing)|except(?:\s+for)?|skip|drop\s+the|remove|never|nothing|"
    r"w/o|sans|(?:do\s*n'?t|do not|please don't|dont)\s+(?:want|use|include|add|put(?:\s+in)?|make(?:\s+it)?|play|need|like)|"
    r"isn'?t|is not|lose|leave out|leaving out|instead of|rather than|free of|lacking|lacks|hate|but not)\s+)"
    r"(?:(?:too|very|so|an?|any|the|much|overly|really|that|this|it|to be|be|kind of|sort of|other|added|using|heavy|loud|real|"
    r"live|electronic|acoustic|solo|in|for)\s+){0,3}$"
)
_NOT_ONLY = re.compile(r"\b(?:not|isn'?t)\s+(?:just|only|merely)\b.*$")
_LESS = re.compile(r"(?<!\w)(drum|beat|bass|percussion|vocal|voice|guitar|piano|synth)s?(?:less|[\s-]free)(?!\w)")
_ONLY_BEFORE = re.compile(
    r"\b(?:only|just|solely|solo|(?:nothing|anything) (?:but|except|other than)|unaccompanied)\s+(?:(?:an?|the|one|some|with|single|warm|soft|gentle)\s+){0,2}$"
)
_ONLY_AFTER = re.compile(r"\s+(?:only|alone|duet|duo)(?!\w)|\s+and nothing else")


@dataclass(slots=True)
class Names:
    """What the names in a text come to. `taken` are the stretches that were understood."""

    genres: list[Hit] = field(default_factory=list)
    not_genres: set[str] = field(default_factory=set)
    moods: list[str] = field(default_factory=list)
    voices: list[VoiceWish] = field(default_factory=list)
    only: bool = False
    without: set[str] = field(default_factory=set)
    without_roles: set[str] = field(default_factory=set)
    negative: list[str] = field(default_factory=list)
    production: list[str] = field(default_factory=list)
    wants_singing: bool = False
    notes: list[str] = field(default_factory=list)
    taken: list[tuple[int, int]] = field(default_factory=list)


def read_names(text: str, *, negative_words: str = "") -> Names:
    """Read every name in the text; `negative_words` (already lowered) are things to keep out, and beat the text."""
    names = Names()
    hits = names_in(text)
    denied_before: Hit | None = None
    less = _less(text, hits)
    for hit in sorted([*hits, *less], key=lambda one: one.start):
        denied = _is_denied(text, hit, denied_before)
        if denied:
            _deny(names, hit)
            denied_before = hit
        else:
            _want(names, hit, text)
            denied_before = None
        names.taken.append((hit.start, hit.end))
    for hit in names_in(negative_words):
        _deny(names, hit, quietly=True)
    kept = [voice for voice in names.voices if not _settled_out(names, voice)]
    names.only = names.only and bool(kept)
    names.voices = kept
    return names


def _less(text: str, hits: list[Hit]) -> list[Hit]:
    """ "drumless", "beatless", "vocal-free" as hits that are always denied."""
    found = []
    for match in _LESS.finditer(text):
        hits[:] = [hit for hit in hits if hit.end <= match.start() or match.end() <= hit.start]
        found.append(Hit(match.start(), match.end(), match[1], meanings_of(match[1])))
    return found


def _is_denied(text: str, hit: Hit, denied_before: Hit | None) -> bool:
    if _LESS.match(text, hit.start) and not text[hit.start : hit.end].endswith(hit.written):
        return True
    before = text[max(0, hit.start - 60) : hit.start]
    if _NOT_ONLY.search(before) or re.search(r"(?:nothing|anything|not)\s+(?:but|except)\s+(?:\w+\s+)?$", before):
        return False
    if _NO.search(before):
        return True
    if denied_before is None:
        return False
    # A list goes on: "no drums or bass", "no drums and bass"; with commas only when "or" ends it.
    gap = text[denied_before.end : hit.start]
    if re.fullmatch(r"\s*(?:,?\s*(?:or|nor)|and|&|/|\+)\s+(?:any\s+)?", gap):
        return True
    return bool(re.fullmatch(r"\s*,\s*", gap)) and bool(
        re.match(r"(?:\s*,\s*[\w\s-]{1,24}){0,4}\s*,?\s*\b(?:or|nor)\b", text[hit.end :])
    )


def _deny(names: Names, hit: Hit, *, quietly: bool = False) -> None:
    if genre := hit.of("genre"):
        names.not_genres.add(genre)
        names.genres = [other for other in names.genres if other.of("genre") != genre]
    if mood := hit.of("mood"):
        names.moods = [other for other in names.moods if other != mood]
    if role := hit.of("role"):
        names.without_roles.add(role)
    members = set(instruments_of(hit))
    if members:
        names.without |= set(instruments_of(hit, extended=True)) - _asked_exactly(names)
        gone = [voice for voice in names.voices if set(voice.instruments) <= members]
        for voice in gone:
            names.notes.append(f"You asked both for “{voice.word}” and for no {hit.written}; it was left out.")
        names.voices = [voice for voice in names.voices if voice not in gone]
        names.without |= members
        family = hit.of("family")
        if family and (part := knowledge.words().families[family].role):
            names.without_roles |= (
                {part, "drums"} if part == "percussion" else {part, "percussion"} if part == "drums" else {part}
            )
    if not quietly and hit.written not in names.negative:
        names.negative.append(hit.written)


def _asked_exactly(names: Names) -> set[str]:
    return {voice.instruments[0] for voice in names.voices if len(voice.instruments) == 1}


def _want(names: Names, hit: Hit, text: str) -> None:
    if hit.of("genre"):
        names.genres.append(hit)
        names.not_genres.discard(str(hit.of("genre")))
    if (mood := hit.of("mood")) and mood not in names.moods and not describes_a_section(text, hit.start, hit.end):
        names.moods.append(mood)
    if hit.of("voice"):
        names.wants_singing = True
    if production := hit.of("production"):
        names.production.append(production)
    if ensemble := hit.of("ensemble"):
        members = knowledge.words().ensembles[ensemble]
        names.voices += [VoiceWish(word=hit.written, instruments=(one,)) for one in members]
        names.only = True
        return
    instruments = instruments_of(hit)
    role = hit.of("role")
    if not instruments and not role and not hit.of("genre"):
        return
    if hit.of("genre") and not hit.of("family"):
        if re.match(r"solo\W", hit.written):  # "solo piano" names a genre and its one voice
            _want(names, Hit(hit.start + 5, hit.end, hit.written[5:], meanings_of(hit.written[5:])), text)
        return
    family = hit.of("family")
    part = knowledge.words().families[family].role if family else None
    if set(instruments) & names.without and set(instruments) <= names.without:
        names.notes.append(
            f"You asked first for no such voice and later for “{hit.written}”; the later wish was followed."
        )
        names.without_roles -= {part, *({"drums", "percussion"} if part in ("drums", "percussion") else set())}
        names.without_roles -= {knowledge.instruments()[one].roles[0] for one in instruments}
        names.negative = [
            word
            for word in names.negative
            if not set(instruments_of(Hit(0, 0, word, meanings_of(word)))) & set(instruments)
        ]
    names.without -= set(instruments) if len(instruments) == 1 or set(instruments) <= names.without else set()
    if _ONLY_BEFORE.search(text[: hit.start]) or (_ONLY_AFTER.match(text[hit.end :]) and instruments):
        names.only = True
    if role and not instruments:
        names.without_roles.discard(role)
        return
    wish = VoiceWish(word=hit.written, instruments=instruments, role=part)
    if all(other.instruments != wish.instruments for other in names.voices):
        names.voices.append(wish)


def _settled_out(names: Names, voice: VoiceWish) -> bool:
    return set(voice.instruments) <= names.without


def chosen_genre(names: Names, text: str) -> tuple[Hit | None, list[str]]:
    """The genre a brief means, and the others it mentions.

    In English the last noun of a phrase is the thing ("lo-fi house" is house), the first phrase matters most, and
    words that mostly describe ("acoustic", "cinematic") yield to plain genre names.
    """
    if not names.genres:
        return None, []
    weak = {meaning for word in knowledge.words().adjectival_genres for meaning in (word, word.replace("-", " "))}
    plain = [hit for hit in names.genres if re.sub(r"[\s-]+", " ", hit.written) not in weak and hit.written not in weak]
    ranked = plain or names.genres
    chosen = ranked[0]
    for hit in ranked[1:]:
        if re.fullmatch(r"[\s/-]*", text[chosen.end : hit.start]):
            chosen = hit
        else:
            break
    name = chosen.of("genre")
    others = list(dict.fromkeys(str(hit.of("genre")) for hit in names.genres if hit.of("genre") != name))
    return chosen, others
