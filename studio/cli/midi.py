"""`python app.py midi ports`, `midi play TAKE` and `midi panic`: a take's notes out of a MIDI port, without a page."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from studio.clock import ClockError
from studio.live_midi.live import LiveMidi
from studio.live_midi.ports import VIRTUAL
from studio.live_midi.score import score_of_midi
from studio.live_midi.switches import LiveMidiError
from studio.settings import Settings
from studio.takes import TakeError, TakeStore


def add_midi_command(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command with its verbs."""
    command = commands.add_parser("midi", parents=[shared], help="a take's notes out of a MIDI port")
    verbs = command.add_subparsers(dest="verb", required=True)
    verbs.add_parser("ports", parents=[shared], help="list the MIDI ports of this machine")
    play = verbs.add_parser("play", parents=[shared], help="play a take's notes, until the end or Ctrl-C")
    play.add_argument("take", metavar="TAKE", help="a take that has MIDI")
    play.add_argument("--tempo", type=float, metavar="BPM", help="quarter notes a minute (the take's own)")
    play.add_argument("--clock", action="store_true", help="send MIDI clock too")
    play.add_argument("--round", action="store_true", help="begin again after the last whole bar")
    panic = verbs.add_parser("panic", parents=[shared], help="silence everything behind a port")
    for verb in (play, panic):
        verb.add_argument(
            "--to", default=VIRTUAL, metavar="PORT", help="a port by its name (a virtual port of our own)"
        )


def midi_command(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run a verb. 0: done. 1: it could not be."""
    midi = LiveMidi(_no_desk)
    try:
        if arguments.verb == "ports":
            return _ports(midi)
        if arguments.verb == "panic":
            midi.choose(arguments.to)
            midi.panic()
            return 0
        return _play(midi, arguments, settings)
    except (LiveMidiError, ClockError, TakeError) as refusal:
        sys.stderr.write(f"{refusal}\n")
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        midi.close()


def _ports(midi: LiveMidi) -> int:
    found = midi.look()["ports"]
    if found["problem"]:
        sys.stderr.write(f"{found['problem']}\n")
        return 1
    lines = [f"out  {name}" for name in found["outputs"]] + [f"in   {name}" for name in found["inputs"]]
    if found["virtual"]:
        lines.append(f"out  {VIRTUAL} (a port of our own, which other programs see as MusicGen Studio)")
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _play(midi: LiveMidi, arguments: argparse.Namespace, settings: Settings) -> int:
    store = TakeStore(settings.takes_dir, settings.bin_dir)
    take = store.read(arguments.take)
    score = score_of_midi(
        store.midi_path(take.id).read_bytes(), source=f"take:{take.id}", title=take.title, seconds=take.seconds
    )
    midi.choose(arguments.to)
    midi.use(score)
    midi.set({"follows": "clock", "clock_out": arguments.clock, "go_round": arguments.round})
    midi.play(tempo_bpm=arguments.tempo)
    parts = ", ".join(f"{part.label} on {part.channel + 1}" for part in score.parts)
    sys.stdout.write(f"{take.title}, {midi.clock.tempo_bpm:.4g} bpm: {parts}. Ctrl-C stops.\n")
    sys.stdout.flush()
    while (status := midi.status())["playing"]:
        if status["problem"]:
            raise LiveMidiError(status["problem"])
        time.sleep(0.2)
    return 0


def _no_desk() -> Any:
    raise LiveMidiError("The command line plays takes that have MIDI.")
