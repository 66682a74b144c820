"""`python app.py library import FOLDER | rebuild | status`: the user's own music without a page.

Ctrl-C stops an import and keeps what is done; the same command goes on from there.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from rag.database import LibraryError
from rag.embeddings import EmbeddingError
from rag.importing import Progress, Report
from rag.vectordb import VectorStoreError
from studio.library.library import Library
from studio.models.hub import ModelError
from studio.settings import Settings

_STOPPED = 130


def add_library_command(commands: Any, shared: argparse.ArgumentParser) -> None:
    """The command `library` and what it can do."""
    library = commands.add_parser("library", parents=[shared], help="import your own music, and look after its index")
    todo = library.add_subparsers(dest="todo", required=True, metavar="{import,rebuild,reindex,status}")
    brought = todo.add_parser("import", parents=[shared], help="import folders and sound files; safe to repeat")
    brought.add_argument("places", nargs="*", type=Path, metavar="FOLDER", help="else the folders imported before")
    brought.add_argument("--watch", action="store_true", help="have the studio watch these folders from now on")
    todo.add_parser("rebuild", parents=[shared], help="make the index of vectors anew; hears no file again")
    todo.add_parser("reindex", parents=[shared], help="have the model in use hear every track it has not heard")
    todo.add_parser("status", parents=[shared], help="how many tracks there are, and in which state")


def library_command(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run `library`. 0: done. 1: it could not be. 130: stopped, what is done is kept."""
    library = Library(settings)
    try:
        if arguments.todo == "status":
            return _status(library)
        with _ctrl_c_stops() as stopped, _bar() as show:
            if arguments.todo == "import":
                report = _import(library, arguments, show, stopped)
            elif arguments.todo == "rebuild":
                report = library.importer().rebuild(show, stopped)
            else:
                heard = library.importer().hear_again(progress=show, cancelled=stopped)
                report = Report(changed=heard, cancelled=stopped())
        _tell(report)
        return _STOPPED if report.cancelled else 0
    except (LibraryError, VectorStoreError, EmbeddingError, ModelError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        library.close()


def _import(
    library: Library, arguments: argparse.Namespace, show: Callable[[Progress], None], stopped: Callable[[], bool]
) -> Report:
    places = [place.expanduser().absolute() for place in arguments.places] or list(library.tracks.folders())
    if not places:
        raise LibraryError("Say which folder: python app.py library import FOLDER")
    for place in places:
        if not place.exists():
            raise LibraryError(f"{place} is not there: choose a folder or a sound file.")
        if place.is_dir() and place in arguments.places:
            library.tracks.add_folder(place, watched=arguments.watch)
    return library.importer().run(places, progress=show, cancelled=stopped)


def _status(library: Library) -> int:
    tracks = library.tracks
    lines = [
        f"{tracks.count()} tracks, {tracks.count(state='gone')} gone, {tracks.count(state='broken')} broken",
        f"heard by {library.sound.label}, {library.to_be_heard()} not yet",
        f"{library.index.store.count()} in the index",
    ]
    lines += [f"{folder}{' (watched)' if watched else ''}" for folder, watched in tracks.folders().items()]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _tell(report: Report) -> None:
    counts = {
        "added": report.added, "changed": report.changed, "moved": report.moved, "unchanged": report.unchanged,
        "gone": report.gone, "broken": len(report.broken),
    }  # fmt: skip
    said = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "nothing to do"
    sys.stdout.write(f"{said}, in {report.seconds:.1f} s\n")
    for path, reason in report.broken:
        sys.stdout.write(f"  {path}: {reason}\n")
    for sentence in report.unreadable:
        sys.stdout.write(f"  {sentence}\n")


@contextmanager
def _bar() -> Iterator[Callable[[Progress], None]]:
    from tqdm import tqdm

    shape = "{desc:<10} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}{postfix}"
    with tqdm(total=1, bar_format=shape, leave=False, file=sys.stderr, desc="starting") as bar:

        def show(progress: Progress) -> None:
            bar.total, bar.n = max(1, progress.total), progress.done
            bar.set_description_str(progress.stage, refresh=False)
            left = "" if progress.seconds_left is None else f", {progress.seconds_left / 60:.0f} min left"
            bar.set_postfix_str(f"{progress.tracks_a_minute:.0f} a minute{left}", refresh=False)
            bar.update(0)

        yield show


@contextmanager
def _ctrl_c_stops() -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C asks to stop and keep what is done, the second is Python's own."""
    asked = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)
