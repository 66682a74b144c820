"""The public functions of the agents: enhancing words, verdicts, refinements, suggestions, and who would answer.

Each works for the visitor behind its request. Annotations are read by Gradio at run time, so they are not postponed.
"""

import asyncio
import functools
import secrets
from time import monotonic
from typing import Any

import anyio.to_thread
import gradio as gr

from agents.answers import AGENTS
from agents.orchestrator import Budget
from agents.planner import make_brief
from agents.prompt_agent import Context
from agents.types import SongPlan
from studio.asking import asked_by
from studio.engines.base import Sampling
from studio.history.insight import insight
from studio.refine import RefinementView, RefineRequest
from studio.studio import Studio
from studio.ui.refine_panel import begin
from studio.ui.refining_shown import refinement_shown
from studio.ui.refusals import in_one_sentence
from studio.ui.visitors import visitor_of

AGENTS_PUBLIC = ("enhance", "suggest", "verdict", "refine", "refinement", "steer_refinement", "agents")
_MAX_WAIT_SECONDS = 600.0
_LOOK_EVERY_SECONDS = 0.2


class AgentFunctions:
    """The agents' functions over one studio."""

    _studio: Studio

    @in_one_sentence
    def enhance(self, words: str, request: gr.Request, count: int = 3, seed: int = 0) -> dict[str, Any]:
        """Say a wish for music more richly, in several ways. The words given stay first and whole in each.

        Args:
            words: The music in words.
            count: How many ways, 1 to 5.
            seed: Another number gives other ways.

        Returns:
            The ways, each with its words, what was added and why, and whether a language model or rules answered.
        """
        visitor = visitor_of(request)
        with asked_by(visitor.owner):
            ways = self._studio.desk.enhance(
                make_brief(words=words), context=Context(), seed=seed, count=min(5, max(1, count))
            )
        return {
            "ways": [
                {
                    "words": way.value.after,
                    "added": [{"words": one.words, "kind": one.kind, "why": one.why} for one in way.value.added],
                    "by": way.credit,
                    "tier": way.tier,
                }
                for way in ways
            ]
        }

    @in_one_sentence
    def suggest(self, request: gr.Request, count: int = 3, seed: int = 0) -> dict[str, Any]:
        """Suggest music to try, from what was liked, kept, exported and deleted here.

        Args:
            count: How many suggestions, 1 to 10.
            seed: Another number gives other suggestions.

        Returns:
            What is liked and on what grounds, and wishes to give to generate, each with its reason.
        """
        owner = visitor_of(request).owner
        found = insight(
            self._studio.history,
            exported=self._studio.ledger.deeds.exported(),
            standings=self._studio.ledger.standings(owner=owner),
            owner=owner,
            count=min(10, max(1, count)),
            seed=seed,
        )
        return {
            "likes": found.taste.sentence,
            "grounds": found.grounds,
            "suggestions": [{"words": one.words, "why": one.why} for one in found.suggestions],
        }

    @in_one_sentence
    async def verdict(self, take_id: str, request: gr.Request, wait: bool = True) -> dict[str, Any]:
        """Say how well a take kept to what was asked for: a score of 100 and its parts, asked against heard, with reasons.

        Args:
            take_id: The take, as status or list_takes returned it.
            wait: Wait for the verdict when the take is still to be listened to, at most ten minutes.

        Returns:
            Whether it is judged; then the score, words, parts, sections, what could not be judged and who worded it,
            and the take's description and tags.
        """
        owner = visitor_of(request).sees_only
        await anyio.to_thread.run_sync(functools.partial(self._studio.entry, take_id, owner=owner))
        reviews, deadline = self._studio.reviews, monotonic() + _MAX_WAIT_SECONDS
        await anyio.to_thread.run_sync(reviews.ask, take_id)
        review = reviews.of(take_id)
        while wait and review is None and reviews.scores([take_id]) and monotonic() < deadline:
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
            review = reviews.of(take_id)
        if review is None:
            return {"judged": False, "take_id": take_id}
        shown = review.verdict.model_dump(mode="json", exclude={"version", "worded_by"})
        return {
            "judged": True, "take_id": take_id, **shown, "worded_by": review.worded_by, "described_by": review.described_by,
            "metadata": review.metadata.model_dump(mode="json"),
        }  # fmt: skip

    @in_one_sentence
    async def refine(
        self,
        words: str,
        request: gr.Request,
        seconds: float | None = None,
        plan: dict[str, Any] | None = None,
        engine: str | None = None,
        seed: int | None = None,
        passes: int = 4,
        most_seconds: float = 300.0,
        score: float = 95.0,
        wait: bool = False,
    ) -> dict[str, Any]:
        """Make music, judge it, and make anew only the sections that failed, until it is right or a budget is spent.

        Args:
            words: The music in words. May be empty when a plan is given.
            seconds: The length, 1 to 600 seconds. Left out, the words decide.
            plan: A song plan as plan returns it; every pass is held against it.
            engine: The engine's name as engines lists it. Left out, the studio's own choice.
            seed: The same seed begins the same way. Left out, a new one is drawn.
            passes: At most so many takes, 1 to 20.
            most_seconds: No pass is begun that would end later than this.
            score: Enough at this score, 0 to 100.
            wait: Wait until it is over, at most ten minutes.

        Returns:
            The refinement as refinement returns it.
        """
        given = SongPlan.model_validate(plan) if plan else None
        asked = RefineRequest(
            brief=given.brief if given else make_brief(words=words, seconds=seconds), plan=given,
            engine=engine or self._studio.pipeline.default,
            sampling=Sampling(seed=secrets.randbelow(2**32) if seed is None else seed),
            budget=Budget(passes=passes, seconds=most_seconds, score=score),
        )  # fmt: skip
        start = functools.partial(begin, self._studio, asked, visitor_of(request))
        view = await anyio.to_thread.run_sync(start)
        deadline = monotonic() + _MAX_WAIT_SECONDS
        while wait and view.running and monotonic() < deadline:
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
            view = await anyio.to_thread.run_sync(self._studio.refinements.view, view.id)
        return _refinement(view)

    @in_one_sentence
    def refinement(self, refinement_id: str, request: gr.Request) -> dict[str, Any]:
        """Say how far a refinement is: every pass with its take, score, what was asked differently and why.

        Args:
            refinement_id: The refinement, as refine returned it.

        Returns:
            Its passes, the best one, whether it is at work, and how it ended.
        """
        owner = visitor_of(request).sees_only
        return _refinement(self._studio.refinements.view(refinement_id, owner=owner))

    @in_one_sentence
    def steer_refinement(
        self,
        refinement_id: str,
        request: gr.Request,
        stop: bool = False,
        resume: bool = False,
        best: int | None = None,
        redo: list[int] | None = None,
        leave: list[int] | None = None,
    ) -> dict[str, Any]:
        """Stop a refinement, let it go on, or overrule its judge.

        Args:
            refinement_id: The refinement, as refine returned it.
            stop: Stop it; the passes made are kept.
            resume: Go on from the last finished pass.
            best: Take this pass for the best, by its number from 0.
            redo: Make these sections anew, by their numbers from 0.
            leave: Leave these sections as they are.

        Returns:
            The refinement as refinement returns it.
        """
        every, owner = self._studio.refinements, visitor_of(request).sees_only
        if stop:
            return _refinement(every.stop(refinement_id, owner=owner))
        if resume:
            return _refinement(every.resume(refinement_id, owner=owner))
        return _refinement(every.overrule(refinement_id, best=best, redo=redo or (), leave=leave or (), owner=owner))

    @in_one_sentence
    def agents(self, request: gr.Request) -> dict[str, Any]:
        """List the six agents and who answers for each: a language model on this machine, or built-in rules.

        Returns:
            Each agent's tier, model, and why the rules answer where they do.
        """
        visitor_of(request)
        models = self._studio.desk.models
        chosen = models.choices()
        listed = []
        for agent in AGENTS:
            why = models.why_not(agent)
            listed.append(
                {
                    "agent": agent,
                    "tier": "built-in" if why else "full",
                    "model": "" if why else chosen[agent],
                    "why": why,
                }
            )
        return {"agents": listed}


def _refinement(view: RefinementView) -> dict[str, Any]:
    return {"refinement_id": view.id, **refinement_shown(view)}
