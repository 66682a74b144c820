"""Small language models on this machine, asked for answers of a given form: llama.cpp over GGUF files.

An answer is JSON: a grammar made from a pydantic schema binds the model while it writes, pydantic then checks what a
grammar cannot (ranges, sense), one repair round shows the model its error, and after that the caller's rules answer.
One model is loaded per file; the least recently used is unloaded when the memory budget is full. One answer is
written at a time. Knows nothing of music, and nothing of where model files come from.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from agents.answers import Agent, Answer, AnswerStopped, LanguageModelError
from agents.conversation import LOOK_SECONDS, Limits, Loaded, OnToken, OutOfTime, Unusable, converse, keeps_system
from agents.gguf_file import BadModelFile, GgufFile, inspect

__all__ = ["LanguageModel", "LanguageModels", "OutOfTime", "TooBig", "Unusable"]

Schema = TypeVar("Schema", bound=BaseModel)
Value = TypeVar("Value")
MEMORY_BYTES = 6_000_000_000
CONTEXT_TOKENS = 4_096
BUDGET_SECONDS = 60.0
MAX_TOKENS = 700


class TooBig(LanguageModelError):
    """A model does not fit into the memory that agents may use, or that is free."""


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """One model file as an agent is handed it, with the time it has and who listens.

    on_token: called with each stretch of text as it is written. cancelled: asked often, also while a prompt is read.
    """

    models: LanguageModels
    path: Path
    budget_seconds: float = BUDGET_SECONDS
    on_token: OnToken = lambda text: None
    cancelled: Callable[[], bool] = lambda: False
    seed: int = 0

    def ask(
        self,
        *,
        task: Agent,
        system: str,
        user: str,
        schema: type[Schema],
        use: Callable[[Schema], Value],
        fallback: Callable[[], Value],
        max_tokens: int = MAX_TOKENS,
    ) -> Answer[Value]:
        """`LanguageModels.ask` with this file, budget and listener."""
        return self.models.ask(
            self.path,
            task=task,
            system=system,
            user=user,
            schema=schema,
            use=use,
            fallback=fallback,
            max_tokens=max_tokens,
            budget_seconds=self.budget_seconds,
            on_token=self.on_token,
            cancelled=self.cancelled,
            seed=self.seed,
        )


class LanguageModels:
    """The models in memory. Thread-safe: answers are written one after another."""

    def __init__(
        self,
        *,
        memory_bytes: int = MEMORY_BYTES,
        threads: int = 0,
        context_tokens: int = CONTEXT_TOKENS,
        gpu_layers: int = 0,
    ) -> None:
        """memory_bytes: for all loaded models together. threads: 0 takes half the processor's.

        context_tokens: prompt and answer together. gpu_layers: 0 leaves the graphics card to the music, -1 takes all.
        """
        self.memory_bytes = memory_bytes
        self._threads = threads or max(1, (os.cpu_count() or 2) // 2)
        self._context_tokens = context_tokens
        self._gpu_layers = gpu_layers
        self._loaded: OrderedDict[tuple[Path, int, int], Loaded] = OrderedDict()
        self._writing = threading.Lock()

    def model(
        self,
        path: Path,
        *,
        budget_seconds: float = BUDGET_SECONDS,
        on_token: OnToken = lambda text: None,
        cancelled: Callable[[], bool] = lambda: False,
        seed: int = 0,
    ) -> LanguageModel:
        """A file as agents are handed it; nothing is read or loaded yet."""
        return LanguageModel(self, path, budget_seconds, on_token, cancelled, seed)

    def ask(
        self,
        path: Path,
        *,
        task: Agent,
        system: str,
        user: str,
        schema: type[Schema],
        use: Callable[[Schema], Value],
        fallback: Callable[[], Value],
        budget_seconds: float = BUDGET_SECONDS,
        max_tokens: int = MAX_TOKENS,
        on_token: OnToken = lambda text: None,
        cancelled: Callable[[], bool] = lambda: False,
        seed: int = 0,
    ) -> Answer[Value]:
        """Ask a model for a `schema`, and for what `use` makes of it; the rules' `fallback` answers when it fails.

        use: raises ValueError, saying why, for an answer that makes no sense. budget_seconds: for reading the prompt
        and writing, the repair round included; loading is beside it. Raises AnswerStopped when cancelled, and nothing
        else of its own: every other failure is a sentence in `why_fallback`.
        """
        started = time.monotonic()
        limits = Limits(float("inf"), cancelled, on_token)
        name, why, repaired = path.stem, "", False
        try:
            with self._turn(limits):
                loaded = self._ready(path)
                name = loaded.facts.name
                limits.deadline = time.monotonic() + budget_seconds
                value, repaired = converse(
                    loaded,
                    system=system,
                    user=user,
                    schema=schema,
                    use=use,
                    limits=limits,
                    max_tokens=max_tokens,
                    seed=seed,
                )
        except AnswerStopped:
            raise
        except LanguageModelError as error:
            why = f"{error} The built-in rules answered instead."
            value = fallback()
        return Answer(
            value=value,
            tier="built-in" if why else "full",
            agent=task,
            model=name,
            seconds=time.monotonic() - started,
            repaired=repaired,
            why_fallback=why,
            asked=user,
            said=limits.said,
            tokens=limits.tokens,
        )

    def loaded(self) -> tuple[Path, ...]:
        """The files in memory, least recently used first."""
        return tuple(one.facts.path for one in list(self._loaded.values()))

    def unload(self, path: Path | None = None) -> None:
        """Give back the memory of one file, or of all; waits for an answer that is being written."""
        with self._writing:
            for key in [key for key in self._loaded if path is None or key[0] == path.resolve()]:
                self._loaded.pop(key).llama.close()

    @contextmanager
    def _turn(self, limits: Limits) -> Iterator[None]:
        """Wait for the one place at the desk, and leave the queue when nobody wants the answer any more."""
        while not self._writing.acquire(timeout=LOOK_SECONDS):
            if limits.over():
                raise limits.ended[0]
        try:
            if limits.over():
                raise limits.ended[0]
            yield
        finally:
            self._writing.release()

    def _ready(self, path: Path) -> Loaded:
        """The model in memory, loaded now if need be; others go, least recently used first, when there is no room."""
        facts = inspect(path)
        stat = path.stat()
        key = (path.resolve(), stat.st_size, stat.st_mtime_ns)
        if key in self._loaded:
            self._loaded.move_to_end(key)
            return self._loaded[key]
        for old in [other for other in self._loaded if other[0] == key[0]]:  # the file was replaced
            self._loaded.pop(old).llama.close()
        needs = facts.memory_needed_bytes(context_tokens=self._context_tokens)
        if needs > self.memory_bytes:
            raise TooBig(
                f"{facts.name} needs {needs / 1e9:.1f} GB of memory and the agents may use {self.memory_bytes / 1e9:.1f} GB: "
                "choose a smaller model, or allow them more in the settings."
            )
        while self._loaded and needs + sum(one.needs_bytes for one in self._loaded.values()) > self.memory_bytes:
            self._loaded.popitem(last=False)[1].llama.close()
        free = _free_memory_bytes()
        if free is not None and needs > free:
            raise TooBig(
                f"{facts.name} needs {needs / 1e9:.1f} GB of memory and only {free / 1e9:.1f} GB are free: "
                "close other programs, or choose a smaller model."
            )
        self._loaded[key] = self._load(facts, needs)
        return self._loaded[key]

    def _load(self, facts: GgufFile, needs: int) -> Loaded:
        try:
            from llama_cpp import Llama
        except (ImportError, OSError, RuntimeError) as error:
            raise LanguageModelError(
                f"llama.cpp is not installed here ({error}): run make agents once, to think with language models."
            ) from error
        context = min(self._context_tokens, facts.context_tokens or self._context_tokens)
        try:
            llama = Llama(
                model_path=str(facts.path),
                n_ctx=context,
                n_batch=min(256, context),
                n_threads=self._threads,
                n_threads_batch=self._threads,
                n_gpu_layers=self._gpu_layers,
                verbose=False,
            )
        except (ValueError, RuntimeError, OSError, KeyError) as error:
            raise BadModelFile(
                f"{facts.path.name} cannot be loaded: it is damaged, or its kind ({facts.architecture}) is not known to "
                "this version of llama.cpp. Choose another model."
            ) from error
        except Exception as error:  # a file's chat template is a program of its own and may raise anything
            raise BadModelFile(
                f"{facts.path.name} has a chat template that cannot be read: choose another model."
            ) from error
        return Loaded(llama, facts, needs, keeps_system(llama))


def _free_memory_bytes() -> int | None:
    """What this machine can still give, by its own account; None where it does not say."""
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return None
