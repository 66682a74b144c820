"""What of the plan is heard: tempo, key, length, sections, energy, instruments, repetition.

Part of the quality agent; works on measured values only.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from agents.harmony import Key
from agents.hearing_pitch import key_agrees, planned_chords, transposition
from agents.knowledge import instruments
from agents.types import SongPlan, VerdictPart
from audio.heard import LEAST_CLARITY, LEAST_SUPPORT, Heard, HeardBar

_NO_PULSE = 1.25  # clarity
_DETUNED_CENTS = 18.0
_SURE_OF_TUNING = 0.05
_QUIET_DB = -45.0
_DB_AN_ENERGY = 10.0
_LOW, _HIGH = slice(0, 2), slice(5, 8)  # bands of audio.texture where a bass and a kit live


@dataclass(slots=True)
class Timeline:
    """Where the planned sections lie in what was heard.

    bars: for each planned section the heard bars, by index. gone: the section that was left out of the take, if one
    was. short_seconds: how much is missing at the tempo heard.
    """

    bars: list[list[int]]
    spans: list[tuple[float, float]]
    gone: int | None = None
    short_seconds: float = 0.0
    no_pulse: bool = False
    too_loud: dict[int, bool] = field(default_factory=dict)
    silent_roles: dict[int, list[str]] = field(default_factory=dict)

    def sections_at(self, start_seconds: float, end_seconds: float) -> list[int]:
        """The sections that a stretch touches."""
        return [n for n, (a, b) in enumerate(self.spans) if start_seconds < b and end_seconds > a and b > a]


def timeline_of(plan: SongPlan, heard: Heard) -> Timeline:
    """The sections in what was heard; when a section's length is missing, the one whose absence explains the chords best."""
    expected = plan.seconds.value / heard.tempo_ratio
    # Slower music is often cut at the length asked for: then it is not short, it was stopped.
    short = min(expected, plan.seconds.value) - heard.seconds
    bar = plan.bar_seconds / heard.tempo_ratio
    gone = None
    if short > 0.6 * bar:
        candidates = [n for n, s in enumerate(plan.sections) if abs(s.bars.value * bar - short) < 0.6 * bar]
        if candidates and len(plan.sections) > 1:
            gone = max(candidates, key=lambda n: _fit_without(plan, heard, n))
    bars: list[list[int]] = []
    spans, at = [], 0
    for number, section in enumerate(plan.sections):
        count = 0 if number == gone else section.bars.value
        last = min(len(heard.bars), at + count)
        bars.append(list(range(min(at, last), last)))
        start, end = at * bar, (at + count) * bar
        if number == len(plan.sections) - 1:
            end = max(end, heard.seconds) if count else end
        spans.append((start, end))
        at += count
    no_pulse = heard.pulse.clarity < _NO_PULSE
    return Timeline(bars=bars, spans=spans, gone=gone, short_seconds=max(0.0, short), no_pulse=no_pulse)


def _fit_without(plan: SongPlan, heard: Heard, without: int) -> float:
    """How well chords and loudness agree when a section is taken to be left out."""
    kept = planned_chords(plan, without=without)
    count = min(len(kept), len(heard.bars))
    chords = transposition(plan.key.value, [c for _, c in kept], [b.classes for b in heard.bars]).as_planned
    energies = np.array([plan.sections[n].energy.value for n, _ in kept[:count]])
    levels = np.array([bar.level_db for bar in heard.bars[:count]])
    together = float(np.corrcoef(energies, levels)[0, 1]) if energies.std() > 0 and levels.std() > 0 else 0.0
    return chords + 0.8 * together


def music_parts(plan: SongPlan, heard: Heard, timeline: Timeline) -> list[VerdictPart]:
    """Every part about the music."""
    return [
        _tempo(plan, heard, timeline),
        _key(plan, heard, timeline),
        _length(plan, heard, timeline),
        _sections(plan, heard, timeline),
        _energy(plan, heard, timeline),
        _instruments(plan, heard, timeline),
        _repetition(heard),
    ]


def _tempo(plan: SongPlan, heard: Heard, timeline: Timeline) -> VerdictPart:
    asked = plan.tempo_bpm.value
    off = heard.pulse.support < LEAST_SUPPORT and heard.pulse.clarity >= LEAST_CLARITY
    score, reason, measured = 100.0, "", f"{asked:.0f} bpm"
    if off:
        bpm = heard.pulse.heard_bpm
        away = abs(bpm / asked - 1)
        score = max(0.0, 60 - 400 * away)
        measured = f"{bpm:.0f} bpm"
        reason = f"It runs at {bpm:.0f} bpm, {'faster' if bpm > asked else 'slower'} than the {asked:.0f} asked for."
    elif timeline.no_pulse:
        measured = "no clear pulse"
    return VerdictPart(
        name="tempo", label="Tempo", asked=f"{asked:.0f} bpm", measured=measured, score=score, weight=0.6,
        reason=reason, sections=tuple(range(len(plan.sections))) if off else (),
    )  # fmt: skip


def _key(plan: SongPlan, heard: Heard, timeline: Timeline) -> VerdictPart:
    planned = plan.key.value
    kept = planned_chords(plan, without=timeline.gone)
    classes = [bar.classes for bar in heard.bars]
    whole = transposition(planned, [chord for _, chord in kept], classes)
    score, reason, measured = 100.0, "", planned.name
    where: list[int] = []
    if abs(heard.cents) > _DETUNED_CENTS and heard.tuning_certainty > _SURE_OF_TUNING:
        score = max(20.0, 85 - abs(heard.cents) * 1.6)
        side = "sharp" if heard.cents > 0 else "flat"
        measured = f"{planned.name}, {abs(heard.cents):.0f} cents {side}"
        reason = f"Everything is {abs(heard.cents):.0f} cents {side}: out of tune with concert pitch."
        where = list(range(len(plan.sections)))
    if whole.semitones and whole.follows and whole.moved > whole.as_planned + 0.15:
        score, heard_key = 10.0, Key(tonic=(planned.tonic + whole.semitones) % 12, mode=planned.mode)
        measured = heard_key.name
        up = "up" if whole.semitones > 0 else "down"
        reason = f"It sounds in {heard_key.name}, {abs(whole.semitones)} semitones {up} from {planned.name}."
        where = list(range(len(plan.sections)))
    elif not whole.follows and whole.as_planned < whole.moved + 0.1 and any(any(row) for row in classes):
        agrees, best = key_agrees(planned, classes)
        if not agrees:
            score, measured = 35.0, best.name
            reason = f"It sounds in {best.name} rather than in {planned.name}."
            where = list(range(len(plan.sections)))
    elif whole.follows and not where:
        where, semitones = _moved_sections(plan, heard, timeline)
        if where:
            score = 45.0
            names = _names(plan, where)
            measured = f"{planned.name}, but for {names}"
            reason = f"{names} {'is' if len(where) == 1 else 'are'} {abs(semitones)} semitones off {planned.name}."
    return VerdictPart(
        name="key", label="Key", asked=planned.name, measured=measured, score=score, weight=0.55, reason=reason,
        sections=tuple(where),
    )  # fmt: skip


def _moved_sections(plan: SongPlan, heard: Heard, timeline: Timeline) -> tuple[list[int], int]:
    """Sections that alone lie in another key, and by how many semitones."""
    by_section: dict[int, list] = {}
    for number, chord in planned_chords(plan, without=timeline.gone):
        by_section.setdefault(number, []).append(chord)
    found, semitones = [], 0
    for number, chords in by_section.items():
        bars = timeline.bars[number]
        here = transposition(plan.key.value, chords, [heard.bars[b].classes for b in bars])
        if len(bars) >= 2 and here.semitones and here.moved > max(0.55, here.as_planned + 0.3):
            found.append(number)
            semitones = here.semitones
    return found, semitones


def _length(plan: SongPlan, heard: Heard, timeline: Timeline) -> VerdictPart:
    asked = plan.seconds.value
    away = abs(heard.seconds - asked)
    explained = abs(heard.seconds - asked / heard.tempo_ratio) < 0.02 * asked or timeline.gone is not None
    score, reason, where = 100.0, "", list[int]()
    if away > max(0.5, 0.02 * asked):
        if explained:
            cause = "a section is missing" if timeline.gone is not None else "the tempo is another"
            score, reason = 90.0, f"It lasts {heard.seconds:.1f} s instead of {asked:.1f} s because {cause}."
        else:
            score = max(0.0, 70 - 200 * away / asked)
            more = "longer" if heard.seconds > asked else "shorter"
            reason = f"It is {away:.1f} s {more} than the {asked:.1f} s asked for."
            where = [len(plan.sections) - 1]
    return VerdictPart(
        name="length", label="Length", asked=f"{asked:.1f} s", measured=f"{heard.seconds:.1f} s", score=score,
        weight=0.4, reason=reason, sections=tuple(where),
    )  # fmt: skip


def _sections(plan: SongPlan, heard: Heard, timeline: Timeline) -> VerdictPart:
    count = len(plan.sections)
    missing = [timeline.gone] if timeline.gone is not None else []
    for number, bars in enumerate(timeline.bars):
        levels = [heard.bars[b].level_db for b in bars]
        start, end = timeline.spans[number]
        silent = sum(max(0.0, min(end, h.end_seconds) - max(start, h.start_seconds)) for h in heard.holes)
        empty = not levels or float(np.median(levels)) < _QUIET_DB or silent > 0.6 * (end - start)
        if number != timeline.gone and empty:
            missing.append(number)
    missing.sort()
    score, reason = 100.0, ""
    if missing:
        score = max(0.0, 30 - 10 * (len(missing) - 1))
        names = _names(plan, missing)
        reason = f"{names} {'is' if len(missing) == 1 else 'are'} missing: {count - len(missing)} of {count} sections are there."
    return VerdictPart(
        name="sections", label="Sections", asked=f"{count}", measured=f"{count - len(missing)}", score=score,
        weight=0.7, reason=reason, sections=tuple(missing),
    )  # fmt: skip


def _energy(plan: SongPlan, heard: Heard, timeline: Timeline) -> VerdictPart:
    """Do louder-planned sections sound louder? Compared with the median section, 10 dB from calm to full."""
    levels = {
        n: _mean([heard.bars[b].steady_db for b in bars]) for n, bars in enumerate(timeline.bars) if len(bars) > 1
    }
    wrong: list[int] = []
    if len(levels) > 1:
        expected = {n: _DB_AN_ENERGY * plan.sections[n].energy.value for n in levels}
        rests = {n: levels[n] - expected[n] for n in levels}
        middle = float(np.median(list(rests.values())))
        for n, rest in rests.items():
            away = rest - middle
            # An opening or ending in few voices may well lie lower still than its energy says.
            edge = n in (0, len(plan.sections) - 1)
            if away > 7.5 or (away < (-14.0 if edge else -8.0) and levels[n] > _QUIET_DB):
                wrong.append(n)
                timeline.too_loud[n] = away > 0
    reason = ""
    if wrong:
        n = wrong[0]
        reason = (
            f"{_names(plan, wrong)} {'stands' if len(wrong) == 1 else 'stand'} out of the arc: "
            f"{'too loud' if timeline.too_loud[n] else 'too weak'} for its place."
        )
    return VerdictPart(
        name="energy", label="Energy arc", asked=" ".join(f"{s.energy.value:.1f}" for s in plan.sections),
        measured=" ".join(f"{levels[n]:.0f}" if n in levels else "–" for n in range(len(plan.sections))) + " dB",
        score=max(30.0, 100 - 40.0 * len(wrong)), weight=0.25, reason=reason, sections=tuple(wrong),
    )  # fmt: skip


def _instruments(plan: SongPlan, heard: Heard, timeline: Timeline) -> VerdictPart:
    """Where a kit or a bass is planned, are the drums' strokes and the low end there, as in the other sections?"""
    for role, planned in _planned_roles(plan).items():
        playing = [n for n in planned if len(timeline.bars[n]) > 1]
        values = {n: _role_level(role, [heard.bars[b] for b in timeline.bars[n]]) for n in playing}
        if len(values) < 2:
            continue
        most = max(values.values())
        for n, value in values.items():
            energy = plan.sections[n].energy.value
            if most - value > (24.0 if energy < 0.5 else 18.0):
                timeline.silent_roles.setdefault(n, []).append(role)
    wrong = sorted(timeline.silent_roles)
    reason = ""
    if wrong:
        roles = " and ".join(dict.fromkeys(role for n in wrong for role in timeline.silent_roles[n]))
        reason = f"The {roles} planned for {_names(plan, wrong)} cannot be heard."
    return VerdictPart(
        name="instruments", label="Instruments", asked=", ".join(i.replace("_", " ") for i in plan.instruments.value),
        measured="all sections" if not wrong else f"not in {_names(plan, wrong)}",
        score=max(20.0, 100 - 45.0 * len(wrong)), weight=0.3, reason=reason, sections=tuple(wrong),
    )  # fmt: skip


def _planned_roles(plan: SongPlan) -> dict[str, list[int]]:
    known = instruments()
    roles: dict[str, list[int]] = {"drums": [], "bass": []}
    for number, section in enumerate(plan.sections):
        names = section.instruments.value or plan.instruments.value
        for role in roles:
            if any(name in known and known[name].roles[:1] == (role,) for name in names):
                roles[role].append(number)
    return roles


def _role_level(role: str, bars: list[HeardBar]) -> float:
    if role == "drums":
        return 20 * float(np.log10(_mean([bar.onsets for bar in bars]) + 1e-6))
    return 10 * float(np.log10(_mean([sum(10 ** (db / 10) for db in bar.bands_db[_LOW]) for bar in bars]) + 1e-12))


def _repetition(heard: Heard) -> VerdictPart:
    same, known = heard.repetition.same_as_before, heard.repetition.known
    score, reason, measured = 100.0, "", "too short to say"
    if same is not None and known is not None:
        measured = f"{100 * same:.0f} % of bars as the one before, {100 * known:.0f} % heard elsewhere"
        if same > 0.6:
            score, reason = 50.0, "Nearly every bar is the same as the one before it: nothing happens."
    return VerdictPart(
        name="repetition", label="Repetition", asked="some", measured=measured, score=score, weight=0.2, reason=reason
    )


def _names(plan: SongPlan, numbers: list[int]) -> str:
    names = [plan.sections[n].name.value for n in numbers]
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else 0.0
