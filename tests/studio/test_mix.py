"""A mix is data, and its sum is what the strips say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from audio.clip import Clip
from audio.effects import Chain, Gain, Width
from studio.desk.errors import MixError
from studio.desk.mix import Mix, Room, Strip, flat_mix, in_room, panned, render_mix, room_response, through_chain
from studio.desk.mix_book import MOST_STEPS, MixBook
from tests.audio.sounds import RATE, band, mixed

PARTS = band(2.0)


def rendered(mix: Mix, parts: dict[str, Clip] = PARTS, **named: bool) -> Clip:
    return render_mix(mix, lambda strip: through_chain(parts[strip.name], strip.chain), **named).clip


def with_strip(name: str, **values: object) -> Mix:
    flat = flat_mix(PARTS, parts="true")
    strips = tuple(s.model_copy(update=values) if s.name == name else s for s in flat.strips)
    return flat.model_copy(update={"strips": strips})


def level(samples: np.ndarray) -> float:
    return float(np.sqrt((samples.astype(np.float64) ** 2).mean()))


def test_a_flat_mix_is_the_sound_the_parts_were_taken_from() -> None:
    off = rendered(flat_mix(PARTS, parts="true")).samples - mixed(PARTS).samples
    assert level(off) < level(mixed(PARTS).samples) * 1e-5


def test_a_fader_takes_its_decibels_off() -> None:
    alone = rendered(with_strip("bass", solo=True))
    lower = rendered(with_strip("bass", solo=True, gain_db=-6.0))
    assert 20 * np.log10(level(alone.samples) / level(lower.samples)) == pytest.approx(6.0, abs=0.001)


def test_solo_leaves_only_what_is_soloed_and_mute_wins_over_it() -> None:
    assert np.allclose(rendered(with_strip("drums", solo=True)).samples, PARTS["drums"].samples, atol=1e-6)
    both = with_strip("drums", solo=True, mute=True)
    with pytest.raises(MixError, match="nothing to hear"):
        rendered(both)


def test_hard_left_puts_both_sides_on_the_left_as_web_audio_does() -> None:
    sides = np.array([[0.5], [0.25]], np.float32)
    assert panned(sides, pan=-1.0) == pytest.approx(np.array([[0.75], [0.0]]), abs=1e-6)
    assert panned(sides, pan=1.0) == pytest.approx(np.array([[0.0], [0.75]]), abs=1e-6)
    half = np.cos(np.pi / 4)
    assert panned(sides, pan=0.5) == pytest.approx(np.array([[0.5 * half], [0.25 + 0.5 * half]]), abs=1e-6)
    assert panned(sides, pan=0.0) is sides


def test_the_strips_and_the_room_sum_to_the_mix() -> None:
    mix = with_strip("drums", send=0.7, pan=-0.4).model_copy(update={"gain_db": -3.0, "room": Room(kind="hall")})
    made = render_mix(mix, lambda strip: PARTS[strip.name], keep_strips=True)
    assert set(made.strips) == {"drums", "bass", "other", "room"}
    off = sum(clip.samples for clip in made.strips.values()) - made.clip.samples
    assert level(off) < level(made.clip.samples) * 1e-5


def test_a_send_rings_after_the_part_and_its_fader_closes_it() -> None:
    click = np.zeros((2, RATE), np.float32)
    click[:, 100] = 0.5
    parts = {"click": Clip(click, RATE)}
    wet = rendered(Mix(strips=(Strip(name="click", send=1.0),)), parts)
    assert level(wet.samples[:, RATE // 4 :]) > 1e-4
    assert level(rendered(Mix(strips=(Strip(name="click"),)), parts).samples[:, RATE // 4 :]) == 0.0
    quiet = rendered(Mix(strips=(Strip(name="click", send=1.0, gain_db=-40.0),)), parts)
    assert level(quiet.samples[:, RATE // 4 :]) == pytest.approx(level(wet.samples[:, RATE // 4 :]) / 100, rel=0.01)


def test_a_long_sound_is_in_the_same_room_as_a_short_one(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = Clip(mixed(PARTS).samples[:1], RATE)
    at_once = in_room(sent, Room(kind="plate"))
    monkeypatch.setattr("studio.desk.mix._BLOCK_SECONDS", 1)
    assert np.allclose(in_room(sent, Room(kind="plate")).samples, at_once.samples, atol=1e-5)


def test_a_rooms_answer_has_unit_energy_and_dies_away() -> None:
    for kind in ("booth", "plate", "hall"):
        answer = room_response(kind, RATE).samples
        assert (answer**2).sum(axis=1).mean() == pytest.approx(1.0, rel=1e-3)
        assert level(answer[:, -RATE // 20 :]) < 1e-4


def test_mono_parts_of_different_lengths_are_mixed_in_stereo() -> None:
    parts = {"long": Clip(np.full((1, 300), 0.1), RATE), "short": Clip(np.full((1, 100), 0.2), RATE)}
    whole = rendered(flat_mix(parts, parts="whole"), parts)
    assert whole.samples.shape == (2, 300)
    assert whole.samples[:, 50] == pytest.approx([0.3, 0.3]) and whole.samples[:, 200] == pytest.approx([0.1, 0.1])


def test_parts_of_different_rates_are_refused() -> None:
    parts = {"a": Clip(np.zeros((2, 10)), RATE), "b": Clip(np.zeros((2, 10)), 32_000)}
    with pytest.raises(MixError, match="sample rates"):
        rendered(flat_mix(parts, parts="whole"), parts)


def test_a_chain_lies_before_the_fader() -> None:
    gained = with_strip("bass", solo=True, gain_db=-6.0, chain=Chain(effects=(Gain(gain_db=6.0),)))
    assert level(rendered(gained).samples) == pytest.approx(level(PARTS["bass"].samples), rel=1e-3)
    mono = with_strip("other", solo=True, chain=Chain(effects=(Width(width=0.0),)))
    left, right = rendered(mono).samples
    assert np.allclose(left, right, atol=1e-6)


def test_a_switched_off_effect_is_not_heard() -> None:
    off = Chain(effects=(Gain(gain_db=6.0, on=False),))
    assert through_chain(PARTS["bass"], off) is PARTS["bass"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"strips": [{"name": "a", "gain_db": 99}]},
        {"strips": [{"name": "a", "gain_db": float("nan")}]},
        {"strips": [{"name": "a"}, {"name": "a"}]},
        {"version": 2},
        {"strips": [{"name": "a", "chain": {"effects": [{"kind": "howl"}]}}]},
        {"unknown": 1},
    ],
)
def test_what_is_no_mix_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Mix.model_validate(wrong)


# ---------------------------------------------------------------------------------------------------- its book


@pytest.fixture
def book(tmp_path: Path) -> MixBook:
    return MixBook(tmp_path / "mix.json", start=flat_mix(["a", "b"], parts="true"))


def gains(mix: Mix) -> float:
    return mix.gain_db


def test_steps_go_back_and_forth_and_survive_the_studio(book: MixBook, tmp_path: Path) -> None:
    start = book.page.mix
    for gain_db in (-1.0, -2.0, -3.0):
        book.save(start.model_copy(update={"gain_db": gain_db}))
    assert gains(book.undo().mix) == -2.0 and gains(book.undo().mix) == -1.0
    again = MixBook(tmp_path / "mix.json", start=start)
    assert gains(again.redo().mix) == -2.0
    assert gains(again.undo().mix) == -1.0 and again.undo().mix == start
    assert again.undo().mix == start, "before the first step there is none"


def test_a_new_step_forgets_what_was_undone(book: MixBook) -> None:
    start = book.page.mix
    book.save(start.model_copy(update={"gain_db": -1.0}))
    book.undo()
    page = book.save(start.model_copy(update={"gain_db": -9.0}))
    assert not page.undone and gains(book.redo().mix) == -9.0


def test_saving_the_same_mix_is_no_step(book: MixBook) -> None:
    assert not book.save(book.page.mix).before


def test_only_so_many_steps_are_kept(book: MixBook) -> None:
    start = book.page.mix
    for step in range(MOST_STEPS + 10):
        book.save(start.model_copy(update={"gain_db": -step / 10}))
    assert len(book.page.before) == MOST_STEPS


@pytest.mark.parametrize("held", ["", "{}", "[1, 2", json.dumps({"version": 7, "mix": {}}), "\x00\xff"])
def test_a_mix_that_cannot_be_read_is_set_aside_and_not_lost(book: MixBook, tmp_path: Path, held: str) -> None:
    (tmp_path / "mix.json").write_text(held)
    assert book.page.mix == flat_mix(["a", "b"], parts="true")
    assert (tmp_path / "mix.unreadable.json").read_text() == held
