"""A data set's segments as the model's codes, computed once and kept beside the sound.

A code file is named by the sound's bytes and by the codec's weights, so that edited sound or another model is encoded
anew and everything else never again. Knows nothing of training.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from audio.io import AudioError, read_clip, written_whole
from studio.engines.musicgen.encoder import encode
from studio.training.errors import DataSetError, why
from studio.training.manifest import DataSet, Segment

CODES = "codes"


def codes_of(
    data_set: DataSet,
    segments: Sequence[Segment],
    audio_encoder: Any,
    *,
    channels: int,
    progress: Callable[[float], None] = lambda fraction: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> list[np.ndarray]:
    """Each segment's codes, int16 (codebooks, frames); those not yet kept are computed and kept.

    Stops short when cancelled. Raises DataSetError for sound that cannot be read, or when the disk is full.
    """
    folder = data_set.folder / CODES / f"{codec_name(audio_encoder)}-{channels}"
    made = []
    for number, segment in enumerate(segments):
        if cancelled():
            break
        made.append(_codes(data_set, segment, audio_encoder, folder, channels=channels))
        progress((number + 1) / len(segments))
    return made


def codec_name(audio_encoder: Any) -> str:
    """A name for a codec's codebooks, which are what gives codes their meaning."""
    said = hashlib.sha256()
    for name, weight in sorted(audio_encoder.quantizer.state_dict().items()):
        if name.endswith(".embed"):
            said.update(np.ascontiguousarray(weight.detach().float().cpu().numpy()).tobytes())
    return said.hexdigest()[:12]


def _codes(data_set: DataSet, segment: Segment, audio_encoder: Any, folder: Path, *, channels: int) -> np.ndarray:
    path = data_set.audio_path(segment)
    try:
        data = path.read_bytes()
        kept = folder / f"{hashlib.sha256(data).hexdigest()[:24]}.npy"
        if kept.is_file():
            try:
                return np.asarray(np.load(kept, allow_pickle=False))
            except (ValueError, EOFError):
                pass  # cut short by something else than us: computed again
        codes = encode(audio_encoder, read_clip(path), channels=channels)
        folder.mkdir(parents=True, exist_ok=True)
        with written_whole(kept) as part, part.open("wb") as file:
            np.save(file, codes, allow_pickle=False)
    except AudioError as error:
        raise DataSetError(f"{error} It is the segment {segment.id} of “{segment.track}”.") from error
    except OSError as error:
        raise DataSetError(
            f"The codes of “{segment.track}” could not be read or kept ({why(error)}): make room, or build the set again."
        ) from error
    return codes
