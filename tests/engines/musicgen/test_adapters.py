"""LoRA adapters that PEFT itself wrote: worn, stacked, weighed, and taken off without a trace."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.engines.base import EngineError
from studio.engines.musicgen import decode
from studio.engines.musicgen.adapters import Shelf, Wardrobe
from studio.engines.musicgen.checkpoint import inspect
from studio.engines.musicgen.load import load
from studio.engines.steering import AdapterUse

FRAMES = 40
TARGETS = ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]


def _write_adapter(
    folder: Path, model: Any, *, seed: int, on_decoder: bool = False, targets: list[str] = TARGETS, rank: int = 4
) -> Path:
    """An adapter as training with PEFT leaves it, with weights that change the music."""
    from peft import LoraConfig, get_peft_model

    root = model.decoder if on_decoder else model
    config = LoraConfig(r=rank, lora_alpha=8, target_modules=targets)
    trained = get_peft_model(root, config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for name, weight in trained.named_parameters():
            if "lora_" in name:
                torch.nn.init.normal_(weight, std=0.2)
    trained.peft_config["default"].base_model_name_or_path = "facebook/musicgen-tiny"
    trained.save_pretrained(folder)
    trained.unload()
    root.__dict__.pop("peft_config", None)
    return folder


@pytest.fixture(scope="module")
def loaded(checkpoint_folder: Callable[[str], Path]) -> Any:
    return load(inspect(checkpoint_folder("mono")), device="cpu")


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, loaded: Any) -> Shelf:
    """Two adapters: “brass”, trained on the whole model, and “dusty”, trained on its decoder's attention."""
    drafts = tmp_path_factory.mktemp("trained")
    shelf = Shelf(tmp_path_factory.mktemp("shelf"))
    shelf.add(_write_adapter(drafts / "brass", loaded.model, seed=1))
    shelf.add(_write_adapter(drafts / "dusty", loaded.model, seed=2, on_decoder=True, targets=["q_proj", "v_proj"]))
    return shelf


def _codes(loaded: Any) -> torch.Tensor:
    tokens = loaded.tokenizer(["sad piano waltz"], return_tensors="pt")
    heard = decode.condition(loaded.model, tokens["input_ids"], tokens["attention_mask"], guided=True)
    choice = decode.Choice(top_k=1, guidance=3.0)
    return torch.stack(list(decode.codes(loaded.model, heard, frames=FRAMES, choice=choice)), dim=1)


def _weights(loaded: Any) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in loaded.model.named_parameters()}


def _uses(**strengths: float) -> list[AdapterUse]:
    return [AdapterUse(name=name, strength=strength) for name, strength in strengths.items()]


def test_an_adapter_changes_the_music_and_leaves_no_trace(loaded: Any, shelf: Shelf) -> None:
    before, weights = _codes(loaded), _weights(loaded)
    modules = [type(module).__name__ for module in loaded.model.modules()]
    wardrobe = Wardrobe(loaded)
    assert wardrobe.wear(_uses(brass=1.0), shelf)
    assert not torch.equal(_codes(loaded), before)
    assert wardrobe.wear([], shelf)
    assert torch.equal(_codes(loaded), before)
    assert all(torch.equal(weight, weights[name]) for name, weight in loaded.model.named_parameters())
    assert [type(module).__name__ for module in loaded.model.modules()] == modules
    assert not hasattr(loaded.model, "peft_config") and not hasattr(loaded.model.decoder, "peft_config")


def test_strength_0_is_the_model_itself(loaded: Any, shelf: Shelf) -> None:
    before, wardrobe = _codes(loaded), Wardrobe(loaded)
    assert not wardrobe.wear(_uses(brass=0.0, dusty=0.0), shelf)
    assert torch.equal(_codes(loaded), before)
    assert wardrobe.identity == []


@pytest.mark.parametrize("name", ["brass", "dusty"])
@pytest.mark.parametrize("strength", [0.35, 1.0, 1.5])
def test_what_is_worn_is_what_peft_plays(loaded: Any, shelf: Shelf, name: str, strength: float) -> None:
    """The weights are those of LoRA's formula: W + strength * alpha / r * B A, from the adapter's own file."""
    from safetensors.torch import load_file

    base, wardrobe = _weights(loaded), Wardrobe(loaded)
    wardrobe.wear(_uses(**{name: strength}), shelf)
    adapter = shelf.adapter(name)
    trained = load_file(adapter.folder / "adapter_model.safetensors")
    changed = 0
    for weight_name, weight in loaded.model.named_parameters():
        inner = weight_name if name == "brass" else weight_name.removeprefix("decoder.")
        key = f"base_model.model.{inner.removesuffix('.weight')}.lora_"
        delta = 0.0
        if f"{key}A.weight" in trained:
            delta = strength * 8 / 4 * trained[f"{key}B.weight"] @ trained[f"{key}A.weight"]
            changed += 1
        torch.testing.assert_close(weight.detach(), base[weight_name] + delta, rtol=1e-5, atol=1e-5)
    assert changed == 3 * (10 if name == "brass" else 4), "three layers of two attentions and a feed-forward"
    wardrobe.wear([], shelf)


def test_an_unmerged_peft_model_plays_the_same_codes(loaded: Any, shelf: Shelf) -> None:
    from peft import PeftModel

    dressed = PeftModel.from_pretrained(loaded.model, shelf.adapter("brass").folder)
    live = _codes(loaded)
    dressed.unload()
    loaded.model.__dict__.pop("peft_config", None)
    wardrobe = Wardrobe(loaded)
    wardrobe.wear(_uses(brass=1.0), shelf)
    assert torch.equal(_codes(loaded), live)
    wardrobe.wear([], shelf)


def test_two_adapters_add_up_whatever_was_worn_before(loaded: Any, shelf: Shelf) -> None:
    before, wardrobe = _codes(loaded), Wardrobe(loaded)
    wardrobe.wear(_uses(brass=0.7, dusty=0.4), shelf)
    both, weights = _codes(loaded), _weights(loaded)
    wardrobe.wear(_uses(dusty=1.2), shelf)
    dusty = _codes(loaded)
    wardrobe.wear(_uses(brass=0.7, dusty=0.4), shelf)
    assert all(torch.equal(weight, weights[name]) for name, weight in loaded.model.named_parameters())
    assert torch.equal(_codes(loaded), both)
    assert not torch.equal(both, dusty) and not torch.equal(dusty, before)
    assert [worn["name"] for worn in wardrobe.identity] == ["brass", "dusty"]
    assert all(len(worn["sha256"]) == 64 for worn in wardrobe.identity)
    wardrobe.wear([], shelf)
    assert torch.equal(_codes(loaded), before)


def test_changing_into_the_same_clothes_changes_nothing(loaded: Any, shelf: Shelf) -> None:
    wardrobe = Wardrobe(loaded)
    assert wardrobe.wear(_uses(brass=0.5), shelf)
    assert not wardrobe.wear(_uses(brass=0.5), shelf)
    assert wardrobe.wear(_uses(brass=0.6), shelf)
    wardrobe.wear([], shelf)


def test_half_precision_comes_off_without_a_trace(checkpoint_folder: Callable[[str], Path], shelf: Shelf) -> None:
    half = load(inspect(checkpoint_folder("sharded")), device="cpu", dtype="bfloat16")
    weights, wardrobe = _weights(half), Wardrobe(half)
    wardrobe.wear(_uses(brass=1.5), shelf)
    wardrobe.wear([], shelf)
    assert all(torch.equal(weight, weights[name]) for name, weight in half.model.named_parameters())


def test_weights_that_differ_from_their_file_come_back_too(
    checkpoint_folder: Callable[[str], Path], shelf: Shelf
) -> None:
    """A model changed in memory is kept by copy, since its file cannot give it back."""
    model = load(inspect(checkpoint_folder("mono")), device="cpu")
    with torch.no_grad():
        model.model.decoder.model.decoder.layers[0].fc1.weight.add_(0.25)
    weights, wardrobe = _weights(model), Wardrobe(model)
    wardrobe.wear(_uses(brass=1.0), shelf)
    wardrobe.wear([], shelf)
    assert all(torch.equal(weight, weights[name]) for name, weight in model.model.named_parameters())


def test_an_adapter_of_another_size_is_a_sentence_and_changes_nothing(
    loaded: Any, shelf: Shelf, tmp_path: Path
) -> None:
    from transformers.models.musicgen import MusicgenForCausalLM

    settings = loaded.model.config.decoder.to_dict() | {"hidden_size": 32, "ffn_dim": 64}
    other = type("Whole", (torch.nn.Module,), {})()
    other.decoder = MusicgenForCausalLM(type(loaded.model.config.decoder)(**settings))
    wide = Shelf(tmp_path / "shelf")
    wide.add(_write_adapter(tmp_path / "narrow", other, seed=3, on_decoder=True))
    before, wardrobe = _codes(loaded), Wardrobe(loaded)
    with pytest.raises(EngineError, match=r"another size \(32 wide, this one 48\).*trained on musicgen-tiny"):
        wardrobe.wear(_uses(narrow=1.0), wide)
    assert torch.equal(_codes(loaded), before)


def _other_kind(folder: Path) -> None:
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | {"peft_type": "LOHA"}))


def _cut(folder: Path) -> None:
    weights = folder / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (_cut, "not an adapter that can be read: choose the folder that PEFT wrote"),
        (_other_kind, "kind LOHA, and only LoRA"),
        (lambda folder: (folder / "adapter_config.json").unlink(), "not an adapter that can be read"),
        (lambda folder: (folder / "adapter_model.safetensors").unlink(), "not an adapter that can be read"),
    ],
)
def test_a_damaged_adapter_is_not_put_on_the_shelf(
    shelf: Shelf, tmp_path: Path, damage: Callable[[Path], Any], sentence: str
) -> None:
    source = shutil.copytree(shelf.adapter("brass").folder, tmp_path / "broken")
    damage(source)
    target = Shelf(tmp_path / "shelf")
    with pytest.raises(EngineError, match=sentence):
        target.add(source)
    assert target.adapters() == []


def test_the_shelf_lists_takes_and_gives_up_adapters(shelf: Shelf, tmp_path: Path) -> None:
    mine = Shelf(tmp_path / "mine")
    assert mine.adapters() == []
    mine.add(shelf.adapter("brass").folder, name="My brass")
    assert [(a.name, a.rank, a.width, a.base_model) for a in mine.adapters()] == [
        ("My brass", 4, 48, "facebook/musicgen-tiny")
    ]
    with pytest.raises(EngineError, match="already: give this one another name"):
        mine.add(shelf.adapter("dusty").folder, name="My brass")
    for name in ("../brass", ".hidden", ""):
        with pytest.raises(EngineError):
            mine.add(shelf.adapter("dusty").folder, name=name or "a/b")
        with pytest.raises(EngineError, match=r"no adapter .* there are: My brass"):
            mine.adapter(name)
    mine.remove("My brass")
    assert mine.adapters() == [] and list((tmp_path / "mine").iterdir()) == []


def test_too_many_or_doubled_adapters_are_a_sentence(loaded: Any, shelf: Shelf) -> None:
    with pytest.raises(EngineError, match="9 adapters are too many"):
        Wardrobe(loaded).wear(_uses(brass=1.0) * 9, shelf)
    with pytest.raises(EngineError, match="worn twice"):
        Wardrobe(loaded).wear(_uses(brass=1.0) * 2, shelf)
