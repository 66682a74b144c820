"""Real language models of a few hundred kilobytes, with random weights, in the format llama.cpp loads.

The vocabulary is letters: every printable ASCII character and every byte is a token of its own, besides the control
tokens a chat needs. What such a model writes is noise; bound by a grammar it is noise of the right form.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# As some files of Phi-3 and Gemma have it: nobody told the template of a system.
NO_SYSTEM = (
    "{% for message in messages %}{% if message['role'] == 'user' %}<|im_start|>user\n{{ message['content'] }}<|im_end|>\n"
    "{% elif message['role'] == 'assistant' %}<|im_start|>assistant\n{{ message['content'] }}<|im_end|>\n{% endif %}"
    "{% endfor %}<|im_start|>assistant\n"
)
_NORMAL, _UNKNOWN, _CONTROL, _BYTE = 1, 2, 3, 6


def write_gguf(
    path: Path,
    *,
    seed: int = 0,
    width: int = 32,
    layers: int = 2,
    context_tokens: int = 8_192,
    architecture: str = "llama",
    name: str = "",
    template: str | None = CHATML,
) -> Path:
    """Write a model; more width or layers make it larger and slower. Answers with the path."""
    from gguf import GGUFWriter

    heads, hidden = 4, 2 * width
    tokens: list[tuple[bytes, int]] = [(b"<unk>", _UNKNOWN), (b"<s>", _CONTROL), (b"</s>", _CONTROL)]
    tokens += [(b"<|im_start|>", _CONTROL), (b"<|im_end|>", _CONTROL)]
    tokens += [(f"<0x{value:02X}>".encode(), _BYTE) for value in range(256)]
    tokens += [("▁".encode() if value == 32 else bytes([value]), _NORMAL) for value in range(32, 127)]
    rng = np.random.default_rng(seed)

    def noise(*shape: int) -> np.ndarray:
        return (rng.standard_normal(shape) * 0.05).astype(np.float32)

    writer = GGUFWriter(str(path), architecture)
    writer.add_name(name or path.stem)
    writer.add_context_length(context_tokens)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(hidden)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(width // heads)
    writer.add_vocab_size(len(tokens))
    writer.add_file_type(0)
    writer.add_tokenizer_model("llama")
    writer.add_token_list([text for text, _ in tokens])
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types([kind for _, kind in tokens])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(4)
    if template is not None:
        writer.add_chat_template(template)
    ones = np.ones(width, np.float32)
    writer.add_tensor("token_embd.weight", noise(len(tokens), width))
    writer.add_tensor("output_norm.weight", ones)
    writer.add_tensor("output.weight", noise(len(tokens), width))
    for layer in range(layers):
        for part, shape in {
            "attn_q": (width, width),
            "attn_k": (width, width),
            "attn_v": (width, width),
            "attn_output": (width, width),
            "ffn_gate": (hidden, width),
            "ffn_up": (hidden, width),
            "ffn_down": (width, hidden),
        }.items():
            writer.add_tensor(f"blk.{layer}.{part}.weight", noise(*shape))
        writer.add_tensor(f"blk.{layer}.attn_norm.weight", ones)
        writer.add_tensor(f"blk.{layer}.ffn_norm.weight", ones)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
