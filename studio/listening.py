"""A take is listened to: the clip measured, the measures judged against the plan.

Composes `audio.heard` and the quality agent. Models that hear more (CLAP, audiobox-aesthetics) are handed in when they
are here; without them the verdict says what was not heard.
"""

from __future__ import annotations

from collections.abc import Callable

from agents.quality_agent import AskForWords, judge
from agents.types import SongPlan, Verdict
from audio.clip import Clip
from audio.heard import hear
from rag.embeddings import Embedder

# How well a clip fits the words, and how finished it sounds: each 0 to 1.
FitsWords = Callable[[Clip, str], float]
Aesthetics = Callable[[Clip], float]
# What CLAP gives MusicGen's takes and the captions they were made from: .25 to .28 (the models' cards).
FULL_AGREEMENT = 0.25


def judge_clip(
    plan: SongPlan,
    clip: Clip,
    *,
    engine_channels: int | None = None,
    fits_words: FitsWords | None = None,
    aesthetics: Aesthetics | None = None,
    word: AskForWords | None = None,
    worded_by: str = "language model",
) -> Verdict:
    """The verdict on a clip. Never raises for what it hears: silence or noise is a verdict too."""
    heard = hear(clip, tempo_bpm=plan.tempo_bpm.value, bar_seconds=plan.bar_seconds)
    agreements = {}
    if fits_words is not None:
        agreements["prompt"] = fits_words(clip, plan.prompt.value)
    if aesthetics is not None:
        agreements["aesthetics"] = aesthetics(clip)
    return judge(plan, heard, engine_channels=engine_channels, agreements=agreements, word=word, worded_by=worded_by)


def fits_words_by(embedder: Embedder, words: str) -> FitsWords | None:
    """How well a clip fits those words by a model that hears both, or None when this one hears no words.

    The cosine of both vectors, against that of real music and its own description. Raises EmbeddingError.
    """
    if not embedder.hears_words:
        return None
    asked = embedder.embed_words([words])[0]
    return lambda clip, _: min(1.0, max(0.0, float(embedder.embed(clip).whole @ asked) / FULL_AGREEMENT))
