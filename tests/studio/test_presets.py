"""Presets: the shipped ones are music, the user's own are safe, and a broken file hurts nobody else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agents.harmony import Key
from agents.planner import plan_from_brief
from studio.engines.base import Sampling
from studio.presets import SHIPPED_DIR, Preset, PresetError, delete_preset, list_presets, load_preset, save_preset, slug

SHIPPED = list_presets(Path("/nowhere"))


def test_at_least_twenty_two_presets_are_shipped_and_all_can_be_read() -> None:
    assert len(SHIPPED.presets) >= 22
    assert not SHIPPED.problems
    assert len(SHIPPED.presets) == len(list(SHIPPED_DIR.glob("*.json")))


def test_the_shipped_presets_are_varied() -> None:
    plans = [plan_from_brief(preset.brief()) for preset in SHIPPED.presets]
    assert len({plan.genre.value for plan in plans}) >= 20
    assert len({plan.meter.value.name for plan in plans}) >= 4
    assert max(plan.tempo_bpm.value for plan in plans) > 2.5 * min(plan.tempo_bpm.value for plan in plans)


@pytest.mark.parametrize("preset", SHIPPED.presets, ids=lambda preset: preset.id)
def test_a_shipped_preset_plans_without_a_quarrel(preset: Preset) -> None:
    plan = plan_from_brief(preset.brief())
    assert preset.description and preset.is_shipped
    assert plan.genre.by == "asked", "its words name its genre"
    assert not [note for note in plan.notes if "kept" in note or "became" in note]


def test_a_saved_preset_comes_back_whole(tmp_path: Path) -> None:
    preset = Preset(
        name="Café Nights!", words="bossa, nylon guitar", seconds=45, tempo_bpm=126, key=Key.parse("F major"),
        negative_words="drums", engine="sketch", sampling=Sampling(seed=7, guidance=4),
    )  # fmt: skip
    kept = save_preset(preset, tmp_path)
    assert kept.id == "cafe-nights"
    assert load_preset(kept.id, tmp_path) == kept
    assert json.loads((tmp_path / "cafe-nights.json").read_text(encoding="utf-8"))["key"] == "F major"
    assert list_presets(tmp_path).presets[0] == kept
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".part"]


def test_saving_never_overwrites_a_shipped_preset_or_another_of_ones_own(tmp_path: Path) -> None:
    shipped = SHIPPED.presets[0]
    before = (SHIPPED_DIR / f"{shipped.id}.json").read_bytes()
    kept = save_preset(Preset(name=shipped.name, words="mine"), tmp_path)
    assert kept.id != shipped.id and not kept.is_shipped
    assert (SHIPPED_DIR / f"{shipped.id}.json").read_bytes() == before
    first = save_preset(Preset(name="Rain!", words="one"), tmp_path)
    second = save_preset(Preset(name="Rain?", words="two"), tmp_path)
    assert first.id != second.id
    assert load_preset(first.id, tmp_path).words == "one"


def test_saving_under_the_same_name_replaces_and_keeps_the_old_file(tmp_path: Path) -> None:
    save_preset(Preset(name="Rain", words="old words"), tmp_path)
    kept = save_preset(Preset(name="Rain", words="new words"), tmp_path)
    assert [preset.words for preset in list_presets(tmp_path).presets if preset.id == kept.id] == ["new words"]
    assert any("old words" in path.read_text(encoding="utf-8") for path in (tmp_path / ".bin").iterdir())


def test_deleting_moves_ones_own_to_the_bin_and_leaves_the_shipped(tmp_path: Path) -> None:
    kept = save_preset(Preset(name="Gone soon", words="x"), tmp_path)
    delete_preset(kept.id, tmp_path)
    with pytest.raises(PresetError, match="no preset"):
        load_preset(kept.id, tmp_path)
    assert list((tmp_path / ".bin").iterdir())
    with pytest.raises(PresetError, match="comes with the studio"):
        delete_preset(SHIPPED.presets[0].id, tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"name": "Bad", "words": "x", "seconds": 9000}', r"bad\.json: “seconds” is wrong.*1 to 600"),
        ('{"name": "Bad", "words": "x", "tempo": 90}', r"bad\.json: “tempo” is wrong.*no setting"),
        ('{"name": "Bad", "words": "x", "key": "H major"}', r"bad\.json: “key” is wrong.*not a key"),
        ('{"name": "Bad", "words": "x", "meter": 3}', r"bad\.json: “meter” is wrong"),
        ('{"name": "Bad", "words": "x", "sampling": {"top_k": -1}}', r"bad\.json: “sampling\.top_k” is wrong"),
        ('{"name": "Bad"}', r"bad\.json: “words” is wrong"),
        ('{"name": "Bad", "words": " "}', r"bad\.json: “words” is empty"),
        ('{"name": "Bad", "words": "x", "is_shipped": true}', r"bad\.json.*“is_shipped”"),
        ("{not json", r"bad\.json is not valid JSON"),
        ("[]", r"bad\.json should hold named values"),
        ("\x00", r"bad\.json is not valid JSON"),
    ],
)
def test_a_wrong_file_is_named_with_its_field_and_the_others_still_load(
    tmp_path: Path, content: str, said: str
) -> None:
    save_preset(Preset(name="Good", words="fine"), tmp_path)
    (tmp_path / "bad.json").write_text(content, encoding="utf-8")
    listing = list_presets(tmp_path)
    assert "good" in [preset.id for preset in listing.presets]
    (problem,) = listing.problems
    with pytest.raises(PresetError, match=said):
        load_preset("bad", tmp_path)
    assert "bad.json" in problem and "\n" not in problem


@pytest.mark.parametrize("preset_id", ["../secret", "a/b", "..", "", "A B", "x.json", "/etc/passwd", "con\x00"])
def test_a_presets_id_cannot_leave_the_folder(tmp_path: Path, preset_id: str) -> None:
    (tmp_path / "secret.json").write_text('{"name": "s", "words": "s"}', encoding="utf-8")
    with pytest.raises(PresetError):
        load_preset(preset_id, tmp_path / "presets")
    with pytest.raises(PresetError):
        delete_preset(preset_id, tmp_path / "presets")


def test_any_name_makes_a_file_name_any_system_takes() -> None:
    for name in ("../../etc", "雨の夜", "CON", "a" * 500, "x\x00y", "  ", "Ünïcode — dash"):
        made = slug(name)
        assert made and len(made) <= 67 and made != "con"
        assert set(made) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


def test_a_preset_without_words_is_not_kept(tmp_path: Path) -> None:
    with pytest.raises(PresetError, match="needs some words"):
        save_preset(Preset(name="Empty", words="  "), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "presets").write_text("a file where the folder should be", encoding="utf-8")
    with pytest.raises(PresetError, match="could not be written"):
        save_preset(Preset(name="Rain", words="x"), tmp_path / "presets")
