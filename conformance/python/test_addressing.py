"""How a stream is named: by name, by ARN, by id, or by more than one of them."""

import json
import re

import pytest
from botocore import xform_name

from rig import raw, streams
from rig.command import run
from rig.server import ACCOUNT, REGION

ID = re.compile(r"[a-z0-9]{20}-[a-z0-9]{3}")


def _id(server, name):
    """No answer of the service shows an id, because SDKs make a host of AWS's out of it."""
    report = json.loads(run("du", "--data", server.data, "--json").stdout)
    return next(line["id"] for line in report["streams"] if line["stream"] == name)


@pytest.fixture(scope="module")
def named(server, kinesis):
    name = streams.create(kinesis)
    summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    assert "StreamId" not in summary
    return {
        "StreamName": name,
        "StreamARN": summary["StreamARN"],
        "StreamId": _id(server, name),
    }


def _of(named, *members):
    return {member: named[member] for member in members}


WAYS = [("StreamName",), ("StreamARN",), ("StreamName", "StreamARN")]

KEY = {"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"}
METRICS = {"ShardLevelMetrics": ["ALL"]}
SHARD = {"ShardId": "shardId-000000000000", "ShardIteratorType": "LATEST"}
CALLS = [
    ("DescribeStream", {}),
    ("DescribeStreamSummary", {}),
    ("ListShards", {}),
    ("AddTagsToStream", {"Tags": {"a": "b"}}),
    ("ListTagsForStream", {}),
    ("RemoveTagsFromStream", {"TagKeys": ["a"]}),
    ("IncreaseStreamRetentionPeriod", {"RetentionPeriodHours": 24}),
    ("DecreaseStreamRetentionPeriod", {"RetentionPeriodHours": 24}),
    ("StartStreamEncryption", KEY),
    ("StopStreamEncryption", KEY),
    ("EnableEnhancedMonitoring", METRICS),
    ("DisableEnhancedMonitoring", METRICS),
    ("PutRecord", {"Data": b"x", "PartitionKey": "k"}),
    ("PutRecords", {"Records": [{"Data": b"x", "PartitionKey": "k"}]}),
    ("GetShardIterator", SHARD),
]


@pytest.mark.parametrize("way", WAYS, ids="+".join)
def test_every_operation_takes_every_way(kinesis, named, way):
    for operation, rest in CALLS:
        getattr(kinesis, xform_name(operation))(**rest, **_of(named, *way))


# SDKs make a host out of an id, whatever endpoint they were given: so it is asked by hand.
@pytest.mark.parametrize("way", [("StreamId",), ("StreamName", "StreamARN", "StreamId")], ids="+".join)
def test_an_id(server, named, way):
    cbor = raw.RawClient(server, raw.CBOR)
    calls = [*CALLS, ("UpdateMaxRecordSize", {"MaxRecordSizeInKiB": 1024})]
    for operation, rest in calls:
        address = _of(named, *way)
        if operation == "UpdateMaxRecordSize":
            address.pop("StreamName", None)
        cbor.value(operation, {**rest, **address})


def test_a_consumer_by_the_stream_s_id(server, kinesis, named):
    kinesis.register_stream_consumer(StreamARN=named["StreamARN"], ConsumerName="by-id")
    client = raw.RawClient(server)
    address = {"StreamId": named["StreamId"], "ConsumerName": "by-id"}
    described = client.value("DescribeStreamConsumer", address)["ConsumerDescription"]
    assert described["StreamARN"] == named["StreamARN"]
    client.value("DeregisterStreamConsumer", address)


def test_an_id_beside_a_name_says_nothing(server, named):
    """Producers send along what they were configured with; AWS calls the member reserved."""
    other = {**_of(named, "StreamName"), "StreamId": "z" * 20 + "-zzz"}
    raw.RawClient(server).value("DescribeStream", other)


def test_an_id_means_one_stream_of_one_region(server, kinesis, named):
    assert ID.fullmatch(named["StreamId"])
    again = streams.create(kinesis)
    old = _id(server, again)
    assert old != named["StreamId"]
    kinesis.delete_stream(StreamName=again)
    streams.create(kinesis, name=again)
    mistyped = named["StreamId"][:-1] + ("1" if named["StreamId"][-1] == "0" else "0")
    client = raw.RawClient(server)
    for unknown, signing in [
        (old, {}),
        (mistyped, {}),
        (named["StreamId"], {"region": "eu-west-1"}),
    ]:
        answer = client.call("DescribeStream", {"StreamId": unknown}, **signing)
        assert (answer.status, answer.code) == (400, "ResourceNotFoundException")
        assert answer.message == f"Stream {unknown} under account {ACCOUNT} not found."


def test_names_that_do_not_agree(kinesis, named):
    other = streams.create(kinesis)
    with pytest.raises(kinesis.exceptions.InvalidArgumentException):
        kinesis.describe_stream(StreamName=other, StreamARN=named["StreamARN"])


def test_no_name_at_all(kinesis):
    for call in (kinesis.describe_stream, kinesis.describe_stream_summary, kinesis.delete_stream):
        with pytest.raises(kinesis.exceptions.InvalidArgumentException):
            call()


def test_an_arn_of_another_region(kinesis, named):
    other = named["StreamARN"].replace(REGION, "eu-west-1")
    with pytest.raises(kinesis.exceptions.ResourceNotFoundException):
        kinesis.describe_stream(StreamARN=other)
