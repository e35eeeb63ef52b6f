"""The same request without a page: as JSON, for curl, in Python, for the `fallline` command."""

import json
import shlex
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Row

from service.settings import Settings
from studies.script.literals import literal
from studies.spec import BudgetSpec

Json = dict[str, Any]

SUFFIXES = {"text": "csv", "parquet": "parquet", "npz": "npz", "pictures": "zip"}
OPTIONS = {
    "target": "--target",
    "metric": "--metric",
    "budget.trials": "--trials",
    "budget.epochs": "--epochs",
    "budget.seconds": "--seconds",
    "confirmation.seeds": "--seeds",
    "seed": "--seed",
    "name": "--name",
}
EXPRESSED = OPTIONS.keys() | {"dataset", "question"}
TRIALS = BudgetSpec().trials  # the command `compare` has another default


def as_json(spec: Json) -> str:
    """The body of the request."""
    return json.dumps(spec, indent=2, ensure_ascii=False)


def as_curl(url: str, spec: Json) -> str:
    """A line for a shell, with the body below it."""
    return f"""\
curl -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \\
     --data @- {shlex.quote(f"{url}/v1/jobs")} <<'JSON'
{as_json(spec)}
JSON"""


def as_python(url: str, spec: Json) -> str:
    """A program over Fallline's own client."""
    fields = {name: value for name, value in spec.items() if name != "dataset"}
    arguments = [literal(spec["dataset"]), *(f"{name}={_python(v)}" for name, v in fields.items())]
    listed = "".join(f"        {each},\n" for each in arguments)
    return f"""\
import os

from service.client import Client

with Client({literal(url)}, os.environ["TOKEN"]) as fallline:
    job = fallline.submit(
{listed}    )
    print(job["id"])"""


def as_command(url: str, spec: Json, dataset: Row[Any]) -> str:
    """A `fallline` command, which uploads the file anew; or why there is none."""
    leaves = dict(_leaves(spec))
    compared = leaves.get("question") == "compare"
    words = [f"FALLLINE_TOKEN=$TOKEN{_port(url)} fallline", "compare" if compared else "tune"]
    words.append(shlex.quote(_file(dataset)))
    if dataset.target is not None:
        leaves.setdefault("target", dataset.target)
    if compared:
        leaves.setdefault("budget.trials", TRIALS)
    for name, option in OPTIONS.items():
        if name in leaves:
            words += [option, shlex.quote(str(leaves[name]))]
    expressed = set(EXPRESSED)
    if isinstance(leaves.get("space.optimizers"), list):
        expressed.add("space.optimizers")
        words += [f"--optimizer {shlex.quote(name)}" for name in leaves["space.optimizers"]]
    if leaves.get("transfer") is False and not compared:
        expressed.add("transfer")
        words.append("--no-transfer")
    if missing := sorted(leaves.keys() - expressed):
        named = ", ".join(missing)
        return f"# The command has no option for {named}: use curl or Python for this job."
    return " ".join(words)


def _leaves(spec: Json, above: str = "") -> Iterator[tuple[str, Any]]:
    """Every value by its dotted name; the columns' kinds are one."""
    for name, value in spec.items():
        if isinstance(value, dict) and name != "columns":
            yield from _leaves(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _port(url: str) -> str:
    port = urlsplit(url).port
    usual = Settings.model_fields["port"].default
    return "" if port in {None, usual} else f" FALLLINE_PORT={port}"


def _file(dataset: Row[Any]) -> str:
    """What the file may have been called: nobody keeps its name."""
    suffix = SUFFIXES[dataset.format["kind"]] if dataset.format else "csv"
    return f"{dataset.name}.{suffix}"


def _python(value: Any) -> str:
    if isinstance(value, str):
        return literal(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_python, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{literal(key)}: {_python(each)}' for key, each in value.items())}}}"
    return repr(value)
