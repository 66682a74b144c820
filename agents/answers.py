"""What an agent answers: the value, who found it (a language model or the rules), and how it went.

Every agent returns an Answer, so that the page can always say who answered and history can keep it. Knows nothing of
how a model is loaded or asked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Generic, Literal, TypeVar

Value = TypeVar("Value")
Other = TypeVar("Other")
Tier = Literal["built-in", "full"]
Agent = Literal["orchestrator", "prompt", "style", "structure", "quality", "metadata"]
AGENTS: tuple[Agent, ...] = ("orchestrator", "prompt", "style", "structure", "quality", "metadata")
NO_MODEL = "No language model is chosen for this agent, so its built-in rules answered."


@dataclass(frozen=True, slots=True)
class Answer(Generic[Value]):
    """An agent's answer. tier: "full" when a language model found it, "built-in" when the rules did.

    seconds: all of it, loading included. repaired: the model's first answer could not be used and its second could.
    why_fallback: a sentence, whenever the rules answered. asked, said: what the model was shown and what it wrote.
    tokens: how many it wrote, both rounds together.
    """

    value: Value
    tier: Tier
    agent: str
    model: str = ""
    seconds: float = 0.0
    repaired: bool = False
    why_fallback: str = ""
    asked: str = ""
    said: str = ""
    tokens: int = 0

    def carrying(self, value: Other) -> Answer[Other]:
        """The same answer with another value: what was made of it."""
        return replace(self, value=value)  # type: ignore[arg-type,return-value]

    @property
    def credit(self) -> str:
        """Who answered, for the page: "Qwen2-1.5B, 4.2 s" or "built-in rules"."""
        if self.tier == "built-in":
            return "built-in rules"
        return f"{self.model}, {self.seconds:.1f} s{', second attempt' if self.repaired else ''}"


class LanguageModelError(Exception):
    """A language model cannot answer; the message is a sentence for the user, and the rules go on."""


class AnswerStopped(LanguageModelError):
    """The user stopped the answer: nothing goes on."""


def by_rules(agent: Agent, value: Value, *, why: str = NO_MODEL) -> Answer[Value]:
    """An answer that the rules gave, and why they and not a model."""
    return Answer(value=value, tier="built-in", agent=agent, why_fallback=why)


def as_data(text: str, *, characters: int = 4_000) -> str:
    """A user's words as they may be shown to a model: with no sign that a chat template could read as its own.

    Templates mark roles with <…>, [INST] and <|…|>; look-alike brackets leave the words readable and powerless.
    """
    plain = text.translate(str.maketrans("<>[]{}|", "‹›()()/"))
    plain = re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", " ", plain)
    return plain[:characters]
