"""The desk's things as the page's scripts read them. Knows nothing of HTTP or of who is asking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agents.harmony import Key
from audio.beats import Beats
from audio.signal_stems import SOURCES
from studio.desk.desk import Desk, Sheet
from studio.desk.exports import EXPORTS, name_of
from studio.desk.items import Item, Parts, Upload, recalled
from studio.desk.jobs import WorkView
from studio.desk.listening import beats_shown
from studio.desk.mastering import curves_shown, targets_shown
from studio.desk.mix import ROOM, ROOMS
from studio.desk.mix_book import Page
from studio.desk.notes import is_drums, part_label
from studio.desk.tasks import KINDS
from studio.models.downloads import Download
from studio.models.stems import SeparatorStatus
from studio.separation import BUILT_IN
from studio.takes import Take
from studio.ui.shown import sections_shown


def sheet_shown(desk: Desk, sheet: Sheet) -> dict[str, Any]:
    """Everything the desk shows of an item: what it is, its strips, its mix, and what was found out about it."""
    item = sheet.item
    return {
        "source": item.source,
        "take": item.take.id if item.take else None,
        "title": item.title,
        "file_name": name_of(desk, item),
        "seconds": item.seconds,
        "sample_rate_hz": item.sample_rate_hz,
        "channels": item.channels,
        "licence": item.licence,
        "notes": list(item.notes),
        "has_midi": bool(item.take and item.take.has_midi),
        "sections": sections_shown(item.plan) if item.plan else [],
        "sets": [{"key": each.key, "label": each.label} for each in sheet.sets],
        "parts": parts_shown(sheet.parts),
        "beats": beats_shown(sheet.beats) if sheet.beats else None,
        "beats_by": _beats_by(sheet.beats),
        "tempo_bpm": _tempo(sheet),
        "key": _key(item),
        "found": {name: recalled(item, name) for name in ("loops", f"notes-{sheet.parts.key}")},
        "rooms": list(ROOMS),
        "room": ROOM,
        "work": list(KINDS),
        "exports": exports_shown(sheet),
        "curves": curves_shown(),
        "targets": targets_shown(),
        "genre": item.plan.genre.value if item.plan else "",
        **page_shown(sheet.page),
    }


def parts_shown(parts: Parts) -> dict[str, Any]:
    """A set of parts with what each is called."""
    strips = [{"name": name, "label": part_label(name), "is_drums": is_drums(name)} for name in parts.names]
    return {"key": parts.key, "label": parts.label, "strips": strips}


def exports_shown(sheet: Sheet) -> list[dict[str, Any]]:
    """What can be carried off an item, each with its formats."""
    return [
        {"what": what, "label": each.label, "formats": list(each.formats.items()), "note": each.note}
        for what, each in EXPORTS.items()
        if each.is_there(sheet)
    ]


def page_shown(page: Page) -> dict[str, Any]:
    """A mix and whether there are steps before and after it."""
    return {"mix": page.mix.model_dump(mode="json"), "can_undo": bool(page.before), "can_redo": bool(page.undone)}


def upload_shown(upload: Upload) -> dict[str, Any]:
    """A sound that was brought along, for the list."""
    return {
        "source": f"upload:{upload.id}",
        "title": upload.title,
        "seconds": upload.seconds,
        "notes": list(upload.notes),
    }


def sources_shown(takes: Sequence[Take], uploads: Sequence[Upload]) -> list[dict[str, Any]]:
    """Takes and sounds that were brought along, to choose from."""
    shown = [upload_shown(each) for each in uploads]
    return shown + [{"source": f"take:{t.id}", "title": t.title, "seconds": t.seconds, "notes": []} for t in takes]


def work_shown(work: WorkView, *, with_result: bool = False) -> dict[str, Any]:
    """A piece of work for the list, or whole."""
    shown = {
        "id": work.id, "kind": work.kind, "label": work.label, "source": work.source, "state": work.state,
        "stage": work.stage, "fraction": work.fraction, "error": work.error, "seconds": round(work.elapsed_seconds, 2),
        "is_finished": work.is_finished, "files": sorted(work.files),
    }  # fmt: skip
    return {**shown, "result": work.result} if with_result else shown


def _beats_by(beats: Beats | None) -> str:
    if beats is None:
        return ""
    return "planned, exact" if beats.confidence >= 1.0 else "heard"


def _tempo(sheet: Sheet) -> float | None:
    if sheet.beats is not None:
        return sheet.beats.tempo_bpm
    return sheet.item.plan.tempo_bpm.value if sheet.item.plan else None


def _key(item: Item) -> str:
    if item.plan is not None:
        return item.plan.key.value.name
    heard = recalled(item, "key")
    return Key(tonic=heard["tonic"], mode=heard["mode"]).name if heard else ""


def separators_shown(desk: Desk) -> list[dict[str, Any]]:
    """What takes sounds apart: the built-in way first, then each Demucs model with what it costs and whether it is here."""
    built_in = {
        "id": BUILT_IN, "label": "Built-in", "description": "By signal processing: at once, without a model, and rougher.",
        "state": "present", "size_bytes": 0, "licence": "", "problem": "", "download": None, "sources": list(SOURCES),
    }  # fmt: skip
    downloads = desk.stem_downloads.views()
    return [
        built_in,
        *(_separator_shown(status, downloads.get(status.card.id)) for status in desk.stem_models.models()),
    ]


def _separator_shown(status: SeparatorStatus, download: Download | None) -> dict[str, Any]:
    card = status.card
    return {
        "id": card.id, "label": card.label, "description": card.description, "state": status.state,
        "size_bytes": card.size_bytes, "licence": card.licence, "sources": list(card.sources),
        "problem": status.problem or (download.error if download else ""),
        "download": {"done": download.done_bytes, "total": download.total_bytes} if download and download.state == "running" else None,
    }  # fmt: skip
