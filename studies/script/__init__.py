"""The best configuration of a study as a script that needs torch, numpy and scikit-learn alone."""

from string import Template

from optimizers.configuration import Configuration
from optimizers.torch_export import export_parts, import_statements
from optimizers.torch_export.formatting import bracketed, chosen_lines
from optimizers.torch_export.modules import Import
from studies.data.dialect import STANDARD, Dialect
from studies.data.features import features
from studies.data.images import ImageShape
from studies.data.prepare import CATEGORIES
from studies.data.schema import TableSchema
from studies.data.split import HELD_OUT, STRATIFIABLE
from studies.data.texts import TERMS
from studies.script.constants import constants, header
from studies.script.facts import Expected, Facts
from studies.script.literals import literal
from studies.script.text import MAIN, MODEL, PREPARING, READING, SPLITTING, TRAINING
from studies.spec import ModelSpec, StudySpec

__all__ = ["Expected", "best_script"]

_IMPORTS: dict[str, Import] = {
    "Counter": ("collections", "Counter"),
    "GroupShuffleSplit": ("sklearn.model_selection", "GroupShuffleSplit"),
    "OneHotEncoder": ("sklearn.preprocessing", "OneHotEncoder"),
    "Path": ("pathlib", "Path"),
    "SimpleImputer": ("sklearn.impute", "SimpleImputer"),
    "TfidfVectorizer": ("sklearn.feature_extraction.text", "TfidfVectorizer"),
    "re": ("re", None),
    "StandardScaler": ("sklearn.preprocessing", "StandardScaler"),
    "UTC": ("datetime", "UTC"),
    "argparse": ("argparse", None),
    "csv": ("csv", None),
    "datetime": ("datetime", "datetime"),
    "make_pipeline": ("sklearn.pipeline", "make_pipeline"),
    "partial": ("functools", "partial"),
    "np": ("numpy as np", None),
    "sys": ("sys", None),
    "train_test_split": ("sklearn.model_selection", "train_test_split"),
}
_ACTIVATIONS = {"relu": "nn.ReLU()", "tanh": "nn.Tanh()", "gelu": "nn.GELU()"}


def best_script(
    spec: StudySpec,
    schema: TableSchema,
    configuration: Configuration,
    *,
    seed: int,
    digest: str,
    dialect: Dialect = STANDARD,
    expected: Expected | None = None,
) -> str:
    """Python source that reads the study's table from a text file, trains a configuration and tests it.

    Its rows, inputs, first weights and batches are those that the study's trial has; its command
    line is ``python best.py data.csv [--seed N]``.

    Args:
        spec: resolved.
        schema: of the table that the study was given.
        configuration: what to train.
        seed: of the training.
        digest: SHA-256 of the stored table, to be named.
        dialect: of the text file that the script is given.
        expected: where the test score should fall; None if nobody knows yet.

    Raises:
        InvalidProblem: as `torch_export`.
        ValueError: the spec is open, its target is no column, or another metric is expected.
    """
    target = schema.column(spec.target or "")
    if target is None or spec.task is None or spec.metric is None:
        raise ValueError("best_script needs a resolved spec and the schema of its table")
    if expected is not None and expected.metric != spec.goal.name:
        raise ValueError(
            f"expected is of {expected.metric}; the study's metric is {spec.goal.name}"
        )
    columns = features(schema, spec)
    facts = Facts(spec, schema, configuration, seed, digest, dialect, expected, target, columns)
    optimizer, flags = export_parts(configuration), facts.flags()
    words = _words(facts, total_steps=optimizer.total_steps)
    pieces = [
        Template(chosen_lines(text, flags)).substitute(words)
        for text in (READING, SPLITTING, PREPARING, MODEL, TRAINING, MAIN)
    ]
    blocks = [*pieces[:4], *optimizer.blocks, *pieces[4:]]
    body = "\n\n\n".join([constants(facts, flags), *blocks])
    imports = import_statements(body, {**optimizer.imports, **_IMPORTS})
    return f"{header(facts)}\n\n{imports}\n\n{body}\n"


def _words(facts: Facts, *, total_steps: bool) -> dict[str, str]:
    """What stands for each ``$word`` of the text."""
    readers = {
        "numeric": "number",
        "boolean": "boolean",
        "date": "date",
        "categorical": "str",
        "image": "image",
        "text": "str",
        "decimal_comma": "decimal_comma",
    }
    readers |= {
        f"{kind} categorical": f"lambda text: category({readers[kind]}(text))"
        for kind in ("numeric", "boolean", "decimal_comma")
    }
    classification, flags = facts.spec.task == "classification", facts.flags()
    full = facts.configuration.batch == "full"
    scale = [] if classification else ["scale: float"]
    weighted = facts.spec.class_weight is not None
    weights = ["weights: Tensor"] if weighted else []
    loss = 'scores["log_loss"]' if classification else '(scores["rmse"] / scale) ** 2'
    return {
        "readers": bracketed(
            "READERS = {", [f"{literal(kind)}: {readers[kind]}" for kind in facts.kinds], "}"
        ),
        "stratifiable": str(STRATIFIABLE),
        "smallest_part": str(facts.smallest_part),
        "held_out": repr(HELD_OUT),
        "target_type": "object" if facts.target.kind == "categorical" else "float",
        "categories": str(CATEGORIES),
        "terms": str(TERMS),
        "encoded": _encoded(facts),
        "input_type": "int64" if flags["tokens"] else "float32",
        "inputs": "int(training[0].max()) + 1" if flags["tokens"] else "training[0].shape[1]",
        "width": str(facts.spec.model.embedding),
        "heads": str(facts.spec.model.heads),
        "hidden": str(next(iter(facts.spec.model.hidden), "")),
        "found": "scale"
        if not classification
        else "len(names), weights"
        if weighted
        else "len(names)",
        "extra": "scale" if not classification else "classes, weights" if weighted else "classes",
        "outputs": "classes" if classification else "1",
        "scale_given": "" if classification else ", scale",
        "weights_given": ", weights" if weighted else "",
        "network": _network(facts),
        "train_signature": bracketed(
            "def train(",
            [
                "model: nn.Module",
                "training: Examples",
                "validation: Examples",
                *scale,
                *weights,
                "seed: int",
            ],
            ") -> None:",
        ),
        "total_steps": "EPOCHS" if full else "EPOCHS * math.ceil(len(inputs) / BATCH)",
        "total_asked": ", total_steps" if total_steps else "",
        "batch": "len(inputs)" if full else "BATCH",
        "watched": loss,
        "seeds": str(facts.expected.seeds) if facts.expected else "",
    }


def _encoded(facts: Facts) -> str:
    """The inputs of a table, kind by kind."""
    flags = facts.flags()
    parts = [
        code
        for flag, code in (
            ("numbers", "scaler.transform(numbers)"),
            ("texts", "one_hot.transform(texts)"),
            ("words", "*bags"),
        )
        if flags[flag]
    ]
    return (
        parts[0] if len(parts) == 1 and not flags["words"] else f"np.hstack([{', '.join(parts)}])"
    )


def _network(facts: Facts) -> str:
    """The lines that make it."""
    model = facts.spec.model
    if model.kind == "linear":
        return "    return nn.Linear(inputs, outputs)"
    if facts.image is not None and model.kind == "cnn":
        return _convolutions(facts.image, model)
    if model.kind in {"text", "transformer"}:
        bag = f"nn.EmbeddingBag(inputs, {model.embedding}, padding_idx=0)"
        layers = [bag if model.kind == "text" else "Encoder(inputs)"]
        layers += [f"Dropout({model.embedding})"] if model.dropout else []
        layers.append(f"nn.Linear({model.embedding}, outputs)")
        return bracketed("    return nn.Sequential(", layers, ")")
    layers, before = [], "inputs"
    for width in model.hidden:
        layers += [f"nn.Linear({before}, {width})", _ACTIVATIONS[model.activation]]
        layers += [f"Dropout({width})"] if model.dropout else []
        before = str(width)
    layers.append(f"nn.Linear({before}, outputs)")
    return bracketed("    return nn.Sequential(", layers, ")")


def _convolutions(image: ImageShape, model: ModelSpec) -> str:
    layers, before = [], image.channels
    for width in model.channels:
        layers += [f"nn.Conv2d({before}, {width}, 3, padding=1)", _ACTIVATIONS[model.activation]]
        layers.append("nn.MaxPool2d(2)")
        before = width
    halved = len(model.channels)
    width = before * (image.height >> halved) * (image.width >> halved)
    layers.append("nn.Flatten()")
    layers += [f"Dropout({width})"] if model.dropout else []
    layers.append(f"nn.Linear({width}, outputs)")
    return bracketed("    return nn.Sequential(", layers, ")")
