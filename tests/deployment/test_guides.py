"""The guides: their links, and the manifests of the one for Kubernetes, without running them."""

import re
import tomllib
from copy import deepcopy
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from service.secret_files import make
from service.settings import Settings, load
from tests.deployment.definitions import ROOT, image_environment, image_user
from tests.deployment.guides import (
    CONTROLLERS,
    DOCS,
    GUIDES,
    MANIFESTS,
    OPERATOR,
    OURS,
    PODS,
    SERVICES,
    blocks,
    container,
    environment,
    mounted_secrets,
    secrets,
)
from tests.deployment.test_cluster import SERVICES as COMPOSED

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
KUBERNETES = ("1.32", kubernetes_validate.latest_version())


def problems(manifest: dict[str, Any], version: str) -> str:
    """What is wrong with a manifest in the eyes of Kubernetes; unknown fields are, too."""
    try:
        kubernetes_validate.validate(manifest, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return str(error.message)
    return ""


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_is_one_that_kubernetes_takes(name: str, version: str) -> None:
    assert problems(MANIFESTS[name], version) == ""
    assert "namespace" not in MANIFESTS[name]["metadata"]


def test_the_manifest_in_the_text_is_one_too() -> None:
    (text,) = blocks("kubernetes", "yaml")
    ingress = yaml.safe_load(text)
    assert problems(ingress, KUBERNETES[0]) == ""
    backend = ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    assert backend["port"]["name"] in {each["name"] for each in SERVICES[backend["name"]]["ports"]}


@pytest.mark.parametrize(
    ("option", "value"), [("replica", 2), ("replicas", "2"), ("strategy", "Recreate"), ("template", {"spec": 1})]
)  # fmt: skip
def test_a_mistake_would_be_found(option: str, value: object) -> None:
    wrong = deepcopy(CONTROLLERS["server"])
    wrong["spec"][option] = value
    assert problems(wrong, KUBERNETES[0])


def test_the_operator_makes_the_same_pods() -> None:
    spec = OPERATOR["spec"]
    assert spec["scheduler"]["spec"] == PODS["scheduler"]
    theirs = deepcopy(spec["worker"]["spec"])
    address = theirs["containers"][0]["command"][2]
    theirs["containers"][0]["command"][2] = "tls://scheduler:8786"
    assert theirs == PODS["worker"]
    assert spec["worker"]["replicas"] == CONTROLLERS["worker"]["spec"]["replicas"]
    # The operator names Service and labels after the cluster.
    name = OPERATOR["metadata"]["name"]
    service = spec["scheduler"]["service"]
    assert address == f"tls://{name}-scheduler:8786"
    assert address in GUIDES["kubernetes"]
    assert service["selector"] == {
        "dask.org/cluster-name": name,
        "dask.org/component": "scheduler",
    }
    made = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "any"}, "spec": service}
    assert problems(made, KUBERNETES[0]) == ""


@pytest.mark.parametrize("name", PODS)
def test_a_pod_is_confined_and_limited(name: str) -> None:
    pod = PODS[name]
    context, own = pod["securityContext"], container(pod)["securityContext"]
    # What the Pod Security Standard calls restricted, and a root that nobody can write.
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] > 0
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert own["allowPrivilegeEscalation"] is False
    assert own["capabilities"] == {"drop": ["ALL"]}
    assert own["readOnlyRootFilesystem"] is True
    assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC", "serviceAccountName"}
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert container(pod)["resources"]["limits"].keys() == {"cpu", "memory"}
    assert container(pod)["resources"]["requests"].keys() == {"cpu", "memory"}
    mounts = {each["name"]: each["mountPath"] for each in container(pod)["volumeMounts"]}
    claims = CONTROLLERS[name]["spec"].get("volumeClaimTemplates", [])
    volumes = {each["name"]: each for each in pod["volumes"]}
    assert mounts.keys() == volumes.keys() | {each["metadata"]["name"] for each in claims}
    assert "/tmp" in mounts.values()
    for volume in volumes.values():
        assert volume.keys() & {"secret", "projected"} or "sizeLimit" in volume["emptyDir"]
    if name in OURS:
        assert container(pod)["image"] == f"fallline:{VERSION}"
        assert f"{context['runAsUser']}:{context['runAsGroup']}" == image_user()
        assert image_environment()["FALLLINE_HOME"] in mounts.values()


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_finds_its_pods(name: str) -> None:
    labels = CONTROLLERS[name]["spec"]["template"]["metadata"]["labels"]
    assert (
        SERVICES[name]["selector"] == labels == CONTROLLERS[name]["spec"]["selector"]["matchLabels"]
    )
    ports = {each["name"]: each["containerPort"] for each in container(PODS[name])["ports"]}
    for port in SERVICES[name]["ports"]:
        assert ports[port["name"]] == port["port"]
        assert port.get("targetPort", port["name"]) == port["name"]


def test_one_server_and_one_scheduler_at_a_time() -> None:
    for name in ("server", "scheduler"):
        assert CONTROLLERS[name]["spec"]["replicas"] == 1
        assert CONTROLLERS[name]["spec"]["strategy"] == {"type": "Recreate"}
    grace = PODS["server"]["terminationGracePeriodSeconds"]
    assert grace > Settings.model_fields["drain_seconds"].default


def test_probes_ask_what_is_there_under_a_name_that_is_allowed() -> None:
    server = container(PODS["server"])
    allowed = environment(PODS["server"])["FALLLINE_ALLOWED_HOSTS"].split(",")
    asked = {}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        request = server[probe]["httpGet"]
        (header,) = request["httpHeaders"]
        assert header["name"] == "Host"
        assert header["value"] in allowed
        assert request["port"] in {each["name"] for each in server["ports"]}
        asked[probe] = request["path"]
    assert asked == {
        "startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz",
    }  # fmt: skip
    # As in docker-compose.yml.
    for name, probe in (("scheduler", "livenessProbe"), ("worker", "readinessProbe")):
        assert (
            container(PODS[name])[probe]["exec"]["command"]
            == COMPOSED[name]["healthcheck"]["test"][1:]
        )


@pytest.mark.parametrize("name", OURS)
def test_a_pod_has_the_secrets_that_it_needs_and_settings_that_hold(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path / "secrets")
    (tmp_path / "s3_credentials").touch()
    ((mount, files),) = mounted_secrets(PODS[name], secrets(tmp_path)).items()
    given = image_environment() | environment(PODS[name])
    certificates = {path for path in files if path.startswith("certificates/")}
    assert certificates == {
        f"certificates/{each}" for each in ("ca.pem", "member.pem", "member-key.pem")
    }
    assert given["FALLLINE_CERTIFICATES"] == f"{mount}/certificates"
    others = {
        "server": {"fallline_token", "fallline_database", "s3_credentials"},
        "worker": {"s3_credentials"},
    }
    assert files.keys() - certificates == others.get(name, set())
    if name in others:
        assert given["AWS_SHARED_CREDENTIALS_FILE"] == f"{mount}/s3_credentials"
        assert given["FALLLINE_STORE"].startswith("s3://")
    for variable, value in given.items():
        monkeypatch.setenv(variable, value.replace(mount, str(tmp_path / "secrets")))
    chosen = load()
    if name == "server":
        assert chosen.token is not None
        assert "@database/" in chosen.database_url
        assert "database" in SERVICES
        assert chosen.cluster == container(PODS["worker"])["command"][2]
        (program, command, address, option, number) = container(PODS["worker"])["command"]
        assert (program, command, option) == ("fallline", "worker", "--workers")
        assert address == f"tls://scheduler:{SERVICES['scheduler']['ports'][0]['port']}"
        assert chosen.workers == CONTROLLERS["worker"]["spec"]["replicas"] * int(number)
        assert container(PODS["worker"])["resources"]["limits"]["cpu"] == number
        assert chosen.port == SERVICES["server"]["ports"][0]["port"]


def test_the_database_has_its_password(tmp_path: Path) -> None:
    make(tmp_path / "secrets")
    ((mount, files),) = mounted_secrets(PODS["database"], secrets(tmp_path)).items()
    assert environment(PODS["database"])["POSTGRES_PASSWORD_FILE"] == f"{mount}/database_password"
    assert files.keys() == {"database_password"}
    assert container(PODS["database"])["image"] == COMPOSED["database"]["image"]


def test_links_lead_to_files_and_the_readme_to_the_guides() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for guide, text in GUIDES.items():
        assert f"](docs/{guide}.md)" in readme
        linked = {
            link.split("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link
        }
        for link in linked:
            assert (DOCS / link).exists(), link
        files = {
            str(path.relative_to(DOCS)) for path in (DOCS / guide).rglob("*") if path.is_file()
        }
        assert {file for file in files if "__pycache__" not in file} <= linked
