"""Which voice plays a part: the SoundFont's, doubled or layered, or one of our own where General MIDI is thin."""

from __future__ import annotations

from collections.abc import Sequence

from studio.engines.sketch.comping import DISTORTED_PROGRAMS
from studio.engines.sketch.score import Part
from studio.engines.sketch.synth import DoubledVoice, Event, Font, LayeredVoice, SoundFontVoice, Voice
from studio.engines.sketch.synthesis import PATCHES, kick_voice, patch_voice

_KICKS = (35, 36)
_ELECTRONIC_KIT, _808_KIT = 24, 25
_BY_INSTRUMENT = {
    "saw_lead": "supersaw", "square_lead": "square", "pluck": "pluck", "polysynth": "polysynth", "sub_bass": "sub",
}  # fmt: skip
_ACID_GROOVES = frozenset(
    {"techno_rolling", "electro", "four_on_floor", "trance_offbeat", "breakbeat", "synthwave_eighths"}
)


def voice_for(part: Part, events: Sequence[Event], font: Font, groove_name: str) -> Voice:
    """The voice that plays these events as this part."""
    instrument = part.instrument
    if instrument.kit is not None:
        return _kit(instrument.kit, part, events, font)
    patch = _patch(part, groove_name)
    if patch is not None:
        return patch_voice(PATCHES[patch], events)
    program = instrument.program or 0
    if program in DISTORTED_PROGRAMS and part.role == "chords":
        left = SoundFontVoice(font, events, program=program, is_kit=False, cents=-5)
        right = SoundFontVoice(font, events, program=program, is_kit=False, cents=6, delay_frames=620)
        return DoubledVoice(left, right)
    return SoundFontVoice(font, events, program=program, is_kit=False)


def _patch(part: Part, groove_name: str) -> str | None:
    if groove_name == "chiptune_pulse" and part.instrument.program is not None and part.instrument.program >= 38:
        return "chip bass" if part.role == "bass" else "chip"
    if part.instrument_id == "synth_bass":
        return "acid" if groove_name in _ACID_GROOVES else None
    if part.instrument_id == "sub_bass" and groove_name in ("drum_and_bass", "dubstep_half_time"):
        return "reese"
    return _BY_INSTRUMENT.get(part.instrument_id)


def _kit(kit: int, part: Part, events: Sequence[Event], font: Font) -> Voice:
    """A drum machine's kick is drawn, the rest of the kit sampled."""
    if kit not in (_ELECTRONIC_KIT, _808_KIT) or part.role != "drums":
        return SoundFontVoice(font, events, program=kit, is_kit=True)
    kicks = [event for event in events if event.pitch in _KICKS]
    others = [event for event in events if event.pitch not in _KICKS]
    sampled = SoundFontVoice(font, others, program=kit, is_kit=True)
    long = kit == _808_KIT
    return LayeredVoice([(sampled, 1.0), (kick_voice(kicks, long=long), 0.36 if long else 0.42)])
