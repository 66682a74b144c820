"""The engine as the studio uses it: plans in, renderings out, and sentences when something is wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audio.clip import Clip
from studio.engines.base import Cancelled, EngineError, Listener, ModelMissing, Sampling
from studio.engines.musicgen.checkpoint import inspect, weights_sha256
from studio.engines.musicgen.engine import MusicGenEngine
from tests.tiny_plans import make_plan

HOP = 640
LOOK_AHEAD = 4 * HOP


class Audience(Listener):
    """Keeps all it hears; stops when asked for the n-th time whether to."""

    def __init__(self, *, stop_at_question: int | None = None) -> None:
        self.shape: tuple[int, int, int] | None = None
        self.clips: list[Clip] = []
        self.reports: list[tuple[str, float]] = []
        self.questions = 0
        self.stop_at_question = stop_at_question

    def started(self, *, sample_rate_hz: int, channels: int, frames: int) -> None:
        assert self.shape is None and not self.clips
        self.shape = (sample_rate_hz, channels, frames)

    def heard(self, clip: Clip) -> None:
        self.clips.append(clip)

    def progress(self, stage: str, fraction: float) -> None:
        self.reports.append((stage, fraction))

    def cancelled(self) -> bool:
        self.questions += 1
        return self.stop_at_question is not None and self.questions >= self.stop_at_question


def _engine(folder: Path, *, channels: int = 1, device: str = "cpu", **kwargs: Any) -> MusicGenEngine:
    return MusicGenEngine(name="tiny", label="Tiny", source=folder, device=device, channels=channels, **kwargs)


@pytest.fixture(scope="module")
def mono(checkpoint_folder: Callable[[str], Path]) -> MusicGenEngine:
    return _engine(checkpoint_folder("mono"))


@pytest.mark.parametrize(("kind", "channels"), [("mono", 1), ("stereo", 2), ("melody", 1)])
def test_a_take_lasts_exactly_as_long_as_planned(
    checkpoint_folder: Callable[[str], Path], kind: str, channels: int
) -> None:
    audience = Audience()
    take = _engine(checkpoint_folder(kind), channels=channels).generate(
        make_plan(seconds=2.3333), Sampling(seed=3), audience
    )
    assert take.complete
    assert take.clip.samples.shape == (channels, round(2.3333 * 32_000))
    assert audience.shape == (32_000, channels, round(2.3333 * 32_000))
    assert take.tokens is not None and take.tokens.shape == (4 * channels, 117)
    assert np.abs(take.clip.samples).max() > 0.05


def test_what_is_heard_on_the_way_is_the_take(mono: MusicGenEngine) -> None:
    audience = Audience()
    take = mono.generate(make_plan(seconds=2.0), Sampling(seed=1), audience)
    assert np.array_equal(Clip.joined(audience.clips).samples, take.clip.samples)
    assert audience.clips[0].frames == 21 * HOP, "the first sound comes after 25 frames, four of them looked ahead at"
    assert len(audience.clips) == 5
    fractions = [fraction for stage, fraction in audience.reports if stage == "composing"]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0


def test_the_take_is_its_codes_decoded_at_once(mono: MusicGenEngine, load_tiny: Callable[[str], Any]) -> None:
    from studio.engines.musicgen import codec

    take = mono.generate(make_plan(seconds=3.0), Sampling(seed=9), Listener())
    at_once = codec.decode(load_tiny("mono").model.audio_encoder, take.tokens, channels=1)
    assert np.abs(take.clip.samples - at_once).max() < 1e-5


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(mono: MusicGenEngine) -> None:
    first, again, other = (
        mono.generate(make_plan(), Sampling(seed=seed), Listener()) for seed in (2**32 - 1, 2**32 - 1, 7)
    )
    assert first.clip.samples.tobytes() == again.clip.samples.tobytes()
    assert np.array_equal(first.tokens, again.tokens)
    assert not np.array_equal(first.tokens, other.tokens)


def test_stopping_keeps_the_sound_already_made(mono: MusicGenEngine) -> None:
    whole = mono.generate(make_plan(seconds=2.0), Sampling(seed=4), Listener())
    # One question before the first step, and one before each; so 64 steps are taken.
    audience = Audience(stop_at_question=66)
    part = mono.generate(make_plan(seconds=2.0), Sampling(seed=4), audience)
    frames = 64 - 3
    assert not part.complete
    assert part.clip.frames == frames * HOP
    assert np.array_equal(part.tokens, whole.tokens[:, :frames])
    sure = frames * HOP - LOOK_AHEAD
    assert np.abs(part.clip.samples[:, :sure] - whole.clip.samples[:, :sure]).max() < 1e-5
    assert np.array_equal(Clip.joined(audience.clips).samples, part.clip.samples)


@pytest.mark.parametrize("question", [1, 2, 4])
def test_stopping_before_the_first_frame_leaves_nothing(mono: MusicGenEngine, question: int) -> None:
    with pytest.raises(Cancelled, match="before any sound"):
        mono.generate(make_plan(), Sampling(), Audience(stop_at_question=question))


def test_stopping_after_the_last_frame_is_no_stop(mono: MusicGenEngine) -> None:
    take = mono.generate(make_plan(seconds=1.0), Sampling(), Audience(stop_at_question=1 + 53 + 1))
    assert take.complete and take.clip.frames == 32_000


def test_a_negative_prompt_changes_the_take(mono: MusicGenEngine) -> None:
    plain = mono.generate(make_plan(), Sampling(), Listener())
    steered = mono.generate(make_plan(negative="noisy distorted vocals"), Sampling(), Listener())
    unguided = [
        mono.generate(make_plan(negative=words), Sampling(guidance=1.0), Listener()) for words in ("", "noisy vocals")
    ]
    assert not np.array_equal(plain.tokens, steered.tokens)
    assert np.array_equal(unguided[0].tokens, unguided[1].tokens), (
        "without guidance there is nothing to steer away from"
    )


def test_an_empty_and_an_endless_prompt_are_both_played(mono: MusicGenEngine) -> None:
    for prompt in ("", "drums and bass " * 250):
        assert mono.generate(make_plan(seconds=1.0, prompt=prompt), Sampling(), Listener()).complete


def test_half_precision_plays_and_says_so(checkpoint_folder: Callable[[str], Path]) -> None:
    engine = _engine(checkpoint_folder("mono"), dtype="bfloat16")
    take = engine.generate(make_plan(seconds=1.0), Sampling(), Listener())
    assert take.identity["dtype"] == "bfloat16"
    assert take.clip.samples.dtype == np.float32 and np.abs(take.clip.samples).max() > 0.05


def test_a_take_says_what_made_it(mono: MusicGenEngine, checkpoint_folder: Callable[[str], Path]) -> None:
    import hashlib

    identity = mono.generate(make_plan(seconds=1.0), Sampling(), Listener()).identity
    weights = (checkpoint_folder("mono") / "model.safetensors").read_bytes()
    assert identity["weights_sha256"] == hashlib.sha256(weights).hexdigest()
    assert {"model", "device", "dtype", "torch", "transformers"} <= identity.keys()
    assert mono.capabilities.licence == "CC-BY-NC-4.0" and mono.capabilities.tier == "full"


def test_unloading_gives_the_model_back_and_the_next_take_is_the_same(
    checkpoint_folder: Callable[[str], Path],
) -> None:
    engine = _engine(checkpoint_folder("sharded"))
    first = engine.generate(make_plan(seconds=1.0), Sampling(seed=1), Listener())
    assert engine.is_loaded
    engine.unload()
    assert not engine.is_loaded
    again = engine.generate(make_plan(seconds=1.0), Sampling(seed=1), Listener())
    assert first.clip.samples.tobytes() == again.clip.samples.tobytes()


def test_an_absent_device_is_a_sentence(checkpoint_folder: Callable[[str], Path]) -> None:
    import torch

    absent = "mps" if torch.cuda.is_available() else "cuda"
    engine = MusicGenEngine(name="tiny", label="Tiny", source=checkpoint_folder("mono"), device=absent)
    with pytest.raises(EngineError, match=f"no {absent} device"):
        engine.generate(make_plan(), Sampling(), Listener())


def _damaged(source: Path, target: Path, damage: Callable[[Path], Any]) -> Path:
    shutil.copytree(source, target)
    damage(target)
    return target


def _cut_weights(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])


def _cut_header(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])


def _other_kind(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))


def _garbled_config(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "musicgen", ')


def _other_sizes(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["decoder"]["ffn_dim"] *= 2
    (folder / "config.json").write_text(json.dumps(config))


def _more_layers(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["decoder"]["num_hidden_layers"] += 1
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("damage", "error", "sentence"),
    [
        (_cut_weights, ModelMissing, "model.safetensors .* is cut short or damaged: delete the model and download"),
        (_cut_header, ModelMissing, "is cut short or damaged"),
        (lambda folder: (folder / "config.json").unlink(), ModelMissing, "config.json is missing"),
        (lambda folder: (folder / "model.safetensors").unlink(), ModelMissing, "weights are missing"),
        (lambda folder: (folder / "tokenizer.json").unlink(), ModelMissing, "tokenizer is missing"),
        (_garbled_config, ModelMissing, "config.json .* cannot be read"),
        (_other_kind, EngineError, "kind “bert”, not MusicGen"),
        (_other_sizes, EngineError, "download it again"),
        (_more_layers, EngineError, "not whole"),
        (shutil.rmtree, ModelMissing, "does not exist"),
    ],
)
def test_a_damaged_model_is_a_sentence_with_what_to_do(
    checkpoint_folder: Callable[[str], Path],
    tmp_path: Path,
    damage: Callable[[Path], Any],
    error: type[EngineError],
    sentence: str,
) -> None:
    engine = _engine(_damaged(checkpoint_folder("mono"), tmp_path / "model", damage))
    with pytest.raises(error, match=sentence):
        engine.generate(make_plan(), Sampling(), Listener())
    assert not engine.is_loaded


def test_a_missing_shard_is_noticed(checkpoint_folder: Callable[[str], Path], tmp_path: Path) -> None:
    folder = _damaged(
        checkpoint_folder("sharded"), tmp_path / "m", lambda f: next(f.glob("model-00002*.safetensors")).unlink()
    )
    with pytest.raises(ModelMissing, match="1 weight files are missing"):
        inspect(folder)


def test_weights_are_summed_once_and_again_when_they_change(
    checkpoint_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = _damaged(checkpoint_folder("sharded"), tmp_path / "m", lambda f: None)
    checkpoint = inspect(folder)
    first = weights_sha256(checkpoint)
    notes = next(folder.glob(".weights-sha256.json"))
    known = json.loads(notes.read_text())
    shard = checkpoint.weight_files[0]
    known[shard.name]["sha256"] = "0" * 64
    notes.write_text(json.dumps(known))
    assert weights_sha256(checkpoint) != first, "the note beside the weights is what is read"
    shard.touch()
    assert weights_sha256(checkpoint) == first, "a changed file is read again"
