"""A verdict as HTML: one number, and behind it every part that was judged with its reason. All words escaped.

Knows nothing of events; static/verdict.js fetches this where a score is pressed.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from agents.types import SectionMark, VerdictPart
from studio.reviews import Review
from studio.takes import Take

_ALL_WELL = "As asked."


def grade(score: float) -> str:
    """The class a score is coloured by."""
    return "good" if score >= 85 else "fair" if score >= 60 else "poor"


def score_chip(take_id: str, scores: Mapping[str, float | None]) -> str:
    """A take's score as a button that opens the verdict; for one that was never judged, a button that asks for it."""
    identity = escape(take_id, quote=True)
    if take_id not in scores:
        return (
            f'<button type="button" class="st-score unjudged" data-judge="{identity}" title="This take was not judged yet">'
            "Judge it</button>"
        )
    score = scores[take_id]
    if score is None:
        return f'<span class="st-score waiting" data-score="{identity}" title="It is being listened to">…</span>'
    return (
        f'<button type="button" class="st-score {grade(score)}" data-score="{identity}" aria-expanded="false" '
        f'title="{score:.0f} of 100 for keeping to what was asked and sounding clean; press for the reasons">'
        f"{score:.0f}</button>"
    )


def verdict_view(take: Take, review: Review) -> str:
    """The whole verdict: the number in words, each part asked against measured, the sections, what was not judged."""
    verdict = review.verdict
    by = f"Measured on this machine; worded by {escape(review.worded_by)}."
    parts = "".join(_part(part) for part in sorted(verdict.parts, key=lambda part: -part.cost))
    sections = "".join(_section(mark) for mark in verdict.sections)
    unheard = "".join(f"<li>{escape(one)}</li>" for one in verdict.unheard)
    missing = f'<div class="st-note"><b>Not judged</b><ul>{unheard}</ul></div>' if unheard else ""
    tags = "".join(f'<span class="st-badge">{escape(tag)}</span>' for tag in review.metadata.tags)
    return (
        f'<div class="st-verdict-head"><strong class="st-score {grade(verdict.score)}">{verdict.score:.0f}</strong>'
        f"<p>{escape(verdict.words)}<br><small>{by}</small></p></div>"
        f'<div class="st-parts" role="table" aria-label="What was judged"><div class="st-part st-part-names" role="row">'
        f"<b>Judged</b><b>Asked</b><b>Heard</b><b>Score</b></div>{parts}</div>"
        f'<div class="st-marked">{sections}</div>{missing}'
        f'<div class="st-note"><p>{escape(review.metadata.description)}</p><div class="st-badges">{tags}</div>'
        f"<small>Described by {escape(review.described_by)}.</small></div>"
    )


def _part(part: VerdictPart) -> str:
    reason = escape(part.reason)
    return (
        f'<div class="st-part" role="row" data-part="{escape(part.name, quote=True)}"><span>{escape(part.label)}</span>'
        f"<span>{escape(part.asked) or '–'}</span><span>{escape(part.measured) or '–'}</span>"
        f'<span class="st-part-bar {grade(part.score)}" title="It can cost {100 * part.weight:.0f} of 100">'
        f'<i style="width:{part.score:.0f}%"></i><b>{part.score:.0f}</b></span><em>{reason}</em></div>'
    )


def _section(mark: SectionMark) -> str:
    said = " ".join((*mark.reasons, *(one.words for one in mark.advice))) or _ALL_WELL
    return (
        f'<span class="st-mark-chip {grade(mark.score)}" title="{escape(said, quote=True)}">'
        f"{escape(mark.name)} <b>{mark.score:.0f}</b></span>"
    )
