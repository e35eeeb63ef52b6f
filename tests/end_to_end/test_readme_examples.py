"""The README's ways in, typed as they stand there: curl, Python, a loop of one's own."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.conftest import Live, live_server
from tests.service.journeys import ended

pytestmark = [pytest.mark.xdist_group("readme"), pytest.mark.timeout(300)]

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SERVER = "http://127.0.0.1:8642"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_server(tmp_path_factory.mktemp("readme") / "home") as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where somebody works who has a table of prices."""
    lines = (f"{row % 17},{row * row % 23},{row % 17 * 3 + row * row % 23}" for row in range(200))
    (tmp_path / "mydata.csv").write_text("\n".join(["rooms,age,price", *lines, ""]))
    return tmp_path


def example(heading: str, kind: str) -> str:
    section = README.split(f"\n### {heading}\n", maxsplit=1)[1].split("\n### ", maxsplit=1)[0]
    blocks: list[str] = re.findall(rf"```{kind}\n(.*?)```", section, re.DOTALL)
    return blocks[0]


def run(live: Live, folder: Path, heading: str) -> str:
    code = example(heading, "python").replace(SERVER, str(live.client.base_url))
    token = live.services.token.get_secret_value()
    program = f"from pathlib import Path\n\ntoken = {token!r}\n{code}"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_from_python(live: Live, folder: Path) -> None:
    said = run(live, folder, "From Python").splitlines()
    assert "'optimizer'" in said[-1]
    assert (folder / "report.html").stat().st_size > 1000


def test_a_model_of_ones_own(live: Live, folder: Path) -> None:
    assert "'optimizer'" in run(live, folder, "Models of your own")
    (newest, *_) = live.client.get("/v1/jobs").json()["items"]
    assert (newest["mode"], newest["state"], newest["counts"]["total"]) == (
        "external",
        "completed",
        30,
    )
    assert newest["counts"]["dropped"] > 5


def test_over_rest(live: Live, folder: Path) -> None:
    script = example("Over REST", "").replace(SERVER, str(live.client.base_url))
    script = script.replace("$TOKEN", live.services.token.get_secret_value())
    uploads, submits, asks = re.sub(r" *\\\n *", " ", script).strip().splitlines()

    def typed(line: str) -> str:
        words = shlex.split(line)
        assert words[0] == "curl"
        return subprocess.run(
            [*words, "--silent", "--show-error", "--fail-with-body"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    dataset = re.search(r'"id":"([0-9a-f-]{36})"', typed(uploads))
    assert dataset
    # Quoted: a token may have these two letters as well.
    submits = submits.replace('"ID"', f'"{dataset[1]}"')
    job = re.search(r'"id":"([0-9a-f-]{36})"', typed(submits))
    assert job
    view = ended(live.client, job[1])
    assert view["state"] == "completed", view["error"]
    assert '"config":{"optimizer"' in typed(asks.replace("/ID/", f"/{job[1]}/"))
