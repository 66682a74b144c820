"""What the user set of live MIDI, and changing it by name. Knows nothing of ports or of what plays."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from studio.live_midi.messages import CHANNELS

LONGEST_OFFSET_MS = 500.0


class LiveMidiError(Exception):
    """Live MIDI cannot do that; the message is a sentence for the user."""


@dataclass
class Switches:
    """follows: the page's playback or a beat clock. go_round: begin anew after the last whole bar, on a beat clock.
    offset_ms: everything so much later. on: parts by number; moved: channels chosen by hand, 0 to 15."""

    follows: Literal["page", "clock"] = "page"
    clock_out: bool = False
    programs: bool = True
    go_round: bool = False
    offset_ms: float = 0.0
    on: dict[int, bool] = field(default_factory=dict)
    moved: dict[int, int] = field(default_factory=dict)

    def change(self, changes: Mapping[str, Any]) -> None:
        """Take changes by name; "parts" is {number: {"on": …, "channel": …}}. Raises LiveMidiError, and nothing is changed then."""
        follows = changes.get("follows", self.follows)
        if follows not in ("page", "clock"):
            raise LiveMidiError("MIDI follows the page, or the beat clock.")
        offset = number_of(changes.get("offset_ms", self.offset_ms), math.nan)
        if not abs(offset) <= LONGEST_OFFSET_MS:
            raise LiveMidiError(f"The offset is at most {LONGEST_OFFSET_MS:.0f} ms either way.")
        on, moved = dict(self.on), dict(self.moved)
        for number, part in dict(changes.get("parts") or {}).items():
            if "on" in part:
                on[int(number)] = bool(part["on"])
            if "channel" in part:
                if not 0 <= int(part["channel"]) < CHANNELS:
                    raise LiveMidiError("A MIDI channel is a number from 1 to 16.")
                moved[int(number)] = int(part["channel"])
        self.follows, self.offset_ms, self.on, self.moved = follows, offset, on, moved
        self.clock_out = bool(changes.get("clock_out", self.clock_out))
        self.programs = bool(changes.get("programs", self.programs))
        self.go_round = bool(changes.get("go_round", self.go_round))

    def forget_parts(self) -> None:
        """Another sound has other parts."""
        self.on.clear()
        self.moved.clear()


def number_of(value: Any, otherwise: float = 0.0) -> float:
    """A finite number out of what somebody sent."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return otherwise
    return number if math.isfinite(number) else otherwise
