"""The page's fixed parts as HTML: head, deck and the list of shortcuts. What moves in them is in static/*.js."""

from __future__ import annotations

_MARK = """<svg class="st-mark" viewBox="0 0 34 34" aria-hidden="true">
<rect x="1" y="13" width="4" height="8" rx="2"/><rect x="8" y="7" width="4" height="20" rx="2"/>
<rect x="15" y="2" width="4" height="30" rx="2"/><rect x="22" y="9" width="4" height="16" rx="2"/>
<rect x="29" y="14" width="4" height="6" rx="2"/></svg>"""

HEAD = f"""<header class="st-head">{_MARK}
<div class="st-name"><h1>MusicGen Studio</h1><small>Describe music, hear it, keep it.</small></div>
<span class="st-spring"></span>
<button type="button" class="st-icon" id="st-help" aria-label="Keyboard shortcuts" title="Keyboard shortcuts (?)">?</button>
<button type="button" class="st-icon" id="st-theme" aria-label="Dark or light" title="Dark or light">
<svg viewBox="0 0 24 24"><path d="M12 3a9 9 0 1 0 9 9 7 7 0 0 1-9-9z"/></svg></button>
</header>
<div id="st-away" class="st-hidden" role="alert">The studio does not answer: it was closed, or the machine is very busy.
What you type stays, and this page goes on by itself once it is there again.</div>
<div id="st-carried" role="status"></div>"""

# One button: press, speak, press again (static/voice.js). Its line says how it goes, and offers what is missing.
MICROPHONE = """<button type="button" class="st-icon st-mic" id="st-mic" aria-pressed="false"
aria-label="Speak your wish" title="Speak your wish: press, speak, press again">
<svg viewBox="0 0 24 24"><path d="M12 3a3 3 0 0 1 3 3v6a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3zM5 11a7 7 0 0 0 14 0M12 18v3"/></svg></button>"""

VOICE = """<div class="st-voice st-hidden" id="st-voice" role="status" aria-live="polite">
<canvas id="st-voice-level" width="240" height="34" aria-hidden="true"></canvas>
<span id="st-voice-say"></span><span class="st-spring"></span>
<button type="button" class="st-act st-hidden" id="st-voice-do"></button>
<button type="button" class="st-act st-hidden" id="st-voice-cancel">Cancel</button></div>"""

# What agents write, the queue, and refinements: static/agents.js, jobs.js and refine.js fill them.
UNDER_WAY = "".join(
    f'<div class="st-list" id="{name}" aria-live="polite"></div>'
    for name in ("st-agents-now", "st-jobs", "st-refining")
)

DECK = """<section id="st-deck" class="st-empty-deck" aria-label="Player"><div class="st-deck-in">
<div class="st-transport">
<button type="button" class="st-icon" id="st-deck-prev" aria-label="Previous take" title="Previous take (K)">
<svg viewBox="0 0 24 24"><path d="M18 5 8 12l10 7zM6 5v14"/></svg></button>
<button type="button" class="st-deck-play" id="st-deck-play" aria-label="Play" title="Play or pause (Space)" disabled></button>
<button type="button" class="st-icon" id="st-deck-next" aria-label="Next take" title="Next take (J)">
<svg viewBox="0 0 24 24"><path d="m6 5 10 7L6 19zM18 5v14"/></svg></button></div>
<div class="st-deck-line"><strong id="st-deck-title">Nothing on the deck yet</strong>
<span class="st-badges" id="st-deck-badges"></span></div>
<div class="st-marks" id="st-marks" aria-hidden="true"></div>
<canvas class="st-wave" id="st-wave" tabindex="0" role="slider" aria-label="Position; arrow keys move it by five seconds"></canvas>
<div class="st-shape st-hidden" id="st-shape">
<span class="st-versions" id="st-versions" role="group" aria-label="Versions"></span>
<div class="st-tools">
<span class="st-tool"><span class="st-note" id="st-region">Drag over the waveform to mark a part.</span>
<button type="button" class="st-act" id="st-repaint" disabled title="Make the marked part anew and leave all else as it is">Repaint</button></span>
<span class="st-tool"><label class="st-note" title="How much longer">+ <input id="st-more-seconds" type="number" min="1" max="300" value="15"> s</label>
<button type="button" class="st-act" id="st-continue" title="Go on from the end, or from the start of the marked part">Go on</button></span>
<span class="st-tool st-as"><input id="st-words" type="text" maxlength="400" aria-label="Words for what is made anew"
placeholder="as planned, or in other words" title="For Repaint and Go on: what it is to be; left empty, as planned"></span>
<span class="st-tool"><label class="st-note" title="Left: only the words stay. Right: nearly the same.">far <input id="st-closeness" type="range" min="0" max="1" step="0.05" value="0.6"> close</label>
<button type="button" class="st-act" id="st-vary" title="Three variations of this take">Vary</button></span>
</div></div>
<div class="st-clock"><b id="st-clock">0:00</b><span id="st-deck-say" role="status"></span>
<button type="button" class="st-act danger st-hidden" id="st-stop" title="Stop and keep what is made (S)">Stop</button></div>
<audio id="st-audio" preload="auto"></audio>
</div></section>
<dialog id="st-keys" aria-label="Keyboard shortcuts"><h3>Keyboard</h3><dl id="st-keys-list"></dl>
<form method="dialog"><button class="st-act" autofocus>Close</button></form></dialog>"""
