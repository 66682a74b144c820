"""What a page that plays live MIDI could know of its sound, so that its timing is judged against the machine it ran on."""

from __future__ import annotations

from itertools import pairwise
from statistics import fmean

from playwright.sync_api import Page

# What the page could know while it played: where the sound was at each of its looks, and where it had to begin anew, for
# the sound began before the page looked, or jumped in the loudspeaker of a busy machine.
LOOKING_ON = """() => {
  const { player } = studio.midi, follow = player.follow.bind(player);
  window.heads = [];
  window.begun = [];
  player.follow = (head) => {
    const { anchor } = player, was = anchor ? player.placeAt(performance.now()) : null;
    follow(head);
    if (head?.playing) heads.push([head.when, head.at]);
    if (player.anchor && player.anchor !== anchor) begun.push([was ?? head.began, player.placeAt(performance.now()), was === null]);
  };
}"""
TAKEN_UP_SECONDS = 0.3  # a start that is noticed no later than this loses no note


class Looks:
    """The page's looks at the sound, as LOOKING_ON kept them; milliseconds by its clock, seconds in the sound."""

    def __init__(self, page: Page) -> None:
        self.heads: list[tuple[float, float]] = page.evaluate("() => heads")
        self.begun: list[tuple[float, float, bool]] = page.evaluate("() => begun")
        self.gaps = [b - a for (a, _), (b, _) in pairwise(self.heads)]

    def passed_over(self, place: float) -> bool:
        """Whether the sound went on from before that place to behind it between two looks."""
        return any(
            was <= place <= at for was, at, is_start in self.begun if not is_start or at - was > TAKEN_UP_SECONDS
        )

    def moment_of(self, place: float) -> float:
        """When that place was heard, by the look that was nearest."""
        when, at = min(self.heads, key=lambda head: abs(head[1] - place))
        return when + (place - at) * 1_000

    @property
    def speed(self) -> float:
        """How fast the sound went on by the page's clock."""
        (first, start), (last, end) = self.heads[0], self.heads[-1]
        return (end - start) * 1_000 / (last - first)

    @property
    def unevenness_ms(self) -> float:
        """How far the sound's own steps are from the clock's, on the average."""
        return fmean(abs((p2 - p1) * 1_000 - (t2 - t1)) for (t1, p1), (t2, p2) in pairwise(self.heads))

    @property
    def blind_share(self) -> float:
        """Of the time, how much lay so long after a look that nothing could be handed over ahead."""
        return sum(max(0.0, gap - 120.0) for gap in self.gaps) / sum(self.gaps)
