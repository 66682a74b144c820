"""Puts a benchmark's table into one of docs/, between its marks; the library's unless another is named."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent / "docs"
LIBRARY = DOCS / "library.md"


def put(name: str, lines: list[str], *, document: Path = LIBRARY) -> None:
    """Replace what stands between <!-- name --> and <!-- /name -->. Raises ValueError when there are no such marks."""
    text = document.read_text(encoding="utf-8")
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.S)
    if not pattern.search(text):
        raise ValueError(f"{document.name} has no place for {name}")
    document.write_text(
        pattern.sub(lambda found: found[1] + "\n".join(lines) + "\n" + found[2], text), encoding="utf-8"
    )
    print(f"written to {document.name}")


def lines_of(name: str) -> list[str]:
    """What stands between a table's marks."""
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", LIBRARY.read_text(encoding="utf-8"), re.S)
    return found[1].splitlines() if found else []


def put_rows(name: str, header: list[str], rows: list[str], *, order: list[str] | None = None) -> None:
    """Put rows into a table, each in place of the one that begins with the same cell; the others stay as measured.

    order: how the first cells of all that a whole run makes begin; what begins otherwise is of another day, and goes.
    """
    kept = [row for row in lines_of(name) if row.startswith("|") and row not in header]
    table = {row.split("|")[1].strip(): row for row in [*kept, *rows]}
    wanted = table if order is None else [cell for begin in order for cell in table if cell.startswith(begin)]
    put(name, [*header, *(table[cell] for cell in wanted)])
