"""One conversation with a loaded language model: ask, check, show it its error once, stop when told to.

The prompt is the file's own chat template; the grammar is made from a pydantic schema. Knows nothing of which models
are in memory, or of what the answers are about.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from agents.answers import AnswerStopped, LanguageModelError
from agents.gguf_file import GgufFile

if TYPE_CHECKING:
    from llama_cpp import Llama

Schema = TypeVar("Schema", bound=BaseModel)
Value = TypeVar("Value")
OnToken = Callable[[str], None]
TEMPERATURE = 0.4
LOOK_SECONDS = 0.05  # how often whoever may stop an answer is asked
_SHOWN_AGAIN = 1_500  # characters of a failed answer that the model is shown


class OutOfTime(LanguageModelError):
    """The time budget ended before the answer did."""


class Unusable(LanguageModelError):
    """A model answered twice, and neither answer could be used."""


@dataclass(slots=True)
class Loaded:
    """A model in memory. keeps_system: its chat template has a place for the system's words."""

    llama: Llama
    facts: GgufFile
    needs_bytes: int
    keeps_system: bool


@dataclass(slots=True)
class Limits:
    """What ends an answer before its own end."""

    deadline: float
    cancelled: Callable[[], bool]
    on_token: OnToken
    looked: float = 0.0
    tokens: int = 0
    said: str = ""
    ended: list[LanguageModelError] = field(default_factory=list)

    def over(self) -> bool:
        """Whether to stop now; cheap enough to be asked between any two steps."""
        now = time.monotonic()
        if self.ended:
            return True
        if now - self.looked >= LOOK_SECONDS:
            self.looked = now
            if self.cancelled():
                self.ended.append(AnswerStopped("The answer was stopped."))
            elif now > self.deadline:
                self.ended.append(OutOfTime("The language model took longer than its time budget."))
        return bool(self.ended)


def converse(
    loaded: Loaded,
    *,
    system: str,
    user: str,
    schema: type[Schema],
    use: Callable[[Schema], Value],
    limits: Limits,
    max_tokens: int,
    seed: int,
) -> tuple[Value, bool]:
    """The value and whether it took the repair round. Raises Unusable, OutOfTime, AnswerStopped."""
    messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
    if not loaded.keeps_system:
        messages = [{"role": "user", "content": f"{system}\n\n{user}"}]
    wrong = ""
    for attempt in (1, 2):
        said, finished = _write(
            loaded.llama, messages, schema=schema, limits=limits, max_tokens=max_tokens, seed=seed + attempt - 1
        )
        limits.said = said
        try:
            return use(schema.model_validate_json(said)), attempt == 2
        except ValidationError as error:
            wrong = _what_is_wrong(error) if finished else f"it was cut off after {max_tokens} tokens; be much shorter"
        except ValueError as error:
            wrong = str(error)
        messages = [
            *messages,
            {"role": "assistant", "content": said[:_SHOWN_AGAIN].replace("<", "‹")},
            {"role": "user", "content": f"That answer cannot be used: {wrong}. Give the whole JSON again, corrected."},
        ]
    raise Unusable(f"{loaded.facts.name} answered twice in a way that cannot be used ({wrong[:160].rstrip('. ')}).")


def _what_is_wrong(error: ValidationError) -> str:
    """The first errors, as a model reads them best: where, and what."""
    lines = [
        f"{'.'.join(str(part) for part in one['loc']) or 'the answer'}: {one['msg']}" for one in error.errors()[:4]
    ]
    return "; ".join(lines)


def _write(
    llama: Llama,
    messages: list[Any],
    *,
    schema: type[BaseModel],
    limits: Limits,
    max_tokens: int,
    seed: int,
) -> tuple[str, bool]:
    """What the model writes, and whether it came to its own end within max_tokens."""
    pieces: list[str] = []
    reason = None
    try:
        with _stoppable(llama, limits):
            stream: Any = llama.create_chat_completion(
                messages=messages,
                response_format={"type": "json_object", "schema": schema.model_json_schema()},
                max_tokens=max_tokens,
                temperature=TEMPERATURE,
                seed=seed,
                stream=True,
            )
            with closing(stream):
                for chunk in stream:
                    choice = chunk["choices"][0]
                    reason = choice.get("finish_reason") or reason
                    if piece := choice["delta"].get("content"):
                        pieces.append(piece)
                        limits.tokens += 1
                        limits.on_token(piece)
                    limits.looked = 0.0
                    if limits.over():
                        break
    except (ValueError, RuntimeError, OSError) as error:
        if "context window" in str(error):
            raise Unusable(f"The request is longer than the model's {llama.n_ctx():,} tokens of context.") from error
        if not limits.ended:
            raise Unusable(f"The language model could not answer ({str(error).rstrip('. ')}).") from error
    finally:
        if limits.ended:
            with suppress(Exception):
                llama.reset()
    if limits.ended:
        limits.said = "".join(pieces)
        raise limits.ended[0]
    return "".join(pieces), reason == "stop"


@contextmanager
def _stoppable(llama: Llama, limits: Limits) -> Iterator[None]:
    """Let the user and the clock break off the reading of a long prompt, which is one call into llama.cpp."""
    import llama_cpp

    stop = llama_cpp.ggml_abort_callback(lambda data: limits.over())
    never = llama_cpp.ggml_abort_callback(0)
    llama_cpp.llama_set_abort_callback(llama.ctx, stop, None)
    try:
        yield
    finally:
        llama_cpp.llama_set_abort_callback(llama.ctx, never, None)


def keeps_system(llama: Llama) -> bool:
    """Whether the file's chat template shows the system's words to the model; some drop them, some refuse them."""
    template = (llama.metadata or {}).get("tokenizer.chat_template")
    if not template:
        return True
    from llama_cpp.llama_chat_format import Jinja2ChatFormatter

    messages: Any = [{"role": "system", "content": "§system§"}, {"role": "user", "content": "§user§"}]
    try:
        shown = Jinja2ChatFormatter(template=template, eos_token="", bos_token="")(messages=messages).prompt
    except Exception:  # noqa: BLE001 - a template is a program of its own and may raise anything
        return False
    return "§system§" in shown
