"""What listeners think of takes: votes for one, and choices between several.

Each opinion is one line of `opinions.jsonl`, appended and flushed, which is the truth; the history's table is its
index, filled again from the file when the history was rebuilt. Knows nothing of sound or of pages.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from studio.history import journal
from studio.history.history import History

REASONS = ("fits the words", "groove", "melody", "harmony", "sound", "mix", "arrangement")
Value = Literal[-1, 0, 1]


class OpinionError(Exception):
    """An opinion makes no sense or could not be kept; the message is a sentence for the user."""


class Opinion(BaseModel):
    """One judgement. A vote is of one take: value 1 liked, -1 disliked, 0 taken back. A choice is among several
    takes: `take` was preferred to all `others` (value 1), or none was (value 0, take "").

    blind: the listener did not know which was which.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    owner: str = ""
    take: str
    others: tuple[str, ...] = ()
    value: Value
    reasons: tuple[str, ...] = ()
    words: str = Field(default="", max_length=2_000)
    blind: bool = False
    created_at: datetime

    @model_validator(mode="after")
    def _choice_has_takes(self) -> Opinion:
        if len(self.others) + bool(self.take) < 1 or self.take in self.others:
            raise ValueError("an opinion is about takes, each named once")
        return self


@dataclass(frozen=True, slots=True)
class Standing:
    """What is thought of one take. vote: the latest. won, lost: choices among several."""

    vote: int = 0
    won: int = 0
    lost: int = 0

    @property
    def liked(self) -> bool | None:
        """True or False when opinions lean one way, None when there are none or they cancel out."""
        balance = 2 * self.vote + self.won - self.lost
        return None if balance == 0 else balance > 0


class Opinions:
    """The opinions kept at `path`, indexed in the history. Thread-safe. notice: what was found odd, else ""."""

    def __init__(self, history: History, path: Path) -> None:
        self._history, self.path = history, path
        self.notice = ""
        self._fill_index()

    def vote(
        self, take: str, value: Value, *, reasons: Sequence[str] = (), words: str = "", owner: str = ""
    ) -> Opinion:
        """Like, dislike, or take either back. Raises OpinionError."""
        return self._keep(take=take, others=(), value=value, reasons=reasons, words=words, owner=owner, blind=False)

    def choose(
        self,
        takes: Sequence[str],
        preferred: str | None,
        *,
        reasons: Sequence[str] = (),
        words: str = "",
        blind: bool = False,
        owner: str = "",
    ) -> Opinion:
        """Prefer one of two or more takes, or none of them. Raises OpinionError."""
        if len(set(takes)) < 2 or len(set(takes)) != len(takes):
            raise OpinionError("A choice is made among two or more different takes.")
        if preferred is not None and preferred not in takes:
            raise OpinionError("The preferred take is not among those compared.")
        others = tuple(take for take in takes if take != preferred)
        return self._keep(
            take=preferred or "", others=others, value=1 if preferred else 0, reasons=reasons, words=words, owner=owner,
            blind=blind,
        )  # fmt: skip

    def standings(self, *, owner: str | None = None) -> dict[str, Standing]:
        """What is thought of each take that anybody (or this owner) has an opinion of."""
        found: dict[str, Standing] = {}
        for opinion in self.all(owner=owner):
            if opinion.take and not opinion.others:
                before = found.get(opinion.take, Standing())
                found[opinion.take] = Standing(opinion.value, before.won, before.lost)
            elif opinion.take:
                before = found.get(opinion.take, Standing())
                found[opinion.take] = Standing(before.vote, before.won + 1, before.lost)
                for other in opinion.others:
                    before = found.get(other, Standing())
                    found[other] = Standing(before.vote, before.won, before.lost + 1)
        return found

    def all(self, *, owner: str | None = None, take: str | None = None) -> list[Opinion]:
        """Opinions, oldest first."""
        with self._history.reading() as connection:
            rows = connection.execute(
                "SELECT opinion FROM opinions WHERE (? IS NULL OR owner = ?) ORDER BY created_at, rowid", (owner, owner)
            ).fetchall()
        opinions = [Opinion.model_validate_json(row["opinion"]) for row in rows]
        return [each for each in opinions if take is None or take == each.take or take in each.others]

    def merge(self, opinions: Sequence[Opinion]) -> int:
        """Take in opinions from elsewhere (an archive); those already here are left. Returns how many were new."""
        known = {each.id for each in self.all()}
        fresh = [each for each in opinions if each.id not in known]
        for each in fresh:
            self._write(each)
        return len(fresh)

    def _keep(self, *, reasons: Sequence[str], words: str, **named: object) -> Opinion:
        kept_words = " ".join(words.split())[:2_000]
        try:
            opinion = Opinion.model_validate(
                {
                    **named, "id": secrets.token_hex(8), "created_at": datetime.now(UTC), "words": kept_words,
                    "reasons": tuple(dict.fromkeys(reason for reason in reasons if reason in REASONS)),
                }
            )  # fmt: skip
        except ValidationError as wrong:
            raise OpinionError("An opinion is about a take: like it, dislike it, or take that back.") from wrong
        self._write(opinion)
        return opinion

    def _write(self, opinion: Opinion) -> None:
        try:
            journal.append(self.path, opinion.model_dump(mode="json"))
        except OSError as error:
            raise OpinionError(f"The opinion could not be kept: {error.strerror or error}.") from error
        self._index([opinion])

    def _fill_index(self) -> None:
        records, odd = journal.read(self.path)
        found = []
        for record in records:
            try:
                found.append(Opinion.model_validate(record))
            except ValidationError:
                odd += 1
        if odd:
            self.notice = (
                f"{odd} lines of {self.path.name} cannot be read and are passed over; they are left as they are."
            )
        self._index(found)

    def _index(self, opinions: Sequence[Opinion]) -> None:
        with self._history.writing() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO opinions (id, owner, created_at, opinion) VALUES (?, ?, ?, ?)",
                [(each.id, each.owner, each.created_at.isoformat(), each.model_dump_json()) for each in opinions],
            )
