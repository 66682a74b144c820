"""MusicGen Studio: `python app.py` opens the page, `python app.py make "…"` makes a take without one."""

from __future__ import annotations

import os
import sys

from pydantic import ValidationError

from studio.cli.command_line import read_arguments, settings_of


def main(arguments: list[str] | None = None) -> int:
    # Read when Gradio is imported; nothing about the user leaves this machine.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    parsed = read_arguments(sys.argv[1:] if arguments is None else arguments)
    try:
        settings = settings_of(parsed)
    except ValidationError as wrong:
        for error in wrong.errors():
            print(f"--{str(error['loc'][0]).replace('_', '-')}: {error['msg']}", file=sys.stderr)
        return 2
    if parsed.run is not None:
        return int(parsed.run(parsed, settings))
    from studio.ui.opening import open_page

    return open_page(settings)


if __name__ == "__main__":
    sys.exit(main())
