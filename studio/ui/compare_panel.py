"""Comparing takes: two or more, level-matched, blind if wished, switched without a gap.

The panel's HTML; what moves in it is static/compare.js, and what it asks the server is in compare_routes.py.
"""

from __future__ import annotations

from html import escape

import gradio as gr

from studio.history.opinions import REASONS

_REASONS = "".join(
    f'<label><input type="checkbox" value="{escape(reason, quote=True)}"> {escape(reason)}</label>'
    for reason in REASONS
)
PANEL = f"""<section class="st-compare" id="st-compare" aria-label="Compare takes">
<div class="st-empty" id="st-ab-empty"><b>Nothing to compare yet.</b><br>
Press A/B on two or more takes; they then stand here, equally loud, and play in step.</div>
<div id="st-ab-desk" class="st-hidden">
<div class="st-ab-tools">
<button type="button" class="st-deck-play" id="st-ab-play" aria-label="Play the comparison"></button>
<input type="range" id="st-ab-at" min="0" max="1" step="0.001" value="0" aria-label="Position in the comparison">
<span class="st-note" id="st-ab-clock">0:00</span>
<label class="st-note"><input type="checkbox" id="st-ab-blind"> Blind</label>
<label class="st-note"><input type="checkbox" id="st-ab-loop" checked> Loop</label>
<button type="button" class="st-act" id="st-ab-clear">Clear</button></div>
<div class="st-ab-sides" id="st-ab-sides" role="radiogroup" aria-label="What is heard"></div>
<p class="st-note" id="st-ab-say" role="status"></p>
<div class="st-ab-vote"><span class="st-note">Why</span><span class="st-ab-why" id="st-ab-why">{_REASONS}</span>
<input type="text" id="st-ab-words" class="st-field" maxlength="500" placeholder="In your words" aria-label="Why, in your words">
<button type="button" class="st-act" id="st-ab-none">No difference</button></div>
</div></section>"""


def build_compare_panel() -> None:
    """Lay the panel out inside the current Blocks."""
    gr.HTML(PANEL)
