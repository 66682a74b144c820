"""The public functions of the desk: taking sounds apart, mixing, mastering, bending, loops, notes and files.

Each works for the visitor behind its request. Annotations are read by Gradio at run time, so they are not postponed.
"""

import asyncio
import functools
from time import monotonic
from typing import Any
from urllib.parse import quote

import anyio.to_thread
import gradio as gr

from studio.desk.desk import Desk
from studio.desk.jobs import WorkView
from studio.studio import Studio
from studio.ui.addresses import address_of
from studio.ui.desk_shown import page_shown, sheet_shown, work_shown
from studio.ui.refusals import in_one_sentence
from studio.ui.visitors import visitor_of

DESK_PUBLIC = (
    "desk", "separate", "mix", "keep_mix", "master", "change_tempo", "find_loops", "transcribe", "carry_off",
    "desk_work", "stop_desk_work",
)  # fmt: skip
MAX_WAIT_SECONDS = 600.0
_LOOK_EVERY_SECONDS = 0.1


class DeskFunctions:
    """The desk's functions over one studio. A sound is named by its take, or "upload:…" as the page names it."""

    _studio: Studio

    @in_one_sentence
    def desk(self, source: str, request: gr.Request) -> dict[str, Any]:
        """Show a sound as it lies on the desk: its parts and who separated them, its mix, beats, and what can be done.

        Args:
            source: The take's identifier, or "upload:…" for a sound that was brought along.

        Returns:
            Title, length, sets of parts, the mix document (strips with gain_db, pan, mute, solo, send and effects), beats,
            what was found so far, and what can be exported in which formats.
        """
        item = self._desk.open(_named(source), owner=visitor_of(request).sees_only)
        return sheet_shown(self._desk, self._desk.sheet(item))

    @in_one_sentence
    async def separate(
        self, source: str, request: gr.Request, model: str = "auto", wait: bool = False
    ) -> dict[str, Any]:
        """Take a sound apart into stems. They lie on the strips afterwards and sum to the sound.

        Args:
            source: The take, or "upload:…".
            model: "htdemucs", "htdemucs_ft", "htdemucs_6s", "built-in" for signal processing without a model, or "auto".
            wait: Wait until it is done, at most ten minutes.

        Returns:
            The work as desk_work returns it; its result says who separated.
        """
        return await self._ask("separate", source, {"model": model}, request, wait=wait)

    @in_one_sentence
    async def mix(self, source: str, request: gr.Request, document: dict[str, Any] | None = None) -> dict[str, Any]:
        """Read a sound's mix, or save a changed one as a step that can be undone.

        Args:
            source: The take, or "upload:…".
            document: The mix as desk returns it, changed: per strip gain_db (-60 to 12), pan (-1 to 1), mute, solo, send
                (0 to 1) and chain (effects); for the whole gain_db, room and chain. Left out, it is only read.

        Returns:
            The mix, and whether there are steps to undo or redo.
        """
        item = self._desk.open(_named(source), owner=visitor_of(request).sees_only)
        if document is None:
            return page_shown(self._desk.sheet(item).page)
        return page_shown(await anyio.to_thread.run_sync(self._desk.save_mix, item, document))

    @in_one_sentence
    async def keep_mix(self, source: str, request: gr.Request, title: str = "", wait: bool = False) -> dict[str, Any]:
        """Render a sound's mix and keep it as a take, a version of the one it came from.

        Args:
            source: The take, or "upload:…".
            title: What to call it. Left out, the sound's title with "(mix)".
            wait: Wait until it is done, at most ten minutes.

        Returns:
            The work; its result names the take.
        """
        return await self._ask("bounce", source, {"title": title}, request, wait=wait)

    @in_one_sentence
    async def master(
        self,
        source: str,
        request: gr.Request,
        target_lufs: float = -14.0,
        ceiling_dbtp: float = -1.0,
        curve: str = "genre",
        like: str = "",
        dynamics: float = 0.4,
        width: float = 1.0,
        keep: bool = False,
        wait: bool = False,
    ) -> dict[str, Any]:
        """Master a sound's mix to a loudness under a true-peak ceiling, with meters before and after.

        Args:
            source: The take, or "upload:…".
            target_lufs: Integrated loudness to come to, -40 to -5: -14 for streaming, -9 loud, -23 for broadcast.
            ceiling_dbtp: The true peak nothing passes, also after MP3.
            curve: Tonal balance to come near to: "genre" for the take's own, a family of genres, or "" to leave the tone.
            like: A take (or "upload:…") to master like: its tone, width and loudness.
            dynamics: 0 leaves them, 1 holds each band firmly.
            width: The sides' factor, 0 to 2.
            keep: Keep the master as a take too (waits for it).
            wait: Wait until it is done, at most ten minutes.

        Returns:
            The work; its result has the meters, what was done, and what could not be done and why.
        """
        options = {
            "target_lufs": target_lufs, "ceiling_dbtp": ceiling_dbtp, "curve": "like" if like else curve,
            "reference": _named(like) if like else "", "dynamics": dynamics, "width": width,
        }  # fmt: skip
        made = await self._ask("master", source, options, request, wait=wait or keep)
        if not keep or made["state"] != "done":
            return made
        kept = await self._ask("keep_master", source, {"work": made["work_id"]}, request, wait=True)
        return {**made, "result": {**made["result"], **(kept["result"] or {})}, "error": kept["error"]}

    @in_one_sentence
    async def change_tempo(
        self,
        source: str,
        request: gr.Request,
        tempo_bpm: float | None = None,
        semitones: float = 0.0,
        like: str = "",
        wait: bool = False,
    ) -> dict[str, Any]:
        """Bend a sound to another tempo, another key, or another track's grid; kept as a take, its beats on the grid.

        Args:
            source: The take, or "upload:…".
            tempo_bpm: The tempo to come to. Left out, it stays.
            semitones: How much higher, -12 to 12; drums keep their pitch.
            like: A take (or "upload:…") whose beats to lie on instead of a tempo.
            wait: Wait until it is done, at most ten minutes.

        Returns:
            The work; its result names the take.
        """
        options = {"tempo_bpm": tempo_bpm, "semitones": semitones, "like": _named(like) if like else ""}
        return await self._ask("tempo", source, options, request, wait=wait)

    @in_one_sentence
    async def find_loops(
        self, source: str, request: gr.Request, bars: list[int] | None = None, wait: bool = True
    ) -> dict[str, Any]:
        """Find regions that go round without a seam, best first.

        Args:
            source: The take, or "upload:…".
            bars: Lengths wanted. Left out, 1 to 16 bars.
            wait: Wait until it is done, at most ten minutes.

        Returns:
            The work; its result lists the loops with start and end in seconds and frames, bars, score and why.
        """
        return await self._ask("loops", source, {"bars": bars} if bars else {}, request, wait=wait)

    @in_one_sentence
    async def transcribe(
        self,
        source: str,
        request: gr.Request,
        parts: list[str] | None = None,
        grid: int = 4,
        wait: bool = False,
    ) -> dict[str, Any]:
        """Write down the notes of a sound's parts: exact for a sketch, heard by transcription otherwise.

        Args:
            source: The take, or "upload:…"; separate a mix first.
            parts: Which parts. Left out, all.
            grid: Steps a beat that notes are moved to; 0 leaves them as played.
            wait: Wait until it is done, at most ten minutes.

        Returns:
            The work; its result has the notes of each part as [start, end, pitch, velocity].
        """
        return await self._ask("notes", source, {"parts": parts or [], "grid": grid}, request, wait=wait)

    @in_one_sentence
    async def carry_off(
        self,
        source: str,
        request: gr.Request,
        what: str = "mix",
        format: str = "",
        start_seconds: float | None = None,
        end_seconds: float | None = None,
        wait: bool = True,
    ) -> dict[str, Any]:
        """Write a sound's mix, strips, parts, a loop, its notes or a DAW project as files to download.

        Args:
            source: The take, or "upload:…".
            what: One of the exports that desk lists, such as mix, strips, parts or loop.
            format: One of that export's formats. Left out, its first.
            start_seconds: Where a loop begins.
            end_seconds: Where it ends.
            wait: Wait until it is done, at most ten minutes.

        Returns:
            The work; files has the addresses. They need the same login.
        """
        options: dict[str, Any] = {"what": what, "start_seconds": start_seconds, "end_seconds": end_seconds}
        return await self._ask("export", source, {**options, "format": format}, request, wait=wait)

    @in_one_sentence
    def desk_work(self, work_id: str, request: gr.Request) -> dict[str, Any]:
        """Say how far work on the desk is, and what it made.

        Args:
            work_id: The work, as the function that began it returned it.

        Returns:
            Its state (queued, running, done, stopped, failed), stage, fraction, result and files.
        """
        return self._work(self._desk.jobs.get(work_id, owner=visitor_of(request).sees_only), request)

    @in_one_sentence
    def stop_desk_work(self, work_id: str, request: gr.Request) -> dict[str, Any]:
        """Stop work on the desk; the sound stays as it was.

        Args:
            work_id: The work.

        Returns:
            The work as desk_work returns it.
        """
        return self._work(self._desk.jobs.stop(work_id, owner=visitor_of(request).sees_only), request)

    @property
    def _desk(self) -> Desk:
        return self._studio.mixing_desk

    async def _ask(
        self, kind: str, source: str, options: dict[str, Any], request: gr.Request, *, wait: bool
    ) -> dict[str, Any]:
        sees_only, deadline = visitor_of(request).sees_only, monotonic() + MAX_WAIT_SECONDS
        start = functools.partial(self._desk.ask, kind, _named(source), options, owner=sees_only)
        work = await anyio.to_thread.run_sync(start)
        while wait and not work.is_finished and monotonic() < deadline:
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
            work = self._desk.jobs.get(work.id, owner=sees_only)
        return self._work(work, request)

    def _work(self, work: WorkView, request: gr.Request) -> dict[str, Any]:
        shown = work_shown(work, with_result=True)
        files = [
            {"name": name, "url": address_of(request, f"/studio/desk/work/{work.id}/files/{quote(name)}")}
            for name in shown["files"]
        ]
        return {"work_id": shown.pop("id"), **shown, "files": files}


def _named(source: str) -> str:
    """A take's identifier as a source's name; a name stays as it is."""
    return source if ":" in source else f"take:{source}"
