"""`python app.py export TAKE …` and `python app.py transcribe FILE`: files out of takes, and notes out of sound, without a page.

Knows nothing of how either is done.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from audio.io import AudioError, read_clip, written_whole
from studio.exports import EXPORT_FORMATS, ExportError, Exports
from studio.settings import Settings
from studio.takes import TakeError, TakeStore


def add_notes_commands(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add `export` and `transcribe`."""
    export = commands.add_parser("export", parents=[shared], help="takes as files: sound, stems, MIDI, DAW projects")
    export.add_argument("takes", nargs="+", metavar="TAKE", help="identifiers; several become one zip")
    export.add_argument(
        "--format", default="flac", choices=list(EXPORT_FORMATS), metavar="FORMAT", help=", ".join(EXPORT_FORMATS)
    )
    export.add_argument("--out", type=Path, metavar="FOLDER", default=Path(), help="where to put it (this folder)")
    export.add_argument("--no-provenance", action="store_true", help="write no prompt and settings into the tags")
    hear = commands.add_parser(
        "transcribe", parents=[shared], help="a sound file's notes as a MIDI file with its tempo map"
    )
    hear.add_argument("sound", type=Path, metavar="FILE", help="a part by itself; a full mix is heard far worse")
    hear.add_argument("--out", type=Path, metavar="FILE", help="the MIDI file; else beside the sound")
    hear.add_argument("--drums", action="store_true", help="it is a drum part: strokes, not pitches")
    hear.add_argument("--tempo", type=float, metavar="BPM", help="about how fast it is, where that is known")
    hear.add_argument(
        "--grid", type=int, default=0, metavar="STEPS", help="move notes to so many steps a beat; 0 leaves them"
    )
    hear.add_argument("--force", action="store_true", help="write over a file that is already there")


def notes_command(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run `export` or `transcribe`. 0: done. 1: it could not be."""
    from audio.transcription import CannotTranscribe

    try:
        made = (_export if arguments.command == "export" else _transcribe)(arguments, settings)
    except (AudioError, CannotTranscribe, ExportError, TakeError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"{error.filename or 'The file'} could not be written: {error.strerror or error}.\n")
        return 1
    sys.stdout.write(f"Written to {made}\n")
    return 0


def _export(arguments: argparse.Namespace, settings: Settings) -> Path:
    store = TakeStore(settings.takes_dir, settings.bin_dir)
    provenance = settings.embed_provenance and not arguments.no_provenance
    with tempfile.TemporaryDirectory(prefix="musicgen-studio-") as scratch, _bar() as show:
        exports = Exports(store, Path(scratch))
        if len(arguments.takes) == 1:
            found = exports.export(
                arguments.takes[0], format=arguments.format, provenance=provenance, folder=arguments.out
            )
            return found.path
        bundle = exports.bundle(arguments.takes, format=arguments.format, provenance=provenance, progress=show)
        target = _free(arguments.out / bundle.filename)
        target.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(target) as part:
            part.write_bytes(bundle.path.read_bytes())
        return target


def _transcribe(arguments: argparse.Namespace, settings: Settings) -> Path:
    from audio.beats import NoBeat, track_beats
    from audio.drum_hits import transcribe_drums
    from audio.midi import midi_of_notes
    from audio.tempo_map import TempoMap
    from audio.transcription import quantised, transcribe

    out: Path = arguments.out or arguments.sound.with_suffix(".mid")
    if out.exists() and not arguments.force:
        raise ExportError(f"{out} is already there. Choose another name, or add --force to write over it.")
    clip = read_clip(arguments.sound)
    with _bar() as show:
        notes = (transcribe_drums if arguments.drums else transcribe)(
            clip, progress=lambda share: show(share, "listening")
        )
    try:
        beats = track_beats(clip, tempo_bpm=arguments.tempo)
    except NoBeat:  # the notes stay where they were played
        tempo_map = TempoMap.steady(arguments.tempo or 120.0)
    else:
        tempo_map = TempoMap.following(beats)
        if arguments.grid > 0:
            notes = quantised(notes, beats, steps_a_beat=arguments.grid)
    name = arguments.sound.stem
    data = midi_of_notes({name: notes}, tempo_map, drums=[name] if arguments.drums else [])
    with written_whole(out) as part:
        part.write_bytes(data)
    sys.stdout.write(f"{len(notes)} notes, {tempo_map.points[0][1]:.4g} quarter notes a minute\n")
    if tempo_map.lead_seconds > 0.001:
        sys.stdout.write(f"Bar 1 begins {tempo_map.lead_seconds:.3f} s before the sound: place the sound there.\n")
    return out


def _free(path: Path) -> Path:
    """The path, under a number when something is there already."""
    target, number = path, 2
    while target.exists():
        target, number = path.with_name(f"{path.stem} ({number}){path.suffix}"), number + 1
    return target


@contextmanager
def _bar() -> Iterator[Callable[[float, str], None]]:
    from tqdm import tqdm

    with tqdm(total=1.0, bar_format="{desc:<24} {percentage:3.0f}%|{bar}|", leave=False, file=sys.stderr) as bar:

        def show(share: float, what: str) -> None:
            bar.n = share
            bar.set_description_str(what[:24], refresh=True)

        yield show
