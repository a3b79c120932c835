"""What is not served yet says so, whatever the input."""

import re

import botocore.session
import pytest

from rig import coverage, raw

UNSERVED = sorted(set(coverage.operations()) - set(coverage.served()))
MODEL = botocore.session.get_session().get_service_model("kinesis")

ARNS = [
    "arn:aws:kinesis:us-east-1:000000000000:stream/x",
    "arn:aws:kinesis:us-east-1:000000000000:channel/x",
    "arn:aws:kinesis:us-east-1:000000000000:queue/x",
    "arn:aws:iam::000000000000:role/x",
    "arn:aws:s3:::bucket",
]


def _least(shape):
    """The least value that a shape's constraints allow, by its required members."""
    if shape.type_name == "structure":
        return {name: _least(shape.members[name]) for name in shape.required_members}
    if shape.type_name == "list":
        return [_least(shape.member)] * shape.metadata.get("min", 1)
    if shape.type_name == "map":
        return {_least(shape.key): _least(shape.value)}
    if shape.type_name == "string":
        return _least_text(shape)
    simple = {"integer": 1, "long": 1, "boolean": True, "timestamp": 0, "blob": "", "double": 1.0}
    least = simple[shape.type_name]
    return max(least, shape.metadata.get("min", least)) if shape.type_name == "integer" else least


def _least_text(shape):
    if shape.enum:
        return shape.enum[0]
    pattern = shape.metadata.get("pattern", "")
    if "arn" in pattern:
        return next(arn for arn in ARNS if re.fullmatch(pattern, arn))
    return "x" * max(1, shape.metadata.get("min", 1))


@pytest.mark.parametrize("operation", UNSERVED)
def test_an_unserved_operation_answers_clearly(server, operation):
    shape = MODEL.operation_model(operation).input_shape
    answer = raw.RawClient(server).call(operation, _least(shape) if shape else {})
    assert (answer.status, answer.code) == (501, "UnsupportedOperationException"), answer.body
    assert operation in answer.message


def test_an_unknown_operation(server):
    answer = raw.RawClient(server).call("MakeCoffee", {})
    assert (answer.status, answer.value) == (400, {"__type": "UnknownOperationException"})
