"""References to a plan: what two to five tracks, each with a weight, lend to a song, and why.

Tempos are read at one octave and averaged in proportion; the key is the one nearest to all on the circle of fifths; the
heaviest track gives groove and rhythm section, the next ones the chords' and the tune's instruments. What the brief
asks for is never touched. Knows nothing of where tracks are kept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from agents import knowledge
from agents.harmony import Key, Meter
from agents.knowledge import Role
from agents.outline import Proposal
from agents.style_agent import Reference, style_card
from agents.types import MAX_TEMPO_BPM, MIN_TEMPO_BPM, Brief, Decided, ShapedBy, SongPlan
from agents.wishes import TempoRange, Wishes
from audio.register import USUAL_PITCH

_OFF_THE_USUAL = 4.5  # semitones: timbre alone moves the measure by less
_TONICS = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_MIXES_IN = 0.22  # the share of the weight from which a track lends instruments


class Weighted(BaseModel):
    """A reference, its name in the brief and how much it pulls (above 0)."""

    model_config = ConfigDict(frozen=True)

    id: str
    reference: Reference
    weight: float = 1.0


class Inspiration(BaseModel):
    """What the references lend. Each value is a Decided by inference whose `why` names the tracks; None where no track
    says anything. gave: by reference, what is its."""

    model_config = ConfigDict(frozen=True)

    references: tuple[Weighted, ...]
    tempo_bpm: Decided[float] | None = None
    key: Decided[Key] | None = None
    energy: Decided[float] | None = None
    genre: Decided[str] | None = None
    register_semitones: int = 0
    groove: str | None = None
    palette: dict[Role, tuple[str, ...]] = {}
    influences: tuple[str, ...] = ()
    gave: dict[str, tuple[str, ...]] = {}

    @property
    def sentences(self) -> list[str]:
        """What is taken from where, for the user to read."""
        said = [one.why for one in (self.tempo_bpm, self.key, self.energy, self.genre) if one is not None]
        if self.register_semitones:
            way = "above" if self.register_semitones > 0 else "below"
            said.append(
                f"Tunes and chords lie {abs(self.register_semitones)} semitones {way} their usual place, as there."
            )
        return said


def inspiration_of(references: Sequence[Weighted]) -> Inspiration:
    """What these references lend together. The order does not matter, the weights do."""
    ranked = tuple(sorted((one for one in references if one.weight > 0), key=lambda one: (-one.weight, one.id)))
    if not ranked:
        return Inspiration(references=())
    tempo, key, energy = _tempo(ranked), _key(ranked), _energy(ranked)
    genres = _genres(ranked)
    palette, lenders = _palette(genres)
    groove = next((one.reference.groove for one in ranked if one.reference.groove), None)
    if groove is None and genres:
        groove = knowledge.genres()[genres[0][1]].groove
    gave: dict[str, list[str]] = {one.id: [] for one in ranked}
    for one in ranked:
        its = one.reference
        gave[one.id] += [f"{its.tempo_bpm:.0f} bpm"] if tempo and its.tempo_bpm else []
        gave[one.id] += [its.key.name] if key and its.key else []
        gave[one.id] += [f"energy {its.energy:.2f}"] if energy and its.energy is not None else []
    if genres and groove:
        gave[genres[0][0].id].append(f"the {groove.replace('_', ' ')} groove")
    for identity, roles in lenders.items():
        gave[identity].append(f"who plays {_listed([_ROLE_WORDS[role] for role in roles])}")
    return Inspiration(
        references=ranked,
        tempo_bpm=tempo,
        key=key,
        energy=energy,
        genre=_genre(genres),
        register_semitones=_register(ranked),
        groove=groove,
        palette=palette,
        influences=tuple(dict.fromkeys(name for _, name in genres[1:] if name != genres[0][1])),
        gave={name: tuple(dict.fromkeys(said)) for name, said in gave.items()},
    )


# ----------------------------------------------------------------------------------------------- figures mixed


def _named(one: Weighted) -> str:
    return f"“{one.reference.name or one.id}”"


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words[:-1]) + (" and " if len(words) > 1 else "") + words[-1] if words else ""


def _between(what: str, values: Sequence[tuple[Weighted, str]]) -> str:
    """“84 bpm, from “A”.” or “104 bpm, between “A” (90) and “B” (120), by their weights.”"""
    if len(values) == 1:
        return f"{what}, from {_named(values[0][0])}."
    return f"{what}, between {_listed([f'{_named(one)} ({said})' for one, said in values])}, by their weights."


def _tempo(ranked: Sequence[Weighted]) -> Decided[float] | None:
    """The weighted geometric mean, every tempo first brought to the octave nearest to the heaviest one's."""
    known = [(one, one.reference.tempo_bpm) for one in ranked if one.reference.tempo_bpm]
    if not known:
        return None
    anchor = known[0][1] or 1.0
    folded = [(one, min((t / 2, t, t * 2), key=lambda x: abs(math.log2(x / anchor)))) for one, t in known if t]
    total = sum(one.weight for one, _ in folded)
    tempo = math.exp(sum(one.weight * math.log(t) for one, t in folded) / total)
    tempo = round(min(MAX_TEMPO_BPM, max(MIN_TEMPO_BPM, tempo)), 1)
    why = _between(f"{tempo:g} bpm", [(one, f"{t:g}") for one, t in folded])
    return Decided(value=tempo, by="inferred", why=why)


def _fifths(key: Key) -> int:
    """The place on the circle of fifths of a key's notes, 0 for C major and A minor."""
    return (key if not key.is_minor else key.relative).tonic * 7 % 12


def key_distance(one: Key, other: Key) -> float:
    """Steps apart on the circle of fifths, 0 to 6, and half a step for another mode."""
    steps = abs(_fifths(one) - _fifths(other))
    return min(steps, 12 - steps) + (0.5 if one.is_minor != other.is_minor else 0.0)


def _key(ranked: Sequence[Weighted]) -> Decided[Key] | None:
    """The key with the least weighted squared distance to all; of two as near, the one nearer to the heaviest."""
    known = [(one, one.reference.key) for one in ranked if one.reference.key]
    if not known:
        return None
    choices = [key for _, key in known if key]
    choices += [Key.parse(f"{tonic} {mode}") for tonic in _TONICS for mode in ("major", "minor")]

    def strain(key: Key) -> tuple[float, float]:
        whole = sum((one.weight * key_distance(key, its) ** 2 for one, its in known if its), 0.0)
        return round(whole, 6), key_distance(key, known[0][1] or key)

    best = min(choices, key=strain)
    why = _between(best.name, [(one, key.name) for one, key in known if key])
    if len(known) > 1 and len({key.name for _, key in known if key}) == 1:
        why = f"{best.name}, the key of {_listed([_named(one) for one, _ in known])}."
    elif len(known) > 1:
        why = why.replace("by their weights", "the nearest to all on the circle of fifths")
    return Decided(value=best, by="inferred", why=why)


def _energy(ranked: Sequence[Weighted]) -> Decided[float] | None:
    known = [(one, one.reference.energy) for one in ranked if one.reference.energy is not None]
    if not known:
        return None
    total = sum(one.weight for one, _ in known)
    energy = sum(one.weight * (value or 0.0) for one, value in known) / total
    why = _between(f"Energy {energy:.2f}", [(one, f"{value:.2f}") for one, value in known])
    return Decided(value=min(1.0, max(0.0, energy)), by="inferred", why=why)


def _register(ranked: Sequence[Weighted]) -> int:
    known = [one for one in ranked if one.reference.register_pitch is not None]
    if not known:
        return 0
    total = sum(one.weight for one in known)
    middle = sum(one.weight * (one.reference.register_pitch or 0.0) for one in known) / total
    off = middle - USUAL_PITCH
    return (12 if off > 0 else -12) if abs(off) >= _OFF_THE_USUAL else 0


# ----------------------------------------------------------------------------------------------- genre and band


def _genres(ranked: Sequence[Weighted]) -> list[tuple[Weighted, str]]:
    """Which reference is of which genre, the heaviest first; those nobody can tell are left out."""
    found = []
    for one in ranked:
        name = one.reference.genre or style_card([one.reference]).value.genre
        if name in knowledge.genres():
            found.append((one, str(name)))
    return found


def _genre(genres: Sequence[tuple[Weighted, str]]) -> Decided[str] | None:
    if not genres:
        return None
    weights: dict[str, float] = {}
    for one, name in genres:
        weights[name] = weights.get(name, 0.0) + one.weight
    best = max(weights, key=lambda name: weights[name])
    from_whom = [_named(one) for one, name in genres if name == best]
    return Decided(value=best, by="inferred", why=f"{knowledge.genres()[best].label}, as {_listed(from_whom)}.")


_ROLE_WORDS: dict[Role, str] = {
    "drums": "the drums", "percussion": "percussion", "bass": "the bass", "chords": "the chords", "pad": "the pads",
    "melody": "the tune", "counter": "the second voice",
}  # fmt: skip
_LENT_BY_PLACE: tuple[tuple[Role, ...], ...] = (
    ("drums", "percussion", "bass"),
    ("melody", "counter"),
    ("chords", "pad"),
)


def _palette(
    genres: Sequence[tuple[Weighted, str]],
) -> tuple[dict[Role, tuple[str, ...]], dict[str, list[Role]]]:
    """The instruments by role out of several genres: rhythm from the heaviest, tune and chords from the next ones."""
    if not genres:
        return {}, {}
    total = sum(one.weight for one, _ in genres)
    first = genres[0]
    palette = dict(knowledge.genres()[first[1]].palette)
    lenders: dict[str, list[Role]] = {}
    mixing = [pair for pair in genres[1:] if pair[0].weight / total >= _MIXES_IN and pair[1] != first[1]]
    for place, roles in enumerate(_LENT_BY_PLACE[1:]):
        if not mixing:
            break
        one, name = mixing[min(place, len(mixing) - 1)] if place else mixing[0]
        if place and len(mixing) == 1:
            break  # of two tracks, one keeps rhythm and chords, the other has the tune
        for role in roles:
            if theirs := knowledge.genres()[name].palette.get(role):
                palette[role] = theirs
                lenders.setdefault(one.id, []).append(role)
    return palette, lenders


# ------------------------------------------------------------------------------------------------- into a plan


def inspired_wishes(wishes: Wishes, inspiration: Inspiration) -> Wishes:
    """The wishes with what the references lend where the words left it open."""
    changes: dict[str, object] = {}
    if inspiration.genre is not None and wishes.genre.by != "asked":
        changes["genre"] = inspiration.genre
        changes["influences"] = tuple(dict.fromkeys((*wishes.influences, *inspiration.influences)))
        if wishes.meter.by != "asked":
            usual = Meter.parse(knowledge.genres()[inspiration.genre.value].meters[0])
            changes["meter"] = Decided(value=usual, by="inferred", why=inspiration.genre.why)
    if inspiration.tempo_bpm is not None and wishes.tempo.by != "asked":
        bpm = inspiration.tempo_bpm.value
        exactly = TempoRange(low_bpm=bpm, high_bpm=bpm, aim_bpm=bpm)
        changes["tempo"] = Decided(value=exactly, by="inferred", why=inspiration.tempo_bpm.why)
    if inspiration.key is not None and wishes.key is None:
        key = inspiration.key.value
        if wishes.mode is not None:
            key = Key(tonic=key.tonic, mode=wishes.mode.value)
        changes["key"] = Decided(value=key, by="inferred", why=inspiration.key.why)
    return wishes.model_copy(update=changes)


def proposal_from(wishes: Wishes, inspiration: Inspiration) -> Proposal | None:
    """The genre's habits with the references' band and groove, for `plan_song`; None when there is nothing to lend.

    wishes: as `inspired_wishes` made them.
    """
    if not (inspiration.palette or inspiration.groove) or wishes.genre.by == "asked":
        return None
    genre = knowledge.genres()[wishes.genre.value]
    changed = genre.model_copy(
        update={"palette": inspiration.palette or genre.palette, "groove": inspiration.groove or genre.groove}
    )
    if wishes.key is None:
        return None
    return Proposal(genre=changed, tempo=wishes.tempo.value, key=wishes.key.value, why="as in your references")


def lent_to(plan: SongPlan, inspiration: Inspiration) -> SongPlan:
    """The plan at the references' density and register, with what shaped it noted."""
    sections = plan.sections
    if inspiration.energy is not None and sections:
        weights = [section.bars.value for section in sections]
        mean = sum(w * s.energy.value for w, s in zip(weights, sections, strict=True)) / sum(weights)
        shift = inspiration.energy.value - mean
        sections = [
            section
            if section.energy.by == "asked"
            else section.model_copy(
                update={
                    "energy": Decided(
                        value=round(min(1.0, max(0.05, section.energy.value + shift)), 3), by="inferred",
                        why=inspiration.energy.why,
                    )
                }
            )
            for section in sections
        ]  # fmt: skip
    groove = plan.groove
    if inspiration.groove and plan.genre.by != "asked":
        groove = Decided(value=inspiration.groove, by="inferred", why="the groove of your heaviest reference")
    shaped = [
        ShapedBy(id=one.id, name=one.reference.name or one.id, weight=one.weight, gave=inspiration.gave.get(one.id, ()))
        for one in inspiration.references
    ]
    return plan.model_copy(
        update={
            "sections": sections, "groove": groove, "register_semitones": inspiration.register_semitones,
            "shaped_by": shaped, "notes": [*plan.notes, *inspiration.sentences], "planned_by": "built-in rules",
        }
    )  # fmt: skip


def plan_after(brief: Brief, references: Sequence[Weighted], *, seed: int = 0) -> SongPlan:
    """A plan that keeps every wish of the brief and takes the rest from the references; deterministic for all three.

    A brief without words takes the references' style card for its words. Raises BriefError as reading does.
    """
    from agents.reading_brief import read_brief
    from agents.structure_agent import plan_song

    inspiration = inspiration_of(references)
    spoken = brief
    if not brief.words.strip():
        card = style_card([one.reference for one in inspiration.references]).value
        spoken = brief.model_copy(update={"words": ", ".join(dict.fromkeys((*card.moods, *card.sound)))[:400]})
    wishes = inspired_wishes(read_brief(spoken), inspiration)
    plan = plan_song(wishes, seed=seed, proposal=proposal_from(wishes, inspiration))
    return lent_to(plan, inspiration).model_copy(update={"brief": brief})
