"""The plug-in in DawDreamer, a headless host that has a tempo and a transport (GPLv3; a tool of the tests only)."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from weakref import WeakSet

import numpy as np

RATE_HZ = 48_000
_BLOCK = 512
_open: WeakSet[Daw] = WeakSet()


def close_hosts() -> None:
    """Let go of every host, on this thread: one that the garbage collector finds on another never comes back from it.

    JUCE ends a plug-in on the thread that made it and waits for that thread, which waits for the collector.
    """
    if _open:
        for daw in list(_open):
            daw.engine = daw.plugin = None
        _open.clear()
        gc.collect()


class Daw:
    """One track with the plug-in. Its audio runs only while it renders."""

    def __init__(self, vst3: Path, *, bpm: float = 120.0) -> None:
        import dawdreamer

        _open.add(self)
        self.engine: Any = dawdreamer.RenderEngine(RATE_HZ, _BLOCK)
        self.plugin: Any = self.engine.make_plugin_processor("takes", str(vst3))
        self._index = {
            each["name"]: each["index"]
            for each in self.plugin.get_parameters_description()
            if not each["name"].startswith("MIDI Ch")
        }
        self.engine.load_graph([(self.plugin, [])])
        self.engine.set_bpm(bpm)

    def set(self, **values: float) -> None:
        """Turn knobs, by their names with _ for spaces; 0 to 1."""
        for name, value in values.items():
            self.plugin.set_parameter(self._index[name.replace("_", " ")], value)

    def get(self, name: str) -> float:
        """A knob, 0 to 1."""
        return self.plugin.get_parameter(self._index[name])

    def restore(self, path: Path) -> None:
        """Open a project's state; this host then wants to show a window, and says so where there is none."""
        with suppress(RuntimeError):
            self.plugin.load_state(str(path))

    def press(self, name: str) -> None:
        self.set(**{name: 1.0})
        self.idle(0.2)
        self.set(**{name: 0.0})
        self.idle(0.1)

    @property
    def status(self) -> str:
        return self.plugin.get_parameter_text(self._index["Status"])

    @property
    def sound_tempo(self) -> float:
        return float(self.plugin.get_parameter_text(self._index["Tempo of the sound"]) or 0)

    def idle(self, seconds: float) -> None:
        """Let the host run in about real time, with nothing played."""
        self.plugin.clear_midi()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.engine.render(0.05)
            time.sleep(0.05)

    def wait(self, what: Callable[[Daw], bool], *, seconds: float = 90.0) -> None:
        until = time.monotonic() + seconds
        while not what(self):
            assert time.monotonic() < until, f"still “{self.status}”, a sound at {self.sound_tempo}"
            self.idle(0.2)

    def wait_for_sound(self, bpm: float) -> None:
        self.wait(lambda daw: daw.status == "Ready" and abs(daw.sound_tempo - bpm) < 0.01)

    def play(self, seconds: float, *, notes: Sequence[tuple[int, int, float]] = ()) -> np.ndarray:
        """The left side of what is heard from the song's start; notes: (key, frame, seconds)."""
        self.plugin.clear_midi()
        for key, frame, length in notes:
            self.plugin.add_midi_note(key, 127, frame / RATE_HZ, length)
        self.engine.render(seconds)
        return self.engine.get_audio()[0].copy()
