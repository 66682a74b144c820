"""Tracks, hits, jobs and maps of the library as the page's scripts read them: plain JSON values.

A path is told to the studio's owner alone. Knows nothing of requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rag.copies import Copy
from rag.features import Features
from rag.filters import KEY_NAMES
from rag.overview import Overview
from rag.retriever import Answer, Found
from rag.tracks import Track
from studio.library.ears import Ears
from studio.library.jobs import LibraryJob
from studio.library.map import Drawn
from studio.models.downloads import Download

_TYPICAL = 12  # of a style's tracks, the most typical: those that lend it to Generate


def features_shown(heard: Features | None) -> dict[str, Any] | None:
    """The figures with their confidences; half and double tempo where the octave is unsure."""
    if heard is None:
        return None
    shown = {name: round(value, 3) for name, value in asdict(heard).items()}
    return {**shown, "key_name": heard.key_name, "other_bpm": round(heard.other_bpm, 1)}


def track_shown(track: Track, *, host: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": track.id, "ref": f"track:{track.id}", "label": track.label, "title": track.title or Path(track.path).stem,
        "artist": track.artist, "album": track.album, "year": track.year, "genre": track.genre,
        "genre_by": track.genre_by, "moods": list(track.moods), "moods_by": track.moods_by, "seconds": track.seconds,
        "take": track.take_id, "state": track.state, "reason": track.reason, "features": features_shown(track.features),
    }  # fmt: skip
    if host:
        shown["file"] = track.path  # not “path”: Gradio’s client would fetch it
    return shown


def hit_shown(hit: Found, *, host: bool) -> dict[str, Any]:
    return {
        **track_shown(hit.track, host=host),
        "why": list(hit.why),
        "nearness": {name: round(value, 3) for name, value in hit.nearness.items()},
    }


def answer_shown(answer: Answer, *, host: bool) -> dict[str, Any]:
    return {"tracks": [hit_shown(hit, host=host) for hit in answer.hits], "total": answer.total, "by": answer.by}


def job_shown(job: LibraryJob | None) -> dict[str, Any] | None:
    if job is None:
        return None
    report = job.report
    return {
        "kind": job.kind, "what": job.what, "state": job.state, "error": job.error, "stopping": job.stopping, **asdict(job.progress),
        "report": None if report is None else {
            "added": report.added, "changed": report.changed, "moved": report.moved, "unchanged": report.unchanged,
            "gone": report.gone, "seconds": report.seconds, "unreadable": report.unreadable[:20],
            "broken": [[Path(path).name, why] for path, why in report.broken[:50]], "broken_count": len(report.broken),
        },
    }  # fmt: skip


def ears_shown(ears: Ears) -> dict[str, Any]:
    """What can hear the library, what does, and what is on its way here."""
    downloads = ears.downloads.views()
    return {
        "model": ears.model, "decided": ears.is_decided,
        "models": [
            {
                "id": status.card.id, "label": status.card.label, "description": status.card.description,
                "licence": status.card.licence, "megabytes": round(status.card.size_bytes / 1e6), "state": status.state,
                "problem": status.problem, "download": _download_shown(downloads.get(status.card.id)),
            }
            for status in ears.models.models()
        ],
    }  # fmt: skip


def _download_shown(download: Download | None) -> dict[str, Any] | None:
    if download is None or download.state in ("done", "stopped"):
        return None
    share = download.done_bytes / download.total_bytes if download.total_bytes else 0.0
    return {"share": share, "megabytes": round(download.done_bytes / 1e6), "error": download.error}


def overview_shown(seen: Overview) -> dict[str, Any]:
    return {**asdict(seen), "key_names": list(KEY_NAMES)}


def map_shown(look: Drawn, prompts: Mapping[int, str]) -> dict[str, Any] | None:
    """Points as columns, which are a third of the size of rows. prompts: each cluster in words, by its number."""
    drawn, tracks = look.map, look.tracks
    if drawn is None:
        return None
    ids = list(drawn.places)
    return {
        "ids": ids,
        "x": [round(drawn.places[one][0], 4) for one in ids],
        "y": [round(drawn.places[one][1], 4) for one in ids],
        "cluster": [drawn.cluster_of.get(one, -1) for one in ids],
        "labels": [tracks[one].label if one in tracks else "" for one in ids],
        "facts": [_facts(tracks.get(one)) for one in ids],
        "clusters": [
            {
                "number": each.number, "name": each.name, "because": list(each.because), "size": len(each.tracks),
                "tracks": list(each.tracks[:_TYPICAL]), "tempo_bpm": each.tempo_bpm, "energy": each.energy,
                "prompt": prompts.get(each.number, ""),
            }
            for each in drawn.clusters
        ],
        "drawn": look.name, "drawn_by": drawn.drawn_by, "left_out": drawn.left_out,
    }  # fmt: skip


def _facts(track: Track | None) -> str:
    if track is None:
        return ""
    said = [track.genre.replace("_", " ")] if track.genre else []
    if track.features:
        said += [f"{track.features.tempo_bpm:.0f} bpm", track.features.key_name]
    return ", ".join(said)


def copy_shown(copy: Copy | None) -> dict[str, Any] | None:
    """The track a clip is a copy or a part of: how surely, and from where."""
    if copy is None:
        return None
    return {
        "id": copy.track.id, "label": copy.track.label, "share": round(copy.share, 3), "speed": copy.speed,
        "from_seconds": round(max(0.0, copy.offset_seconds), 1),
    }  # fmt: skip
