"""A `sky` that replays what was written down for each of its commands, and writes down how it was called.

python recorded_sky.py SCENARIO.json COMMAND …: the scenario has, by command, a list of [status, output], the last of which
is said again and again. No machine was rented for it. Out of SkyPilot 0.14.1's own source are NO_MACHINE (provision/lambda_cloud/
lambda_utils.py, backends/cloud_vm_ray_backend.py), NOT_SET_UP (optimizer.py) and SETUP_FAILED (cloud_vm_ray_backend.py); the
flags are those of its `--help`. Worded by us, for they come from elsewhere: RunPod's refusal for want of balance, and
urllib3's lost connection.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

NO_CREDIT = (
    "I 11-25 20:11:07 provisioner.py:74] Launching on RunPod CA (CA-MTL-1).\n"
    "runpod.error.QueryError: There is an insufficient balance in your account to deploy this pod. Please add funds.\n"
    "sky.exceptions.ResourcesUnavailableError: Failed to provision all possible launchable resources."
)
NO_MACHINE = (
    "W 11-25 20:11:09 instance.py:152] run_instances error: instance-operations/launch/insufficient-capacity: Not enough "
    "capacity to fulfill launch request. Regions with capacity available: None\n"
    "sky.exceptions.ResourcesUnavailableError: Failed to provision all possible launchable resources. "
    "Relax the task's resource requirements."
)
NOT_SET_UP = (
    "sky.exceptions.ResourcesUnavailableError: Task requires RunPod, Lambda which are not enabled. To enable access, change "
    "the task cloud requirement or run: `sky check runpod lambda`"
)
CONNECTION = (
    "urllib3.exceptions.MaxRetryError: HTTPSConnectionPool(host='rest.runpod.io', port=443): Max retries exceeded with url: "
    "/v1/pods (Caused by NameResolutionError: Temporary failure in name resolution)"
)
SETUP_FAILED = "E 11-25 20:20:01 subprocess_utils.py:141] Failed to setup with return code 1. Check the details in log."
UP = '[{"name": "studio-lesson", "status": "UP", "resources": "1x RunPod(1x_RTX4090_SECURE)", "to_down": true}]'


def main(scenario: Path, arguments: list[str]) -> int:
    told = json.loads(scenario.read_text())
    with scenario.with_suffix(".calls").open("a") as calls:
        calls.write(json.dumps(arguments) + "\n")
    said = told.get(arguments[0], [[0, ""]])
    status, output = said[0]
    if len(said) > 1:
        told[arguments[0]] = said[1:]
        scenario.write_text(json.dumps(told))
    sys.stdout.write(output)
    return status


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
