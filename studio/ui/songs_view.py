"""Songs as trees, as HTML: each take under what it was made of, with its agents' steps and exports.

Knows nothing of events; buttons are those of the cards.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from studio.history.lineage import Node
from studio.history.opinions import Standing
from studio.ui.cards import PLAY, clock

_LONGEST = 700


def songs_view(nodes: Sequence[Node], standings: Mapping[str, Standing], *, empty: str) -> str:
    """Each song a tree, opened when it has versions; `empty` is what no songs say."""
    if not nodes:
        return f'<div class="st-empty">{empty}</div>'
    return f'<div class="st-list">{"".join(_song(node, standings) for node in nodes)}</div>'


def _song(node: Node, standings: Mapping[str, Standing]) -> str:
    words = escape(node.take.plan.brief.words or node.take.plan.prompt.value)
    versions = f"{node.size} versions" if node.size > 1 else "one version"
    return (
        f'<article class="st-song"><header><h4>{escape(node.take.title)}</h4><span class="st-note">{versions}</span></header>'
        f'<p class="st-note">{words}</p><ul class="st-tree">{_branch(node, standings)}</ul></article>'
    )


def _branch(node: Node, standings: Mapping[str, Standing]) -> str:
    take = node.take
    identity, title = escape(take.id, quote=True), escape(take.title, quote=True)
    vote = standings.get(take.id, Standing())
    opinion = {True: '<span class="st-badge full">liked</span>', False: '<span class="st-badge warn">disliked</span>'}
    facts = f"{escape(take.engine.label)} · seed {take.sampling.seed} · {clock(take.seconds)} · {take.created_at:%d %b, %H:%M}"
    below = "".join(_branch(child, standings) for child in node.children)
    return (
        f'<li class="st-card st-branch" data-take="{identity}">'
        f'<button type="button" class="st-play" data-act="play" data-take="{identity}" aria-label="Play {title}, {node.how}">{PLAY}</button>'
        f"<h4>{escape(node.how.capitalize())}</h4>"
        f'<div class="st-acts"><button type="button" class="st-act" data-act="compare" data-take="{identity}" aria-pressed="false">A/B</button>'
        f'<button type="button" class="st-act" data-act="edit" data-take="{identity}">Edit plan</button></div>'
        f"<p>{facts} {opinion.get(vote.liked, '') if vote.liked is not None else ''}</p>{_deeds(node)}{_steps(node)}</li>"
        + (f"<li><ul>{below}</ul></li>" if below else "")
    )


def _deeds(node: Node) -> str:
    if not node.deeds:
        return ""
    formats = ", ".join(dict.fromkeys(deed.detail for deed in node.deeds))
    return f'<p class="st-wide st-note">Exported as {escape(formats)}, last on {node.deeds[-1].created_at:%d %b %Y}</p>'


def _steps(node: Node) -> str:
    if not node.steps:
        return ""
    rows = "".join(
        f"<dt>{escape(step.agent)}</dt><dd>{escape(step.model or 'by rules')}, {step.seconds:.1f} s"
        f"<pre>{escape(_short(step.asked))}\n→ {escape(_short(step.answered))}</pre></dd>"
        for step in node.steps
    )
    count = len(node.steps)
    said = f"{count} agent step{'s' if count != 1 else ''}"
    return f'<details class="st-wide"><summary class="st-note">{said}</summary><dl class="st-settings">{rows}</dl></details>'


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " …"
