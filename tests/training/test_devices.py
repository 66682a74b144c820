"""A run's parts are in several places: the decoder on a graphics card, the codec beside it. Nothing may be brought to the wrong one.

torch's “meta” device stands for the card here: it computes nothing, but refuses what comes from another device, and to be
asked for a number, for which a card would have to be waited for.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from studio.engines.musicgen.checkpoint import inspect
from studio.engines.musicgen.load import load
from studio.training.config import RunConfig, Samples
from studio.training.devices import card_memory_bytes, precision_on
from studio.training.estimate import estimate
from studio.training.learner import Dealt, Ear, Lesson, make_learner, put_adapters_on
from studio.training.manifest import DataSet
from studio.training.sounding import Sampler
from studio.training.trainer import Trainer
from tests.training.data_sets import small_run

SMI = """#!/bin/sh
[ "$1" = --query-gpu=memory.total ] || exit 1
%s
"""
SHORT, LONG = "a tune", "another tune, with more words to it"


def _lesson(loaded: Any, words: str) -> Lesson:
    return Lesson(words, words, np.zeros((loaded.checkpoint.codebooks, 100), np.int16), np.zeros(20, np.int8))


@pytest.mark.parametrize("kind", ["mono", "stereo", "melody"])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_batch_is_learned_where_the_decoder_is_without_waiting_for_it(
    checkpoint_folder: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, checkpointing: bool
) -> None:  # fmt: skip
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # knows no meta device
    loaded = load(inspect(checkpoint_folder(kind)), device="cpu", dtype="bfloat16")
    config = small_run(checkpoint_folder(kind), tmp_path, gradient_checkpointing=checkpointing)
    ear = Ear(loaded)
    ear.learn_words([SHORT, LONG])
    ear.forget_encoder()
    dressed = put_adapters_on(loaded, config)
    for part in ("decoder", "audio_enc_to_dec_proj"):
        if hasattr(loaded.model, part):
            getattr(loaded.model, part).to("meta")
    assert loaded.model.device.type == "cpu", "the codec's, which stays where it is"
    dealt = [Dealt(_lesson(loaded, SHORT), 0, True), Dealt(_lesson(loaded, LONG), 0, True)]
    codes = [torch.from_numpy(one.lesson.codes.astype(np.int64)) for one in dealt]
    losses = make_learner(loaded, config).train()(codes, *ear.hear(dealt))
    losses.mean().backward()
    learned = [weight for weight in dressed.parameters() if weight.requires_grad]
    assert {weight.grad.device.type for weight in learned if weight.grad is not None} == {"meta"}
    assert {weight.dtype for weight in learned} == {torch.float32}


def test_a_step_a_look_and_the_samples_codes_do_without_the_codec(
    checkpoint_folder: Callable[[str], Path], data_set: DataSet, tmp_path: Path
) -> None:
    config: RunConfig = small_run(checkpoint_folder("mono"), data_set.folder)
    trainer = Trainer(tmp_path, config)
    trainer._accelerate()
    trainer._load()
    trainer._loaded.model.audio_encoder.to("meta")
    assert trainer._loaded.model.device.type == "meta"
    trainer._step(0)
    trainer._look(1)
    assert trainer._sampler.codes(0).shape == (4, 25)


def test_prompts_are_heard_where_the_decoder_is(checkpoint_folder: Callable[[str], Path]) -> None:
    loaded = load(inspect(checkpoint_folder("melody")), device="cpu")
    loaded.model.audio_encoder.to("meta")
    sampler = Sampler(loaded, Samples(prompts=(SHORT,), seconds=0.2))
    assert sampler.codes(0).shape == (4, 10)


def test_words_left_out_are_heard_as_nothing_whether_masked_or_not(checkpoint_folder: Callable[[str], Path]) -> None:
    """What guidance steers away from when sampling is zeros behind a mask; learning leaves the mask away."""
    loaded = load(inspect(checkpoint_folder("mono")), device="cpu")
    codes, nothing = torch.zeros((4, 7), dtype=torch.long), torch.zeros((1, 3, loaded.checkpoint.width))
    masked, open_ = (
        loaded.model.decoder(input_ids=codes, encoder_hidden_states=nothing, encoder_attention_mask=mask).logits
        for mask in (torch.zeros((1, 3), dtype=torch.long), torch.ones((1, 3), dtype=torch.long))
    )
    torch.testing.assert_close(masked, open_)


def test_auto_is_bfloat16_on_a_processor_that_multiplies_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def chosen(has: dict[str, bool], **fields: Any) -> str:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has)
        return precision_on(small_run(tmp_path, tmp_path, **{"precision": "auto", **fields}), "cpu")

    assert chosen({"avx512_f": True, "avx512_bf16": True}) == "bf16"
    assert chosen({"avx512_f": True, "amx_bf16": True}) == "bf16"
    assert chosen({"avx512_f": True, "avx512_bf16": False, "amx_bf16": False}) == "fp32"
    assert chosen({}) == "fp32"  # another kind of processor says other things
    assert chosen({"avx512_bf16": True}, precision="fp32") == "fp32"


def test_the_estimate_knows_the_format_that_auto_takes(
    checkpoint_folder: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_run(checkpoint_folder("mono"), tmp_path, precision="auto")
    parts = []
    for has in (False, True):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda has=has: {"avx512_bf16": has})
        parts.append(estimate(config, device="cpu").parts)
    assert parts[0]["the model"] == 2 * parts[1]["the model"]
    assert parts[0]["a step"] > 1.7 * parts[1]["a step"]


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands for the driver's program")
@pytest.mark.parametrize(
    ("says", "found"),
    [
        ("echo 8188; echo 24564", 8188 * 1024**2),
        ("echo '[N/A]'", 0),
        ("echo no devices were found; exit 6", 0),
        ("exec sleep 9", 0),
    ],
    ids=["two cards", "not told", "no card", "no answer"],
)
def test_the_cards_memory_is_asked_of_the_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, found: int
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(SMI % says, encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    assert card_memory_bytes() == found


def test_without_a_driver_there_is_no_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert card_memory_bytes() is None
