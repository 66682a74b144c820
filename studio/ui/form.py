"""What stands in the Generate tab's fields, read into a request and written back from a take.

Knows the names of the fields and nothing of how they look.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from agents.harmony import Key, Meter, UnknownName
from agents.planner import BriefError, PlanError, apply_edits, make_brief, read_brief
from agents.types import Brief, SongPlan
from studio.engines.base import Continue, Edit, Sampling, Vary
from studio.engines.steering import PromptWeight, Steering
from studio.jobs import GenerateRequest
from studio.presets import Preset, PresetError
from studio.ui.adapters_panel import adapters_of
from studio.ui.references_field import references_written, with_references
from studio.ui.steer_panel import BLENDED, OVER_TIME

# The plan's table, a row a section.
PLAN_COLUMNS = ("Section", "Bars", "Energy", "Chords", "Instruments", "Prompt")
EDITED = ("plan_title", "plan_tempo", "plan_key", "plan_meter", "plan_rows")
BRIEF_FIELDS = ("words", "seconds", "tempo_bpm", "key", "meter", "negative_words")
PLAN_NOTE = (
    '<p class="st-note" data-plan="{mark}">Generate plays this plan as it stands here, until you change the words or the '
    "settings beside them.</p>"
)
SAMPLING_FIELDS = ("temperature", "top_k", "top_p", "guidance")


def brief_of(values: Mapping[str, Any]) -> Brief:
    """The brief that the fields describe; raises BriefError with one sentence.

    An empty length leaves it to the words.
    """
    brief = make_brief(
        words=values["words"] or "",
        seconds=_length(values["seconds"]),
        tempo_bpm=_number(values["tempo_bpm"], what="A tempo", like="92 or 92.5"),
        key=values["key"] or None,
        meter=values["meter"] or None,
        negative_words=values["negative_words"] or "",
    )
    return with_references(brief, values.get("references"))


def _length(written: str | None) -> float | None:
    """Seconds out of "90", "90 s", "1:30" or "2 min"; None out of nothing."""
    text = (written or "").strip().lower().replace(",", ".")
    if not text:
        return None
    if match := re.fullmatch(r"(\d{1,3}):([0-5]\d(?:\.\d+)?)", text):
        return int(match[1]) * 60 + float(match[2])
    if match := re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|sec|secs|seconds?|m|min|mins|minutes?)?", text):
        return float(match[1]) * (60 if (match[2] or "s").startswith("m") else 1)
    raise BriefError(f"A length is written like 30, 1:30 or 2 min; “{written}” was given.")


def _number(written: str | None, *, what: str, like: str) -> float | None:
    text = (written or "").strip().lower().removesuffix("bpm").strip().replace(",", ".")
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise BriefError(f"{what} is a number like {like}; “{written}” was given.") from None


def _as_written(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def preset_of(values: Mapping[str, Any]) -> Preset:
    """The fields as a preset of the given name; raises BriefError or PresetError with one sentence."""
    name = (values["preset_name"] or "").strip()
    if not name:
        raise PresetError("Give the preset a name first.")
    brief = brief_of(values)
    sampling = Sampling(**{each: values[each] for each in SAMPLING_FIELDS})
    try:
        return Preset(
            name=name,
            words=brief.words,
            seconds=brief.seconds,
            tempo_bpm=brief.tempo_bpm,
            key=brief.key,
            meter=brief.meter,
            negative_words=brief.negative_words,
            engine=values["engine"],
            sampling=None if sampling == Sampling() else sampling,
        )
    except ValidationError as wrong:
        raise PresetError("A preset's name has at most 120 letters.") from wrong


def preset_fields(preset: Preset) -> dict[str, Any]:
    """The fields a preset fills; the seed stays as it is, and the engine unless the preset names one."""
    sampling = preset.sampling or Sampling()
    return {
        "words": preset.words,
        "seconds": _as_written(preset.seconds),
        "tempo_bpm": _as_written(preset.tempo_bpm),
        "key": preset.key.name if preset.key else "",
        "meter": preset.meter.name if preset.meter else "",
        "negative_words": preset.negative_words,
        **({"engine": preset.engine} if preset.engine else {}),
        **{name: getattr(sampling, name) for name in SAMPLING_FIELDS},
    }


def request_of(values: Mapping[str, Any]) -> GenerateRequest:
    """The request that the fields describe.

    An edited plan is played as it stands while the fields above it say what they said when it was made; after they
    change, the words win and a new plan is made. Raises BriefError or PlanError with one sentence.
    """
    brief = brief_of(values)
    plan = edited_plan(values)
    return GenerateRequest(
        brief=brief,
        plan=plan if plan is not None and plan.brief == brief else None,
        engine=values["engine"],
        sampling=sampling_of(values).model_copy(
            update={"steering": steering_of(values), "candidates": int(values["candidates"])}
        ),
    )


def edit_of(values: Mapping[str, Any]) -> Edit | None:
    """What is to be done to the chosen sound itself, or None when it is only followed. Raises BriefError."""
    if not (values["melody"] or "").startswith("sound:") or values["melody_use"] == "follow":
        return None
    if values["melody_use"] == "vary":
        return Vary(source=values["melody"])
    try:
        return Continue(source=values["melody"], seconds=_length(values["seconds"]) or 15.0)
    except ValidationError as wrong:
        raise BriefError("It can go on for 0.5 to 600 seconds: change the length.") from wrong


def steering_of(values: Mapping[str, Any]) -> Steering | None:
    """What steers the take beside its words, or None when nothing does. Raises BriefError."""
    blended = [[values[f"blend_{part}_{n}"] for part in ("words", "weight", "moves")] for n in range(1, BLENDED + 1)]
    try:
        prompts = tuple(
            PromptWeight(words=words.strip(), weight=weight, moves=_moves(values, weight, over_time))
            for words, weight, over_time in blended
            if (words or "").strip()
        )
        steering = Steering(
            melody=values["melody"] or None,
            melody_to_key=bool(values["melody"] and values["melody_to_key"]),
            chords=values["chords"],
            layers=values["layers"],
            prompts=prompts,
            words_weight=values["words_weight"],
            instruments_in=tuple(values["instruments_in"] or ()),
            instruments_out=tuple(values["instruments_out"] or ()),
        )
    except (TypeError, ValueError) as wrong:
        if isinstance(wrong, BriefError | PlanError):
            raise
        raise BriefError("A prompt’s weight is a number from −10 to 10, like 1 or 0.5.") from wrong
    return None if steering == Steering() else steering


def _moves(values: Mapping[str, Any], weight: float, over_time: str) -> tuple[tuple[float, float], ...]:
    """How a blended prompt's weight moves over the take: not at all, up, down, or up and down again."""
    if over_time == OVER_TIME[0]:
        return ()
    plan = edited_plan(values)
    seconds = plan.seconds.value if plan is not None else read_brief(brief_of(values)).seconds.value
    turns = {OVER_TIME[1]: (0.0, weight), OVER_TIME[2]: (weight, 0.0), OVER_TIME[3]: (0.0, weight, 0.0)}[over_time]
    return tuple((seconds * at / (len(turns) - 1), each) for at, each in enumerate(turns))


def sampling_of(values: Mapping[str, Any]) -> Sampling:
    """Seed and sampling; an empty seed draws a new one. Raises BriefError."""
    written = (values["seed"] or "").strip()
    if written and not (written.isdecimal() and int(written) < 2**32):
        raise BriefError(f"A seed is a whole number from 0 to {2**32 - 1:,}; leave it empty for a new one each time.")
    drawn = int(written) if written else secrets.randbelow(2**31)
    drawing = {name: values[name] for name in SAMPLING_FIELDS}
    return Sampling(seed=drawn, adapters=adapters_of(values), **drawing)


def plan_fields(plan: SongPlan) -> dict[str, Any]:
    """The plan editor's fields: title, tempo, key, meter, the table of sections, and the note under them, which carries
    a mark of the plan that they show."""
    rows = [
        [
            section.name.value,
            section.bars.value,
            round(section.energy.value, 2),
            " ".join(section.chords.value),
            ", ".join(section.instruments.value),
            section.prompt.value,
        ]
        for section in plan.sections
    ]
    return {
        "plan_title": plan.title.value,
        "plan_tempo": plan.tempo_bpm.value,
        "plan_key": plan.key.value.name,
        "plan_meter": plan.meter.value.name,
        "plan_rows": rows,
        "plan_note": PLAN_NOTE.format(mark=_mark(plan)),
    }


def _mark(plan: SongPlan) -> str:
    return hashlib.sha256(plan.model_dump_json().encode()).hexdigest()[:16]


def _is_of_another(values: Mapping[str, Any], plan: SongPlan) -> bool:
    """Whether the editor still shows the plan before this one.

    The kept plan is the server's, the fields are the page's: while a new plan is on its way there, the fields are the
    old one's, and no edits. They arrive together, so that the note's mark is of the plan in all of them.
    """
    shown = re.search(r'data-plan="([0-9a-f]{16})"', values.get("plan_note") or "")
    return shown is not None and shown[1] != _mark(plan)


def edited_plan(values: Mapping[str, Any]) -> SongPlan | None:
    """The kept plan with the editor's changes in it, or None when there is none.

    Fields that show another plan than the kept one change nothing. Raises PlanError with one sentence when an edit makes no sense; the kept plan is unchanged.
    """
    if not values.get("plan"):
        return None
    original = SongPlan.model_validate(values["plan"])
    shown = plan_fields(original)
    if _is_of_another(values, original) or all(values[name] == shown[name] for name in EDITED):
        return original
    try:
        edits = {
            "title": values["plan_title"],
            "tempo_bpm": values["plan_tempo"],
            "key": Key.parse(values["plan_key"]).model_dump(),
            "meter": Meter.parse(values["plan_meter"]).model_dump(),
            "sections": [
                _section_of(row, number) for number, row in enumerate(values["plan_rows"], start=1) if any(row)
            ],
        }
    except UnknownName as wrong:
        raise PlanError(str(wrong)) from wrong
    return apply_edits(original, edits)


def _section_of(row: list[Any], number: int) -> dict[str, Any]:
    name, bars, energy, chords, instruments, prompt = row
    try:
        return {
            "name": str(name or ""),
            "bars": int(float(bars)),
            "energy": float(energy),
            "chords": str(chords or "").replace(",", " ").split(),
            "instruments": [each.strip() for each in str(instruments or "").split(",") if each.strip()],
            "prompt": str(prompt or ""),
        }
    except (TypeError, ValueError) as wrong:
        raise PlanError(f"Section {number} needs a whole number of bars and an energy from 0 to 1.") from wrong


def fields_of(brief: Brief, *, sampling: Sampling, engine: str) -> dict[str, Any]:
    """The Generate tab's fields as they were for a take, to make it again with changes."""
    return {
        "words": brief.words,
        "seconds": _as_written(brief.seconds),
        "engine": engine,
        "seed": str(sampling.seed),
        "tempo_bpm": _as_written(brief.tempo_bpm),
        "key": brief.key.name if brief.key else "",
        "meter": brief.meter.name if brief.meter else "",
        "negative_words": brief.negative_words,
        "references": references_written(brief),
        **{name: getattr(sampling, name) for name in SAMPLING_FIELDS},
    }
