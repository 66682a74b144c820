"""The six agents at their desk: each with its model or its rules, streaming, stoppable, every answer noted.

What the page, the queue and other programs ask of the agents goes through here. A model that is not here, fails or
runs out of time is replaced by the agent's rules, and the answer says so. Nothing heavy is loaded before a model is
asked. Knows nothing of pages.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from agents.answers import Agent, Answer, AnswerStopped
from agents.enhancing import Enhanced, enriched
from agents.language_model import LanguageModel, LanguageModels
from agents.metadata_agent import Metadata, describe_song, describe_sound
from agents.prompt_agent import Context, alternatives, enhance
from agents.reading_brief import read_brief
from agents.routing import Route, route
from agents.structure_agent import plan_with
from agents.style_agent import Reference, StyleCard, style_card
from agents.types import Brief, SongPlan, Verdict
from agents.wording import word_verdict
from audio.clip import Clip
from rag.embeddings import Embedder, EmbeddingError
from studio.asking import asker
from studio.engines.base import Cancelled, EngineError
from studio.history.agent_history import AgentHistory
from studio.history.history import History, HistoryError
from studio.models.agents import AgentModels, SelfTest
from studio.models.downloads import Downloads
from studio.models.files import FileModels
from studio.models.hub import ModelError
from studio.settings import Settings
from studio.writing import Writing

if TYPE_CHECKING:
    from studio.listening import FitsWords

_log = logging.getLogger(__name__)
Value = TypeVar("Value")
ROLES: Mapping[Agent, str] = {
    "orchestrator": "hears what you want done to a song",
    "prompt": "enriches your words",
    "style": "describes your references",
    "structure": "plans sections, chords and players",
    "quality": "words the verdict on a take",
    "metadata": "titles, tags and descriptions",
}


class AgentDesk:
    """The agents of one studio. Thread-safe; models write one answer at a time.

    sound: what lays sounds and words side by side (the library's embedder), so that a verdict can say whether a take
    fits its words.
    """

    def __init__(self, settings: Settings, history: History, *, sound: Callable[[], Embedder] | None = None) -> None:
        self._settings, self._sound = settings, sound
        self.files = FileModels(settings.models_dir)
        self.downloads = Downloads(self.files)
        self._language_models = LanguageModels(
            memory_bytes=round(settings.agents_memory_gb * 1e9), threads=settings.agents_threads,
            context_tokens=settings.agents_context_tokens, gpu_layers=settings.agents_gpu_layers,
        )  # fmt: skip
        self.models = AgentModels(self.files, self._language_models, choices_path=settings.data_dir / "agents.json")
        self.writing = Writing()
        self.notes = AgentHistory(history)

    def ask(
        self, agent: Agent, request: Callable[[LanguageModel | None], Answer[Value]], *, note: bool = True
    ) -> Answer[Value]:
        """One agent's answer, by its model or by rules, for whoever asks (studio.asking).

        note: remember it in the history. Raises Cancelled when it is stopped in its middle.
        """
        who = asker()
        with self.writing.line(owner=who.owner, agent=agent, model=self._label(agent)) as line:
            model = self.models.language_model(
                agent, on_token=line.write, cancelled=lambda: line.stop.is_set() or who.cancelled()
            )
            try:
                answer = request(model)
            except AnswerStopped as stopped:
                raise Cancelled("You stopped the agent before it was done; nothing was made.") from stopped
        if model is None:
            answer = replace(answer, why_fallback=self.models.why_not(agent))
        if note:
            self._note(answer, owner=who.owner, about=who.about)
        return answer

    # ------------------------------------------------------------------------------------------ what is asked

    def plan(self, brief: Brief, *, seed: int) -> SongPlan:
        """A song plan by the structure agent, its prompts enriched by the prompt agent when that has a model.

        Every wish is kept, whatever a model proposes. planned_by says who answered; what went wrong is in the notes.
        Raises the agents' errors in the user's words, Cancelled when stopped.
        """
        wishes = read_brief(brief)
        answer = self.ask("structure", lambda model: plan_with(wishes, language_model=model, seed=seed))
        plan, by = answer.value, [answer.model] if answer.tier == "full" else []
        notes = list(plan.notes)
        if answer.tier == "built-in" and answer.model:  # a model was asked and could not be used
            notes.append(answer.why_fallback)
        if not self.models.why_not("prompt"):
            richer = self.ask("prompt", lambda model: enhance(brief, language_model=model, seed=seed))
            if richer.tier == "full":
                plan = enriched(plan, richer.value, by=richer.model)
                by.append(richer.model)
        said = " and ".join(dict.fromkeys(by)) or "built-in rules"
        return plan.model_copy(update={"planned_by": said, "notes": notes})

    def enhance(self, brief: Brief, *, context: Context, seed: int = 0, count: int = 3) -> list[Answer[Enhanced]]:
        """Richer ways to say the same wish. Raises the agents' errors, Cancelled when stopped."""
        found: list[Answer[Enhanced]] = []

        def every(model: LanguageModel | None) -> Answer[Enhanced]:
            found[:] = alternatives(brief, count=count, language_model=model, context=context, seed=seed)
            return found[0]

        first = self.ask("prompt", every)
        return [first, *found[1:]]

    def route(self, message: str, plan: SongPlan) -> Answer[Route]:
        """Which job a message about this plan asks for. Raises Cancelled when stopped."""
        return self.ask("orchestrator", lambda model: route(message, on_the_desk=plan, language_model=model))

    def style(self, references: Sequence[Reference]) -> StyleCard:
        """What reference tracks share, as a card. Raises Cancelled when stopped."""
        return self.ask("style", lambda model: style_card(list(references), language_model=model)).value

    def word(self, verdict: Verdict, plan: SongPlan) -> Answer[str]:
        """A verdict in the quality agent's words; stopped in its middle, the rules' words stay."""
        try:
            return self.ask("quality", lambda model: word_verdict(verdict, plan, language_model=model), note=False)
        except Cancelled:
            return word_verdict(verdict, plan)

    def describe(self, plan: SongPlan, *, note: bool = True) -> Answer[Metadata]:
        """A song's title, tags, description and mood. Raises Cancelled when stopped."""
        return self.ask("metadata", lambda model: describe_song(plan, language_model=model), note=note)

    def caption(self, card: StyleCard) -> Answer[str]:
        """A sound's caption out of what the style agent measured of it. Raises Cancelled when stopped."""
        return self.ask("metadata", lambda model: describe_sound(card, language_model=model), note=False)

    def judge(self, plan: SongPlan, clip: Clip, *, engine_channels: int | None = None) -> Verdict:
        """The verdict on a clip: measured, then worded by the quality agent."""
        from studio.listening import judge_clip

        verdict = judge_clip(plan, clip, engine_channels=engine_channels, fits_words=self._fits_words(plan))
        answer = self.word(verdict, plan)
        if answer.tier == "full":
            return verdict.model_copy(update={"words": answer.value, "worded_by": answer.model})
        return verdict

    def _fits_words(self, plan: SongPlan) -> FitsWords | None:
        """Hears whether a take fits its plan's words, or None where no model here does."""
        if self._sound is None:
            return None
        from studio.listening import fits_words_by

        try:
            return fits_words_by(self._sound(), plan.prompt.value)
        except (EmbeddingError, ModelError, EngineError, OSError) as trouble:
            _log.warning("a take is judged without CLAP: %s", trouble)
            return None

    def hear(self, clip: Clip, *, cancelled: Callable[[], bool] = lambda: False) -> Any:
        """The words in a recording (studio.voice.Heard). Raises VoiceError, or ModelError when no Whisper is here."""
        from studio.voice import hear

        return hear(clip, self.files, model_id=self.voice_model(), device=_device(self._settings), cancelled=cancelled)

    def voice_model(self) -> str:
        """The Whisper model that hears: the settings' one, or another that is here when that is not."""
        wanted = self._settings.voice_model
        here = [status.card.id for status in self.files.models("speech") if status.state == "present"]
        return wanted if wanted in here or not here else here[0]

    def self_tests(self, *, owner: str = "") -> Iterator[SelfTest]:
        """One prompt to each agent's model, each result as it comes. Raises AnswerStopped when stopped."""
        with self.writing.line(owner=owner, agent="test", model="The test") as line:
            yield from self.models.self_tests(cancelled=line.stop.is_set, on_token=line.write)

    # ---------------------------------------------------------------------------------------------- keeping

    def close(self) -> None:
        """Stop what is being written, and give all memory back."""
        self.downloads.close()
        self.writing.stop_all()
        self._language_models.unload()

    def delete_model(self, model_id: str) -> None:
        """Remove a model's file (one of the user's is only taken off the list), its memory first. Raises ModelError."""
        status = self.files.status(model_id)
        if status.card.kind == "language" and status.state == "present":
            self._language_models.unload(status.path)
        self.files.delete(model_id)

    def unload(self) -> None:
        """Give back the memory of every language model."""
        self._language_models.unload()

    def _label(self, agent: Agent) -> str:
        if self.models.why_not(agent):
            return ""
        return self.files.card(self.models.choices()[agent]).label

    def _note(self, answer: Answer[Any], *, owner: str, about: str) -> None:
        value = answer.value
        try:
            self.notes.note(
                about=about, agent=answer.agent, owner=owner, asked=answer.asked, model=answer.model, tier=answer.tier,
                answered=value.model_dump(mode="json") if hasattr(value, "model_dump") else value, seconds=answer.seconds,
            )  # fmt: skip
        except HistoryError as trouble:  # an answer is worth more than its note
            _log.warning("an answer of the %s agent could not be noted: %s", answer.agent, trouble)


def _device(settings: Settings) -> str:
    """Where Whisper runs: the music's own card only when it was asked for by name."""
    return settings.device if settings.device.startswith("cuda") else "cpu"
