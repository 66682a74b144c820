"""`python app.py make "…"`: describe music, get a file, without a page.

Works beside an open page on the same data folder: a take is written whole and the history takes several writers, so
no lock is needed and the page lists the take at its next look. Ctrl-C keeps the part made.
"""

from __future__ import annotations

import argparse
import secrets
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from agents.types import BriefError, PlanError, SongPlan
from audio.io import FORMAT_OF_SUFFIX, flush_to_disk, written_whole
from studio.agent_desk import AgentDesk
from studio.cli.steering import adapters_of, add_steering_arguments, steering_of
from studio.engines.base import EngineError, Listener, Sampling
from studio.exports import ExportError, Exports
from studio.history.history import History, HistoryError
from studio.job import GenerateRequest, Job
from studio.maker import Maker, PlanRequest
from studio.melodies import Melodies
from studio.settings import Settings
from studio.takes import EngineFacts, TakeError, TakeStore

if TYPE_CHECKING:
    from tqdm import tqdm

# What each ending asks of the exports.
_FORMATS = {**FORMAT_OF_SUFFIX, ".mid": "midi", ".zip": "stems"}
_STOPPED = 130


class CannotMake(Exception):
    """The command line asks for what cannot be; the message is a sentence for the user."""


def add_make_command(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command."""
    add_make_arguments(commands.add_parser("make", parents=[shared], help="make a take without the page"))


def add_make_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `make`; engine, data folder and device come from the settings."""
    parser.add_argument("words", nargs="?", default="", help="the music, in words: “slow lo-fi hip hop, rainy, 80 bpm”")
    parser.add_argument("--seconds", type=float, help="length, 1 to 600; else what the words say, or the genre's usual")
    parser.add_argument("--seed", type=int, help="the same seed makes the same music; else one is drawn and told")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help=f"where to write it ({', '.join(_FORMATS)}); else only the take is kept",
    )
    parser.add_argument("--force", action="store_true", help="write over a file that is already there")
    parser.add_argument("--tempo", type=float, metavar="BPM", help="tempo, 30 to 300")
    parser.add_argument("--key", help="key, like “F# minor”")
    parser.add_argument("--meter", help="meter, like 3/4")
    parser.add_argument("--negative", default="", metavar="WORDS", help="what must not be in it")
    parser.add_argument("--no-keep", action="store_true", help="write the file only; keep no take in the history")
    parser.add_argument(
        "--no-provenance", action="store_true", help="write no prompt and settings into the file's tags"
    )
    drawn = parser.add_argument_group("how MusicGen draws (the sketch engine reads only the seed)")
    drawn.add_argument("--temperature", type=float, default=1.0, help="0 to 3; lower is tamer (1)")
    drawn.add_argument("--top-k", type=int, default=250, help="choose among the k likeliest; 0 is off (250)")
    drawn.add_argument("--top-p", type=float, default=0.0, help="choose among the likeliest of this share; 0 is off")
    drawn.add_argument(
        "--candidates", type=int, default=1, help="make so many in one pass, 1 to 8, and keep them all (1)"
    )
    drawn.add_argument("--guidance", type=float, default=3.0, help="1 to 15; higher keeps closer to the words (3)")
    add_steering_arguments(parser)


def make_command(arguments: argparse.Namespace, settings: Settings, *, engines: Any = None) -> int:
    """Run `make`. 0: made. 1: it could not be. 2: it cannot be asked so. 130: stopped, the part made is kept."""
    try:
        if arguments.no_keep and arguments.out is None:
            raise CannotMake("With --no-keep nothing would remain: say --out FILE too.")
        check_out(arguments.out, force=arguments.force)
        request = request_of(arguments, settings)
    except CannotMake as wrong:
        _say(str(wrong), to=sys.stderr)
        return 2
    provenance = settings.embed_provenance and not arguments.no_provenance
    try:
        return make(
            request,
            settings=settings,
            out=arguments.out,
            keep=not arguments.no_keep,
            provenance=provenance,
            engines=engines,
        )
    except (EngineError, TakeError, HistoryError, ExportError, BriefError, PlanError) as error:
        _say(str(error), to=sys.stderr)
        return 1


def request_of(arguments: argparse.Namespace, settings: Settings) -> GenerateRequest:
    """What is asked, checked. Raises CannotMake with one sentence."""
    from agents.planner import make_brief

    seed = secrets.randbelow(2**32) if arguments.seed is None else arguments.seed
    try:
        brief = make_brief(
            words=arguments.words, seconds=arguments.seconds, tempo_bpm=arguments.tempo, key=arguments.key,
            meter=arguments.meter, negative_words=arguments.negative,
        )  # fmt: skip
        sampling = Sampling(
            seed=seed, temperature=arguments.temperature, top_k=arguments.top_k, top_p=arguments.top_p,
            guidance=arguments.guidance, candidates=arguments.candidates,
            steering=steering_of(arguments, settings), adapters=adapters_of(arguments),
        )  # fmt: skip
    except ValidationError as wrong:
        first = wrong.errors()[0]
        raise CannotMake(f"--{str(first['loc'][0]).replace('_', '-')}: {first['msg']}.") from wrong
    except (BriefError, EngineError) as wrong:
        raise CannotMake(str(wrong)) from wrong
    return GenerateRequest(brief=brief, engine=settings.engine, sampling=sampling)


def check_out(out: Path | None, *, force: bool = False) -> None:
    """Raise CannotMake unless the file can be written there, before any music is made."""
    if out is None:
        return
    if out.suffix.lower() not in _FORMATS:
        raise CannotMake(f"“{out.name}” does not say a format this studio writes: end it in {', '.join(_FORMATS)}.")
    if out.is_dir() or (out.exists() and not force):
        raise CannotMake(f"{out} is already there. Choose another name, or add --force to write over it.")
    try:
        with tempfile.TemporaryFile(dir=out.parent):
            pass
    except OSError as error:
        raise CannotMake(f"Nothing can be written in {out.parent}: {error.strerror or error}.") from error


def make(
    request: GenerateRequest,
    *,
    settings: Settings,
    out: Path | None = None,
    keep: bool = True,
    provenance: bool = True,
    engines: Any = None,
) -> int:
    """Make the take, show how far it is, write `out`; returns the exit status of `make_command`.

    With keep the take goes into the data folder and its history, else into a folder that is thrown away.
    """
    if engines is None:
        from studio.models.catalogue import Catalogue
        from studio.pipeline import Pipeline

        engines = Pipeline(settings, Catalogue(settings.models_dir))
        if request.engine == settings.engine:
            request = request.model_copy(update={"engine": engines.default})
    facts = EngineFacts.of(engines.engine(request.engine).capabilities)
    with ExitStack() as open_things:
        scratch = Path(open_things.enter_context(tempfile.TemporaryDirectory(prefix="musicgen-studio-")))
        home = settings if keep else Settings(data_dir=scratch / "data")
        store = TakeStore(home.takes_dir, home.bin_dir)
        history = History(home.history_path)
        open_things.callback(history.close)
        desk = AgentDesk(settings, history)
        open_things.callback(desk.close)
        bar = open_things.enter_context(_bar())
        job = Job(secrets.token_hex(8), request, owner="", engine=facts, changed=lambda job: _show(bar, job))
        maker = Maker(
            generate=engines.generate, plan_from_brief=desk.plan, store=store, history=history,
            plan_request=_telling(job, Melodies(engines, desk.plan)),
            capabilities=lambda name: engines.engine(name).capabilities, edit=getattr(engines, "edit", None),
        )  # fmt: skip
        with _ctrl_c_stops(job):
            state, trouble = maker.make(job)
        bar.close()
        if trouble:
            _say(trouble, to=sys.stderr)
        if job.take is None:
            if state == "stopped":
                _say("Stopped before any sound was made.")
            return _STOPPED if state == "stopped" else 1
        _tell_take(job, kept=keep)
        if out is not None:
            exported = Exports(store, scratch / "exports").export(
                job.take.id, format=_FORMATS[out.suffix.lower()], provenance=provenance
            )
            _put_at(exported.path, out)
            _say(f"Written to {out}")
    return {"done": 0, "stopped": _STOPPED}.get(state, 1)


def _put_at(source: Path, out: Path) -> None:
    try:
        with written_whole(out) as part:
            part.write_bytes(source.read_bytes())
        flush_to_disk(out.parent)
    except OSError as error:
        raise ExportError(f"{out} could not be written: {error.strerror or error}.") from error


# ---------------------------------------------------------------------------------------------------- telling


def _say(text: str, *, to: Any = None) -> None:
    from tqdm import tqdm

    tqdm.write(text, file=to or sys.stdout)


def _telling(job: Job, melodies: Melodies) -> PlanRequest:
    """What plans the request, and also tells the plan."""

    def planned(asked: GenerateRequest, listener: Listener) -> SongPlan:
        plan = melodies.plan(asked, listener)
        _say(brief_lines(plan))
        _say(f"  planned by {plan.planned_by}")
        licence = f", its sound under {job.engine.licence}" if job.engine.licence else ""
        _say(f"  engine: {job.engine.label}, {job.engine.tier} tier{licence}, seed {asked.sampling.seed}")
        return plan

    return planned


def brief_lines(plan: SongPlan) -> str:
    """The plan in a few lines: title, figures, sections, notes."""
    figures = [
        f"{plan.tempo_bpm.value:g} bpm", plan.key.value.name, plan.meter.value.name, plan.genre.value.replace("_", " "),
        f"{plan.seconds.value:g} s",
    ]  # fmt: skip
    sections = ", ".join(f"{section.name.value} {section.bars.value}" for section in plan.sections)
    lines = [plan.title.value, f"  {' · '.join(figures)}", f"  bars: {sections}"]
    return "\n".join(lines + [f"  {note}" for note in plan.notes])


def _tell_take(job: Job, *, kept: bool) -> None:
    take = job.take
    if take is None:
        return
    pace = take.seconds / take.timings.total_seconds if take.timings.total_seconds else 0.0
    first = take.timings.first_sound_seconds
    heard = f", first sound after {first:.1f} s" if first is not None else ""
    part = "" if take.complete else " (the part made before the stop)"
    _say(f"{take.seconds:.1f} s{part} made in {take.timings.total_seconds:.1f} s, {pace:.1f} x real time{heard}")
    if kept:
        _say(f"Kept as take {take.id}")
        for other in job.other_ids:
            _say(f"Kept too, take {other}")


@contextmanager
def _bar() -> Iterator[tqdm]:
    from tqdm import tqdm

    shape = "{desc:<12} {percentage:3.0f}%|{bar}| {n:.1f}/{total:.1f} s  {elapsed}<{remaining}"
    with tqdm(total=1.0, unit="s", bar_format=shape, leave=False, file=sys.stderr, desc="starting") as bar:
        yield bar


def _show(bar: tqdm, job: Job) -> None:
    live = job.live
    if live is not None:
        bar.total, bar.n = live.frames / live.sample_rate_hz, live.seconds
    bar.set_description_str(job.stage or job.state, refresh=False)
    bar.update(0)


@contextmanager
def _ctrl_c_stops(job: Job) -> Iterator[None]:
    """The first Ctrl-C asks the engine to stop and keep its part, the second is Python's own."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        _say("Stopping; the part already made is kept. Press Ctrl-C again to drop it.", to=sys.stderr)
        job.stop_asked.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
