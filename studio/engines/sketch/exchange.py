"""Some sections of a take exchanged for newly played ones, all else left as it is, to the sample.

An exchanged section goes over into its neighbours within EDGE_SECONDS, which end EARLY_SECONDS before the bar line, so
that the first beat belongs to the section it opens. Knows nothing of how the new sound was made.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from io import BytesIO
from typing import Any

import numpy as np

from agents.harmony import Key
from agents.types import SongPlan
from audio.clip import Clip
from audio.midi import MidiTrack, midi_file
from studio.engines.base import EngineError, Rendering
from studio.engines.sketch.score import TICKS_PER_QUARTER

EDGE_SECONDS = 0.025
EARLY_SECONDS = 0.016  # a hand may strike so much before the line
_MOST_GAIN_DB = 3.0
_CEILING = 10 ** (-1.15 / 20)


def exchanged(plan: SongPlan, previous: Rendering, made: Rendering, sections: Collection[int]) -> Rendering:
    """`previous` with these sections out of `made`, which plays the same plan's frame with another content.

    The new sound is brought to the level of the old by what both play elsewhere. Stems and MIDI are exchanged alike.
    Raises EngineError when the two do not lie on the same bars.
    """
    old, new = previous.clip, made.clip
    if (old.sample_rate_hz, old.frames, old.channels) != (new.sample_rate_hz, new.frames, new.channels):
        raise EngineError(
            "This take's length, tempo or channels are not the plan's any more: make the whole take again instead."
        )
    spans = section_spans(plan, sections, seconds=old.seconds)
    share = shares(spans, frames=old.frames, sample_rate_hz=old.sample_rate_hz)
    gain = _level(old, new, share)
    stems = {
        name: _mixed(previous.stems.get(name), made.stems.get(name), share, gain, like=old)
        for name in (*previous.stems, *(n for n in made.stems if n not in previous.stems))
    }
    midi = made.midi if previous.midi is None or made.midi is None else _merged(plan, previous.midi, made.midi, spans)
    edits = [*previous.identity.get("section_edits", ()), {"sections": sorted(sections), **_edit_of(made.identity)}]
    return Rendering(
        clip=_mixed(old, new, share, gain, like=old), complete=previous.complete, stems=stems, midi=midi,
        identity={**previous.identity, "section_edits": edits, "crossfade_seconds": EDGE_SECONDS},
    )  # fmt: skip


def section_spans(plan: SongPlan, sections: Collection[int], *, seconds: float) -> list[tuple[float, float]]:
    """Where these sections sound, in seconds, neighbours as one; the last one keeps the ring. Raises EngineError."""
    count = len(plan.sections)
    if not sections or any(not 0 <= number < count for number in sections):
        raise EngineError(f"Choose sections between 1 and {count} to make anew.")
    starts = [*plan.section_starts_seconds(), seconds]
    spans: list[tuple[float, float]] = []
    for number in sorted(set(sections)):
        start, end = starts[number], starts[number + 1]
        if spans and abs(spans[-1][1] - start) < 1e-9:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    return spans


def shares(spans: list[tuple[float, float]], *, frames: int, sample_rate_hz: int) -> np.ndarray:
    """How much of the new is heard at each frame: 0 outside, 1 inside, a slope of EDGE_SECONDS at each edge; float32."""
    share = np.zeros(frames, np.float32)
    slope, early = round(EDGE_SECONDS * sample_rate_hz), round(EARLY_SECONDS * sample_rate_hz)
    for start_seconds, end_seconds in spans:
        start = max(0, round(start_seconds * sample_rate_hz) - early)
        end = round(end_seconds * sample_rate_hz)
        end = frames if end >= frames else end - early
        share[start:end] = 1.0
        if start > 0:
            first = max(0, start - slope)
            share[first:start] = np.linspace(0, 1, start - first, endpoint=False, dtype=np.float32)
        if end < frames:
            first = max(start, end - slope)
            share[first:end] = np.linspace(1, 0, end - first, endpoint=False, dtype=np.float32)
    return share


def _mixed(old: Clip | None, new: Clip | None, share: np.ndarray, gain: float, *, like: Clip) -> Clip:
    out = old.samples.copy() if old is not None else np.zeros_like(like.samples)
    inside = share > 0
    part = share[inside]
    fresh = new.samples[:, inside] * np.float32(gain) if new is not None else np.float32(0)
    out[:, inside] = out[:, inside] * (1 - part) + fresh * part
    return Clip(out, like.sample_rate_hz)


def _level(old: Clip, new: Clip, share: np.ndarray) -> float:
    """The factor that brings the new to the old's level: the median over the seconds that are kept, within 3 dB."""
    rate = old.sample_rate_hz
    ratios = []
    for start in range(0, old.frames - rate, rate):
        if share[start : start + rate].any():
            continue
        before, after = (float((c.samples[:, start : start + rate] ** 2).mean()) for c in (old, new))
        if before > 1e-6 and after > 1e-6:
            ratios.append(0.5 * np.log10(before / after))
    limit = _MOST_GAIN_DB / 20
    gain = 10 ** float(np.clip(np.median(ratios), -limit, limit)) if len(ratios) >= 2 else 1.0
    peak = float(np.abs(new.samples[:, share > 0]).max(initial=0.0))
    return min(gain, max(1.0, _CEILING / peak)) if peak > 0 else gain


def _edit_of(identity: Mapping[str, Any]) -> dict[str, Any]:
    return {name: identity[name] for name in ("seed", "engine_version") if name in identity}


def _merged(plan: SongPlan, before: bytes, made: bytes, spans: list[tuple[float, float]]) -> bytes:
    """The old notes outside the spans and the new ones inside; a note that rings into a span ends at its edge."""
    per_second = plan.tempo_bpm.value * plan.meter.value.quarters_per_felt_beat / 60 * TICKS_PER_QUARTER
    early = EARLY_SECONDS * per_second
    edges = [(round(a * per_second - early), round(b * per_second - early)) for a, b in spans]
    tracks: dict[tuple[str, int, bool], list[tuple[int, int, int, int]]] = {}
    for data, wanted in ((before, False), (made, True)):
        for track in tracks_of(data):
            notes = tracks.setdefault((track.name, track.program, track.is_drums), [])
            for start, end, pitch, velocity in track.notes:
                if any(a <= start < b for a, b in edges) is wanted:
                    cuts = [edge for span in edges for edge in span if start < edge < end]
                    notes.append((start, min([end, *cuts]), pitch, velocity))
    ticks = round(plan.meter.value.quarters_per_bar * TICKS_PER_QUARTER)
    bars, markers = 0, []
    for section in plan.sections:
        markers.append((bars * ticks, section.name.value))
        bars += section.bars.value
    return midi_file(
        [
            MidiTrack(name=name, program=program, is_drums=drums, notes=sorted(notes))
            for (name, program, drums), notes in tracks.items()
        ],
        ticks_per_quarter=TICKS_PER_QUARTER, quarters_a_minute=per_second * 60 / TICKS_PER_QUARTER,
        beats=plan.meter.value.beats, unit=plan.meter.value.unit, sharps=sharps_of(plan.key.value),
        is_minor=plan.key.value.is_minor, markers=markers,
    )  # fmt: skip


def tracks_of(data: bytes) -> list[MidiTrack]:
    """The tracks with notes of a MIDI file this studio wrote, their times in its own ticks."""
    import mido

    tracks = []
    for track in mido.MidiFile(file=BytesIO(data)).tracks:
        now, program, channel, name = 0, 0, 0, ""
        sounding: dict[int, list[tuple[int, int]]] = {}
        notes: list[tuple[int, int, int, int]] = []
        for message in track:
            now += message.time
            if message.type == "track_name":
                name = message.name
            elif message.type == "program_change":
                program, channel = message.program, message.channel
            elif message.type == "note_on" and message.velocity > 0:
                channel = message.channel
                sounding.setdefault(message.note, []).append((now, message.velocity))
            elif message.type in ("note_on", "note_off") and sounding.get(message.note):
                start, velocity = sounding[message.note].pop(0)
                notes.append((start, now, message.note, velocity))
        if notes:
            tracks.append(MidiTrack(name=name, program=program, is_drums=channel == 9, notes=sorted(notes)))
    return tracks


def sharps_of(key: Key) -> int:
    """Sharps of the key signature, negative for flats; a mode has its own notes' signature."""
    major_tonic = {"major": 0, "minor": 3, "dorian": 10, "phrygian": 8, "lydian": 7, "mixolydian": 5, "locrian": 1}
    fifths = (key.tonic + major_tonic[key.mode]) * 7 % 12
    return fifths - 12 if fifths > 6 or (fifths == 6 and key.spelled_with_flats) else fifths
