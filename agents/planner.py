"""The one door to planning: a brief in, a song plan out, and edited plans checked.

Everything the floors above need of the planning agents, gathered; knows nothing itself.
"""

from agents.prompt_agent import describe
from agents.reading_brief import read_brief
from agents.revision import apply_edits, make_brief, revise
from agents.structure_agent import plan_from_brief, plan_song
from agents.types import BriefError, EmptyBrief, PlanError
from agents.wishes import Wishes

__all__ = [
    "BriefError",
    "EmptyBrief",
    "PlanError",
    "Wishes",
    "apply_edits",
    "describe",
    "make_brief",
    "plan_from_brief",
    "plan_song",
    "read_brief",
    "revise",
]
