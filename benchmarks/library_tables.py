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


def put_rows(name: str, header: list[str], rows: list[str]) -> None:
    """Put rows into a table, each in place of the one that begins with the same cell; the other rows stay as measured."""
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", DOCUMENT.read_text(encoding="utf-8"), re.S)
    kept = found[1].splitlines()[len(header) :] if found and found[1].splitlines()[: len(header)] == header else []
    table = {row.split("|")[1].strip(): row for row in [*(row for row in kept if row.startswith("|")), *rows]}
    put(name, [*header, *table.values()])
