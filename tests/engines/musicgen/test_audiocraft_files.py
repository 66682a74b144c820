"""AudioCraft's own files played in-process: the same codes and the same sound as the model they were written from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.engines.base import EngineError
from studio.engines.musicgen import codec, decode
from studio.engines.musicgen.audiocraft_files import convert, is_audiocraft
from studio.engines.musicgen.checkpoint import Checkpoint, inspect
from studio.engines.musicgen.load import load
from studio.models.catalogue import Catalogue
from tests import audiocraft_files, tiny_models


@pytest.fixture(scope="module")
def donor(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """Another model with the same T5, as all of MusicGen's have: here it has to be made so."""
    return inspect(tiny_models.build_mono(tmp_path_factory.mktemp("donor") / "small", seed=0))


def _codes(loaded: Any) -> torch.Tensor:
    tokens = loaded.tokenizer(["sad piano waltz"], return_tensors="pt")
    heard = decode.condition(loaded.model, tokens["input_ids"], tokens["attention_mask"], guided=True)
    choice = decode.Choice(top_k=1, guidance=3.0)
    return torch.stack(list(decode.codes(loaded.model, heard, frames=40, choice=choice)), dim=1)


def _with_t5_of(loaded: Any, donor: Any) -> Any:
    loaded.model.text_encoder.load_state_dict(donor.model.text_encoder.state_dict())
    return loaded


@pytest.mark.parametrize("kind", ["mono", "stereo", "melody"])
def test_a_converted_checkpoint_plays_the_same_codes_and_sound(
    checkpoint_folder: Callable[[str], Path], donor: Checkpoint, tmp_path: Path, kind: str
) -> None:
    original = _with_t5_of(load(inspect(checkpoint_folder(kind)), device="cpu"), load(donor, device="cpu"))
    source = audiocraft_files.write(tmp_path / "theirs", original.model)
    assert is_audiocraft(source) and not is_audiocraft(checkpoint_folder(kind))
    converted = load(inspect(convert(source, tmp_path / "ours", donors=[donor])), device="cpu")
    codes = _codes(original)
    assert torch.equal(_codes(converted), codes)
    assert len(codes.unique()) > 20
    channels = original.checkpoint.channels
    sounds = [codec.decode(each.model.audio_encoder, codes, channels=channels) for each in (original, converted)]
    assert (sounds[0] == sounds[1]).all()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_checkpoint_that_names_the_published_codec_takes_the_donors(
    checkpoint_folder: Callable[[str], Path], donor: Checkpoint, tmp_path: Path
) -> None:
    original = load(inspect(checkpoint_folder("mono")), device="cpu")
    source = audiocraft_files.write(tmp_path / "theirs", original.model, codec_is_named=True)
    converted = load(inspect(convert(source, tmp_path / "ours", donors=[donor])), device="cpu")
    theirs = load(donor, device="cpu").model.audio_encoder.state_dict()
    for name, weight in converted.model.audio_encoder.state_dict().items():
        assert torch.equal(weight, theirs[name]), name


def test_half_precision_files_are_half_the_size_and_play(
    checkpoint_folder: Callable[[str], Path], donor: Checkpoint, tmp_path: Path
) -> None:
    original = load(inspect(checkpoint_folder("mono")), device="cpu")
    source = audiocraft_files.write(tmp_path / "theirs", original.model, half=True)
    converted = load(inspect(convert(source, tmp_path / "ours", donors=[donor])), device="cpu")
    head = converted.model.decoder.lm_heads[0].weight
    assert head.dtype == torch.float32
    assert torch.equal(head, original.model.decoder.lm_heads[0].weight.half().float())


def _edit(folder: Path, file: str, change: Callable[[dict[str, Any]], Any]) -> None:
    package = torch.load(folder / file, weights_only=True)
    change(package)
    torch.save(package, folder / file)


def _settings(**changes: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        def change(package: dict[str, Any]) -> None:
            for old, new in changes.items():
                package["xp.cfg"] = package["xp.cfg"].replace(f"{old}: ", f"{new} #")

        _edit(folder, "state_dict.bin", change)

    return damage


def _drop(name: str) -> Callable[[Path], None]:
    return lambda folder: _edit(folder, "state_dict.bin", lambda package: package["best_state"].pop(name))


def _add(name: str) -> Callable[[Path], None]:
    return lambda folder: _edit(
        folder, "state_dict.bin", lambda package: package["best_state"].update({name: torch.zeros(3)})
    )


def _cut(file: str) -> Callable[[Path], None]:
    return lambda folder: (folder / file).write_bytes((folder / file).read_bytes()[:-200]) and None


class Surprise:
    """What a pickle may run."""

    def __reduce__(self) -> Any:
        return (Path.touch, (Path("surprise-was-run"),))


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (_cut("state_dict.bin"), "state_dict.bin .* is damaged"),
        (_cut("compression_state_dict.bin"), "compression_state_dict.bin .* is damaged"),
        (lambda folder: (folder / "compression_state_dict.bin").unlink(), "compression_state_dict.bin is missing"),
        (
            lambda folder: torch.save({"weights": {}}, folder / "state_dict.bin"),
            "no checkpoint that AudioCraft exported",
        ),
        (lambda folder: torch.save({"best_state": Surprise()}, folder / "state_dict.bin"), "more than weights"),
        (_settings(lm_model="lm_model: transformer_lm_magnet"), "kind transformer_lm_magnet: install AudioCraft"),
        (_settings(sample_rate="sample_rate: 16000"), "sound at 16000 Hz.*install AudioCraft"),
        (_drop("transformer.layers.1.linear1.weight"), "not whole: 1 weights are missing"),
        (_add("transformer.layers.0.self_attn.in_proj_bias"), "does not have .self_attn.in_proj_bias"),
        (_add("condition_provider.conditioners.chords.output_proj.bias"), "does not have .*chords"),
    ],
)
def test_what_is_not_musicgen_or_is_damaged_is_a_sentence(
    load_tiny: Callable[[str], Any], donor: Checkpoint, tmp_path: Path, damage: Callable[[Path], Any], sentence: str
) -> None:
    source = audiocraft_files.write(tmp_path / "theirs", load_tiny("mono").model)
    damage(source)
    with pytest.raises(EngineError, match=sentence):
        convert(source, tmp_path / "ours", donors=[donor])
    assert not Path("surprise-was-run").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name != "studio-data"] == ["theirs"]


def test_a_folder_of_audiocrafts_is_listed_played_and_deleted_like_any_other(
    checkpoint_folder: Callable[[str], Path], load_tiny: Callable[[str], Any], tmp_path: Path
) -> None:
    source = audiocraft_files.write(tmp_path / "my tune model", load_tiny("mono").model)
    catalogue = Catalogue(tmp_path / "models")
    with pytest.raises(EngineError, match="download MusicGen small"):
        catalogue.add_local(source)
    catalogue.add_local(checkpoint_folder("mono"))
    card = catalogue.add_local(source)
    assert (card.id, card.label, card.follows_melody) == ("local/my tune model", "my tune model", False)
    assert catalogue.add_local(source) == card, "converted once"
    ours = catalogue.folder(card.id)
    assert torch.equal(_codes(load(inspect(ours), device="cpu")), _codes(load_tiny("mono")))
    catalogue.delete(card.id)
    assert not ours.exists() and (source / "state_dict.bin").exists()


def test_without_a_model_to_take_t5_from_it_says_which_to_download(
    load_tiny: Callable[[str], Any], tmp_path: Path
) -> None:
    source = audiocraft_files.write(tmp_path / "theirs", load_tiny("mono").model)
    with pytest.raises(EngineError, match="download MusicGen small, then add this one again"):
        convert(source, tmp_path / "ours", donors=[])
