"""The AWS SDK for Rust: JSON, and subscriptions as event streams."""

import os

import pytest

from rig import programs


@pytest.mark.parametrize("scenario", ["records", "fan-out"])
def test_on_the_plain_port(server, scenario):
    programs.run(server, [os.environ["LEVADA_RUST"], scenario])
