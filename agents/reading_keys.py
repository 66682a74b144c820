"""Reading keys out of running text: "in F# minor", "Bb major", "D dorian", "Am", "in C", "a minor key".

English hides keys in plain words ("a minor change", "in a flat tone"), so each pattern asks for as much evidence as its
letters could mislead. Takes the original text, because "Am" and "am" differ. Knows nothing of genres or plans.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from agents.harmony import Key, Mode, UnknownName
from agents.reading import Found

_MODES = r"(?:major|minor|maj|min|dorian|phrygian|lydian|mixolydian|locrian|aeolian|ionian)"
_SIGN = r"(?:[#♯b♭]|[ -]?(?:sharp|flat)(?!\w))"
_BETWEEN = r"(?:[\s-]*(?:natural|harmonic|melodic)[\s-]+|[\s-]*)"
_END = r"(?=\s*(?:$|[.,;:!?()\n–—-]|(?:at|with|and|for|but|please|key|scale|tempo|around|about|no|without|then|\d+)\b))"
# After a capital A at the start of a sentence, only these show that a key was meant and not an article.
_MUSIC_NOUN = (
    r"(?=\s+(?:\w+\s+){0,2}(?:song|track|piece|ballad|tune|groove|melody|progression|loop|blues|waltz|jazz|rock|pop|folk|"
    r"techno|house|trance|piano|guitar|beat|riff|sonata|prelude|nocturne|march|metal|funk|reggae|ambient)\b)"
)


@dataclass(frozen=True, slots=True)
class KeyWish:
    """A key in words: both, or only a mode ("in a minor key")."""

    key: Key | None = None
    mode: Mode | None = None


def _key(tonic: str, mode: str) -> Key | None:
    try:
        return Key.parse(f"{tonic.strip()} {mode}".replace("♭", "b").replace("♯", "#"))
    except UnknownName:
        return None


def keys(text: str) -> list[Found[KeyWish]]:
    """Every key or mode in the text (not lowered), in order."""
    found: list[Found[KeyWish]] = []

    def add(wish: KeyWish | None, match: re.Match[str]) -> None:
        taken = any(match.start() < other.end and other.start < match.end() for other in found)
        if wish is not None and (wish.key or wish.mode) and not taken:
            found.append(Found(wish, match.start(), match.end()))

    for match in re.finditer(rf"(?i)(?<![\w#'’])([a-g]{_SIGN}?){_BETWEEN}({_MODES})(?!\w)", text):
        if _is_meant(match, text):
            add(KeyWish(key=_key(match[1], match[2].lower())), match)
    for match in re.finditer(r"(?<![\w#'’&.-])([A-G][#♯b♭]?)(m|min|maj|M)(?![\w#'’-])", text):
        alone = match[1] != "A" or re.search(r"(?:\b(?:in|key of|key)\s*:?\s*|[,;:(]\s*)$", text[: match.start()])
        alone = alone or re.match(r"\s*(?:$|[,.;)])", text[match.end() :])
        if alone and not _in_chord_list(match, text):
            add(KeyWish(key=_key(match[1], match[2])), match)
    # "in F#", "key of G", "key: Bb", "in e flat": a tonic alone is its major key, as on a score.
    for match in re.finditer(
        rf"\b(?i:(?P<how>in the key of|key of|key\s*[:=]|in))\s+(?P<tonic>[A-Ga-g]{_SIGN}?)(?![\w#♯♭'’+&/]|-\w|\.\w)",
        text,
    ):
        if _tonic_is_meant(match, text):
            add(KeyWish(key=_key(match["tonic"], "major")), match)
    for match in re.finditer(
        rf"(?i)(?<![\w-])(?:in\s+)?(?:an?\s+|the\s+)?({_MODES})[\s-]+(?:key|mode|scale|tonality|chords?|harmony|harmonies)\b",
        text,
    ):
        add(KeyWish(mode=_mode(match[1])), match)
    for match in re.finditer(rf"(?i)\bin\s+(major|minor){_END}", text):
        add(KeyWish(mode=_mode(match[1])), match)
    for match in re.finditer(r"(?i)(?<![\w-])(dorian|phrygian|lydian|mixolydian|locrian)(?!\w)", text):
        add(KeyWish(mode=_mode(match[1])), match)
    for match in re.finditer(r"(?i)(?<![\w-])(minor|major)[\s-]+(?:blues|waltz|ballad|pentatonic)\b", text):
        add(KeyWish(mode=_mode(match[1])), match)
    return sorted(found, key=lambda one: one.start)


def _mode(word: str) -> Mode:
    return Key.parse(f"C {word.lower()}").mode


def _is_meant(match: re.Match[str], text: str) -> bool:
    """Whether "a minor …" or "A flat major" names a key and is not an article with an adjective."""
    tonic, before = match[1], text[: match.start()]
    in_key = re.search(r"(?i)\b(?:in|key of|key|key\s*[:=])\s*$", before)
    if re.match(r"(?i)\s*key\b", text[match.end() :]) and tonic == "a":
        return False
    if len(tonic) > 1 or tonic.lower() != "a":
        # "be major": the letter must stand alone, which the pattern asks; "e minor" is no English.
        return True
    ends = re.match(_END, text[match.end() :])
    if tonic == "a":
        return bool(ends and (in_key or not before.strip() or re.search(r"[,;:(]\s*$", before)))
    if in_key or ends:
        return True
    starts_sentence = not before.strip() or re.search(r"[.!?\n]\s*$", before)
    return not starts_sentence or bool(re.match(_MUSIC_NOUN, text[match.end() :]))


def _tonic_is_meant(match: re.Match[str], text: str) -> bool:
    tonic, rest = match["tonic"], text[match.end() :]
    ends = bool(re.match(_END, rest))
    if match["how"].lower() != "in":
        return tonic[0].isupper() or ends
    if tonic[0] in "aA" and len(tonic) > 2 and tonic[0] == "a":
        return False  # "in a flat tone", "in a sharp voice"
    if tonic in ("A", "a") or tonic[0].islower():
        return ends and tonic != "a"
    return True


def _in_chord_list(match: re.Match[str], text: str) -> bool:
    """ "Am F C G" is a progression, not four keys."""
    chord = r"[A-G][#b]?(?:m|min|maj|M)?7?"
    return bool(
        re.match(rf"[\s,–-]+{chord}[\s,–-]+{chord}(?!\w)", text[match.end() :])
        or re.search(rf"(?<!\w){chord}[\s,–-]+{chord}[\s,–-]+$", text[: match.start()])
        or re.search(rf"(?<!\w){chord}[\s–-]+$", text[: match.start()])
    )
