"""MIDI ports of this machine through mido and python-rtmidi: what there is, and opening one, with sentences where it cannot be.

The environment's MIDO_BACKEND is mido's own: `mido.backends.rtmidi/UNIX_JACK` plays through JACK. Loads rtmidi; only the MIDI
process does so.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Any

CLIENT = "MusicGen Studio"
VIRTUAL = "virtual"  # the name by which our own port is asked for


class PortError(Exception):
    """A port cannot be opened, or is gone; the message is a sentence for the user."""


@dataclass(frozen=True, slots=True)
class Ports:
    """What this machine offers. virtual: whether a port of our own can be made. problem: why there is nothing, in a sentence."""

    outputs: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    virtual: bool = False
    system: str = ""
    problem: str = ""


def list_ports() -> Ports:
    """The ports there are now; never raises."""
    try:
        import mido

        system = mido.backend.api or (_systems() or [""])[0]
        outputs = tuple(_ours_left_out(mido.get_output_names()))
        inputs = tuple(_ours_left_out(mido.get_input_names()))
    except Exception as error:  # noqa: BLE001 - rtmidi, its backends and mido each raise in their own way
        return Ports(problem=_why_none(error))
    return Ports(outputs, inputs, virtual=not system.startswith("WINDOWS"), system=system)


def open_output(name: str) -> Any:
    """A mido output: VIRTUAL makes a port of our own that other programs see. Raises PortError."""
    return _opened("output", name)


def open_input(name: str, callback: Any) -> Any:
    """A mido input; callback: told of each message on a thread of rtmidi's. Raises PortError."""
    return _opened("input", name, callback=callback)


def _opened(way: str, name: str, **more: Any) -> Any:
    try:
        import mido

        opening = mido.open_output if way == "output" else mido.open_input
        if name == VIRTUAL:
            # macOS shows a port by its own name alone, the others behind the program's.
            own = "MIDI out" if way == "output" else "MIDI in"
            return opening(CLIENT if sys.platform == "darwin" else own, client_name=CLIENT, virtual=True, **more)
        return opening(name, **more)
    except Exception as error:
        if name == VIRTUAL:
            raise PortError(_why_none(error)) from error
        raise PortError(
            f"“{name}” could not be opened: it is unplugged, or another program holds it. Plug it in or choose another port."
        ) from error


def _systems() -> list[str]:
    import rtmidi

    names = {getattr(rtmidi, name): name.removeprefix("API_") for name in dir(rtmidi) if name.startswith("API_")}
    return [names[api] for api in rtmidi.get_compiled_api()]


def _ours_left_out(names: list[str]) -> list[str]:
    return [name for name in dict.fromkeys(names) if CLIENT not in name]


def _why_none(error: Exception) -> str:
    """What to do where the system makes no MIDI ports."""
    if isinstance(error, ImportError):
        return "MIDI ports need python-rtmidi: run `make run` once more; it installs it. The browser's own MIDI works without."
    if sys.platform.startswith("linux") and "JACK" in os.environ.get("MIDO_BACKEND", ""):
        return "JACK does not answer: start it (for example with qjackctl) and look again, or use the browser's MIDI."
    if sys.platform.startswith("linux"):
        return (
            "This system has no ALSA sequencer, so no MIDI port can be made here: load it (modprobe snd-seq), or start the "
            "studio with MIDO_BACKEND=mido.backends.rtmidi/UNIX_JACK under JACK, or use the browser's MIDI."
        )
    if sys.platform == "win32":
        return (
            "Windows makes no MIDI ports of a program's own: add one with loopMIDI and choose it here, or use a device."
        )
    return f"No MIDI port could be made ({error}). Choose a device, or use the browser's MIDI."
