"""The Stems tab: the desk's frame. What lies on it, and every control, is drawn by static/mixer.js and its fellows.

Knows nothing of mixes or of sound; the desk's routes are in desk_routes.py.
"""

from __future__ import annotations

import gradio as gr

_UNDO = '<svg viewBox="0 0 24 24"><path d="M8 5 4 9l4 4M4 9h10a6 6 0 0 1 0 12h-3"/></svg>'
_REDO = '<svg viewBox="0 0 24 24"><path d="m16 5 4 4-4 4M20 9H10a6 6 0 0 0 0 12h3"/></svg>'
_START = '<svg viewBox="0 0 24 24"><path d="M18 5 8 12l10 7zM6 5v14"/></svg>'
_LOOP = '<svg viewBox="0 0 24 24"><path d="M17 2l4 4-4 4M21 6H8a5 5 0 0 0-5 5v1M7 22l-4-4 4-4M3 18h13a5 5 0 0 0 5-5v-1"/></svg>'
_SOUNDS = ".wav,.flac,.mp3,.ogg,.aiff,.aif,.m4a"

DESK = f"""<section id="mx" class="mx-nothing" aria-label="The desk">
<div class="mx-welcome"><b>Nothing lies on the desk.</b>
<p>Open a take with its <i>Stems</i> button, or drop a sound file here: it is taken apart, mixed, mastered and carried off.</p>
<button type="button" class="st-act mx-main" onclick="document.getElementById('mx-file').click()">Choose a sound file</button>
<div id="mx-brought"></div></div>
<div class="mx-head mx-on-desk"><h2 id="mx-title"></h2><span class="st-badge" id="mx-tier" title="Who took this apart"></span>
<span class="st-badge warn st-hidden" id="mx-licence"></span><span id="mx-facts"></span>
<span class="st-carry" id="mx-carry" role="group" aria-label="Drag into your DAW"></span><span class="st-spring"></span>
<button type="button" class="st-act" id="mx-other">Bring a sound along</button></div>
<p class="st-note" id="mx-say" role="status"></p>
<div id="mx-works" aria-live="polite"></div>
<div class="mx-board mx-on-desk"><div class="mx-ruler-row"><span></span><span>Level, dB</span><span>Pan</span><span>Send</span>
<canvas id="mx-ruler" tabindex="0" role="slider" aria-valuemin="0" aria-valuemax="0" aria-valuenow="0" aria-label="Position; arrow keys move it by a bar, dragging marks a loop"></canvas></div>
<div id="mx-lanes"></div><div id="mx-region" class="st-hidden"></div><div id="mx-head" aria-hidden="true"></div></div>
<div class="mx-bench mx-on-desk"><div id="mx-tools" role="tablist" aria-label="Tools"></div><div id="mx-tool" role="tabpanel"></div></div>
<input type="file" id="mx-file" accept="{_SOUNDS}" hidden aria-label="A sound file for the desk">
</section>"""

TRANSPORT = f"""<section id="mx-bar" aria-label="The desk's player"><div class="mx-bar-in">
<button type="button" class="st-icon" id="mx-start" aria-label="To the start" title="To the start (Home)">{_START}</button>
<button type="button" class="st-deck-play" id="mx-play" aria-label="Play" title="Play or pause (Space)" disabled></button>
<button type="button" class="st-icon" id="mx-loop" aria-label="Play round" aria-pressed="false" title="Play the marked part, or four bars, round (L)">{_LOOP}</button>
<div class="mx-times"><b id="mx-clock">0:00</b><span id="mx-place"></span></div><span class="st-spring"></span>
<button type="button" class="st-icon" id="mx-undo" aria-label="Undo" title="Undo (Ctrl+Z)" disabled>{_UNDO}</button>
<button type="button" class="st-icon" id="mx-redo" aria-label="Redo" title="Redo (Ctrl+Shift+Z)" disabled>{_REDO}</button>
</div></section>"""


def build_stems_tab() -> None:
    """Lay out the tab inside the current Blocks."""
    gr.HTML(DESK, elem_id="st-stems")
