"""MusicGen Studio: `python app.py` opens the page, `python app.py make "…"` makes a take without one."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from pydantic import ValidationError

from studio.settings import VERSION, Settings


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """The command line; what is not given there comes from the environment, then from Settings' defaults."""
    from studio.cli import add_make_arguments
    from studio.cli_agents import add_agent_commands
    from studio.cli_archive import add_archive_commands
    from studio.cli_edits import add_edit_commands
    from studio.cli_library import add_library_command

    shared = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    shared.add_argument("--data-dir", type=Path, metavar="FOLDER", help="where takes, history and models are kept")
    shared.add_argument("--engine", help="sketch (built-in), or a MusicGen model such as musicgen-small")
    shared.add_argument("--soundfont", type=Path, metavar="FILE", help="a SoundFont (.sf2) for the sketch engine")
    shared.add_argument("--device", choices=["auto", "cpu", "cuda", "mps"], help="where models run")
    parser = argparse.ArgumentParser(prog="app.py", description=__doc__, parents=[shared])
    parser.add_argument("--version", action="version", version=f"MusicGen Studio {VERSION}")
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
    commands = parser.add_subparsers(dest="command", title="commands")
    make = commands.add_parser("make", parents=[shared], help="make a take without the page")
    add_make_arguments(make)
    add_edit_commands(commands, shared)
    add_agent_commands(commands, shared)
    add_library_command(commands, shared)
    add_archive_commands(commands, shared)
    install = commands.add_parser("install", parents=[shared], help="install an optional engine in a place of its own")
    install.add_argument("what", choices=["audiocraft"])
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    # Read when Gradio is imported; nothing about the user leaves this machine.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    parsed = parse_arguments(sys.argv[1:] if arguments is None else arguments)
    try:
        settings = Settings(**{name: value for name, value in vars(parsed).items() if name in Settings.model_fields})
    except ValidationError as wrong:
        for error in wrong.errors():
            print(f"--{str(error['loc'][0]).replace('_', '-')}: {error['msg']}", file=sys.stderr)
        return 2
    if parsed.command == "make":
        from studio.cli import make_command

        return make_command(parsed, settings)
    if parsed.command in ("continue", "repaint", "vary"):
        from studio.cli_edits import edit_command

        return edit_command(parsed, settings)
    if parsed.command in ("enhance", "judge", "refine", "hear", "agents"):
        from studio.cli_agents import agent_command

        return agent_command(parsed, settings)
    if parsed.command == "library":
        from studio.cli_library import library_command

        return library_command(parsed, settings)
    if parsed.command in ("archive", "bring-back"):
        from studio.cli_archive import archive_command

        return archive_command(parsed, settings)
    if parsed.command == "install":
        from studio.installing import install_command

        return install_command(settings)
    from studio.ui.opening import open_page

    return open_page(settings)


if __name__ == "__main__":
    sys.exit(main())
