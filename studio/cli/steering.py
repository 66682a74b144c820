"""The arguments of `make` that steer a take: a melody, and for MusicGen chords, prompts, instruments, layers, adapters."""

from __future__ import annotations

import argparse
from pathlib import Path

from studio.engines.base import EngineError
from studio.engines.steering import AdapterUse, PromptWeight, Steering
from studio.settings import Settings
from studio.sounds import SoundStore


def add_steering_arguments(parser: argparse.ArgumentParser) -> None:
    """Add them, in a group of their own."""
    group = parser.add_argument_group("what a take follows beside the words")
    group.add_argument(
        "--melody", metavar="FILE",
        help="a sound or MIDI file to follow, or take:…: the sketch plays its notes, a melody model hears it",
    )  # fmt: skip
    group.add_argument(
        "--melody-to-key", action="store_true", help="the sketch plays the melody in the song's key, not in its own"
    )
    group.add_argument("--chords", action="store_true", help="follow the plan's chords; for a melody model")
    group.add_argument(
        "--blend", action="append", default=[], metavar="WORDS[:WEIGHT]",
        help="words to blend in, may be repeated; a weight below 0 steers away from them (1)",
    )  # fmt: skip
    group.add_argument("--with", dest="instruments_in", action="append", default=[], metavar="INSTRUMENT")
    group.add_argument("--without", dest="instruments_out", action="append", default=[], metavar="INSTRUMENT")
    group.add_argument("--layers", action="store_true", help="make each instrument of the plan as a stem of its own")
    group.add_argument(
        "--adapter", action="append", default=[], metavar="NAME[:STRENGTH]",
        help="a LoRA adapter to wear, may be repeated; strength 0 to 1.5 (1)",
    )  # fmt: skip


def steering_of(arguments: argparse.Namespace, settings: Settings) -> Steering | None:
    """What is asked, a melody's file kept; None when nothing is.

    Raises EngineError for a file that cannot be read, pydantic's ValidationError for a weight out of range.
    """
    steering = Steering(
        melody=_melody(arguments.melody, settings) if arguments.melody else None,
        melody_to_key=arguments.melody_to_key,
        chords=arguments.chords,
        prompts=tuple(PromptWeight(words=words, weight=weight) for words, weight in map(_weighed, arguments.blend)),
        instruments_in=tuple(arguments.instruments_in),
        instruments_out=tuple(arguments.instruments_out),
        layers=arguments.layers,
    )
    return None if steering == Steering() else steering


def adapters_of(arguments: argparse.Namespace) -> tuple[AdapterUse, ...]:
    """The adapters asked for; raises pydantic's ValidationError for a strength out of range."""
    return tuple(AdapterUse(name=name, strength=strength) for name, strength in map(_weighed, arguments.adapter))


def _weighed(text: str) -> tuple[str, float]:
    """“rain:-0.5” is rain and -0.5; without a number, 1."""
    words, colon, number = text.rpartition(":")
    try:
        return (words.strip(), float(number)) if colon else (text.strip(), 1.0)
    except ValueError:
        return text.strip(), 1.0


def _melody(name: str, settings: Settings) -> str:
    if name.startswith("take:"):
        return name
    store = SoundStore(settings.sounds_dir, takes_dir=settings.takes_dir, bin_dir=settings.bin_dir)
    try:
        return store.keep_file(Path(name).expanduser().read_bytes(), name=Path(name).name)
    except OSError as error:
        raise EngineError(f"“{name}” could not be read: {error.strerror or error}.") from error
