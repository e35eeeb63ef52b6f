"""The model card: what a trained network is, how good, and how to use it (Mitchell et al. 2019)."""

import json
from typing import Literal

from studies.model_files.model import Model
from studies.model_files.weights import layers

Form = Literal["safetensors", "onnx"]

_ACTIVATIONS = {"relu": "torch.nn.ReLU()", "tanh": "torch.nn.Tanh()", "gelu": "torch.nn.GELU()"}


def card(model: Model, form: Form) -> str:
    """Markdown.

    Args:
        model: what it is about.
        form: of the file beside it.
    """
    preprocessing = model.trained.preprocessing
    target = preprocessing.target
    outcome = f"one of {len(target.classes)} classes" if target.classes else "a number"
    sections = [
        f"# A network that predicts {_quoted(target.name)}",
        f"It predicts {outcome} from {_columns(model)} of a table, {_quoted(model.dataset)}. "
        f"Fallline {model.environment.versions['fallline']} found its configuration and trained it.",
        "## How good it is",
        *_scores(model),
        "## How to use it",
        *_usage(model, form),
        "## Where it comes from",
        _origin(model),
        _facts(model),
        "## What to bear in mind",
        "It knows rows like those of its table. Whether its mistakes fall evenly on all kinds of rows was "
        "not looked at.",
        "No licence is claimed for the weights, and none is granted by Fallline: they follow from the "
        "table, and whatever holds for the table may hold for them.",
    ]
    return "\n\n".join(sections) + "\n"


def _columns(model: Model) -> str:
    preprocessing = model.trained.preprocessing
    count = len(preprocessing.numeric) + len(preprocessing.categorical)
    return f"{count} column{'s' if count > 1 else ''}"


def _scores(model: Model) -> list[str]:
    metric, finalist = model.spec.goal.name, model.finalist
    names = [name for name in model.trained.test if name != "loss"]
    table = [
        f"| | {' | '.join(names)} |",
        f"|---|{'---|' * len(names)}",
        *(
            f"| {rows} rows | {' | '.join(f'{scores[name]:.6g}' for name in names)} |"
            for rows, scores in (
                ("validation", model.trained.validation),
                ("test", model.trained.test),
            )
        ),
    ]
    about = (
        "The search chose by validation rows, so the score on them flatters; no trial has seen the test "
        "rows."
    )
    if finalist is None:
        said = "The study confirmed nothing: nobody knows how much of these scores is luck with the seed."
    else:
        low, high = finalist.interval
        lowest, highest = finalist.next_run
        said = (
            f"From {finalist.seeds} fresh seeds the configuration scored a mean test {metric} of "
            f"{finalist.mean:.6g}, 95 % interval {low:.6g} to {high:.6g}; a single training lands between "
            f"{lowest:.6g} and {highest:.6g} 99 times in 100. This one is from the first of those seeds "
            "that did not diverge: nobody chose it by its score."
        )
    return ["\n".join(table), about, said]


def _usage(model: Model, form: Form) -> list[str]:
    target, width = model.trained.preprocessing.target, len(model.trained.preprocessing.inputs)
    rows = [
        "import csv",
        "import json",
        "from pathlib import Path",
        "",
        *(
            ["import numpy", "import onnxruntime"]
            if form == "onnx"
            else ["import torch", "from safetensors.torch import load_file"]
        ),
        "",
        "from preprocess import encode",
        "",
        'how = json.loads(Path("preprocessing.json").read_text(encoding="utf-8"))',
        'with open("new.csv", encoding="utf-8", newline="") as file:',
        "    rows = [encode(row, how) for row in csv.DictReader(file)]",
    ]
    if form == "onnx":
        output = "probabilities" if target.classes else "predictions"
        rows += [
            'session = onnxruntime.InferenceSession("model.onnx")',
            f'({output},) = session.run(None, {{"inputs": numpy.array(rows, dtype=numpy.float32)}})',
        ]
    else:
        output = "torch.softmax(outputs, 1)"
        if not target.classes:
            output = 'outputs * how["target"]["scale"] + how["target"]["mean"]'
        name = "probabilities" if target.classes else "predictions"
        rows += [
            *_network(model),
            'model.load_state_dict(load_file("model.safetensors"))',
            "with torch.no_grad():",
            "    outputs = model(torch.tensor(rows))",
            f"{name} = {output}",
        ]
    columns = (
        'A column of `probabilities` is a class of `how["target"]["classes"]`, in their order.'
        if target.classes
        else f"`predictions` are in the unit of {_quoted(target.name)}."
    )
    return [
        f"`preprocessing.json` says how a row becomes the network's {width} inputs, by statistics of the "
        "training rows, and `preprocess.py` does it. The file of new rows has points before decimals and "
        "is separated by commas.",
        "\n".join(["```python", *rows, "```"]),
        columns,
    ]


def _network(model: Model) -> list[str]:
    found, parts = layers(model.trained), []
    for place, (weight, _) in enumerate(found):
        outputs, inputs = weight.shape
        parts.append(f"    torch.nn.Linear({inputs}, {outputs}),")
        if place < len(found) - 1:
            parts.append(f"    {_ACTIVATIONS[model.spec.model.activation]},")
    return ["model = torch.nn.Sequential(", *parts, ")"]


def _origin(model: Model) -> str:
    rows = model.trained.rows
    again = (
        "It was trained again for this file, and its scores are those of the study to the last bit."
        if model.repeats
        else "It was trained again for this file, and its scores are not those of the study to the last "
        "bit: something in the environment has changed since."
    )
    return (
        f"Trial {model.trial} of the study, trained from seed {model.seed}. Of {sum(rows.values()):,} rows "
        f"{rows['train']:,} train, {rows['validation']:,} validate and {rows['test']:,} test. "
        f"SHA-256 of the table as it is stored: `{model.digest}`. {again}"
    )


def _facts(model: Model) -> str:
    """What decided the weights, to copy."""
    preprocessing = model.trained.preprocessing
    facts = {
        "configuration": model.configuration.as_dict(),
        "network": model.spec.model.model_dump(mode="json"),
        "epochs": model.spec.budget.epochs,
        "seed": model.seed,
        "rows": model.trained.rows,
        "target": preprocessing.target.name,
        "columns": [
            *(column.name for column in preprocessing.numeric),
            *(column.name for column in preprocessing.categorical),
        ],
        "environment": model.environment.model_dump(mode="json"),
    }
    return "\n".join(["```json", json.dumps(facts, indent=2), "```"])


def _quoted(text: str) -> str:
    """A name as code, whatever it holds."""
    line = " ".join(text.split())
    fence = "`"
    while fence in line:
        fence += "`"
    return f"`{line}`" if fence == "`" else f"{fence} {line} {fence}"
