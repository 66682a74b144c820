"""What is wrong with a take's sound, whatever the music: holes, clipping, clicks, hum, width, loudness, balance.

Part of the quality agent; works on measured values only.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from agents.quality_music import Timeline
from agents.types import SongPlan, VerdictPart
from audio.faults import Span
from audio.heard import Heard
from audio.texture import BAND_EDGES_HZ, NEUTRAL_DB

_ABRUPT_DB = 12.0
_MONO_DB = -45.0
_BAND_SLACK_DB = (18.0, 10.0, 8.0, 7.0, 8.0, 9.0, 14.0, 22.0)


def fault_parts(
    plan: SongPlan, heard: Heard, timeline: Timeline, *, engine_channels: int | None, target_lufs: float
) -> list[VerdictPart]:
    """Every part about the sound itself."""
    return [
        _silence(heard, timeline),
        _clipping(heard, timeline),
        _clicks(heard, timeline),
        _hum(heard, timeline),
        _width(plan, heard, timeline, engine_channels),
        _loudness(heard, target_lufs),
        _balance(heard),
        _offset(heard),
    ]


def _silence(heard: Heard, timeline: Timeline) -> VerdictPart:
    """Cut-out sound, and pauses too long to be meant; the last chord's ring is no pause."""
    music_end = heard.sounding[1] - 0.05
    bad = [
        span
        for span in heard.holes
        if span.end_seconds < music_end and (span.strength >= _ABRUPT_DB or span.seconds > 1.6)
    ]
    # A whole section of silence is a missing section, and told as that.
    bad = [s for s in bad if not any(_covers(s, timeline.spans[n]) for n in timeline.sections_at(*_edges(s)))]
    lost = sum(span.seconds for span in bad)
    score, reason = 100.0, ""
    if heard.sounding[1] <= heard.sounding[0]:
        score, reason = 0.0, "There is no sound at all."
    elif bad:
        longest = max(bad, key=lambda span: span.seconds)
        score = max(0.0, 45 - 25 * lost)
        reason = f"The sound stops for {longest.seconds:.1f} s at {_clock(longest.start_seconds)}."
    elif heard.sounding[0] > 2.0:
        score, reason = 60.0, f"Nothing is heard for the first {heard.sounding[0]:.1f} s."
    return VerdictPart(
        name="silence", label="Gaps", asked="none", measured=f"{lost:.1f} s" if bad else "none", score=score,
        weight=0.5 if score > 0 or bad else 1.0, reason=reason, sections=_where(bad, timeline),
    )  # fmt: skip


def _edges(span: Span) -> tuple[float, float]:
    return span.start_seconds, span.end_seconds


def _covers(span: Span, section: tuple[float, float]) -> bool:
    inside = min(section[1], span.end_seconds) - max(section[0], span.start_seconds)
    return inside > 0.6 * (section[1] - section[0])


def _clipping(heard: Heard, timeline: Timeline) -> VerdictPart:
    tops = sum(span.strength * span.seconds for span in heard.clipped)
    share = sum(span.seconds for span in heard.clipped) / max(1e-9, heard.seconds)
    reason = ""
    if heard.clipped:
        first = heard.clipped[0].start_seconds
        reason = f"The loudest peaks are cut off flat ({100 * share:.0f} % of the time, first at {_clock(first)}): it distorts."
    return VerdictPart(
        name="clipping", label="Clipping", asked="none", measured=f"{tops:.0f} flat peaks" if heard.clipped else "none",
        score=max(0.0, 60 - 15 * float(np.log10(max(1.0, tops / 3)))) if heard.clipped else 100.0, weight=0.55,
        reason=reason, sections=_where(heard.clipped, timeline),
    )  # fmt: skip


def _clicks(heard: Heard, timeline: Timeline) -> VerdictPart:
    # The edges of a hole click too, and flat tops bend sharply: each is told once.
    near = [(s.start_seconds - 0.05, s.end_seconds + 0.05) for s in heard.holes]
    found = [c for c in heard.clicks if not any(a <= c.start_seconds <= b for a, b in near)]
    if heard.clipped:
        found = [
            c for c in found if not any(s.start_seconds <= c.start_seconds <= s.end_seconds for s in heard.clipped)
        ]
    reason = ""
    if found:
        count = "A click" if len(found) == 1 else f"{len(found)} clicks"
        reason = (
            f"{count} at {_clock(max(found, key=lambda c: c.strength).start_seconds)}, as at a join without a fade."
        )
    worst = max((click.strength for click in found), default=0.0)
    return VerdictPart(
        name="clicks", label="Clicks", asked="none", measured=str(len(found)) if found else "none",
        score=max(5.0, 75 - 90 * (worst - 1) - 6 * (len(found) - 1)) if found else 100.0, weight=0.4, reason=reason,
        sections=_where(found, timeline),
    )  # fmt: skip


def _hum(heard: Heard, timeline: Timeline) -> VerdictPart:
    found = heard.hum
    share = sum(span.seconds for span in found.spans) / max(1e-9, heard.seconds) if found else 0.0
    bad = found is not None and (share > 0.25 or any(span.seconds >= 4 for span in found.spans))
    reason = ""
    if found and bad:
        reason = f"There is a mains hum at {found.mains_hz:.0f} Hz under the music."
    return VerdictPart(
        name="hum", label="Hum", asked="none", measured=f"{found.mains_hz:.0f} Hz" if found and bad else "none",
        score=(max(10.0, 50 - 40 * share) if bad else 100.0), weight=0.45, reason=reason,
        sections=_where(found.spans, timeline, least_seconds=2.0) if found and bad else (),
    )  # fmt: skip


def _width(plan: SongPlan, heard: Heard, timeline: Timeline, engine_channels: int | None) -> VerdictPart:
    score, reason, where = 100.0, "", []
    width, correlation = heard.stereo.side_db, heard.stereo.correlation
    asked = "stereo" if (engine_channels or 2) > 1 else "mono"
    measured = "mono" if heard.channels == 1 or width is None else f"correlation {correlation:.2f}"
    if asked == "stereo" and heard.channels == 1:
        score, reason = 35.0, "It is mono: both sides carry the same."
    elif width is not None and correlation is not None:
        for number, bars in enumerate(timeline.bars):
            sides = [heard.bars[b].side_db for b in bars if heard.bars[b].level_db > -50]
            if len(sides) > 1 and float(np.median(sides)) < _MONO_DB:
                where.append(number)
        if asked == "stereo" and (width < _MONO_DB or where):
            everywhere = width < _MONO_DB
            score = 20.0 if everywhere else 45.0
            where = list(range(len(plan.sections))) if everywhere else where
            place = (
                "The stereo picture" if everywhere else f"The stereo picture of {plan.sections[where[0]].name.value}"
            )
            reason = f"{place} has collapsed: both sides carry the same."
        elif correlation < -0.2:
            score, reason = 30.0, "The two sides are out of phase: on one loudspeaker much of it vanishes."
    return VerdictPart(
        name="stereo", label="Stereo", asked=asked, measured=measured, score=score, weight=0.45, reason=reason,
        sections=tuple(where),
    )  # fmt: skip


def _loudness(heard: Heard, target_lufs: float) -> VerdictPart:
    away = heard.loudness_lufs - target_lufs
    over = heard.peak_dbtp > 0.3
    score, reason = 100.0, ""
    if not np.isfinite(away):
        score, reason = 0.0, "It is silent."
    elif abs(away) > 3.0:
        score = max(0.0, 85 - 8 * (abs(away) - 3))
        reason = f"It is {abs(away):.0f} dB {'louder' if away > 0 else 'softer'} than finished music."
    if over and score > 60:
        score, reason = 60.0, f"Its peaks reach {heard.peak_dbtp:+.1f} dBTP: players may distort them."
    return VerdictPart(
        name="loudness", label="Loudness", asked=f"{target_lufs:.0f} LUFS",
        measured=f"{heard.loudness_lufs:.1f} LUFS" if np.isfinite(heard.loudness_lufs) else "silent", score=score,
        weight=0.25, reason=reason,
    )  # fmt: skip


def _balance(heard: Heard) -> VerdictPart:
    """Against the neutral curve; too little is only wrong in the middle, for not every band has a bass or cymbals."""
    away = [
        max(0.0, abs(db - neutral) - slack) * (1 if db > neutral else -1)
        for db, neutral, slack in zip(heard.balance_db, NEUTRAL_DB, _BAND_SLACK_DB, strict=True)
    ]
    away = [value if value > 0 or 2 <= band <= 5 else 0.0 for band, value in enumerate(away)]
    worst = max(range(len(away)), key=lambda k: abs(away[k]))
    score, reason = max(0.0, 100 - 6 * abs(away[worst])), ""
    if score < 90:
        low, high = BAND_EDGES_HZ[worst], BAND_EDGES_HZ[worst + 1]
        much = "much" if away[worst] > 0 else "little"
        reason = f"There is too {much} between {_hertz(low)} and {_hertz(high)}."
    return VerdictPart(
        name="balance", label="Spectral balance", asked="even", measured="even" if not reason else reason[13:-1],
        score=score, weight=0.2, reason=reason,
    )  # fmt: skip


def _offset(heard: Heard) -> VerdictPart:
    bad = heard.dc_offset > 0.02
    return VerdictPart(
        name="offset", label="DC offset", asked="none", measured=f"{100 * heard.dc_offset:.1f} %",
        score=max(20.0, 80 - 600 * heard.dc_offset) if bad else 100.0, weight=0.25,
        reason="The waveform does not swing round zero (a DC offset): it costs headroom and clicks at cuts." if bad else "",
    )  # fmt: skip


def _where(spans: Iterable[Span], timeline: Timeline, *, least_seconds: float = 0.0) -> tuple[int, ...]:
    """The sections that these stretches lie in; one that is only grazed does not count."""
    touched: dict[int, float] = {}
    whole: set[int] = set()
    for span in spans:
        for number in timeline.sections_at(span.start_seconds, span.end_seconds):
            start, end = timeline.spans[number]
            inside = min(end, span.end_seconds) - max(start, span.start_seconds)
            touched[number] = touched.get(number, 0.0) + inside
            if inside >= 0.5 * span.seconds:
                whole.add(number)
    return tuple(sorted(n for n, inside in touched.items() if n in whole or inside >= max(1.2, least_seconds)))


def _clock(seconds: float) -> str:
    return f"{int(seconds // 60)}:{seconds % 60:04.1f}"


def _hertz(hertz: float) -> str:
    return f"{hertz:.0f} Hz" if hertz < 1_000 else f"{hertz / 1_000:g} kHz"
