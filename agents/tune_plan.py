"""A plan round a melody: its tempo, key and meter where the brief leaves them open, chords that fit it, and who sings it.

What was asked for stays: an asked key is kept even where the melody's is another, and asked chords are never changed.
Knows nothing of where a melody comes from, or of sound.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from agents import knowledge
from agents.harmony import CHORD_QUALITIES, Chord, Key, Meter
from agents.reading_brief import read_brief
from agents.tune import Passage, Tune, laid_out, lead_of, unheard_bars
from agents.tune_chords import bars_of_tune, chords_under
from agents.types import (
    MAX_SECONDS,
    MAX_TEMPO_BPM,
    MIN_TEMPO_BPM,
    Brief,
    Decided,
    EmptyBrief,
    Section,
    ShapedBy,
    SongPlan,
)
from agents.wishes import Wishes

_WHY = "your melody’s"
_FITS = "fits your melody"
_TRIES = 4
_USUAL_SECONDS, _USUAL_TEMPO_BPM = 30.0, 100.0
_AROUND_BARS = 6  # a beginning and an end
_IN_KEY = 0.85  # a melody with less of itself in the song's key is in another


def planned_round(
    brief: Brief, tune: Tune, plan: Callable[[Brief], SongPlan], *, name: str, to_key: bool = False
) -> SongPlan:
    """A plan of the brief round the melody, by whatever plans briefs; an open length grows until all of it is heard.

    Raises BriefError as reading does, and what planning raises.
    """
    lent = brief_round(brief, tune)
    made = plan_round(plan(lent), tune, brief=brief, name=name, to_key=to_key)
    for _ in range(_TRIES):
        left = unheard_bars(made, tune)
        if not left or lent.seconds == brief.seconds or made.seconds.value >= MAX_SECONDS:
            break
        seconds = made.seconds.value + 2 * left * made.bar_seconds
        lent = lent.model_copy(update={"seconds": min(MAX_SECONDS, float(round(seconds)))})
        made = plan_round(plan(lent), tune, brief=brief, name=name, to_key=to_key)
    return made


def brief_round(brief: Brief, tune: Tune) -> Brief:
    """The brief with the melody's tempo, key and meter where neither words nor settings say others, and long enough
    for all of it where the length is open. Raises BriefError as reading does."""
    wishes = _wishes(brief)
    lent: dict[str, object] = {}
    meter = _meter(wishes, brief, tune)
    if meter != brief.meter and tune.meter is not None and meter == tune.meter:
        lent["meter"] = meter
    tempo = felt_tempo(tune, meter) if _tempo_is_open(wishes) else None
    if tempo is not None:
        lent["tempo_bpm"] = tempo
    if wishes is None or wishes.key is None:
        mode = wishes.mode.value if wishes and wishes.mode else None
        lent["key"] = tune.key if mode in (None, tune.key.mode) else tune.key_in(mode)
    if wishes is None or (wishes.seconds.by != "asked" and not wishes.bars):
        pace = tempo or (wishes.tempo.value.aim_bpm if wishes else _USUAL_TEMPO_BPM)
        usual = wishes.seconds.value if wishes else _USUAL_SECONDS
        needed = (tune.bars(meter) + _AROUND_BARS) * meter.bar_seconds(pace)
        lent["seconds"] = min(MAX_SECONDS, max(usual, float(round(needed))))
    return brief.model_copy(update=lent)


def plan_round(plan: SongPlan, tune: Tune, *, brief: Brief, name: str, to_key: bool = False) -> SongPlan:
    """The plan with the melody in it: chords under it, its singer where it is stated, and sentences of what was done.

    plan: made from `brief_round`, or any other. brief: as it was asked. name: what the melody is called. to_key: the
    melody is moved to the song's key. A plan that already lies round this melody stays as it is.
    """
    mark = mark_of(tune.name, to_key=to_key)
    if any(one.id == mark for one in plan.shaped_by):
        return plan
    plan = _as_lent(plan.model_copy(deep=True), brief)
    notes: list[str] = []
    key = plan.key.value
    if to_key and tune.key.tonic != key.tonic:
        notes.append(f"{name} is moved from {tune.key.name} to the song’s key, {key.name}.")
        tune = tune.moved_to(key)
    elif plan.key.by != "asked":
        plan = _in_key_of(plan, tune)
    elif tune.share_in(key) < _IN_KEY:
        notes.append(
            f"{name} is in {tune.key.name} and the song was asked in {key.name}; its notes stay as they are. "
            "Let it be moved to the song’s key, or leave the key open."
        )
    plan = _with_lead(plan, tune)
    plan = _with_chords(plan, tune, laid_out(plan, tune))
    if left := unheard_bars(plan, tune):
        notes.append(
            f"The song has no room for the last {left} of the melody’s {tune.bars(plan.meter.value)} bars: make it longer."
        )
    gave = [f"{plan.tempo_bpm.value:g} bpm"] if plan.tempo_bpm.why == _WHY else []
    gave += [plan.key.value.name] if plan.key.why == _WHY else []
    shaped = [one for one in plan.shaped_by if not one.id.startswith(("midi:", "sound:"))]
    shaped.append(ShapedBy(id=mark, name=name, gave=(*gave, "the chords", "the tune")))
    return plan.model_copy(update={"shaped_by": shaped, "notes": list(dict.fromkeys([*plan.notes, *notes]))})


def mark_of(name: str, *, to_key: bool) -> str:
    """How a plan notes that it lies round a melody."""
    return f"{name} in the song’s key" if to_key else name


def felt_tempo(tune: Tune, meter: Meter) -> float | None:
    """The melody's tempo as the meter is felt, brought into what can be planned; None where nobody knows it."""
    if not tune.tempo_bpm:
        return None
    tempo = tune.tempo_bpm / meter.quarters_per_felt_beat
    return round(tempo, 2) if MIN_TEMPO_BPM <= tempo <= MAX_TEMPO_BPM else None


# ------------------------------------------------------------------------------------------------- what was asked


def _wishes(brief: Brief) -> Wishes | None:
    """What the brief asks for; None when it says nothing, which is enough beside a melody."""
    try:
        return read_brief(brief)
    except EmptyBrief:
        return None


def _tempo_is_open(wishes: Wishes | None) -> bool:
    return wishes is None or wishes.tempo.by != "asked"


def _meter(wishes: Wishes | None, brief: Brief, tune: Tune) -> Meter:
    if wishes is not None and wishes.meter.by == "asked":
        return wishes.meter.value
    return brief.meter or tune.meter or (wishes.meter.value if wishes else Meter(beats=4))


def _as_lent(plan: SongPlan, brief: Brief) -> SongPlan:
    """What the brief did not ask for and the melody lent is the melody's; the brief is again what was asked."""
    if plan.brief == brief:
        return plan
    changes: dict[str, object] = {"brief": brief}
    for name in ("tempo_bpm", "key", "meter"):
        if getattr(plan.brief, name) != getattr(brief, name):
            changes[name] = getattr(plan, name).model_copy(update={"by": "inferred", "why": _WHY})
    if plan.brief.seconds != brief.seconds:
        changes["seconds"] = plan.seconds.model_copy(update={"by": "inferred", "why": "long enough for your melody"})
    return plan.model_copy(update=changes)


# --------------------------------------------------------------------------------------------------- into the plan


def _in_key_of(plan: SongPlan, tune: Tune) -> SongPlan:
    """A plan whose key nobody asked for, in the melody's; its chords keep their degrees."""
    old, new = plan.key.value, tune.key
    if old.tonic == new.tonic and old.scale == new.scale:
        return plan
    sections = [_moved(section, old, new) for section in plan.sections]
    return plan.model_copy(update={"key": Decided(value=new, by="inferred", why=_WHY), "sections": sections})


def _moved(section: Section, old: Key, new: Key) -> Section:
    if section.chords.by == "asked":
        return section
    symbols = [_at_degree(Chord.parse(symbol), old, new).symbol(new) for symbol in section.chords.value]
    return section.model_copy(update={"chords": section.chords.model_copy(update={"value": symbols})})


def _at_degree(chord: Chord, old: Key, new: Key) -> Chord:
    """The chord on the same degree of another key; where the modes differ, that key's own triad there."""
    if old.mode == new.mode or chord.root not in old.scale:
        by = new.tonic - old.tonic
        bass = None if chord.bass is None else (chord.bass + by) % 12
        return Chord(root=(chord.root + by) % 12, quality=chord.quality, bass=bass)
    place = old.scale.index(chord.root)
    root, third, fifth = (new.scale[(place + step) % 7] for step in (0, 2, 4))
    steps = (0, (third - root) % 12, (fifth - root) % 12)
    return Chord(root=root, quality=next(name for name, each in CHORD_QUALITIES.items() if each == steps))


def _with_lead(plan: SongPlan, tune: Tune) -> SongPlan:
    """The plan with an instrument for the melody wherever the melody is stated."""
    lead = lead_of(plan)
    if lead is None:
        genre = knowledge.genres().get(plan.genre.value)
        lead = next(iter(genre.palette.get("melody", ()) if genre else ()), "piano")
        band = plan.instruments.model_copy(update={"value": [*plan.instruments.value, lead]})
        plan = plan.model_copy(update={"instruments": band})
    stated = {place for place, passage in zip(_sections_of(plan), laid_out(plan, tune), strict=True) if passage.use == "stated"}  # fmt: skip
    sections = []
    for number, section in enumerate(plan.sections):
        playing = section.instruments
        if number in stated and playing.value and lead not in playing.value:
            playing = playing.model_copy(update={"value": [*playing.value, lead]})
        sections.append(section.model_copy(update={"instruments": playing}))
    return plan.model_copy(update={"sections": sections})


def _sections_of(plan: SongPlan) -> list[int]:
    """The section of each bar."""
    return [number for number, section in enumerate(plan.sections) for _ in range(section.bars.value)]


def _with_chords(plan: SongPlan, tune: Tune, passages: Sequence[Passage]) -> SongPlan:
    """Chords under the melody, alike wherever the same bars of it are heard; asked ones stay."""
    meter, key = plan.meter.value, plan.key.value
    first = {passage.bar: place for place, passage in reversed(list(enumerate(passages))) if passage.use == "stated"}
    usual = _chart(plan)
    planned = [Chord.parse(usual[first[bar]]) if bar in first else None for bar in range(tune.bars(meter))]
    fitting = chords_under(
        bars_of_tune(tune, meter, bars=tune.bars(meter)), key=key, genre=plan.genre.value, planned=planned
    )
    symbols = [chord.symbol(key) for chord in fitting]
    sections, bar = [], 0
    for section in plan.sections:
        here = range(bar, bar + section.bars.value)
        bar = here.stop
        if section.chords.by != "asked" and any(passages[place].use == "stated" for place in here):
            chart = [symbols[passages[p].bar] if passages[p].use == "stated" else usual[p] for p in here]
            section = section.model_copy(update={"chords": Decided(value=_repeating(chart), by="inferred", why=_FITS)})
        sections.append(section)
    return plan.model_copy(update={"sections": sections})


def _chart(plan: SongPlan) -> list[str]:
    """The chord of every bar."""
    return [
        section.chords.value[bar % len(section.chords.value)]
        for section in plan.sections
        for bar in range(section.bars.value)
    ]


def _repeating(chart: list[str]) -> list[str]:
    """The chart as short as it can be written: what comes again is left out."""
    for length in range(1, len(chart)):
        if len(chart) % length == 0 and chart == chart[:length] * (len(chart) // length):
            return chart[:length]
    return chart
