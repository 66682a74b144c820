"""The real musicgen-small: downloaded, played and compared with transformers. Run with `pytest -m weights`."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from studio.engines.base import Listener, Sampling
from studio.engines.musicgen.engine import MusicGenEngine
from studio.models.catalogue import Catalogue
from tests.tiny_plans import make_plan

pytestmark = pytest.mark.weights
SMALL = "facebook/musicgen-small"


@pytest.fixture(scope="module")
def small() -> Path:
    """musicgen-small's folder, in MUSICGEN_STUDIO_WEIGHTS or the user's cache, downloaded when it is not there."""
    default = Path.home() / ".cache" / "musicgen-studio-tests"
    catalogue = Catalogue(Path(os.environ.get("MUSICGEN_STUDIO_WEIGHTS", default)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        catalogue.download(SMALL)
    return catalogue.folder(SMALL)


def test_five_seconds_sound_like_music(small: Path) -> None:
    """Neither silence nor noise: some level, energy where music has it, and a spectrum that is not flat."""
    engine = MusicGenEngine(name=SMALL, label="MusicGen small", source=small)
    plan = make_plan(seconds=5.0, prompt="90s rock song with loud guitars and heavy drums")
    take = engine.generate(plan, Sampling(seed=7), Listener())
    sound = take.clip.samples[0].astype(np.float64)
    assert take.complete and len(sound) == 160_000
    assert np.sqrt(np.mean(sound**2)) > 0.01
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2 + 1e-12
    hertz = np.fft.rfftfreq(len(sound), 1 / 32_000)
    music = power[(hertz > 40) & (hertz < 5_000)].sum() / power.sum()
    assert music > 0.8
    flatness = np.exp(np.log(power).mean()) / power.mean()
    assert flatness < 0.1
    halves = [np.sqrt(np.mean(part**2)) for part in np.array_split(sound, 10)]
    assert min(halves) > 0.0005, "half a second of silence"


def test_greedy_codes_are_those_of_transformers(small: Path) -> None:
    import torch

    from studio.engines.musicgen import decode
    from studio.engines.musicgen.checkpoint import inspect
    from studio.engines.musicgen.load import load

    loaded = load(inspect(small), device="cpu")
    tokens = loaded.tokenizer(["80s pop track with bassy drums and synth"], return_tensors="pt")
    heard: list[torch.Tensor] = []
    stock = loaded.model.audio_encoder.decode
    loaded.model.audio_encoder.decode = lambda codes, **kwargs: (heard.append(codes), stock(codes, **kwargs))[1]
    loaded.model.generate(**tokens, do_sample=False, guidance_scale=3.0, max_new_tokens=103)
    conditioning = decode.condition(loaded.model, tokens["input_ids"], tokens["attention_mask"], guided=True)
    choice = decode.Choice(top_k=1, guidance=3.0)
    ours = torch.stack(list(decode.codes(loaded.model, conditioning, frames=100, choice=choice)), dim=1)
    assert torch.equal(ours, heard[0][0, 0])
