"""An item as a project for a DAW, and its notes as MIDI: strips as tracks, with the tempo map, markers and what was written down.

Knows nothing of queues or of pages; the formats are studio.projects'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from audio.midi import midi_of_notes
from audio.tempo_map import TempoMap
from audio.transcription import Note
from studio.desk.errors import DeskError
from studio.desk.items import TRUE, Item, recalled
from studio.desk.notes import from_rows, is_drums, notes_of_take, part_label
from studio.projects.session import Part, Session
from studio.settings import VERSION

if TYPE_CHECKING:
    from studio.desk.desk import Desk, Sheet


def tempo_map_of(desk: Desk, item: Item) -> TempoMap:
    """Where the bars are: as planned, as heard with all drift, or 120 where nobody has listened."""
    beats = desk.beats(item)
    if beats is not None and beats.confidence < 1.0:
        return TempoMap.following(beats)
    if item.plan is None:
        return TempoMap.steady(beats.tempo_bpm, beats=beats.beats_a_bar) if beats else TempoMap.steady(120.0)
    meter = item.plan.meter.value
    first = beats.downbeats_seconds[0] if beats and beats.downbeats_seconds else 0.0
    if beats is not None and first > 0.02:
        return TempoMap.following(beats)
    return TempoMap.steady(item.plan.tempo_bpm.value * meter.quarters_per_felt_beat, beats=meter.beats, unit=meter.unit)


def known_notes(desk: Desk, sheet: Sheet) -> dict[str, tuple[Note, ...]]:
    """The notes known of the parts on the strips, by part: exact ones, and those that were written down."""
    item, found = sheet.item, {}
    for name, told in (recalled(item, f"notes-{sheet.parts.key}") or {}).items():
        found[name] = from_rows(told["notes"])
    if item.take is not None and item.take.has_midi and sheet.parts.key == TRUE:
        found |= notes_of_take(item, sheet.parts, desk.studio.store.midi_path(item.take.id))
    return {name: found[name] for name in sheet.parts.names if found.get(name)}


def has_notes(sheet: Sheet) -> bool:
    """Whether notes of these parts are known."""
    exact = sheet.item.take is not None and sheet.item.take.has_midi and sheet.parts.key == TRUE
    return exact or bool(recalled(sheet.item, f"notes-{sheet.parts.key}"))


def midi_of_item(desk: Desk, item: Item, names: Sequence[str] = ()) -> bytes:
    """A Standard MIDI file of the notes known, with tempo map and markers. names: of which parts, all when none is named.

    Raises DeskError when none are known.
    """
    sheet = desk.sheet(item)
    notes = {name: each for name, each in known_notes(desk, sheet).items() if not names or name in names}
    if not notes:
        raise DeskError("No notes are known of these parts. Write them down first, under MIDI.")
    labels = _labels(list(notes))
    return midi_of_notes(
        {labels[name]: each for name, each in notes.items()}, tempo_map_of(desk, item),
        drums=[labels[name] for name in notes if is_drums(name)],
        programs={labels[name]: program_of(name) for name in notes}, markers_seconds=_markers(item),
    )  # fmt: skip


def keep_melody(desk: Desk, item: Item, name: str) -> str:
    """A part's notes kept as a melody that Generate can follow; returns the sound's name. Raises DeskError, EngineError."""
    return str(desk.studio.pipeline.sounds.keep_file(midi_of_item(desk, item, [name]), name=f"{part_label(name)}.mid"))


def session_of_item(desk: Desk, item: Item) -> Session:
    """The item as a project: each strip through its chain with its fader and panner, and the notes known of it.

    What is muted comes along turned all the way down.
    """
    sheet = desk.sheet(item)
    mix = sheet.page.mix
    notes, labels, heard = known_notes(desk, sheet), _labels(sheet.parts.names), {strip.name for strip in mix.heard}
    parts = [
        Part(
            labels[strip.name], desk.strip_path(item, mix, strip.name),
            gain_db=strip.gain_db if strip.name in heard else -60.0, pan=strip.pan,
        )
        for strip in mix.strips
    ]  # fmt: skip
    parts += [
        Part(f"{labels[name]} MIDI", None, each, is_drums(name), program_of(name)) for name, each in notes.items()
    ]
    return Session(
        title=item.title,
        tempo_map=tempo_map_of(desk, item),
        parts=tuple(parts),
        markers=_markers(item),
        key=item.plan.key.value.name if item.plan else "",
        genre=item.plan.genre.value.replace("_", " ") if item.plan else "",
        comment=item.plan.brief.words if item.plan else "",
    )


def write_project(path: Path, session: Session, *, format: str) -> None:
    """Write a session as "dawproject", "reaper" or "daw" (a zip for any DAW)."""
    from studio.projects.dawproject import write_dawproject
    from studio.projects.folder import write_folder
    from studio.projects.rpp import write_reaper

    if format == "dawproject":
        write_dawproject(path, session, software="MusicGen Studio", version=VERSION)
    else:
        (write_reaper if format == "reaper" else write_folder)(path, session)


def _labels(names: Sequence[str]) -> Mapping[str, str]:
    """What each part is called, no two alike."""
    labels: dict[str, str] = {}
    for name in names:
        label, number = part_label(name), 2
        while label in labels.values():
            label, number = f"{part_label(name)} {number}", number + 1
        labels[name] = label
    return labels


def program_of(name: str) -> int:
    """A part's General MIDI program, counted from 0; a kit's for drums."""
    from agents.knowledge import instruments

    known = instruments().get(name)
    if known is not None:
        return int((known.kit if known.kit is not None else known.program) or 0)
    return {"bass": 33, "vocals": 54, "guitar": 27}.get(name, 0)


def _markers(item: Item) -> tuple[tuple[float, str], ...]:
    if item.plan is None:
        return ()
    starts = zip(item.plan.section_starts_seconds(), item.plan.sections, strict=True)
    return tuple((start, section.name.value) for start, section in starts if start < item.seconds)
