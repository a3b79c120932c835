"""Resource policies: kept as they were given, if they are policies."""

import json

import pytest

from rig import clients, raw, streams
from rig.server import ACCOUNT, REGION, Server


@pytest.fixture
def stream(kinesis):
    name = streams.create(kinesis)
    return kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]


@pytest.fixture
def consumer(kinesis, stream):
    answer = kinesis.register_stream_consumer(StreamARN=stream, ConsumerName="app")
    return answer["Consumer"]["ConsumerARN"]


def _policy(resource, **changed):
    statement = {
        "Sid": "readers",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": ["kinesis:DescribeStreamSummary", "kinesis:ListShards"],
        "Resource": resource,
        **changed,
    }
    kept = {member: value for member, value in statement.items() if value is not None}
    return json.dumps({"Version": "2012-10-17", "Statement": [kept]}, indent=1)


def _get(kinesis, arn):
    return kinesis.get_resource_policy(ResourceARN=arn)["Policy"]


def test_a_stream_s_policy(kinesis, stream):
    assert _get(kinesis, stream) == "{}"
    policy = _policy(stream)
    kinesis.put_resource_policy(ResourceARN=stream, Policy=policy)
    assert _get(kinesis, stream) == policy
    other = _policy(stream, Sid=None, Effect="Deny", Principal="*", Action="kinesis:*")
    kinesis.put_resource_policy(ResourceARN=stream, Policy=other)
    assert _get(kinesis, stream) == other
    kinesis.delete_resource_policy(ResourceARN=stream)
    assert _get(kinesis, stream) == "{}"
    kinesis.delete_resource_policy(ResourceARN=stream)


def test_a_consumer_s_policy(kinesis, stream, consumer):
    assert _get(kinesis, consumer) == "{}"
    policy = _policy(consumer, Action="kinesis:SubscribeToShard")
    kinesis.put_resource_policy(ResourceARN=consumer, Policy=policy)
    assert _get(kinesis, consumer) == policy
    assert _get(kinesis, stream) == "{}"
    kinesis.delete_resource_policy(ResourceARN=consumer)
    assert _get(kinesis, consumer) == "{}"


@pytest.mark.parametrize(
    "policy",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"Version": "2012-10-17", "Statement": []}',
        '{"Version": "2021-10-17", "Statement": [{}]}',
    ],
)
def test_what_is_no_policy(kinesis, stream, policy):
    kept = _policy(stream)
    kinesis.put_resource_policy(ResourceARN=stream, Policy=kept)
    with pytest.raises(kinesis.exceptions.InvalidArgumentException):
        kinesis.put_resource_policy(ResourceARN=stream, Policy=policy)
    assert _get(kinesis, stream) == kept


@pytest.mark.parametrize(
    "changed",
    [
        {"Effect": "Maybe"},
        {"Principal": None},
        {"Principal": {"AWS": "nobody"}},
        {"Action": "kinesis:MakeCoffee"},
        {"Action": "s3:GetObject"},
        {"Action": None},
        {"Resource": None},
        {"Resource": f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/other"},
        {"Condition": {"SoundsLike": {"aws:SourceIp": "1"}}},
        {"Mood": "good"},
    ],
)
def test_what_is_no_statement(kinesis, stream, changed):
    with pytest.raises(kinesis.exceptions.InvalidArgumentException) as refused:
        kinesis.put_resource_policy(ResourceARN=stream, Policy=_policy(stream, **changed))
    assert refused.value.response["Error"]["Message"].startswith("Invalid resource policy: ")
    assert _get(kinesis, stream) == "{}"


def test_a_policy_is_not_endless(kinesis, stream):
    with pytest.raises(kinesis.exceptions.InvalidArgumentException):
        kinesis.put_resource_policy(ResourceARN=stream, Policy=_policy(stream, Sid="x" * 21_000))


@pytest.mark.parametrize("what", ["stream/none", "channel/none", "queue/none", "stream/x/consumer/c:1"])
def test_what_is_not_there_has_no_policy(kinesis, what):
    arn = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:{what}"
    for call in (kinesis.get_resource_policy, kinesis.delete_resource_policy):
        with pytest.raises(kinesis.exceptions.ResourceNotFoundException):
            call(ResourceARN=arn)
    with pytest.raises(kinesis.exceptions.ResourceNotFoundException):
        kinesis.put_resource_policy(ResourceARN=arn, Policy=_policy(arn))


def test_what_is_no_resource(kinesis):
    with pytest.raises(kinesis.exceptions.ClientError) as refused:
        kinesis.get_resource_policy(ResourceARN="arn:aws:s3:::bucket")
    assert refused.value.response["Error"]["Code"] == "ValidationException"


def test_a_consumer_must_be_active(tmp_path):
    server = Server(tmp_path / "data", "--state-delay", "1s").start()
    kinesis = clients.client(server.endpoint)
    name = streams.create(kinesis)
    summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    arn = summary["StreamARN"]
    answer = kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="app")
    consumer = answer["Consumer"]["ConsumerARN"]
    with pytest.raises(kinesis.exceptions.ResourceInUseException):
        kinesis.put_resource_policy(ResourceARN=consumer, Policy=_policy(consumer))
    server.stop()


def test_a_policy_survives_and_goes_with_its_stream(tmp_path):
    server = Server(tmp_path / "data").start()
    kinesis = clients.client(server.endpoint)
    name = streams.create(kinesis)
    arn = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{name}"
    policy = _policy(arn)
    kinesis.put_resource_policy(ResourceARN=arn, Policy=policy)
    server.kill()
    server.start()
    kinesis = clients.client(server.endpoint)
    assert _get(kinesis, arn) == policy
    kinesis.delete_stream(StreamName=name)
    streams.create(kinesis, name=name)
    assert _get(kinesis, arn) == "{}"
    server.stop()


def test_in_cbor(server, stream):
    cbor = raw.RawClient(server, raw.CBOR)
    policy = _policy(stream)
    assert cbor.call("PutResourcePolicy", {"ResourceARN": stream, "Policy": policy}).body == b""
    assert cbor.value("GetResourcePolicy", {"ResourceARN": stream}) == {"Policy": policy}
    assert cbor.call("DeleteResourcePolicy", {"ResourceARN": stream}).body == b""
