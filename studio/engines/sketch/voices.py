"""Which voice plays a part: the SoundFont's, doubled or layered where General MIDI alone is thin."""

from __future__ import annotations

from collections.abc import Sequence

from studio.engines.sketch.comping import DISTORTED_PROGRAMS
from studio.engines.sketch.score import Part
from studio.engines.sketch.synth import DoubledVoice, Event, Font, SoundFontVoice, Voice


def voice_for(part: Part, events: Sequence[Event], font: Font, groove_name: str) -> Voice:
    """The voice that plays these events as this part."""
    instrument = part.instrument
    if instrument.kit is not None:
        return SoundFontVoice(font, events, program=instrument.kit, is_kit=True)
    program = instrument.program or 0
    if program in DISTORTED_PROGRAMS and part.role == "chords":
        left = SoundFontVoice(font, events, program=program, is_kit=False, cents=-5)
        right = SoundFontVoice(font, events, program=program, is_kit=False, cents=6, delay_frames=620)
        return DoubledVoice(left, right)
    return SoundFontVoice(font, events, program=program, is_kit=False)
