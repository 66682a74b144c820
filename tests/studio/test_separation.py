"""Sounds are taken apart once, and their stems kept whole."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from audio.clip import Clip
from audio.work import WorkCancelled
from studio.engines.base import Listener, Sampling
from studio.models.downloads import Downloads
from studio.models.hub import ModelError
from studio.models.stems import CARDS, StemModels
from studio.separation import SeparationError, Separations
from studio.takes import EngineFacts, Take, TakeStore
from tests.audio.sounds import RATE, band, mixed
from tests.engines_for_tests import ToneEngine, plan_of
from tests.hub_server import Hub, serve
from tests.tiny_demucs import write_demucs

HTDEMUCS = CARDS[0]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The hub's repository: the bag, its weights, and what else lies there."""
    folder = write_demucs(tmp_path_factory.mktemp("HTDemucs"))
    (folder / "955717e8.json").write_text("{}")
    (folder / "README.md").write_text("A model card.")
    return folder


@pytest.fixture
def hub(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with serve(Hub(HTDEMUCS.repo_id, repository)) as served:
        yield served


@pytest.fixture
def models(data_dir: Path, hub: Hub) -> StemModels:
    return StemModels(data_dir / "models", endpoint=hub.url)


@pytest.fixture
def separations(data_dir: Path, models: StemModels) -> Separations:
    return Separations(data_dir / "separations", models, device="cpu")


def keep(store: TakeStore, *, plain: bool) -> Take:
    plan, engine = plan_of(seconds=2.0), ToneEngine(plain=plain)
    rendering = engine.generate(plan, Sampling(seed=7), Listener())
    return store.write(rendering, plan=plan, sampling=Sampling(seed=7), engine=EngineFacts.of(engine.capabilities))


def test_the_catalogue_knows_demucs_models_by_their_hub_files(models):
    listed = {status.card.id: status for status in models.models()}
    assert list(listed) == ["htdemucs", "htdemucs_ft", "htdemucs_6s"]
    assert listed["htdemucs"].card.files == ("htdemucs.yaml", "955717e8.safetensors")
    assert len(listed["htdemucs_ft"].card.files) == 5
    assert {status.state for status in listed.values()} == {"absent"}
    assert all(card.licence == "MIT" for card in CARDS)


def test_a_separator_is_downloaded_used_and_deleted(models, separations, hub):
    downloads = Downloads(models)
    downloads.start("htdemucs")
    for thread in threading.enumerate():
        if thread.name.startswith("download"):
            thread.join(20)
    assert downloads.views()["htdemucs"].state == "done"
    assert hub.names() == {"htdemucs.yaml", "955717e8.safetensors"}
    assert models.best() == HTDEMUCS

    kept = separations.separate(mixed(band(2.0)))
    assert kept.tier == "full" and kept.label == "Demucs" and kept.model.startswith("htdemucs:")
    assert list(kept.paths) == ["drums", "bass", "other", "vocals", "residual"]
    models.delete("htdemucs")
    assert models.best() is None
    with pytest.raises(ModelError, match=r"download it"):
        separations.separate(mixed(band(2.0)), model="htdemucs")


def test_a_damaged_download_is_thrown_away(models, hub, repository, tmp_path):
    hub.folder = tmp_path
    (tmp_path / "htdemucs.yaml").write_text("models: ['955717e8']")
    with pytest.raises(ModelError, match=r"thrown away"):
        models.download("htdemucs")
    assert models.status("htdemucs").state == "absent"


def test_without_a_model_the_built_in_separation_answers_and_says_so(separations):
    mix = mixed(band(2.0))
    kept = separations.separate(mix)
    assert kept.tier == "built-in" and "built-in" in kept.label
    assert kept.stems().error_db(mix) < -60
    assert list(kept.paths) == ["drums", "bass", "other", "residual"]


def test_the_same_sound_is_not_separated_twice(separations, monkeypatch):
    mix = mixed(band(2.0))
    first = separations.separate(mix)
    monkeypatch.setattr("studio.separation.signal_stretches", lambda *a, **k: pytest.fail("separated again"))
    told: list[float] = []
    again = separations.separate(Clip(mix.samples.copy(), RATE), progress=told.append)
    assert again == first and told == [1.0]
    monkeypatch.undo()
    assert separations.separate(Clip(mix.samples * 0.5, RATE)).mark != first.mark


def test_nothing_is_left_of_a_separation_that_was_stopped(separations, data_dir):
    with pytest.raises(WorkCancelled):
        separations.separate(mixed(band(2.0)), cancelled=lambda: True)
    folder = data_dir / "separations"
    assert not folder.exists() or not list(folder.iterdir())


def test_a_stem_that_has_gone_is_made_again(separations):
    mix = mixed(band(2.0))
    kept = separations.separate(mix)
    kept.paths["bass"].unlink()
    assert separations.find(kept.mark) is None
    assert separations.separate(mix).clip("bass").frames == mix.frames


def test_the_oldest_stems_go_when_the_room_is_used(data_dir, models):
    small = Separations(data_dir / "separations", models, device="cpu", most_bytes=4_000_000)
    marks = [small.separate(Clip(mixed(band(2.0)).samples * scale, RATE)).mark for scale in (1.0, 0.9, 0.8)]
    assert [small.find(mark) is not None for mark in marks] == [False, False, True]


def test_unknown_names_are_answered_with_the_known(separations):
    kept = separations.separate(mixed(band(1.0)))
    with pytest.raises(SeparationError, match=r"choose one of drums"):
        kept.clip("../take")
    with pytest.raises(ModelError, match=r"choose one of htdemucs"):
        separations.separate(mixed(band(1.0)), model="spleeter")
    assert separations.find("../../etc") is None
