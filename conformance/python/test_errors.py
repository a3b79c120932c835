"""AWS's own words when something is refused."""

import datetime
import re

import pytest
from botocore.exceptions import ClientError

from rig import clients, streams
from rig.server import ACCOUNT, Server

SHARD = "shardId-000000000000"
MISSING = "shardId-000000000099"


@pytest.fixture(scope="module")
def name(kinesis):
    return streams.create(kinesis, shards=3, name="errors")


def _refusal(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return error["Code"], error["Message"]


def _not_found(name):
    return "ResourceNotFoundException", f"Stream {name} under account {ACCOUNT} not found."


@pytest.mark.parametrize(
    "operation, more",
    [
        ("describe_stream", {}),
        ("describe_stream_summary", {}),
        ("delete_stream", {}),
        ("list_shards", {}),
        ("put_record", {"Data": b"x", "PartitionKey": "k"}),
        ("put_records", {"Records": [{"Data": b"x", "PartitionKey": "k"}]}),
        ("split_shard", {"ShardToSplit": SHARD, "NewStartingHashKey": "5"}),
        ("merge_shards", {"ShardToMerge": SHARD, "AdjacentShardToMerge": MISSING}),
    ],
)
def test_a_missing_stream(kinesis, operation, more):
    call = getattr(kinesis, operation)
    assert _refusal(call, StreamName="nowhere", **more) == _not_found("nowhere")


def test_a_missing_stream_by_arn(kinesis):
    arn = f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/nowhere"
    refusal = _refusal(kinesis.put_record, StreamARN=arn, Data=b"x", PartitionKey="k")
    assert refusal == _not_found("nowhere")


def test_an_iterator_of_a_missing_stream_speaks_of_the_shard(kinesis):
    refusal = _refusal(
        kinesis.get_shard_iterator, StreamName="nowhere", ShardId=SHARD, ShardIteratorType="LATEST"
    )
    expected = f"Shard {SHARD} in stream nowhere under account {ACCOUNT} does not exist"
    assert refusal == ("ResourceNotFoundException", expected)


def test_a_stream_that_exists(kinesis, name):
    refusal = _refusal(kinesis.create_stream, StreamName=name, ShardCount=1)
    expected = f"Stream {name} under account {ACCOUNT} already exists."
    assert refusal == ("ResourceInUseException", expected)


def test_a_missing_shard(kinesis, name):
    refusal = _refusal(
        kinesis.get_shard_iterator, StreamName=name, ShardId=MISSING, ShardIteratorType="LATEST"
    )
    expected = f"Shard {MISSING} in stream {name} under account {ACCOUNT} does not exist"
    assert refusal == ("ResourceNotFoundException", expected)


@pytest.mark.parametrize("shard", ["shardId-x", "nonsense", "shardId-2147483648"])
def test_a_shard_id_that_is_none(kinesis, name, shard):
    refusal = _refusal(
        kinesis.get_shard_iterator, StreamName=name, ShardId=shard, ShardIteratorType="LATEST"
    )
    expected = f"Could not find shard {shard} in stream {name} under account {ACCOUNT}."
    assert refusal == ("ResourceNotFoundException", expected)


def test_a_split_of_a_missing_shard(kinesis, name):
    refusal = _refusal(
        kinesis.split_shard, StreamName=name, ShardToSplit=MISSING, NewStartingHashKey="5"
    )
    expected = f"Could not find shard {MISSING} in stream {name} under account {ACCOUNT}."
    assert refusal == ("ResourceNotFoundException", expected)


@pytest.mark.parametrize("index, key", [(0, "0"), (0, "1"), (0, str(2**128 // 3 - 1)), (1, "7")])
def test_a_split_point_outside(kinesis, name, index, key):
    shard = f"shardId-{index:012}"
    start, end = streams.even_ranges(3)[index]
    refusal = _refusal(
        kinesis.split_shard, StreamName=name, ShardToSplit=shard, NewStartingHashKey=key
    )
    expected = (
        f"NewStartingHashKey {key} used in SplitShard() on shard {shard} in stream {name} under "
        f"account {ACCOUNT} is not both greater than one plus the shard's StartingHashKey {start} "
        f"and less than the shard's EndingHashKey {end}."
    )
    assert refusal == ("InvalidArgumentException", expected)


def test_shards_that_do_not_touch(kinesis, name):
    other = "shardId-000000000002"
    refusal = _refusal(
        kinesis.merge_shards, StreamName=name, ShardToMerge=SHARD, AdjacentShardToMerge=other
    )
    expected = (
        f"Shards {SHARD} and {other} in stream {name} under account {ACCOUNT} are not an adjacent "
        "pair of shards eligible for merging"
    )
    assert refusal == ("InvalidArgumentException", expected)


def test_shards_in_the_wrong_order(kinesis, name):
    other = "shardId-000000000001"
    refusal = _refusal(
        kinesis.merge_shards, StreamName=name, ShardToMerge=other, AdjacentShardToMerge=SHARD
    )
    expected = (
        f"Shards {other} and {SHARD} in stream {name} under account {ACCOUNT} are not an adjacent "
        "pair of shards eligible for merging"
    )
    assert refusal == ("InvalidArgumentException", expected)


@pytest.mark.parametrize(
    "operation, more",
    [
        ("split_shard", {"ShardToSplit": "nonsense", "NewStartingHashKey": "0"}),
        ("merge_shards", {"ShardToMerge": "nonsense", "AdjacentShardToMerge": SHARD}),
        ("merge_shards", {"ShardToMerge": SHARD, "AdjacentShardToMerge": "nonsense"}),
    ],
)
def test_a_shard_id_is_read_before_the_stream_is_looked_for(kinesis, operation, more):
    refusal = _refusal(getattr(kinesis, operation), StreamName="nowhere", **more)
    expected = f"Could not find shard nonsense in stream nowhere under account {ACCOUNT}."
    assert refusal == ("ResourceNotFoundException", expected)


def test_a_shard_that_was_split_before(kinesis):
    name = streams.create(kinesis)
    middle = str(streams.SPACE // 2)
    kinesis.split_shard(StreamName=name, ShardToSplit=SHARD, NewStartingHashKey=middle)
    streams.await_active(kinesis, name)
    refusal = _refusal(
        kinesis.split_shard, StreamName=name, ShardToSplit=SHARD, NewStartingHashKey=middle
    )
    expected = (
        f"Shard {SHARD} in stream {name} under account {ACCOUNT} has already been merged or split, "
        "and thus is not eligible for merging or splitting."
    )
    assert refusal == ("InvalidArgumentException", expected)


def test_an_explicit_hash_key_beyond_the_space(kinesis, name):
    key = str(2**128)
    refusal = _refusal(
        kinesis.put_record, StreamName=name, Data=b"x", PartitionKey="k", ExplicitHashKey=key
    )
    expected = (
        "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. "
        f"Specified value was {key}"
    )
    assert refusal == ("InvalidArgumentException", expected)


@pytest.mark.parametrize("version", [0, 3, 4])
def test_an_ordering_number_that_is_none(kinesis, name, version):
    number = str((2 << 184) + version)
    refusal = _refusal(
        kinesis.put_record,
        StreamName=name,
        Data=b"x",
        PartitionKey="k",
        SequenceNumberForOrdering=number,
    )
    expected = (
        f"ExclusiveMinimumSequenceNumber {number} used in PutRecord on stream {name} under account "
        f"{ACCOUNT} is invalid."
    )
    assert refusal == ("InvalidArgumentException", expected)


@pytest.mark.parametrize("given", ["nonsense", "AAAAAAAAAAE=", "A" * 200])
def test_an_iterator_that_is_none(kinesis, given):
    refusal = _refusal(kinesis.get_records, ShardIterator=given)
    assert refusal == ("InvalidArgumentException", "Invalid ShardIterator.")


def test_an_iterator_that_was_tampered_with(kinesis, name):
    good = streams.iterator(kinesis, name, SHARD)
    bad = good[:40] + ("B" if good[40] == "A" else "A") + good[41:]
    refusal = _refusal(kinesis.get_records, ShardIterator=bad)
    assert refusal == ("InvalidArgumentException", "Invalid ShardIterator.")


@pytest.mark.parametrize(
    "kind, number, words",
    [
        ("LATEST", "5", "LATEST and also a StartingSequenceNumber."),
        ("TRIM_HORIZON", "5", "TRIM_HORIZON and also a StartingSequenceNumber."),
        ("AT_SEQUENCE_NUMBER", None, "AT_SEQUENCE_NUMBER and no StartingSequenceNumber."),
        ("AFTER_SEQUENCE_NUMBER", None, "AFTER_SEQUENCE_NUMBER and no StartingSequenceNumber."),
    ],
)
def test_a_type_that_does_not_fit_its_number(kinesis, name, kind, number, words):
    more = {"StartingSequenceNumber": number} if number else {}
    refusal = _refusal(
        kinesis.get_shard_iterator, StreamName=name, ShardId=SHARD, ShardIteratorType=kind, **more
    )
    expected = (
        "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and "
        "StartingSequenceNumber or (2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. "
        f"Request specified {words}"
    )
    assert refusal == ("InvalidArgumentException", expected)


def test_a_number_of_another_shard(kinesis, name):
    placed = kinesis.put_record(
        StreamName=name, Data=b"x", PartitionKey="k", ExplicitHashKey="0"
    )
    other = "shardId-000000000001"
    refusal = _refusal(
        kinesis.get_shard_iterator,
        StreamName=name,
        ShardId=other,
        ShardIteratorType="AT_SEQUENCE_NUMBER",
        StartingSequenceNumber=placed["SequenceNumber"],
    )
    expected = (
        f"Invalid StartingSequenceNumber. It encodes {SHARD}, while it was used in a call to a "
        f"shard with {other}"
    )
    assert refusal == ("InvalidArgumentException", expected)


@pytest.mark.parametrize(
    "number, words",
    [
        ("5", "Invalid StartingSequenceNumber. It encodes shardId-000000000005, while it was used"),
        # AWS reads the shard as a signed number.
        (str((2 << 184) + (8 << 32) + 2), "It encodes shardId--02147483648, while it was used"),
        (str((2 << 184) + 1), "is invalid because it did not come from this stream."),
        (str((2 << 184) + 2), "is invalid because it did not come from this stream."),
        (str((2 << 184) + (8 << 140) + 2), f"under account {ACCOUNT} is invalid."),
        (str(0x13BB2CC3D8 << 88), f"under account {ACCOUNT} is invalid."),
    ],
)
def test_a_number_of_no_stream_here(kinesis, name, number, words):
    code, message = _refusal(
        kinesis.get_shard_iterator,
        StreamName=name,
        ShardId=SHARD,
        ShardIteratorType="AT_SEQUENCE_NUMBER",
        StartingSequenceNumber=number,
    )
    assert code == "InvalidArgumentException" and words in message


@pytest.mark.parametrize("number", ["0", "5", str((2 << 184) + 1), str((2 << 184) + 2)])
def test_an_ordering_number_in_an_old_layout_is_taken(kinesis, name, number):
    kinesis.put_record(
        StreamName=name, Data=b"x", PartitionKey="k", SequenceNumberForOrdering=number
    )


def test_a_time_to_come(kinesis, name):
    tomorrow = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
    code, message = _refusal(
        kinesis.get_shard_iterator,
        StreamName=name,
        ShardId=SHARD,
        ShardIteratorType="AT_TIMESTAMP",
        Timestamp=tomorrow,
    )
    assert code == "InvalidArgumentException"
    pattern = (
        r"The timestampInMillis parameter cannot be greater than the currentTimestampInMillis\. "
        r"timestampInMillis: (\d+), currentTimestampInMillis: (\d+)"
    )
    given, now = re.fullmatch(pattern, message).groups()
    assert int(given) // 1000 == int(tomorrow.timestamp()) and int(now) < int(given)


def test_an_on_demand_stream_is_not_resharded_by_hand(kinesis):
    name = streams.fresh_name()
    kinesis.create_stream(StreamName=name, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    streams.await_active(kinesis, name)
    code, message = _refusal(
        kinesis.split_shard, StreamName=name, ShardToSplit=SHARD, NewStartingHashKey="5"
    )
    expected = f"Request is invalid. Stream {name} under account {ACCOUNT} is in On-Demand mode."
    assert (code, message) == ("ValidationException", expected)


@pytest.mark.parametrize(
    "operation, arguments, words",
    [
        (
            "create_stream",
            {"StreamName": "no spaces", "ShardCount": 1},
            "1 validation error detected: Value 'no spaces' at 'streamName' failed to satisfy "
            "constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
        ),
        (
            "create_stream",
            {"StreamName": "x", "ShardCount": 0},
            "1 validation error detected: Value '0' at 'shardCount' failed to satisfy constraint: "
            "Member must have value greater than or equal to 1",
        ),
        (
            "create_stream",
            {"ShardCount": 1},
            "1 validation error detected: Value null at 'streamName' failed to satisfy "
            "constraint: Member must not be null",
        ),
        (
            "put_records",
            {"StreamName": "errors", "Records": []},
            "1 validation error detected: Value '[]' at 'records' failed to satisfy constraint: "
            "Member must have length greater than or equal to 1",
        ),
        (
            "get_shard_iterator",
            {"StreamName": "errors", "ShardId": "shardId-0", "ShardIteratorType": "SOMEWHERE"},
            "1 validation error detected: Value 'SOMEWHERE' at 'shardIteratorType' failed to "
            "satisfy constraint: Member must satisfy enum value set: ",
        ),
    ],
)
def test_constraints(kinesis, operation, arguments, words):
    code, message = _refusal(getattr(kinesis, operation), **arguments)
    assert code == "ValidationException"
    assert message.startswith(words)


def test_two_constraints_in_one_answer(kinesis):
    code, message = _refusal(kinesis.list_streams, Limit=0, ExclusiveStartStreamName="?")
    assert code == "ValidationException"
    assert message.startswith("2 validation errors detected: ")
    assert message.count("; ") == 1


@pytest.fixture()
def slow(tmp_path):
    """A client of a server whose changes take their time."""
    server = Server(tmp_path / "data", "--state-delay", "1500ms").start()
    yield clients.client(server.endpoint)
    server.stop()


def test_what_is_not_active_yet(slow):
    slow.create_stream(StreamName="slow", ShardCount=1)
    put = {"StreamName": "slow", "Data": b"x", "PartitionKey": "k"}
    assert _refusal(slow.put_record, **put) == _not_found("slow")
    split = {"StreamName": "slow", "ShardToSplit": SHARD, "NewStartingHashKey": "1000"}
    message = f"Stream slow under account {ACCOUNT} not ACTIVE, instead in state CREATING"
    assert _refusal(slow.split_shard, **split) == ("ResourceInUseException", message)
    arn = streams.await_active(slow, "slow")["StreamARN"]

    slow.split_shard(**split)
    message = f"Stream slow under account {ACCOUNT} not ACTIVE, instead in state UPDATING"
    assert _refusal(slow.split_shard, **split) == ("ResourceInUseException", message)
    missing = {"StreamName": "slow", "ShardToSplit": MISSING, "NewStartingHashKey": "0"}
    assert _refusal(slow.split_shard, **missing) == ("ResourceInUseException", message)
    slow.put_record(**put)
    streams.await_active(slow, "slow")

    made = slow.register_stream_consumer(StreamARN=arn, ConsumerName="app")["Consumer"]
    code, message = _refusal(
        slow.subscribe_to_shard,
        ConsumerARN=made["ConsumerARN"],
        ShardId=SHARD,
        StartingPosition={"Type": "LATEST"},
    )
    assert code == "ResourceInUseException"
    created = int(made["ConsumerCreationTimestamp"].timestamp())
    assert message == (
        f"Consumer app with creation timestamp {created} under stream: slow, account {ACCOUNT} is "
        "not in ACTIVE status."
    )
