"""What the deployment files say, read as the tools that run them would read it."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).parents[2]


class Instruction(NamedTuple):
    """One instruction of the Dockerfile, its continued lines joined."""

    keyword: str
    arguments: str

    def exec_form(self) -> list[str]:
        """Its words in exec form: no shell stands between Docker and the program."""
        words: list[str] = json.loads(self.arguments)
        assert all(isinstance(word, str) for word in words)
        return words


def parse_dockerfile(text: str) -> list[Instruction]:
    kept = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    joined = re.sub(r"\s*\\\n\s*", " ", kept)
    lines = [line.split(maxsplit=1) for line in joined.splitlines() if line.strip()]
    return [Instruction(keyword, arguments.strip()) for keyword, arguments in lines]


DOCKERFILE = parse_dockerfile((ROOT / "Dockerfile").read_text(encoding="utf-8"))


def instructions(keyword: str) -> list[Instruction]:
    return [each for each in DOCKERFILE if each.keyword == keyword]


def image_environment() -> dict[str, str]:
    pairs = [pair for each in instructions("ENV") for pair in each.arguments.split()]
    return dict(pair.split("=", 1) for pair in pairs)


def image_health_check() -> list[str]:
    (check,) = instructions("HEALTHCHECK")
    _options, command = check.arguments.split("CMD", 1)
    return Instruction("CMD", command).exec_form()


def image_user() -> str:
    return instructions("USER")[-1].arguments


COMPOSE_TEXT = (ROOT / "docker-compose.single.yml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
SERVER: dict[str, Any] = COMPOSE["services"]["server"]


def server_environment() -> dict[str, str]:
    """What the program sees in its container: the image's variables under the compose file's."""
    environment: dict[str, str] = SERVER["environment"]
    return image_environment() | environment
