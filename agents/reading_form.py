"""Reading the shape of a song out of running text: "intro then a big chorus", "verse, chorus, verse", "fade out",
"no drums until the drop".

Takes text already lowered. Knows nothing of genres, bars' lengths or keys.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise

from pydantic import BaseModel, ConfigDict

from agents import knowledge
from agents.lexicon import Hit, any_of, instruments_of, meanings_of, names_in
from agents.reading import NUMBER, number


class SectionWish(BaseModel):
    """One section asked for, with what was said about it; None where nothing was.

    length: 0.5 for short, 2 for long. voices: what must play in it, each as the instruments that would satisfy the
    word, most likely first; alone: only these.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    energy: float | None = None
    bars: int | None = None
    seconds: float | None = None
    length: float = 1.0
    voices: tuple[tuple[str, ...], ...] = ()
    alone: bool = False
    prompt: str = ""


class Cue(BaseModel):
    """When voices play: from the first section of that name on, only in such sections, or not in them.

    rule: "from", "only", "not", and "opens" and "closes" for the song's first and last section. wanted: the voice was
    asked for by this, and not merely held back.
    """

    model_config = ConfigDict(frozen=True)

    what: str
    instruments: tuple[str, ...]
    role: str | None
    rule: str
    section: str
    start: int
    end: int
    wanted: bool = False


class FormWish(BaseModel):
    """The shape asked for. in_order: the sections are the whole form; otherwise the genre's form must contain them."""

    model_config = ConfigDict(frozen=True)

    sections: tuple[SectionWish, ...] = ()
    in_order: bool = False
    bars: int | None = None
    rising: bool = False
    falling: bool = False
    fades_in: bool = False
    fades_out: bool = False
    is_loop: bool = False
    cues: tuple[Cue, ...] = ()


_OPENS = re.compile(
    r"\b(?:(?P<open>start|begin|open)|end|clos)(?:s|es|ing|ning|e)?\s+(?:off\s+|out\s+)?(?:with|on)\s+"
    r"(?:(?:just|only|solo|an?|the|some|lone|single|unaccompanied|soft|quiet|gentle|simple)\s+)*$"
)


@cache
def _section_names() -> dict[str, str]:
    names = {phrase: name for name, phrases in knowledge.words().sections.items() for phrase in phrases}
    return names | {phrase.replace("-", " "): name for phrase, name in names.items()}


@cache
def _section_pattern() -> re.Pattern[str]:
    return re.compile(any_of(_section_names()))


def _section_name(written: str) -> str:
    plain = re.sub(r"[\s-]+", " ", written)
    names = _section_names()
    return next(names[form] for form in (plain, plain[:-1], plain[:-2]) if form in names)


def _sections_in(text: str) -> list[tuple[int, int, str]]:
    """Section words that mean a section: (start, end, name)."""
    found = []
    for match in _section_pattern().finditer(text):
        before, after = text[: match.start()], text[match.end() :]
        word = match[0]
        if word in ("drops", "heads", "builds", "peaks") and not re.match(r"\s+(?:up\s+)?(?:to|into)\b", after):
            continue
        if word in ("head", "peak", "opening", "theme", "hook", "climax", "development") and not re.search(
            r"(?:,|then|\ban?|\bthe|>|^)\s*(?:big |huge |main |final |massive )?$", before
        ):
            continue
        if word == "solo" and not (
            re.search(r"(?:[a-z]\s|[,>/-]\s*)$", before)
            and re.match(r"\s*(?:$|[,.;:]|then|before|after|over|in|at|and|part|section)", after)
        ):
            continue
        if re.match(r"[\s-]+(?:effect|pedal|guitars?|music|park)\b", after) or re.search(
            r"\b(?:happy|london|tower|rain|dew|no|without)\s$", before
        ):
            continue
        if (
            word in ("drop",)
            and re.match(r"\s+(?:in|by|of|out|d|the|tuning|tuned)\b", after)
            and not re.search(r"\b(?:a|the|big)\s+(?:\w+\s+)?$", before)
        ):
            continue
        found.append((match.start(), match.end(), _section_name(word)))
    return found


def read_form(text: str) -> FormWish:
    """Everything the text says about the song's shape."""
    cues = _cues(text)
    marks = _sections_in(text)
    cued = [mark for mark in marks if any(cue.start <= mark[0] < cue.end for cue in cues)]
    listed = [mark for mark in marks if mark not in cued]
    sections = [_section_wish(text, listed, index) for index in range(len(listed))]
    if cued and not listed:
        sections = [SectionWish(name=name) for _, _, name in cued]
    in_order = len(listed) >= 2 and not _is_prose(text, listed) and not _is_a_mention(text, listed)
    if len(listed) >= 2 and not in_order:
        sections = list({section.name: section for section in sections}.values())
    bars = [
        match
        for match in re.finditer(rf"({NUMBER})[\s-]+(?:bars?|measures?)\b(?!\s+blues)", text)
        if not _belongs_to_section(text, match.end())
    ]
    return FormWish(
        sections=tuple(sections),
        in_order=in_order,
        bars=max(1, round(number(bars[-1][1]))) if bars else None,
        rising=bool(re.search(r"\b(?:builds?(?:[\s-]+(?:up|slowly|gradually))*(?=\s*(?:$|[,.;]|and|over|throughout|as|to\s+(?:a\s+)?(?:big|huge|end))|\s+(?:to|in)\s+intensity)|building|crescendo|gradually (?:builds?|grows?|rises?|louder|more intense)|(?:slowly|gradually) (?:builds?|building|growing)|grows? (?:louder|bigger)|(?:starts?|begins?|starting|beginning) (?:off )?(?:quiet|soft|slow|calm|small|gentl)\w*)", text)),
        falling=bool(re.search(r"\b(?:diminuendo|decrescendo|winds? down|winding down|gets? quieter|dies away|ends? (?:quiet|soft|calm)\w*|(?:quiet|soft|gentle|calm) ending)", text)),
        fades_in=bool(re.search(r"\bfad(?:es?|ing)[\s-]+in\b", text)),
        fades_out=bool(re.search(r"\bfad(?:es?|ing)[\s-]+(?:out|away|to (?:silence|nothing))\b", text)),
        is_loop=bool(re.search(r"\b(?:seamless(?:ly)?|loopable|perfect loop|looping|(?<!drum )loop(?=\s*(?:$|[,.;]|in|at|for|with|of))|(?:\d+|\w+)[\s-](?:bar|second)s?[\s-]loop)\b", text)),
        cues=tuple(cues),
    )  # fmt: skip


def _belongs_to_section(text: str, end: int) -> bool:
    nxt = _section_pattern().search(text, end)
    return bool(nxt and re.fullmatch(r"\s+(?:(?!then\b)[a-z-]+\s+){0,2}|\s*", text[end : nxt.start()]))


def describes_a_section(text: str, start: int, end: int) -> bool:
    """Whether the word there is said of one section: "a quiet intro", "intro (soft)"."""
    for left, right, _ in _sections_in(text):
        if re.fullmatch(r"\s+(?:\w+\s+)?", text[end:left]) or re.fullmatch(r"\s*[(:]\s*(?:\w+\s+)?", text[right:start]):
            return True
    return False


def _is_prose(text: str, marks: list[tuple[int, int, str]]) -> bool:
    """Whether sections are talked about ("a guitar solo before the chorus") rather than listed in order."""
    between = [text[left[1] : right[0]] for left, right in pairwise(marks)]
    return any(re.search(r"\b(?:before|like|same as|than|instead|louder than|quieter than)\b", gap) for gap in between)


def _is_a_mention(text: str, marks: list[tuple[int, int, str]]) -> bool:
    """ "builds up to a drop" and "with breakdown and drop" ask for those two somewhere, not for a song of nothing else."""
    if len(marks) != 2:
        return False
    (start, end, name), (following, _, _) = marks
    gap = text[end:following]
    return (name == "build" and text[start:].startswith(("builds", "building"))) or bool(
        re.match(r"\s+and\b(?!\s+then)", gap)
    )


def _section_wish(text: str, marks: list[tuple[int, int, str]], index: int) -> SectionWish:
    start, end, name = marks[index]
    left = marks[index - 1][1] if index else 0
    right = marks[index + 1][0] if index + 1 < len(marks) else len(text)
    before = re.split(
        r"[,.;:>|/]|\b(?:then|and|with|into|to|followed by|before|after|in|on|for|at|is|are|has)\b", text[left:start]
    )[-1]
    after_match = re.match(
        r"\s*(?:\(|:|-|with|of|on|featuring|is|are|has|full of|that is)\s*([^,.;)>|]*)", text[end:right]
    )
    after = (
        re.split(r"\b(?:then|into|followed by|to an?|before|after|and (?:an?|the))\b", after_match[1])[0]
        if after_match
        else ""
    )
    if after_match and end + after_match.end() == right < len(text):
        after = re.sub(r"\b(?:and|an?|the)\s*(?:\w+\s*)?$", "", after)  # what leads to the next section is its own
    said = f"{before} {after}"
    bars = re.search(rf"({NUMBER})[\s-]+(?:bars?|measures?)\b", said)
    seconds = re.search(rf"({NUMBER})[\s-]*(?:seconds?|secs?|s)\b", said)
    voices = tuple(ids for hit in names_in(said) if (ids := instruments_of(hit)))
    alone = bool(voices) and bool(
        re.search(r"\b(?:only|just|solo|alone|nothing but)\b", said)
        or (before.strip() and name in ("intro", "outro") and not after)
    )
    return SectionWish(
        name=name,
        energy=_energy(said),
        bars=max(1, round(number(bars[1]))) if bars else None,
        seconds=number(seconds[1]) if seconds else None,
        length=0.5 if re.search(r"\b(?:short|brief|quick)\b", said) else 2.0 if re.search(r"\b(?:long|extended)\b", said) else 1.0,
        voices=voices,
        alone=alone,
        prompt=" ".join(part for part in (before.strip(" -"), after.strip(" -")) if part)[:200].replace("¦", "").strip(),
    )  # fmt: skip


def _energy(said: str) -> float | None:
    words = knowledge.words()
    loud, soft = re.search(any_of(words.louder), said), re.search(any_of(words.softer), said)
    if loud and soft:
        return 0.95 if loud.start() > soft.start() else 0.25
    return 0.95 if loud else 0.25 if soft else None


def _without_solo(hit: Hit) -> Hit:
    """ "solo piano", which also names a genre, as the piano in it."""
    plain = re.sub(r"^solo\W+", "", hit.written)
    return Hit(hit.end - len(plain), hit.end, plain, meanings_of(plain)) if plain != hit.written else hit


def _cues(text: str) -> list[Cue]:
    """ "no drums until the chorus", "drums come in at the drop", "no drums in the intro", "strings only in the bridge"."""
    section = (
        rf"(?:the\s+|an?\s+)?(?:first\s+|second\s+|big\s+|final\s+|last\s+)*(?P<section>{_section_pattern().pattern})"
    )
    enters = (
        r"(?:comes?|coming|enters?|entering|kicks?|kicking|joins?|joining|drops?|starts?|starting|appears?)(?:\s+in)?"
    )
    found: list[Cue] = []
    for hit in (_without_solo(one) for one in names_in(text)):
        instruments, role = instruments_of(hit), hit.of("role")
        if not instruments and not role:
            continue
        before, after = text[: hit.start], text[hit.end :]
        denied = re.search(r"\b(?:no|without|hold (?:back )?(?:the )?)\s*$", before)
        if denied and (match := re.match(rf"\s+(?:until|till|before)\s+{section}", after)):
            rule, begin = "from", denied.start()
        elif denied and (match := re.match(rf"\s+(?:in|during|at|for)\s+{section}", after)):
            rule, begin = "not", denied.start()
        elif opening := _OPENS.search(before):
            rule = "opens" if opening["open"] else "closes"
            begin, match = opening.start(), re.match("", after)
        elif match := re.match(rf"\s+(?:{enters}\s+(?:only\s+)?(?:at|in|on|with|for|from)|from)\s+{section}", after):
            rule, begin = "from", hit.start
        elif match := re.match(rf"\s+only\s+(?:in|at|for|during)\s+{section}", after):
            rule, begin = "only", hit.start
        else:
            continue
        name = _section_name(match["section"]) if match and "section" in match.groupdict() else ""
        found.append(
            Cue(
                what=hit.written,
                instruments=instruments_of(hit, extended=bool(denied)),
                role=role,
                rule=rule,
                section=name,
                start=begin,
                end=hit.end + (match.end() if match else 0),
                wanted=not denied,
            )
        )
    return found
