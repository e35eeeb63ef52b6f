"""What decides a training's numbers besides its spec and its data: programs, processor, threads."""

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field

PACKAGES = ("fallline", "torch", "numpy", "scipy", "scikit-learn", "optuna")


class Environment(BaseModel):
    """Where trials train; two that are equal give the same bits."""

    model_config = ConfigDict(frozen=True)

    versions: dict[str, str] = Field(description="Of Python and of the packages that compute.")
    system: str = Field(description="Operating system, architecture and C library.")
    processor: str = Field(description="Its model, by which libraries choose their kernels.")
    instructions: str = Field(description="The set that torch's kernels use, e.g. AVX2.")
    mkl: str = Field(description="MKL's code path: MKL_CBWR.")
    threads: int = Field(description="Of torch, in each worker.")
    device: str


class Difference(BaseModel):
    """One thing that is not as it was."""

    field: str = Field(description="As a dotted path, e.g. versions.torch.")
    then: str
    now: str


def present_environment() -> Environment:
    """The environment of this process."""
    return Environment(
        versions={"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
        system=" ".join([platform.system(), platform.machine(), *platform.libc_ver()]).strip(),
        processor=_processor(),
        instructions=torch.backends.cpu.get_cpu_capability(),
        mkl=os.environ.get("MKL_CBWR", ""),
        threads=torch.get_num_threads(),
        device="cpu",
    )


def differences(then: BaseModel, now: BaseModel) -> list[Difference]:
    """What is not as it was in an environment, or in a model that holds one; in their order."""
    before, after = _flat(then.model_dump()), _flat(now.model_dump())
    return [
        Difference(field=field, then=before.get(field, "none"), now=after.get(field, "none"))
        for field in before | after
        if before.get(field) != after.get(field)
    ]


def _flat(values: dict[str, Any], path: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in values.items():
        found |= (
            _flat(value, f"{path}{name}.")
            if isinstance(value, dict)
            else {f"{path}{name}": str(value)}
        )
    return found


def _processor() -> str:
    """Linux tells the model in a file, other systems through Python."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.machine())
