"""What sets compared takes apart in how they were made, in words, so that ears need not guess what was changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from studio.engines.steering import worn_in_words
from studio.takes import Take

_SAID: tuple[Callable[[Take], str], ...] = (
    lambda take: worn_in_words(take.sampling.adapters) or "no adapter",
    lambda take: f"guidance {take.sampling.guidance:g}" if _draws(take) else "",
    lambda take: f"temperature {take.sampling.temperature:g}" if _draws(take) else "",
    lambda take: f"top-k {take.sampling.top_k}" if _draws(take) else "",
    lambda take: f"top-p {take.sampling.top_p:g}" if _draws(take) else "",
)


def _words(take: Take) -> str:
    return f"“{take.plan.brief.words}”" if take.plan.brief.words else "no words"


def _seed(take: Take) -> str:
    return f"seed {take.sampling.seed}"


def differences(takes: Sequence[Take]) -> list[tuple[str, ...]]:
    """For each take the settings in which not all are alike: words, adapters, what drew the codes, seed.

    Where the words differ the seed says nothing: every wish has one of its own.
    What an engine does not read is not said of it, and sets nobody apart: a sketch's notes come of plan and seed alone.
    """
    alike = len({_words(take) for take in takes}) < 2
    columns = [[say(take) for take in takes] for say in (_words, *_SAID, *([_seed] if alike else []))]
    telling = [column for column in columns if len({said for said in column if said}) > 1]
    return [tuple(said for said in row if said) for row in zip(*telling, strict=True)] if telling else [()] * len(takes)


def _draws(take: Take) -> bool:
    return take.engine.tier == "full"
