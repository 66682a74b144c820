"""How the page looks: the Gradio theme, and the files that style and drive it.

No font is fetched from anywhere: the page must look the same without a network.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

STATIC_DIR = Path(__file__).parent / "static"

_HEAD = """
<meta name="color-scheme" content="dark light">
<script>
  // Before the first paint, so that the page never flashes in the other colours.
  (() => {
    const kept = localStorage.getItem("studio-theme");
    const dark = kept ? kept === "dark" : !matchMedia("(prefers-color-scheme: light)").matches;
    const paint = () => document.body.classList.toggle("dark", dark);
    document.body ? paint() : addEventListener("DOMContentLoaded", paint);
    addEventListener("load", paint);
  })();
</script>
<script type="module" src="studio/static/main.js"></script>
"""


def look() -> dict[str, Any]:
    """The look as `Blocks.launch` takes it: theme, style sheet and head."""
    sheets = sorted(STATIC_DIR.glob("*.css"), key=lambda sheet: (sheet.name != "studio.css", sheet.name))
    return {"theme": _theme(), "css_paths": sheets, "head": _HEAD}


def _theme() -> gr.themes.Base:
    """Warm graphite and amber in the dark, paper and copper in the light; the colours themselves are in studio.css."""
    paired = {
        "body_background_fill": "var(--st-ground)",
        "body_text_color": "var(--st-text)",
        "body_text_color_subdued": "var(--st-muted)",
        "background_fill_primary": "var(--st-panel)",
        "background_fill_secondary": "var(--st-raised)",
        "border_color_primary": "var(--st-line)",
        "border_color_accent": "var(--st-accent)",
        "color_accent_soft": "var(--st-accent-soft)",
        "block_background_fill": "transparent",
        "block_border_color": "var(--st-line)",
        "block_label_background_fill": "transparent",
        "block_label_text_color": "var(--st-muted)",
        "block_title_text_color": "var(--st-muted)",
        "block_info_text_color": "var(--st-muted)",
        "panel_background_fill": "transparent",
        "input_background_fill": "var(--st-well)",
        "input_background_fill_focus": "var(--st-well)",
        "input_border_color": "var(--st-line)",
        "input_border_color_focus": "var(--st-accent)",
        "input_placeholder_color": "var(--st-faint)",
        "button_primary_background_fill": "var(--st-accent)",
        "button_primary_background_fill_hover": "var(--st-accent-bright)",
        "button_primary_text_color": "var(--st-on-accent)",
        "button_secondary_background_fill": "var(--st-raised)",
        "button_secondary_background_fill_hover": "var(--st-line)",
        "button_secondary_text_color": "var(--st-text)",
        "button_secondary_border_color": "var(--st-line)",
        "slider_color": "var(--st-accent)",
        "checkbox_background_color_selected": "var(--st-accent)",
        "checkbox_label_background_fill": "var(--st-raised)",
        "checkbox_label_background_fill_selected": "var(--st-accent-soft)",
        "table_border_color": "var(--st-line)",
        "table_even_background_fill": "var(--st-panel)",
        "table_odd_background_fill": "var(--st-panel)",
        "link_text_color": "var(--st-accent)",
    }
    theme = gr.themes.Base(
        primary_hue="amber",
        neutral_hue="stone",
        radius_size="md",
        font=["Inter", "Segoe UI", "system-ui", "sans-serif"],
        font_mono=["JetBrains Mono", "SF Mono", "Consolas", "monospace"],
    )
    return theme.set(
        **paired,
        **{f"{name}_dark": value for name, value in paired.items()},
        color_accent="var(--st-accent)",
        block_border_width="0px",
        block_label_border_width="0px",
        block_shadow="none",
        button_large_radius="12px",
        layout_gap="14px",
    )
