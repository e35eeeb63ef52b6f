"""Scripts made for a file, and the trainings of optimizers that they are held against."""

import atexit
import csv
import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from optimizers.configuration import Configuration
from optimizers.problem import Examples
from optimizers.torch_export import load
from optimizers.training import train
from service.ingest import read_delimited
from studies.data.dialect import Dialect
from studies.data.prepare import Data, prepare
from studies.data.schema import TableSchema, describe
from studies.resolve import resolve
from studies.script import Expected, best_script
from studies.spec import StudySpec
from studies.wave import build_problem

DIGEST = "0123456789abcdef" * 4


@dataclass(frozen=True)
class Case:
    """A file that a study was given, and what it was asked."""

    file: Path
    schema: TableSchema
    spec: StudySpec
    data: Data
    dialect: Dialect

    def source(
        self, configuration: Configuration, seed: int = 0, expected: Expected | None = None
    ) -> str:
        """The script."""
        return best_script(
            self.spec,
            self.schema,
            configuration,
            seed=seed,
            digest=DIGEST,
            dialect=self.dialect,
            expected=expected,
        )

    def script(self, configuration: Configuration, seed: int = 0) -> ModuleType:
        """What the script defines."""
        return load(self.source(configuration, seed))

    def stacked(self, configuration: Configuration, seed: int, part: str) -> dict[str, float]:
        """The metrics on one part after the same training as a stack, judged on that part."""
        training, judged = self.data.train, getattr(self.data, part)
        (outcome,) = train(
            build_problem(self.data, self.spec),
            Examples(torch.from_numpy(training.inputs), torch.from_numpy(training.targets)),
            Examples(torch.from_numpy(judged.inputs), torch.from_numpy(judged.targets)),
            [configuration],
            epochs=self.spec.budget.epochs,
            seeds=seed,
        )
        assert outcome.diverged_at is None
        return {name: curve[-1] for name, curve in outcome.metrics.items() if name != "loss"}


def case(file: Path, **spec: Any) -> Case:
    """A study of a file."""
    upload = read_delimited(file)
    table = upload.table
    assert isinstance(upload.format, Dialect)
    schema = describe(table)
    resolved = resolve(StudySpec.model_validate(spec), schema).spec
    return Case(file, schema, resolved, prepare(table, schema, resolved), upload.format)


def write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """A CSV file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


BLOCKED = ("fastapi", "optimizers", "optuna", "pandas", "pyarrow", "pydantic", "service", "studies")
ALONE = f"""\
import json, os, runpy, sys, warnings

class Without:
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        blocked = name.partition(".")[0] in {BLOCKED}
        return None if blocked else self.finder.find_spec(name, path, target)

sys.meta_path[:] = map(Without, sys.meta_path)
warnings.simplefilter("error")
import sklearn.compose, sklearn.feature_extraction.text, sklearn.impute, sklearn.pipeline
import torch._dynamo  # which torch imports when an optimizer is made

for line in sys.stdin:
    if os.fork() == 0:
        break
    print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
else:
    sys.exit()
folder, *sys.argv = json.loads(line)
os.chdir(folder)
for stream, name in ((1, "stdout"), (2, "stderr")):
    os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@cache
def _starter() -> subprocess.Popen[str]:
    """A process that forks one for each script, as importing torch takes longer than they do."""
    started = subprocess.Popen(
        [sys.executable, "-I", "-c", ALONE],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    atexit.register(started.communicate)
    return started


def alone(script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script where nothing of this project, pandas or pyarrow can be imported."""
    starter, folder = _starter(), script.parent
    assert starter.stdin is not None
    assert starter.stdout is not None
    print(json.dumps([str(folder), str(script), *arguments]), file=starter.stdin, flush=True)
    code = int(starter.stdout.readline())
    said = [(folder / name).read_text() for name in ("stdout", "stderr")]
    return subprocess.CompletedProcess([str(script), *arguments], code, *said)
