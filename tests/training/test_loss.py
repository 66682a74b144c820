"""The loss is the paper's: the mean over codebooks of the mean surprise at every frame, none lost to the delay."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from studio.engines.musicgen import decode
from studio.engines.musicgen.checkpoint import inspect
from studio.engines.musicgen.load import load
from studio.training.loss import IGNORED, codebook_losses, delayed

FRAMES = 23
STEREO_AND_MONO = ["mono", "stereo"]


@pytest.fixture(scope="module")
def load_tiny(checkpoint_folder: Callable[[str], Path]) -> Callable[[str], Any]:
    return lambda kind: load(inspect(checkpoint_folder(kind)), device="cpu")


def _codes(loaded: Any, *, frames: int = FRAMES, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, loaded.checkpoint.codes, (loaded.checkpoint.codebooks, frames), generator=generator)


def _heard(loaded: Any) -> decode.Conditioning:
    tokens = loaded.tokenizer(["sad piano waltz"], return_tensors="pt")
    return decode.condition(loaded.model, tokens["input_ids"], tokens["attention_mask"], guided=False)


def _by_the_formula(loaded: Any, codes: np.ndarray, heard: decode.Conditioning) -> list[float]:
    """-1/T sum over t of log p(c[k, t] | all that sounded before), in doubles, written from the paper's figure 1.

    Mono: codebook k is k steps late. Stereo: left and right of a codebook share its delay (section 3.2).
    """
    codebooks, frames = codes.shape
    channels = loaded.checkpoint.channels
    silent = loaded.checkpoint.codes
    steps = frames + codebooks // channels - 1
    read = np.full((codebooks, steps), silent)
    for step in range(1, steps):
        for k in range(codebooks):
            frame = step - 1 - k // channels
            if 0 <= frame < frames:
                read[k, step] = codes[k, frame]
    with torch.inference_mode():
        known = {} if heard.mask is None else {"encoder_attention_mask": heard.mask}
        logits = loaded.model.decoder(
            input_ids=torch.from_numpy(read), encoder_hidden_states=heard.states, **known
        ).logits[:, -steps:].double().numpy()  # fmt: skip
    losses = []
    for k in range(codebooks):
        surprise = 0.0
        for frame in range(frames):
            scores = logits[k, frame + k // channels]
            top = scores.max()
            surprise -= scores[codes[k, frame]] - top - math.log(np.exp(scores - top).sum())
        losses.append(surprise / frames)
    return losses


@pytest.mark.parametrize("kind", [*STEREO_AND_MONO, "melody"])
def test_the_loss_is_the_papers_formula(load_tiny: Callable[[str], Any], kind: str) -> None:
    loaded = load_tiny(kind)
    codes, heard = _codes(loaded), _heard(loaded)
    batch = delayed([codes], delays=decode.delays(loaded.model), start=decode.start_token(loaded.model))
    with torch.no_grad():
        found = codebook_losses(loaded.model.decoder, batch, states=heard.states, mask=heard.mask)
    expected = _by_the_formula(loaded, codes.numpy(), heard)
    assert found.tolist() == pytest.approx(expected, abs=1e-5)
    assert float(found.mean()) == pytest.approx(sum(expected) / len(expected), abs=1e-5)


@pytest.mark.parametrize("kind", STEREO_AND_MONO)
def test_every_frame_of_every_codebook_is_asked_for_once(load_tiny: Callable[[str], Any], kind: str) -> None:
    loaded = load_tiny(kind)
    codes = _codes(loaded)
    batch = delayed([codes], delays=decode.delays(loaded.model), start=decode.start_token(loaded.model))
    for k, late in enumerate(decode.delays(loaded.model)):
        wanted = batch.targets[0, k]
        assert torch.equal(wanted[wanted != IGNORED], codes[k])
        assert int((wanted != IGNORED).nonzero()[-1]) == FRAMES - 1 + late, "the last frame, as late as its codebook"


@pytest.mark.parametrize("kind", STEREO_AND_MONO)
def test_the_last_frame_of_the_last_codebook_counts(load_tiny: Callable[[str], Any], kind: str) -> None:
    loaded = load_tiny(kind)
    codes, heard = _codes(loaded), _heard(loaded)
    other = codes.clone()
    other[-1, -1] = (other[-1, -1] + 1) % loaded.checkpoint.codes
    place = {"delays": decode.delays(loaded.model), "start": decode.start_token(loaded.model)}
    with torch.no_grad():
        losses = [
            codebook_losses(loaded.model.decoder, delayed([one], **place), states=heard.states, mask=heard.mask)
            for one in (codes, other)
        ]
    assert torch.equal(losses[0][:-1], losses[1][:-1])
    assert abs(float(losses[0][-1] - losses[1][-1])) > 1e-4


def test_the_delay_is_the_one_transformers_uses(load_tiny: Callable[[str], Any]) -> None:
    loaded = load_tiny("mono")
    codes, start = _codes(loaded), decode.start_token(loaded.model)
    begun = torch.cat([torch.full((len(codes), 1), start), codes], dim=1)
    _, pattern = loaded.model.decoder.build_delay_pattern_mask(begun, pad_token_id=start, max_length=FRAMES + 4)
    batch = delayed([codes], delays=decode.delays(loaded.model), start=start)
    theirs, ours = pattern[:, 1:], batch.targets[0].masked_fill(batch.targets[0] == IGNORED, start)
    known = theirs != -1
    assert torch.equal(theirs[known], ours[:, : theirs.shape[1]][known])
    assert int((theirs[-1] == codes[-1, -1]).nonzero()[-1]) == FRAMES - 1 + 3, "their last frame is there too"


def test_a_shorter_neighbour_in_the_batch_changes_nothing(load_tiny: Callable[[str], Any]) -> None:
    loaded = load_tiny("mono")
    heard = _heard(loaded)
    long, short = _codes(loaded), _codes(loaded, frames=11, seed=1)
    place = {"delays": decode.delays(loaded.model), "start": decode.start_token(loaded.model)}

    def loss(*codes: torch.Tensor) -> torch.Tensor:
        states, mask = heard.states.repeat(len(codes), 1, 1), heard.mask.repeat(len(codes), 1)
        with torch.no_grad():
            return codebook_losses(loaded.model.decoder, delayed(codes, **place), states=states, mask=mask)

    together = (FRAMES * loss(long) + 11 * loss(short)) / (FRAMES + 11)
    torch.testing.assert_close(loss(long, short), together, rtol=1e-5, atol=1e-5)
