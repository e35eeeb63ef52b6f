"""What the guides in docs/ say, read as the tools that run them would read it."""

import re
import shlex
from pathlib import Path
from typing import Any

import yaml

from tests.deployment.definitions import ROOT

DOCS = ROOT / "docs"
GUIDES = {
    name: (DOCS / f"{name}.md").read_text(encoding="utf-8") for name in ("kubernetes", "slurm")
}
MANIFESTS: dict[str, dict[str, Any]] = {
    f"{path.stem}/{document['kind']}": document
    for path in sorted((DOCS / "kubernetes").rglob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))
}
OPERATOR = MANIFESTS.pop("dask-cluster/DaskCluster")
SERVICES = {
    each["metadata"]["name"]: each["spec"]
    for each in MANIFESTS.values()
    if each["kind"] == "Service"
}
CONTROLLERS = {
    each["metadata"]["name"]: each
    for each in MANIFESTS.values()
    if each["kind"] in {"Deployment", "StatefulSet"}
}
PODS: dict[str, dict[str, Any]] = {
    name: each["spec"]["template"]["spec"] for name, each in CONTROLLERS.items()
}
OURS = ("scheduler", "worker", "server")


def blocks(guide: str, language: str) -> list[str]:
    """The code of one language in a guide."""
    return re.findall(rf"```{language}\n(.*?)```", GUIDES[guide], re.DOTALL)


def container(pod: dict[str, Any]) -> dict[str, Any]:
    """The only container of a pod."""
    (found,) = pod["containers"]
    return dict(found)


def environment(pod: dict[str, Any]) -> dict[str, str]:
    """The variables that the manifests give to a pod's container."""
    found: dict[str, str] = {}
    for source in container(pod).get("envFrom", []):
        name = source["configMapRef"]["name"]
        (values,) = (
            each["data"]
            for each in MANIFESTS.values()
            if each["kind"] == "ConfigMap" and each["metadata"]["name"] == name
        )
        found |= values
    return found | {each["name"]: each["value"] for each in container(pod).get("env", [])}


def shell_lines(text: str) -> list[list[str]]:
    """The words of each line that is not a comment."""
    return [words for line in text.splitlines() if (words := shlex.split(line, comments=True))]


def secrets(folder: Path) -> dict[str, dict[str, Path]]:
    """The Secrets that the guide has made of files in a folder: as `kubectl` does, a key for each file.

    Args:
        folder: in which the commands are typed.
    """
    found: dict[str, dict[str, Path]] = {}
    for words in shell_lines("\n".join(blocks("kubernetes", "sh"))):
        if words[:4] == ["kubectl", "create", "secret", "generic"]:
            name, *sources = words[4:]
            for source in sources:
                path = folder / source.removeprefix("--from-file=")
                files = sorted(path.iterdir()) if path.is_dir() else [path]
                found.setdefault(name, {}).update({file.name: file for file in files})
    return found


def mounted_secrets(
    pod: dict[str, Any], known: dict[str, dict[str, Path]]
) -> dict[str, dict[str, Path]]:
    """What a pod finds of Secrets: by the folder of a mount, the path below it, and the file."""
    found: dict[str, dict[str, Path]] = {}
    mounts = {each["name"]: each["mountPath"] for each in container(pod)["volumeMounts"]}
    for volume in pod["volumes"]:
        sources = [each["secret"] for each in volume.get("projected", {}).get("sources", [])]
        if "secret" in volume:
            sources.append({"name": volume["secret"]["secretName"]})
        for source in sources:
            keys = known[source["name"]]
            items = source.get("items") or [{"key": key, "path": key} for key in keys]
            found.setdefault(mounts[volume["name"]], {}).update(
                {item["path"]: keys[item["key"]] for item in items}
            )
    return found
