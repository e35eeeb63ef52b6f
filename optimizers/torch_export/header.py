"""What stands at the top of an exported source: what it is, and how to train with it."""

from optimizers.configuration import Configuration
from optimizers.registry import find_rule
from optimizers.rule import Rule
from optimizers.schedules import Schedule, find_schedule
from optimizers.torch_export.formatting import paragraph


def header(
    configuration: Configuration, *, asks_for_total_steps: bool, configures: bool = False
) -> str:
    """The docstring of a source.

    Args:
        configuration: what it trains with.
        asks_for_total_steps: whether ``make_optimizer`` does.
        configures: whether there is a ``configure``.
    """
    rule, schedule = find_rule(configuration.optimizer), find_schedule(configuration.schedule)
    return "\n".join(
        [
            f'"""{rule.name} with the schedule {schedule.name}, in plain PyTorch.',
            "",
            *_entry(rule, rule.formula.split(";  ")),
            "",
            *_entry(
                schedule, [f"factor of the learning rate: {schedule.formula}", *_tau(schedule)]
            ),
            *_warm_up(configuration.schedule_hyperparameters["warmup"]),
            "",
            "In a training loop:",
            "",
            *_loop(configuration, rule, schedule, asks_for_total_steps, configures),
            '"""',
        ]
    )


def _entry(entry: Rule | Schedule, formula: list[str]) -> list[str]:
    """What it does, its formula and where it comes from."""
    return [
        paragraph(f"{entry.name}: {entry.summary}"),
        "",
        *(paragraph(line, "    ") for line in formula),
        "",
        paragraph(f"{entry.reference}."),
    ]


def _tau(schedule: Schedule) -> list[str]:
    return ["τ: share of the steps done after warm-up"] if "τ" in schedule.formula else []


def _warm_up(share: float) -> list[str]:
    """What comes before the schedule, if anything does."""
    words = f"over the first {100 * share:.4g}% of all steps the factor rises to where that begins"
    return ["", f"Warm-up: {words}."] if share else []


def _loop(
    configuration: Configuration,
    rule: Rule,
    schedule: Schedule,
    asks_for_total_steps: bool,
    configures: bool,
) -> list[str]:
    """The loop; every line of it that is not each optimizer's is there because this one's is."""
    batch = {"full": "len(examples)", "single": "1"}.get(str(configuration.batch))
    total = ", total_steps" if asks_for_total_steps else ""
    made = [
        f"optimizer = make_optimizer(model{total})",
        "scheduler = make_scheduler(optimizer, total_steps)",
    ]
    if configures:
        made = ["optimizer, scheduler = configure(model, total_steps)"]
    lines = [
        f"batches = DataLoader(examples, batch_size={batch or configuration.batch}, shuffle=True)",
        "total_steps = epochs * len(batches)",
        *made,
        "for _ in range(epochs):",
        "    for inputs, targets in batches:",
        "        optimizer.zero_grad()",
        "        loss_function(model(inputs), targets).backward()",
    ]
    if rule.probes:
        lines.append("        optimizer.step(lambda: loss_function(model(inputs), targets))")
    else:
        lines.append("        optimizer.step()")
    if not schedule.watches:
        lines.append("        scheduler.step()")
    averages = rule.evaluation_point is not None
    if averages:
        lines.append("    optimizer.eval()  # the model has the weights to judge and to keep")
    if schedule.watches:
        lines.append("    scheduler.step(validation_loss(model))")
    elif averages:
        lines.append("    validate(model)")
    if averages:
        lines.append("    optimizer.train()  # the model has the weights in training")
    return [f"    {line}" for line in lines]
