"""The recipes of `docs/clients.md`, run as they are printed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rig.server import Server, binary, environment

PAGE = Path(__file__).resolve().parents[2] / "docs/clients.md"
RECIPE = re.compile(r"<!-- recipe: (\S+) -->\n```\w+\n(.*?)```\n", re.DOTALL)
RECIPES = dict(RECIPE.findall(PAGE.read_text()))
SECONDS = 60


@pytest.fixture
def run(tmp_path):
    """Runs a command in a shell after the page's one line, against a server of its own."""
    server = Server(tmp_path / "data").start()
    tools = [Path(sys.executable).parent, Path(binary()).parent, os.environ["PATH"]]
    variables = environment(
        PATH=":".join(map(str, tools)),
        LEVADA_DATA=str(server.data),
        AWS_PAGER="",
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        AWS_EC2_METADATA_DISABLED="true",
    )

    def shell(command, folder=tmp_path):
        ran = subprocess.run(
            ["sh", "-euc", f'eval "$(levada env)"\n{command}'],
            cwd=folder,
            env=variables,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    yield shell
    server.stop()


def test_every_marked_block_is_run():
    assert sorted(RECIPES) == ["aws-cli", "boto3", "js"]


def test_boto3(run, tmp_path):
    (tmp_path / "recipe.py").write_text(RECIPES["boto3"])
    said = run("python recipe.py")
    assert re.fullmatch(r"shardId-\d{12} customer-7 one espresso\n", said)


def test_aws_cli(run):
    said = run(RECIPES["aws-cli"]).splitlines()
    assert said[-1] == "one espresso"
    assert said[-2].split() == ["shardId-000000000000", "shardId-000000000001"]


def test_js(run):
    # A module finds its packages above itself, and those are in the cache.
    folder = Path(os.environ["LEVADA_NODE"])
    if not (folder / "node_modules").is_dir() or not shutil.which("node"):
        pytest.skip("the JavaScript SDK is not installed: `cargo xtask test node` does it")
    (folder / "recipe.mjs").write_text(RECIPES["js"])
    assert re.match(r"shardId-\d{12} 49\d+\n", run("node recipe.mjs", folder))
