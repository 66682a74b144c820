"""Who is at the other end of a request, and what that visitor may do.

The guard writes the visitor into each request; pages, routes and API functions read it with `visitor_of`. Knows
nothing of passwords or cookies.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from studio.settings import Settings

_SCOPE_KEY = "studio.visitor"


class LoginNeeded(Exception):
    """A request that nobody has vouched for."""

    def __init__(self) -> None:
        super().__init__("Please log in to the studio first.")


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody using the studio.

    owner: the name takes and jobs are kept under; "" is the studio's own user, who sees everything, so that what was
    made before sharing and after is one library. name: what to greet the visitor with.
    """

    owner: str
    is_host: bool
    name: str = ""

    def may_see(self, owner: str) -> bool:
        """Whether what was made by `owner` is this visitor's to see, export and stop."""
        return self.is_host or self.owner == owner

    @property
    def sees_only(self) -> str | None:
        """The owner to narrow a listing to, or None for everybody's."""
        return None if self.is_host else self.owner


HOST = Visitor(owner="", is_host=True, name="owner")


@dataclass(frozen=True, slots=True)
class Features:
    """Which controls exist for a visitor; the page leaves out the others, and their callbacks refuse.

    path_fields: anything that takes a path on the studio's machine. manage_models: download, delete, unload.
    """

    path_fields: bool
    import_folders: bool
    import_urls: bool
    manage_models: bool
    change_settings: bool
    plug_ins: bool


def features(settings: Settings, visitor: Visitor) -> Features:
    """What this visitor may do: everything on localhost; while the studio is shared, nobody manages it, owner included."""
    may_manage = visitor.is_host and not settings.is_shared
    return Features(
        path_fields=may_manage,
        import_folders=may_manage,
        import_urls=may_manage,
        manage_models=may_manage,
        change_settings=may_manage,
        plug_ins=may_manage,
    )


def introduce(scope: MutableMapping[str, Any], visitor: Visitor) -> None:
    """Write the visitor into an ASGI request; only the guard does so."""
    scope[_SCOPE_KEY] = visitor


def visitor_of(request: Any) -> Visitor:
    """The visitor behind a Starlette request or a `gr.Request`.

    Raises LoginNeeded where there is none: a request that did not pass the guard is nobody's.
    """
    inner = getattr(request, "request", None) if request is not None else None
    scope = getattr(inner if inner is not None else request, "scope", None)
    visitor = scope.get(_SCOPE_KEY) if isinstance(scope, MutableMapping) else None
    if not isinstance(visitor, Visitor):
        raise LoginNeeded
    return visitor
