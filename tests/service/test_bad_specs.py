"""A spec with one thing wrong is refused by name, whatever is wrong: a thousand of them, from a seed."""

import json
import math
import os
import random
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import pytest

from tests.service.conftest import Live
from tests.service.journeys import Json, contents, table, upload
from tests.service.test_problems import problem

pytestmark = [pytest.mark.xdist_group("shared_live"), pytest.mark.timeout(300)]

SPECS = 1000
INFINITE = math.inf
SEED = int(os.environ.get("FUZZ_SEED", "1"))
Path = tuple[str | int, ...]

# Every field that there is, with a value that is good for the table of the journeys.
GOOD: Json = {
    "target": "kind",
    "task": "classification",
    "columns": {"size": "categorical"},
    "split": {"kind": "grouped", "column": "weight", "feature": False},
    "class_weight": {"a": 2.0, "b": 1.0},
    "model": {
        "kind": "mlp", "hidden": [8, 4], "channels": [4], "embedding": 8, "heads": 2,
        "activation": "relu", "dropout": 0.1,
    },
    "metric": "log_loss",
    "space": {
        "optimizers": ["sgd", "adam"], "learning_rate": {"low": 0.001, "high": 0.1},
        "schedules": ["constant", "cosine"], "batch": [16, "full"],
    },
    "budget": {
        "trials": 8, "epochs": 2, "seconds": 60.0, "total_epochs": 100, "samples": 10_000,
        "target": 0.1, "patience": 5,
    },
    "rungs": {"rule": "halving", "factor": 3, "audited": 0.1},
    "confirmation": {"seeds": 2},
    "question": "search",
    "sampler": "model",
    "transfer": False,
    "seed": 7,
}  # fmt: skip
NUMBERS: dict[Path, tuple[float, float]] = {
    ("model", "hidden", 0): (1, 4096),
    ("model", "hidden", 1): (1, 4096),
    ("model", "channels", 0): (1, 4096),
    ("model", "embedding"): (1, 4096),
    ("model", "heads"): (1, 64),
    ("model", "dropout"): (0, 0.999),
    ("class_weight", "a"): (1e-9, 1e6),
    ("space", "learning_rate", "low"): (1e-9, INFINITE),
    ("space", "learning_rate", "high"): (1e-9, INFINITE),
    ("space", "batch", 0): (1, 65_536),
    ("budget", "trials"): (1, 100_000),
    ("budget", "epochs"): (1, 10_000),
    ("budget", "seconds"): (1e-9, INFINITE),
    ("budget", "total_epochs"): (1, INFINITE),
    ("budget", "samples"): (1, INFINITE),
    ("budget", "target"): (-INFINITE, INFINITE),
    ("budget", "patience"): (1, INFINITE),
    ("rungs", "factor"): (2, 10),
    ("rungs", "audited"): (0, 1),
    ("confirmation", "seeds"): (0, 1000),
    ("seed",): (0, 2**32 - 1),
}
"""Where a number stands, and between which it may be."""
NAMES: set[Path] = {
    ("target",), ("task",), ("columns", "size"), ("split", "kind"), ("split", "column"), ("model", "kind"),
    ("model", "activation"), ("metric",), ("space", "optimizers"), ("space", "schedules"),
    ("space", "optimizers", 0), ("space", "schedules", 1), ("space", "batch", 1), ("rungs", "rule"),
    ("question",), ("sampler",), ("dataset",),
}  # fmt: skip
"""Where one of a few names stands, or a list of them."""
SWITCHES: set[Path] = {("split", "feature"), ("transfer",)}
LISTS: set[Path] = {
    ("model", "hidden"), ("model", "channels"), ("space", "optimizers"), ("space", "schedules"),
    ("space", "batch"),
}  # fmt: skip
OBJECTS: set[Path] = {
    ("columns",), ("split",), ("class_weight",), ("model",), ("space",), ("space", "learning_rate"),
    ("budget",), ("rungs",), ("confirmation",),
}  # fmt: skip
OPTIONAL: set[Path] = {
    ("target",), ("task",), ("split",), ("class_weight",), ("metric",), ("space", "learning_rate"),
    ("space", "batch"), ("budget", "seconds"), ("budget", "total_epochs"), ("budget", "samples"),
    ("budget", "target"), ("budget", "patience"),
}  # fmt: skip
"""Where null stands for what is left out."""


@dataclass(frozen=True)
class Bad:
    """A spec, and where it is wrong."""

    path: Path
    spec: Json

    @property
    def field(self) -> str:
        return ".".join(str(part) for part in self.path)


def bad_specs(good: Json, seed: int) -> list[Bad]:
    """So many different specs, each with one field that is broken."""
    rng = random.Random(seed)
    found: dict[str, Bad] = {}
    while len(found) < SPECS:
        path, value = broken(rng)
        spec = deepcopy(good)
        place: Any = spec
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = value
        bad = Bad(path, spec)
        found.setdefault(json.dumps([bad.field, spec]), bad)
    return list(found.values())


def broken(rng: random.Random) -> tuple[Path, object]:
    """A field and a value that it cannot have."""
    kinds: list[tuple[set[Path], Callable[[random.Random, Path], object]]] = [
        (set(NUMBERS), no_number),
        (NAMES, no_name),
        (SWITCHES, lambda rng, _: rng.choice(["yes", "true", 1, 0, 1.0, word(rng), [True]])),
        (LISTS, no_list),
        (
            OBJECTS,
            lambda rng, _: rng.choice([1, -2.5, True, word(rng), [], [1], [[]], nested(rng)]),
        ),
    ]
    if rng.random() < 0.1:  # a field that there is none of
        parent = rng.choice([*sorted(OBJECTS - {("columns",), ("class_weight",)}), ()])
        return (*parent, word(rng)), rng.choice([1, None, "", {}, []])
    if rng.random() < 0.05:  # a column or class that there is none of
        return rng.choice(
            [(("columns", word(rng)), "categorical"), (("class_weight", word(rng)), 1.5)]
        )
    paths, value = rng.choice(kinds)
    path = rng.choice(sorted(paths, key=str))
    if path not in OPTIONAL and rng.random() < 0.1:
        return path, None
    return path, value(rng, path)


def no_number(rng: random.Random, path: Path) -> object:
    low, high = NUMBERS[path]
    outside = [INFINITE, -INFINITE, math.nan]
    if low > -INFINITE:
        outside += [low - 1 - rng.randrange(10**6), -(10**400)]
    if high < INFINITE:
        outside += [high + 1 + rng.randrange(10**6), 1e308, 10**400]
    others = [True, False, "", "5", "1e3", word(rng), [], [1], {}, {"low": 1}, nested(rng)]
    return rng.choice([*outside, *others])


def no_name(rng: random.Random, path: Path) -> object:
    wrong = [
        rng.randrange(-10, 0),
        2.5,
        True,
        "",
        word(rng),
        word(rng) * 2000,
        "\ud800",
        "\x00",
        {},
    ]
    return rng.choice([*wrong, nested(rng), {"name": 1}])


def no_list(rng: random.Random, path: Path) -> object:
    members: list[object] = [None, {}, [], True, -1, 0, 1.5, "5", word(rng), math.nan]
    many = [rng.choice(members) for _ in range(rng.choice([1, 2, 20]))]
    if path[0] == "space" and rng.random() < 0.2:
        return 2 * GOOD["space"][path[1]]  # each name twice
    return rng.choice([many, many, many, {}, {"0": 1}, 3, True, word(rng), nested(rng)])


def word(rng: random.Random) -> str:
    """A word that means nothing to anybody."""
    return "q" + "".join(rng.choice("abcxyz0_é漢 .'\";<") for _ in range(rng.randrange(1, 12)))


def nested(rng: random.Random) -> object:
    """Nothing, deep inside lists or objects."""
    value: object = None
    for _ in range(rng.randrange(2, 200)):
        value = rng.choice([[value], {"a": value}])
    return value


def test_each_bad_spec_is_refused_by_the_name_of_its_field(shared_live: Live) -> None:
    client, services = shared_live.client, shared_live.services
    good = GOOD | {"dataset": upload(client, table())["id"]}
    accepted = client.post("/v1/jobs", json=good)
    assert accepted.status_code == 201, accepted.text
    client.post(f"/v1/jobs/{accepted.json()['id']}/cancel")
    before = contents(services)["jobs"]

    print(f"FUZZ_SEED={SEED}")
    statuses: Counter[int] = Counter()
    fields = set()
    for bad in bad_specs(good, SEED):
        answer = client.post(
            "/v1/jobs",
            content=json.dumps(bad.spec),  # httpx would refuse NaN
            headers={"Content-Type": "application/json"},
        )
        told = f"{bad.field}: {json.dumps(at(bad))[:200]} -> {answer.text[:500]}"
        assert answer.status_code in {404, 422}, told
        body = problem(answer)
        named = [body["field"], *(each["field"] for each in body.get("errors", ()))]
        assert any(close(bad.field, each) for each in named), told
        assert len(answer.content) < 5000, told
        statuses[answer.status_code] += 1
        fields.add(bad.field)
    assert statuses.total() == SPECS
    assert len(fields) > 60
    assert contents(services)["jobs"] == before


def at(bad: Bad) -> object:
    """What stands in the broken field."""
    value: Any = bad.spec
    for part in bad.path:
        value = value[part]
    return value


def close(field: str, named: str) -> bool:
    """Whether a field was named, or what it stands in, or what stands in it."""
    around = bool(named) and f"{field}.".startswith(f"{named}.")
    return around or named.startswith(f"{field}.")
