"""Plans and takes as HTML, every word of the user's escaped.

Knows nothing of events: a button says what it does in `data-act`, and static/main.js and actions.py carry it out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from agents.types import Decided, SongPlan
from studio.desk.options import DESK_ENGINE
from studio.exports import EXPORT_FORMATS
from studio.studio import Studio
from studio.takes import Take
from studio.ui.drag_handles import drag_handles
from studio.ui.opinion_buttons import opinion_buttons
from studio.ui.verdict_view import score_chip
from studio.ui.visitors import Visitor

PLAY = '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M7 4.5v15l13-7.5z"/></svg>'
_BY = {"asked": "you asked", "inferred": "inferred", "default": "default"}


def clock(seconds: float) -> str:
    """Minutes and seconds as a player shows them: 0:05, 10:00."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


def plan_view(plan: SongPlan, *, refusal: str = "") -> str:
    """The plan as a strip of sections under its facts, each saying who decided it; above it what is refused of an edit."""
    facts = [
        _fact(f"{plan.tempo_bpm.value:g} bpm", plan.tempo_bpm),
        _fact(plan.key.value.name, plan.key),
        _fact(plan.meter.value.name, plan.meter),
        _fact(plan.genre.value.replace("_", " "), plan.genre),
        _fact(clock(plan.seconds.value), plan.seconds),
        *(_fact(mood, plan.moods) for mood in plan.moods.value),
    ]
    sections = "".join(_section(plan, index) for index in range(len(plan.sections)))
    said = [*plan.notes, *([f"Planned by {plan.planned_by}."] if plan.planned_by else [])]
    listed = "".join(f"<li>{escape(note)}</li>" for note in said)
    notes = f'<div class="st-note"><ul>{listed}</ul></div>' if listed else ""
    refused = f'<p class="st-note st-error" role="alert">{escape(refusal)}</p>' if refusal else ""
    return (
        f'{refused}<div class="st-plan-head"><strong>{escape(plan.title.value)}</strong>{"".join(facts)}</div>'
        f'<div class="st-strip">{sections}</div>{notes}'
    )


def _fact(text: str, decided: Decided) -> str:
    why = escape(decided.why or _BY[decided.by], quote=True)
    return f'<span class="st-fact" data-by="{decided.by}" title="{_BY[decided.by]}: {why}">{escape(text)} <i>{_BY[decided.by]}</i></span>'


def _section(plan: SongPlan, index: int) -> str:
    section = plan.sections[index]
    bars = f"{section.bars.value} bar{'s' if section.bars.value != 1 else ''}"
    chords = " ".join(section.chords.value[:4])
    players = ", ".join(name.replace("_", " ") for name in section.instruments.value)
    tip = escape(
        f"{section.name.value}: {bars}, energy {section.energy.value:.1f}\n{players}\n{section.prompt.value}",
        quote=True,
    )
    return (
        f'<div class="st-section" style="--bars:{section.bars.value};--energy:{section.energy.value:.2f}" title="{tip}">'
        f"<b>{escape(section.name.value)}</b><span>{bars}</span><span>{escape(chords)}</span></div>"
    )


def badges_of(take: Take) -> list[dict[str, str]]:
    """What a take's row says of it in a word each: who made it, under which licence, whether it is whole."""
    plan = take.plan
    badges = [
        {"text": take.engine.label, "kind": "full" if take.engine.tier == "full" else ""},
        {"text": f"{plan.tempo_bpm.value:g} bpm", "kind": ""},
        {"text": plan.key.value.name, "kind": ""},
        {"text": plan.genre.value.replace("_", " "), "kind": ""},
    ]
    if take.engine.licence:
        badges.append({"text": take.engine.licence, "kind": "warn"})
    if not take.complete:
        badges.append({"text": "stopped early", "kind": "warn"})
    return badges


def votes_of(studio: Studio, visitor: Visitor) -> dict[str, int]:
    """What was voted for each take this visitor may see."""
    standings = studio.ledger.standings(owner=visitor.sees_only)
    return {take: standing.vote for take, standing in standings.items() if standing.vote}


def take_cards(
    takes: Sequence[Take],
    *,
    binned: bool = False,
    empty: str,
    details: bool = False,
    peaks: Iterable[Sequence[int]] = (),
    votes: Mapping[str, int] | None = None,
    scores: Mapping[str, float | None] | None = None,
) -> str:
    """A list of takes, newest first as given; `empty` is what an empty list says, in the user's words.

    votes: -1 or 1 by take. scores: each judged take's verdict, None while it is being found.
    """
    if not takes:
        return f'<div class="st-empty">{empty}</div>'
    shapes = list(peaks)
    cards = [
        _take_card(
            take, binned, details, shapes[i] if i < len(shapes) else (), (votes or {}).get(take.id, 0), scores or {}
        )
        for i, take in enumerate(takes)
    ]
    return f'<div class="st-list">{"".join(cards)}</div>'


def _take_card(
    take: Take, binned: bool, details: bool, peaks: Sequence[int], vote: int, scores: Mapping[str, float | None]
) -> str:
    words = escape(take.plan.brief.words or take.plan.prompt.value)
    title, identity = escape(take.title), escape(take.id, quote=True)
    if binned:
        acts = _act("Restore", "restore", identity)
    else:
        acts = (
            ("" if take.engine.name == DESK_ENGINE else _act("Make again", "again", identity))
            + _act("Edit plan", "edit", identity)
            + _act("Refine", "refine", identity)
            + _act("Stems", "stems", identity)
            + _export_menu(take)
            + _act("Delete", "bin", identity, "danger")
            + drag_handles(take)
        )
    badges = "".join(f'<span class="st-badge {b["kind"]}">{escape(b["text"])}</span>' for b in badges_of(take))
    play = (
        f'<button type="button" class="st-play" data-act="play" data-take="{identity}" aria-label="Play {title}"'
        f"{' disabled' if binned else ''}>{PLAY}</button>"
    )
    marked = "" if binned else f' data-take="{identity}"'
    return (
        f'<article class="st-card"{marked}>{play}<h4>{title}</h4>'
        f'<div class="st-acts">{acts}</div><p title="{words}">{words}</p>'
        f'<div class="st-wide st-badges">{"" if binned else score_chip(take.id, scores)}{badges}<span class="st-badge">{clock(take.seconds)}</span>'
        f'<span class="st-badge st-when">{take.created_at:%d %b %Y, %H:%M} UTC</span>'
        f"{'' if binned else opinion_buttons(take, vote, may_pick=details)}</div>"
        f"{_heeded(take)}{_shaped_by(take)}{_mini_wave(peaks)}{_settings(take) if details else ''}</article>"
    )


def _heeded(take: Take) -> str:
    """What of the wish was not understood or could not be, and what was assumed: nobody should have to open the plan for it."""
    said = [*take.plan.notes, *_assumed(take)]
    return f'<p class="st-wide st-heeded">{escape(" ".join(said))}</p>' if said else ""


def _assumed(take: Take) -> list[str]:
    """Where the words do not say which music it is to be: what the studio took in its place."""
    plan, genre = take.plan, take.plan.genre.value.replace("_", " ")
    if plan.genre.by == "asked" or plan.shaped_by or take.engine.name == DESK_ENGINE:
        return []
    if plan.genre.by == "inferred":
        return [f"Assumed, since you named no genre: {genre}."]
    rest = (
        (plan.tempo_bpm, f"{plan.tempo_bpm.value:g} bpm"),
        (plan.key, plan.key.value.name),
        (plan.meter, plan.meter.value.name),
    )
    taken = [genre, *(text for decided, text in rest if decided.by != "asked")]
    return [f"Assumed, since you did not say: {', '.join(taken)}."]


def _shaped_by(take: Take) -> str:
    """Which tracks shaped the take, each with its weight; pointing at one says what it gave."""
    names = ", ".join(
        f'<b title="{escape(", ".join(one.gave) or "nothing in particular", quote=True)}">{escape(one.name)}</b> × {one.weight:g}'
        for one in take.plan.shaped_by
    )
    return f'<p class="st-wide st-shaped">Shaped by {names}</p>' if names else ""


def _act(text: str, action: str, identity: str, kind: str = "") -> str:
    return f'<button type="button" class="st-act {kind}" data-act="{action}" data-take="{identity}">{text}</button>'


def _export_menu(take: Take) -> str:
    links = []
    for name, label in EXPORT_FORMATS.items():
        if (name.startswith("stems") and not take.stems) or (name == "midi" and not take.has_midi):
            continue
        links.append(
            f'<a href="studio/takes/{take.id}/export?format={name}" download data-format="{name}">{escape(label)}</a>'
        )
    tags = '<label><input type="checkbox" checked data-provenance> Prompt and settings in the file</label>'
    return (
        f'<details class="st-menu"><summary class="st-act" aria-label="Export {escape(take.title, quote=True)}">Export</summary>'
        f"<div>{''.join(links)}{tags}</div></details>"
    )


def _mini_wave(peaks: Sequence[int]) -> str:
    if not peaks:
        return ""
    step = max(1, len(peaks) // 240)
    means = [sum(peaks[i : i + step]) / step for i in range(0, len(peaks), step)]
    loudest = max(means) or 1.0
    tall = [max(1.0, 14 * mean / loudest) for mean in means]
    bars = "".join(f"M{i * 4} {15 - top:.1f}h2v{2 * top:.1f}h-2z" for i, top in enumerate(tall))
    return f'<svg class="st-mini st-wide" viewBox="0 0 {len(tall) * 4} 30" preserveAspectRatio="none" aria-hidden="true"><path d="{bars}"/></svg>'


def _steering(take: Take) -> str:
    steering = take.sampling.steering
    if steering is None:
        return ""
    parts = [
        f"{' → '.join(f'{weight:g}' for _, weight in prompt.moves) or f'{prompt.weight:g}'} × “{prompt.words}”"
        for prompt in steering.prompts
    ]
    parts += [f"with {', '.join(steering.instruments_in)}"] if steering.instruments_in else []
    parts += [f"without {', '.join(steering.instruments_out)}"] if steering.instruments_out else []
    parts += ["a melody"] if steering.melody else []
    parts += ["the plan’s chords"] if steering.chords else []
    return ", ".join(parts + (["part by part"] if steering.layers else []))


def _row_name(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _settings(take: Take) -> str:
    sampling = take.sampling
    rows: dict[str, str] = {
        "Words": take.plan.brief.words,
        "Prompt": take.plan.prompt.value,
        "Without": take.plan.negative_prompt.value,
        "Engine": take.engine.label
        if take.engine.tier in take.engine.label
        else f"{take.engine.label} ({take.engine.tier})",
        "Seed": str(sampling.seed),
        "Meter": take.plan.meter.value.name,
        "Sections": ", ".join(f"{s.name.value} {s.bars.value}" for s in take.plan.sections),
        "Sound": f"{take.channels} × {take.sample_rate_hz} Hz, {take.seconds:.2f} s",
        "Stems": ", ".join(stem.name for stem in take.stems),
        **{_row_name(name): str(value) for name, value in take.identity.items() if name != "engine"},
        "First sound after": f"{first:.2f} s" if (first := take.timings.first_sound_seconds) is not None else "",
        "Made in": f"{take.timings.total_seconds:.2f} s",
        "Steered by": _steering(take),
        "Made of": take.parent or "",
        "Planned by": take.plan.planned_by,
        "Identifier": take.id,
    }
    if take.engine.tier == "full":
        rows["Sampling"] = (
            f"temperature {sampling.temperature:g}, top-k {sampling.top_k}, top-p {sampling.top_p:g}, guidance {sampling.guidance:g}"
        )
    listed = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows.items() if value)
    return f'<details class="st-wide"><summary class="st-note">All settings</summary><dl class="st-settings">{listed}</dl></details>'
