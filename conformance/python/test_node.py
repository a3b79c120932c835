"""The JavaScript SDK: its default HTTP/2 handler on a plain port, and its HTTP/1.1 one."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from rig import marks
from rig.server import KEY_ID, REGION, SECRET, environment

SCRIPTS = Path(__file__).resolve().parent.parent / "node"
SECONDS = 90


@pytest.fixture(scope="module")
def run(server):
    # A module finds its packages above itself, and those are in the cache.
    folder = Path(os.environ["LEVADA_NODE"])
    for script in SCRIPTS.glob("*.mjs"):
        shutil.copy(script, folder)
    variables = environment(
        LEVADA_ENDPOINT=server.endpoint,
        AWS_ACCESS_KEY_ID=KEY_ID,
        AWS_SECRET_ACCESS_KEY=SECRET,
        AWS_REGION=REGION,
        AWS_EC2_METADATA_DISABLED="true",
    )

    def script(name):
        ran = subprocess.run(
            ["node", name],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            env=variables,
        )
        assert ran.returncode == 0, ran.stderr[-3000:]
        told = json.loads(ran.stdout.splitlines()[-1])
        for operation in told["operations"]:
            marks.note(operation)
        return told

    return script


def test_records_over_http2(run):
    assert run("records-http2.mjs")["protocol"] == "h2"


def test_a_subscription_over_http2(run):
    told = run("fan-out-http2.mjs")
    assert told["received"] == [f"record-{n}" for n in range(20)]


def test_records_over_http1(run):
    assert run("records-http1.mjs")["protocol"] == "http/1.1"
