"""The AWS SDK for Go: JSON, and subscriptions as event streams; plain and TLS."""

import os

import pytest

from rig import programs, tls

SCENARIOS = ["records", "fan-out"]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_on_the_plain_port(server, scenario):
    programs.run(server, [os.environ["LEVADA_GO"], scenario])


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_over_tls(server, scenario, tmp_path):
    programs.run(
        server,
        [os.environ["LEVADA_GO"], scenario],
        LEVADA_ENDPOINT=tls.endpoint(server),
        SSL_CERT_FILE=str(tls.authority(server, tmp_path)),
        AWS_REGION="eu-west-1",
    )
