"""A program that hears MIDI, as a synthesiser would: opens a port by the name it is given and writes each message with its moment.

Run as `python listener.py NAME|virtual`; says "ready", then a line of JSON a message, until its input ends.
"""

from __future__ import annotations

import json
import os
import sys
import time


def main() -> None:
    import mido

    sink = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    asked = sys.argv[1]

    def heard(message: mido.Message) -> None:
        sink.write(json.dumps([time.perf_counter(), list(message.bytes())]) + "\n")

    if asked == "virtual":
        port = mido.open_input("in", client_name="Test synth", virtual=True, callback=heard)
    else:
        name = next(each for each in mido.get_input_names() if asked in each)
        port = mido.open_input(name, callback=heard)
    port._rt.ignore_types(False, False, True)  # clock too
    sink.write('"ready"\n')
    sys.stdin.read()
    port.close()
    os._exit(0)


if __name__ == "__main__":
    main()
