"""MIDI 1.0 messages as bytes, the few that live playing needs.

After the MIDI 1.0 Detailed Specification (MIDI Association, 1996). Channels are counted from 0. Knows nothing of ports or of time.
"""

from __future__ import annotations

from audio.midi import DRUM_CHANNEL

__all__ = ["DRUM_CHANNEL", "everything_off", "note_off", "note_on", "program_change", "song_position"]

CHANNELS = 16
CLOCK, START, CONTINUE, STOP = b"\xf8", b"\xfa", b"\xfb", b"\xfc"
PULSES_A_QUARTER = 24
PULSES_A_SIXTEENTH = PULSES_A_QUARTER // 4
_FARTHEST_SIXTEENTH = 0x3FFF
_SOUND_OFF, _RESET, _NOTES_OFF = 120, 121, 123


def note_on(channel: int, pitch: int, velocity: int) -> bytes:
    """A key goes down. velocity: 1 to 127; 0 would be a note-off and is raised to 1."""
    return bytes((0x90 | channel, pitch & 0x7F, min(127, max(1, velocity))))


def note_off(channel: int, pitch: int) -> bytes:
    """A key comes up, with the release velocity of instruments that have none."""
    return bytes((0x80 | channel, pitch & 0x7F, 64))


def program_change(channel: int, program: int) -> bytes:
    """program: General MIDI, counted from 0."""
    return bytes((0xC0 | channel, program & 0x7F))


def song_position(sixteenth: int) -> bytes:
    """Where the next clock pulse stands, in sixteenths from the song's beginning."""
    place = min(max(0, sixteenth), _FARTHEST_SIXTEENTH)
    return bytes((0xF2, place & 0x7F, place >> 7))


def everything_off() -> list[bytes]:
    """All notes off, all sound off and controllers reset, on every channel: what a panic button sends."""
    return [
        bytes((0xB0 | channel, controller, 0))
        for channel in range(CHANNELS)
        for controller in (_NOTES_OFF, _SOUND_OFF, _RESET)
    ]
