"""Where notes lie: an octave up is heard as higher, whatever the octave's timbre does."""

from __future__ import annotations

import numpy as np

from agents.planner import plan_from_brief
from agents.types import Brief
from audio.clip import Clip
from audio.register import middle_of_notes, middle_pitch
from studio.engines.base import Listener, Sampling
from studio.engines.sketch.engine import SketchEngine


def test_a_song_asked_to_lie_higher_lies_higher_in_notes_and_in_sound() -> None:
    plan = plan_from_brief(Brief(words="classical piano", seconds=12.0), seed=1)
    engine, heard, written = SketchEngine(), [], []
    for semitones in (-12, 0, 12):
        made = engine.generate(plan.model_copy(update={"register_semitones": semitones}), Sampling(seed=1), Listener())
        heard.append(middle_pitch(made.clip))
        written.append(middle_of_notes(made.midi or b""))
    assert heard[0] < heard[1] < heard[2]
    assert written[0] + 5 < written[1] < written[2] - 5


def test_silence_has_no_register() -> None:
    assert middle_pitch(Clip(np.zeros((1, 44_100), np.float32), 44_100)) is None
