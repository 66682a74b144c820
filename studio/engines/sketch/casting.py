"""Who plays what: the plan's instruments, each given one role for the whole song."""

from __future__ import annotations

from itertools import product

from agents.knowledge import Genre, Role, genres, instruments
from agents.types import SongPlan
from studio.engines.sketch.grooves import Groove
from studio.engines.sketch.score import Part


def cast(plan: SongPlan, groove: Groove, *, lead: str | None = None) -> tuple[list[Part], list[frozenset[str]]]:
    """The parts, and for each section the identifiers of those who play in it.

    Instruments nobody knows are left out. A section that names none has the whole band; a song that names none gets
    its genre's usual players, or the groove's. lead: who has a given melody, before all others who sing.
    """
    known = instruments()
    band = [name for name in plan.instruments.value if name in known]
    by_section = [[name for name in s.instruments.value if name in known] for s in plan.sections]
    everyone = list(dict.fromkeys([*band, *(name for names in by_section for name in names)]))
    if not everyone:
        everyone = band = _usual_band(plan, groove)
    playing = [frozenset(names or band or everyone) for names in by_section]
    everyone = [name for name in everyone if any(name in names for names in playing)]
    roles = _roles(everyone, plan, lead)
    parts: list[Part] = []
    counts: dict[Role, int] = {}
    for name in sorted(everyone, key=lambda n: (_SCORE_ORDER.index(roles[n]), n != lead, everyone.index(n))):
        role = roles[name]
        parts.append(Part(name=name, instrument_id=name, instrument=known[name], role=role, order=counts.get(role, 0)))
        counts[role] = counts.get(role, 0) + 1
    return parts, playing


_SCORE_ORDER: tuple[Role, ...] = ("drums", "percussion", "bass", "chords", "pad", "melody", "counter")


def _usual_band(plan: SongPlan, groove: Groove) -> list[str]:
    known = instruments()
    genre = _genres().get(plan.genre.value)
    if genre is not None:
        firsts = [names[0] for names in genre.palette.values() if names and names[0] in known]
        if firsts:
            return list(dict.fromkeys(firsts))
    return [name for name in groove.band if name in known]


def _genres() -> dict[str, Genre]:
    try:
        return dict(genres())
    except (OSError, ValueError):  # the genre knowledge is a convenience here, never a condition
        return {}


# What a song misses most when nobody plays it.
_MISSED: dict[Role, float] = {"bass": 5.0, "chords": 4.0, "melody": 4.0, "pad": 1.0, "counter": 0.5}
_MOST_CHOICES = 4096


def _roles(names: list[str], plan: SongPlan, lead: str | None) -> dict[str, Role]:
    """One role each: as the genre uses the instrument, as the instrument likes best, and nothing important missing."""
    known = instruments()
    genre = _genres().get(plan.genre.value)
    palette: dict[Role, tuple[str, ...]] = genre.palette if genre is not None else {}
    fixed: dict[str, Role] = {}
    choices: dict[str, tuple[Role, ...]] = {}
    room = _MOST_CHOICES
    for name in names:
        own: tuple[Role, ...] = ("melody",) if name == lead else known[name].roles
        usual = tuple(role for role in own if name in palette.get(role, ()))
        options = own if len(own) <= room else (usual or own)[:1]
        room //= max(1, len(options))
        if len(options) == 1:
            fixed[name] = options[0]
        else:
            choices[name] = options

    def cost(assigned: tuple[Role, ...]) -> float:
        roles = {**fixed, **dict(zip(choices, assigned, strict=True))}
        filled = list(roles.values())
        total = sum(weight for role, weight in _MISSED.items() if role not in filled)
        total += sum(1.6 * (filled.count(role) - 1) for role in set(filled))
        for name, role in roles.items():
            total += 0.6 * (name != lead and known[name].roles.index(role)) - (
                1.5 if name in palette.get(role, ()) else 0.0
            )
        return total

    best = min(product(*choices.values()), key=cost)
    return {**fixed, **dict(zip(choices, best, strict=True))}
