"""Who plays, and where: instruments by part for the whole song, and which of them each section uses.

Knows nothing of chords, tempos or words.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence

from agents import knowledge
from agents.knowledge import Genre, Role
from agents.layout import Part
from agents.wishes import Wishes

ROLES: tuple[Role, ...] = ("drums", "percussion", "bass", "chords", "pad", "melody", "counter")
# A part stays out of sections calmer than this, on a scale from the song's calmest section to its strongest.
_ENTERS: dict[Role, float] = {
    "chords": 0.0, "pad": 0.0, "bass": 0.15, "drums": 0.2, "melody": 0.3, "percussion": 0.45, "counter": 0.7,
}  # fmt: skip
# Who may take over a part when everyone the genre would use has been sent away.
_SUBSTITUTES: dict[Role, tuple[str, ...]] = {
    "bass": ("finger_bass", "acoustic_bass", "synth_bass"),
    "chords": ("electric_piano", "nylon_guitar", "piano", "harp", "polysynth", "drawbar_organ", "vibraphone"),
    "melody": ("flute", "vibraphone", "clean_guitar", "violin", "clarinet", "saw_lead"),
}
Cast = dict[str, Role]


def cast_song(wishes: Wishes, genre: Genre, rng: random.Random) -> tuple[Cast, list[str]]:
    """Instruments and the part each plays: those asked for first, the genre's own for the parts left open.

    Nobody who was sent away plays. Answers with notes about what could not be done.
    """
    notes: list[str] = []
    cast: Cast = {}
    for voice in wishes.voices:
        instrument = _of_the_genre([one for one in voice.instruments if one not in wishes.without], genre, rng)
        if instrument is None or instrument in cast:
            continue
        cast[instrument] = _part_for(instrument, voice.role, genre, set(cast.values()))
    loved = [one for mood in wishes.moods.value for one in knowledge.moods()[mood].instruments]
    for role in ROLES:
        if role in wishes.without_roles or role in cast.values() or (wishes.only and cast):
            continue
        choice = _pick(role, wishes, genre, rng, taken=set(cast), loved=loved)
        if choice is not None:
            cast[choice] = role
    if not cast or (all(role in ("drums", "percussion") for role in cast.values()) and not wishes.only):
        spare = next(
            (
                one
                for one in ("piano", "electric_piano", *knowledge.instruments())
                if one not in wishes.without and one not in cast and "chords" in knowledge.instruments()[one].roles
            ),
            "piano",
        )
        notes.append(f"Nearly everything was left out, so {knowledge.instruments()[spare].label.lower()} plays alone.")
        cast[spare] = "chords"
    return {one: cast[one] for one in sorted(cast, key=lambda one: ROLES.index(cast[one]))}, notes


def _of_the_genre(candidates: Sequence[str], genre: Genre, rng: random.Random) -> str | None:
    """Of the instruments a word covers, the one this genre would use."""
    if not candidates:
        return None
    ranked = [(place, one) for ids in genre.palette.values() for place, one in enumerate(ids) if one in candidates]
    return min(ranked)[1] if ranked else candidates[0]


def _part_for(instrument: str, wished: str | None, genre: Genre, filled: set[Role]) -> Role:
    """The part an asked-for instrument plays: one the genre gives it, one still open, or its own first."""
    own = knowledge.instruments()[instrument].roles
    if wished in own:
        return wished
    usual = [role for role, ids in genre.palette.items() if instrument in ids]
    options = [*usual, *own]
    return next((role for role in options if role not in filled), own[0])


def _pick(
    role: Role, wishes: Wishes, genre: Genre, rng: random.Random, *, taken: set[str], loved: Sequence[str]
) -> str | None:
    palette = [one for one in genre.palette.get(role, ()) if one not in taken]
    usable = [one for one in palette if one not in wishes.without]
    if usable:
        weights = [(3.0 / (1 + place)) * (2.0 if one in loved else 1.0) for place, one in enumerate(usable)]
        return rng.choices(usable, weights)[0]
    if not palette:  # the genre does without this part
        return None
    others = [one for ids in genre.palette.values() for one in ids if role in knowledge.instruments()[one].roles]
    return next(
        (one for one in (*others, *_SUBSTITUTES.get(role, ())) if one not in wishes.without and one not in taken), None
    )


def voices_by_section(
    parts: Sequence[Part],
    cast: Cast,
    wishes: Wishes,
    rng: random.Random,
    *,
    proposed: Mapping[str, Collection[str]] | None = None,
) -> list[list[str]]:
    """The instruments that play in each section, entering and leaving with its energy; never an empty section.

    proposed: who should play, by section name; those asked for stay, and cues are followed all the same.
    """
    low, high = min(part.energy for part in parts), max(part.energy for part in parts)
    asked = {one for voice in wishes.voices for one in voice.instruments}
    opens_with_beat = rng.random() < 0.5
    sections: list[list[str]] = []
    for index, part in enumerate(parts):
        level = (part.energy - low) / (high - low) if high - low > 0.05 else 0.75
        level = max(level, part.energy - 0.45)  # a loud song's intro is no whisper
        if 0 < index < len(parts) - 1 and part.energy > 0.25:
            level = max(level, 0.3)
        playing = [one for one, role in cast.items() if level >= _ENTERS[role] - (0.3 if one in asked else 0.0)]
        if index == 0 and len(parts) > 1 and level < 0.2 and opens_with_beat and high > 0.75:
            playing += [one for one, role in cast.items() if role == "drums" and one not in playing]
        if proposed and set(cast) & set(proposed.get(part.name, ())):
            playing = [one for one in cast if one in proposed[part.name] or (one in asked and one in playing)]
        if part.wish and part.wish.voices:
            playing = _as_wished(part, playing, cast, wishes)
        sections.append(playing)
    _follow_cues(sections, parts, cast, wishes)
    for playing in sections:
        if not playing:
            playing += [one for one, role in cast.items() if role in ("pad", "chords")][:1] or list(cast)[-1:]
    _nobody_is_idle(sections, parts, cast, wishes)
    return [[one for one in cast if one in playing] for playing in sections]


def _as_wished(part: Part, playing: list[str], cast: Cast, wishes: Wishes) -> list[str]:
    if part.wish is None:
        return playing
    named: list[str] = []
    for candidates in part.wish.voices:
        named += [one for one in cast if one in candidates][:1]
    return named if part.wish.alone and named else [*playing, *(one for one in named if one not in playing)]


def _follow_cues(sections: list[list[str]], parts: Sequence[Part], cast: Cast, wishes: Wishes) -> None:
    for cue in wishes.form.cues:
        if cue.rule in ("opens", "closes"):
            alone = [one for one in cast if one in cue.instruments][:1]
            if alone and len(parts) > 1:
                sections[0 if cue.rule == "opens" else -1] = alone
            continue
        cued = [one for one, role in cast.items() if one in cue.instruments or role == cue.role]
        first = next((index for index, part in enumerate(parts) if part.name == cue.section), 0)
        for index, part in enumerate(parts):
            here = part.name == cue.section
            out = {"from": index < first, "only": not here, "not": here}[cue.rule]
            if out:
                sections[index] = [one for one in sections[index] if one not in cued]
            elif cue.rule == "only" or (cue.rule == "from" and index == first):
                sections[index] += [one for one in cued if one not in sections[index]]


def _nobody_is_idle(sections: list[list[str]], parts: Sequence[Part], cast: Cast, wishes: Wishes) -> None:
    """Everyone cast plays somewhere: in the strongest section that is not reserved for others."""
    order = sorted(range(len(parts)), key=lambda index: -parts[index].energy)
    for one in cast:
        if not any(one in playing for playing in sections):
            barred = {
                index
                for cue in wishes.form.cues
                if one in cue.instruments or cast[one] == cue.role
                for index, part in enumerate(parts)
                if (cue.rule == "not" and part.name == cue.section) or (cue.rule == "only" and part.name != cue.section)
            }
            free = [index for index in order if index not in barred and not _reserved(parts[index])]
            sections[(free or order)[0]].append(one)


def _reserved(part: Part) -> bool:
    return bool(part.wish and part.wish.alone)
