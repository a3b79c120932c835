"""A suite is one pytest process: one server, started fresh and stopped well."""

import os
from pathlib import Path

import pytest

from rig import clients, marks
from rig.server import Server


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The suite's server: started on an empty folder, drained at the end, exit code 0."""
    started = Server(tmp_path_factory.mktemp("suite") / "data").start()
    yield started
    assert started.is_alive(), started.tail_of_log()
    started.stop()


@pytest.fixture(scope="session")
def kinesis(server):
    return clients.client(server.endpoint)


@pytest.fixture(scope="session")
def firehose(server):
    return clients.client(server.endpoint, service="firehose")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.when == "call":
        marks.settle(report.passed)
    return report


def pytest_sessionfinish(session, exitstatus):
    path = os.environ.get("LEVADA_MARKS")
    if path:
        Path(path).write_text("".join(f"{operation}\n" for operation in marks.proven()))
