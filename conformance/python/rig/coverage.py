"""What `models/` says of operations."""

import json
import tomllib
from pathlib import Path

MODELS = Path(__file__).resolve().parents[3] / "models"


def operations() -> list:
    return list(json.loads((MODELS / "kinesis.json").read_text())["operations"])


def served() -> list:
    return tomllib.loads((MODELS / "coverage.toml").read_text())["kinesis"]["served"]
