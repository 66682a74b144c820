"""The Library tab: the user's own music, found by words, sounds and figures, on a map and in charts, and sent to Generate.

Lays the tab out as one piece of HTML; static/library*.js fill it from library_routes.py and drive it. What a visitor may
not do is not shown, and the routes refuse it besides.
"""

from __future__ import annotations

from html import escape

import gradio as gr

from rag.filters import KEY_NAMES
from studio.references.youtube import RIGHTS
from studio.ui.library_asked import ORDERS

_ICON_LIKE = '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M4 14v-4M9 18V6M14 21V3M19 16V8"/></svg>'


def build_library_tab() -> None:
    """Lay out the tab inside the current Blocks; its scripts come with the page."""
    gr.HTML(_layout(), elem_id="st-library-shell")


def _layout() -> str:
    return f"""<div class="st-lib" id="st-library">
<div class="st-lib-bar" id="st-lib-bar">
<input type="search" id="st-lib-words" placeholder="Find by words: rainy lo-fi, 80 bpm, in A minor …" aria-label="Find by words">
<label class="st-act st-lib-drop" id="st-lib-drop" title="Find what sounds like a file of yours; drop it anywhere on this tab">
{_ICON_LIKE} Like a file … <input type="file" id="st-lib-clip" accept="audio/*" hidden></label>
<div class="st-segments" role="tablist" id="st-lib-views">
{_segment("list", "List", chosen=True)}{_segment("map", "Map")}{_segment("charts", "Dashboard")}{_segment("bring", "Bring in")}
</div></div>
<div class="st-lib-narrow"><button type="button" class="st-act" id="st-lib-narrow" aria-expanded="false"
aria-controls="st-lib-filters">Filters</button><div class="st-lib-chips" id="st-lib-chips" aria-live="polite"></div></div>
{_filters()}
<section class="st-panel st-hidden" id="st-lib-map-view" aria-label="Map of styles">
<div class="st-lib-split"><div id="st-lib-map" class="st-plot"></div><div id="st-lib-clusters" class="st-lib-clusters"></div></div>
<p class="st-note" id="st-lib-map-say"></p></section>
<section class="st-hidden" id="st-lib-charts-view" aria-label="Dashboard"><div class="st-charts">
{_chart("genres", "Genres")}{_chart("moods", "Moods")}{_chart("keys", "Keys, on the circle of fifths")}
{_chart("tempos", "Tempo")}{_chart("years", "Energy over the years")}
<figure class="st-panel"><figcaption class="st-title">The same recording twice</figcaption>
<div id="st-lib-duplicates" aria-live="polite"></div></figure>
</div></section>
{_bring_in()}
<p class="st-note st-lib-notice st-hidden" id="st-lib-notice" role="status"></p>
<div class="st-lib-count"><span id="st-lib-count" class="st-note" role="status"></span>
<button type="button" class="st-act st-hidden" id="st-lib-new"></button><span class="st-spring"></span>
<label class="st-note st-check" title="Play the next track from the second the last one was at, to hear two side by side">
<input type="checkbox" id="st-lib-place"> play from the same second</label>
<label class="st-note">Order <select id="st-lib-order" aria-label="Sort the list">{_orders()}</select></label></div>
<div class="st-lib-list" id="st-lib-list" aria-busy="true"><div class="st-empty">Reading your library …</div></div>
<button type="button" class="st-act st-hidden" id="st-lib-more">Show more</button>
<aside class="st-lib-tray st-hidden" id="st-lib-tray" aria-label="References for Generate"></aside>
</div>"""


def _segment(name: str, text: str, *, chosen: bool = False) -> str:
    return f'<button type="button" role="tab" data-view="{name}" aria-selected="{str(chosen).lower()}">{text}</button>'


def _chart(name: str, title: str) -> str:
    return (
        f'<figure class="st-panel"><figcaption class="st-title">{title}</figcaption>'
        f'<div id="st-chart-{name}" class="st-plot"></div></figure>'
    )


def _orders() -> str:
    names = {"added": "newest first", "seconds": "length"}
    return "".join(f'<option value="{one}">{names.get(one, one)}</option>' for one in ORDERS)


def _range(name: str, label: str, unit: str, step: str = "1") -> str:
    return (
        f'<label class="st-note">{label} <span class="st-range"><input type="number" data-filter="{name}" data-end="0" '
        f'step="{step}" min="0" aria-label="Narrow: {name} from"> – <input type="number" data-filter="{name}" data-end="1" '
        f'step="{step}" min="0" aria-label="Narrow: {name} to"></span> {unit}</label>'
    )


def _filters() -> str:
    keys = "".join(f'<option value="{number}">{escape(name)}</option>' for number, name in enumerate(KEY_NAMES))
    return f"""<div class="st-lib-filters st-hidden" id="st-lib-filters">
{_range("tempo", "Tempo", "bpm")}
<label class="st-note">Key <select data-filter="key" aria-label="Narrow: key"><option value="">any</option>{keys}</select></label>
<label class="st-note st-check"><input type="checkbox" data-filter="harmonic" checked> and those that mix with it</label>
{_range("energy", "Energy", "", "0.05")}
<label class="st-note">Genre <select data-filter="genre" id="st-lib-genre" aria-label="Narrow: genre"><option value="">any</option></select></label>
<label class="st-note">Mood <select data-filter="mood" id="st-lib-mood" aria-label="Narrow: mood"><option value="">any</option></select></label>
{_range("years", "Year", "")}{_range("seconds", "Length", "s")}
<label class="st-note">Whose <select data-filter="own" aria-label="Narrow: whose"><option value="">all</option><option value="1">made here</option>
<option value="0">brought in</option></select></label>
<button type="button" class="st-act" id="st-lib-clear">Clear</button></div>"""


def _bring_in() -> str:
    return f"""<section class="st-hidden" id="st-lib-bring-view" aria-label="Bring music in"><div class="st-charts st-bring">
<figure class="st-panel st-owner-only"><figcaption class="st-title">A folder of this machine</figcaption>
<div class="st-lib-row"><input type="text" id="st-lib-path" placeholder="/home/me/Music" aria-label="Path of a folder or a file">
<button type="button" class="st-act" id="st-lib-import">Import</button></div>
<label class="st-note st-check"><input type="checkbox" id="st-lib-watch"> keep watching it</label>
<div id="st-lib-job" aria-live="polite"></div><div id="st-lib-folders"></div></figure>
<figure class="st-panel st-hidden" id="st-lib-ears-panel"><figcaption class="st-title">What hears the library</figcaption>
<div id="st-lib-ears"></div></figure>
<figure class="st-panel"><figcaption class="st-title">Files</figcaption>
<p class="st-note">Choose sound files to keep in the library. They are copied; yours stay where they are.</p>
<label class="st-act">Choose files … <input type="file" id="st-lib-files" accept="audio/*" multiple hidden></label>
<div id="st-lib-uploads" class="st-note" aria-live="polite"></div></figure>
<figure class="st-panel st-outside"><figcaption class="st-title">A playlist, as a table</figcaption>
<p class="st-note">A CSV as Exportify and others write it. It is described and matched to your own tracks; nothing of it
is given to a model.</p>
<label class="st-act">Choose a table … <input type="file" id="st-lib-table" accept=".csv,text/csv" hidden></label>
<div id="st-lib-playlist" aria-live="polite"></div></figure>
<figure class="st-panel st-outside"><figcaption class="st-title">A playlist from Spotify</figcaption>
<div class="st-lib-row"><input type="text" id="st-spotify-client" placeholder="client ID of your Spotify app" aria-label="Client ID">
<button type="button" class="st-act" id="st-spotify-sign-in">Sign in</button></div>
<div class="st-lib-row"><input type="text" id="st-spotify-playlist" placeholder="link of the playlist" aria-label="Playlist">
<button type="button" class="st-act" id="st-spotify-read">Read</button></div>
<p class="st-note" id="st-spotify-say"></p></figure>
<figure class="st-panel st-outside"><figcaption class="st-title">One sound from YouTube</figcaption>
<div class="st-lib-row"><input type="url" id="st-youtube" placeholder="https://www.youtube.com/watch?v=…" aria-label="Address">
<button type="button" class="st-act" id="st-youtube-fetch">Fetch</button></div>
<label class="st-note st-check"><input type="checkbox" id="st-youtube-rights"> {escape(RIGHTS)}</label>
<p class="st-note" id="st-youtube-say" role="status"></p></figure>
</div></section>"""
