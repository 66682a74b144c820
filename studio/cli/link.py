"""`python app.py link`: in the Ableton Link session without a page, to look and to set its tempo and transport.

It stays until Ctrl-C, or for so many seconds, and says what changes. Knows nothing of how Link works.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from studio.clock import ClockError
from studio.link import LinkSession, LinkState
from studio.link_install import python_with_link
from studio.settings import Settings

_SETTLE_SECONDS = 1.0  # to meet the others and hear their tempo before changing it


def add_link_command(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command."""
    link = commands.add_parser(
        "link", parents=[shared], help="join Ableton Link, say how it goes, set tempo and transport"
    )
    link.add_argument("--tempo", type=float, metavar="BPM", help="set everybody's tempo")
    transport = link.add_mutually_exclusive_group()
    transport.add_argument("--play", action="store_true", help="start everybody at the next bar line")
    transport.add_argument("--stop", action="store_true", help="stop everybody")
    link.add_argument("--seconds", type=float, metavar="SECONDS", help="how long to stay (until Ctrl-C)")


def link_command(arguments: argparse.Namespace, settings: Settings) -> int:
    """Join, do what is asked, tell what changes. 0: left in order, by Ctrl-C too. 1: it could not be."""
    session = LinkSession(settings.link_dir, python=lambda: python_with_link(settings.link_dir))
    try:
        session.join(tempo_bpm=arguments.tempo or 120.0)
        told = _stay(session, _SETTLE_SECONDS, told="")
        if arguments.tempo is not None:
            session.set_tempo(arguments.tempo)
        if arguments.play or arguments.stop:
            (session.play if arguments.play else session.stop)()
        _stay(session, arguments.seconds, told=told)
    except ClockError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        pass
    finally:
        session.close()
    return 0


def _stay(session: LinkSession, seconds: float | None, *, told: str) -> str:
    """Tell each change until the time is over, and return the last. Raises ClockError when Link ends meanwhile."""
    version, until = 0, None if seconds is None else time.monotonic() + seconds
    while (left := 1.0 if until is None else until - time.monotonic()) > 0:
        state = session.changed_since(version, timeout_seconds=min(left, 1.0))
        version = state.version
        if not state.joined:
            raise ClockError(state.error or "The session was left.")
        if (line := _line(state)) != told:
            told = line
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
    return told


def _line(state: LinkState) -> str:
    assert state.timeline is not None
    others = {0: "nobody else yet", 1: "1 other program"}.get(state.peers, f"{state.peers} other programs")
    return f"{state.timeline.tempo_bpm:.2f} bpm, {'playing' if state.timeline.playing else 'stopped'}, {others}"
