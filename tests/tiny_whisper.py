"""Real Whisper checkpoints of a few megabytes: one of random weights, and one that always hears the same words.

The second has weights laid out so that each place in the text leads to the next token of a sentence, whatever is
heard; loading, spectrogram, encoder, language detection and decoding are Whisper's own.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

WIDTH = 32


def write_whisper(path: Path, *, says: str | None = None, language: str = "en", seed: int = 0) -> Path:
    """Write a checkpoint; says: the words it hears in anything, None for random weights."""
    import torch
    from whisper.model import ModelDimensions, Whisper
    from whisper.tokenizer import get_tokenizer

    torch.manual_seed(seed)
    dims = ModelDimensions(
        n_mels=80,
        n_audio_ctx=1500,
        n_audio_state=WIDTH,
        n_audio_head=2,
        n_audio_layer=1,
        n_vocab=51865,
        n_text_ctx=448,
        n_text_state=WIDTH,
        n_text_head=2,
        n_text_layer=1,
    )
    model = Whisper(dims)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if weights.dim() > 1 or "positional" in name:
                torch.nn.init.normal_(weights, std=0.02)
        if says is not None:
            tokenizer = get_tokenizer(True, num_languages=99, language=language, task="transcribe")
            # After start, language, task and "no timestamps" come the words, then the end.
            path_of_tokens = [tokenizer.to_language_token(language), 0, 0, *tokenizer.encode(" " + says), tokenizer.eot]
            _lead_through(model.decoder, path_of_tokens)
    state = {name: weights.half() for name, weights in model.state_dict().items()}
    torch.save({"dims": asdict(dims), "model_state_dict": state}, path)
    return path


def _lead_through(decoder: object, tokens: list[int]) -> None:
    """Let place p of the text predict tokens[p]: its embedding points where that token's does, and nothing else adds."""
    import torch

    embedding = decoder.token_embedding.weight  # type: ignore[attr-defined]
    torch.nn.init.normal_(embedding, std=1e-4)
    places = decoder.positional_embedding  # type: ignore[attr-defined]
    places.zero_()
    for token in set(tokens) - {0}:
        direction = torch.randn(WIDTH)
        direction -= direction.mean()
        embedding[token] = 4.0 * direction / direction.norm()
    for place, token in enumerate(tokens):
        if token:
            places[place] = 50.0 * embedding[token]
    for block in decoder.blocks:  # type: ignore[attr-defined]
        for part in (block.attn.out, block.cross_attn.out, block.mlp[2]):
            part.weight.zero_()
            part.bias.zero_()
