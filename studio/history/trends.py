"""What makes takes liked: outcomes counted by tempo, genre, engine, guidance, adapter and more, with honest intervals.

A take's outcome is what its listener did: voted it or preferred it, or took it away as a file (liked); voted it down,
rejected it or deleted it (disliked). Takes nobody judged are counted and claim nothing. A value stands out only when
Fisher's exact test of it against all other values says so after Holm's correction over everything tested, so that the
chance of any false claim on the whole page is at most LEVEL. What stands out only because it comes together with
something surer (a genre's usual instrument) is told apart by the Cochran-Mantel-Haenszel test within the groups that
the surer values make. Intervals are Wilson's (1927), at 95 %.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import Literal

from studio.history.opinions import Standing
from studio.takes import Take

LEVEL = 0.05
LEAST_JUDGED = 8  # of a value and of the rest; fewer can say nothing
_Z = 1.959964
TEMPO_BAND_BPM = 20
GUIDANCE_STEP = 1.0

Lean = Literal["liked", "disliked", ""]


@dataclass(frozen=True, slots=True)
class Judged:
    """A take and what became of it. liked None: nobody said."""

    take: Take
    liked: bool | None


@dataclass(frozen=True, slots=True)
class ValueTrend:
    """One value of one aspect. liked of judged takes; low, high: Wilson's interval of the share; rest_share: of all
    other judged takes; p_value: Fisher's, corrected by Holm; leans: "" when nothing can be said. along_with: a surer
    value which explains this one, "" when it stands out by itself.
    """

    aspect: str
    value: str
    takes: int
    judged: int
    liked: int
    low: float
    high: float
    rest_share: float
    p_value: float
    leans: Lean = ""
    along_with: str = ""

    @property
    def share(self) -> float:
        return self.liked / self.judged if self.judged else 0.0

    @property
    def sentence(self) -> str:
        """ "guidance 4: liked 18 of 20 (70 to 97 %), elsewhere 45 %."""
        return (
            f"{self.aspect} {self.value}: liked {self.liked} of {self.judged} "
            f"({self.low:.0%} to {self.high:.0%}), elsewhere {self.rest_share:.0%}."
        )


@dataclass(frozen=True, slots=True)
class Trends:
    """Every value of every aspect, most judged first, out of `takes` of which `judged` were judged."""

    takes: int
    judged: int
    liked: int
    values: tuple[ValueTrend, ...]

    def of(self, aspect: str) -> tuple[ValueTrend, ...]:
        return tuple(value for value in self.values if value.aspect == aspect)

    @property
    def found(self) -> tuple[ValueTrend, ...]:
        """What stands out by itself, surest first."""
        leaning = (value for value in self.values if value.leans and not value.along_with)
        return tuple(sorted(leaning, key=lambda value: value.p_value))


def judged_takes(
    kept: Iterable[Take],
    binned: Iterable[Take],
    *,
    standings: Mapping[str, Standing],
    exported: Collection[str] = (),
) -> list[Judged]:
    """Each take with its outcome. An opinion beats what was done with the take; a deed speaks where none was given."""
    found = []
    for take in kept:
        opinion = standings.get(take.id, Standing()).liked
        found.append(Judged(take, opinion if opinion is not None else (True if take.id in exported else None)))
    for take in binned:
        opinion = standings.get(take.id, Standing()).liked
        found.append(Judged(take, False if opinion is None else opinion))
    return found


def trends(takes: Sequence[Judged]) -> Trends:
    """Count and test every value of every aspect."""
    judged = [each for each in takes if each.liked is not None]
    all_liked = sum(bool(each.liked) for each in judged)
    counted: dict[tuple[str, str], list[Judged]] = defaultdict(list)
    for each in takes:
        for aspect, read in ASPECTS.items():
            for value in dict.fromkeys(read(each.take)):
                counted[aspect, value].append(each)
    rows = [_counted(aspect, value, group, len(judged), all_liked) for (aspect, value), group in counted.items()]
    members = {key: {each.take.id for each in group} for key, group in counted.items()}
    rows = _explained(_corrected(rows, judged=len(judged)), judged, members)
    order = {aspect: number for number, aspect in enumerate(ASPECTS)}
    rows.sort(key=lambda row: (order[row.aspect], -row.judged, row.value))
    return Trends(takes=len(takes), judged=len(judged), liked=all_liked, values=tuple(rows))


def wilson(liked: int, judged: int) -> tuple[float, float]:
    """Wilson's score interval of a share at 95 %; 0 to 1 when nothing was judged."""
    if judged == 0:
        return 0.0, 1.0
    share, square = liked / judged, _Z**2 / judged
    middle = (share + square / 2) / (1 + square)
    reach = _Z * sqrt(share * (1 - share) / judged + square / (4 * judged)) / (1 + square)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def _counted(aspect: str, value: str, group: Sequence[Judged], all_judged: int, all_liked: int) -> ValueTrend:
    judged = [each for each in group if each.liked is not None]
    liked = sum(bool(each.liked) for each in judged)
    rest = all_judged - len(judged)
    low, high = wilson(liked, len(judged))
    return ValueTrend(
        aspect=aspect, value=value, takes=len(group), judged=len(judged), liked=liked, low=low, high=high,
        rest_share=(all_liked - liked) / rest if rest else 0.0,
        p_value=_fisher(liked, len(judged), all_liked - liked, rest),
    )  # fmt: skip


def _fisher(liked: int, judged: int, rest_liked: int, rest: int) -> float:
    """Two-sided; 1 where there is too little to say anything."""
    if min(judged, rest) < LEAST_JUDGED:
        return 1.0
    from scipy.stats import fisher_exact

    return float(fisher_exact([[liked, judged - liked], [rest_liked, rest - rest_liked]]).pvalue)


def _corrected(rows: Sequence[ValueTrend], *, judged: int) -> list[ValueTrend]:
    """Holm's step-down (1979) over all values that could be tested."""
    tested = sorted((row for row in rows if _testable(row, judged)), key=lambda row: row.p_value)
    corrected: dict[tuple[str, str], float] = {}
    worst = 0.0
    for number, row in enumerate(tested):
        worst = max(worst, min(1.0, row.p_value * (len(tested) - number)))
        corrected[row.aspect, row.value] = worst
    return [_leaning(row, corrected.get((row.aspect, row.value), 1.0)) for row in rows]


def _explained(
    rows: Sequence[ValueTrend], judged: Sequence[Judged], members: Mapping[tuple[str, str], set[str]]
) -> list[ValueTrend]:
    """Mark the leaning values that the surer ones explain."""
    surer: list[ValueTrend] = []
    explained: dict[tuple[str, str], str] = {}
    # Of two that say the same, the one that is liked speaks.
    for row in sorted((row for row in rows if row.leans), key=lambda row: (row.p_value, row.leans != "liked")):
        own = members[row.aspect, row.value]
        groups: dict[tuple[bool, ...], list[Judged]] = defaultdict(list)
        for each in judged:
            groups[tuple(each.take.id in members[other.aspect, other.value] for other in surer)].append(each)
        if surer and _mantel_haenszel(list(groups.values()), own) > LEVEL:
            nearest = max(surer, key=lambda other: _overlap(own, members[other.aspect, other.value]))
            explained[row.aspect, row.value] = f"{nearest.aspect} {nearest.value}"
        else:
            surer.append(row)
    return [replace(row, along_with=explained.get((row.aspect, row.value), "")) for row in rows]


def _overlap(one: set[str], other: set[str]) -> float:
    return abs(len(one & other)) / len(one | other)


def _mantel_haenszel(groups: Sequence[Sequence[Judged]], own: set[str]) -> float:
    """The chance of such a difference if, within each group, liking had nothing to do with belonging to `own`."""
    from scipy.stats import chi2

    difference = variance = 0.0
    for group in groups:
        size, liked = len(group), sum(bool(each.liked) for each in group)
        mine = sum(each.take.id in own for each in group)
        both = sum(bool(each.liked) and each.take.id in own for each in group)
        if size > 1:
            difference += both - mine * liked / size
            variance += mine * (size - mine) * liked * (size - liked) / (size**2 * (size - 1))
    if variance == 0.0:
        return 1.0
    return float(chi2.sf(max(0.0, abs(difference) - 0.5) ** 2 / variance, 1))


def _testable(row: ValueTrend, judged: int) -> bool:
    return min(row.judged, judged - row.judged) >= LEAST_JUDGED


def _leaning(row: ValueTrend, p_value: float) -> ValueTrend:
    leans: Lean = "" if p_value > LEVEL else ("liked" if row.share > row.rest_share else "disliked")
    return replace(row, p_value=p_value, leans=leans)


# ------------------------------------------------------------------------------------------------------ aspects


def _tempo(take: Take) -> list[str]:
    low = int(take.plan.tempo_bpm.value // TEMPO_BAND_BPM) * TEMPO_BAND_BPM
    return [f"{low} to {low + TEMPO_BAND_BPM} bpm"]


def _length(take: Take) -> list[str]:
    for limit, name in ((20, "under 20 s"), (45, "20 to 45 s"), (90, "45 to 90 s"), (240, "1½ to 4 min")):
        if take.seconds < limit:
            return [name]
    return ["over 4 min"]


def _sampled(read: Callable[[Take], list[str]]) -> Callable[[Take], list[str]]:
    """An aspect that only engines which sample have."""
    return lambda take: read(take) if take.engine.tier == "full" else []


ASPECTS: dict[str, Callable[[Take], list[str]]] = {
    "engine": lambda take: [take.engine.name],
    "genre": lambda take: [take.plan.genre.value.replace("_", " ")],
    "mood": lambda take: [mood.replace("_", " ") for mood in take.plan.moods.value],
    "tempo": _tempo,
    "mode": lambda take: [take.plan.key.value.mode],
    "meter": lambda take: [take.plan.meter.value.name],
    "instrument": lambda take: [name.replace("_", " ") for name in take.plan.instruments.value],
    "length": _length,
    "guidance": _sampled(lambda take: [f"{round(take.sampling.guidance / GUIDANCE_STEP) * GUIDANCE_STEP:g}"]),
    "temperature": _sampled(lambda take: [f"{round(take.sampling.temperature, 1):g}"]),
    "adapter": _sampled(lambda take: [use.name for use in take.sampling.adapters] or ["none"]),
}
