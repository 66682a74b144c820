"""What a press brought forth is scrolled to where it can be seen: on a small screen it may lie under the deck."""

from __future__ import annotations

# What a callback has just made visible is laid out some frames later.
_SCRIPT = """() => {
  let frames = 60;
  const look = () => {
    const made = document.getElementById("%s");
    if (made?.offsetHeight) made.scrollIntoView({ block: "nearest", behavior: "smooth" });
    else if (frames--) requestAnimationFrame(look);
  };
  requestAnimationFrame(() => requestAnimationFrame(look));
}"""


def into_view(elem_id: str) -> str:
    """A script for an event without a function: moves as little as shows the element (main.js says what the deck covers)."""
    return _SCRIPT % elem_id
