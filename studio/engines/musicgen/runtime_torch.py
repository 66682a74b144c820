"""Decoding with torch in the model's own number format, on any device: exact in float32, token by token.

What transformers' decoder does anew at every step is done once: the cache has its room from the start, the words' keys
and values are made when a take begins, rows without words skip the cross-attention (its values would be zeros, so that
this is exact), queries, keys and values are one product and so are all codebooks' heads. The joined weights are the
model's own, which sees them in parts, so that nothing is held twice and an adapter worn by the model is heard here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from studio.engines.musicgen.decode import Conditioning

CHUNK = 256  # columns fed in one pass; the mask of a longer one would outgrow the layers
FEW = 8
PRECISIONS = {"torch.float32": "fp32", "torch.bfloat16": "bf16", "torch.float16": "fp16"}


@dataclass(frozen=True, slots=True)
class Words:
    """What the listening rows hear: which they are, and their keys and values in each layer.

    keys, values: (rows, heads, tokens, head width). lengths: int64 (rows,), how many tokens each row hears, its first.
    mask: bool (rows, 1, 1, tokens), which says the same; None where all is heard.
    """

    rows: torch.Tensor
    keys: list[torch.Tensor]
    values: list[torch.Tensor]
    lengths: torch.Tensor
    mask: torch.Tensor | None


class TorchRuntime:
    """Plays one take at a time; `begin` starts the next."""

    name = "torch"

    def __init__(self, model: Any) -> None:
        """model: a loaded MusicGen of transformers, whose weights are joined in place."""
        import torch

        config, stack = model.config.decoder, model.decoder.model.decoder
        self.is_melodic = model.config.model_type == "musicgen_melody"
        self.config, self.stack, self.layers = config, stack, list(stack.layers)
        self._width, self._heads = config.hidden_size, config.num_attention_heads
        self._codebooks, self._codes = config.num_codebooks, config.vocab_size
        self._device, self._dtype = model.decoder.device, model.decoder.dtype
        with torch.no_grad():
            self.qkv = [
                _joined([layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj])
                for layer in self.layers
            ]
            self.told = _joined(list(model.decoder.lm_heads))
            self.shelf = _joined(list(stack.embed_tokens))
        self.embedded = stack.embed_tokens[0].weight.shape[0]
        self._shelves = torch.arange(self._codebooks, device=self._device)[:, None] * self.embedded
        self.words: Words | None = None
        self.keys: list[torch.Tensor] = []
        self.values: list[torch.Tensor] = []
        self._prefix: torch.Tensor | None = None
        self._rows = self._heard = self._room = 0
        self.precision = PRECISIONS.get(str(self._dtype), str(self._dtype))

    def begin(self, conditioning: Conditioning, *, steps: int) -> None:
        """Forget what was heard and listen to new words; see `Runtime.begin`."""
        import torch

        with torch.inference_mode():
            states = conditioning.states.to(self._device, self._dtype)
            self._rows = states.shape[0]
            self._prefix = states if conditioning.mask is None else None
            self._room = steps + (states.shape[1] if conditioning.mask is None else 0)
            self._heard = 0
            self._make_room()
            self.words = None if conditioning.mask is None else self._hear_words(states, conditioning.mask)

    def feed(self, columns: torch.Tensor, *, told: int = 1) -> torch.Tensor:
        """Hear columns of codes and say what may follow; see `Runtime.feed`."""
        import torch

        with torch.inference_mode():
            inputs = self._embed(columns.to(self._device))
            if self._prefix is not None:
                inputs, self._prefix = torch.cat([self._prefix, inputs], dim=1), None
            made = []
            for chunk in inputs.split(CHUNK, dim=1):
                made.append(self._forward(chunk, *self._next_places(chunk.shape[1])))
                self._heard += chunk.shape[1]
            logits = self._say(torch.cat(made, dim=1)[:, -told:])
        return logits.to("cpu", torch.float32)

    def _make_room(self) -> None:
        """An empty cache, with the room that was asked for."""
        import torch

        shape = (self._rows, self._heads, self._room, self._width // self._heads)
        self.keys = [torch.zeros(shape, device=self._device, dtype=self._dtype) for _ in self.layers]
        self.values = [torch.zeros_like(keys) for keys in self.keys]
        self.positions = self._places(self._room)

    @property
    def device(self) -> torch.device:
        device: torch.device = self._device
        return device

    @property
    def room(self) -> int:
        """How many positions a take has, with what is put before its codes."""
        return self._room

    def hear_prefix(self) -> int:
        """Feed what a melody model hears before the codes; returns how many positions that took."""
        if self._prefix is not None:
            prefix, self._prefix = self._prefix, None
            for chunk in prefix.split(CHUNK, dim=1):
                self._forward(chunk, *self._next_places(chunk.shape[1]))
                self._heard += chunk.shape[1]
        return self._heard

    def step_at(self, column: torch.Tensor, places: torch.Tensor, length: int, mask: torch.Tensor) -> torch.Tensor:
        """Logits (rows, codebooks, codes) after one column (codebooks, 1), at a place that only the device knows.

        places: (1,). The step looks at `length` positions, of which mask (1, length) shows those up to the place.
        """
        hidden = self._forward(self._embed(column), places, length, mask)
        return self._say(hidden)[:, 0].float()

    def _embed(self, columns: torch.Tensor) -> torch.Tensor:
        """Columns (codebooks, columns) or (rows, codebooks, columns) as inputs (rows, columns, width)."""
        found = self.shelf[columns + self._shelves].sum(dim=-3)
        return found.expand(self._rows, -1, -1)

    def _say(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits (rows, columns, codebooks, codes) of hidden states (rows, columns, width)."""
        return times(hidden, self.told).unflatten(-1, (self._codebooks, self._codes))

    def _next_places(self, count: int) -> tuple[torch.Tensor, int, torch.Tensor | None]:
        """Where the next columns go, how far they look, and the mask which hides each one's future."""
        import torch

        places, length = torch.arange(self._heard, self._heard + count, device=self._device), self._heard + count
        if length > self._room:
            raise ValueError(f"room for {self._room} steps, {length} asked")
        if count == 1:
            return places, length, None
        return places, length, torch.arange(length, device=self._device) <= places[:, None]

    def _forward(
        self, inputs: torch.Tensor, places: torch.Tensor, length: int, mask: torch.Tensor | None
    ) -> torch.Tensor:
        """Inputs (rows, columns, width) through all layers, keeping keys and values at `places`, looking at `length`."""
        from torch.nn import functional

        stream = inputs + self.positions.index_select(0, places)
        for number, layer in enumerate(self.layers):
            normed = layer.self_attn_layer_norm(stream)
            queries, keys, values = times(normed, self.qkv[number]).chunk(3, dim=-1)
            self.keys[number].index_copy_(2, places, self._in_heads(keys))
            self.values[number].index_copy_(2, places, self._in_heads(values))
            found = functional.scaled_dot_product_attention(
                self._in_heads(queries),
                self.keys[number][:, :, :length],
                self.values[number][:, :, :length],
                attn_mask=mask,
            )
            stream = stream + times(found.transpose(1, 2).flatten(2), layer.self_attn.out_proj.weight)
            if self.words is not None:
                stream = self._hear(self.words, number, layer, stream)
            normed = layer.final_layer_norm(stream)
            stream = stream + times(layer.activation_fn(times(normed, layer.fc1.weight)), layer.fc2.weight)
        hidden: torch.Tensor = self.stack.layer_norm(stream)
        return hidden

    def _hear(self, words: Words, number: int, layer: Any, stream: torch.Tensor) -> torch.Tensor:
        """Add to the listening rows what they find in their words."""
        from torch.nn import functional

        listening = stream.index_select(0, words.rows)
        queries = self._in_heads(times(layer.encoder_attn_layer_norm(listening), layer.encoder_attn.q_proj.weight))
        found = functional.scaled_dot_product_attention(
            queries, words.keys[number], words.values[number], attn_mask=words.mask
        )
        return stream.index_add(
            0, words.rows, times(found.transpose(1, 2).flatten(2), layer.encoder_attn.out_proj.weight)
        )

    def _hear_words(self, states: torch.Tensor, mask: torch.Tensor) -> Words | None:
        """Keys and values of the rows which have words; None when no row has."""
        marks = mask.to(self._device).bool()
        has_words = marks.any(dim=1) & (states != 0).any(dim=2).any(dim=1)
        rows = has_words.nonzero()[:, 0]
        if not len(rows):
            return None
        # Nothing tells the place of a word's key, so that what is heard may come first.
        order = marks[rows].int().argsort(dim=1, descending=True, stable=True)
        marks = marks[rows].gather(1, order)
        states = states[rows].gather(1, order[..., None].expand(-1, -1, states.shape[-1]))
        attention = [layer.encoder_attn for layer in self.layers]
        return Words(
            rows=rows,
            keys=[self._in_heads(each.k_proj(states)) for each in attention],
            values=[self._in_heads(each.v_proj(states)) for each in attention],
            lengths=marks.sum(dim=1),
            mask=None if bool(marks.all()) else marks[:, None, None, :],
        )

    def _in_heads(self, states: torch.Tensor) -> torch.Tensor:
        """(rows, columns, width) as (rows, heads, columns, head width)."""
        return states.unflatten(-1, (self._heads, -1)).transpose(1, 2)

    def _places(self, room: int) -> torch.Tensor:
        """The decoder's sinusoidal positions (room, width), in its number format."""
        table = self.stack.embed_positions
        if room > table.weights.shape[0]:
            table.make_weights(room, self._width)
        positions: torch.Tensor = table.weights[:room].to(self._device, self._dtype)
        return positions


def times(states: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Hidden states (rows, columns, inputs) times a weight (outputs, inputs).

    For few states in float32 the processor's library reads the weight two to three times as fast from this side.
    """
    import torch

    count = states.shape[0] * states.shape[1]
    if count > FEW or weight.device.type != "cpu" or weight.dtype != torch.float32:
        return torch.nn.functional.linear(states, weight)
    return torch.mm(weight, states.flatten(0, 1).T).T.unflatten(0, states.shape[:2])


def _joined(modules: list[Any]) -> torch.Tensor:
    """The modules' weights as one tensor, of which each module's own becomes a part."""
    import torch

    weights = [module.weight.detach() for module in modules]
    storage = weights[0].untyped_storage()
    is_joined = all(weight.untyped_storage().data_ptr() == storage.data_ptr() for weight in weights)
    if is_joined and storage.nbytes() == sum(weight.nbytes for weight in weights):
        rows = sum(weight.shape[0] for weight in weights)
        return weights[0].as_strided((rows, *weights[0].shape[1:]), weights[0].stride(), 0)
    whole = torch.cat(weights)
    start = 0
    for module in modules:
        rows = module.weight.shape[0]
        module.weight.data = whole[start : start + rows]
        start += rows
    return whole
