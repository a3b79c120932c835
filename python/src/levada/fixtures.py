"""The pytest plugin: what every test may ask for once the package is installed."""

from collections.abc import Iterator

import pytest

from levada._server import Server, server


@pytest.fixture(scope="session")
def levada_server() -> Iterator[Server]:
    """A server in memory, one for the session."""
    with server() as started:
        yield started
