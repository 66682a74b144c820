"""An item's mix mastered: to a loudness and a ceiling, toward a genre's balance or like another track, with its meters.

Knows nothing of queues or of pages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from audio.clip import Clip
from audio.io import read_clip
from audio.loudness_report import THIRD_OCTAVES_HZ
from studio.desk.errors import DeskError, NothingThere
from studio.desk.items import Item
from studio.desk.jobs import Work
from studio.desk.mixing import exact_grid, finite, full_mix, put_rendering
from studio.desk.options import Options

if TYPE_CHECKING:
    from audio.mastering_chain import MasteringSettings
    from audio.tonal_balance import TonalCurve
    from studio.desk.desk import Desk

BY_GENRE, LIKE = "genre", "like"
_POINTS = 240  # of a loudness curve, as the page draws it


class MasterOptions(Options):
    """How the master should come out.

    curve: "" leaves the tone, "genre" takes the take's own genre, "like" a reference's, else a family of genres by name.
    reference: what to master like, an item's name. tone, dynamics: 0 to 1. width: the sides' factor.
    """

    target_lufs: Annotated[float, Field(ge=-40.0, le=-5.0)] = -14.0
    ceiling_dbtp: Annotated[float, Field(ge=-20.0, le=0.0)] = -1.0
    curve: Annotated[str, Field(max_length=60)] = BY_GENRE
    reference: Annotated[str, Field(max_length=200)] = ""
    tone: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5
    dynamics: Annotated[float, Field(ge=0.0, le=1.0)] = 0.4
    width: Annotated[float, Field(ge=0.0, le=2.0)] = 1.0
    mono_bass: bool = True
    safe_for_mp3: bool = True


class KeepMasterOptions(Options):
    """Keep a master that was made as a take. work: the work that made it."""

    work: Annotated[str, Field(max_length=40)]


def master(desk: Desk, item: Item, options: MasterOptions, work: Work) -> Mapping[str, Any]:
    """The mix mastered, to hear beside the desk, with its meters before and after. Raises TooQuiet, DeskError."""
    from audio.mastering_chain import master_track

    mix = desk.sheet(item).page.mix
    settings = _settings(desk, item, options, work)
    clip = full_mix(desk, item, mix, work.part(0.05, 0.3, "mixing"))
    made = master_track(
        clip, settings, progress=work.part(0.3, 0.97, "mastering"), cancelled=work.stop_asked.is_set
    )  # fmt: skip
    put_rendering(item, work, "master", made.clip)
    before, after = made.before, made.after
    return {
        "gain_to_match_db": before.integrated_lufs - after.integrated_lufs,
        "meters": [[name, was, now] for (name, was), (_, now) in zip(before.lines(), after.lines(), strict=True)],
        "spectrum": {
            "hertz": [round(hertz, 1) for hertz in THIRD_OCTAVES_HZ],
            "before_db": _rounded(before.spectrum_db),
            "after_db": _rounded(after.spectrum_db),
            "curve_db": _rounded(_beside(settings.curve, after.spectrum_db)),
            "curve": settings.curve.label if settings.curve else "",
        },
        "loudness": {"before": _curve(before.short_term_lufs), "after": _curve(after.short_term_lufs)},
        "target_lufs": settings.target_lufs,
        "integrated_lufs": finite(after.integrated_lufs),
        "true_peak_dbtp": finite(after.true_peak_dbtp),
        "mp3_peak_dbtp": None if made.mp3_peak_dbtp is None else finite(made.mp3_peak_dbtp),
        "done": list(made.done),
        "reasons": list(made.reasons),
        "settings": options.model_dump(mode="json"),
        "mix": mix.model_dump(mode="json"),
    }


def keep_master(desk: Desk, item: Item, options: KeepMasterOptions, work: Work) -> Mapping[str, Any]:
    """A master that was made and heard, as a take of its own."""
    made = desk.jobs.get(options.work, owner=item.owner or None)
    told = made.result or {}
    if made.kind != "master" or made.source != item.source or "settings" not in told:
        raise NothingThere("That master is not here any more. Make it again.")
    work.tell(0.3, "keeping the take")
    clip: Clip = read_clip(next(iter(made.files.values())))
    how = {"kind": "master", "source": item.source, "master": told["settings"], "mix": told["mix"]}
    take = desk.keep_take(item, clip, how=how, title=f"{item.title} (master)", grid=exact_grid(desk, item))
    return {"take": take.id, "title": take.title}


def curves_shown() -> list[dict[str, str]]:
    """The families of genres a master can come near to."""
    from audio.tonal_balance import tonal_curves

    return [{"name": curve.name, "label": curve.label} for curve in tonal_curves().values()]


def targets_shown() -> list[dict[str, Any]]:
    """Loudness targets by who levels to them."""
    from audio.mastering_chain import TARGETS

    return [{"label": label, "lufs": lufs, "dbtp": dbtp} for label, (lufs, dbtp) in TARGETS.items()]


def _settings(desk: Desk, item: Item, options: MasterOptions, work: Work) -> MasteringSettings:
    from audio.mastering_chain import MasteringSettings, like
    from audio.tonal_balance import curve_of_genre, tonal_curves

    plain = MasteringSettings(
        target_lufs=options.target_lufs, ceiling_dbtp=options.ceiling_dbtp, tone_amount=options.tone,
        dynamics=options.dynamics, width=options.width, mono_bass=options.mono_bass, safe_for_mp3=options.safe_for_mp3,
    )  # fmt: skip
    if options.curve == LIKE:
        if not options.reference:
            raise DeskError("Choose the track that the master should be like.")
        work.tell(0.01, "hearing the reference")
        return like(desk.open(options.reference, owner=item.owner or None).clip(), plain)
    if not options.curve:
        return plain
    curve: TonalCurve | None = tonal_curves().get(options.curve)
    if options.curve == BY_GENRE:
        curve = curve_of_genre(item.plan.genre.value) if item.plan and item.plan.genre.value != "unknown" else None
    elif curve is None:
        raise DeskError(f"There is no tonal balance called “{options.curve}”.")
    from dataclasses import replace

    return replace(plain, curve=curve)


def _beside(curve: TonalCurve | None, spectrum_db: np.ndarray) -> np.ndarray:
    """The curve at the level of a spectrum, so that the two can be drawn together."""
    if curve is None:
        return np.zeros(0)
    heard = spectrum_db > -60
    return curve.db + float((spectrum_db - curve.db)[heard].mean()) if heard.any() else curve.db


def _curve(lufs: np.ndarray) -> list[float | None]:
    step = max(1, -(-len(lufs) // _POINTS))
    return [finite(round(float(each), 2)) for each in lufs[::step]]


def _rounded(values: np.ndarray) -> Sequence[float]:
    return [round(float(each), 2) for each in values]
