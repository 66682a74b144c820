"""The sound an edit starts from, by its name: a take with its codes, or a kept sound.

Knows nothing of whose it is.
"""

from __future__ import annotations

import numpy as np

from audio.clip import Clip
from audio.io import AudioError, read_clip
from studio.engines.base import EngineError, Source
from studio.sounds import SoundStore
from studio.takes import TakeError, TakeStore

TAKE = "take:"


def take_id_of(name: str) -> str:
    """The take a source's name names, or ""."""
    return name.removeprefix(TAKE) if name.startswith(TAKE) else ""


def open_source(name: str, *, store: TakeStore, sounds: SoundStore) -> Source:
    """The sound of that name, “take:…” or “sound:…”. Raises EngineError for what is not here or is no sound."""
    take_id = take_id_of(name)
    if not take_id:
        kept = sounds.get(name)
        if not isinstance(kept, Clip):
            raise EngineError("A MIDI file has no sound to edit: choose a take or a sound file.")
        return Source(clip=kept, name="the sound")
    try:
        take = store.read(take_id)
        clip = read_clip(store.audio_path(take_id))
        tokens = _tokens(store, take_id) if take.has_tokens else None
    except (TakeError, AudioError) as error:
        raise EngineError(f"The take to edit cannot be read: {error}") from error
    return Source(clip=clip, tokens=tokens, identity=take.identity, name=f"“{take.title}”")


def _tokens(store: TakeStore, take_id: str) -> np.ndarray | None:
    """The kept codes; None when they cannot be read: the sound can still be heard anew."""
    try:
        with np.load(store.tokens_path(take_id)) as kept:
            return np.asarray(kept["tokens"])
    except (OSError, ValueError, KeyError, TakeError):
        return None
