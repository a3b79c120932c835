"""Every constraint and every type of every input, broken on purpose, in JSON and in CBOR.

The cases come from botocore's model, the expected words from `rig.oracle`.
"""

import http.client
import json
from collections import Counter

import cbor2
import pytest

from rig import negatives, oracle, raw

CODECS = {"json": raw.JSON, "cbor": raw.CBOR}
# How many cases each service has at least: broken constraints, several at once, wrong types.
LEAST = {"kinesis": (900, 60, 1500), "firehose": (2000, 15, 3000)}
# Longer texts than a whole request of a control operation may be: its size is refused instead.
BODY_BYTES_MAX = 1_048_576


class Line:
    """One kept connection on which signed calls are made."""

    def __init__(self, server, content_type, service):
        self.server, self.content_type, self.service = server, content_type, service
        self.model, self.dialect = negatives.model(service), oracle.DIALECTS[service]
        self.connection = http.client.HTTPConnection(*server.address, timeout=30)

    def call(self, operation, value) -> raw.Answer:
        if self.content_type == raw.CBOR:
            body = cbor2.dumps(value)
        else:
            body = json.dumps(negatives.as_json(value)).encode()
        head = {"Content-Type": self.content_type, "X-Amz-Target": raw.TARGETS[self.service] + operation}
        headers = raw.signed_headers(self.server.endpoint, body, head, service=self.service)
        self.connection.request("POST", "/", body=body, headers=headers)
        answer = self.connection.getresponse()
        named = {name.lower(): text for name, text in answer.getheaders()}
        return raw.Answer(answer.status, named, answer.read())


@pytest.fixture(params=[(service, codec) for service in LEAST for codec in CODECS], ids="-".join)
def line(server, request):
    service, codec = request.param
    made = Line(server, CODECS[codec], service)
    yield made
    made.connection.close()


def _verdicts(line, cases, code, key):
    """Plays cases of (name, operation, input, words); returns how many, and what went otherwise."""
    played, wrong = 0, []
    for name, operation, value, words in cases:
        answer = line.call(operation, value)
        played += 1
        expected = (400, {"__type": code, key: words}, line.content_type)
        given = (answer.status, answer.value, answer.headers.get("content-type"))
        if given != expected:
            wrong.append(f"{name}\n  expected {str(expected)[:600]}\n  given    {str(given)[:600]}")
    return played, wrong


def _assert_all(played, wrong, least):
    assert not wrong, f"{len(wrong)} of {played} answered otherwise:\n" + "\n".join(wrong[:20])
    assert played >= least, played


def _is_sendable(operation, value):
    is_data = operation in ("PutRecord", "PutRecords", "PutRecordBatch")
    return is_data or len(json.dumps(negatives.as_json(value))) < BODY_BYTES_MAX


def test_every_constraint(line):
    seen = Counter()

    def cases():
        for site, constraint, value in negatives.constraint_cases(line.model):
            shape = line.model.operation_model(site.operation).input_shape
            found = oracle.faults(shape, value, line.dialect)
            assert found, f"{site.name} {constraint}: the case breaks nothing"
            if _is_sendable(site.operation, value):
                seen[constraint] += 1
                words = oracle.validation_message(found)
                yield f"{site.name} {constraint}", site.operation, value, words

    played, wrong = _verdicts(line, cases(), "ValidationException", "message")
    _assert_all(played, wrong, LEAST[line.service][0])
    assert set(seen) == {"required", "enum", "pattern", "min", "max", "key"}, seen


def test_several_faults_at_once(line):
    def cases():
        for operation, value in negatives.crowded_cases(line.model):
            shape = line.model.operation_model(operation).input_shape
            found = oracle.faults(shape, value, line.dialect)
            if found:
                yield operation, operation, value, oracle.validation_message(found)

    played, wrong = _verdicts(line, cases(), "ValidationException", "message")
    _assert_all(played, wrong, LEAST[line.service][1])


def test_every_type(line):
    in_cbor = line.content_type == raw.CBOR

    def cases():
        for site, wrong, value in negatives.type_cases(line.model, in_cbor):
            words = oracle.type_message(site.shape, wrong, in_cbor)
            assert words, f"{site.name} takes {wrong!r}"
            yield f"{site.name} {wrong!r}", site.operation, value, words

    played, wrong = _verdicts(line, cases(), "SerializationException", "Message")
    _assert_all(played, wrong, LEAST[line.service][2])
