"""Every operation of the API, as schemathesis fuzzes it by what the server says of itself.

All its checks, in all its phases. A failure is printed with the request that had it; the run is had
again with the same `FUZZ_SEED`.
"""

import os
import re
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.conftest import Live, live_server
from tests.service.journeys import ended, submit, table, upload

CASES = 5000
SEED = os.environ.get("FUZZ_SEED", "1")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def quiet(tmp_path: Path) -> Iterator[Live]:
    """A server that does not log thousands of requests."""
    with live_server(tmp_path / "home", log_level="warning") as running:
        yield running


@pytest.mark.fuzzing
@pytest.mark.timeout(900)
def test_the_server_does_what_it_says_of_itself(quiet: Live, tmp_path: Path) -> None:
    dataset = upload(quiet.client, table())
    with_results = submit(quiet.client, dataset)
    assert ended(quiet.client, with_results["id"])["state"] == "completed"
    # What is submitted from here on waits: thousands of random jobs would take days.
    quiet.services.runner.stop()
    to_delete = submit(quiet.client, dataset)
    assert quiet.client.post(f"/v1/jobs/{to_delete['id']}/pause").status_code == 200
    (in_use,) = quiet.client.get("/v1/tokens").json()["items"]
    spare = quiet.client.post("/v1/tokens", json={"name": "spare"}).json()
    external = quiet.client.post("/v1/jobs", json={"mode": "external", "metric": "rmse"}).json()
    lease = {"count": 3, "lease_seconds": 86_400}
    asked = quiet.client.post(f"/v1/jobs/{external['id']}/ask", json=lease).json()["trials"]

    command = [
        f"{sysconfig.get_path('scripts')}/st",
        f"--config-file={Path(__file__).parent / 'schemathesis.toml'}",
        "run",
        f"{quiet.client.base_url}/v1/openapi.json",
        f"--seed={SEED}",
        "--no-color",
    ]
    known = {
        "TOKEN": quiet.services.token.get_secret_value(),
        "DATASET_ID": dataset["id"],
        "JOB_ID": with_results["id"],
        "SPARE_ID": to_delete["id"],
        "EXTERNAL_ID": external["id"],
        "LEASE": asked[0]["lease"],
        "TOKEN_ID": in_use["id"],
        "SPARE_TOKEN_ID": spare["id"],
    }
    fuzzed = subprocess.run(
        command,
        cwd=tmp_path,  # it leaves a cache behind
        env=os.environ | known | {"PYTHONPATH": str(ROOT), "COLUMNS": "120"},
        capture_output=True,
        text=True,
        check=False,
    )
    print(f"FUZZ_SEED={SEED}\n{fuzzed.stdout}\n{fuzzed.stderr}")
    assert fuzzed.returncode == 0
    assert count(r"(\d+) selected / \1 total", fuzzed.stdout) >= 34
    for phase in ("Examples", "Coverage", "Fuzzing", "Stateful"):
        assert re.search(rf"✅ +{phase}$", fuzzed.stdout, re.MULTILINE), phase
    assert count(r"(\d+) generated, \1 passed", fuzzed.stdout) >= CASES
    assert quiet.client.get(f"/v1/jobs/{with_results['id']}").status_code == 200


def count(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    assert found, pattern
    return int(found[1])
