"""The public functions that edit sound: going on from it, making a region anew, variations.

Each works for the visitor behind its request. Annotations are read by Gradio at run time, so they are not postponed.
"""

import functools
import secrets
from typing import Any

import anyio.to_thread
import gradio as gr

from studio.engines.base import Continue, Edit, Repaint, Vary
from studio.jobs import JobView
from studio.studio import Studio
from studio.ui.refusals import in_one_sentence
from studio.ui.visitors import visitor_of

EDITS = ("continue_take", "repaint", "vary")


class EditFunctions:
    """The editing functions over one studio. Those who inherit say how a job is waited for and shown."""

    _studio: Studio

    async def _shown(self, job: JobView, request: gr.Request, *, wait: bool) -> dict[str, Any]:
        raise NotImplementedError

    @in_one_sentence
    async def continue_take(
        self,
        take_id: str,
        request: gr.Request,
        seconds: float = 15.0,
        from_seconds: float | None = None,
        words: str = "",
        engine: str | None = None,
        seed: int | None = None,
        candidates: int = 1,
        wait: bool = False,
    ) -> dict[str, Any]:
        """Go on from a take, or from an uploaded sound, at any point. What comes before it is kept as it is.

        Args:
            take_id: The take, or the name of a kept sound ("sound:…").
            seconds: How much to add.
            from_seconds: Where to go on from. Left out, the end.
            words: What is to come, in words. Left out, it goes on as planned; a sound that is no take needs them.
            engine: The engine's name. Left out, the take's own if it can, else one that can.
            seed: The same seed gives the same sound. Left out, a new one is drawn.
            candidates: How many to make in one pass, 1 to 8; all are kept, the best is the job's take.
            wait: Wait until the take is made, at most ten minutes.

        Returns:
            The job as status returns it. The earlier version stays.
        """
        edit = Continue(source=_named(take_id), seconds=seconds, from_seconds=from_seconds, words=words)
        return await self._edit(edit, request, words, engine, seed, candidates, wait=wait)

    @in_one_sentence
    async def repaint(
        self,
        take_id: str,
        start_seconds: float,
        end_seconds: float,
        request: gr.Request,
        words: str = "",
        candidates: int = 4,
        snap: str = "bars",
        engine: str | None = None,
        seed: int | None = None,
        wait: bool = False,
    ) -> dict[str, Any]:
        """Make a region of a take anew. Everything outside it stays bit-identical, and the earlier version stays.

        Args:
            take_id: The take, or the name of a kept sound ("sound:…").
            start_seconds: Where the region begins.
            end_seconds: Where it ends.
            words: What the region is to be, in words. Left out, as planned; a sound that is no take needs them.
            candidates: How many to try, 1 to 8; all are kept, the one that fits best is the job's take.
            snap: Move the edges to the nearest bars or beats, or off.
            engine: The engine's name. Left out, the take's own if it can, else one that can.
            seed: The same seed gives the same sound. Left out, a new one is drawn.
            wait: Wait until the take is made, at most ten minutes.

        Returns:
            The job as status returns it.
        """
        edit = Repaint.model_validate(
            {
                "source": _named(take_id), "start_seconds": start_seconds, "end_seconds": end_seconds, "words": words,
                "candidates": candidates, "snap": snap,
            }
        )  # fmt: skip
        return await self._edit(edit, request, words, engine, seed, 1, wait=wait)

    @in_one_sentence
    async def vary(
        self,
        take_id: str,
        request: gr.Request,
        closeness: float = 0.5,
        count: int = 3,
        words: str = "",
        engine: str | None = None,
        seed: int | None = None,
        wait: bool = False,
    ) -> dict[str, Any]:
        """Make variations of a take, from close to far, no two alike. All are kept.

        Args:
            take_id: The take, or the name of a kept sound ("sound:…").
            closeness: About the share that stays: 1 changes a bar or so, 0 keeps nothing but the words.
            count: How many, 1 to 8.
            words: For a sound that is no take: what it is.
            engine: The engine's name. Left out, the take's own if it can, else one that can.
            seed: The same seed gives the same variations. Left out, a new one is drawn.
            wait: Wait until they are made, at most ten minutes.

        Returns:
            The job as status returns it, all its takes in take_ids.
        """
        edit = Vary(source=_named(take_id), closeness=closeness, count=count)
        return await self._edit(edit, request, words, engine, seed, 1, wait=wait)

    async def _edit(
        self,
        edit: Edit,
        request: gr.Request,
        words: str,
        engine: str | None,
        seed: int | None,
        candidates: int,
        *,
        wait: bool,
    ) -> dict[str, Any]:
        owner = visitor_of(request).owner
        drawn = secrets.randbelow(2**32) if seed is None else seed
        submit = functools.partial(
            self._studio.edit,
            edit,
            words=words,
            engine=engine,
            owner=owner,
            changes={"seed": drawn, "candidates": candidates},
        )
        return await self._shown(await anyio.to_thread.run_sync(submit), request, wait=wait)


def _named(take_id: str) -> str:
    """A take's identifier as a source's name; a name stays as it is."""
    return take_id if ":" in take_id else f"take:{take_id}"
