"""The catalogue against a hub on this machine: downloads, their interruptions, deletion, and the user's own models."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.engines.base import EngineError, ModelMissing
from studio.engines.musicgen.checkpoint import file_sha256, inspect, weights_sha256
from studio.models.catalogue import CARDS, Catalogue, DownloadCancelled, ModelError, NoNetwork
from studio.models.hub import choose_files
from tests import tiny_models
from tests.hub_server import Hub, serve

SMALL = "facebook/musicgen-small"
NEEDED = {
    "config.json",
    "generation_config.json",
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "model.safetensors",
}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository as the hub has it: the model, and what beside it is not needed."""
    folder = tiny_models.build_mono(tmp_path_factory.mktemp("repository"))
    (folder / "README.md").write_text("A model card.")
    for name in ("pytorch_model.bin", "state_dict.bin", "compression_state_dict.bin", "model.fp32.safetensors"):
        (folder / name).write_bytes(b"\0" * 200_000)
    return folder


@pytest.fixture
def hub(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The repository served here, with the hub's client allowed online and reading in small pieces."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 65_536)
    with serve(Hub(SMALL, repository)) as served:
        yield served


@pytest.fixture
def catalogue(hub: Hub, data_dir: Path) -> Catalogue:
    return Catalogue(data_dir / "models", endpoint=hub.url)


class Meter:
    """Keeps what progress said; asks to stop once so many bytes are here."""

    def __init__(self, *, stop_at: float = float("inf")) -> None:
        self.told: list[tuple[int, int]] = []
        self.stop_at = stop_at

    def progress(self, done: int, total: int) -> None:
        self.told.append((done, total))

    def cancelled(self) -> bool:
        return bool(self.told) and self.told[-1][0] >= self.stop_at


def _download(catalogue: Catalogue, meter: Meter) -> None:
    catalogue.download(SMALL, progress=meter.progress, cancelled=meter.cancelled)


def _is_the_repository(catalogue: Catalogue, repository: Path) -> bool:
    folder = catalogue.folder(SMALL)
    return all((folder / name).read_bytes() == (repository / name).read_bytes() for name in NEEDED)


def test_a_download_brings_what_the_model_needs_and_nothing_else(
    catalogue: Catalogue, hub: Hub, repository: Path
) -> None:
    meter = Meter()
    assert catalogue.status(SMALL).state == "absent"
    _download(catalogue, meter)
    assert catalogue.status(SMALL).state == "present"
    assert _is_the_repository(catalogue, repository)
    assert hub.names() == NEEDED
    done = [count for count, _ in meter.told]
    assert done == sorted(done) and len(set(done)) > 10
    size = sum((repository / name).stat().st_size for name in NEEDED)
    assert meter.told[-1] == (size, size) and {total for _, total in meter.told} == {size}


def test_a_downloaded_model_knows_its_sum_and_where_it_came_from(
    catalogue: Catalogue, hub: Hub, repository: Path
) -> None:
    _download(catalogue, Meter())
    folder = catalogue.folder(SMALL)
    known = json.loads((folder / ".weights-sha256.json").read_text())
    assert known["model.safetensors"]["sha256"] == file_sha256(repository / "model.safetensors")
    assert weights_sha256(inspect(folder)) == file_sha256(repository / "model.safetensors")
    assert json.loads((folder / "source.json").read_text())["revision"] == hub.revision


def test_a_broken_connection_is_taken_up_where_it_broke(catalogue: Catalogue, hub: Hub, repository: Path) -> None:
    hub.drop_after = [1_000_000]
    meter = Meter()
    _download(catalogue, meter)
    assert _is_the_repository(catalogue, repository)
    first, second = hub.ranges("model.safetensors")
    assert first is None and second is not None
    assert 900_000 <= int(second.removeprefix("bytes=").removesuffix("-")) <= 1_000_000
    done = [count for count, _ in meter.told]
    assert done == sorted(done) and done[-1] == meter.told[-1][1]


def test_a_stopped_download_is_kept_and_goes_on(catalogue: Catalogue, hub: Hub, repository: Path) -> None:
    with pytest.raises(DownloadCancelled, match="kept"):
        _download(catalogue, Meter(stop_at=1_200_000))
    status = catalogue.status(SMALL)
    assert status.state == "partial" and status.bytes_on_disk > 1_000_000
    with pytest.raises(ModelMissing, match=r"only partly here.*sketch engine"):
        catalogue.folder(SMALL)
    asked_before = len(hub.asked)
    meter = Meter()
    _download(catalogue, meter)
    assert _is_the_repository(catalogue, repository)
    again = [(path, span) for method, path, span in hub.asked[asked_before:] if path.startswith("/cdn/")]
    assert len(again) == 1 and int(again[0][1].removeprefix("bytes=").removesuffix("-")) > 1_000_000
    assert meter.told[0][0] > 0 and max(done for done, _ in meter.told) == meter.told[-1][1]


def test_a_killed_download_never_counts_as_present_and_goes_on(
    catalogue: Catalogue, hub: Hub, repository: Path, data_dir: Path
) -> None:
    hub.seconds_a_piece = 0.05
    script = (
        "import huggingface_hub.constants as c; c.DOWNLOAD_CHUNK_SIZE = 65_536\n"
        "from pathlib import Path\nfrom studio.models.catalogue import Catalogue\n"
        f"Catalogue(Path({str(data_dir / 'models')!r}), endpoint={hub.url!r}).download({SMALL!r})"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "0"}
    process = subprocess.Popen([sys.executable, "-c", script], env=environment, cwd=Path(__file__).parents[2])
    try:
        deadline = time.monotonic() + 60
        while catalogue.status(SMALL).bytes_on_disk < 800_000:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert catalogue.status(SMALL).state == "partial"
    hub.seconds_a_piece = 0.0
    _download(catalogue, Meter())
    assert _is_the_repository(catalogue, repository)
    assert hub.ranges("model.safetensors")[-1] is not None


def test_a_changed_repository_is_not_mixed_with_the_old_part(
    catalogue: Catalogue, hub: Hub, tmp_path: Path, repository: Path
) -> None:
    with pytest.raises(DownloadCancelled):
        _download(catalogue, Meter(stop_at=1_200_000))
    hub.folder = tiny_models.build_mono(tmp_path / "newer", seed=1)
    hub.revision = "b" * 40
    _download(catalogue, Meter())
    assert _is_the_repository(catalogue, hub.folder)
    assert hub.ranges("model.safetensors") == [None, None]


def test_damaged_bytes_are_thrown_away(catalogue: Catalogue, hub: Hub, repository: Path) -> None:
    hub.spoil = True
    with pytest.raises(ModelError, match="arrived damaged"):
        _download(catalogue, Meter())
    assert catalogue.status(SMALL).state == "partial"
    hub.spoil = False
    _download(catalogue, Meter())
    assert _is_the_repository(catalogue, repository)


def test_a_repository_of_another_kind_is_refused(catalogue: Catalogue, hub: Hub, tmp_path: Path) -> None:
    hub.folder = tiny_models.build_mono(tmp_path / "other")
    (hub.folder / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ModelError, match="bert"):
        _download(catalogue, Meter())
    assert catalogue.status(SMALL).state == "absent"


def test_a_sharded_model_arrives_with_all_its_shards(catalogue: Catalogue, hub: Hub, tmp_path: Path) -> None:
    hub.folder = tiny_models.build_sharded(tmp_path / "sharded")
    _download(catalogue, Meter())
    assert len(inspect(catalogue.folder(SMALL)).weight_files) == 5


def test_without_a_network_one_sentence_says_so(data_dir: Path, hub: Hub) -> None:
    catalogue = Catalogue(data_dir / "models", endpoint="http://127.0.0.1:9")
    with pytest.raises(NoNetwork, match=r"cannot be reached.*sketch engine"):
        catalogue.download(SMALL)
    assert catalogue.status(SMALL).state == "absent"


def test_a_hub_that_is_switched_off_says_so(catalogue: Catalogue, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(NoNetwork, match="HF_HUB_OFFLINE"):
        catalogue.download(SMALL)
    assert hub.asked == []


@pytest.mark.parametrize(("status", "sentence"), [(404, "no model"), (503, "error .503.: try again later")])
def test_the_hubs_errors_are_sentences(catalogue: Catalogue, hub: Hub, status: int, sentence: str) -> None:
    hub.status = status
    if status == 404:
        hub.status, hub.repo_id = 200, "somebody/else"
    with pytest.raises(ModelError, match=sentence):
        catalogue.download(SMALL)


def test_a_full_disk_is_noticed_before_the_download(
    catalogue: Catalogue, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 10, 1_000))
    with pytest.raises(ModelError, match="make room"):
        catalogue.download(SMALL)
    assert hub.names() == set()


def test_no_login_and_no_telemetry_is_sent(catalogue: Catalogue, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    _download(catalogue, Meter())
    assert hub.logins == []
    assert all(path.startswith(("/api/models/", f"/{SMALL}/resolve/", "/cdn/")) for _, path, _ in hub.asked)


def test_a_second_download_of_a_present_model_asks_nothing(catalogue: Catalogue, hub: Hub) -> None:
    _download(catalogue, Meter())
    asked = len(hub.asked)
    _download(catalogue, Meter())
    assert len(hub.asked) == asked


def test_a_model_cut_short_on_disk_is_not_present_and_comes_again(
    catalogue: Catalogue, hub: Hub, repository: Path
) -> None:
    _download(catalogue, Meter())
    weights = catalogue.folder(SMALL) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-5])
    status = catalogue.status(SMALL)
    assert status.state == "partial" and "cut short" in status.problem
    with pytest.raises(ModelMissing, match="damaged: delete it and download"):
        catalogue.folder(SMALL)
    _download(catalogue, Meter())
    assert _is_the_repository(catalogue, repository)


def test_deleting_removes_the_model_and_its_unfinished_download(catalogue: Catalogue, data_dir: Path) -> None:
    with pytest.raises(DownloadCancelled):
        _download(catalogue, Meter(stop_at=1_200_000))
    catalogue.delete(SMALL)
    assert catalogue.status(SMALL).state == "absent"
    _download(catalogue, Meter())
    catalogue.delete("musicgen-small")
    assert catalogue.status(SMALL).state == "absent"
    assert [path for path in (data_dir / "models").rglob("*") if path.is_file()] == []


def test_a_model_being_downloaded_is_neither_deleted_nor_begun_twice(catalogue: Catalogue) -> None:
    refused: list[str] = []

    def meddle(done: int, total: int) -> None:
        for act in (catalogue.delete, catalogue.download):
            with pytest.raises(ModelError) as error:
                act(SMALL)
            refused.append(str(error.value))

    catalogue.download(SMALL, progress=meddle)
    assert catalogue.status(SMALL).state == "present"
    assert "stop the download first" in refused[0] and "already" in refused[1]


def test_ones_own_folder_is_listed_where_it_lies_and_never_deleted(data_dir: Path, tmp_path: Path) -> None:
    folder = tiny_models.build_stereo(tmp_path / "my blues")
    catalogue = Catalogue(data_dir / "models")
    card = catalogue.add_local(folder)
    assert (card.id, card.channels, card.is_local) == ("local/my blues", 2, True)
    assert card.parameters == inspect(folder).parameters
    assert catalogue.add_local(folder).id == card.id
    elsewhere = shutil.copytree(folder, tmp_path / "second" / "my blues")
    assert catalogue.add_local(elsewhere).id == "local/my blues-2"
    reopened = Catalogue(data_dir / "models")
    assert reopened.folder(card.id) == folder
    reopened.delete(card.id)
    assert folder.is_dir() and card.id not in [status.card.id for status in reopened.models()]


def test_a_folder_without_a_model_is_not_listed(data_dir: Path, tmp_path: Path) -> None:
    catalogue = Catalogue(data_dir / "models")
    with pytest.raises(EngineError):
        catalogue.add_local(tmp_path)
    assert len(catalogue.models()) == len(CARDS)


def test_ones_own_folder_that_went_away_says_so(data_dir: Path, tmp_path: Path) -> None:
    catalogue = Catalogue(data_dir / "models")
    card = catalogue.add_local(tiny_models.build_mono(tmp_path / "gone"))
    shutil.rmtree(tmp_path / "gone")
    assert catalogue.status(card.id).state == "absent"
    with pytest.raises(ModelMissing, match="put it back"):
        catalogue.folder(card.id)


def test_every_card_says_its_licence_size_and_memory() -> None:
    assert len({card.id for card in CARDS}) == len(CARDS) == 9
    for card in CARDS:
        assert card.licence == "CC-BY-NC-4.0"
        assert 1e9 < card.size_bytes < 2e10
        assert card.channels == (2 if "stereo" in card.id else 1)
        assert card.memory_needed_bytes("cuda") < card.memory_needed_bytes("cpu")
        assert card.memory_needed_bytes("cpu") > card.parameters * 4
        bytes_a_parameter = card.size_bytes / card.parameters
        assert abs(bytes_a_parameter - 4) < 0.1 or abs(bytes_a_parameter - 2) < 0.1
    assert 3e9 < CARDS[0].memory_needed_bytes("cpu") < 4e9


def test_an_unknown_model_names_the_known_ones(data_dir: Path) -> None:
    with pytest.raises(ModelError, match=r"no model “nonesuch”.*facebook/musicgen-small"):
        Catalogue(data_dir / "models").card("nonesuch")


def test_weights_are_chosen_once() -> None:
    """The hub's real listings: whole and sharded, with .bin beside, without safetensors, in two precisions."""
    side = ["config.json", "tokenizer.json"]
    shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    stereo_large = [
        *side,
        *shards,
        "model.safetensors.index.json",
        "model.safetensors.index.fp32.json",
        "state_dict.bin",
    ]
    assert choose_files(stereo_large) == [*side, "model.safetensors.index.json", *shards]
    stereo_small = [*side, "model.fp32.safetensors", "model.safetensors", "pytorch_model.bin", "pytorch_model.fp32.bin"]
    assert choose_files(stereo_small) == [*side, "model.safetensors"]
    medium = [*side, "pytorch_model.bin", "compression_state_dict.bin"]
    assert choose_files(medium) == [*side, "pytorch_model.bin"]
    assert choose_files(side) == []
