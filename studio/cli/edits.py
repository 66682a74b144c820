"""`python app.py continue|repaint|vary TAKE …`: edit a take or a sound file without a page.

The result is a take like any other, the earlier one its parent. Knows nothing of how takes are made.
"""

from __future__ import annotations

import argparse
import secrets
import sys
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from agents.types import BriefError, PlanError
from audio.io import AudioError
from studio.cli.make import CannotMake, check_out, make
from studio.editing import editor_for, request_for_sound, request_for_take
from studio.engines.base import Continue, Edit, EngineError, Repaint, Sampling, Vary
from studio.engines.edits import KINDS
from studio.exports import ExportError
from studio.history.history import HistoryError
from studio.job import GenerateRequest
from studio.settings import Settings
from studio.sources import open_source
from studio.studio import plan_from_brief
from studio.takes import TakeError, TakeStore


def add_edit_commands(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add one command for each kind of edit."""
    said = {
        "continue": "go on from a take or a sound file at any point",
        "repaint": "make a region of a take or a sound file anew",
        "vary": "make variations of a take or a sound file",
    }
    for kind in KINDS:
        command = commands.add_parser(kind, parents=[shared], help=said[kind])
        command.add_argument("source", help="a take's identifier, or a sound file")
        command.add_argument("--words", default="", help="what is new, in words; for a sound file: what it is")
        command.add_argument("--seed", type=int, help="the same seed makes the same music; else one is drawn")
        command.add_argument("--out", type=Path, metavar="FILE", help="where to write it; else only the take is kept")
        command.add_argument("--force", action="store_true", help="write over a file that is already there")
        if kind == "continue":
            command.add_argument("--from", dest="from_seconds", type=float, metavar="SECONDS", help="else from the end")
            command.add_argument("--seconds", type=float, default=15.0, help="how much to add (15)")
        elif kind == "repaint":
            command.add_argument("start_seconds", type=float, metavar="start")
            command.add_argument("end_seconds", type=float, metavar="end")
            command.add_argument("--candidates", type=int, default=4, help="how many to try, 1 to 8 (4)")
            command.add_argument("--snap", choices=["bars", "beats", "off"], default="bars", help="where the edges go")
        else:
            command.add_argument("--closeness", type=float, default=0.5, help="0 far to 1 close (0.5)")
            command.add_argument("--count", type=int, default=3, help="how many, 1 to 8 (3)")


def edit_command(arguments: argparse.Namespace, settings: Settings, *, engines: Any = None) -> int:
    """Run an edit. 0: made. 1: it could not be. 2: it cannot be asked so. 130: stopped, the part made is kept."""
    from studio.models.catalogue import Catalogue
    from studio.pipeline import Pipeline

    try:
        check_out(arguments.out, force=arguments.force)
        engines = engines or Pipeline(settings, Catalogue(settings.models_dir))
        request = request_of(arguments, settings, engines)
        return make(
            request, settings=settings, out=arguments.out, provenance=settings.embed_provenance, engines=engines
        )
    except (CannotMake, ValidationError) as wrong:
        first = wrong.errors()[0] if isinstance(wrong, ValidationError) else None
        print(f"--{first['loc'][-1]}: {first['msg']}" if first else wrong, file=sys.stderr)  # noqa: T201
        return 2
    except (EngineError, TakeError, HistoryError, ExportError, BriefError, PlanError, AudioError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1


def request_of(arguments: argparse.Namespace, settings: Settings, engines: Any) -> GenerateRequest:
    """What is asked, its source found. Raises CannotMake, and what `studio.editing` raises."""
    seed = secrets.randbelow(2**32) if arguments.seed is None else arguments.seed
    store = TakeStore(settings.takes_dir, settings.bin_dir)
    path = Path(arguments.source)
    is_file = path.is_file()
    name = engines.sounds.keep_file(path.read_bytes(), name=path.name) if is_file else f"take:{arguments.source}"
    edit = _edit(arguments, name)

    def chosen(*first: str) -> str:
        here = [option.name for option in engines.engines() if option.ready]
        return editor_for(edit, [*first, engines.default, *here], lambda each: engines.engine(each).capabilities)

    if is_file:
        clip = open_source(name, store=store, sounds=engines.sounds).clip
        return request_for_sound(
            edit, clip, words=arguments.words, engine=chosen(), sampling=Sampling(seed=seed), planner=plan_from_brief
        )
    take = store.read(arguments.source)
    sampling = take.sampling.model_copy(update={"seed": seed, "candidates": 1})
    return request_for_take(edit, take, engine=chosen(take.engine.name), sampling=sampling)


def _edit(arguments: argparse.Namespace, source: str) -> Edit:
    if arguments.command == "continue":
        return Continue(
            source=source, from_seconds=arguments.from_seconds, seconds=arguments.seconds, words=arguments.words
        )
    if arguments.command == "vary":
        return Vary(source=source, closeness=arguments.closeness, count=arguments.count)
    return Repaint(
        source=source, start_seconds=arguments.start_seconds, end_seconds=arguments.end_seconds,
        candidates=arguments.candidates, snap=arguments.snap, words=arguments.words,
    )  # fmt: skip
