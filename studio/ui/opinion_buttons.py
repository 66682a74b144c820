"""Like, dislike, compare and pick: the small buttons on a take's card. What they do is in actions.py and compare.js."""

from __future__ import annotations

from html import escape

from studio.takes import Take

_UP = '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M7 11v9H4v-9zM7 11l4-8a2.4 2.4 0 0 1 2.4 2.8L13 9h5.4a2 2 0 0 1 2 2.4l-1.4 7a2 2 0 0 1-2 1.6H7"/></svg>'
_DOWN = '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M7 13V4H4v9zM7 13l4 8a2.4 2.4 0 0 0 2.4-2.8L13 15h5.4a2 2 0 0 0 2-2.4l-1.4-7A2 2 0 0 0 17 4H7"/></svg>'


def opinion_buttons(take: Take, vote: int, *, may_pick: bool) -> str:
    """The buttons at the right of a card's badges. vote: -1, 0 or 1, what was said before."""
    name, identity = escape(take.title, quote=True), escape(take.id, quote=True)
    pick = (
        f'<label class="st-pick" title="Pick for doing something with several">'
        f'<input type="checkbox" data-pick="{identity}" aria-label="Pick {name}"></label>'
        if may_pick
        else ""
    )
    return (
        f'<span class="st-spring"></span><span class="st-opine">'
        f"{_thumb(_UP, 'like', identity, f'Like {name}', vote == 1)}"
        f"{_thumb(_DOWN, 'dislike', identity, f'Dislike {name}', vote == -1)}"
        f'<button type="button" class="st-thumb" data-act="compare" data-take="{identity}" aria-pressed="false" '
        f'aria-label="A/B, compare {name}" title="Compare it with others (A/B)">A/B</button>{pick}</span>'
    )


def _thumb(icon: str, action: str, identity: str, label: str, pressed: bool) -> str:
    said = "true" if pressed else "false"
    return (
        f'<button type="button" class="st-thumb" data-act="{action}" data-take="{identity}" aria-pressed="{said}" '
        f'aria-label="{label}" title="{label}">{icon}</button>'
    )
