"""A script reads, cuts and encodes a file as the study did, and says what is wrong with another."""

import ast
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizers.configuration import Batch, Configuration
from optimizers.registry import RULES
from optimizers.schedules import SCHEDULES
from studies.data.columns import MISSING
from studies.script import Expected, best_script
from studies.spec import StudySpec
from tests.datasets import diabetes, wine
from tests.studies.images import case as images_case
from tests.studies.images import table as images
from tests.studies.reviews import file as reviews
from tests.studies.scripts import DIGEST, Case, case, write

ADAM = Configuration("adam")
ROWS = 100
ROOT = Path(__file__).parents[2]


def compare(tested: Case) -> ModuleType:
    """Inputs and targets are those of `prepare`, bit for bit."""
    script = tested.script(ADAM)
    parts, found, *weights = script.prepare(script.read_columns(tested.file))
    data = tested.data
    for (inputs, targets), wanted in zip(
        parts, (data.train, data.validation, data.test), strict=True
    ):
        np.testing.assert_array_equal(inputs.numpy(), wanted.inputs, strict=True)
        np.testing.assert_array_equal(targets.numpy(), wanted.targets, strict=True)
    assert found == (len(data.classes) if data.classes else data.target_scale)
    wanted_weights = data.class_weights
    assert [each.tolist() for each in weights] == (
        [pytest.approx(wanted_weights)] if wanted_weights else []
    )
    return script


def columns(rows: int = ROWS) -> dict[str, list[Any]]:
    """Every kind of column, each awkward in its way."""
    day = "2024-{:02}-{:02}".format
    return {
        "identifier": list(range(rows)),
        "constant": ["same"] * rows,
        "empty": [""] * rows,
        'name, "quoted"': [f"it's {i % 3}" for i in range(rows)],
        " spaced ": [f" {i % 7}.5" if i % 9 else "  NA "[1:-1] for i in range(rows)],
        "remark": [
            ["a, b", 'said "no"', "two\nlines", " é ", "", "N/A", " ? "][i % 7] for i in range(rows)
        ],
        "flag": [["true", "FALSE", "True", "NA"][i % 4] for i in range(rows)],
        "day": [day(i % 12 + 1, i % 28 + 1) if i % 11 else "null" for i in range(rows)],
        "moment": [f"{day(1, i % 28 + 1)}T10:{i % 60:02}:00.25" for i in range(rows)],
        "zoned": [f"{day(1, i % 28 + 1)} 10:00:00+0{i % 5}:00" for i in range(rows)],
        "time": [f"{i % 24:02}:{i % 60:02}" for i in range(rows)],
        "huge": ["1e39" if i % 8 == 0 else "inf" if i % 8 == 1 else i**2 for i in range(rows)],
        "whole": [9007199254740993 + i % 13 for i in range(rows)],
        "many": [f"c{i % 60}" for i in range(rows)],
        "rare": [3.25 if i == 17 else "?" for i in range(rows)],
    }


TARGETS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "text": (["b", "a,", 'q"'] * 33 + [""], {}),
    "whole numbers": ([10, -1, 2, 3] * 25, {}),
    "numbers": ([1.5, 0.5, "1e39", "NAN"] * 25, {"task": "classification"}),
    "boolean": (["true", "False"] * 49 + ["NA", "?"], {}),
    "rare": (["a"] * 60 + ["b"] * 37 + ["c", "d", "d"], {"seed": 5}),
    "more classes than rows that validate": ([f"c{i % 25}" for i in range(ROWS)], {}),
    "of which some are rare": ([f"c{i % 45}" for i in range(ROWS)], {}),
    "regression": ([i**2 / 7 for i in range(ROWS - 3)] + ["", "inf", "nan"], {"metric": "mae"}),
    "regression of a boolean": (["true", "False"] * 50, {"task": "regression"}),
}


@pytest.mark.parametrize("name", TARGETS)
def test_rows_are_cut_and_encoded_as_in_the_study(name: str, tmp_path: Path) -> None:
    target, spec = TARGETS[name]
    table = {**columns(), "target": target}
    rows = zip(*table.values(), strict=True)
    compare(case(write(tmp_path / "data.csv", list(table), rows), target="target", **spec))


@pytest.mark.parametrize("kind", ["numbers", "texts"])
@pytest.mark.parametrize("incomplete", [False, True])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_script_holds_what_its_columns_need(
    kind: str, incomplete: bool, task: str, tmp_path: Path
) -> None:
    values = [f"{'x' if kind == 'texts' else ''}{i % 9}" for i in range(ROWS)]
    values[3] = "" if incomplete else values[3]
    target = [i % 2 if task == "classification" else i / 3 for i in range(ROWS)]
    file = write(tmp_path / "data.csv", ["a", "y"], zip(values, target, strict=True))
    script = compare(case(file))
    assert hasattr(script, "OneHotEncoder") == (kind == "texts")
    assert hasattr(script, "StandardScaler") == (kind == "numbers")
    assert hasattr(script, "SimpleImputer") == (kind == "numbers" and incomplete)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_byte_order_mark_blank_lines_and_line_ends_do_not_matter(
    newline: str, tmp_path: Path
) -> None:
    lines = ["a,b ,y", *(f'{i % 7},"{i % 5}",{"pq"[i % 2]}' for i in range(40)), "", "1,2,p", ""]
    file = tmp_path / "data.csv"
    file.write_bytes(b"\xef\xbb\xbf" + newline.join(lines).encode())
    compare(case(file))


@pytest.mark.parametrize("missing", MISSING)
def test_missing_values_have_many_spellings(missing: str, tmp_path: Path) -> None:
    rows = [
        (missing if i % 6 == 0 else i, missing if i % 5 == 0 else "x", i % 2) for i in range(40)
    ]
    compare(case(write(tmp_path / "data.csv", ["a", "b", "y"], rows)))


cells = st.sampled_from(
    ["", "NA", " ?", "nan", "0", "1", " 2", "-3.5", "1e3", ".5", "inf", "true", "false", "TRUE",
     "2024-01-31", "1969-12-31 23:59:59", "10:30", "a", " a", 'b"', "c,d", "é"]
)  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(
    pools=st.lists(st.lists(cells, min_size=1, max_size=4), min_size=1, max_size=4),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_columns_are_read_as_in_the_study(
    tmp_path_factory: pytest.TempPathFactory, pools: list[list[str]], seed: int
) -> None:
    file = tmp_path_factory.mktemp("tables") / "data.csv"
    draw = np.random.default_rng(seed)
    rows = [[*(pool[draw.integers(len(pool))] for pool in pools), i / 7, i % 3] for i in range(50)]
    names = [*(f"c{i}" for i in range(len(pools))), "x", "y"]
    compare(case(write(file, names, rows), target="y", seed=seed))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_file_in_another_dialect_is_read_as_in_the_study(tmp_path: Path, encoding: str) -> None:
    rows = [f"{i % 7},5;1.{i:03},25;{'äöü'[i % 3]};{i % 13},125" for i in range(60)]
    file = tmp_path / "data.csv"
    file.write_text("\n".join(["größe;betrag;art;ziel", *rows]), encoding=encoding)
    read = case(file, target="ziel")
    assert read.dialect.decimal_commas == ("größe", "betrag", "ziel")
    compare(read)


@pytest.fixture
def regression(tmp_path: Path) -> Case:
    return case(diabetes(tmp_path / "data.csv"), budget={"epochs": 1}, model={"kind": "linear"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "its first row names no column 'age'"),
        ("age;sex\n1;2\n", "its first row names no column 'age'"),
        ("PAR1\x15\x04", "its first row names no column 'age'"),
        (b"PAR1\x15\xff", "it cannot be read as rows of text ("),
        ("LINES 3", "it has 3 rows where the study's table had 442"),
        ("LINES 2\n1,2\n", "row 3 has 2 values for 11 columns"),
        ("LINES 1\n" + "x," * 10 + "5\n", "'x' in column 'age' is not numeric"),
        (None, "No such file"),
    ],
)
def test_a_wrong_file_is_refused(
    regression: Case,
    content: str | bytes | None,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    script, file = regression.script(ADAM), tmp_path / "other.csv"
    if isinstance(content, str) and content.startswith("LINES "):
        first, _, rest = content.partition("\n")
        lines = regression.file.read_text().splitlines()[: int(first.split()[1]) + 1]
        content = "\n".join([*lines, rest])
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    monkeypatch.setattr("sys.argv", ["best.py", str(file)])
    assert script.main() == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"{file} cannot be used: ")
    assert message in printed.err
    assert len(printed.err.splitlines()) == 1


def test_a_script_names_what_it_is_made_of(regression: Case) -> None:
    expected = Expected("rmse", 56.25, 55.5, 57.0, 10)
    lion = Configuration("lion", {"beta1": 1 / 3}, "cosine")
    source = regression.source(lion, seed=7, expected=expected)
    top = ast.get_docstring(ast.parse(source)) or ""
    for words in (
        "lion",
        repr(1 / 3),
        "cosine",
        "rmse",
        "torch 2.",
        "scikit-learn 1.",
        DIGEST,
        "56.25",
    ):
        assert words in top
    assert "SPLIT_SEED, SEED = 0, 7" in source


def test_an_open_spec_and_another_metric_are_refused(regression: Case) -> None:
    with pytest.raises(ValueError, match="needs a resolved spec"):
        best_script(StudySpec(), regression.schema, ADAM, seed=0, digest=DIGEST)
    with pytest.raises(ValueError, match="expected is of mae; the study's metric is rmse"):
        regression.source(ADAM, expected=Expected("mae", 1.0, 0.5, 1.5, 10))


CODES = {"whole": "categorical", "flag": "categorical", "huge": "categorical", "day": "ignored"}


def by(kind: str, column: str) -> dict[str, Any]:
    """A spec's split."""
    return {"split": {"kind": kind, "column": column}}


def spread(tested: list[Case]) -> list[str]:
    """A script of every rule, with every schedule now and then."""
    batches: tuple[Batch, ...] = ("full", "single", 32)
    sources = []
    for place, name in enumerate(RULES):
        schedule = list(SCHEDULES)[place % len(SCHEDULES)]
        h = {"warmup": 0.1} if place % 2 else {}
        configuration = Configuration(
            name, {}, schedule, h, batches[place % 3], 0.5 if place % 4 else None
        )
        stated = Expected(tested[place % len(tested)].spec.goal.name, 0.1, 0.01, 1e20, 10)
        sources.append(
            tested[place % len(tested)].source(
                configuration, place, expected=stated if place % 2 else None
            )
        )
    return sources


def test_scripts_are_formatted_and_lint_free(tmp_path: Path) -> None:
    table = {**columns(), "target": TARGETS["rare"][0]}
    awkward = write(tmp_path / "awkward.csv", list(table), zip(*table.values(), strict=True))
    dropped = {"hidden": [9, 1000, 8, 7, 6], "dropout": 0.1, "activation": "gelu"}
    cases = [
        case(wine(tmp_path / "wine.csv"), model={"kind": "linear"}),
        case(awkward, target="target", model=dropped),
        case(diabetes(tmp_path / "diabetes.csv"), model=dropped | {"hidden": [5]}),
        case(diabetes(tmp_path / "diabetes.csv", imperfect=True), metric="r2"),
        case(awkward, target="whole", task="regression"),
        case(wine(tmp_path / "wine.csv"), class_weight="balanced", split={"kind": "random"}),
        case(
            awkward,
            target="target",
            class_weight={"b": 2.0},
            columns=CODES,
            **by("grouped", "many"),
        ),
        case(wine(tmp_path / "wine.csv"), **by("time", "alcohol")),
        *(
            images_case(tmp_path, images(rows=60, channels=3), target="label", model=model)
            for model in ({}, {"kind": "cnn", "channels": [4], "dropout": 0.1}, {"kind": "mlp"})
        ),
        *(
            case(reviews(tmp_path, beside=beside, gaps=beside), target="verdict", model=model)
            for model, beside in (
                ({}, False),
                ({"kind": "transformer", "dropout": 0.1}, False),
                ({"kind": "linear"}, False),
                ({}, True),
            )
        ),
    ]
    (tmp_path / "sources").mkdir()
    for place, source in enumerate(spread(cases)):
        (tmp_path / "sources" / f"source_{place}.py").write_text(source)
        defined = [getattr(node, "name", None) for node in ast.parse(source).body]
        named = [name for name in defined if name]
        assert len(named) == len(set(named))
    config = ["--config", str(ROOT / "pyproject.toml")]
    for command in (["format", "--diff", *config], ["check", "--isolated"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--no-cache", str(tmp_path / "sources")]
        ran = subprocess.run(ruff, check=False, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stdout
