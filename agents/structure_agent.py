"""The structure agent: turns wishes into a song plan, by rules or by rules on a language model's outline.

The seed chooses among what was left open (progressions, key, voices, title) and never touches what was asked. The same
wishes and seed always give the same plan. Knows nothing of engines or sound.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from agents import knowledge, outline
from agents.answers import Answer, by_rules
from agents.arranging import cast_song, voices_by_section
from agents.chord_charts import chart_sections, choose_key
from agents.enhancing import PROMPT_CHARACTERS
from agents.knowledge import Genre
from agents.language_model import LanguageModel
from agents.layout import Part, fit_length, lay_out
from agents.outline import Proposal
from agents.prompt_agent import describe
from agents.reading_brief import read_brief
from agents.titles import title_for
from agents.types import Brief, Decided, Section, SongPlan
from agents.wishes import TempoRange, Wishes


def plan_from_brief(brief: Brief, *, seed: int = 0) -> SongPlan:
    """The whole way from a brief to a plan, deterministic for both.

    Raises EmptyBrief or BriefError, in the user's words.
    """
    return plan_song(read_brief(brief), seed=seed)


def plan_with(wishes: Wishes, *, language_model: LanguageModel | None = None, seed: int = 0) -> Answer[SongPlan]:
    """A plan on a language model's outline or, with None, by rules alone; either way every wish is kept.

    Raises AnswerStopped when stopped.
    """
    if language_model is None:
        return by_rules("structure", plan_song(wishes, seed=seed))
    return replace(language_model, seed=seed).ask(
        task="structure",
        system=outline.SYSTEM,
        user=outline.shown(wishes),
        schema=outline.Outline,
        use=lambda said: plan_song(wishes, seed=seed, proposal=outline.proposal_of(said, wishes)),
        fallback=lambda: plan_song(wishes, seed=seed),
        max_tokens=900,
    )


def plan_song(wishes: Wishes, *, seed: int = 0, proposal: Proposal | None = None) -> SongPlan:
    """A playable plan that keeps every wish; what could not be kept is said in its notes.

    proposal: what takes the place of the genre's habits; it is followed as far as the wishes leave room.
    """
    genre = proposal.genre if proposal else knowledge.genres()[wishes.genre.value]
    rng = random.Random(f"{seed}/{wishes.brief.as_seed()}")
    fit = fit_length(_with_tempo(wishes, proposal))
    key = choose_key(wishes, genre, rng)
    if proposal and wishes.key is None:
        key = Decided(value=proposal.key, by="inferred", why=proposal.why)
    habit = proposal.why if proposal else f"usual for {genre.label.lower()}"
    bar_seconds = fit.meter.value.bar_seconds(fit.tempo.value)
    parts, layout_notes = lay_out(wishes, genre, bars=fit.bars, bar_seconds=bar_seconds)
    cast, cast_notes = cast_song(wishes, genre, rng)
    voices = voices_by_section(parts, cast, wishes, rng, proposed=proposal.voices if proposal else None)
    charts = chart_sections(parts, key.value, genre, rng, proposed=proposal.charts if proposal else None)
    song = describe(wishes, tempo_bpm=fit.tempo.value, key=key.value, meter=fit.meter.value, instruments=list(cast))
    sections = [
        _section(
            part, chords=chart, instruments=playing, genre=genre, song_prompt=song, habit=habit, proposed=bool(proposal)
        )
        for part, chart, playing in zip(parts, charts, voices, strict=True)
    ]
    asked = {one for voice in wishes.voices for one in voice.instruments}
    negative = ", ".join(
        dict.fromkeys(part for part in (wishes.brief.negative_words.strip(), *wishes.negative) if part)
    )
    return SongPlan(
        brief=wishes.brief,
        title=Decided(value=title_for(wishes, rng), by="inferred", why="from your words, the mood and the genre"),
        seconds=fit.seconds,
        tempo_bpm=fit.tempo,
        key=key,
        meter=fit.meter,
        genre=wishes.genre,
        moods=Decided(value=list(wishes.moods.value), by=wishes.moods.by, why=wishes.moods.why),
        groove=Decided(value=genre.groove, by="inferred", why=f"how {genre.label.lower()} moves"),
        instruments=Decided(
            value=list(cast),
            by="asked" if asked & set(cast) or wishes.without else "inferred",
            why="those you named, and what the genre adds" if asked & set(cast) else habit,
        ),
        prompt=Decided(value=song, by="inferred", why="your words, and what the plan adds"),
        negative_prompt=Decided(value=negative[:PROMPT_CHARACTERS], by="asked" if negative else "default"),
        sections=sections,
        notes=list(dict.fromkeys((*wishes.notes, *fit.notes, *layout_notes, *cast_notes))),
    )


def _with_tempo(wishes: Wishes, proposal: Proposal | None) -> Wishes:
    """The wishes with a proposed tempo to aim at, in the range they leave."""
    if proposal is None or wishes.tempo.value.is_fixed:
        return wishes
    tempo: Decided[TempoRange] = Decided(value=proposal.tempo, by=wishes.tempo.by, why=wishes.tempo.why)
    return wishes.model_copy(update={"tempo": tempo})


def _section(
    part: Part,
    *,
    chords: Sequence[str],
    instruments: Sequence[str],
    genre: Genre,
    song_prompt: str,
    habit: str,
    proposed: bool,
) -> Section:
    asked = part.wish is not None
    why = "in your words" if asked else habit
    by = "asked" if asked else "inferred"
    bars_asked = bool(part.wish and (part.wish.bars or part.wish.seconds))
    energy_asked = bool(part.wish and part.wish.energy is not None)
    return Section(
        name=Decided(value=part.name, by=by, why=why),
        bars=Decided(
            value=part.bars,
            by="asked" if bars_asked else "inferred",
            why=why if bars_asked else "its share of the length",
        ),
        energy=Decided(value=part.energy, by="asked" if energy_asked else "inferred", why=why),
        prompt=Decided(value=_section_prompt(part, instruments, song_prompt), by="inferred"),
        chords=Decided(
            value=list(chords),
            by="inferred",
            why=habit if proposed else f"a progression of {genre.label.lower()}",
        ),
        instruments=Decided(value=list(instruments), by="inferred", why="by the section's energy"),
    )


def _section_prompt(part: Part, instruments: Sequence[str], song_prompt: str) -> str:
    """What a text-to-music model is told for this stretch: the section's own words, then the song's."""
    level = next(
        word
        for limit, word in ((0.3, "sparse and quiet"), (0.55, "restrained"), (0.8, "full"), (2.0, "at full power"))
        if part.energy < limit
    )
    own = f"{part.wish.prompt} {part.name}".strip() if part.wish and part.wish.prompt else part.name
    played = ", ".join(knowledge.instruments()[one].prompt for one in instruments)
    head = f"{own}, {level}, {played}. "
    return (head + song_prompt)[:PROMPT_CHARACTERS]
