"""What stands at the top of a script: what it is, and the numbers that it is made with."""

from collections.abc import Mapping
from importlib.metadata import version

from optimizers.registry import find_rule
from optimizers.schedules import find_schedule
from optimizers.torch_export.formatting import bracketed, paragraph
from studies.data.columns import LARGEST, MISSING
from studies.data.prepare import NUMERIC
from studies.data.texts import TOKENS, WORDS
from studies.script.facts import Facts
from studies.script.literals import entries, literal, number
from studies.spec import ModelSpec

SHOWN = 10  # epochs printed


def header(facts: Facts) -> str:
    """The docstring."""
    configuration, spec = facts.configuration, facts.spec
    rule, schedule = find_rule(configuration.optimizer), find_schedule(configuration.schedule)
    shaping = {"clip_norm": configuration.clip_norm, "l2": configuration.l2}
    settings = {name: value for name, value in shaping.items() if value}
    lines = [
        f"{spec.task} judged by {spec.goal.name}; network: {_network(spec.model)}",
        _numbers("optimizer", rule.name, {**configuration.hyperparameters, **settings}),
        _numbers("schedule", schedule.name, configuration.schedule_hyperparameters),
        f"batch {configuration.batch}, {spec.budget.epochs} epochs, seed {facts.seed}",
        *_stated(facts),
    ]
    codes = "0 if all went well, 2 if the file is wrong"
    if facts.expected is not None:
        codes = (
            "0 if the test score is inside the stated interval, 1 if outside, 2 for a wrong file"
        )
    versions = f"torch {version('torch')} and scikit-learn {version('scikit-learn')}"
    return "\n".join(
        [
            '"""The best configuration of a study in plain PyTorch: trains it, and tests it.',
            "",
            "    python best.py data.csv",
            "    python best.py data.csv --seed 7",
            "",
            paragraph(
                "data.csv is the file that the study was given. Its rows are cut and encoded as the "
                "study did, and the network is trained as the study's trial was. Needs torch, numpy "
                f"and scikit-learn. Exit codes: {codes}."
            ),
            "",
            *(paragraph(line, "    ") for line in lines),
            "",
            paragraph(f"{rule.name}: {rule.summary} From: {rule.reference}."),
            paragraph(f"{schedule.name}: {schedule.summary} From: {schedule.reference}."),
            "",
            f"Made by Fallline {version('fallline')} with {versions}.",
            f"SHA-256 of the table as the study stored it: {facts.digest}",
            '"""',
        ]
    )


def constants(facts: Facts, flags: dict[str, bool]) -> str:
    """The data and the study in numbers."""
    spec, expected = facts.spec, facts.expected
    columns = {column.name: facts.written(column) for column in facts.features}
    lines = [
        f"TARGET = {literal(facts.target.name)}",
        f"TARGET_KIND = {literal(facts.written(facts.target))}",
        bracketed("COLUMNS = {", entries(columns), "}"),
        f"ROWS = {facts.schema.rows}  # of the file, its first row not counted",
        f"ENCODING, DELIMITER = {literal(_encoding(facts))}, {literal(facts.dialect.delimiter)}",
        bracketed("MISSING = {", [literal(text) for text in MISSING], "}"),
    ]
    if facts.split_column is not None:
        apart = facts.split_column
        lines += [
            f"SPLIT_COLUMN = {literal(apart.name)}",
            f"SPLIT_KIND = {literal(facts.written(apart))}",
        ]
    if isinstance(spec.class_weight, dict):
        named = [f"{_class(facts, n)}: {number(w)}" for n, w in spec.class_weight.items()]
        lines.append(bracketed("CLASS_WEIGHTS = {", named, "}"))
    if flags["tokens"]:
        lines += [f"WORDS = {WORDS}  # that have a number", f"TOKENS = {TOKENS}  # of a text"]
    if flags["numbers_beside"]:
        kinds = sorted(
            {facts.written(column) for column in facts.features if column.kind in NUMERIC}
        )
        lines.append(bracketed("NUMBERS = {", [literal(kind) for kind in kinds], "}"))
    if facts.image is not None:
        lines.append(f"SHAPE = {tuple(facts.image)}  # height, width and channels of an image")
    if flags["numeric"]:
        lines.append(f"LARGEST = {number(LARGEST)}  # of single precision")
    lines += ["", f"METRIC = {literal(spec.goal.name)}"]
    if expected is not None:
        ends = f"{number(expected.low)}, {number(expected.high)}"
        lines.append(f"LOWEST, HIGHEST = {ends}  # of a new seed's score")
    epochs = spec.budget.epochs
    lines += [f"SPLIT_SEED, SEED = {spec.seed}, {facts.seed}", f"EPOCHS = {epochs}"]
    lines.append(f"SHOWN = {-(-epochs // SHOWN)}  # every so many epochs are printed")
    batch = facts.configuration.batch
    if batch != "full":
        lines.append(f"BATCH = {1 if batch == 'single' else batch}")
    if flags["dropout"]:
        lines.append(f"KEPT = {1 - spec.model.dropout!r}  # share of hidden numbers in training")
    return "\n".join([*lines, "", "Examples = tuple[Tensor, Tensor]  # inputs and targets"])


def _class(facts: Facts, name: str) -> str:
    """A class as the script reads it."""
    if facts.target.kind == "categorical":
        return literal(name)
    if facts.target.kind == "boolean":
        return number(float(name == "True"))
    return number(float(name))


def _encoding(facts: Facts) -> str:
    # which reads a byte order mark, if there is one
    return "utf-8-sig" if facts.dialect.encoding == "utf-8" else facts.dialect.encoding


def _network(model: ModelSpec) -> str:
    if model.kind == "linear":
        return "linear"
    dropout = f", dropout {model.dropout!r}" if model.dropout else ""
    if model.kind in {"text", "transformer"}:
        more = f", {model.heads} heads, hidden {model.hidden[0]}"
        block = more if model.kind == "transformer" else ""
        return f"{model.kind}, embeddings of width {model.embedding}{block}{dropout}"
    if model.kind == "cnn":
        hidden = f"channels {', '.join(map(str, model.channels))}"
    else:
        hidden = f"hidden {', '.join(map(str, model.hidden))}"
    return f"{model.kind}, {hidden}, {model.activation}{dropout}"


def _numbers(what: str, name: str, numbers: Mapping[str, float]) -> str:
    return f"{what} {name}: " + ", ".join(f"{key} {value!r}" for key, value in numbers.items())


def _stated(facts: Facts) -> list[str]:
    """What the test score should be, if that is known."""
    expected = facts.expected
    if expected is None:
        return []
    interval = f"{expected.low:.4g} to {expected.high:.4g} for another seed"
    return [
        f"test {expected.metric} {expected.mean:.4g}, the mean of {expected.seeds} seeds; {interval}"
    ]
