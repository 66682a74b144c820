"""A run: its curve, its checkpoints, stopping and going on, and what it leaves for others to wear."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.training import trainer as trainer_module
from studio.training.checkpoints import Checkpoints, is_whole
from studio.training.config import RunConfig, read_config, write_config
from studio.training.errors import LossIsNoNumber, RunError
from studio.training.manifest import DataSet
from studio.training.progress import Curve, read_progress
from studio.training.trainer import Trainer
from tests.training.data_sets import small_run

ROOT = Path(__file__).parents[2]


@pytest.fixture
def config(checkpoint_folder: Callable[[str], Path], data_set: DataSet) -> RunConfig:
    return small_run(checkpoint_folder("mono"), data_set.folder)


@pytest.fixture(scope="module")
def finished(
    checkpoint_folder: Callable[[str], Path], data_set: DataSet, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Curve]:
    """An uninterrupted run of six steps."""
    folder = tmp_path_factory.mktemp("finished")
    assert Trainer(folder, small_run(checkpoint_folder("mono"), data_set.folder)).train() == "done"
    return folder, read_progress(folder)


def losses_of(curve: Curve) -> dict[int, float]:
    return {line["step"]: line["loss"] for line in curve.steps}


def in_a_process(folder: Path, config: RunConfig) -> subprocess.CompletedProcess[str]:
    folder.mkdir(exist_ok=True)
    write_config(folder / "config.yaml", config)
    return subprocess.run(
        [sys.executable, "-m", "studio.training.train", str(folder / "config.yaml")],
        cwd=ROOT, capture_output=True, text=True, timeout=240, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def test_the_curve_has_all_that_helps_decide(finished: tuple[Path, Curve]) -> None:
    folder, curve = finished
    assert [line["step"] for line in curve.steps] == [1, 2, 3, 4, 5, 6]
    for line in curve.steps:
        assert len(line["codebooks"]) == 4
        assert line["loss"] == pytest.approx(sum(line["codebooks"]) / 4, abs=1e-5)
        assert line["grad_norm"] > 0 and line["samples_a_second"] > 0
    assert [line["lr"] for line in curve.steps] == pytest.approx(
        [1e-3, 2e-3, 2e-3, 1.7364e-3, 1.1e-3, 4.636e-4], rel=1e-3
    )
    assert curve.steps[-1]["seconds_left"] == 0
    assert [line["step"] for line in curve.held_out] == [0, 2, 4, 6]
    assert [(line["step"], line["words"]) for line in curve.samples] == [(0, "a tune"), (4, "a tune"), (6, "a tune")]
    assert all((folder / line["file"]).stat().st_size > 1000 for line in curve.samples)


def test_held_out_tracks_are_never_learned_from(config: RunConfig, data_set: DataSet, tmp_path: Path) -> None:
    seen: set[str] = set()
    trainer = Trainer(tmp_path, config)
    trainer._accelerate()
    trainer._load()
    for step in range(40):
        seen |= {dealt.lesson.id for part in range(2) for dealt in trainer._dealer.deal(step, part)}
    assert seen == {segment.id for segment in data_set.train}
    assert data_set.held_out and not seen & {segment.id for segment in data_set.held_out}


def test_step_0_sounds_like_the_model_without_adapters(finished: tuple[Path, Curve], config: RunConfig) -> None:
    import numpy as np

    from audio.io import read_clip
    from studio.engines.musicgen import codec, decode
    from studio.engines.musicgen.checkpoint import inspect
    from studio.engines.musicgen.load import load

    loaded = load(inspect(config.model), device="cpu")
    tokens = loaded.tokenizer(["a tune"], return_tensors="pt")
    heard = decode.condition(loaded.model, tokens["input_ids"], tokens["attention_mask"], guided=True)
    codes = torch.stack(list(decode.codes(loaded.model, heard, frames=25, choice=decode.Choice(), seed=0)), dim=1)
    sound = codec.decode(loaded.model.audio_encoder, codes, channels=1)
    first = read_clip(finished[0] / "samples" / "step-000000-0.flac")
    assert np.abs(first.samples - np.clip(sound, -1, 1)).max() < 1e-3


def test_stopping_saves_and_going_on_is_the_same_curve(
    config: RunConfig, finished: tuple[Path, Curve], tmp_path: Path
) -> None:
    trainer = Trainer(tmp_path, config, stopped=lambda: read_progress(tmp_path).step >= 3)
    assert trainer.train() == "stopped"
    assert [saved.step for saved in Checkpoints(tmp_path).all()] == [2, 3]
    assert Trainer(tmp_path, config).train() == "done"
    again = read_progress(tmp_path)
    assert losses_of(again) == pytest.approx(losses_of(finished[1]), abs=1e-6)
    assert [one["loss"] for one in again.held_out] == pytest.approx(
        [one["loss"] for one in finished[1].held_out], abs=1e-6
    )
    ours, theirs = (
        (folder / "checkpoints/step-000006/adapter_model.safetensors").read_bytes()
        for folder in (tmp_path, finished[0])
    )
    assert ours == theirs


def test_the_running_mean_goes_on_too(config: RunConfig, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    means = config.changed(ema=0.5, steps=4)
    whole, halved = tmp_path / "whole", tmp_path / "halved"
    whole.mkdir()
    halved.mkdir()
    Trainer(whole, means).train()
    Trainer(halved, means, stopped=lambda: read_progress(halved).step >= 2).train()
    Trainer(halved, means).train()
    step = "checkpoints/step-000004"
    ours, theirs = (load_file(tmp_path / name / step / "adapter_model.safetensors") for name in ("halved", "whole"))
    for name, weight in theirs.items():
        torch.testing.assert_close(ours[name], weight)
    raw = torch.load(tmp_path / "whole" / step / "trainer.pt", weights_only=True)["weights"]
    name = next(name for name in raw if "lora_B" in name)
    kept = theirs[name.replace(".default", "")]
    assert not torch.allclose(kept, raw[name]), "what is worn is the mean, not the last step's weights"


def test_a_damaged_checkpoint_is_passed_over(config: RunConfig, finished: tuple[Path, Curve], tmp_path: Path) -> None:
    import shutil

    folder = shutil.copytree(finished[0], tmp_path / "copy")
    newest = folder / "checkpoints" / "step-000006"
    weights = newest / "trainer.pt"
    weights.write_bytes(weights.read_bytes()[:-50])
    assert not is_whole(newest)
    latest = Checkpoints(folder).latest()
    assert latest is not None and latest.step == 4
    assert Trainer(folder, config).train() == "done"
    assert losses_of(read_progress(folder)) == pytest.approx(losses_of(finished[1]), abs=1e-6)


def test_a_checkpoint_is_an_adapter_that_peft_reads(config: RunConfig, finished: tuple[Path, Curve]) -> None:
    from peft import PeftModel
    from safetensors.torch import load_file

    from studio.engines.musicgen.checkpoint import inspect
    from studio.engines.musicgen.load import load

    folder = finished[0] / "checkpoints" / "step-000006"
    loaded = load(inspect(config.model), device="cpu")
    dressed = PeftModel.from_pretrained(loaded.model, folder)
    from peft import get_peft_model_state_dict

    read = get_peft_model_state_dict(dressed, save_embedding_layers=False)
    written = load_file(folder / "adapter_model.safetensors")
    assert set(read) == set(written) and all(torch.equal(read[name], written[name]) for name in written)
    assert json.loads((folder / "adapter_config.json").read_text())["peft_type"] == "LORA"
    assert any(float(weight.abs().sum()) > 0 for name, weight in written.items() if "lora_B" in name)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("stereo", {}),
        ("melody", {"word_dropout": 0.5}),
        ("mono", {"lora": {"rank": 2, "alpha": 2, "dora": True}}),
        ("mono", {"precision": "bf16"}),
        ("mono", {"gradient_checkpointing": True, "word_dropout": 1.0}),
    ],
)
def test_every_kind_of_model_and_adapter_learns(
    checkpoint_folder: Callable[[str], Path], data_set: DataSet, tmp_path: Path, kind: str, changes: dict[str, Any]
) -> None:
    config = small_run(
        checkpoint_folder(kind), data_set.folder, steps=8, held_out_every=8, checkpoint_every=8, learning_rate=5e-3,
        samples={"prompts": ("a tune",), "every": 8, "seconds": 0.2}, **changes,
    )  # fmt: skip
    assert Trainer(tmp_path, config).train() == "done"
    curve = read_progress(tmp_path)
    assert curve.held_out[-1]["loss"] < curve.held_out[0]["loss"] or changes.get("word_dropout") == 1.0
    assert len(curve.steps[0]["codebooks"]) == (8 if kind == "stereo" else 4)


def test_gradient_checkpointing_gives_the_same_curve(
    config: RunConfig, finished: tuple[Path, Curve], tmp_path: Path
) -> None:
    Trainer(tmp_path, config.changed(gradient_checkpointing=True, steps=6, samples={"every": 100})).train()
    assert losses_of(read_progress(tmp_path)) == pytest.approx(losses_of(finished[1]), rel=1e-4)


def test_a_loss_that_is_no_number_is_a_sentence_and_the_checkpoints_stay(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = trainer_module.Trainer._restore
    Trainer(tmp_path, config, stopped=lambda: read_progress(tmp_path).step >= 2).train()

    def poisoned(self: Trainer, saved: Any) -> None:
        honest(self, saved)
        with torch.no_grad():
            next(iter(self._weights.values())).fill_(float("nan"))

    monkeypatch.setattr(trainer_module.Trainer, "_restore", poisoned)
    with pytest.raises(LossIsNoNumber, match=r"at step 3: the learning rate is too high .* lower learning rate"):
        Trainer(tmp_path, config).train()
    latest = Checkpoints(tmp_path).latest()
    assert latest is not None and latest.step == 2
    monkeypatch.undo()
    assert Trainer(tmp_path, config).train() == "done"


def test_a_gradient_that_is_no_number_changes_no_weight(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Trainer(tmp_path, config)
    trainer._accelerate()
    trainer._load()
    before = {name: weight.detach().clone() for name, weight in trainer._weights.items()}
    monkeypatch.setattr(trainer._accelerator, "clip_grad_norm_", lambda weights, most: torch.tensor(float("inf")))
    with pytest.raises(LossIsNoNumber, match="The gradient became no number at step 1"):
        trainer._step(0)
    assert all(torch.equal(weight, before[name]) for name, weight in trainer._weights.items())


def test_a_full_disk_at_a_checkpoint_is_a_sentence_and_the_earlier_ones_stay(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Path.write_bytes

    def full(self: Path, data: Any) -> int:
        if self.name == "trainer.pt" and ".part-000004" in str(self):
            raise OSError(28, "No space left on device")
        return honest(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(
        RunError, match=r"checkpoint at step 4 could not be written .the disk is full.: free some space"
    ):
        Trainer(tmp_path, config).train()
    assert [saved.step for saved in Checkpoints(tmp_path).all()] == [2]
    assert not list((tmp_path / "checkpoints").glob(".part-*"))
    monkeypatch.undo()
    assert Trainer(tmp_path, config).train() == "done"


def test_only_so_many_checkpoints_are_kept_and_always_the_best(config: RunConfig, tmp_path: Path) -> None:
    Trainer(tmp_path, config.changed(checkpoint_every=1, keep=2, held_out_every=1)).train()
    kept = [saved.step for saved in Checkpoints(tmp_path).all()]
    curve = read_progress(tmp_path)
    best = min((line for line in curve.held_out if line["step"] > 0), key=lambda line: line["loss"])["step"]
    assert kept[-2:] == [5, 6] and set(kept) == {5, 6, best}
    found = Checkpoints(tmp_path).best()
    assert found is not None and found.step == best


def test_the_command_trains_without_the_page(config: RunConfig, finished: tuple[Path, Curve], tmp_path: Path) -> None:
    write_config(tmp_path / "mine.yaml", config)
    ran = subprocess.run(
        [sys.executable, "-m", "studio.training.train", str(tmp_path / "mine.yaml")],
        cwd=ROOT, capture_output=True, text=True, timeout=240, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert read_config(tmp_path / "run" / "config.yaml") == config
    curve = read_progress(tmp_path / "run")
    assert curve.state == "done"
    assert losses_of(curve) == pytest.approx(losses_of(finished[1]), rel=1e-4)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("steps: many\nname: a\nmodel: m\ndata_set: d\n", "setting “steps” will not do"),
        ("[1, 2", "cannot be read as YAML"),
        ("just words", "holds no settings"),
        ("name: a\nmodel: m\ndata_set: d\nlora: {targets: [embed]}\n", "targets are some of q_proj"),
        ("name: a\nmodel: nowhere\ndata_set: gone\n", "“gone” is no data set: build one first"),
    ],
)
def test_a_config_that_will_not_do_is_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "run.yaml").write_text(text)
    ran = subprocess.run(
        [sys.executable, "-m", "studio.training.train", str(tmp_path / "run.yaml")],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert ran.returncode == 1
    assert sentence in ran.stderr and "Traceback" not in ran.stderr
