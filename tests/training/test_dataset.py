"""From sounds to a data set: what is kept, what is dropped and why, what each segment is called."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.answers import Answer
from agents.lexicon import lowered, names_in
from agents.style_agent import StyleCard
from audio.clip import Clip
from audio.io import read_clip, write_clip
from studio.training.codes import codes_of
from studio.training.cutting import cuts, duplicates, fingerprint
from studio.training.dataset import Recipe, Source, build_data_set, sources_in, split_by_track
from studio.training.errors import DataSetError
from studio.training.manifest import MANIFEST, DataSet, check_data_set, read_data_set, write_manifest
from tests.training.data_sets import RATE_HZ, tune, write_tunes


def build(into: Path, folder: Path, **recipe: Any) -> DataSet:
    fields = {"name": "set", "segment_seconds": 3.0, **recipe}
    return build_data_set(sources_in(folder), Recipe(**fields), into=into)


def test_tracks_become_segments_with_sound_words_and_a_side(data_set: DataSet) -> None:
    assert len(data_set.tracks) == 4 and len(data_set.segments) == 8
    assert len({segment.track for segment in data_set.held_out}) == 1
    for segment in data_set.segments:
        clip = read_clip(data_set.audio_path(segment))
        assert (clip.sample_rate_hz, clip.seconds) == (32_000, pytest.approx(3.0, abs=0.01))
        assert segment.caption.startswith("plucked tune number") and segment.caption_by == "sidecar"
        whole = tune(seed=int(segment.caption.split()[-1]))
        there = whole.between(segment.start_seconds, segment.start_seconds + 3.0)
        assert np.abs(clip.samples - there.samples).max() < 1e-3


def test_a_segment_must_be_sound_for_most_of_its_length() -> None:
    music = tune(seed=1, seconds=30.0).samples
    gap = np.zeros((1, 3 * RATE_HZ), np.float32)
    clip = Clip(
        np.concatenate([music[:, : 27 * RATE_HZ], gap, gap, gap, gap, music[:, : 18 * RATE_HZ]], axis=1), RATE_HZ
    )
    found = cuts(clip, segment_seconds=30.0, least_real=0.8)
    assert [(cut.start_seconds, cut.real >= 0.85) for cut in found] == [(0.0, True)], "27 of 30 s, then 18 of 30 s"
    assert len(cuts(clip, segment_seconds=30.0, least_real=0.5)) == 2


def test_a_copy_is_found_whatever_its_level_format_and_beginning() -> None:
    from audio.io import decode, encode

    first, second = tune(seed=3, seconds=12.0), tune(seed=4, seconds=12.0)
    copy = decode(encode(Clip(0.3 * first.samples[:, round(0.7 * RATE_HZ) :], RATE_HZ), format="mp3vbr"))
    prints = [fingerprint(clip) for clip in (first, second, copy, tune(seed=5, seconds=12.0))]
    assert duplicates(prints) == {2: 0}


def test_different_songs_of_one_genre_are_no_copies() -> None:
    """On real sketches, where the sketch engine has made some: the genre's four seeds all stay."""
    prints = [fingerprint(tune(seed=seed, seconds=12.0)) for seed in range(12)]
    assert duplicates(prints) == {}


def test_near_duplicates_are_dropped_and_named(tmp_path: Path) -> None:
    sounds = write_tunes(tmp_path / "sounds", count=3)
    quieter = Clip(0.4 * tune(seed=0).samples, RATE_HZ)
    write_clip(sounds / "zz copy.wav", quieter, format="wav16")
    made = build(tmp_path, sounds)
    assert "zz copy.wav" not in made.tracks and len(made.segments) == 6
    assert [line.split(" at ")[0] for line in made.facts.dropped] == ["zz copy.wav"] * 2
    assert "the same music as tune-0.flac" in made.facts.dropped[0]
    assert len(list((made.folder / "audio").iterdir())) == 6


def test_a_sidecar_always_wins_then_tags_then_what_is_heard(tmp_path: Path) -> None:
    import mutagen

    sounds = tmp_path / "sounds"
    sounds.mkdir()
    clicks = np.zeros(round(20 * RATE_HZ), np.float32)
    for beat in np.arange(0, 20, 0.5):  # 120 bpm
        at = round(beat * RATE_HZ)
        times = np.arange(2_000) / RATE_HZ
        clicks[at : at + 2_000] += (np.exp(-80 * times) * np.sin(2 * np.pi * 200 * times)).astype(np.float32)[
            : clicks.shape[0] - at
        ]
    for name in ("both", "tagged", "bare"):
        write_clip(sounds / f"{name}.flac", Clip(clicks, RATE_HZ))
    for name in ("both", "tagged"):
        file = mutagen.File(sounds / f"{name}.flac", easy=True)
        file["genre"] = "Minimal Techno"
        file.save()
    (sounds / "both.txt").write_text("my own\nwords ")
    captions = {
        segment.track: (segment.caption, segment.caption_by)
        for segment in build_data_set(
            [Source(path, path.name) for path in sorted(sounds.glob("*.flac"))],
            Recipe(name="set", segment_seconds=20.0), into=tmp_path,
        ).segments
    }  # fmt: skip
    # The three are the same music, so only the first of them stays; each is therefore asked for by itself.
    assert captions == {"bare.flac": (captions["bare.flac"][0], "analysis")}
    assert captions["bare.flac"][0].startswith("120 bpm")
    one = {
        name: build_data_set([Source(sounds / f"{name}.flac", name)], Recipe(name=name), into=tmp_path).segments[0]
        for name in ("both", "tagged")
    }
    assert (one["both"].caption, one["both"].caption_by) == ("my own words", "sidecar")
    assert one["tagged"].caption.startswith("minimal techno, 120 bpm") and one["tagged"].caption_by == "tags"


def test_the_metadata_agent_words_what_the_style_agent_heard_where_nothing_is_known(tmp_path: Path) -> None:
    from agents.metadata_agent import describe_sound

    sounds = write_tunes(tmp_path / "sounds", count=2, captions=False)
    cards: list[StyleCard] = []

    def wording(card: StyleCard) -> Answer[str]:
        cards.append(card)
        return describe_sound(card)

    made = build(tmp_path, sounds, wording=wording)
    assert len(cards) == 2 and all(card.sound and card.genre is None and not card.moods for card in cards)
    for segment in made.segments:
        assert segment.caption_by == "metadata agent, built-in"
        assert any(segment.caption.startswith(", ".join(card.sound)) for card in cards)
        named = {kind for hit in names_in(lowered(segment.caption)) for kind, _ in hit.meanings}
        assert "genre" not in named, "no genre is invented"
    assert any(
        "2 of 2 tracks were captioned by the metadata agent, by its built-in rules" in n for n in made.facts.notices
    )


def test_a_model_that_words_a_sound_is_named(tmp_path: Path) -> None:
    sounds = write_tunes(tmp_path / "sounds", count=2, captions=False)

    def wording(card: StyleCard) -> Answer[str]:
        return Answer("Plucked and bright", tier="full", agent="metadata", model="Qwen2-1.5B")

    made = build(tmp_path, sounds, wording=wording)
    assert {one.caption_by for one in made.segments} == {"metadata agent"}
    assert all(one.caption.startswith("Plucked and bright") for one in made.segments)
    assert any("by Qwen2-1.5B" in notice for notice in made.facts.notices)


def test_a_takes_caption_is_its_plans(tmp_path: Path) -> None:
    from agents.planner import plan_from_brief
    from agents.types import Brief

    plan = plan_from_brief(Brief(words="bossa nova, 132 bpm, rainy", seconds=20.0), seed=1)
    write_clip(tmp_path / "take.flac", tune(seed=1))
    made = build_data_set([Source(tmp_path / "take.flac", "take", plan=plan)], Recipe(name="set"), into=tmp_path)
    assert made.segments[0].caption_by == "metadata agent, built-in"
    assert "bossa nova" in made.segments[0].caption.lower() and "132 bpm" in made.segments[0].caption


def test_the_trigger_word_stands_before_every_caption_once(data_set: DataSet) -> None:
    from dataclasses import replace

    triggered = replace(data_set, facts=data_set.facts.model_copy(update={"trigger": "zylo"}))
    segment = triggered.segments[0]
    assert triggered.words(segment) == f"zylo, {segment.caption}"
    assert triggered.words(segment.model_copy(update={"caption": "Zylo playing low"})) == "Zylo playing low"
    assert triggered.words(segment.model_copy(update={"caption": ""})) == "zylo"


def test_vocals_are_taken_out_before_anything_is_heard(tmp_path: Path) -> None:
    sounds = write_tunes(tmp_path / "sounds", count=2)
    made = build(tmp_path, sounds, without_vocals=lambda clip: Clip(0.5 * clip.samples, clip.sample_rate_hz))
    loudest = np.abs(read_clip(made.audio_path(made.segments[0])).samples).max()
    assert loudest == pytest.approx(0.5 * np.abs(tune(seed=0).between(0, 3).samples).max(), abs=1e-3)
    assert made.facts.vocals_removed


def test_the_split_is_by_track_and_steady() -> None:
    names = [f"track {number}" for number in range(40)]
    held = split_by_track(names, share=0.1, seed=0)
    assert len(held) == 4 and held == split_by_track(reversed(names), share=0.1, seed=0)
    more = split_by_track([*names, "another"], share=0.1, seed=0)
    assert len(held & more) >= 3
    assert len(split_by_track(["a", "b"], share=0.1, seed=0)) == 1
    assert split_by_track(["a"], share=0.1, seed=0) == frozenset()


def test_codes_are_computed_once_and_are_the_encoders(
    checkpoint_folder: Callable[[str], Path], data_set: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    from studio.engines.musicgen.checkpoint import inspect
    from studio.engines.musicgen.encoder import encode
    from studio.engines.musicgen.load import load, settle_codec
    from studio.training import codes as codes_module

    codec = load(inspect(checkpoint_folder("mono")), device="cpu").model.audio_encoder
    segments = data_set.segments[:3]
    first = codes_of(data_set, segments, codec, channels=1)
    expected = encode(codec, read_clip(data_set.audio_path(segments[0])), channels=1)
    assert np.array_equal(first[0], expected) and first[0].shape == (4, 150)
    settle_codec(codec)
    monkeypatch.setattr(codes_module, "encode", lambda *args, **named: pytest.fail("encoded again"))
    again = codes_of(data_set, segments, codec, channels=1)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


# --------------------------------------------------------------------------------------------- what goes wrong


def test_one_track_is_learned_from_and_said_to_have_nothing_held_out(tmp_path: Path) -> None:
    made = build(tmp_path, write_tunes(tmp_path / "sounds", count=1))
    assert len(made.train) == 2 and not made.held_out
    assert any("over-fitting cannot be seen: add at least one more track" in notice for notice in made.facts.notices)


def test_silent_damaged_and_short_tracks_are_left_out_with_their_reason(tmp_path: Path) -> None:
    sounds = write_tunes(tmp_path / "sounds", count=2)
    write_clip(sounds / "silence.wav", Clip.silence(seconds=10.0, sample_rate_hz=RATE_HZ, channels=1))
    write_clip(sounds / "blip.wav", tune(seed=9, seconds=1.0))
    (sounds / "broken.flac").write_bytes((sounds / "tune-0.flac").read_bytes()[:3000])
    made = build(tmp_path, sounds)
    assert made.tracks == ("tune-0.flac", "tune-1.flac")
    reasons = dict(line.split(": ", 1) for line in made.facts.dropped)
    assert reasons["silence.wav"] == "it is silent, or mostly silent"
    assert reasons["blip.wav"] == "it is too short"
    assert "damaged" in reasons["broken.flac"]


def test_nothing_but_silence_is_a_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    sounds = tmp_path / "sounds"
    sounds.mkdir()
    write_clip(sounds / "silence.wav", Clip.silence(seconds=10.0, sample_rate_hz=RATE_HZ, channels=1))
    with pytest.raises(DataSetError, match=r"None of the tracks can be learned from .silence.wav: it is silent"):
        build(tmp_path / "sets", sounds)
    assert list((tmp_path / "sets").iterdir()) == []


def test_missing_captions_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.training.captions._heard", lambda clip: ())
    made = build(tmp_path, write_tunes(tmp_path / "sounds", count=2, captions=False))
    assert all(not segment.caption for segment in made.segments)
    assert any("have no caption" in notice for notice in made.facts.notices)


def test_a_folder_without_sounds_and_a_taken_name_are_sentences(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataSetError, match="no sound files in “empty”"):
        sources_in(tmp_path / "empty")
    with pytest.raises(DataSetError, match="no folder"):
        sources_in(tmp_path / "nowhere")
    sounds = write_tunes(tmp_path / "sounds", count=2)
    build(tmp_path, sounds)
    with pytest.raises(DataSetError, match="a data set “set” already"):
        build(tmp_path, sounds)
    with pytest.raises(DataSetError, match="cannot be a data set’s name"):
        build(tmp_path, sounds, name="../set")


def test_stopping_leaves_nothing(tmp_path: Path) -> None:
    sounds = write_tunes(tmp_path / "sounds", count=2)
    with pytest.raises(DataSetError, match="Stopped"):
        build_data_set(sources_in(sounds), Recipe(name="set"), into=tmp_path / "sets", cancelled=lambda: True)
    assert list((tmp_path / "sets").iterdir()) == []


@pytest.fixture
def edited(tmp_path: Path) -> Callable[[Callable[[list[dict[str, Any]]], Any]], Path]:
    """A data set whose manifest was changed by hand."""
    made = build(tmp_path, write_tunes(tmp_path / "sounds", count=3))

    def edit(change: Callable[[list[dict[str, Any]]], Any]) -> Path:
        lines = [json.loads(line) for line in (made.folder / MANIFEST).read_text().splitlines()]
        change(lines)
        (made.folder / MANIFEST).write_text("\n".join(json.dumps(line) for line in lines))
        return made.folder

    return edit


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda lines: lines[1].update(seconds="long"), r"Line 2 of the manifest: “seconds” will not do"),
        (lambda lines: lines[0].update(seconds=-3), r"Line 1 of the manifest: “seconds”"),
        (lambda lines: lines[2].pop("file"), r"Line 3 of the manifest: “file”"),
        (lambda lines: lines[0].update(file="../../etc/passwd"), r"Line 1 of the manifest names a file outside"),
        (lambda lines: lines[1].update(id=lines[0]["id"]), "names the segment .* twice"),
        (lambda lines: lines[0].update(mood="sad"), r"Line 1 of the manifest: “mood”"),
        (lambda lines: lines.clear(), "no segments left"),
        (lambda lines: lines[0].update(held_out=not lines[0]["held_out"]), "both learned from and held out"),
    ],
)
def test_a_manifest_edited_into_nonsense_is_a_sentence(edited: Any, change: Any, sentence: str) -> None:
    with pytest.raises(DataSetError, match=sentence):
        read_data_set(edited(change))


def test_a_manifest_that_is_no_json_any_more_names_its_line(edited: Any) -> None:
    folder = edited(lambda lines: None)
    text = (folder / MANIFEST).read_text().splitlines()
    (folder / MANIFEST).write_text("\n".join([text[0], "what?", *text[2:]]))
    with pytest.raises(DataSetError, match="Line 2 of the manifest is not JSON"):
        read_data_set(folder)


def test_a_data_set_with_nothing_left_to_learn_or_sound_gone_is_refused(edited: Any) -> None:
    folder = edited(lambda lines: [line.update(held_out=True) for line in lines])
    with pytest.raises(DataSetError, match="Every segment is held out"):
        check_data_set(read_data_set(folder))
    folder = edited(lambda lines: [line.update(held_out=False) for line in lines])
    (folder / read_data_set(folder).segments[0].file).unlink()
    with pytest.raises(DataSetError, match="is gone from the data set: build it again"):
        check_data_set(read_data_set(folder))


def test_a_full_disk_keeps_the_manifest_as_it_was(edited: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = edited(lambda lines: None)
    before = (folder / MANIFEST).read_text()

    def full(*args: Any, **named: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(DataSetError, match=r"could not be written .the disk is full"):
        write_manifest(folder, read_data_set(folder).segments[:1])
    monkeypatch.undo()
    assert (folder / MANIFEST).read_text() == before
