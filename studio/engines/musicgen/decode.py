"""From words to codes: the sampling loop over MusicGen's decoder, one frame a step.

The codebooks are drawn with a delay of one step each (pairs of left and right share theirs), which the loop undoes
before it hands a frame on. Guidance runs both rows in one batch (classifier-free guidance, Ho & Salimans 2022).
Greedy choices equal transformers' `generate` to the token. Knows nothing of sound, files or listeners.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from studio.engines.base import EngineError

if TYPE_CHECKING:
    import torch

FRAMES_A_SECOND = 50
TOP_K = 250

# Makes one set of logits of every row's: (rows, codebooks, codes) and the step, from 0, to (codebooks, codes).
Combine = Callable[["torch.Tensor", int], "torch.Tensor"]
# A tokenised prompt: input_ids and attention_mask, (1, tokens) each; None is no prompt at all.
Tokens = tuple["torch.Tensor", "torch.Tensor"]


class NumbersOverflowed(EngineError):
    """The model's logits are no longer finite, as half precision may have it."""

    def __init__(self) -> None:
        super().__init__(
            "The model's numbers overflowed on this device: choose the device cpu in the settings, or lower guidance."
        )


@dataclass(frozen=True, slots=True)
class Conditioning:
    """What the decoder listens to: row 0 the prompt, row 1 (with guidance) what to steer away from.

    Other rows mean what the `combine` given to `codes` takes them for.
    states: (rows, tokens, width). mask: (rows, tokens), or None where the states are put before the codes (melody).
    """

    states: torch.Tensor
    mask: torch.Tensor | None

    @property
    def rows(self) -> int:
        return int(self.states.shape[0])

    def repeated(self, times: int) -> Conditioning:
        """The rows again for each of so many candidates, which all hear the same."""
        if times == 1:
            return self
        mask = None if self.mask is None else self.mask.repeat(times, 1)
        return Conditioning(self.states.repeat(times, 1, 1), mask)


@dataclass(frozen=True, slots=True)
class Choice:
    """How the next code is drawn; top_k 0 and top_p 0 mean off, top_k 1 takes the likeliest. guidance 1 means none."""

    temperature: float = 1.0
    top_k: int = TOP_K
    top_p: float = 0.0
    guidance: float = 3.0


def condition(
    model: Any,
    input_ids: torch.Tensor,
    attention_mask: torch.Tensor,
    *,
    guided: bool,
    negative_ids: torch.Tensor | None = None,
    negative_mask: torch.Tensor | None = None,
) -> Conditioning:
    """Encode a prompt, and what guidance steers away from: a negative prompt, or nothing at all.

    input_ids, attention_mask: (1, tokens), padding masked with 0; the negative ones likewise, of any length.
    """
    negative = (negative_ids, negative_mask) if negative_ids is not None and negative_mask is not None else None
    wanted: list[Tokens | None] = [(input_ids, attention_mask)]
    return condition_rows(model, [*wanted, negative] if guided else wanted)


def condition_rows(
    model: Any, prompts: Sequence[Tokens | None], *, melody: torch.Tensor | None = None, melody_rows: int = 1
) -> Conditioning:
    """Encode prompts, one a row; None hears nothing, which is what plain guidance steers away from.

    melody: a chroma, (frames, 12), that the first `melody_rows` rows hear; only a melody model has ears for it, and
    a short one is heard again and again. Raises EngineError for a melody given to another model.
    """
    import torch

    is_melodic = model.config.model_type == "musicgen_melody"
    if melody is not None and not is_melodic:
        raise EngineError(
            "This model cannot follow a melody: choose MusicGen melody, or take the melody and the chords away."
        )
    with torch.inference_mode():
        # Each prompt by itself: in one product a row's last digits would depend on its neighbours.
        heard = [(_project(model, _encode(model, *tokens)), tokens[1]) for tokens in prompts if tokens is not None]
        nothing = (torch.zeros_like(heard[0][0]), torch.zeros_like(heard[0][1]))
        encoded = iter(heard)
        rows = [nothing if tokens is None else next(encoded) for tokens in prompts]
        hidden, mask = _stack([states for states, _ in rows]), _stack([marks for _, marks in rows])
        hidden = hidden * mask[..., None]
        if is_melodic:
            before = _melodies(model, melody, rows=len(rows), melody_rows=melody_rows)
            return Conditioning(torch.cat([before, hidden], dim=1), None)
        return Conditioning(hidden, mask)


def draw(logits: torch.Tensor, choice: Choice, generator: torch.Generator | None) -> torch.Tensor:
    """Draw one code a row from logits (rows, codes): temperature, then top-k, then top-p, as transformers orders them.

    Nucleus sampling after Holtzman et al. 2020: the smallest set of codes whose probability reaches top_p.
    """
    import torch

    if choice.top_k == 1:
        return logits.argmax(-1)
    logits = logits / choice.temperature
    if 0 < choice.top_k < logits.shape[-1]:
        least = logits.topk(choice.top_k, dim=-1).values[:, -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
    if 0.0 < choice.top_p < 1.0:
        ordered, places = logits.softmax(-1).sort(dim=-1, descending=True)
        beyond = ordered.cumsum(-1) - ordered >= choice.top_p
        logits = logits.masked_fill(torch.zeros_like(beyond).scatter(-1, places, beyond), -torch.inf)
    return torch.multinomial(logits.softmax(-1), 1, generator=generator)[:, 0]


def delays(model: Any) -> list[int]:
    """Each codebook's delay in steps: 0 1 2 3 in mono, 0 0 1 1 2 2 3 3 in stereo."""
    decoder = model.config.decoder
    return [row // decoder.audio_channels for row in range(decoder.num_codebooks)]


def codes(
    model: Any,
    conditioning: Conditioning,
    *,
    frames: int,
    choice: Choice,
    seed: int = 0,
    cancelled: Callable[[], bool] = lambda: False,
    combine: Combine | None = None,
) -> Iterator[torch.Tensor]:
    """Yield each frame's codes, int64 (codebooks,) on the CPU, as soon as the frame is complete.

    The first frame is complete after as many steps as a channel has codebooks; n steps give n - (codebooks - 1).
    `cancelled` is asked before every step; the loop then ends, and what was yielded stands. Codes are drawn on the
    CPU, so that a seed does not depend on where the model runs. combine: takes guidance's place in making one of the
    rows; at step s it decides of codebook k's frame s - delays(model)[k].
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    late = torch.tensor(delays(model))
    rows, most = torch.arange(len(late)), int(late.max())
    start = start_token(model)
    grid = torch.full((len(late), frames + most + 1), start, dtype=torch.long)
    run = _Run(model, conditioning, steps=frames + most, guidance=choice.guidance, combine=combine)
    for step in range(frames + most):
        if cancelled():
            return
        logits = run.step(grid[:, step])
        column = step + 1
        fits = (column > late) & (column <= frames + late)
        grid[:, column] = torch.where(fits, draw(logits, choice, generator), start)
        if step >= most:
            yield grid[rows, step - most + 1 + late].clone()


def start_token(model: Any) -> int:
    """The code with which every codebook begins, and which stands where a delayed codebook is silent."""
    settings = model.generation_config
    for token in (settings.decoder_start_token_id, settings.bos_token_id, model.config.decoder.pad_token_id):
        if token is not None:
            return int(token)
    return int(model.config.decoder.vocab_size)


class _Run:
    """One take's decoding: the cache of what was already heard, and the step that adds to it."""

    def __init__(
        self,
        model: Any,
        conditioning: Conditioning,
        *,
        steps: int,
        guidance: float,
        combine: Combine | None = None,
    ) -> None:
        self.model = model
        self.conditioning = conditioning
        self.guidance = guidance
        self.combine = combine
        self.is_prefixed = conditioning.mask is None
        room = steps + (conditioning.states.shape[1] if self.is_prefixed else 0)
        self.cache = _cache(layers=model.config.decoder.num_hidden_layers, room=room)
        self.steps = 0

    def step(self, column: torch.Tensor) -> torch.Tensor:
        """Feed one column of codes (codebooks,); returns float32 logits (codebooks, codes) on the CPU.

        Raises NumbersOverflowed, which is an EngineError.
        """
        import torch

        heard: dict[str, Any] = {}
        if not self.is_prefixed:
            heard = {"encoder_attention_mask": self.conditioning.mask}
        if self.steps == 0 or not self.is_prefixed:
            heard["encoder_hidden_states"] = self.conditioning.states
        with torch.inference_mode():
            logits = self.model.decoder(
                input_ids=column.to(self.model.decoder.device).repeat(self.conditioning.rows)[:, None],
                past_key_values=self.cache,
                use_cache=True,
                **heard,
            ).logits[:, -1, :]
        logits = logits.to("cpu", torch.float32)
        if self.combine is not None:
            logits = self.combine(logits.unflatten(0, (self.conditioning.rows, -1)), self.steps)
        elif self.conditioning.rows == 2:
            wanted, unwanted = logits.chunk(2)
            logits = unwanted + (wanted - unwanted) * self.guidance
        if not torch.isfinite(logits).all():
            raise NumbersOverflowed()
        self.steps += 1
        return logits


def _encode(model: Any, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    encoded: torch.Tensor = model.text_encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
    return encoded


def _project(model: Any, hidden: torch.Tensor) -> torch.Tensor:
    """Text states as wide as the decoder, in its number format."""
    hidden = hidden.to(model.decoder.dtype)
    if hasattr(model, "enc_to_dec_proj"):
        hidden = model.enc_to_dec_proj(hidden)
    return hidden


def _stack(parts: list[torch.Tensor]) -> torch.Tensor:
    """Rows of one batch; the shorter are filled with zeros, which their mask hides."""
    import torch

    width = max(part.shape[1] for part in parts)
    joined = parts[0].new_zeros((len(parts), width, *parts[0].shape[2:]))
    for row, part in enumerate(parts):
        joined[row, : part.shape[1]] = part[0]
    return torch.as_tensor(joined)


def _melodies(model: Any, melody: torch.Tensor | None, *, rows: int, melody_rows: int) -> torch.Tensor:
    """What a melody model hears before the words; where no melody is given: the first chroma bin, held throughout."""
    import torch

    length = model.config.chroma_length
    chroma = torch.zeros(
        (rows, length, model.config.num_chroma), device=model.decoder.device, dtype=model.decoder.dtype
    )
    chroma[:, :, 0] = 1
    if melody is not None:
        again = -(-length // melody.shape[0])
        chroma[:melody_rows] = melody.to(chroma).repeat(again, 1)[:length]
    if hasattr(model, "audio_enc_to_dec_proj"):
        chroma = model.audio_enc_to_dec_proj(chroma)
    return chroma


def _cache(*, layers: int, room: int) -> Any:
    """transformers' cache with room for the whole take from the start.

    The stock layer makes a longer copy of itself at every step, which at 30 s costs as much as the attention.
    """
    import torch
    from transformers.cache_utils import Cache, DynamicCache, DynamicLayer, EncoderDecoderCache

    class RoomyLayer(DynamicLayer):
        def update(
            self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
        ) -> tuple[torch.Tensor, torch.Tensor]:
            if not self.is_initialized:
                self.lazy_initialization(key_states, value_states)
                rows, heads, _, width = key_states.shape
                self.all_keys = key_states.new_empty((rows, heads, room, width))
                self.all_values = torch.empty_like(self.all_keys)
            start = self.get_seq_length()
            end = start + key_states.shape[-2]
            self.all_keys[:, :, start:end] = key_states
            self.all_values[:, :, start:end] = value_states
            self.keys, self.values = self.all_keys[:, :, :end], self.all_values[:, :, :end]
            return self.keys, self.values

    return EncoderDecoderCache(Cache(layers=[RoomyLayer() for _ in range(layers)]), DynamicCache())
