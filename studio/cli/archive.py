"""`python app.py archive FILE` and `bring-back FILE`: the whole studio as one file, and back, without a page."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from tqdm import tqdm

from studio.history.archive import ArchiveError
from studio.settings import Settings
from studio.studio import Studio, StudioError


def add_archive_commands(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add both commands."""
    said = {
        "archive": "write the whole studio, models left out, into one file",
        "bring-back": "add what an archive holds; what is here stays as it is",
    }
    for name, help_text in said.items():
        command = commands.add_parser(name, parents=[shared], help=help_text)
        command.add_argument("file", type=Path, metavar="FILE")


def archive_command(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run either. 0: done. 1: it could not be, and nothing was changed."""
    try:
        with Studio(settings) as studio, tqdm(total=100, unit="%", leave=False) as bar:

            def progress(fraction: float) -> None:
                bar.update(round(100 * fraction) - bar.n)

            if arguments.command == "archive":
                made = studio.ledger.archive(arguments.file, progress=progress)
                said = f"{made} holds everything but the models, {made.stat().st_size / 1e6:.1f} MB."
            else:
                brought = studio.ledger.bring_back(arguments.file, progress=progress)
                said = f"{len(brought.takes)} takes came back; {brought.known} were here already."
    except (StudioError, ArchiveError) as refusal:
        print(refusal, file=sys.stderr)  # noqa: T201 - the command line speaks here
        return 1
    print(said)  # noqa: T201
    return 0
