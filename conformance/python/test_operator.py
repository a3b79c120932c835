"""The operator's service on the wire: signed like AWS's, refused like AWS's."""

import json

import pytest

from rig import raw
from rig.server import Server

TARGET = "Levada_20261124."


@pytest.fixture(scope="module")
def dev(tmp_path_factory):
    started = Server(tmp_path_factory.mktemp("operator") / "data", "--dev").start()
    yield started
    started.stop()


def ask(server, operation, value, **signing):
    headers = {"Content-Type": raw.JSON, "X-Amz-Target": TARGET + operation}
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    signing = {"service": "levada", **signing}
    signed = raw.signed_headers(server.endpoint, body, headers, **signing)
    return raw.send(server.address, "POST", signed, body)


def test_anybody_who_can_sign_can_write_such_a_client(dev):
    read = ask(dev, "GetClock", {})
    assert read.status == 200 and read.value["Movable"] is True
    moved = ask(dev, "MoveClock", {"ByMillis": 5000})
    assert moved.value["ShiftMillis"] - read.value["ShiftMillis"] == 5000
    statistics = ask(dev, "GetStatistics", {}).value
    names = {operation["Name"] for operation in statistics["Operations"]}
    assert {"GetClock", "MoveClock"} <= names and statistics["UptimeMillis"] > 0


@pytest.mark.parametrize(
    "operation, value, code",
    [
        ("MoveClock", {"ByMillis": -1}, "ValidationException"),
        ("MoveClock", {"ByMillis": 2**62}, "ValidationException"),
        ("MoveClock", {"ByMillis": 1.5}, "SerializationException"),
        ("MoveClock", {"ByMillis": 2**70}, "SerializationException"),
        ("MoveClock", {}, "SerializationException"),
        ("MoveClock", {"ByMillis": 1, "AsWell": 2}, "SerializationException"),
        ("GetClock", {"Unasked": True}, "SerializationException"),
        ("GetClock", b"", "SerializationException"),
        ("GetClock", b"{", "SerializationException"),
        ("AddFault", {"Error": "InternalFailure", "Rate": "often"}, "SerializationException"),
        ("AddFault", {"Error": "InternalFailure", "Rate": -0.1}, "ValidationException"),
        ("AddFault", {"Error": "Internal Failure"}, "ValidationException"),
        ("AddFault", {"LatencyMillis": 2**63}, "ValidationException"),
        ("AddFault", {}, "ValidationException"),
        ("RemoveFaults", {"Id": 987654}, "ResourceNotFoundException"),
        ("Destroy", {}, "UnknownOperationException"),
    ],
)
def test_what_is_wrong_changes_nothing(dev, operation, value, code):
    before = ask(dev, "GetClock", {}).value["ShiftMillis"]
    refused = ask(dev, operation, value)
    assert (refused.status, refused.code) == (400, code), refused.body
    assert ask(dev, "GetClock", {}).value["ShiftMillis"] == before
    assert ask(dev, "ListFaults", {}).value["Faults"] == []


def test_strangers_move_nothing(dev):
    before = ask(dev, "GetClock", {}).value["ShiftMillis"]
    forged = ask(dev, "MoveClock", {"ByMillis": 1}, secret="not/the/secret")
    assert forged.code == "InvalidSignatureException"
    unknown = ask(dev, "MoveClock", {"ByMillis": 1}, key_id="AKIANOBODY0000000001")
    assert unknown.code == "UnrecognizedClientException"
    # A signature for Kinesis is none for the operator's service.
    other = ask(dev, "MoveClock", {"ByMillis": 1}, service="kinesis")
    assert other.status == 400 and other.code == "InvalidSignatureException"
    headers = {"Content-Type": raw.JSON, "X-Amz-Target": TARGET + "MoveClock"}
    unsigned = raw.send(dev.address, "POST", headers, b'{"ByMillis":1}')
    assert unsigned.code == "MissingAuthenticationTokenException"
    assert ask(dev, "GetClock", {}).value["ShiftMillis"] == before


def test_faults_never_shut_the_operator_out(dev):
    added = ask(dev, "AddFault", {"Abort": True}).value
    assert [fault["Id"] for fault in ask(dev, "ListFaults", {}).value["Faults"]] == [added["Id"]]
    assert ask(dev, "RemoveFaults", {}).value == {"Removed": 1}


def test_so_many_faults_and_no_more(dev):
    for _ in range(64):
        assert ask(dev, "AddFault", {"Operation": "ListStreams", "Abort": True}).status == 200
    assert ask(dev, "AddFault", {"Abort": True}).code == "LimitExceededException"
    assert ask(dev, "RemoveFaults", {}).value == {"Removed": 64}


def test_without_signatures_everybody_is_root(tmp_path):
    trusting = Server(tmp_path / "data", "--dev", "--auth", "none").start()
    headers = {"Content-Type": raw.JSON, "X-Amz-Target": TARGET + "MoveClock"}
    moved = raw.send(trusting.address, "POST", headers, b'{"ByMillis":60000}')
    assert moved.value["ShiftMillis"] == 60000
    trusting.stop()
