"""Fitting a song into its length: tempo, bar count, and the sections' bars and energies.

Whole bars fill the length; what is left over is the last chord ringing. Knows nothing of chords, voices or words.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agents import knowledge
from agents.harmony import Meter
from agents.knowledge import Genre
from agents.reading_form import FormWish, SectionWish
from agents.types import MAX_TEMPO_BPM, MIN_SECONDS, Decided
from agents.wishes import TempoRange, Wishes

LEAST_RING_SECONDS = 0.5
RAISED_TEMPO_BPM = 200.0
MAX_SECTIONS = 64
# Beyond this many bars a section tires the ear, and the form's middle is gone through again instead.
LONG_SECTION_BARS = 16


@dataclass(frozen=True, slots=True)
class Fit:
    """Tempo, meter and bars that fill a length; the ring is what is left."""

    tempo: Decided[float]
    meter: Decided[Meter]
    seconds: Decided[float]
    bars: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """One section of the form: bars, energy, and the wish behind it when it was asked for."""

    name: str
    weight: float
    energy: float
    bars: int = 0
    wish: SectionWish | None = None


def fit_length(wishes: Wishes) -> Fit:
    """The tempo, meter and whole bars that fill the asked length.

    A tempo that was asked is kept to the digit. Otherwise it moves inside its range so that the last bar ends
    LEAST_RING_SECONDS or more before the end, and less than a bar. When not even one bar fits, the tempo rises or
    the bar is cut, and a note says so.
    """
    tempo, meter, wanted = wishes.tempo, wishes.meter, wishes.seconds
    bars = _asked_bars(wishes)
    if bars and wanted.by != "asked":
        return _fit_bars(bars, tempo=tempo, meter=meter)
    seconds = wanted.value
    least_bars = len(wishes.form.sections) if wishes.form.in_order else 1
    choices = _choices(tempo.value, meter.value, seconds, bars=bars)
    enough = [choice for choice in choices if choice[1] >= least_bars] or choices
    if enough:
        bpm, count = min(enough, key=lambda choice: _strain(choice, tempo.value, meter.value, seconds))
        notes: tuple[str, ...] = ()
        if bars and count != bars:
            notes = (f"{bars} bars do not fill {seconds:g} s at this tempo; the length was kept, with {count} bars.",)
        return Fit(_tempo(tempo, bpm), meter, wanted, count, notes)
    return _fit_short(tempo, meter, wanted)


def _asked_bars(wishes: Wishes) -> int | None:
    if wishes.bars:
        return wishes.bars
    listed = wishes.form.sections
    if wishes.form.in_order and listed and all(section.bars for section in listed):
        return sum(section.bars or 0 for section in listed)
    return None


def _tempo(wished: Decided[TempoRange], bpm: float) -> Decided[float]:
    nudged = "" if wished.value.is_fixed else ", set so that whole bars fill the length"
    return Decided(value=bpm, by=wished.by, why=f"{wished.why}{nudged}")


def _fit_bars(bars: int, *, tempo: Decided[TempoRange], meter: Decided[Meter]) -> Fit:
    """A song of so many bars: the length follows, with room for the last chord."""
    bpm = tempo.value.aim_bpm if tempo.value.is_fixed else float(round(tempo.value.aim_bpm))
    bar = meter.value.bar_seconds(bpm)
    most = max(1, int((600.0 - LEAST_RING_SECONDS) / bar))
    notes = () if bars <= most else (f"{bars} bars at {bpm:g} bpm are longer than 10 minutes; {most} bars were kept.",)
    bars = min(bars, most)
    music = bars * bar
    ring = min(1.5, 0.9 * bar)
    seconds = max(MIN_SECONDS, min(600.0, math.floor((music + ring) * 100) / 100))
    return Fit(
        tempo=Decided(value=bpm, by=tempo.by, why=tempo.why),
        meter=meter,
        seconds=Decided(value=seconds, by="asked", why=f"{bars} bars, as you asked, and the last chord's ring"),
        bars=bars,
        notes=notes,
    )


def _choices(tempo: TempoRange, meter: Meter, seconds: float, *, bars: int | None) -> list[tuple[float, int]]:
    """Tempos and bar counts that fill the length with less than a bar to spare."""
    if tempo.is_fixed:
        count = whole_bars(seconds, meter.bar_seconds(tempo.low_bpm))
        return [(tempo.low_bpm, count)] if count else []
    low, high = math.ceil(tempo.low_bpm), math.floor(tempo.high_bpm)
    candidates = {float(bpm) for bpm in range(low, high + 1)} or {round(tempo.aim_bpm, 1)}
    if bars:  # a bar count was asked with the length: the tempo that makes both true, if the range allows
        exact = meter.bar_seconds(60.0) * 60.0 * bars / max(0.1, seconds - min(1.0, seconds / 10))
        candidates |= {exact} if tempo.low_bpm <= exact <= tempo.high_bpm else set()
    if not any(_ring(bpm, meter, seconds) >= LEAST_RING_SECONDS for bpm in candidates):
        candidates |= {bpm + 0.5 for bpm in candidates if bpm + 0.5 <= tempo.high_bpm}
    pairs = [(bpm, whole_bars(seconds, meter.bar_seconds(bpm))) for bpm in sorted(candidates)]
    pairs = [(bpm, count) for bpm, count in pairs if count]
    matching = [pair for pair in pairs if pair[1] == bars]
    return matching or pairs


def whole_bars(seconds: float, bar_seconds: float) -> int:
    """How many whole bars fit; a hair's breadth over counts as fitting."""
    return int((seconds + 1e-6) / bar_seconds)


def _ring(bpm: float, meter: Meter, seconds: float) -> float:
    bar = meter.bar_seconds(bpm)
    return seconds - whole_bars(seconds, bar) * bar


def _strain(choice: tuple[float, int], tempo: TempoRange, meter: Meter, seconds: float) -> float:
    """How far a choice is from the wished tempo, a natural ring and an even number of bars; smaller is better."""
    bpm, count = choice
    ring = _ring(bpm, meter, seconds)
    strain = abs(math.log2(bpm / tempo.aim_bpm)) * 8.0
    strain += 3.0 * max(0.0, LEAST_RING_SECONDS - ring) + 0.5 * max(0.0, ring - 1.2)
    strain += 0.0 if count % 4 == 0 else 0.15 if count % 2 == 0 else 0.35
    return strain


def _fit_short(tempo: Decided[TempoRange], meter: Decided[Meter], seconds: Decided[float]) -> Fit:
    """A length shorter than one bar: raise a free tempo within reason, then cut the bar."""
    length = seconds.value
    asked = tempo.by == "asked" and tempo.value.is_fixed
    needed = meter.value.bar_seconds(60.0) * 60.0 / length
    limit = MAX_TEMPO_BPM if meter.by == "asked" else RAISED_TEMPO_BPM
    if not asked and needed <= limit:
        bpm = min(MAX_TEMPO_BPM, math.ceil(needed * 10) / 10)
        note = f"{length:g} s is short for a bar of {meter.value.name}, so the tempo rose to {bpm:g} bpm."
        return Fit(Decided(value=bpm, by="inferred", why="raised so that a bar fits"), meter, seconds, 1, (note,))
    bpm = tempo.value.low_bpm if asked else min(MAX_TEMPO_BPM, max(60.0, tempo.value.high_bpm))
    shorter = _shorter_meter(meter.value, bpm, length)
    note = (
        f"One bar of {meter.value.name} at {bpm:g} bpm lasts {meter.value.bar_seconds(bpm):.1f} s, longer than the "
        f"{length:g} s you asked for, so the bar was cut to {shorter.name}."
    )
    count = max(1, whole_bars(length, shorter.bar_seconds(bpm)))
    kept = Decided[float](value=bpm, by=tempo.by if asked else "inferred", why=tempo.why)
    return Fit(kept, Decided(value=shorter, by="inferred", why="cut to fit the length"), seconds, count, (note,))


def _shorter_meter(meter: Meter, bpm: float, seconds: float) -> Meter:
    units = [unit for unit in (2, 4, 8, 16) if unit >= meter.unit]
    for unit in units:
        for beats in range(meter.beats if unit == meter.unit else 7, 1, -1):
            candidate = Meter(beats=beats, unit=unit)
            if not (candidate.is_compound and not meter.is_compound) and whole_bars(
                seconds, candidate.bar_seconds(bpm)
            ):
                return candidate
    return Meter(beats=2, unit=16)


def lay_out(wishes: Wishes, genre: Genre, *, bars: int, bar_seconds: float) -> tuple[list[Part], list[str]]:
    """The song's sections with their bars, which sum to `bars`, and their energies."""
    notes: list[str] = []
    shift = sum(knowledge.moods()[mood].energy_shift for mood in wishes.moods.value[:2])
    parts = _asked_form(wishes.form, genre) if wishes.form.in_order else _genre_form(wishes.form, genre, bars)
    if len(parts) > min(bars, MAX_SECTIONS):
        kept = min(bars, MAX_SECTIONS)
        notes.append(f"Only {bars} bars fit the length, too few for {len(parts)} sections; the first {kept} were kept.")
        parts = parts[:kept]
    parts = _with_bars(parts, bars, bar_seconds, notes)
    parts = [part if part.wish and part.wish.energy is not None else _shifted(part, shift) for part in parts]
    return [
        replace(part, energy=round(min(1.0, max(0.05, part.energy)), 2)) for part in _arc(parts, wishes.form)
    ], notes


def _shifted(part: Part, shift: float) -> Part:
    """A mood's push on an energy, weaker near the ends of the scale so that the sections still differ."""
    room = 1.0 - part.energy if shift > 0 else part.energy
    return replace(part, energy=part.energy + shift * min(1.0, 1.5 * room))


def _asked_form(form: FormWish, genre: Genre) -> list[Part]:
    parts = [_asked_part(section, genre) for section in form.sections]
    if form.fades_out and parts[-1].name != "outro":
        parts.append(_asked_part(SectionWish(name="outro", length=0.5, prompt="fading out"), genre))
    return parts


def _asked_part(section: SectionWish, genre: Genre) -> Part:
    words = knowledge.words()
    usual = next((part.energy for part in genre.form if part.name == section.name), None)
    middle = 0.55 * words.section_energies[section.name] + 0.45 * genre.energy
    energy = section.energy if section.energy is not None else (usual if usual is not None else middle)
    return Part(section.name, words.section_weights[section.name] * section.length, energy, wish=section)


def _genre_form(form: FormWish, genre: Genre, bars: int) -> list[Part]:
    """The genre's usual form, with every section asked for in it, thinned or gone through again to suit the length."""
    parts = [Part(part.name, part.weight, part.energy) for part in genre.form]
    if form.is_loop:
        peak = max(parts, key=lambda part: part.energy)
        return [replace(peak, name="loop", energy=min(peak.energy, genre.energy + 0.1), wish=SectionWish(name="loop"))]
    for section in form.sections:
        asked = _asked_part(section, genre)
        same = [index for index, part in enumerate(parts) if part.name == section.name]
        for place in same:
            parts[place] = replace(asked, weight=parts[place].weight * section.length)
        if not same:
            strongest = max(range(len(parts)), key=lambda index: parts[index].energy)
            parts.insert({"intro": 0, "outro": len(parts)}.get(section.name, strongest), asked)
    if form.fades_out or form.falling:  # the ending is then part of what was asked
        ending = parts[-1] if parts[-1].energy <= 0.4 else Part("outro", 1, 0.3)
        parts = [*(parts[:-1] if ending is parts[-1] else parts), replace(ending, wish=SectionWish(name=ending.name))]
    room = max(1, bars // 3)
    if len(parts) > room:
        return _thinned(parts, max(room, min(bars, sum(part.wish is not None for part in parts))))
    body = parts[1:-1] if len(parts) > 2 else parts
    while bars / len(parts) > LONG_SECTION_BARS and len(parts) + len(body) <= MAX_SECTIONS - 2:
        parts = [*parts[:-1], *body, parts[-1]]
    return parts


def _thinned(parts: list[Part], keep: int) -> list[Part]:
    """The sections that matter most: those asked for, the peak, what leads to it, the opening, the close."""
    peak = max(range(len(parts)), key=lambda index: (parts[index].energy, -index))
    lead = next(
        (index for index in range(1, len(parts)) if parts[index].name != parts[peak].name and index < peak), None
    )
    wished = [index for index, part in enumerate(parts) if part.wish]
    order = [
        index for index in wished if parts[index].name not in {parts[other].name for other in wished if other < index}
    ]
    order += [index for index in (peak, lead, 0, len(parts) - 1) if index is not None]
    order += list(range(len(parts)))
    chosen: list[int] = []
    for index in dict.fromkeys(order):
        if len(chosen) == keep:
            break
        neighbours = [
            parts[other].name for other in (_before(index, chosen), _after(index, chosen)) if other is not None
        ]
        if parts[index].name not in neighbours:  # no two choruses with nothing between
            chosen.append(index)
    return [parts[index] for index in sorted(chosen)]


def _before(index: int, chosen: Sequence[int]) -> int | None:
    return max((other for other in chosen if other < index), default=None)


def _after(index: int, chosen: Sequence[int]) -> int | None:
    return min((other for other in chosen if other > index), default=None)


def _with_bars(parts: Sequence[Part], bars: int, bar_seconds: float, notes: list[str]) -> list[Part]:
    """Share the bars out: those asked for exactly, the rest by weight in fours, twos or ones."""
    fixed: dict[int, int] = {}
    for index, part in enumerate(parts):
        if part.wish and (part.wish.bars or part.wish.seconds):
            fixed[index] = part.wish.bars or max(1, round((part.wish.seconds or 0) / bar_seconds))
    free = [index for index in range(len(parts)) if index not in fixed]
    if fixed and (sum(fixed.values()) + len(free) > bars or (not free and sum(fixed.values()) != bars)):
        notes.append(f"The length holds {bars} bars, so the sections' bars were scaled to fit it.")
        parts = [replace(part, weight=float(fixed.get(index, 2 * part.weight))) for index, part in enumerate(parts)]
        fixed, free = {}, list(range(len(parts)))
    left = bars - sum(fixed.values())
    shares = dict(zip(free, shared_out(left, [parts[index].weight for index in free]), strict=True))
    return [replace(part, bars=fixed.get(index, shares.get(index, 1))) for index, part in enumerate(parts)]


def shared_out(bars: int, weights: Sequence[float]) -> list[int]:
    """Whole bars by weight, at least one each, in the largest of 8, 4, 2 or 1 bars that leaves the weights audible."""
    if not weights:
        return []
    unit = next(unit for unit in (8, 4, 2, 1) if bars // unit >= len(weights) * (1.4 if unit > 2 else 1.0) or unit == 1)
    units, total = bars // unit, sum(weights)
    ideal = [max(1.0, units * weight / total) for weight in weights]
    counts = [max(1, math.floor(share)) for share in ideal]
    while sum(counts) > units:
        counts[
            max(
                (index for index, count in enumerate(counts) if count > 1),
                key=lambda index: counts[index] - ideal[index],
            )
        ] -= 1
    while sum(counts) < units:
        counts[max(range(len(counts)), key=lambda index: ideal[index] - counts[index])] += 1
    result = [count * unit for count in counts]
    while bars - sum(result) >= 4:
        result[max(range(len(result)), key=lambda index: bars * weights[index] / total - result[index])] += 4
    result[-1] += bars - sum(result)  # odd bars belong to the ending
    return result


def _arc(parts: list[Part], form: FormWish) -> list[Part]:
    """Bend the energies to "builds up", "fades out" and the like."""
    last = len(parts) - 1
    if form.rising and last > 0:
        top = max(part.energy for part in parts)
        rise = [0.2 + (max(top, 0.85) - 0.2) * index / last for index in range(last + 1)]
        keep_end = parts[last].name == "outro" or form.falling
        parts = [
            part if (keep_end and index == last) or (part.wish and part.wish.energy is not None) else replace(part, energy=0.5 * rise[index] + 0.5 * min(part.energy, rise[index] + 0.15))
            for index, part in enumerate(parts)
        ]  # fmt: skip
    if form.falling or form.fades_out:
        parts = [*parts[:-1], replace(parts[-1], energy=min(parts[-1].energy, 0.25))]
    if form.fades_in:
        parts = [replace(parts[0], energy=min(parts[0].energy, 0.2)), *parts[1:]]
    return parts
