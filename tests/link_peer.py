"""Another program in a Link session, on the other binding of Link: it says where it stands and does as it is told.

A script of its own, because this binding may hang when it ends: it is killed. Lines of JSON both ways.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time

import link

TELL_SECONDS = 0.01


def main() -> None:
    peer = link.Link(float(sys.argv[1]))
    peer.startStopSyncEnabled = True
    peer.enabled = True
    threading.Thread(target=obey, args=(peer,), daemon=True).start()
    while True:
        state = peer.captureSessionState()
        before, micros, after = time.monotonic(), peer.clock().micros(), time.monotonic()
        told = {
            "seconds": (before + after) / 2,
            "width": after - before,
            "beat": state.beatAtTime(micros, 4.0),
            "tempo_bpm": state.tempo(),
            "playing": state.isPlaying(),
            "peers": peer.numPeers(),
        }
        print(json.dumps(told), flush=True)  # noqa: T201
        time.sleep(TELL_SECONDS)


def obey(peer: link.Link) -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        state, now = peer.captureSessionState(), peer.clock().micros()
        if "tempo_bpm" in asked:
            state.setTempo(asked["tempo_bpm"], now)
        if "playing" in asked:
            state.setIsPlaying(asked["playing"], now)
        peer.commitSessionState(state)
    os._exit(0)


if __name__ == "__main__":
    main()
