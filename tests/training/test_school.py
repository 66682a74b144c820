"""Training in the studio: a data set is captioned by the studio's own agents, and says by whom."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.settings import Settings
from studio.studio import Studio
from studio.training.dataset import Recipe
from studio.training.errors import DataSetError
from studio.training.manifest import FACTS, DataSet
from tests.tiny_gguf import write_gguf
from tests.training.data_sets import write_tunes


@pytest.fixture
def studio(data_dir: Path) -> Iterator[Studio]:
    with Studio(Settings(data_dir=data_dir, agents_threads=1)) as opened:
        yield opened


def built(studio: Studio, sounds: Path, name: str) -> DataSet:
    school = studio.school
    school.build(school.from_folder(str(sounds)), Recipe(name=name, segment_seconds=3.0))
    until = time.monotonic() + 120
    while school.building().state == "running":
        assert time.monotonic() < until
        time.sleep(0.05)
    assert school.building().state == "done", school.building().error
    return school.data_set(name)


def test_sounds_without_words_are_worded_by_the_metadata_agents_rules(studio: Studio, tmp_path: Path) -> None:
    made = built(studio, write_tunes(tmp_path / "sounds", count=2, captions=False), "bare")
    assert {one.caption_by for one in made.segments} == {"metadata agent, built-in"}
    assert all("instrumental" in one.caption for one in made.segments)
    assert any("its built-in rules" in notice for notice in made.facts.notices)


def test_they_are_worded_by_its_model_where_one_is_chosen_and_never_past_what_was_heard(
    studio: Studio, tmp_path: Path
) -> None:
    card = studio.desk.files.add_local(write_gguf(tmp_path / "tiny.gguf", name="Tiny"))
    studio.desk.models.choose("metadata", card.id)
    made = built(studio, write_tunes(tmp_path / "sounds", count=6, captions=False), "worded")
    by = {one.caption_by for one in made.segments}
    assert "metadata agent" in by <= {"metadata agent", "metadata agent, built-in"}
    assert any("by Tiny" in notice for notice in made.facts.notices)


def test_a_sidecar_wins_over_the_agents(studio: Studio, tmp_path: Path) -> None:
    made = built(studio, write_tunes(tmp_path / "sounds", count=2, captions=True), "said")
    assert {one.caption_by for one in made.segments} == {"sidecar"} and not any(
        "metadata agent" in notice for notice in made.facts.notices
    )


def test_what_a_killed_studio_left_half_made_goes_when_it_opens_again(data_dir: Path) -> None:
    settings = Settings(data_dir=data_dir, agents_threads=1)
    homes = [
        data_dir / "training" / "sets",
        settings.adapters_dir,
        data_dir / "separations",
        data_dir / "desk" / "uploads",
    ]
    for home in homes:
        for left in (".part-1", ".gone-1"):
            (home / left).mkdir(parents=True)
            (home / left / FACTS).write_text("{}", encoding="utf-8")
    with Studio(settings) as opened:
        assert opened.school.data_sets() == [] and opened.school.shelf.adapters() == []
        assert opened.mixing_desk.items.uploads(None) == ()
        assert [path for home in homes for path in home.iterdir()] == []


def test_a_data_set_that_cannot_be_deleted_stays_whole(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = built(studio, write_tunes(tmp_path / "sounds", count=2, captions=True), "kept")

    def refused(self: Path, target: Path) -> Path:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "replace", refused)
    with pytest.raises(DataSetError, match=r"“kept” could not be deleted \(.+\): nothing was changed"):
        studio.school.delete_data_set("kept")
    monkeypatch.undo()
    assert studio.school.data_set("kept").segments == made.segments
    studio.school.delete_data_set("kept")
    assert studio.school.data_sets() == []
