"""The mix of an item rendered: to hear, to keep as a take, to carry off.

Knows nothing of queues or of files' names.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from audio.clip import Clip
from audio.loudness import integrated_lufs
from studio.desk.items import Item, put_sound
from studio.desk.jobs import Work
from studio.desk.mix import Mix, Mixed, render_mix
from studio.desk.options import Options

if TYPE_CHECKING:
    from studio.desk.desk import Desk


class HearOptions(Options):
    """Render the mix with the effects on the sum, to compare it with the desk."""


class BounceOptions(Options):
    """Keep the mix as a take."""

    title: Annotated[str, Field(max_length=120)] = ""


def mixdown(desk: Desk, item: Item, mix: Mix, progress: Callable[[float], None], *, keep_strips: bool = False) -> Mixed:
    """The mix with every strip's chain, before the chain on the sum. Raises MixError, EffectsError."""
    return render_mix(mix, lambda strip: desk.strip_sound(item, mix, strip), keep_strips=keep_strips, progress=progress)


def full_mix(desk: Desk, item: Item, mix: Mix, progress: Callable[[float], None]) -> Clip:
    """The mix with the chain on the sum."""
    return on_sum(desk, item, mix, mixdown(desk, item, mix, lambda share: progress(0.7 * share)).clip, progress)


def on_sum(desk: Desk, item: Item, mix: Mix, clip: Clip, progress: Callable[[float], None]) -> Clip:
    """The chain on the sum, laid on."""
    from audio.effect_rack import apply_chain

    if not any(effect.on for effect in mix.chain.effects):
        return clip
    return apply_chain(
        clip, mix.chain, tempo_bpm=desk.tempo_of(item), plugins_allowed=desk.plugins_allowed,
        progress=lambda share: progress(0.7 + 0.3 * share),
    )  # fmt: skip


def hear(desk: Desk, item: Item, options: HearOptions, work: Work) -> Mapping[str, Any]:
    """The whole mix as a file to hear beside the desk, and by how much it is turned to be as loud as the desk is."""
    mix = desk.sheet(item).page.mix
    plain = mixdown(desk, item, mix, work.part(0.0, 0.6, "mixing")).clip
    clip = on_sum(desk, item, mix, plain, work.part(0.3, 0.9, "effects on the sum"))
    before, after = integrated_lufs(plain), integrated_lufs(clip)
    put_rendering(item, work, "mix", clip)
    gain_db = before - after if np.isfinite(before) and np.isfinite(after) else 0.0
    return {"gain_to_match_db": gain_db, "before_lufs": finite(before), "after_lufs": finite(after)}


def put_rendering(item: Item, work: Work, name: str, clip: Clip) -> None:
    """A sound made to be heard beside the desk; earlier ones of the item make way."""
    home = item.folder / "renderings"
    for old in sorted(home.glob("*/"), key=lambda path: path.stat().st_mtime)[:-3]:
        shutil.rmtree(old, ignore_errors=True)
    folder = home / secrets.token_hex(6)
    folder.mkdir(parents=True)
    path = put_sound(folder / name, clip)
    work.files[path.name] = path


def bounce(desk: Desk, item: Item, options: BounceOptions, work: Work) -> Mapping[str, Any]:
    """The mix as a take of its own, a version of the one it came from; its strips are its stems while nothing lies on the sum."""
    sheet = desk.sheet(item)
    mix = sheet.page.mix
    treated = any(effect.on for effect in mix.chain.effects)
    mixed = mixdown(desk, item, mix, work.part(0.0, 0.7, "mixing"), keep_strips=not treated)
    clip = on_sum(desk, item, mix, mixed.clip, work.part(0.3, 0.85, "effects on the sum"))
    clip, stems, turned_db = under_full_scale(clip, mixed.strips)
    work.tell(0.9, "keeping the take")
    take = desk.keep_take(
        item, clip, stems=stems, title=options.title or f"{item.title} (mix)",
        how={"kind": "mix", "source": item.source, "mix": mix.model_dump(mode="json"), "parts_label": sheet.parts.label},
        grid=exact_grid(desk, item),
    )  # fmt: skip
    return {"take": take.id, "title": take.title, "turned_down_db": round(turned_db, 2)}


def under_full_scale(clip: Clip, stems: Mapping[str, Clip]) -> tuple[Clip, dict[str, Clip], float]:
    """A clip that fits a file of integers, with its stems turned down alike, and by how many dB."""
    peak = float(np.abs(clip.samples).max()) if clip.frames else 0.0
    if peak <= 0.999:
        return clip, dict(stems), 0.0
    factor = np.float32(0.999 / peak)
    lower = {name: Clip(stem.samples * factor, stem.sample_rate_hz) for name, stem in stems.items()}
    return Clip(clip.samples * factor, clip.sample_rate_hz), lower, -20 * float(np.log10(factor))


def exact_grid(desk: Desk, item: Item) -> dict[str, Any] | None:
    """What a take keeps of a grid that is known exactly, so that the desk need not listen for it again."""
    beats = desk.beats(item)
    if beats is None or beats.confidence < 1.0 or item.plan is None:
        return None
    first = beats.downbeats_seconds[0] if beats.downbeats_seconds else 0.0
    return {"exact": True, "tempo_bpm": beats.tempo_bpm, "first_beat_seconds": first}


def finite(value: float) -> float | None:
    """A level for JSON; None for the silence of -inf."""
    return float(value) if np.isfinite(value) else None
