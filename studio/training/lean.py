"""The two products a run spends its time on, keeping less for the gradient than PEFT's and torch's own do.

A LoRA layer (Hu et al. 2021) adds scale * up(down(dropout(x))) to a product that does not learn. PEFT turns x into float32
and keeps that and more for each layer; here x is kept once, as it is, with the dropout's mask, and all is multiplied in the base's
number format. The surprise of frozen heads keeps its slope, as wide as the model, and not its logits, as wide as the
codebook. Both give what PEFT and torch give, but for rounding. Knows nothing of batches or of steps.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

IGNORED = -100


def make_lean(dressed: Any) -> None:
    """Give every plain LoRA layer of PEFT's model round a model the product below; other kinds stay as they are."""
    from peft.tuners.lora import Linear

    for layer in dressed.modules():
        if isinstance(layer, Linear) and not layer.lora_variant:
            setattr(layer, "forward", _forward_of(layer))  # noqa: B010 - mypy lets no method be assigned


def surprise(head: Any, hidden: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """The mean cross-entropy in nats, float32, of what a linear head without bias says of hidden (batch, steps, width).

    wanted: int64 (batch, steps); IGNORED is left out.
    """
    from torch.nn.functional import cross_entropy

    if head.weight.requires_grad:
        return cross_entropy(head(hidden).flatten(0, 1).float(), wanted.flatten(), ignore_index=IGNORED)
    mean: torch.Tensor = _surprise().apply(hidden, head.weight, wanted)
    return mean


def _forward_of(layer: Any) -> Any:
    stock = layer.forward

    def forward(x: torch.Tensor) -> torch.Tensor:
        if layer.disable_adapters or layer.merged or layer.active_adapters != ["default"]:
            kept: torch.Tensor = stock(x)
            return kept
        dropout = getattr(layer.lora_dropout["default"], "p", 0.0) if layer.training else 0.0
        base, down, up = layer.base_layer, layer.lora_A["default"].weight, layer.lora_B["default"].weight
        made: torch.Tensor = _low_rank().apply(x, base.weight, base.bias, down, up, layer.scaling["default"], dropout)
        return made

    return forward


@cache
def _low_rank() -> Any:
    import torch

    class LowRank(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, weight: Any, bias: Any, down: Any, up: Any, scale: float, dropout: float) -> Any:
            rows = x.reshape(-1, x.shape[-1])
            down_here, up_here = down.to(x.dtype), up.to(x.dtype)
            dropped, mask = torch.native_dropout(rows, dropout, True) if dropout else (rows, None)
            inner = dropped @ down_here.T
            made = torch.nn.functional.linear(rows, weight, bias).addmm_(inner, up_here.T, alpha=scale)
            ctx.save_for_backward(rows, mask, inner, weight, down_here, up_here)
            ctx.scale, ctx.kept, ctx.learns_as = scale, 1.0 - dropout, down.dtype
            return made.view(*x.shape[:-1], made.shape[-1])

        @staticmethod
        def backward(ctx: Any, *slopes: Any) -> Any:
            rows, mask, inner, weight, down, up = ctx.saved_tensors
            slope = slopes[0].reshape(-1, weight.shape[0])

            def dropped(values: Any) -> Any:
                return values if mask is None else torch.ops.aten.native_dropout_backward(values, mask, 1.0 / ctx.kept)

            back = (slope @ up).mul_(ctx.scale)
            for_down = (back.T @ dropped(rows)).to(ctx.learns_as)
            for_up = (slope.T @ inner).to(ctx.learns_as).mul_(ctx.scale)
            for_x = None
            if ctx.needs_input_grad[0]:
                for_x = dropped(back @ down).addmm_(slope, weight)
                for_x = for_x.view(*slopes[0].shape[:-1], rows.shape[1])
            return for_x, None, None, for_down, for_up, None, None

    return LowRank


@cache
def _surprise() -> Any:
    import torch

    class Surprise(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, hidden: Any, weight: Any, wanted: Any) -> Any:
            asked = wanted.flatten()
            chances = torch.log_softmax(hidden.flatten(0, 1) @ weight.T, dim=-1, dtype=torch.float32)
            mean = torch.nn.functional.nll_loss(chances, asked, ignore_index=IGNORED)
            if ctx.needs_input_grad[0]:
                counted = asked != IGNORED
                slope = chances.exp_()
                slope.scatter_add_(1, asked.clamp(min=0)[:, None], slope.new_full((len(asked), 1), -1.0))
                slope *= counted[:, None]
                # Divided by their number only in `backward`: half precision would round so small a number to nothing.
                ctx.save_for_backward((slope.to(hidden.dtype) @ weight).view_as(hidden), counted.sum())
            return mean

        @staticmethod
        def backward(ctx: Any, *slopes: Any) -> Any:
            slope, number = ctx.saved_tensors
            return slope * (slopes[0] / number), None, None

    return Surprise
