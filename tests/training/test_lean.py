"""The lean products give what PEFT's and torch's own give: outputs, gradients of all that learns, and of what came in."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch.nn.functional import cross_entropy

from studio.engines.musicgen.checkpoint import inspect
from studio.engines.musicgen.load import load
from studio.training.config import RunConfig
from studio.training.lean import IGNORED, make_lean, surprise
from studio.training.learner import make_learner, put_adapters_on
from studio.training.manifest import DataSet
from tests.training.data_sets import small_run

WIDTH, INNER, STEPS = 48, 96, 40


class _Feed(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = torch.nn.Linear(WIDTH, INNER), torch.nn.Linear(INNER, WIDTH, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = self.fc2(torch.nn.functional.gelu(self.fc1(x)))
        return made


def _dressed(*, dropout: float, number: torch.dtype = torch.float32) -> Any:
    """A feed-forward with adapters whose second halves are no zeros, as they are after some steps."""
    torch.manual_seed(0)
    lora = LoraConfig(r=4, lora_alpha=6, lora_dropout=dropout, target_modules=["fc1", "fc2"])
    dressed: Any = get_peft_model(_Feed().to(number), lora)
    for name, weight in dressed.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.2)
    return dressed.train()


def _heard(number: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(2, STEPS, WIDTH, generator=torch.Generator().manual_seed(1)).to(number).requires_grad_()


def _learned(model: Any, x: torch.Tensor) -> Iterator[torch.Tensor]:
    torch.manual_seed(2)
    made = model(x)
    yield made.detach().float()
    made.float().square().mean().backward()
    yield x.grad.float() if x.grad is not None else torch.zeros(0)
    yield from (weight.grad.float() for weight in model.parameters() if weight.requires_grad)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_a_lean_layer_is_pefts_layer(dropout: float) -> None:
    stock = _dressed(dropout=dropout)
    lean = copy.deepcopy(stock)
    make_lean(lean)
    for expected, found in zip(_learned(stock, _heard()), _learned(lean, _heard()), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_in_bfloat16_it_is_as_near_to_the_truth_as_mixed_precision_is() -> None:
    def error(model: Any, *, is_mixed: bool) -> float:
        with torch.autocast("cpu", torch.bfloat16, enabled=is_mixed):
            found = list(_learned(model, _heard(torch.bfloat16)))
        return max(float((one - other).norm() / other.norm()) for one, other in zip(found, exact, strict=True))

    def in_bfloat16() -> Any:
        return _dressed(dropout=0.0, number=torch.bfloat16)

    rounded = in_bfloat16().float()
    exact = list(_learned(rounded, _heard(torch.bfloat16).detach().float().requires_grad_()))
    lean = in_bfloat16()
    make_lean(lean)
    assert error(lean, is_mixed=False) < 1.2 * error(in_bfloat16(), is_mixed=True) < 0.05


def test_it_keeps_its_input_and_a_mask_and_little_else() -> None:
    def kept(model: Any) -> int:
        storages: dict[int, int] = {}

        def pack(tensor: torch.Tensor) -> torch.Tensor:
            storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        x = _heard()
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            made = model(x)
        made.sum().backward()
        weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
        return sum(size for place, size in storages.items() if place not in weights)

    stock = _dressed(dropout=0.3)
    lean = copy.deepcopy(stock)
    make_lean(lean)
    rows = 2 * STEPS
    needed = rows * (4 * WIDTH + WIDTH) + rows * (4 * INNER + 4 * INNER + INNER) + 2 * rows * 4 * 4
    assert kept(lean) <= needed < kept(stock)


def test_without_its_adapter_the_layer_is_the_base() -> None:
    lean = _dressed(dropout=0.3)
    make_lean(lean)
    torch.manual_seed(0)
    bare, x = _Feed(), _heard()
    with lean.disable_adapter():
        torch.testing.assert_close(lean(x), bare(x), rtol=0, atol=0)
    assert not torch.allclose(lean.eval()(x), bare(x))


def test_the_surprise_is_torchs_cross_entropy() -> None:
    torch.manual_seed(0)
    head = torch.nn.Linear(WIDTH, 100, bias=False)
    wanted = torch.randint(0, 100, (2, STEPS))
    wanted[0, :7] = IGNORED
    slopes = []
    for learns in (True, False):  # a head that learns has torch's own
        head.weight.requires_grad_(learns)
        hidden = _heard()
        found = surprise(head, hidden, wanted)
        expected = cross_entropy((hidden @ head.weight.T).flatten(0, 1), wanted.flatten(), ignore_index=IGNORED)
        torch.testing.assert_close(found, expected)
        (3.0 * found).backward()
        assert hidden.grad is not None
        slopes.append(hidden.grad)
    torch.testing.assert_close(slopes[0], slopes[1], rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("kind", ["mono", "stereo", "melody"])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_whole_models_loss_and_slopes_are_those_of_pefts_layers(
    checkpoint_folder: Callable[[str], Path], data_set: DataSet, kind: str, checkpointing: bool
) -> None:
    def slopes(config: RunConfig, *, is_lean: bool) -> list[torch.Tensor]:
        loaded = load(inspect(config.model), device="cpu")
        torch.manual_seed(0)
        dressed = put_adapters_on(loaded, config)
        for name, weight in dressed.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=0.1)
        for layer in [] if is_lean else list(dressed.modules()):
            layer.__dict__.pop("forward", None)
        learner = make_learner(loaded, config).train()
        codes = torch.randint(0, 512, (loaded.checkpoint.codebooks, 30))
        states, mask = torch.randn(1, 5, 48), torch.tensor([[1, 1, 1, 1, 0]])
        torch.manual_seed(1)
        losses = learner([codes], states, None if kind == "melody" else mask)
        losses.mean().backward()
        learned = [weight.grad for weight in dressed.parameters() if weight.requires_grad and weight.grad is not None]
        return [losses.detach(), *learned]

    config = small_run(checkpoint_folder(kind), data_set.folder, gradient_checkpointing=checkpointing)
    stock, lean = slopes(config, is_lean=False), slopes(config, is_lean=True)
    assert len(stock) == len(lean) > 30
    for expected, found in zip(stock, lean, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)
