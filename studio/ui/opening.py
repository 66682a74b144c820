"""From settings to a served page, and to one sentence where that cannot be."""

from __future__ import annotations

import sys

from studio.engines.base import EngineError
from studio.history.history import HistoryError
from studio.settings import Settings
from studio.studio import Studio, StudioError
from studio.takes import TakeError
from studio.ui.build import build_page
from studio.ui.logins import BadLogin
from studio.ui.serve import CannotServe, serve


def open_page(settings: Settings) -> int:
    """Serve the page until Ctrl-C; returns the process's exit status. Nothing heavy is loaded before the page is up."""
    try:
        with Studio(settings) as studio:
            tidied = studio.ledger.tidy_at_opening()
            for notice in [*studio.notices, *([tidied] if tidied else [])]:
                sys.stderr.write(notice + "\n")
            serve(build_page(studio), studio, settings).wait()
    except (StudioError, HistoryError, TakeError, EngineError, CannotServe, BadLogin) as trouble:
        sys.stderr.write(f"{trouble}\n")
        return 1
    return 0
