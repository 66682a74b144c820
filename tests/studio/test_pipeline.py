"""One door to all engines: by name, one take at a time, and never another engine than the one asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from audio.clip import Clip
from studio.engines.base import Cancelled, EngineError, Listener, ModelMissing, Sampling
from studio.engines.musicgen.engine import MusicGenEngine
from studio.engines.musicgen.runtime_native import NativeRuntime
from studio.models.catalogue import Catalogue
from studio.pipeline import Pipeline
from studio.settings import Settings
from tests import tiny_models
from tests.tiny_plans import make_plan

SMALL, STEREO = "facebook/musicgen-small", "facebook/musicgen-stereo-small"


@pytest.fixture
def catalogue(data_dir: Path) -> Catalogue:
    """A catalogue in which the mono and the stereo small model are here."""
    models = data_dir / "models"
    tiny_models.build_mono(models / SMALL.replace("/", "--"))
    tiny_models.build_stereo(models / STEREO.replace("/", "--"))
    return Catalogue(models)


@pytest.fixture
def pipeline(catalogue: Catalogue) -> Pipeline:
    return Pipeline(Settings(device="cpu"), catalogue)


def _take(pipeline: Pipeline, name: str, listener: Listener | None = None) -> np.ndarray:
    return pipeline.generate(name, make_plan(seconds=1.0), Sampling(seed=1), listener or Listener()).clip.samples


def _is_loaded(pipeline: Pipeline, name: str) -> bool:
    engine = pipeline.engine(name)
    assert isinstance(engine, MusicGenEngine)
    return engine.is_loaded


def test_every_engine_is_offered_with_the_reason_it_is_not_ready(pipeline: Pipeline) -> None:
    options = {option.name: option for option in pipeline.engines()}
    assert options["sketch"].ready and options["sketch"].tier == "built-in" and options["sketch"].licence == ""
    assert options[SMALL].ready and options[SMALL].reason == "" and options[SMALL].licence == "CC-BY-NC-4.0"
    large = options["facebook/musicgen-large"]
    assert not large.ready and large.tier == "full"
    assert "download it (13.7 GB)" in large.reason and "sketch engine" in large.reason
    assert not any(_is_loaded(pipeline, name) for name in (SMALL, STEREO)), "a list loads nothing"


def test_an_option_and_its_engine_agree(pipeline: Pipeline) -> None:
    for option in pipeline.engines():
        if option.ready:
            made_by = pipeline.engine(option.name).capabilities
            said = (option.name, option.label, option.tier, option.licence)
            assert (made_by.name, made_by.label, made_by.tier, made_by.licence) == said


def test_a_missing_model_is_a_sentence_and_never_another_engine(pipeline: Pipeline) -> None:
    with pytest.raises(ModelMissing, match=r"not on this machine yet: download it.*sketch engine"):
        _take(pipeline, "facebook/musicgen-medium")


def test_an_unknown_engine_names_the_known_ones(pipeline: Pipeline) -> None:
    with pytest.raises(EngineError, match=r"no engine “theremin”.*sketch.*facebook/musicgen-small"):
        _take(pipeline, "theremin")


def test_a_path_is_no_engines_name(pipeline: Pipeline, tmp_path: Path) -> None:
    """A guest may send any name; folders come in through the settings and the catalogue only."""
    folder = tiny_models.build_mono(tmp_path / "model")
    with pytest.raises(EngineError, match="no engine"):
        pipeline.engine(str(folder))


def test_a_model_is_loaded_once_and_kept(pipeline: Pipeline) -> None:
    class Loads(Listener):
        count = 0

        def progress(self, stage: str, fraction: float) -> None:
            self.count += (stage, fraction) == ("loading", 1.0)

    loads = Loads()
    first, second = _take(pipeline, SMALL, loads), _take(pipeline, "musicgen-small", loads)
    assert loads.count == 1
    assert np.array_equal(first, second)


def test_choosing_another_model_gives_back_the_first(pipeline: Pipeline) -> None:
    _take(pipeline, SMALL)
    assert _is_loaded(pipeline, SMALL)
    assert _take(pipeline, STEREO).shape[0] == 2
    assert _is_loaded(pipeline, STEREO) and not _is_loaded(pipeline, SMALL)
    pipeline.unload()
    assert not _is_loaded(pipeline, STEREO)


def test_the_folder_in_the_settings_is_the_engine_at_the_start(catalogue: Catalogue, tmp_path: Path) -> None:
    folder = tiny_models.build_mono(tmp_path / "my blues")
    pipeline = Pipeline(Settings(device="cpu", engine=str(folder)), catalogue)
    assert pipeline.default == "local/my blues"
    assert _take(pipeline, pipeline.default).shape == (1, 32_000)
    assert Pipeline(Settings(), catalogue).default == "sketch"


def test_a_deleted_model_plays_no_more(pipeline: Pipeline, catalogue: Catalogue) -> None:
    _take(pipeline, SMALL)
    catalogue.delete(SMALL)
    with pytest.raises(ModelMissing):
        _take(pipeline, SMALL)


class _Held(Listener):
    """Holds its take at the first sound until released; notes when it is heard."""

    def __init__(self) -> None:
        self.begun, self.release = threading.Event(), threading.Event()

    def heard(self, clip: Clip) -> None:
        self.begun.set()
        assert self.release.wait(30)


def _in_background(work: Callable[[], object]) -> tuple[threading.Thread, list[BaseException]]:
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except EngineError as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, errors


def test_takes_are_made_one_at_a_time(pipeline: Pipeline) -> None:
    first, second = _Held(), _Held()
    second.release.set()
    a, _ = _in_background(lambda: _take(pipeline, SMALL, first))
    assert first.begun.wait(30)
    b, _ = _in_background(lambda: _take(pipeline, STEREO, second))
    assert not second.begun.wait(0.5), "the second take began while the first was being made"
    assert _is_loaded(pipeline, SMALL), "the model in use was unloaded"
    first.release.set()
    a.join(30)
    b.join(30)
    assert second.begun.is_set()


def test_one_may_leave_the_queue(pipeline: Pipeline) -> None:
    class Impatient(Listener):
        def cancelled(self) -> bool:
            return True

    first = _Held()
    a, _ = _in_background(lambda: _take(pipeline, SMALL, first))
    assert first.begun.wait(30)
    b, errors = _in_background(lambda: _take(pipeline, SMALL, Impatient()))
    b.join(10)
    assert not b.is_alive() and isinstance(errors[0], Cancelled)
    first.release.set()
    a.join(30)


def test_out_of_memory_is_a_sentence_and_the_memory_is_given_back(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch's own error, met in the middle of a take by asking it for a petabyte."""
    import torch

    advance = NativeRuntime.advance

    def advance_greedily(*args: object) -> None:
        torch.empty(2**50, dtype=torch.uint8)

    monkeypatch.setattr(NativeRuntime, "advance", advance_greedily)
    with pytest.raises(EngineError, match=r"did not fit in the memory.*sketch engine") as error:
        _take(pipeline, SMALL)
    assert not _is_loaded(pipeline, SMALL)
    assert error.value.__cause__ is None and error.value.__context__ is None, "a traceback would hold the model"
    monkeypatch.setattr(NativeRuntime, "advance", advance)
    assert _take(pipeline, SMALL).shape == (1, 32_000)


def test_another_error_is_not_taken_for_memory(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(*args: object) -> None:
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(NativeRuntime, "advance", stumble)
    with pytest.raises(RuntimeError, match="shapes differ"):
        _take(pipeline, SMALL)


def test_listing_engines_loads_no_torch(data_dir: Path) -> None:
    import subprocess
    import sys

    script = (
        "import sys; from pathlib import Path\n"
        "from studio.models.catalogue import Catalogue; from studio.pipeline import Pipeline; from studio.settings import Settings\n"
        f"Pipeline(Settings(), Catalogue(Path({str(data_dir)!r}))).engines()\n"
        "print([m for m in ('torch', 'transformers', 'huggingface_hub', 'gradio') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert result.stdout.strip() == "[]"
