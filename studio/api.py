"""What the page does, as functions for other programs: REST endpoints and MCP tools, both through Gradio.

`register` adds them to the page being built. Each works for the visitor behind its request and sees what that visitor
may see. A failure is one sentence. Annotations are read by Gradio at run time, so they are not postponed here.
"""

import asyncio
import functools
import json
import secrets
from dataclasses import fields
from time import monotonic
from typing import Any
from urllib.parse import quote

import anyio.to_thread
import gradio as gr

from agents.harmony import Key, Meter
from agents.planner import make_brief
from agents.types import Brief, SongPlan
from studio.engines.base import Sampling
from studio.engines.steering import AdapterUse, Steering
from studio.jobs import GenerateRequest, JobView
from studio.pipeline import EngineOption
from studio.studio import Studio
from studio.takes import Take
from studio.ui.addresses import address_of
from studio.ui.agent_functions import AGENTS_PUBLIC, AgentFunctions
from studio.ui.desk_functions import DESK_PUBLIC, DeskFunctions
from studio.ui.edit_functions import EDITS, EditFunctions
from studio.ui.history_functions import HISTORY_PUBLIC, HistoryFunctions
from studio.ui.library_functions import LIBRARY, LibraryFunctions
from studio.ui.link_functions import LINK_PUBLIC, LinkFunctions
from studio.ui.midi_functions import MIDI_PUBLIC, MidiFunctions
from studio.ui.references_field import with_references
from studio.ui.refusals import Refusal, in_one_sentence
from studio.ui.visitors import visitor_of

__all__ = ["PUBLIC", "Functions", "Refusal", "register"]

PUBLIC = (
    "plan",
    "generate",
    *EDITS,
    *AGENTS_PUBLIC,
    *DESK_PUBLIC,
    *HISTORY_PUBLIC,
    *LIBRARY,
    *LINK_PUBLIC,
    *MIDI_PUBLIC,
    "status",
    "cancel",
    "list_takes",
    "export",
    "engines",
)
MAX_WAIT_SECONDS = 600.0
_LOOK_EVERY_SECONDS = 0.1
_MAX_LISTED = 100


def register(studio: Studio) -> None:
    """Add the functions to the `gr.Blocks` being built, under the names in PUBLIC."""
    functions = Functions(studio)
    for name in PUBLIC:
        gr.api(getattr(functions, name), api_name=name, queue=False, concurrency_limit=None)


class Functions(
    EditFunctions, AgentFunctions, DeskFunctions, HistoryFunctions, LibraryFunctions, LinkFunctions, MidiFunctions
):
    """The public functions over one studio."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    @in_one_sentence
    def plan(
        self,
        words: str,
        request: gr.Request,
        seconds: float | None = None,
        tempo_bpm: float | None = None,
        key: str | None = None,
        meter: str | None = None,
        negative_words: str = "",
        seed: int = 0,
        melody: str = "",
        melody_to_key: bool = False,
    ) -> dict[str, Any]:
        """Plan a song from a description, without making any sound: tempo, key, meter, sections, chords, instruments.

        What is set here beats the same thing said in the words. The plan can be changed and given to generate.

        Args:
            words: The music in words, for example "slow lo-fi hip hop, rainy, 80 bpm".
            seconds: The length, 1 to 600 seconds. Left out, the words decide.
            tempo_bpm: Beats a minute, 30 to 300.
            key: Tonic and mode, for example "F# minor" or "D dorian".
            meter: The time signature, for example "3/4" or "6/8".
            negative_words: Instruments or sounds the song must not have.
            seed: A number that decides between equally good plans; the same seed gives the same plan.
            melody: A melody for the sketch engine to play ("take:…", "sound:…" or "midi:…"): tempo, key and meter come from
                it where the words leave them open, and the chords fit it. Give generate the same one with the plan.
            melody_to_key: Move the melody to the song's key.

        Returns:
            The song plan, each value with who decided it (asked, inferred or default).
        """
        brief = _brief(words, seconds, tempo_bpm, key, meter, negative_words)
        steering = Steering(melody=melody or None, melody_to_key=melody_to_key)
        made = self._studio.plan(brief, seed=seed, owner=visitor_of(request).owner, steering=steering)
        return made.model_dump(mode="json")

    @in_one_sentence
    async def generate(
        self,
        words: str,
        request: gr.Request,
        seconds: float | None = None,
        tempo_bpm: float | None = None,
        key: str | None = None,
        meter: str | None = None,
        negative_words: str = "",
        plan: dict[str, Any] | None = None,
        engine: str | None = None,
        seed: int | None = None,
        temperature: float = 1.0,
        top_k: int = 250,
        top_p: float = 0.0,
        guidance: float = 3.0,
        candidates: int = 1,
        steering: dict[str, Any] | None = None,
        adapters: list[dict[str, Any]] | None = None,
        references: list[dict[str, Any]] | None = None,
        wait: bool = False,
    ) -> dict[str, Any]:
        """Make a piece of music from a description or a plan. Answers at once with a job, or waits for the take.

        Args:
            words: The music in words. May be empty when a plan or references are given.
            seconds: The length, 1 to 600 seconds. Left out, the words decide.
            tempo_bpm: Beats a minute, 30 to 300.
            key: Tonic and mode, for example "F# minor".
            meter: The time signature, for example "3/4".
            negative_words: Instruments or sounds the song must not have.
            plan: A song plan as plan returns it, changed or not; it is then played as it is.
            engine: The engine's name as engines lists it. Left out, the studio's own choice.
            seed: The same plan, seed and engine give the same take. Left out, a new one is drawn.
            temperature: For MusicGen: how freely it draws, above 0 to 3.
            top_k: For MusicGen: draw among so many likeliest tokens; 0 is off.
            top_p: For MusicGen: draw among the likeliest tokens up to this share; 0 is off.
            guidance: For MusicGen: how closely it follows the words, 1 to 15.
            candidates: For MusicGen: how many to make in one pass, 1 to 8; all are kept, the best is the job's take.
            steering: Any of melody ("take:…", "sound:…" or "midi:…" to follow: the sketch engine plays its notes, a
                melody model of MusicGen's hears it) and, for the sketch, melody_to_key (true plays it in the song's
                key); for MusicGen, chords (true follows the plan's),
                prompts ([{words, weight, moves: [[seconds, weight]]}], a weight below 0 steers away), words_weight,
                instruments_in, instruments_out, layers (true makes each instrument as a stem of its own).
            adapters: For MusicGen: LoRA adapters as [{name, strength}], strength 0 to 1.5.
            references: Up to five tracks or takes the song is to be like, as [{id, weight}] with ids like "track:17" (the
                ref of find_tracks) or "take:…"; tempo, key, energy and band come from them where the words leave it open.
            wait: Wait until the take is made, at most ten minutes.

        Returns:
            The job as status returns it.
        """
        visitor = visitor_of(request)
        drawn = secrets.randbelow(2**32) if seed is None else seed
        asked = GenerateRequest(
            brief=with_references(
                _brief(words, seconds, tempo_bpm, key, meter, negative_words, may_be_empty=plan is not None),
                json.dumps(references) if references else "",
            ),
            plan=SongPlan.model_validate(plan) if plan else None,
            engine=engine or self._studio.pipeline.default,
            sampling=Sampling(
                seed=drawn,
                temperature=temperature,
                top_k=top_k,
                top_p=top_p,
                guidance=guidance,
                candidates=candidates,
                steering=Steering.model_validate(steering) if steering else None,
                adapters=tuple(AdapterUse.model_validate(each) for each in adapters or ()),
            ),
        )
        submit = functools.partial(self._studio.generate, asked, owner=visitor.owner)
        return await self._shown(await anyio.to_thread.run_sync(submit), request, wait=wait)

    @in_one_sentence
    def status(self, job_id: str, request: gr.Request) -> dict[str, Any]:
        """Say how far a job is and where its sound is heard.

        Args:
            job_id: The job, as generate returned it.

        Returns:
            Its state (queued, planning, rendering, writing, done, stopped, failed, interrupted), how much is made,
            the take once it is kept, and where to hear it.
        """
        return self._job(self._studio.jobs.get(job_id, owner=visitor_of(request).sees_only), request)

    @in_one_sentence
    def cancel(self, job_id: str, request: gr.Request) -> dict[str, Any]:
        """Stop a job. The part already made is kept as a take.

        Args:
            job_id: The job, as generate returned it.

        Returns:
            The job as status returns it.
        """
        return self._job(self._studio.jobs.cancel(job_id, owner=visitor_of(request).sees_only), request)

    @in_one_sentence
    def list_takes(self, request: gr.Request, words: str = "", limit: int = 20, offset: int = 0) -> dict[str, Any]:
        """List kept takes, newest first.

        Args:
            words: Only takes in whose title, description or music all of these words are found.
            limit: How many to return, 1 to 100.
            offset: How many to pass over first.

        Returns:
            The takes, and how many there are in all.
        """
        owner = visitor_of(request).sees_only
        limit, offset = min(max(1, limit), _MAX_LISTED), max(0, offset)
        page = self._studio.takes(words, owner=owner, limit=limit, offset=offset)
        scores = self._studio.reviews.scores(entry.take.id for entry in page.entries)
        takes = [{**_take(entry.take, request), "score": scores.get(entry.take.id)} for entry in page.entries]
        return {"total": page.total, "takes": takes}

    @in_one_sentence
    def export(
        self, take_id: str, request: gr.Request, format: str = "flac", provenance: bool | None = None
    ) -> dict[str, Any]:
        """Turn a take into a file to download.

        Args:
            take_id: The take, as status or list_takes returned it.
            format: wav16, wav24, wav32f, flac, flac16, mp3, mp3vbr, ogg, stems (a zip of all parts), stems-wav or midi.
            provenance: Write the words and settings into the file's tags. Left out, the studio's setting decides.

        Returns:
            The file's address, name, media type and size in bytes. The address needs the same login.
        """
        owner = visitor_of(request).sees_only
        made = self._studio.export(take_id, format=format, provenance=provenance, owner=owner)
        tagged = "" if provenance is None else f"&provenance={str(provenance).lower()}"
        return {
            "url": address_of(request, f"/studio/takes/{take_id}/export?format={quote(format)}{tagged}"),
            "filename": made.filename,
            "media_type": made.media_type,
            "bytes": made.path.stat().st_size,
        }

    @in_one_sentence
    def engines(self, request: gr.Request) -> dict[str, Any]:
        """List the engines that can make music here.

        Returns:
            Each engine's name, label, tier (built-in needs no download), readiness and licence of its sound.
        """
        visitor_of(request)
        return {"engines": [_engine(option) for option in self._studio.pipeline.engines()]}

    async def _shown(self, job: JobView, request: gr.Request, *, wait: bool) -> dict[str, Any]:
        sees_only, deadline = visitor_of(request).sees_only, monotonic() + MAX_WAIT_SECONDS
        while wait and not job.is_finished and monotonic() < deadline:
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
            job = self._studio.jobs.get(job.id, owner=sees_only)
        return self._job(job, request)

    def _job(self, job: JobView, request: gr.Request) -> dict[str, Any]:
        shown = job.model_dump(
            mode="json",
            include={
                "title", "words", "engine", "engine_label", "tier", "licence", "state", "position", "stage", "fraction",
                "seconds_done", "seconds_total", "seconds_left", "elapsed_seconds", "take_id", "take_ids", "error", "plan",
            },
        )  # fmt: skip
        if job.take_id:
            sound = f"/studio/takes/{job.take_id}/sound.flac"
        else:
            sound = f"/studio/jobs/{job.id}/sound.wav" if job.has_live_sound else ""
        return {"job_id": job.id, **shown, "sound_url": address_of(request, sound) if sound else None}


def _brief(
    words: str,
    seconds: float | None,
    tempo_bpm: float | None,
    key: str | None,
    meter: str | None,
    negative_words: str,
    *,
    may_be_empty: bool = False,
) -> Brief:
    if may_be_empty and not words.strip():
        return Brief()
    return make_brief(
        words=words,
        seconds=seconds,
        tempo_bpm=tempo_bpm,
        key=Key.parse(key) if key else None,
        meter=Meter.parse(meter) if meter else None,
        negative_words=negative_words,
    )


def _take(take: Take, request: gr.Request) -> dict[str, Any]:
    plan = take.plan
    return {
        "take_id": take.id,
        "title": take.title,
        "words": plan.brief.words,
        "seconds": take.seconds,
        "complete": take.complete,
        "created_at": take.created_at.isoformat(),
        "tempo_bpm": plan.tempo_bpm.value,
        "key": plan.key.value.name,
        "meter": plan.meter.value.name,
        "genre": plan.genre.value,
        "engine": take.engine.name,
        "licence": take.engine.licence,
        "seed": take.sampling.seed,
        "stems": [stem.name for stem in take.stems],
        "has_midi": take.has_midi,
        "sound_url": address_of(request, f"/studio/takes/{take.id}/sound.flac"),
    }


def _engine(option: EngineOption) -> dict[str, Any]:
    return {field.name: getattr(option, field.name) for field in fields(option)}
