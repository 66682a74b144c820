"""What training is for: a model that knows one genre learns another, and is itself again when the adapter is off.

The base is a tiny checkpoint taught ambient from scratch; its adapter is taught drum and bass. Both are sketches as the
sketch engine plays them, in the codes of a tiny codec whose codebooks were laid over such sketches.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from agents.planner import plan_from_brief
from agents.types import Brief
from audio.clip import Clip
from audio.io import read_clip, write_clip
from studio.engines.base import Listener, Sampling
from studio.engines.musicgen.adapters import Shelf
from studio.engines.musicgen.checkpoint import inspect
from studio.engines.musicgen.engine import MusicGenEngine
from studio.engines.musicgen.load import load
from studio.engines.sketch.engine import SketchEngine
from studio.engines.steering import AdapterUse
from studio.training.checkpoints import Checkpoints
from studio.training.codes import codes_of
from studio.training.config import CONFIG_FILE, read_config, write_config
from studio.training.dataset import Recipe, build_data_set, sources_in
from studio.training.learner import Dealer, Ear, Lesson, make_learner
from studio.training.manifest import DataSet
from studio.training.progress import Curve, read_progress
from studio.training.trainer import Trainer
from tests.tiny_models import CODES
from tests.training.data_sets import small_run
from tests.training.fitted_codec import fit_codebooks

pytestmark = pytest.mark.timeout(1_200)
BASE_STEPS, SECONDS = 400, 20.0
WORDS = {"ambient": "ambient pads, slow and soft", "dnb": "drum and bass, 174 bpm, dark"}


@dataclass(frozen=True)
class Lessons:
    """The base, the genre's data set, its run, and the shelf with its adapter “dnb”."""

    base: Path
    data_set: DataSet
    run: Path
    curve: Curve
    shelf: Path


def _sketches(folder: Path, words: str, *, count: int) -> Path:
    folder.mkdir(parents=True)
    for seed in range(count):
        plan = plan_from_brief(Brief(words=words, seconds=SECONDS), seed=seed)
        made = SketchEngine().generate(plan, Sampling(seed=seed), Listener())
        write_clip(folder / f"{seed}.flac", made.clip, format="flac16")
        (folder / f"{seed}.txt").write_text(words)
    return folder


def _taught_from_scratch(tiny: Path, data_set: DataSet, into: Path, *, sounds: list[Clip]) -> Path:
    """All of the tiny model's decoder taught the data set; a checkpoint in the hub's format again."""
    loaded = load(inspect(tiny), device="cpu")
    fit_codebooks(loaded.model.audio_encoder, sounds)
    config = small_run(tiny, data_set.folder, batch=4, segment_seconds=4.0, word_dropout=0.2)
    codes = codes_of(data_set, data_set.train, loaded.model.audio_encoder, channels=1)
    lessons = [
        Lesson(segment.id, data_set.words(segment), found) for segment, found in zip(data_set.train, codes, strict=True)
    ]
    ear, dealer, learner = Ear(loaded), Dealer(lessons, config), make_learner(loaded, config)
    ear.learn_words([lesson.words for lesson in lessons])
    torch.manual_seed(0)
    for weight in loaded.model.decoder.parameters():
        if weight.ndim > 1:
            torch.nn.init.normal_(weight, std=0.05)  # as a model begins, not as the tiny one is made loud
    optimizer = torch.optim.Adam(loaded.model.decoder.parameters(), lr=4e-3)
    for step in range(BASE_STEPS):
        for group in optimizer.param_groups:
            group["lr"] = 4e-3 * min(1.0, (step + 1) / 20)
        dealt = dealer.deal(step, 0)
        loss = learner(dealer.codes(dealt), *ear.hear(dealt)).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(loaded.model.decoder.parameters(), 1.0)
        optimizer.step()
    loaded.model.save_pretrained(into)
    for name in ("tokenizer.json", "tokenizer_config.json", "preprocessor_config.json"):
        if (tiny / name).exists():
            shutil.copyfile(tiny / name, into / name)
    return into


@pytest.fixture(scope="module")
def lessons(checkpoint_folder: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lessons]:
    root = tmp_path_factory.mktemp("learning")
    sets = {
        genre: build_data_set(
            sources_in(_sketches(root / f"{genre}-sounds", words, count=4)),
            Recipe(name=genre, segment_seconds=10.0, licence="CC0", trigger="" if genre == "ambient" else "zylo"),
            into=root,
        )
        for genre, words in WORDS.items()
    }
    sounds = [read_clip(one.audio_path(segment)) for one in sets.values() for segment in one.segments]
    base = _taught_from_scratch(checkpoint_folder("mono"), sets["ambient"], root / "base", sounds=sounds)
    config = small_run(
        base, sets["dnb"].folder, name="dnb", steps=60, batch=4, accumulate=1, segment_seconds=4.0, learning_rate=1e-2,
        warmup_steps=5, held_out_every=20, checkpoint_every=20, lora={"rank": 16, "alpha": 32, "dropout": 0.0},
        samples={"every": 1000}, word_dropout=0.2, model_name="tiny/ambient",
    )  # fmt: skip
    run = root / "run"
    run.mkdir()
    write_config(run / CONFIG_FILE, config)
    Trainer(run, config).train()
    best = Checkpoints(run).best()
    assert best is not None
    Shelf(root / "shelf").add(best.folder, name="dnb")
    yield Lessons(base, sets["dnb"], run, read_progress(run), root / "shelf")


def _tokens(lessons: Lessons, *, strength: float | None, seconds: float = 12.0, seed: int = 5) -> Any:
    engine = MusicGenEngine(
        name="tiny", label="Tiny", source=lessons.base, device="cpu", adapters=lessons.shelf, precision="fp32"
    )
    adapters = () if strength is None else (AdapterUse(name="dnb", strength=strength),)
    plan = plan_from_brief(Brief(words=f"zylo, {WORDS['dnb']}", seconds=seconds), seed=0)
    return engine.generate(plan, Sampling(seed=seed, adapters=adapters, guidance=1.0), Listener())


def _histogram(codes: np.ndarray) -> np.ndarray:
    """How often each code of each codebook occurs, (codebooks, codes)."""
    counts = np.stack([np.bincount(row.astype(np.int64), minlength=CODES) for row in codes]) + 1e-3
    return counts / counts.sum(1, keepdims=True)


def _divergence(one: np.ndarray, other: np.ndarray) -> float:
    """Jensen-Shannon divergence in bits, the mean over codebooks."""
    p, q = _histogram(one), _histogram(other)
    middle = (p + q) / 2
    return float(np.mean(np.sum(p * np.log2(p / middle) + q * np.log2(q / middle), axis=1) / 2))


def test_the_held_out_loss_falls_by_a_fifth(lessons: Lessons) -> None:
    looks = lessons.curve.held_out
    assert looks[-1]["loss"] < 0.8 * looks[0]["loss"], [look["loss"] for look in looks]


def test_in_bfloat16_it_learns_as_well(lessons: Lessons, tmp_path: Path) -> None:
    """What "auto" takes where the processor has it: each look within one in a hundred of float32's."""
    Trainer(tmp_path, read_config(lessons.run / CONFIG_FILE).changed(precision="bf16")).train()
    for found, expected in zip(read_progress(tmp_path).held_out, lessons.curve.held_out, strict=True):
        assert found["loss"] == pytest.approx(expected["loss"], rel=0.01)


def test_at_strength_0_the_tokens_are_the_bases(lessons: Lessons) -> None:
    plain, off = _tokens(lessons, strength=None, seconds=4.0), _tokens(lessons, strength=0.0, seconds=4.0)
    assert np.array_equal(plain.tokens, off.tokens)
    assert off.identity["adapters"] == []


def test_at_strength_1_the_tokens_are_nearer_to_the_new_genres(lessons: Lessons) -> None:
    codec = load(inspect(lessons.base), device="cpu").model.audio_encoder
    theirs = np.concatenate(codes_of(lessons.data_set, lessons.data_set.held_out, codec, channels=1), axis=1)
    plain, worn = (_tokens(lessons, strength=strength).tokens for strength in (None, 1.0))
    assert _divergence(worn, theirs) < 0.8 * _divergence(plain, theirs)


def test_a_take_keeps_the_adapters_hash_its_data_and_its_licence(lessons: Lessons) -> None:
    worn = _tokens(lessons, strength=0.7, seconds=2.0).identity["adapters"][0]
    assert (worn["name"], worn["strength"], len(worn["sha256"])) == ("dnb", 0.7, 64)
    assert worn["licence"] == "adapter of MusicGen weights (CC-BY-NC-4.0); its data: CC0"
    assert worn["data"]["tracks"] == 4 and worn["data"]["trigger"] == "zylo" and worn["data"]["licence"] == "CC0"
    json.dumps(worn)


def test_the_adapter_goes_through_peft_and_back(lessons: Lessons, tmp_path: Path) -> None:
    """PEFT reads it, plays the same, writes it again, and the shelf takes that as somebody else's adapter."""
    from peft import PeftModel

    loaded = load(inspect(lessons.base), device="cpu")
    dressed = PeftModel.from_pretrained(loaded.model, Shelf(lessons.shelf).adapter("dnb").folder)
    dressed.save_pretrained(tmp_path / "by-peft", save_embedding_layers=False)
    shelf = Shelf(tmp_path / "shelf")
    shelf.add(tmp_path / "by-peft", name="dnb")
    again = Lessons(lessons.base, lessons.data_set, lessons.run, lessons.curve, tmp_path / "shelf")
    ours, theirs = _tokens(lessons, strength=1.0, seconds=2.0), _tokens(again, strength=1.0, seconds=2.0)
    assert np.array_equal(ours.tokens, theirs.tokens)
    assert shelf.adapter("dnb").base_model == "tiny/ambient"
