"""The command line: its options, its commands, and which room runs each.

A room (studio/cli/*.py) adds its commands to the parser and runs them; what is not given here comes from the
environment, then from Settings' defaults.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from studio.settings import VERSION, Settings

# The room, what adds its commands, what runs them. A room is imported when there is a command line to read.
ROOMS = (
    ("studio.cli.make", "add_make_command", "make_command"),
    ("studio.cli.edits", "add_edit_commands", "edit_command"),
    ("studio.cli.agents", "add_agent_commands", "agent_command"),
    ("studio.cli.library", "add_library_command", "library_command"),
    ("studio.cli.archive", "add_archive_commands", "archive_command"),
    ("studio.cli.notes", "add_notes_commands", "notes_command"),
    ("studio.cli.link", "add_link_command", "link_command"),
    ("studio.cli.midi", "add_midi_command", "midi_command"),
    ("studio.models.installing", "add_install_command", "install_command"),
)
_PAGE = "python app.py opens the page; with a command it works without one."


def read_arguments(arguments: list[str]) -> argparse.Namespace:
    """The options and the command given. `run` is what runs the command, None for the page."""
    shared = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    shared.add_argument("--data-dir", type=Path, metavar="FOLDER", help="where takes, history and models are kept")
    shared.add_argument("--engine", help="sketch (built-in), or a MusicGen model such as musicgen-small")
    shared.add_argument("--soundfont", type=Path, metavar="FILE", help="a SoundFont (.sf2) for the sketch engine")
    shared.add_argument("--device", choices=["auto", "cpu", "cuda", "mps"], help="where models run")
    parser = argparse.ArgumentParser(prog="app.py", description=f"MusicGen Studio: {_PAGE}", parents=[shared])
    parser.add_argument("--version", action="version", version=f"MusicGen Studio {VERSION}")
    _add_page_options(parser)
    commands = parser.add_subparsers(dest="command", title="commands")
    runs: dict[str, Callable[[argparse.Namespace, Settings], int]] = {}
    for module, add, run in ROOMS:
        room, before = import_module(module), set(commands.choices)
        getattr(room, add)(commands, shared)
        runs.update(dict.fromkeys(set(commands.choices) - before, getattr(room, run)))
    parsed = parser.parse_args(arguments)
    parsed.run = runs.get(parsed.command or "")
    return parsed


def settings_of(parsed: argparse.Namespace) -> Settings:
    """The settings with what the command line says laid over them. Raises pydantic's ValidationError."""
    given: dict[str, Any] = {name: value for name, value in vars(parsed).items() if name in Settings.model_fields}
    return Settings(**given)


def _add_page_options(parser: argparse.ArgumentParser) -> None:
    page = parser.add_argument_group("the page", "served when no command is given")
    page.add_argument(
        "--host", default=argparse.SUPPRESS, help="address to serve on; other than 127.0.0.1 needs a login"
    )
    page.add_argument("--port", type=int, default=argparse.SUPPRESS, help="port to serve on (7860; 0 takes a free one)")
    page.add_argument("--share", action="store_true", default=argparse.SUPPRESS, help="also make a public link")
    page.add_argument(
        "--auth", action="append", metavar="NAME:PASSWORD", default=argparse.SUPPRESS,
        help="a guest's login, may be repeated; without one, a login is made up and printed when it is needed",
    )  # fmt: skip
