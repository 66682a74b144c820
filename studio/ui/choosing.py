"""Lists whose entries come and go while a page is open: what is chosen stays, what has gone is let go.

Gradio refuses a value that is not among the choices, in its own words and before any callback is asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import gradio as gr


def offered(options: list[Any], chosen: Any) -> Any:
    """A dropdown's options, with the first of them where what was chosen has gone; what is chosen meanwhile stays."""
    values = _values(options)
    return (
        gr.update(choices=options) if chosen in values else gr.update(choices=options, value=next(iter(values), None))
    )


def still_there(options: list[Any], chosen: Iterable[Any] | None, **more: Any) -> Any:
    """The options of a dropdown of which several may be chosen, without those chosen that have gone."""
    values, chosen = _values(options), list(chosen or ())
    kept = [one for one in chosen if one in values]
    return gr.update(choices=options, **more) if kept == chosen else gr.update(choices=options, value=kept, **more)


def _values(options: list[Any]) -> list[Any]:
    return [option[1] if isinstance(option, tuple) else option for option in options]
