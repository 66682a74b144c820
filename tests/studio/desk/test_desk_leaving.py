"""What leaves the desk: mixes, parts, loops, projects, several takes at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audio.io import read_clip
from studio.studio import Studio
from tests.audio.sounds import band, mixed
from tests.studio.desk.desk_parts import bring, done, keep_take, on_desk


@pytest.mark.parametrize("what", ["mix", "strips", "parts"])
def test_what_is_carried_off_sums_to_the_mix(studio: Studio, what: str, tmp_path: Path) -> None:
    import zipfile

    item = on_desk(studio, keep_take(studio))
    work = done(studio, "export", item, what=what, format="wav24")
    assert work.state == "done", work.error
    path = next(iter(work.files.values()))
    if what == "mix":
        sounds = [read_clip(path)]
    else:
        with zipfile.ZipFile(path) as bundle:
            bundle.extractall(tmp_path)
        sounds = [read_clip(each) for each in tmp_path.glob("*.wav")]
        assert len(sounds) == 2
    total = sum(sound.stereo().samples for sound in sounds)
    assert np.allclose(total, item.clip().stereo().samples, atol=1e-5)
    assert item.title in path.name


@pytest.mark.parametrize(
    "options", [{"what": "moon"}, {"what": "mix", "format": "exe"}, {"what": "strips", "format": "mp3"}]
)
def test_an_export_there_is_none_of_is_refused(studio: Studio, options: dict[str, str]) -> None:
    work = done(studio, "export", on_desk(studio, keep_take(studio)), **options)
    assert work.state == "failed" and work.error


@pytest.mark.parametrize("format", ["dawproject", "reaper", "daw"])
def test_a_desk_leaves_as_a_project_with_its_strips(studio: Studio, format: str) -> None:
    import zipfile

    item = on_desk(studio, keep_take(studio))
    work = done(studio, "export", item, what="project", format=format)
    assert work.state == "done", work.error
    with zipfile.ZipFile(next(iter(work.files.values()))) as bundle:
        assert sum(name.endswith(".wav") for name in bundle.namelist()) == 2


def test_several_takes_leave_at_once_and_nobody_elses(studio: Studio) -> None:
    import zipfile

    takes = [keep_take(studio, owner="anna") for _ in range(3)]
    foreign = keep_take(studio, owner="ben")
    desk, item = studio.mixing_desk, on_desk(studio, takes[0])
    options = {"what": "takes", "format": "flac", "takes": [take.id for take in takes]}
    work = desk.jobs.wait(desk.ask("export", item.source, options, owner="anna").id, timeout_seconds=30)
    with zipfile.ZipFile(next(iter(work.files.values()))) as bundle:
        assert len(bundle.namelist()) == 3
    options["takes"] = [foreign.id]
    refused = desk.jobs.wait(desk.ask("export", item.source, options, owner="anna").id, timeout_seconds=30)
    assert refused.state == "failed" and not refused.files


def test_a_loop_leaves_with_points_a_sampler_reads_or_fills_a_length(studio: Studio) -> None:
    from audio.loop_points import read_loop_points

    item = bring(studio, mixed(band(8.0)).samples)
    loop = (done(studio, "loops", item).result or {})["loops"][0]
    region = {"what": "loop", "start_seconds": loop["start"], "end_seconds": loop["end"]}
    path = next(iter(done(studio, "export", item, **region).files.values()))
    ((start, end),) = read_loop_points(path.read_bytes())
    assert (start, end) == (0, loop["end_frame"] - loop["start_frame"])
    filled = next(iter(done(studio, "export", item, **region, fill_seconds=20.0).files.values()))
    assert read_clip(filled).seconds == pytest.approx(20.0, abs=1e-4)


def test_a_file_says_how_it_was_mixed_and_has_a_cover(studio: Studio) -> None:
    import mutagen

    from audio.tags import read_provenance

    item = on_desk(studio, keep_take(studio))
    document = studio.mixing_desk.sheet(item).page.mix.model_dump(mode="json")
    studio.mixing_desk.save_mix(item, {**document, "gain_db": -2.0})
    path = next(iter(done(studio, "export", item, what="mix", format="flac").files.values()))
    told = read_provenance(path)
    assert told and told["mix"]["gain_db"] == -2.0 and told["take"] == item.source.removeprefix("take:")
    assert mutagen.File(path).pictures
