"""A program that opens the plug-in's window in pedalboard and keeps its audio running: `editor_host.py PLUGIN SECONDS STATE`.

Told to end, it closes the window and writes what a project would keep of the plug-in to the file STATE.
"""

from __future__ import annotations

import ctypes
import re
import signal
import sys
import threading
import time
from pathlib import Path


def main() -> None:
    import pedalboard
    import pedalboard._pedalboard as inner

    inner.PARAMETER_NAME_REGEXES_TO_IGNORE.add(re.compile(r"MIDI Ch\. "))
    plugin = pedalboard.load_plugin(sys.argv[1])
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *told: over.set())

    def sound() -> None:
        until = time.monotonic() + float(sys.argv[2])
        while time.monotonic() < until:
            plugin([], duration=0.05, sample_rate=48_000, reset=False)
            time.sleep(0.05)
        over.set()

    threading.Thread(target=sound, daemon=True).start()
    handler = lenient_about_windows()
    plugin.show_editor(over)
    Path(sys.argv[3]).write_bytes(plugin.raw_state)
    del handler


def lenient_about_windows() -> object:
    """Go on after X errors, as JUCE's own programs do; pedalboard leaves Xlib's handler, which ends the process.

    JUCE asks for properties of window 0 where no window manager runs. Keep what is returned: it is the handler.
    """
    told = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(lambda display, error: 0)
    ctypes.CDLL("libX11.so.6").XSetErrorHandler(told)
    return told


if __name__ == "__main__":
    main()
