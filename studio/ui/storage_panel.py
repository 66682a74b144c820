"""Storage: what lies where, rules for giving room back, and the whole studio as one file. The owner's alone."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from pydantic import ValidationError

from studio.history.archive import ArchiveError
from studio.history.history import HistoryError
from studio.history.storage import Retention, Room
from studio.studio import Studio
from studio.takes import TakeError
from studio.ui.visitors import features, visitor_of

_REFRESH = "() => window.studioAct({ action: 'refresh' })"  # the lists of takes are read anew


def build_storage_panel(studio: Studio, item: gr.Tab) -> None:
    """Lay the page out inside the current Blocks and wire it."""
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    rooms = gr.HTML(elem_id="st-storage")
    with gr.Column(visible=False, elem_classes="st-panel") as own:
        with gr.Row(elem_classes="st-fields"):
            days = gr.Textbox(label="Empty the bin after, days", placeholder="never", min_width=150)
            limit = gr.Textbox(label="Keep takes under, GB", placeholder="no limit", min_width=150)
            keep = gr.Button("Keep these rules", min_width=140, elem_id="st-keep-rules")
        gr.HTML(
            '<p class="st-note">Followed now and whenever the studio opens. Beyond the limit the oldest takes go into the bin; '
            "what you liked, exported or built on stays.</p>"
        )
        with gr.Row(elem_classes="st-fields"):
            path = gr.Textbox(
                label="The whole studio as one file",
                placeholder="/path/to/my-studio.zip",
                scale=4,
                elem_id="st-archive-path",
            )
            make = gr.Button("Write it", min_width=90, elem_id="st-archive")
            bring = gr.Button("Bring it back", min_width=120, elem_id="st-bring-back")
    said = gr.HTML(elem_id="st-storage-said")

    def may(request: gr.Request) -> bool:
        return features(studio.settings, visitor_of(request)).path_fields

    def insist(request: gr.Request) -> None:
        if not may(request):
            raise gr.Error(
                "While the studio is shared, its files are not managed.", title="Not now", print_exception=False
            )

    def on_look(request: gr.Request) -> tuple[Any, ...]:
        if not may(request):
            sentence = "The studio's files are managed by its owner, while it is not shared."
            return f'<div class="st-empty">{sentence}</div>', gr.update(visible=False), "", "", ""
        rules = studio.ledger.rules
        return (
            usage_view(studio.ledger.usage()),
            gr.update(visible=True),
            _written(rules.empty_bin_after_days),
            _written(rules.takes_gb),
            _note(studio.ledger.tidied) if studio.ledger.tidied else "",
        )

    def on_keep(days: str, limit: str, request: gr.Request) -> tuple[str, str]:
        insist(request)
        try:
            studio.ledger.keep_rules(
                Retention.model_validate(
                    {"empty_bin_after_days": days.strip() or None, "takes_gb": limit.strip() or None}
                )
            )
            binned, deleted = studio.ledger.tidy()
        except ValidationError as wrong:
            raise gr.Error(
                "Days are a whole number and the limit is in GB; empty means never.", print_exception=False
            ) from wrong
        except (OSError, TakeError, HistoryError) as refusal:
            raise gr.Error(str(refusal), title="Not kept", print_exception=False) from refusal
        done = f"{len(binned)} takes went into the bin, {len(deleted)} were deleted." if binned or deleted else ""
        return usage_view(studio.ledger.usage()), _note(f"The rules are kept. {done}")

    def on_archive(path: str, request: gr.Request, progress: gr.Progress = gr.Progress()) -> str:  # noqa: B008
        insist(request)
        target = _path(path)
        try:
            made = studio.ledger.archive(target, progress=lambda part: progress(part, desc="Writing the archive"))
        except ArchiveError as refusal:
            return _refused(refusal)
        return _note(f"{made} holds everything but the models: {made.stat().st_size / 1e6:.1f} MB.")

    def on_bring(path: str, request: gr.Request, progress: gr.Progress = gr.Progress()) -> tuple[str, str]:  # noqa: B008
        insist(request)
        try:
            brought = studio.ledger.bring_back(_path(path), progress=lambda part: progress(part, desc="Reading it"))
        except (ArchiveError, HistoryError) as refusal:
            return usage_view(studio.ledger.usage()), _refused(refusal)
        came = len(brought.takes)
        sentence = (
            f"{came} take{'s' if came != 1 else ''} came back; {brought.known} were here already and are as they were."
        )
        return usage_view(studio.ledger.usage()), _note(sentence)

    item.select(on_look, None, [rooms, own, days, limit, said], **private)
    keep.click(on_keep, [days, limit], [rooms, said], **private).then(None, js=_REFRESH)
    make.click(on_archive, path, said, api_visibility="private")
    bring.click(on_bring, path, [rooms, said], api_visibility="private").then(None, js=_REFRESH)


def tell_what_was_tidied(studio: Studio, blocks: gr.Blocks) -> None:
    """Say on the owner's first page what the rules moved when the studio opened."""
    told: list[str] = []

    def on_load(request: gr.Request) -> None:
        said = studio.ledger.tidied
        if said and said not in told and visitor_of(request).is_host:
            told.append(said)
            gr.Info(said, title="Tidied up", duration=15)

    blocks.load(on_load, None, None, api_visibility="private", show_progress="hidden")


def _path(written: str) -> Path:
    if not written.strip():
        raise gr.Error("Say where the file is, like /home/me/my-studio.zip.", title="Not yet", print_exception=False)
    return Path(written.strip()).expanduser()


def _note(sentence: str) -> str:
    return f'<p class="st-note" role="status">{escape(sentence)}</p>'


def _refused(refusal: Exception) -> str:
    return f'<p class="st-note st-error" role="alert">{escape(str(refusal))}</p>'


def _written(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def usage_view(rooms: list[Room]) -> str:
    """The rooms as bars, the largest first."""
    if not rooms:
        return '<div class="st-empty"><b>Nothing lies here yet.</b></div>'
    total = sum(room.size_bytes for room in rooms) or 1
    rows = "".join(
        f'<div class="st-trend-row"><span>{escape(room.label)}</span><span class="st-bar"><i style="width:{room.size_bytes / total:.1%}"></i></span>'
        f"<span>{_size(room.size_bytes)}</span></div>"
        for room in rooms
    )
    return f'<section class="st-trend st-rooms"><h4>On the disk: {_size(total)}</h4>{rows}</section>'


def _size(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
