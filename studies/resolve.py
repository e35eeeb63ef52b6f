"""Fill in what a spec leaves open, from the schema of its table, and say why."""

from dataclasses import dataclass

from studies.data.features import candidates, check_columns
from studies.data.schema import Column, TableSchema, explain_dropped
from studies.data.split import STRATIFIABLE, sizes
from studies.data.weights import check_weighted
from studies.errors import SpecError, unknown
from studies.networks import resolve_model
from studies.spec import METRICS, Batch, Metric, StudySpec, Task

TARGET_NAMES = ("target", "label", "class", "y")  # in order of preference
FEWEST_ROWS = 20
FEWEST_GROUPS = 3  # one a part
MOST_CLASSES = 1000
BATCHES = (32, 128)
SINGLE_STEPS = 10_000  # steps a trial may take, one row each, before "single" is too slow


@dataclass(frozen=True)
class Resolved:
    """A spec with nothing left open.

    Attributes:
        spec: target, task, metric and space.batch are never None.
        inferred: dotted field -> one sentence on why it has its value.
        warnings: what the user should know before spending a budget.
    """

    spec: StudySpec
    inferred: dict[str, str]
    warnings: tuple[str, ...]


def resolve(spec: StudySpec, schema: TableSchema) -> Resolved:
    """Fill in target, task, metric and batch sizes.

    Optimizers and schedules stay as given: the catalogue they name is not known here.

    Raises:
        SpecError: the spec does not fit the table.
    """
    inferred: dict[str, str] = {}
    target = _target(spec.target, schema, inferred)
    spec = spec.model_copy(update={"target": target.name})
    check_columns(schema, spec)
    _check_usable(target, schema, spec)
    rows = schema.rows - target.missing
    task = spec.task or _infer_task(target, rows, inferred)
    _check_task(task, target)
    _check_split(spec, task, schema)
    _check_class_weight(spec, task, target)
    metric = spec.metric or _infer_metric(task, inferred)
    if metric not in METRICS[task]:
        raise SpecError(
            f"metric must be among {', '.join(METRICS[task])} for {task}. Got {metric!r}.",
            field="metric",
            value=metric,
            allowed=list(METRICS[task]),
        )
    model = resolve_model(spec, schema, inferred)
    training = sizes(rows)[0]
    batch = spec.space.batch or _infer_batch(training, spec.budget.epochs, inferred)
    _check_batch(batch, training)
    return Resolved(
        spec=spec.model_copy(
            update={
                "task": task,
                "model": model,
                "metric": metric,
                "space": spec.space.model_copy(update={"batch": batch}),
            }
        ),
        inferred=inferred,
        warnings=tuple(_warnings(task, target)),
    )


def default_target(schema: TableSchema) -> tuple[Column, str]:
    """The column to predict where nobody says which, and why it is that one."""
    by_name = {column.name.lower(): column for column in reversed(schema.columns)}
    for usual in TARGET_NAMES:
        if usual in by_name:
            return by_name[usual], f"{by_name[usual].name!r} is a usual name for what to predict"
    labels = [c for c in schema.columns if c.kind not in {"image", "text"}] or schema.columns
    return labels[-1], f"{labels[-1].name!r} is the last column"


def _target(name: str | None, schema: TableSchema, inferred: dict[str, str]) -> Column:
    if name is None:
        column, inferred["target"] = default_target(schema)
        return column
    found = schema.column(name)
    if found is None:
        raise unknown("target", name, [column.name for column in schema.columns])
    return found


def _check_usable(target: Column, schema: TableSchema, spec: StudySpec) -> None:
    others = candidates(schema, spec)
    usable = [column.name for column in others if column.left_out is None]
    if target.kind == "empty":
        raise _target_error(target, "has no values", usable)
    if target.distinct < 2:
        raise _target_error(target, "has one value only and needs at least two", usable)
    if target.kind == "date":
        raise _target_error(target, "holds dates, which cannot be predicted", usable)
    if target.kind in {"image", "text"}:
        raise _target_error(target, f"holds {target.kind}s, which cannot be predicted", usable)
    if target.kind == "categorical" and target.left_out == "identifier":
        raise _target_error(target, "has a different text in nearly every row", usable)
    if not usable:
        reasons = ", ".join(f"{column.name!r} ({column.left_out})" for column in others)
        raise SpecError(
            f"no column is left to predict {target.name!r} from; left out: {reasons or 'none'}. "
            "Upload a table with at least one column whose values vary and repeat.",
            field="target",
            value=target.name,
            allowed="a table with at least one usable column besides the target",
        )
    rows = schema.rows - target.missing
    if rows < FEWEST_ROWS:
        raise SpecError(
            f"target {target.name!r} has a value in {rows} rows; a study needs at least "
            f"{FEWEST_ROWS}. Upload more rows.",
            field="target",
            value=rows,
            allowed=f"at least {FEWEST_ROWS} rows with a target",
        )


def _target_error(target: Column, problem: str, usable: list[str]) -> SpecError:
    choice = ", ".join(usable) or "none is usable"
    return SpecError(
        f"target {target.name!r} {problem}. Choose another column: {choice}.",
        field="target",
        value=target.name,
        allowed=usable,
    )


def _infer_task(target: Column, rows: int, inferred: dict[str, str]) -> Task:
    if target.kind in {"categorical", "boolean"}:
        what = "text" if target.kind == "categorical" else "true or false"
        inferred["task"] = f"{target.name!r} is {what}, with {target.distinct} distinct values"
        return "classification"
    # `common` lists whole numbers only if they are few; a small table allows five classes
    if target.common and target.distinct <= max(5, rows / 20):
        inferred["task"] = f"{target.name!r} holds {target.distinct} distinct whole numbers"
        return "classification"
    inferred["task"] = f"{target.name!r} holds numbers with {target.distinct} distinct values"
    return "regression"


def _check_task(task: Task, target: Column) -> None:
    if task == "regression" and target.kind == "categorical":
        raise SpecError(
            f"task 'regression' needs a numeric target; {target.name!r} is text. "
            "Use 'classification' or another target.",
            field="task",
            value=task,
            allowed=["classification"],
        )
    if task == "classification" and target.distinct > MOST_CLASSES:
        raise SpecError(
            f"task 'classification' takes at most {MOST_CLASSES} classes; {target.name!r} has "
            f"{target.distinct}. "
            + (
                "Use 'regression' or another target."
                if target.kind == "numeric"
                else "Use another target."
            ),
            field="task",
            value=task,
            allowed=["regression"] if target.kind == "numeric" else [],
        )


def _check_split(spec: StudySpec, task: Task, schema: TableSchema) -> None:
    asked = spec.split
    if asked is None:
        return
    if asked.kind == "stratified" and task == "regression":
        raise SpecError(
            "split.kind 'stratified' needs classes; the task is regression. Use 'random', "
            "'grouped' or 'time'.",
            field="split.kind",
            value=asked.kind,
            allowed=["random", "grouped", "time"],
        )
    if asked.column is None:
        return
    fitting = [
        column.name
        for column in schema.columns
        if column.name != spec.target and _splits_by(column, asked.kind) is None
    ]
    column = schema.column(asked.column)
    if column is None or column.name == spec.target:
        raise unknown("split.column", asked.column, fitting)
    if problem := _splits_by(column, asked.kind):
        raise SpecError(
            f"split.column {column.name!r} {problem}. For a split by {asked.kind} it may be: "
            f"{', '.join(fitting) or 'none of this table'}.",
            field="split.column",
            value=column.name,
            allowed=fitting,
        )


def _splits_by(column: Column, kind: str) -> str | None:
    """What keeps a column from splitting rows so."""
    if column.missing:
        return f"has no value in {column.missing} rows"
    if kind == "time" and column.kind not in {"date", "numeric"}:
        return f"holds neither dates nor numbers; it is {column.kind}"
    if kind == "grouped" and column.distinct < FEWEST_GROUPS:
        return f"has {column.distinct} distinct values; groups must be {FEWEST_GROUPS} at least"
    return None


def _check_class_weight(spec: StudySpec, task: Task, target: Column) -> None:
    if spec.class_weight is None:
        return
    if task == "regression":
        raise SpecError(
            "class_weight needs classes; the task is regression. Leave it out.",
            field="class_weight",
            value=spec.class_weight,
            allowed=None,
        )
    # Of other targets the classes are known once the rows are read.
    if spec.class_weight != "balanced" and len(target.common) == target.distinct:
        check_weighted(spec.class_weight, [count.value for count in target.common])


def _infer_metric(task: Task, inferred: dict[str, str]) -> Metric:
    metric = METRICS[task][0]
    inferred["metric"] = f"{metric!r} is the usual metric for {task}"
    return metric


def _infer_batch(training: int, epochs: int, inferred: dict[str, str]) -> list[Batch]:
    batch: list[Batch] = ["full", *(size for size in BATCHES if size <= training)]
    if training * epochs <= SINGLE_STEPS:
        batch.append("single")
    inferred["space.batch"] = f"chosen for {training} training rows and {epochs} epochs"
    return batch


def _check_batch(batch: list[Batch], training: int) -> None:
    for size in batch:
        if isinstance(size, int) and size > training:
            raise SpecError(
                f"space.batch must hold numbers up to {training}, the training rows. Got {size}. "
                "Use 'full' for all of them.",
                field="space.batch",
                value=size,
                allowed=f"1 to {training}, 'full' or 'single'",
            )


def _warnings(task: Task, target: Column) -> list[str]:
    warnings = []
    if target.missing:
        warnings.append(explain_dropped(target.name, target.missing))
    if task == "classification" and target.rarest < STRATIFIABLE:
        warnings.append(
            f"the rarest class of {target.name!r} is too rare to be in training, validation and "
            f"test; rows: {target.rarest}"
        )
    return warnings
