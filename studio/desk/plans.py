"""The song plans of what leaves the desk: of a sound nobody planned, and of one whose tempo or key was moved.

Knows nothing of sound or of files.
"""

from __future__ import annotations

from agents.harmony import Chord, Key, Meter
from agents.types import MAX_TEMPO_BPM, MIN_SECONDS, MIN_TEMPO_BPM, Brief, Decided, Section, SongPlan
from studio.desk.errors import DeskError

_TEMPO_BPM = 120.0


def plan_of_sound(
    title: str, *, seconds: float, tempo_bpm: float | None = None, key: Key | None = None, beats_a_bar: int = 4
) -> SongPlan:
    """A plan of one section over a sound's whole length; what was not measured stands as a default.

    Raises DeskError for a sound under a second, which is too short to be a take.
    """
    if seconds < MIN_SECONDS:
        raise DeskError("A take lasts at least a second. Export this sound as a file instead.")
    meter = Meter(beats=min(15, max(2, beats_a_bar)), unit=4)
    measured = tempo_bpm is not None and MIN_TEMPO_BPM <= tempo_bpm <= MAX_TEMPO_BPM
    bpm = tempo_bpm if measured and tempo_bpm else _TEMPO_BPM
    if meter.bar_seconds(bpm) > seconds:  # a plan holds at least one whole bar
        meter, bpm, measured = Meter(beats=2, unit=4), MAX_TEMPO_BPM, False
    bars = max(1, int(seconds / meter.bar_seconds(bpm) + 1e-6))
    words = title.strip() or "A sound"
    heard = "heard in the sound"
    return SongPlan(
        brief=Brief(words=words),
        title=Decided(value=words[:120], by="asked"),
        seconds=Decided(value=seconds, by="asked"),
        tempo_bpm=Decided(value=bpm, by="inferred" if measured else "default", why=heard if measured else ""),
        key=Decided(value=key or Key(tonic=0, mode="major"), by="inferred" if key else "default", why=heard if key else ""),
        meter=Decided(value=meter),
        genre=Decided(value="unknown"),
        moods=Decided(value=[]),
        groove=Decided(value="none"),
        instruments=Decided(value=[]),
        prompt=Decided(value=words),
        negative_prompt=Decided(value=""),
        sections=[
            Section(
                name=Decided(value="whole"), bars=Decided(value=bars), energy=Decided(value=0.5),
                prompt=Decided(value=words), chords=Decided(value=[(key or Key(tonic=0, mode="major")).note_name((key or Key(tonic=0, mode="major")).tonic)]),
                instruments=Decided(value=[]),
            )
        ],
    )  # fmt: skip


def moved_plan(plan: SongPlan, *, seconds: float, tempo_bpm: float | None = None, semitones: int = 0) -> SongPlan:
    """The plan at another tempo, in another key: chords move along, bars stay as many as fit."""
    why = "set on the desk"
    changes: dict[str, object] = {"seconds": Decided(value=seconds, by="asked", why=why)}
    if tempo_bpm is not None:
        if not MIN_TEMPO_BPM <= tempo_bpm <= MAX_TEMPO_BPM:
            raise DeskError(f"A tempo lies between {MIN_TEMPO_BPM:.0f} and {MAX_TEMPO_BPM:.0f} bpm.")
        changes["tempo_bpm"] = Decided(value=tempo_bpm, by="asked", why=why)
    if semitones % 12:
        old = plan.key.value
        key = Key(tonic=(old.tonic + semitones) % 12, mode=old.mode)
        changes["key"] = Decided(value=key, by="asked", why=why)
        changes["sections"] = [_transposed(section, semitones, key) for section in plan.sections]
    moved = plan.model_copy(update=changes)
    return _trimmed(moved)


def titled(plan: SongPlan, title: str) -> SongPlan:
    """The plan under another title."""
    return plan.model_copy(update={"title": Decided(value=title.strip()[:120] or plan.title.value, by="asked")})


def _transposed(section: Section, semitones: int, key: Key) -> Section:
    chords = []
    for symbol in section.chords.value:
        chord = Chord.parse(symbol)
        bass = None if chord.bass is None else (chord.bass + semitones) % 12
        chords.append(Chord(root=(chord.root + semitones) % 12, quality=chord.quality, bass=bass).symbol(key))
    return section.model_copy(update={"chords": section.chords.model_copy(update={"value": chords})})


def _trimmed(plan: SongPlan) -> SongPlan:
    """Bars taken off the end until the sections fit the sound; at least one stays."""
    sections = list(plan.sections)
    room = int((plan.seconds.value + 0.05) / plan.bar_seconds)
    if room < 1:
        raise DeskError("At this tempo not one bar would fit. Choose a faster one.")
    kept: list[Section] = []
    for section in sections:
        bars = min(section.bars.value, room - sum(each.bars.value for each in kept))
        if bars > 0:
            kept.append(section.model_copy(update={"bars": section.bars.model_copy(update={"value": bars})}))
    return SongPlan.model_validate(plan.model_copy(update={"sections": kept}).model_dump())
