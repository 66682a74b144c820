"""The quality agent: holds what was heard of a take against its plan, and says what is wrong, where, and what to change.

Judges values that were measured elsewhere. Every number comes from the measures; a language model, when one is handed
in, only words the advice. Knows nothing of sound files, engines or models.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from agents.quality_faults import fault_parts
from agents.quality_music import Timeline, music_parts, timeline_of
from agents.types import Advice, SectionMark, SongPlan, Verdict, VerdictPart
from audio.heard import Heard

# A section under this is sent back.
SECTION_PASSES = 80.0
AskForWords = Callable[[Verdict, SongPlan], str]
_KIND = {
    "tempo": ("tempo", "Ask for the tempo again."),
    "key": ("key", "Ask for the key again."),
    "length": ("length", "Ask for the whole length again."),
}
_AGAIN = Advice(kind="again", words="Play it again, drawn anew.")
_AGREEMENTS = {
    "prompt": ("Fits the words", 0.3, "CLAP agreement is not measured: no CLAP model is here."),
    "aesthetics": ("Sounds produced", 0.2, "Aesthetics are not measured: no audiobox model is here."),
}


def judge(
    plan: SongPlan,
    heard: Heard,
    *,
    engine_channels: int | None = None,
    target_lufs: float = -14.0,
    agreements: Mapping[str, float] | None = None,
    word: AskForWords | None = None,
    worded_by: str = "language model",
) -> Verdict:
    """The verdict on a take.

    engine_channels: what its engine can make (a mono engine is not blamed for mono). agreements: "prompt" (CLAP) and
    "aesthetics" (audiobox), each 0 to 1, when a model measured them. word: given the finished verdict and the plan,
    answers with sentences; if it raises ValueError or says nothing, the rules' own words stay.
    """
    timeline = timeline_of(plan, heard)
    parts = music_parts(plan, heard, timeline)
    parts += fault_parts(plan, heard, timeline, engine_channels=engine_channels, target_lufs=target_lufs)
    unheard = []
    for name, (label, weight, absence) in _AGREEMENTS.items():
        if agreements is not None and name in agreements:
            parts.append(_agreement(name, label, weight, agreements[name]))
        else:
            unheard.append(absence)
    if timeline.no_pulse:
        unheard.append("This music has no pulse clear enough to hold a tempo against it.")
    left = 1.0
    for part in parts:
        left *= 1 - part.cost
    worst = max(parts, key=lambda part: part.cost)
    named = worst.name if worst.cost >= 0.03 else ""
    marks = _marks(plan, parts, timeline)
    verdict = Verdict(
        score=round(100 * left, 1), parts=tuple(parts), sections=marks, named=named,
        words=_words(round(100 * left), parts), advice=_whole_advice(parts), unheard=tuple(unheard),
    )  # fmt: skip
    return _worded(verdict, plan, word, worded_by)


def failed_sections(verdict: Verdict, *, below: float = SECTION_PASSES) -> tuple[int, ...]:
    """The sections that should be made anew, by index."""
    return tuple(mark.index for mark in verdict.sections if mark.score < below)


def _agreement(name: str, label: str, weight: float, value: float) -> VerdictPart:
    score = 100 * min(1.0, max(0.0, value))
    reason = "" if score >= 60 else "It does not sound much like the words that were asked for."
    if name == "aesthetics" and reason:
        reason = "It sounds less finished than produced music does."
    return VerdictPart(
        name=name, label=label, asked="", measured=f"{value:.2f} of 1", score=score, weight=weight, reason=reason
    )


def _marks(plan: SongPlan, parts: list[VerdictPart], timeline: Timeline) -> tuple[SectionMark, ...]:
    marks = []
    for number, section in enumerate(plan.sections):
        left, reasons, advice = 1.0, [], []
        for part in sorted(parts, key=lambda p: -p.cost):
            if number not in part.sections or part.cost <= 0:
                continue
            left *= 1 - min(1.0, 1.6 * part.cost)
            reasons.append(part.reason)
            for one in _section_advice(part, number, timeline):
                if one not in advice:
                    advice.append(one)
        marks.append(
            SectionMark(
                index=number, name=section.name.value, score=round(100 * left, 1), reasons=tuple(reasons),
                advice=tuple(advice),
            )
        )  # fmt: skip
    return tuple(marks)


def _section_advice(part: VerdictPart, number: int, timeline: Timeline) -> list[Advice]:
    if part.name == "energy":
        if timeline.too_loud.get(number):
            return [Advice(kind="softer", words="Play it calmer.")]
        return [Advice(kind="louder", words="Play it with more energy.")]
    if part.name == "instruments":
        missing = ", ".join(timeline.silent_roles.get(number, ()))
        return [Advice(kind="fuller", words=f"Bring the {missing} in." if missing else "Bring everybody in.")]
    if part.name in _KIND:
        kind, words = _KIND[part.name]
        return [Advice.model_validate({"kind": kind, "words": words}), _AGAIN]
    return [_AGAIN]


def _whole_advice(parts: list[VerdictPart]) -> tuple[Advice, ...]:
    advice = []
    for part in sorted(parts, key=lambda p: -p.cost):
        if part.cost < 0.03:
            continue
        if part.name in _KIND:
            kind, words = _KIND[part.name]
            advice.append(Advice.model_validate({"kind": kind, "words": words}))
        elif _AGAIN not in advice:
            advice.append(_AGAIN)
    return tuple(advice)


def _words(score: int, parts: list[VerdictPart]) -> str:
    wrong = [part.reason for part in sorted(parts, key=lambda p: -p.cost) if part.cost >= 0.03 and part.reason]
    if not wrong:
        return f"{score} of 100: it is what was asked for, and sounds clean."
    return f"{score} of 100. " + " ".join(wrong[:3])


def _worded(verdict: Verdict, plan: SongPlan, word: AskForWords | None, worded_by: str) -> Verdict:
    if word is None:
        return verdict
    try:
        words = word(verdict, plan).strip()
    except ValueError:
        return verdict
    return verdict.model_copy(update={"words": words[:1_000], "worded_by": worded_by}) if words else verdict
