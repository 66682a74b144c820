"""Puts a benchmark's table into docs/library.md, between its marks."""

from __future__ import annotations

import re
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "library.md"


def put(name: str, lines: list[str]) -> None:
    """Replace what stands between <!-- name --> and <!-- /name -->. Raises ValueError when there are no such marks."""
    text = DOCUMENT.read_text(encoding="utf-8")
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.S)
    if not pattern.search(text):
        raise ValueError(f"{DOCUMENT.name} has no place for {name}")
    DOCUMENT.write_text(
        pattern.sub(lambda found: found[1] + "\n".join(lines) + "\n" + found[2], text), encoding="utf-8"
    )
    print(f"written to {DOCUMENT.name}")
