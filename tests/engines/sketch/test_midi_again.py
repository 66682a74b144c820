"""A sketch's MIDI file is exactly what was played: its notes, rendered again, are the take."""

from __future__ import annotations

import io

import mido
import numpy as np
import pytest

from agents.structure_agent import plan_from_brief
from agents.types import Brief
from studio.engines.base import Listener, Sampling
from studio.engines.sketch.compose import compose
from studio.engines.sketch.engine import SketchEngine, _finished
from studio.engines.sketch.render import Session
from studio.engines.sketch.score import Note
from studio.engines.sketch.synth import load_font


@pytest.mark.parametrize("words", ["lo-fi hip hop, 80 bpm", "waltz for piano and strings", "samba with percussion"])
def test_the_midi_rendered_again_is_the_take(words: str) -> None:
    plan = plan_from_brief(Brief(words=words, seconds=9.0), seed=3)
    take = SketchEngine().generate(plan, Sampling(seed=3), Listener())
    score = compose(plan, seed=3)
    tracks = mido.MidiFile(file=io.BytesIO(take.midi or b"")).tracks[1:]
    assert len(tracks) == len(score.parts)
    for part, track in zip(score.parts, tracks, strict=True):
        assert track.name == part.instrument.label
        part.notes = notes_of(track)
    font = load_font(None)
    session = Session(score, font)
    try:
        done = SketchEngine._render(session, Listener())
    finally:
        session.close()
    again = _finished(score, session, done, {})
    assert np.array_equal(again.clip.samples, take.clip.samples)


def notes_of(track: mido.MidiTrack) -> list[Note]:
    found, sounding, tick = [], {}, 0
    for message in track:
        tick += message.time
        if message.type == "note_on" and message.velocity:
            sounding.setdefault(message.note, []).append((tick, message.velocity))
        elif message.type in ("note_on", "note_off") and sounding.get(message.note):
            start, velocity = sounding[message.note].pop(0)
            found.append(Note(start, tick, message.note, velocity))
    return sorted(found)
