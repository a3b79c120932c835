"""The AWS SDK for Java: synchronous in CBOR over HTTP/1.1, asynchronous over HTTP/2; plain and TLS."""

import pytest

from rig import java, programs, tls


@pytest.mark.parametrize("program", ["Sync", "Async"])
def test_on_the_plain_port(server, program):
    programs.run(server, java.program(program))


@pytest.mark.parametrize("program", ["Sync", "Async"])
def test_over_tls(server, program, tmp_path):
    flags = java.trusting(tls.authority(server, tmp_path), tmp_path)
    # The keys' region is a world of its own: the plain test's streams are not in it.
    programs.run(
        server,
        java.program(program, flags=flags),
        LEVADA_ENDPOINT=tls.endpoint(server),
        AWS_REGION="eu-west-1",
    )
