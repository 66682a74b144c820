"""Melodies by name as notes on a beat: out of MIDI files, of takes whose notes are known, and of sounds that are heard.

Notes out of a file lie where it says; where it was played loosely they are drawn to the grid a little. A sound is
transcribed, its beat found in the notes themselves. Knows nothing of plans or of engines.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agents.harmony import Meter
from agents.tune import Tune, TuneNote, from_first_bar, lead_of
from audio.clip import Clip
from studio.engines.base import Cancelled, EngineError, Listener
from studio.sounds import MAX_SECONDS, SoundStore
from studio.takes import TakeError, TakeStore

SILENT_RMS = 1e-3
DRUM_CHANNEL = 9
_LEADS = ("melody", "lead", "vocal", "voice", "tune", "theme", "sing")
_LOOSE_QUARTERS = 0.02  # a file played on the grid errs less
_FREE_QUARTERS = 0.055  # without a tempo of its own, this is no grid at all: a sixteenth missed at random errs by 0.07
_EIGHTHS_QUARTERS = 0.08  # nearer than this to eighths on the whole, and nothing else was meant
_DRAWN = 0.75
_SHORTEST_QUARTERS = 0.05
_GHOSTS = (12, 19, 24)  # overtones that a network takes for notes
_KEPT = 8

Parts = Callable[[Clip], Clip | None]


@dataclass(frozen=True, slots=True, order=True)
class _Played:
    """A note as it was found, in whatever its finder counts: ticks or seconds."""

    start: float
    end: float
    pitch: int
    velocity: int


class Tunes:
    """Melodies of one studio, the last few kept. parts: takes drums and bass out of a sound, where that can be done."""

    def __init__(self, sounds: SoundStore, store: TakeStore, *, parts: Parts = lambda clip: None) -> None:
        self._sounds, self._store, self._parts = sounds, store, parts
        self._kept: dict[str, Tune] = {}

    def get(self, name: str, listener: Listener | None = None) -> Tune:
        """The melody of that name. Raises EngineError when there is none in it, Cancelled when the listener stops it."""
        if name not in self._kept:
            self._kept[name] = self._read(name, listener or Listener())
            for old in list(self._kept)[:-_KEPT]:
                self._kept.pop(old, None)
        return self._kept[name]

    def _read(self, name: str, listener: Listener) -> Tune:
        if name.startswith("take:") and (tune := self._of_take(name)) is not None:
            return tune
        found = self._sounds.get(name)
        if isinstance(found, bytes):
            return tune_of_midi(found, name=name)
        check_sound(found)
        listener.progress("hearing the melody", 0.0)
        return tune_of_sound(found, name=name, lone=self._parts(found), listener=listener)

    def _of_take(self, name: str) -> Tune | None:
        """A take's own melody, exactly; None where its notes are not known."""
        try:
            take = self._store.read(name.removeprefix("take:"))
            data = self._store.midi_path(take.id).read_bytes() if take.has_midi else b""
        except (TakeError, OSError) as error:
            raise EngineError(f"The take to follow cannot be read: {error}") from error
        if not data:
            return None
        tune = tune_of_midi(data, name=name, track=_label(lead_of(take.plan)))
        return replace(tune, source="take", known_key=take.plan.key.value, meter=take.plan.meter.value)


def _label(instrument: str | None) -> str:
    from agents.knowledge import instruments

    return instruments()[instrument].label if instrument else ""


# -------------------------------------------------------------------------------------------------- out of a file


def tune_of_midi(data: bytes, *, name: str = "midi:", track: str = "") -> Tune:
    """The melody of a Standard MIDI File: its track called so, or melody or lead, else the top line of all but drums.

    Raises EngineError when it cannot be read, is too long, or holds no notes.
    """
    import mido

    try:
        file = mido.MidiFile(file=io.BytesIO(data), clip=True)
        seconds = file.length
        lines = {label: notes for label, notes in _lines(file.tracks) if notes}
    except (OSError, EOFError, ValueError, KeyError, IndexError, TypeError) as error:
        raise EngineError("The MIDI file cannot be read: choose another one.") from error
    if not lines:
        raise EngineError("The MIDI file holds no notes but drums: choose a file with a melody.")
    if seconds > MAX_SECONDS:
        raise EngineError(f"The MIDI file lasts {seconds:.0f} s: cut it to {MAX_SECONDS:.0f} s or less.")
    tempo, meter = _tempo_and_meter(file.tracks, mido)
    line = top_line(_chosen(lines, track))
    notes = [replace(note, start=note.start / file.ticks_per_beat, end=note.end / file.ticks_per_beat) for note in line]
    if tempo is None and _off_grid(notes) > _FREE_QUARTERS:
        return _on_its_beat([replace(n, start=n.start / 2, end=n.end / 2) for n in notes], name=name, source="midi")
    return _on_grid(notes, name=name, source="midi", tempo_bpm=tempo, meter=meter)


def _lines(tracks: Iterable[Any]) -> Iterable[tuple[tuple[str, int], list[_Played]]]:
    """The notes of each track and channel but the drums', in ticks, by the track's name and their place."""
    for number, track in enumerate(tracks):
        now, label = 0, ""
        sounding: dict[tuple[int, int], tuple[int, int]] = {}
        found: dict[int, list[_Played]] = {}
        for message in track:
            now += message.time
            if message.type == "track_name":
                label = message.name
            if message.type not in ("note_on", "note_off") or message.channel == DRUM_CHANNEL:
                continue
            where = (message.channel, message.note)
            begun = sounding.pop(where, None)
            if begun is not None and now > begun[0]:
                found.setdefault(message.channel, []).append(_Played(begun[0], now, message.note, begun[1]))
            if message.type == "note_on" and message.velocity > 0:
                sounding[where] = (now, message.velocity)
        for channel, notes in found.items():
            yield (label, number * 16 + channel), notes


def _chosen(lines: dict[tuple[str, int], list[_Played]], track: str) -> list[_Played]:
    """The notes of the line that is the melody, or of all."""
    named = [notes for (label, _), notes in lines.items() if track and label == track]
    named += [notes for (label, _), notes in lines.items() if any(word in label.lower() for word in _LEADS)]
    return sorted(named[0] if named else [note for notes in lines.values() for note in notes])


def _tempo_and_meter(tracks: Iterable[Any], mido: Any) -> tuple[float | None, Meter | None]:
    """The first tempo, in quarters a minute, and the first meter that the file states."""
    tempo: float | None = None
    meter: Meter | None = None
    for message in (message for track in tracks for message in track):
        if message.type == "set_tempo" and tempo is None:
            tempo = round(float(mido.tempo2bpm(message.tempo)), 2)
        if message.type == "time_signature" and meter is None and 2 <= message.numerator <= 15:
            meter = Meter.parse(f"{message.numerator}/{message.denominator}") if message.denominator in (2, 4, 8, 16) else None  # fmt: skip
    return tempo, meter


# ------------------------------------------------------------------------------------------------- out of a sound


def check_sound(clip: Clip) -> None:
    """Raise EngineError for a sound in which no melody can be."""
    if not np.isfinite(clip.samples).all():
        raise EngineError("The melody's sound is damaged (numbers that are none): choose another file.")
    if clip.frames == 0 or float(np.sqrt(np.mean(np.square(clip.samples, dtype=np.float64)))) < SILENT_RMS:
        raise EngineError(
            "The melody is silent: hum or play it again, nearer to the microphone, or choose another sound."
        )


def tune_of_sound(
    clip: Clip, *, name: str = "sound:", lone: Clip | None = None, listener: Listener | None = None
) -> Tune:
    """The melody heard in a sound. lone: the same without drums and bass, where there is one.

    Raises EngineError when no note can be heard in it, Cancelled when the listener stops it.
    """
    from audio.transcription import CannotTranscribe, transcribe

    def told(fraction: float) -> None:
        if listener is not None:
            listener.progress("hearing the melody", fraction)
            if listener.cancelled():
                raise Cancelled("Stopped before any sound was made.")

    heard = lone if lone is not None and np.abs(lone.samples).max(initial=0.0) > 10 * SILENT_RMS else clip
    try:
        found = transcribe(heard, progress=told)
    except CannotTranscribe as error:
        raise EngineError(str(error)) from error
    line = top_line(_without_ghosts([_Played(n.start_seconds, n.end_seconds, n.pitch, n.velocity) for n in found]))
    if not line:
        raise EngineError(
            "No notes can be heard in this sound: hum or play the melody alone, nearer to the microphone, or choose another."
        )
    return _on_its_beat(line, name=name, source="heard")


def _without_ghosts(notes: Sequence[_Played]) -> list[_Played]:
    """The notes without those that are an overtone of a longer one under them."""

    def is_ghost(note: _Played) -> bool:
        return any(
            note.pitch - other.pitch in _GHOSTS
            and min(note.end, other.end) - max(note.start, other.start) > 0.5 * (note.end - note.start)
            and other.end - other.start >= note.end - note.start
            for other in notes
        )

    return [note for note in notes if not is_ghost(note)]


def _on_its_beat(line: Sequence[_Played], *, name: str, source: Any) -> Tune:
    """Notes in seconds on the beat that is in them; where they have none, one a beat at 100."""
    from audio.played_beat import PlayedBeat, beat_of

    beat = beat_of([note.start for note in line], [note.end - note.start for note in line])
    beat = beat or PlayedBeat(100.0, line[0].start)
    shift = min(0.0, round(beat.beat_at(line[0].start)))
    notes = [replace(note, start=beat.beat_at(note.start) - shift, end=beat.beat_at(note.end) - shift) for note in line]
    return _on_grid(notes, name=name, source=source, tempo_bpm=round(beat.tempo_bpm, 1), meter=None)


# ---------------------------------------------------------------------------------------------------- for both


def top_line(notes: Sequence[_Played]) -> list[_Played]:
    """One note at a time: the highest of what begins together, each until the next; what lies under a held note goes.

    A note held a little into a lower next one is legato, and is cut there.
    """
    line: list[_Played] = []
    for note in sorted(notes, key=lambda each: (each.start, -each.pitch)):
        if line:
            held = line[-1]
            together = note.start - held.start < 0.1 * (held.end - held.start)
            under = held.end - note.start > 0.5 * (note.end - note.start)
            if note.pitch <= held.pitch and (together or under):
                continue
            if together:
                line.pop()
                note = replace(note, start=min(held.start, note.start))
            elif held.end > note.start:
                line[-1] = replace(held, end=note.start)
        line.append(note)
    return line


def _off_grid(notes: Sequence[_Played]) -> float:
    """How far, root mean square and in quarters, the notes begin from the nearest sixteenth or triplet eighth."""
    return min(_errors(notes, 4), _errors(notes, 3))


def _errors(notes: Sequence[_Played], steps: int) -> float:
    places = np.array([note.start for note in notes]) * steps
    return float(np.sqrt(np.mean(np.square(places - np.round(places))))) / steps


def _on_grid(notes: Sequence[_Played], *, name: str, source: Any, tempo_bpm: float | None, meter: Meter | None) -> Tune:
    """Notes in quarters as a tune: drawn most of the way to the grid where they were played loosely, else as they are."""
    drawn = _DRAWN if _off_grid(notes) > _LOOSE_QUARTERS else 0.0
    steps = 2 if _errors(notes, 2) < _EIGHTHS_QUARTERS else 4 if _errors(notes, 4) <= _errors(notes, 3) * 1.2 else 3
    made = []
    for note in notes:
        start = max(0.0, note.start + drawn * (round(note.start * steps) / steps - note.start))
        end = max(start + _SHORTEST_QUARTERS, note.end + start - note.start)
        made.append(TuneNote(round(start, 6), round(end, 6), note.pitch, note.velocity))
    counted = from_first_bar(made, meter or Meter(beats=4))
    return Tune(name, counted, source, tempo_bpm, meter, on_grid=drawn)
