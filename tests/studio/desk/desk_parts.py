"""What the desk's tests put on it, and how they wait for its work."""

from __future__ import annotations

import io

import numpy as np
import soundfile

from studio.desk.items import Item
from studio.desk.jobs import WorkView
from studio.jobs import GenerateRequest
from studio.studio import Studio
from studio.takes import Take
from tests.audio.sounds import RATE


def keep_take(studio: Studio, *, owner: str = "", seconds: float = 2.0) -> Take:
    from agents.types import Brief

    job = studio.generate(GenerateRequest(brief=Brief(words="a tone", seconds=seconds), engine="tone"), owner=owner)
    done = studio.jobs.wait(job.id, timeout_seconds=20.0)
    assert done.take_id, done.error
    return studio.store.read(done.take_id)


def on_desk(studio: Studio, take: Take) -> Item:
    return studio.mixing_desk.open(f"take:{take.id}", owner=None)


def done(studio: Studio, kind: str, item: Item, **options: object) -> WorkView:
    work = studio.mixing_desk.ask(kind, item.source, options, owner=None)
    return studio.mixing_desk.jobs.wait(work.id, timeout_seconds=60.0)


def wav(samples: np.ndarray, rate: int = RATE) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples.T, rate, format="WAV", subtype="FLOAT")
    return buffer.getvalue()


def bring(studio: Studio, samples: np.ndarray, *, owner: str = "", name: str = "loop.wav") -> Item:
    return studio.mixing_desk.bring(wav(samples), filename=name, owner=owner)
