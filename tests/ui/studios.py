"""A studio served for real, on a free port and a data folder of its own, with an engine whose pace a test can hold."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import gradio as gr
import httpx
import numpy as np

from agents.types import Brief, SongPlan
from audio.clip import Clip
from studio.engines.base import Capabilities, EngineError, Listener, Rendering, Sampling
from studio.jobs import GenerateRequest
from studio.pipeline import EngineOption
from studio.settings import Settings
from studio.studio import Studio
from studio.takes import Take
from studio.ui.logins import Login
from studio.ui.serve import Serving, serve
from tests.tiny_plans import make_plan

RATE_HZ = 8_000
Planner = Callable[..., SongPlan]


class ToneEngine:
    """The one engine of a pipeline: plays a 440 Hz tone of the plan's length in tenths of a second, at once or, held, as many as a test allows."""

    default = "tone"

    def __init__(self) -> None:
        self.held = False
        self._allowed = threading.Semaphore(0)

    def hold(self, *, after_tenths: int) -> None:
        """From now on play only so many tenths of a second in all."""
        self._allowed = threading.Semaphore(after_tenths)
        self.held = True

    def let_go(self) -> None:
        """Play on at once."""
        self.held = False

    def engines(self) -> list[EngineOption]:
        return [EngineOption("tone", "Tone", "built-in", ready=True, reason="", licence="")]

    def engine(self, name: str) -> ToneEngine:
        if name != "tone":
            raise EngineError(f"There is no engine called “{name}”. Choose tone.")
        return self

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            name="tone", label="Tone", tier="built-in", sample_rate_hz=RATE_HZ, channels=1, max_seconds=600.0,
            makes_stems=True, makes_midi=False, makes_tokens=False,
        )  # fmt: skip

    def generate(self, name: str, plan: SongPlan, sampling: Sampling, listener: Listener) -> Rendering:
        frames = round(plan.seconds.value * RATE_HZ)
        samples = 0.5 * np.sin(2 * np.pi * 440.0 * np.arange(frames) / RATE_HZ, dtype=np.float64)[None].astype(
            np.float32
        )
        listener.started(sample_rate_hz=RATE_HZ, channels=1, frames=frames)
        made, step = 0, RATE_HZ // 10
        while made < frames and not listener.cancelled():
            if not self.held or self._allowed.acquire(timeout=0.02):
                listener.heard(Clip(samples[:, made : made + step], RATE_HZ))
                made = min(frames, made + step)
        clip = Clip(samples[:, :made], RATE_HZ)
        half = Clip(clip.samples / 2, RATE_HZ)
        return Rendering(clip=clip, complete=made == frames, stems={"low": half, "high voice": half})

    def unload(self) -> None:
        pass


def tiny_plan(brief: Brief, *, seed: int) -> SongPlan:
    return make_plan(seconds=brief.seconds or 1.0, prompt=brief.words or "a tone")


def empty_page(studio: Studio) -> gr.Blocks:
    with gr.Blocks(analytics_enabled=False) as blocks:
        gr.Markdown("Nothing here.")
    return blocks


@dataclass
class Served:
    """The running studio and what a test needs to talk to it."""

    serving: Serving
    studio: Studio
    engine: ToneEngine

    @property
    def url(self) -> str:
        return self.serving.url

    @property
    def owner(self) -> Login:
        return self.serving.logins[0]

    @property
    def guest(self) -> Login:
        return self.serving.logins[1]

    @contextmanager
    def browser(self, login: Login | None = None, **named: Any) -> Iterator[httpx.Client]:
        """A client that keeps cookies, logged in when a login is given."""
        with httpx.Client(base_url=self.url, timeout=20.0, trust_env=False, **named) as client:
            if login is not None:
                reply = client.post("/login", data={"username": login.name, "password": login.password})
                assert reply.status_code == 200, reply.text
            yield client

    def take(self, *, owner: str = "", seconds: float = 1.0, words: str = "a tone") -> Take:
        """A finished take of that owner's."""
        job = self.submit(owner=owner, seconds=seconds, words=words)
        done = self.studio.jobs.wait(job, timeout_seconds=20.0)
        assert done.take_id, done.error
        return self.studio.store.read(done.take_id)

    def submit(self, *, owner: str = "", seconds: float = 1.0, words: str = "a tone") -> str:
        """A job of that owner's; its identifier."""
        request = GenerateRequest(brief=Brief(words=words, seconds=seconds), engine="tone")
        return self.studio.generate(request, owner=owner).id


def owner_of(client: httpx.Client, served: Served) -> str:
    """The name this client's takes are kept under."""
    cookies = {cookie.name: cookie.value for cookie in client.cookies.jar}
    session = next(value for name, value in cookies.items() if name.startswith("studio-session"))
    visitor = served.serving.guard.sessions.visitor(session)
    assert visitor is not None
    return visitor.owner


@contextmanager
def served_studio(
    data_dir: Path, *, build: Callable[[Studio], gr.Blocks] | None = None, planner: Planner = tiny_plan, **changes: Any
) -> Iterator[Served]:
    """Serve a page (an empty one unless built) over a studio whose engine plays tones."""
    settings = Settings(data_dir=data_dir, port=0, engine="tone", **changes)
    engine = ToneEngine()
    with Studio(settings, engines=engine, planner=planner) as studio:
        blocks = (build or empty_page)(studio)
        serving = serve(blocks, studio, settings, say=lambda greeting: None)
        try:
            yield Served(serving, studio, engine)
        finally:
            engine.let_go()
            serving.close()
