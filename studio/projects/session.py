"""What every project file holds, whichever DAW reads it. Knows nothing of any format."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audio.clip import Clip
from audio.io import read_clip
from audio.tempo_map import TempoMap
from audio.transcription import Note
from studio.takes import Take, TakeStore


@dataclass(frozen=True, slots=True)
class Part:
    """One track. sound: a clip, a sound file, or None for notes alone. gain_db, pan (-1 to 1): as the mixer stands.

    notes: in seconds of the sound; program: their General MIDI instrument, 0-based.
    """

    name: str
    sound: Clip | Path | None = None
    notes: tuple[Note, ...] = ()
    is_drums: bool = False
    program: int = 0
    gain_db: float = 0.0
    pan: float = 0.0

    def clip(self) -> Clip | None:
        """The sound, read when it is needed. Raises audio.io.AudioUnreadable."""
        return read_clip(self.sound) if isinstance(self.sound, Path) else self.sound


@dataclass(frozen=True, slots=True)
class Session:
    """A project. markers: (seconds of the sound, name). key: as musicians write it, "" when not known."""

    title: str
    tempo_map: TempoMap
    parts: tuple[Part, ...]
    markers: tuple[tuple[float, str], ...] = ()
    key: str = ""
    genre: str = ""
    comment: str = ""

    def sounding(self) -> Iterator[tuple[str, Part]]:
        """The parts that have sound, each with a file name of its own, without ending."""
        for number, part in enumerate((part for part in self.parts if part.sound is not None), start=1):
            yield f"{number:02} {plain_name(part.name) or 'part'}", part

    def playing(self) -> list[Part]:
        """The parts that have notes."""
        return [part for part in self.parts if part.notes]


def session_of_take(take: Take, store: TakeStore) -> Session:
    """A take as a project: its stems (or its mix), its notes when it has them, on the plan's tempo, meter and sections.

    Raises TakeError when its files are gone.
    """
    from studio.desk.notes import part_label

    plan = take.plan
    meter = plan.meter.value
    tempo_map = TempoMap.steady(plan.tempo_bpm.value * meter.quarters_per_felt_beat, beats=meter.beats, unit=meter.unit)
    sounds = [Part(part_label(stem.name), store.stem_path(take.id, stem.name)) for stem in take.stems]
    if not sounds:
        sounds = [Part("Mix", store.audio_path(take.id))]
    notes = parts_of_midi(store.midi_path(take.id).read_bytes()) if take.has_midi else []
    starts = zip(plan.section_starts_seconds(), plan.sections, strict=True)
    return Session(
        title=take.title,
        tempo_map=tempo_map,
        parts=(*sounds, *notes),
        markers=tuple((start, section.name.value) for start, section in starts if start < take.seconds),
        key=plan.key.value.name,
        genre=plan.genre.value.replace("_", " "),
        comment=plan.brief.words,
    )


def parts_of_midi(data: bytes) -> list[Part]:
    """The tracks of a MIDI file that hold notes, in seconds. Raises ValueError for what is no MIDI file."""
    import mido

    try:
        file = mido.MidiFile(file=io.BytesIO(data))
    except (OSError, EOFError, ValueError, KeyError, IndexError) as error:
        raise ValueError(f"This is not a readable MIDI file: {error}") from error
    seconds_at = _clock(mido, file)
    parts = []
    for track in file.tracks:
        notes: list[Note] = []
        sounding: dict[tuple[int, int], tuple[int, int]] = {}
        name, program, drums, tick = "", 0, False, 0
        for message in track:
            tick += message.time
            if message.type == "track_name":
                name = message.name
            elif message.type == "program_change":
                program = message.program
            elif message.type in ("note_on", "note_off"):
                drums = drums or message.channel == 9
                key = (message.channel, message.note)
                if key in sounding:
                    start, velocity = sounding.pop(key)
                    notes.append(Note(seconds_at(start), seconds_at(tick), message.note, velocity))
                if message.type == "note_on" and message.velocity:
                    sounding[key] = (tick, message.velocity)
        if notes:
            parts.append(Part(f"{name or 'Notes'} MIDI", None, tuple(sorted(notes)), drums, program))
    return parts


def _clock(mido: Any, file: Any) -> Callable[[int], float]:
    """A function from ticks to seconds, through every change of tempo."""
    changes, tick = [(0, 500_000)], 0
    for message in mido.merge_tracks(file.tracks):
        tick += message.time
        if message.type == "set_tempo":
            changes.append((tick, message.tempo))

    def seconds_at(wanted: int) -> float:
        passed = 0.0
        for index, (start, tempo) in enumerate(changes):
            end = changes[index + 1][0] if index + 1 < len(changes) else wanted
            if wanted <= start:
                break
            passed += mido.tick2second(min(end, wanted) - start, file.ticks_per_beat, tempo)
        return passed

    return seconds_at


def plain_name(text: str) -> str:
    """A name every system and every DAW takes as a file's."""
    text = re.sub(r'[<>:"/\\|?*\x00-\x1f\x7f]+', " ", text)
    return " ".join(text.split()).strip(" .")[:60]
