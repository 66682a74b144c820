"""How much of a core the plug-in takes, many at once, all sounding.

    .venv/bin/python benchmarks/plugin.py [--seconds 5] [--write]

The CLAP in the small host of plugin/tests, fed by a studio that really runs; CPU time of the one thread that runs them, so other
work on the machine hardly shows. --write puts the table into docs/plugin.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.tables import DOCS, put  # noqa: E402
from tests.plugin.built import build  # noqa: E402
from tests.plugin.known_takes import clicks, keep  # noqa: E402
from tests.running import running_studio  # noqa: E402

CASES = ((1, 64), (16, 64), (64, 64), (64, 256), (64, 1024))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    built = build()
    lines = ["| plug-ins | frames a block | of a core | while the tempo is off the sound's |", "|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder) / "data"
        keep(data_dir, "Clicks", clicks())
        with running_studio(data_dir, timeout_seconds=180):
            for count, block in CASES:
                said = built.host(
                    "time", built.clap, count, block, options.seconds, plugin_file=data_dir / "plugin.txt"
                )
                loads = {name: float(value) for name, value in (line.split() for line in said.decode().splitlines())}
                lines.append(f"| {count} | {block} | {loads['load']:.2%} | {loads['bent_load']:.2%} |")
                print(lines[-1], flush=True)
    if options.write:
        put("load", lines, document=DOCS / "plugin.md")


if __name__ == "__main__":
    main()
