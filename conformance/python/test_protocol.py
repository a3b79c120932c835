"""Bad input gets the documented error and changes nothing."""

import contextlib
import json
import socket

import cbor2
import pytest

from rig import raw, streams
from rig.waiting import until

RESIDENT_GROWTH_MAX = 64 * 1024 * 1024


@pytest.fixture(scope="module")
def name(server):
    """A stream with something in it; at the end of the suite it holds exactly that."""
    client = raw.RawClient(server)
    made = streams.fresh_name("protocol")
    client.value("CreateStream", {"StreamName": made, "ShardCount": 1})
    until(lambda: _summary(client, made)["StreamStatus"] == "ACTIVE")
    client.value("PutRecord", {"StreamName": made, "Data": "a2VwdA==", "PartitionKey": "k"})
    return made


def _summary(client, name):
    return client.value("DescribeStreamSummary", {"StreamName": name})["StreamDescriptionSummary"]


def _contents(server, name):
    client = raw.RawClient(server)
    given = {"StreamName": name, "ShardId": "0", "ShardIteratorType": "TRIM_HORIZON"}
    position = client.value("GetShardIterator", given)["ShardIterator"]
    records = client.value("GetRecords", {"ShardIterator": position})["Records"]
    return [record["Data"] for record in records]


@pytest.fixture(autouse=True)
def unharmed(server, name):
    """The server lives on and the stream is what it was, whatever a test sends."""
    yield
    assert server.is_alive() and server.is_ready()
    assert _contents(server, name) == ["a2VwdA=="]


def _put(server, name, **more):
    return raw.RawClient(server).call("PutRecord", {"StreamName": name, "PartitionKey": "k", **more})


BROKEN_JSON = [b"{", b"nothing", b'{"a":}', b'{"StreamName":"x"', b"{}{}", b"\xff\xfe", b"[1,2", b'"']


@pytest.mark.parametrize("body", BROKEN_JSON, ids=repr)
def test_broken_json(server, body):
    answer = raw.RawClient(server).call("PutRecord", body=body)
    assert (answer.status, answer.code) == (400, "SerializationException")


BROKEN_CBOR = [b"\xbf", b"\xa1\x61", b"\xff", b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff", b"\x9b" + b"\xff" * 8]


@pytest.mark.parametrize("body", BROKEN_CBOR, ids=bytes.hex)
def test_broken_cbor(server, body):
    answer = raw.RawClient(server, raw.CBOR).call("PutRecord", body=body)
    assert (answer.status, answer.code) == (400, "SerializationException")


WRONG_TYPES = [
    {"StreamName": 5, "PartitionKey": [], "Data": "eA=="},
    {"StreamName": {"a": 1}, "PartitionKey": "k", "Data": "eA=="},
    {"StreamName": True, "PartitionKey": "k", "Data": "eA=="},
    {"StreamName": "x", "PartitionKey": "k", "Data": 12},
    {"StreamName": "x", "PartitionKey": "k", "Data": ["eA=="]},
    ["StreamName"],
    "StreamName",
]


@pytest.mark.parametrize("value", WRONG_TYPES, ids=json.dumps)
def test_wrong_types(server, value):
    answer = raw.RawClient(server).call("PutRecord", value)
    assert (answer.status, answer.code) == (400, "SerializationException")


@pytest.mark.parametrize("data", ["*", "eA=", "e A==", "eA==x", "ÿÿÿÿ"])
def test_bad_base64(server, name, data):
    answer = _put(server, name, Data=data)
    assert (answer.status, answer.code) == (400, "SerializationException")


@pytest.mark.parametrize("depth", [200, 20_000])
def test_deep_nesting(server, depth):
    text = b'{"Tags":' + b'{"a":' * depth + b"1" + b"}" * (depth + 1)
    answer = raw.RawClient(server).call("CreateStream", body=text)
    assert answer.status == 400
    assert answer.code in ("SerializationException", "ValidationException")
    binary = cbor2.dumps({"StreamName": "x"})[:-2] + b"\x61x" + b"\x81" * depth + b"\x00"
    assert raw.RawClient(server, raw.CBOR).call("CreateStream", body=binary).status == 400


def test_an_unknown_target(server):
    answer = raw.RawClient(server).call("", {}, headers={"X-Amz-Target": "Nobody_2020.Nothing"})
    assert (answer.status, answer.value) == (400, {"__type": "UnknownOperationException"})


def test_an_unknown_content_type(server):
    client = raw.RawClient(server, "text/plain")
    assert client.call("ListStreams", body=b"{}").status == 404


def test_not_post(server):
    for method in ("GET", "PUT", "DELETE"):
        answer = raw.send(server.address, method, {"X-Amz-Target": f"{raw.TARGET}ListStreams"}, None)
        assert answer.status == 403, method
        assert b"AccessDeniedException" in answer.body


def test_no_body(server):
    answer = raw.RawClient(server).call("ListStreams", body=b"")
    assert (answer.status, answer.code) == (400, "SerializationException")


def test_a_request_that_is_no_http(server):
    for noise in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET\r\n\r\n", b"\x00" * 64):
        with socket.create_connection(server.address, timeout=15) as connection:
            connection.sendall(noise)
            with contextlib.suppress(OSError):  # The server may have hung up already.
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(4096):
                    pass


def _head(length, signed=None):
    headers = signed or {}
    lines = ["POST / HTTP/1.1", "Host: localhost", f"Content-Length: {length}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _first_line(server, head, sent=b""):
    with socket.create_connection(server.address, timeout=20) as connection:
        connection.sendall(head + sent)
        answer = b""
        while b"\r\n" not in answer:
            piece = connection.recv(4096)
            if not piece:
                break
            answer += piece
        return answer.split(b"\r\n")[0]


def test_two_gibibytes_are_refused_unread(server):
    given = {"Content-Type": raw.JSON, "X-Amz-Target": f"{raw.TARGET}PutRecords"}
    before = server.resident_bytes()
    unsigned = _first_line(server, _head(2**31, given), b"x" * 1000)
    assert b" 4" in unsigned[:13], unsigned
    signed = raw.signed_headers(server.endpoint, b"{}", given)
    refused = _first_line(server, _head(2**31, signed), b"x" * 1000)
    assert b" 4" in refused[:13], refused
    assert server.resident_bytes() - before < RESIDENT_GROWTH_MAX


def test_a_length_that_is_none(server):
    for length in ("-1", "x", "99999999999999999999"):
        assert b" 4" in _first_line(server, _head(length))[:13], length


def test_headers_without_end(server):
    head = b"POST / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(100_000))
    try:
        assert b" 4" in _first_line(server, head + b"\r\n")[:13]
    except (ConnectionResetError, BrokenPipeError):
        pass  # Refused before everything was sent.


def test_records_beyond_what_a_stream_takes(server, name):
    too_many = [{"Data": "eA==", "PartitionKey": "k"}] * 501
    answer = raw.RawClient(server).call("PutRecords", {"StreamName": name, "Records": too_many})
    assert (answer.status, answer.code) == (400, "ValidationException")
    long_key = _put(server, name, Data="eA==", PartitionKey="k" * 257)
    assert (long_key.status, long_key.code) == (400, "ValidationException")


def test_memory_stays_flat_under_rubbish(server):
    client = raw.RawClient(server)

    def rubbish():
        for body in BROKEN_JSON + [b"[" * 50_000, b'{"a":"' + b"x" * 60_000]:
            client.call("PutRecord", body=body)

    rubbish()
    before = server.resident_bytes()
    for _ in range(30):
        rubbish()
    assert server.resident_bytes() - before < RESIDENT_GROWTH_MAX
