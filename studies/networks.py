"""Which network a study trains, as its features decide or allow."""

from studies.data.features import features
from studies.data.schema import Column, TableSchema
from studies.errors import SpecError
from studies.spec import ModelSpec, StudySpec

NEEDED = {
    "cnn": "a column of images",
    "text": "one column of texts and no other feature",
    "transformer": "one column of texts and no other feature",
}
"""What kinds of networks need that do not take every table."""


def resolve_model(spec: StudySpec, schema: TableSchema, inferred: dict[str, str]) -> ModelSpec:
    """The network; if the spec does not say its kind, images and texts decide.

    Args:
        spec: whose target is known.
        schema: of the whole table.
        inferred: gets a sentence on why the kind is as it is.

    Raises:
        SpecError: the network does not fit the features.
    """
    model = spec.model
    only, *others = features(schema, spec)
    fitting = []
    if not others:
        fitting = {"image": ["cnn"], "text": ["text", "transformer"]}.get(only.kind, [])
    if "kind" not in model.model_fields_set and fitting:
        inferred["model.kind"] = f"{only.name!r} holds {only.kind}s"
        model = model.model_copy(update={"kind": fitting[0]})
    if model.kind in NEEDED and model.kind not in fitting:
        raise SpecError(
            f"model.kind {model.kind!r} needs {NEEDED[model.kind]}; the table has "
            f"{_listed(only, *others)}. Use 'mlp'.",
            field="model.kind",
            value=model.kind,
            allowed=["linear", "mlp", *fitting],
        )
    if model.kind == "cnn" and only.shape is not None:
        _check_halvings(model, min(only.shape[:2]))
    return model


def _listed(*columns: Column) -> str:
    kinds = sorted({column.kind for column in columns})
    return f"{len(columns)} usable column(s), {' and '.join(kinds)}"


def _check_halvings(model: ModelSpec, side: int) -> None:
    most = side.bit_length() - 1
    if len(model.channels) > most:
        raise SpecError(
            f"model.channels must have at most {most} entries, as the sides of the images, "
            f"{side} pixels at least, halve after each. Got {len(model.channels)}.",
            field="model.channels",
            value=model.channels,
            allowed=f"at most {most} entries",
        )
