"""The engine on its runtimes: what a take says of them, the second load from converted weights, and adapters over them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.engines.base import EngineError, Listener, Sampling
from studio.engines.musicgen.engine import MusicGenEngine
from tests.tiny_plans import make_plan

KEPT = ".studio-int8.weights"


class Stages(Listener):
    """Keeps what it is told of progress."""

    def __init__(self) -> None:
        self.told: list[tuple[str, float]] = []

    def progress(self, stage: str, fraction: float) -> None:
        self.told.append((stage, fraction))


@pytest.fixture
def folder(checkpoint_folder: Callable[[str], Path], tmp_path: Path) -> Path:
    """A checkpoint of one's own, as it was downloaded."""
    return Path(
        shutil.copytree(checkpoint_folder("mono"), tmp_path / "model", ignore=shutil.ignore_patterns(".studio*"))
    )


def engine(folder: Path, **wishes: Any) -> MusicGenEngine:
    return MusicGenEngine(name="tiny", label="Tiny", source=folder, device="cpu", **wishes)


def play(engine: MusicGenEngine, listener: Listener | None = None, **sampling: Any) -> Any:
    return engine.generate(make_plan(seconds=1.0), Sampling(seed=3, **sampling), listener or Listener())


def write_adapter(folder: Path, checkpoint: Path) -> None:
    """An adapter of random numbers for a checkpoint, as PEFT leaves it."""
    import torch
    from peft import LoraConfig, get_peft_model

    from studio.engines.musicgen.checkpoint import inspect
    from studio.engines.musicgen.load import load

    model = load(inspect(checkpoint), device="cpu").model
    trained = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "fc1"]))
    dice = torch.Generator().manual_seed(1)
    for name, weight in trained.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(weight, std=0.2, generator=dice)
    trained.peft_config["default"].base_model_name_or_path = "facebook/musicgen-tiny"
    trained.save_pretrained(folder)


@pytest.mark.parametrize(
    ("wish", "runtime", "precision"),
    [
        ({}, "native", "int8"),
        ({"precision": "int8"}, "native", "int8"),
        ({"precision": "int4-draft"}, "native", "int4-draft"),
        ({"precision": "fp32"}, "torch", "fp32"),
        ({"precision": "bf16"}, "torch", "bf16"),
        ({"dtype": "bfloat16"}, "torch", "bf16"),
    ],
)
def test_a_take_says_what_it_was_decoded_on(folder: Path, wish: dict[str, str], runtime: str, precision: str) -> None:
    take = play(engine(folder, **wish))
    assert (take.identity["runtime"], take.identity["precision"]) == (runtime, precision)
    assert np.abs(take.clip.samples).max() > 0.05


def test_an_unknown_precision_is_a_sentence(folder: Path) -> None:
    with pytest.raises(EngineError, match="no precision “int2”: choose one of auto"):
        engine(folder, precision="int2")


def test_float32_plays_what_transformers_decoder_plays(folder: Path, load_tiny: Callable[[str], Any]) -> None:
    import torch

    from studio.engines.musicgen import decode

    loaded = load_tiny("mono")
    plan = make_plan(seconds=1.0)
    tokens = loaded.tokenizer([plan.prompt.value], return_tensors="pt")
    heard = decode.condition(loaded.model, tokens["input_ids"], tokens["attention_mask"], guided=True)
    stock = torch.stack(list(decode.codes(loaded.model, heard, frames=50, choice=decode.Choice(top_k=1))), dim=1)
    take = engine(folder, precision="fp32").generate(plan, Sampling(top_k=1), Listener())
    assert np.array_equal(take.tokens, stock.numpy())


def test_the_second_load_leaves_the_layers_on_the_disk_and_plays_the_same(folder: Path) -> None:
    first, stages = engine(folder), Stages()
    made = play(first, stages)
    shown = [fraction for stage, fraction in stages.told if stage == "preparing the weights"]
    assert shown == sorted(shown) and shown[0] == 0.0 and shown[-1] == 1.0
    assert first._loaded is not None and first._loaded.has_layers
    converted = (folder / KEPT).stat().st_mtime_ns
    second = engine(folder)
    again = play(second)
    assert second._loaded is not None and not second._loaded.has_layers
    assert len(second._loaded.model.decoder.model.decoder.layers) == 0
    assert made.clip.samples.tobytes() == again.clip.samples.tobytes()
    assert made.identity == again.identity
    assert (folder / KEPT).stat().st_mtime_ns == converted


def test_other_weights_are_converted_anew(folder: Path, tmp_path: Path) -> None:
    from tests import tiny_models

    before = play(engine(folder))
    other = tiny_models.build_mono(tmp_path / "other", seed=9)
    shutil.copy(other / "model.safetensors", folder / "model.safetensors")
    after = play(engine(folder))
    assert not np.array_equal(before.tokens, after.tokens)
    assert np.array_equal(after.tokens, play(engine(other)).tokens)


def test_adapters_are_heard_through_rounded_weights_and_leave_no_trace(folder: Path, tmp_path: Path) -> None:
    from studio.engines.steering import AdapterUse

    shelf = tmp_path / "adapters"
    write_adapter(shelf / "gritty", folder)
    player = engine(folder, adapters=shelf)
    plain = play(player)
    player.unload()
    assert np.array_equal(play(player).tokens, plain.tokens)
    assert player._loaded is not None and not player._loaded.has_layers
    worn = play(player, adapters=[AdapterUse(name="gritty", strength=1.0)])
    assert worn.identity["runtime"] == "native" and worn.identity["adapters"]
    assert not np.array_equal(worn.tokens, plain.tokens)
    assert np.array_equal(play(player).tokens, plain.tokens)


def test_a_settled_codec_sounds_the_same_to_the_bit(folder: Path) -> None:
    from studio.engines.musicgen import codec
    from studio.engines.musicgen.checkpoint import inspect
    from studio.engines.musicgen.load import load, settle_codec

    encoder = load(inspect(folder), device="cpu").model.audio_encoder
    codes = np.random.default_rng(0).integers(0, 512, (4, 60))
    before = codec.decode(encoder, codes, channels=1)
    names = len(encoder.state_dict())
    settle_codec(encoder)
    assert len(encoder.state_dict()) < names
    assert codec.decode(encoder, codes, channels=1).tobytes() == before.tobytes()
