"""DryRun: a request is checked in everything, answered with an error, and changes nothing."""

import pytest

from rig import clients, fan_out, raw, refusals, streams
from rig.server import Server

SHARD = "shardId-000000000000"
DRY = ("DryRunOperationException", "Request would have succeeded, but DryRun flag is set.")


def refusal(call, **given):
    """What a call is refused with that is only tried."""
    return refusals.refusal(call, DryRun=True, **given)


@pytest.fixture(scope="module")
def name(kinesis):
    name = streams.create(kinesis)
    kinesis.put_record(StreamName=name, Data=b"one", PartitionKey="k")
    return name


def test_puts(kinesis, name):
    entry = {"Data": b"x", "PartitionKey": "k"}
    assert refusal(kinesis.put_record, StreamName=name, **entry) == DRY
    assert refusal(kinesis.put_records, StreamName=name, Records=[entry] * 3) == DRY
    assert [r["Data"] for r in streams.read_shard(kinesis, name, SHARD)] == [b"one"]


@pytest.mark.parametrize(
    "given, code",
    [
        ({"StreamName": "nobody"}, "ResourceNotFoundException"),
        ({"PartitionKey": "k" * 257}, "ValidationException"),
        ({"Data": b"x" * 1024 * 1024}, "InvalidArgumentException"),
        ({"ExplicitHashKey": str(2**128)}, "InvalidArgumentException"),
    ],
)
def test_a_bad_put_is_as_bad_as_ever(kinesis, name, given, code):
    wanted = {"StreamName": name, "Data": b"x", "PartitionKey": "k", **given}
    assert refusal(kinesis.put_record, **wanted)[0] == code


def test_reads(kinesis, name):
    position = {"StreamName": name, "ShardId": SHARD, "ShardIteratorType": "TRIM_HORIZON"}
    assert refusal(kinesis.get_shard_iterator, **position) == DRY
    wrong = {**position, "ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": "1"}
    assert refusal(kinesis.get_shard_iterator, **wrong)[0] == "InvalidArgumentException"
    missing = {**position, "ShardId": "shardId-000000000009"}
    assert refusal(kinesis.get_shard_iterator, **missing)[0] == "ResourceNotFoundException"
    iterator = kinesis.get_shard_iterator(**position)["ShardIterator"]
    assert refusal(kinesis.get_records, ShardIterator=iterator) == DRY
    assert refusal(kinesis.get_records, ShardIterator="AAAA")[0] == "InvalidArgumentException"
    assert len(kinesis.get_records(ShardIterator=iterator)["Records"]) == 1


def test_subscriptions(kinesis, name):
    arn = fan_out.register(kinesis, name, "dry")
    wanted = {"ConsumerARN": arn, "ShardId": SHARD, "StartingPosition": {"Type": "TRIM_HORIZON"}}
    for _ in range(3):
        assert refusal(kinesis.subscribe_to_shard, **wanted) == DRY
    # Nothing was taken by the rehearsals; and while somebody holds the shard they say so.
    subscription = kinesis.subscribe_to_shard(**wanted)["EventStream"]
    assert refusal(kinesis.subscribe_to_shard, **wanted)[0] == "ResourceInUseException"
    records, _ = fan_out.collect(subscription, 1)
    assert [record["Data"] for record in records] == [b"one"]
    missing = {**wanted, "ShardId": "shardId-000000000009"}
    assert refusal(kinesis.subscribe_to_shard, **missing)[0] == "ResourceNotFoundException"
    nobody = {**wanted, "ConsumerARN": arn.replace("/dry:", "/nobody:")}
    assert refusal(kinesis.subscribe_to_shard, **nobody)[0] == "ResourceNotFoundException"


def test_false_is_no_dry_run(kinesis, name):
    entry = {"StreamName": name, "Data": b"two", "PartitionKey": "k"}
    assert kinesis.put_record(DryRun=False, **entry)["ShardId"] == SHARD


@pytest.mark.parametrize("content_type", [raw.JSON, raw.CBOR])
def test_on_the_wire(server, name, content_type):
    client = raw.RawClient(server, content_type)
    data = b"x" if content_type == raw.CBOR else "eA=="
    entry = {"Data": data, "PartitionKey": "k"}
    iterator = client.value(
        "GetShardIterator",
        {"StreamName": name, "ShardId": SHARD, "ShardIteratorType": "LATEST"},
    )["ShardIterator"]
    calls = {
        "PutRecord": {"StreamName": name, **entry},
        "PutRecords": {"StreamName": name, "Records": [entry]},
        "GetShardIterator": {
            "StreamName": name,
            "ShardId": SHARD,
            "ShardIteratorType": "LATEST",
        },
        "GetRecords": {"ShardIterator": iterator},
    }
    for operation, given in calls.items():
        answer = client.call(operation, {**given, "DryRun": True})
        assert (answer.status, answer.code, answer.message) == (400, *DRY), operation
        assert answer.headers["content-type"] == content_type


def test_limits_are_looked_at_and_not_used_up(tmp_path):
    server = Server(tmp_path / "data", "--limits", "aws").start()
    client = clients.client(server.endpoint)
    name = streams.create(client)
    entry = {"StreamName": name, "Data": b"x" * 700_000, "PartitionKey": "k"}
    for _ in range(5):
        assert refusal(client.put_record, **entry) == DRY
    client.put_record(**entry)
    code, message = refusal(client.put_record, **entry)
    assert code == "ProvisionedThroughputExceededException"
    assert message.startswith(f"Rate exceeded for shard {SHARD} in stream {name} under account ")
    server.stop()
