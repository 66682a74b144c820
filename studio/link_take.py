"""Sounds in a Link session: where the bars of a take or of a track lie, its sound on the session's grid, and a new take at its tempo.

Link counts quarter notes, plans count felt beats (dotted quarters in 6/8); here one becomes the other. Knows nothing of how the
session is kept or of pages.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agents.harmony import Meter
from agents.planner import PlanError, apply_edits, read_brief
from agents.types import MAX_TEMPO_BPM, MIN_TEMPO_BPM
from audio.beats import Beats, NoBeat, steady_beats
from audio.clip import Clip
from studio.clock import ClockError
from studio.desk.errors import DeskError
from studio.desk.items import Item
from studio.jobs import GenerateRequest, JobError, JobView
from studio.link import NotJoined
from studio.takes import TakeError

if TYPE_CHECKING:
    from studio.studio import Studio

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LinkMusic:
    """tempo_bpm: quarter notes a minute. beats_a_bar: quarter notes. first_bar_seconds: where the first bar line lies.

    exact: the sound lies on that grid to the sample; else it is played only when it has been laid on one.
    """

    tempo_bpm: float
    first_bar_seconds: float
    beats_a_bar: float
    exact: bool


@dataclass(frozen=True, slots=True)
class LinkSound:
    """A sound at a tempo of quarter notes a minute, its first bar line at first_bar_seconds."""

    clip: Clip
    tempo_bpm: float
    first_bar_seconds: float


def link_music(studio: Studio, source: str, *, owner: str | None) -> LinkMusic:
    """Where the bars of a “take:…” or a “track:…” lie: as planned, as found earlier, or listened for, where there is no plan.

    Raises TakeMissing, NotYours, DeskError.
    """
    item = studio.mixing_desk.open(source, owner=owner)
    beats, quarters = studio.mixing_desk.beats(item), _meter(item).quarters_per_felt_beat
    known = beats or _or_planned(item, None if item.plan else _listened(studio, item))
    return LinkMusic(
        tempo_bpm=known.tempo_bpm * quarters, first_bar_seconds=_first(known),
        beats_a_bar=known.beats_a_bar * quarters, exact=_is_exact(beats),
    )  # fmt: skip


def link_sound(studio: Studio, source: str, *, tempo_bpm: float, owner: str | None) -> LinkSound:
    """The sound at a tempo: stretched in one piece where its grid is exact, else bent beat by beat onto it.

    Where no beat can be heard, its plan is taken at its word. Raises TempoOutOfRange beyond half or double, DeskError,
    TakeMissing, NotYours.
    """
    from audio.stretch import stretch_to_tempo
    from audio.sync import sync_to_tempo

    item = studio.mixing_desk.open(source, owner=owner)
    quarters = _meter(item).quarters_per_felt_beat
    beats, felt = _listened(studio, item), tempo_bpm / quarters
    if not _is_exact(beats) and beats is not None:
        synced = sync_to_tempo(item.clip(), beats, tempo_bpm=felt)
        return LinkSound(synced.clip, tempo_bpm, _first(synced.beats))
    beats = _or_planned(item, beats)
    clip = stretch_to_tempo(item.clip(), from_bpm=beats.tempo_bpm, to_bpm=felt)
    return LinkSound(clip, tempo_bpm, _first(beats) * beats.tempo_bpm / felt)


def ask_link_take(studio: Studio, request: GenerateRequest, *, owner: str = "") -> JobView:
    """Queue a take at the session's tempo: its plan is fixed to it, and what an engine then plays less than exactly is laid on
    the grid afterwards, kept as a version.

    Raises NotJoined, ClockError for a tempo no plan can have, and as `Studio.generate`.
    """
    clock = studio.link.clock
    if clock is None:
        raise NotJoined
    if request.plan is not None:
        felt = felt_tempo(clock.tempo_bpm, request.plan.meter.value)
        try:
            plan = apply_edits(request.plan, {"tempo_bpm": felt})
        except PlanError as wrong:
            raise ClockError(f"The plan does not go at {felt:g} bpm: {wrong}") from wrong
        asked = request.model_copy(update={"plan": plan})
    else:
        felt = felt_tempo(clock.tempo_bpm, read_brief(request.brief).meter.value)
        asked = request.model_copy(update={"brief": request.brief.model_copy(update={"tempo_bpm": felt})})
    job = studio.generate(asked, owner=owner)
    threading.Thread(target=_lay_on_grid, args=(studio, job.id, felt), name="link-take", daemon=True).start()
    return job


def felt_tempo(session_bpm: float, meter: Meter) -> float:
    """A plan's tempo for a session's, to a hundredth (Link keeps whole microseconds a beat), in half or double time where a
    plan cannot go as slow or as fast."""
    felt = session_bpm / meter.quarters_per_felt_beat
    while felt > MAX_TEMPO_BPM:
        felt /= 2
    while felt < MIN_TEMPO_BPM:
        felt *= 2
    return round(felt, 2)


def _lay_on_grid(studio: Studio, job_id: str, felt_bpm: float) -> None:
    """Once the take is kept: a version bent onto the grid, unless it lies there anyway."""
    try:
        take_id = studio.jobs.wait(job_id).take_id
        if not take_id:
            return
        item = studio.mixing_desk.open(f"take:{take_id}", owner=None)
        if not _is_exact(studio.mixing_desk.beats(item)):
            studio.mixing_desk.ask("tempo", item.source, {"tempo_bpm": felt_bpm}, owner=None)
    except (JobError, TakeError, DeskError) as trouble:  # the take itself is kept and can be bent on the desk
        _log.info("A take was not laid on the session's grid: %s", trouble)


def _listened(studio: Studio, item: Item) -> Beats | None:
    """Where the beats lie, listened for when nobody has; None when there are none to hear."""
    from audio.beats import track_beats
    from studio.desk.items import remember
    from studio.desk.listening import beats_shown

    if (beats := studio.mixing_desk.beats(item)) is not None:
        return beats
    try:
        beats = track_beats(item.clip(), tempo_bpm=item.plan.tempo_bpm.value if item.plan else None)
    except NoBeat:
        return None
    remember(item, "beats", beats_shown(beats))
    return beats


def _or_planned(item: Item, beats: Beats | None) -> Beats:
    """What was heard, else what was planned. Raises DeskError when there is neither."""
    if beats is not None:
        return beats
    if item.plan is None:
        raise DeskError(f"No beat can be heard in “{item.title}”, so it cannot start on the session’s bar.")
    meter = _meter(item)
    a_bar = max(2, round(meter.quarters_per_bar / meter.quarters_per_felt_beat))
    return steady_beats(seconds=item.seconds, tempo_bpm=item.plan.tempo_bpm.value, beats_a_bar=a_bar)


def _meter(item: Item) -> Meter:
    return item.plan.meter.value if item.plan else Meter(beats=4)


def _is_exact(beats: Beats | None) -> bool:
    return beats is not None and beats.confidence >= 1.0


def _first(beats: Beats) -> float:
    return beats.downbeats_seconds[0] if beats.downbeats_seconds else beats.beats_seconds[0]
