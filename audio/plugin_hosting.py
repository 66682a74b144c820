"""VST3 plug-ins of this machine in a chain, tried out in a process of their own first.

A plug-in is somebody's machine code: one that crashes while it loads must take nothing with it. So it is loaded once in
a process of its own (this module, run with `python -m`), and only what came through that is loaded here. Knows nothing
of who may do so: the studio never lets guests.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audio.effects import EffectsError, Plugin

if TYPE_CHECKING:
    from collections.abc import Mapping

_TRIAL_SECONDS = 30.0
# Plug-ins made with DPF declare 2,080 MIDI controllers as parameters; reading each takes most of a minute.
_IGNORED = (re.compile(r"MIDI Ch\. "), re.compile(r"MIDI CC "))
_tried: dict[tuple[str, str, int], PluginFacts] = {}


@dataclass(frozen=True, slots=True)
class PluginFacts:
    """What a plug-in says of itself. values: its parameters by name, each 0 to 1."""

    path: str
    name: str
    maker: str
    is_instrument: bool
    values: Mapping[str, float]


def try_plugin(path: Path, *, name: str = "", timeout_seconds: float = _TRIAL_SECONDS) -> PluginFacts:
    """Load a plug-in in a process of its own and say what it is; what has been tried and is unchanged is remembered.

    Raises EffectsError when it is no plug-in, crashes, hangs, or makes notes instead of changing sound.
    """
    path = path.expanduser()
    if path.suffix.lower() != ".vst3" or not path.exists():
        raise EffectsError(f"There is no VST3 plug-in at {path}. Choose a file or folder that ends in .vst3.")
    key = (str(path), name, path.stat().st_mtime_ns)
    if key not in _tried:
        _tried[key] = _tried_outside(path, name, timeout_seconds)
    return _tried[key]


def open_plugin(effect: Plugin) -> Any:
    """pedalboard's plug-in with the effect's values, once it has proved itself outside. Raises EffectsError."""
    facts = try_plugin(Path(effect.path), name=effect.name)
    if facts.is_instrument:
        raise EffectsError(f"“{facts.name}” is an instrument, not an effect. Choose one that changes a sound.")
    plugin = _load(facts.path, effect.name)
    for name, value in effect.values.items():
        if name not in plugin.parameters:
            raise EffectsError(f"“{facts.name}” has nothing called “{name}”. It has {', '.join(facts.values)}.")
        plugin.parameters[name].raw_value = value
    return plugin


def _tried_outside(path: Path, name: str, timeout_seconds: float) -> PluginFacts:
    root = Path(__file__).resolve().parent.parent
    try:
        ran = subprocess.run(
            [sys.executable, "-m", "audio.plugin_hosting", str(path), name],
            cwd=root, capture_output=True, text=True, timeout=timeout_seconds, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise EffectsError(
            f"“{path.stem}” did not answer within {timeout_seconds:.0f} s and was left alone."
        ) from error
    # A plug-in may print on its own; ours is the last line.
    lines = ran.stdout.strip().splitlines()
    try:
        told = json.loads(lines[-1]) if ran.returncode == 0 and lines else {}
    except ValueError:
        told = {}
    if "name" in told:
        return PluginFacts(str(path), told["name"], told["maker"], told["is_instrument"], told["values"])
    if reason := told.get("error"):
        raise EffectsError(f"“{path.stem}” cannot be loaded as a VST3 effect: {reason}")
    raise EffectsError(f"“{path.stem}” crashed while it was tried, in a process of its own; the studio is untouched.")


def _load(path: str, name: str) -> Any:
    import pedalboard._pedalboard as reading
    from pedalboard import VST3Plugin

    reading.PARAMETER_NAME_REGEXES_TO_IGNORE.update(_IGNORED)
    return VST3Plugin(path, plugin_name=name or None)


def _trial(path: str, name: str) -> dict[str, Any]:
    import numpy as np

    try:
        plugin = _load(path, name)
        if not plugin.is_instrument:
            plugin.process(np.zeros((2, 8192), np.float32), 44_100.0)
    except Exception as error:  # noqa: BLE001 - whatever it is, the studio is told in one line
        return {"error": str(error).strip().splitlines()[0][:300]}
    values = {key: float(parameter.raw_value) for key, parameter in list(plugin.parameters.items())[:500]}
    maker = getattr(plugin, "manufacturer_name", "")
    return {"name": plugin.name, "maker": maker, "is_instrument": plugin.is_instrument, "values": values}


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(_trial(sys.argv[1], sys.argv[2])) + "\n")
    sys.stdout.flush()
