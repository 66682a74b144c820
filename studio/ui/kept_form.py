"""What stands in the Generate tab's fields survives a reload, in the browser alone.

The page keeps it by itself, at every change and without asking the server, so that nothing typed is lost however busy
the machine is. When the page is opened the server only says which defaults have moved meanwhile; what was typed before
its answer came stays.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import gradio as gr

from studio.studio import Studio
from studio.ui.visitors import visitor_of

# Words that were typed while the studio was away never reached what is kept: away.js has them.
_WITH_DRAFT = """(kept) => {
  const draft = JSON.parse(sessionStorage.getItem("studio-draft") ?? "null");
  sessionStorage.removeItem("studio-draft");
  return draft ? { ...kept, words: draft.words } : kept;
}"""

# A field that no longer says what the page was laid out with has been written in since.
_INTO_UNTOUCHED = """(kept, ...now) => {
  const names = %s, laidOut = %s, said = (value) => JSON.stringify(value ?? "");
  const touched = names.map((name, i) => said(now[i]) !== said(laidOut[i]));
  const all = { ...kept };
  names.forEach((name, i) => { if (touched[i]) all[name] = now[i]; });
  document.documentElement.dataset.form = "restored";
  return [all, ...names.map((name, i) => (touched[i] || !(name in all) ? { __type__: "update" } : all[name]))];
}"""

_AS_NAMED = """(...values) => Object.fromEntries(%s.map((name, i) => [name, values[i]]))"""


def keep_form(
    blocks: gr.Blocks, fields: dict[str, Any], studio: Studio, *, offered: Mapping[str, Callable[[], Iterable[Any]]]
) -> None:
    """Keep `fields` in the browser and restore them when the page is opened; a default that moved takes the old one's place.

    offered: for a field that chooses among what is there, what it may be now; one that has gone is not restored.
    """
    kept = gr.BrowserState({}, storage_key="studio-form", secret="musicgen-studio")
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    names = list(fields)
    factory = {name: field.value for name, field in fields.items()}

    def with_moved_defaults(values: dict[str, Any] | None, request: gr.Request) -> dict[str, Any]:
        moved = studio.ledger.defaults.current() if visitor_of(request).is_host else {}
        shown = {name: value for name, value in (values or {}).items() if name in fields}
        gone = [name for name, there in offered.items() if name in shown and shown[name] not in list(there())]
        for name in gone:
            del shown[name]
        for name, default in moved.items():
            if shown.get(name, factory.get(name)) in (factory.get(name), *default.before):
                shown[name] = default.value
        return shown

    every = list(fields.values())
    into_untouched = _INTO_UNTOUCHED % (json.dumps(names), json.dumps(list(factory.values())))
    blocks.load(with_moved_defaults, kept, kept, js=_WITH_DRAFT, **private).then(
        None, [kept, *every], [kept, *every], js=into_untouched, **private
    )
    gr.on([field.change for field in every], None, every, kept, js=_AS_NAMED % json.dumps(names), **private)
