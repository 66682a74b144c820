"""The plug-in on the page: which are out there in DAWs, what each shall play, and how one gets it into a DAW.

What changes is drawn by static/plugin.js; plugin_page_routes.py answers it. Knows nothing of the plug-in's own protocol.
"""

from __future__ import annotations

from html import escape

import gradio as gr

from studio.studio import Studio
from studio.ui.plugin_page_routes import built_formats

# Where each DAW looks, by system: what is told here is told again in docs/plugin.md.
PLACES = (
    ("Linux", "~/.vst3", "~/.clap", "~/.lv2"),
    ("macOS", "~/Library/Audio/Plug-Ins/VST3", "~/Library/Audio/Plug-Ins/CLAP", "~/Library/Audio/Plug-Ins/LV2"),
    ("Windows", r"C:\Program Files\Common Files\VST3", r"C:\Program Files\Common Files\CLAP", r"%APPDATA%\LV2"),
)
DAWS = (
    ("Ableton Live", "VST3", "Settings, Plug-Ins: turn on the VST3 system folder, then Rescan."),
    ("Reaper", "VST3, CLAP, LV2", "Options, Preferences, Plug-ins: Re-scan. On macOS and Windows VST3 and CLAP."),
    ("Bitwig Studio", "CLAP, VST3", "Found by itself; else Settings, Locations, Plug-in Locations."),
    ("Ardour", "LV2, VST3", "Window, Plugin Manager: Discover New/Updated."),
    (
        "Logic Pro",
        "none",
        "Logic loads Audio Units only, and there is none; drag takes and stems there, or export a folder.",
    ),
)
FORMATS = {"vst3": "VST3", "clap": "CLAP", "lv2": "LV2"}
_ABSENT = (
    "The plug-in is not built here yet: <code>make plugin</code> builds it in half a minute "
    "(<code>apt install dpf-source cmake g++</code>), then reload this page."
)


def build_plugin_panel(studio: Studio) -> None:
    """Lay out the panel inside the current Blocks; while the studio is shared there is none."""
    if studio.settings.is_shared:
        return
    gr.HTML(panel(list(built_formats(studio))), elem_id="st-plugin-panel")


def panel(formats: list[str]) -> str:
    """The panel's frame. formats: what can be downloaded here."""
    links = "".join(
        f'<a class="st-act" href="studio/plug-in/{each}.zip" download>Download {FORMATS[each]}</a>' for each in formats
    )
    offer = f'<div class="st-plugin-row">{links}</div>' if links else f'<p class="st-note">{_ABSENT}</p>'
    places = "".join(
        f"<tr><th scope=row>{system}</th>{''.join(f'<td><code>{escape(place)}</code></td>' for place in where)}</tr>"
        for system, *where in PLACES
    )
    daws = "".join(f"<tr><th scope=row>{name}</th><td>{kinds}</td><td>{how}</td></tr>" for name, kinds, how in DAWS)
    return f"""<section id="st-plugin" class="st-plugin" aria-label="The plug-in">
<div class="st-plugin-row"><b>In your DAW</b><span class="st-badge" id="st-plugin-count" role="status">No plug-in is open</span></div>
<p class="st-note">MusicGen Studio Takes plays takes on an instrument track, in the DAW’s tempo. Each one that is open stands here:
choose what it plays, or have a take made for it in its tempo.</p>
<div id="st-plugin-list"></div>
<p class="st-error st-hidden" id="st-plugin-error" role="alert"></p>
<details class="st-plugin-get"><summary>Get the plug-in, and where to put it</summary>
{offer}
<div class="st-plugin-row"><button type="button" class="st-act" id="st-plugin-copy">Copy the token</button>
<output id="st-plugin-token" class="st-note">For a plug-in that cannot find the studio by itself, as in a sandboxed DAW: then press
<b>Paste token</b> in its window. It keeps the token until it is closed.</output></div>
<table><thead><tr><th></th><th>VST3</th><th>CLAP</th><th>LV2</th></tr></thead><tbody>{places}</tbody></table>
<table><tbody>{daws}</tbody></table>
</details></section>"""
