import platform

import torch

from studies.environment import Difference, differences, present_environment


def test_an_environment_names_everything_that_computes() -> None:
    found = present_environment()
    assert found == present_environment()
    assert found.versions["python"] == platform.python_version()
    assert found.versions["torch"] == torch.__version__
    assert set(found.versions) == {
        "python", "fallline", "torch", "numpy", "scipy", "scikit-learn", "optuna"
    }  # fmt: skip
    assert found.threads == torch.get_num_threads()
    assert found.mkl == "AUTO"
    assert all([found.system, found.processor, found.instructions, found.device])


def test_what_differs_is_named_with_both_values() -> None:
    then = present_environment()
    now = then.model_copy(
        update={"threads": then.threads + 1, "versions": then.versions | {"torch": "9"}}
    )
    assert differences(then, then) == []
    assert differences(then, now) == [
        Difference(field="versions.torch", then=torch.__version__, now="9"),
        Difference(field="threads", then=str(then.threads), now=str(now.threads)),
    ]


def test_what_was_not_there_is_named_too() -> None:
    then = present_environment()
    now = then.model_copy(update={"versions": then.versions | {"another": "1.0"}})
    assert differences(then, now) == [Difference(field="versions.another", then="none", now="1.0")]
    (gone,) = differences(now, then)
    assert (gone.then, gone.now) == ("1.0", "none")
