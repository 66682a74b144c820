"""Adding to a wish without taking from it: additions kept apart, checked one by one, each removable.

An addition stays only when reading the longer words finds every constraint of the shorter ones, and no conflict that
was not there before; so nothing that is added, by whomever, can overrule the user. Knows nothing of where additions
come from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from agents import knowledge
from agents.lexicon import lowered
from agents.reading_brief import read_brief
from agents.types import Brief, BriefError, Decided, SongPlan
from agents.wishes import Wishes

Kind = Literal["genre", "mood", "instrument", "sound", "tempo", "key"]
MAX_ADDITIONS = 10
PHRASE_CHARACTERS = 40
PROMPT_CHARACTERS = 4_000
_PHRASE = re.compile(rf"[^\W\d_][\w '’&/+-]{{2,{PHRASE_CHARACTERS - 1}}}")


class Idea(BaseModel):
    """Something that might be added: the words, what they speak of, and why, for the page to show."""

    model_config = ConfigDict(frozen=True)

    words: str
    kind: Kind
    why: str = ""


class Addition(Idea):
    """An idea that was added, and where in the new words it stands (with the sign that joins it on)."""

    start: int
    end: int


class Enhanced(BaseModel):
    """A wish before and after. Taking every addition's stretch out of `after` leaves `before`, letter by letter."""

    model_config = ConfigDict(frozen=True)

    before: str
    after: str
    added: tuple[Addition, ...] = ()

    def without(self, *places: int) -> Enhanced:
        """The same with some of the additions taken out again, by their place in `added`."""
        return joined(self.before, [one for place, one in enumerate(self.added) if place not in places])

    def pieces(self) -> tuple[tuple[str, Addition | None], ...]:
        """`after` in stretches, in order: the user's own (None) and each addition, for colouring."""
        own = ((self.before, None),) if self.before else ()
        return (*own, *((self.after[one.start : one.end], one) for one in self.added))


def joined(before: str, ideas: Iterable[Idea]) -> Enhanced:
    """The user's words, whole and first, and the ideas behind them."""
    text, added = before, []
    for idea in ideas:
        sign = "" if not text else " " if re.search(r"[.!?,;:]\s*$", text) else ", "
        start = len(text)
        text += sign + idea.words
        added.append(Addition(words=idea.words, kind=idea.kind, why=idea.why, start=start, end=len(text)))
    return Enhanced(before=before, after=text, added=tuple(added))


def with_ideas(brief: Brief, wishes: Wishes, ideas: Sequence[Idea], *, most: int = MAX_ADDITIONS) -> Enhanced:
    """Those of the ideas that say something new and leave every wish as it was, in order, at most `most`."""
    kept: list[Idea] = []
    for idea in ideas:
        words = tidy(idea.words)
        text = joined(brief.words, kept).after
        if len(kept) == most or not words or lowered(words) in lowered(text):
            continue
        longer = joined(brief.words, [*kept, idea.model_copy(update={"words": words})])
        if _keeps(brief, wishes, longer.after, idea):
            kept.append(idea.model_copy(update={"words": words}))
    return joined(brief.words, kept)


def enriched(plan: SongPlan, richer: Enhanced, *, by: str) -> SongPlan:
    """The plan with the sounds and moods that were added to its words in every prompt; all else stays as it is.

    The user's words stay first and whole. Instruments, tempo and key are the plan's own to decide.
    """
    words = ", ".join(one.words for one in richer.added if one.kind in ("sound", "mood"))
    if not words:
        return plan

    def with_words(prompt: Decided[str]) -> Decided[str]:
        text = f"{prompt.value}, {words}" if prompt.value else words
        if len(text) > PROMPT_CHARACTERS:
            return prompt
        return Decided(value=text, by="inferred", why=f"your words, what the plan adds, and {by}’s ideas")

    sections = [one.model_copy(update={"prompt": with_words(one.prompt)}) for one in plan.sections]
    return plan.model_copy(update={"prompt": with_words(plan.prompt), "sections": sections})


def tidy(phrase: str) -> str:
    """A short phrase of plain words, or "" when it is something else: a sentence, an order, noise."""
    words = " ".join(phrase.split()).strip(" .,;:-")
    if re.fullmatch(r"\d{2,3} bpm", words):
        return words
    return words if _PHRASE.fullmatch(words) and len(words.split()) <= 6 else ""


def _keeps(brief: Brief, wishes: Wishes, longer: str, idea: Idea) -> bool:
    """Whether the longer words still ask for all that the shorter ones did, and for nothing of another kind."""
    try:
        after = read_brief(brief.model_copy(update={"words": longer}))
    except BriefError:
        return False
    if set(after.notes) - set(wishes.notes):  # a settlement that was not needed before: something conflicts
        return False
    same = (
        _same_form(after, wishes)
        and after.seconds == wishes.seconds
        and after.bars == wishes.bars
        and (after.without, after.without_roles, after.negative)
        == (wishes.without, wishes.without_roles, wishes.negative)
        and after.only == wishes.only
        and after.influences == wishes.influences
        and after.moods.value[: len(wishes.moods.value)] == wishes.moods.value
        and after.voices[: len(wishes.voices)] == wishes.voices
    )
    for before_one, after_one in (
        (wishes.genre, after.genre),
        (wishes.tempo, after.tempo),
        (wishes.meter, after.meter),
    ):
        same = same and (before_one.by != "asked" or before_one.value == after_one.value)
    if idea.kind != "tempo" and wishes.tempo.by != "asked":
        same = same and after.tempo.by != "asked"
    if idea.kind != "key":
        same = same and (after.key, after.mode) == (wishes.key, wishes.mode)
    if wishes.only:
        same = same and after.voices == wishes.voices
    added = {one for voice in after.voices[len(wishes.voices) :] for one in voice.instruments[:1]}
    return same and (wishes.meter.by == "asked" or after.meter.by != "asked") and not added & wishes.without


def _same_form(after: Wishes, before: Wishes) -> bool:
    """Whether the shape asked for is the same; where in the text its cues stand does not matter."""

    def bare(wishes: Wishes) -> object:
        cues = tuple(cue.model_copy(update={"start": 0, "end": 0}) for cue in wishes.form.cues)
        return wishes.form.model_copy(update={"cues": cues})

    return bare(after) == bare(before)


def named(instrument: str) -> str:
    """An instrument as a text-to-music model is told of it."""
    return knowledge.instruments()[instrument].prompt
