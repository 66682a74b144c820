"""One file, listened to: its bytes' hash, its tags, its figures, its vectors and its fingerprint.

Runs in processes of its own, each on one thread: what it takes and gives is plain data. Knows no library.
"""

from __future__ import annotations

import hashlib
import os
import signal
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np

from audio.file_tags import FileTags, read_file_tags
from audio.io import AudioError
from audio.work import Stopped, never
from rag.embeddings import SignalEmbedder
from rag.features import Features, features_of
from rag.fingerprint import fingerprint
from rag.frames import NoMusic, hear

_AFTER_THE_PAGE = 10
_stop: Event | None = None
_SINGLE = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True, slots=True, eq=False)
class Listened:
    """What came of a file. trouble: why it could not be heard, as a sentence, or ""; then only hash is sure.

    same: the bytes are those the library knows already, and nothing else was done.
    """

    path: str
    hash: str = ""
    same: bool = False
    trouble: str = ""
    tags: FileTags = field(default_factory=FileTags)
    seconds: float = 0.0
    sample_rate_hz: int = 0
    channels: int = 0
    features: Features | None = None
    signal_identity: str = ""
    sound: np.ndarray | None = None
    windows: np.ndarray | None = None
    fingerprint: bytes = b""


def listen(path: str, known_hash: str = "", cancelled: Stopped = never) -> Listened:
    """Listen to one file. known_hash: what the library knows its bytes by; equal bytes are not heard again.

    Raises WorkCancelled.
    """
    try:
        digest = hash_of(Path(path))
        if digest == known_hash:
            return Listened(path, digest, same=True)
        heard = hear(Path(path), cancelled=cancelled)
    except (AudioError, NoMusic) as error:
        return Listened(path, digest, trouble=str(error))
    except OSError as error:
        return Listened(path, trouble=f"It could not be read: {error.strerror or error}.")
    except MemoryError:
        return Listened(path, digest, trouble="It needs more memory than there is.")
    embedder = _embedder()
    made = embedder.embed(Path(path), heard=heard)
    return Listened(
        path, digest, tags=read_file_tags(Path(path)), seconds=heard.seconds, sample_rate_hz=heard.sample_rate_hz,
        channels=heard.channels, features=features_of(heard), signal_identity=embedder.identity, sound=made.whole,
        windows=made.windows, fingerprint=fingerprint(heard),
    )  # fmt: skip


def hash_of(path: Path) -> str:
    """BLAKE2b of the file's bytes, 32 hexadecimal digits. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def listen_here(path: str, known_hash: str) -> Listened:
    """`listen` in a process that `alone_on_one_thread` began. Raises WorkCancelled once the parent wants no more."""
    return listen(path, known_hash, _wanted_no_more)


def _wanted_no_more() -> bool:
    return _stop is not None and _stop.is_set()


def alone_on_one_thread(stop: Event | None = None) -> None:
    """Called first in each process: one thread a process, after the page in line for the processor, and Ctrl-C is the
    parent's to handle.

    stop: set by the parent when it wants no more.
    """
    global _stop
    _stop = stop
    for name in _SINGLE:
        os.environ[name] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(_AFTER_THE_PAGE)
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)
    listen_at_once()


def listen_at_once() -> None:
    """Load what listening needs, so that the first file is not slower than the others."""
    import scipy.fft
    import scipy.ndimage
    import scipy.signal  # noqa: F401
    import soundfile  # noqa: F401
    import soxr  # noqa: F401

    _embedder()


@cache
def _embedder() -> SignalEmbedder:
    return SignalEmbedder()
