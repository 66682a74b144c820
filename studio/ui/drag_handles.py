"""Handles by which a take's files are dragged into another program; a press or Enter saves the file instead.

A handle is a link: static/drag.js gives the drag the file itself where the browser can. Knows nothing of how files are made.
"""

from __future__ import annotations

from html import escape

from studio.exports import telling_name
from studio.takes import Take

_FILES = (
    ("WAV", "wav24", ".wav", "audio/wav"),
    ("MIDI", "midi", ".mid", "audio/midi"),
    ("Project", "dawproject", ".dawproject", "application/vnd.bitwig.dawproject"),
)


def drag_handles(take: Take) -> str:
    """A handle for the take's sound, its notes where there are any, and its project."""
    name = telling_name(take)
    handles = [
        drag_handle(label, f"studio/takes/{take.id}/export?format={format}", f"{name}{suffix}", media_type)
        for label, format, suffix, media_type in _FILES
        if format != "midi" or take.has_midi
    ]
    return f'<span class="st-carry" role="group" aria-label="Drag into your DAW">{"".join(handles)}</span>'


def drag_handle(label: str, address: str, filename: str, media_type: str) -> str:
    """One handle; `filename` is what the dropped or saved file is called."""
    called = escape(filename, quote=True)
    return (
        f'<a class="st-grip" draggable="true" href="{escape(address, quote=True)}" download="{called}" '
        f'data-carry="{escape(media_type, quote=True)}" title="Drag into your DAW, or press to save: {called}">'
        f"{escape(label)}</a>"
    )
