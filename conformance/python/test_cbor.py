"""The second wire format: CBOR as AWS writes it, which the Java SDKs speak by default."""

import time

import cbor2
import pytest

from rig import raw, streams
from rig.server import ACCOUNT
from rig.waiting import until

SHARD = "shardId-000000000000"


@pytest.fixture(scope="module")
def cbor(server):
    return raw.RawClient(server, raw.CBOR)


def _create(cbor, shards=1):
    name = streams.fresh_name("cbor")
    answer = cbor.call("CreateStream", {"StreamName": name, "ShardCount": shards})
    assert (answer.status, answer.body) == (200, b"")

    def is_active():
        value = cbor.value("DescribeStreamSummary", {"StreamName": name})
        return value["StreamDescriptionSummary"]["StreamStatus"] == "ACTIVE"

    until(is_active, what=f"{name} ACTIVE")
    return name


def _iterator(cbor, name, kind="TRIM_HORIZON", **more):
    given = {"StreamName": name, "ShardId": SHARD, "ShardIteratorType": kind, **more}
    return cbor.value("GetShardIterator", given)["ShardIterator"]


def _read(cbor, name, kind="TRIM_HORIZON", **more):
    given = {"ShardIterator": _iterator(cbor, name, kind, **more)}
    return cbor.value("GetRecords", given)["Records"]


def _assert_recent(timestamp):
    """A tag 1 over integer milliseconds, where the RFC says seconds."""
    tag, value = timestamp
    assert tag == "tag 1"
    assert isinstance(value, int)
    assert abs(value / 1000 - time.time()) < 60


def test_the_way_there_and_back(cbor):
    name = _create(cbor)
    data = bytes(range(256))
    placed = cbor.value("PutRecord", {"StreamName": name, "Data": data, "PartitionKey": "k"})
    assert placed["ShardId"] == SHARD
    [record] = _read(cbor, name)
    assert record["Data"] == data and isinstance(record["Data"], bytes)
    assert record["PartitionKey"] == "k"
    assert record["SequenceNumber"] == placed["SequenceNumber"]
    _assert_recent(record["ApproximateArrivalTimestamp"])


def test_a_description_has_a_time_in_milliseconds(cbor):
    name = _create(cbor)
    answer = cbor.call("DescribeStreamSummary", {"StreamName": name})
    assert answer.headers["content-type"] == raw.CBOR
    _assert_recent(answer.value["StreamDescriptionSummary"]["StreamCreationTimestamp"])


def test_many_records(cbor):
    name = _create(cbor)
    entries = [{"Data": b"%d" % n, "PartitionKey": f"key-{n}"} for n in range(500)]
    answer = cbor.value("PutRecords", {"StreamName": name, "Records": entries})
    assert answer["FailedRecordCount"] == 0
    records = _read(cbor, name)
    assert [r["Data"] for r in records] == [entry["Data"] for entry in entries]
    assert [r["SequenceNumber"] for r in records] == [
        result["SequenceNumber"] for result in answer["Records"]
    ]


def test_indefinite_lengths_are_read(cbor):
    """As the Java SDK's generator may write them."""
    name = _create(cbor)
    text = cbor2.dumps
    body = b"\xbf" + text("StreamName") + text(name) + text("PartitionKey") + text("k")
    body += text("Data") + b"\x5f" + text(b"ab") + text(b"cd") + b"\xff" + b"\xff"
    answer = cbor.call("PutRecord", body=body)
    assert answer.status == 200, answer.body
    assert [record["Data"] for record in _read(cbor, name)] == [b"abcd"]


def test_a_time_may_be_given(cbor):
    name = _create(cbor)
    cbor.value("PutRecord", {"StreamName": name, "Data": b"x", "PartitionKey": "k"})
    [record] = _read(cbor, name)
    _, arrived = record["ApproximateArrivalTimestamp"]
    at = cbor2.CBORTag(1, arrived)
    assert len(_read(cbor, name, "AT_TIMESTAMP", Timestamp=at)) == 1
    until(lambda: time.time() * 1000 > arrived + 2)
    later = cbor2.CBORTag(1, arrived + 1)
    assert _read(cbor, name, "AT_TIMESTAMP", Timestamp=later) == []


def test_json_and_cbor_see_the_same_records(server, cbor):
    name = _create(cbor)
    cbor.value("PutRecord", {"StreamName": name, "Data": b"\x00\xff", "PartitionKey": "k"})
    json = raw.RawClient(server)
    position = _iterator(json, name)
    [record] = json.value("GetRecords", {"ShardIterator": position})["Records"]
    assert record["Data"] == "AP8="
    assert len(cbor.value("GetRecords", {"ShardIterator": position})["Records"]) == 1


def test_a_missing_stream(cbor):
    answer = cbor.call("DescribeStreamSummary", {"StreamName": "nowhere"})
    assert answer.status == 400
    assert answer.headers["content-type"] == raw.CBOR
    assert answer.code == "ResourceNotFoundException"
    assert answer.value["message"] == f"Stream nowhere under account {ACCOUNT} not found."


def test_a_broken_constraint(cbor):
    answer = cbor.call("CreateStream", {"StreamName": "x", "ShardCount": 0})
    assert (answer.status, answer.code) == (400, "ValidationException")
    assert answer.message.startswith("1 validation error detected: Value '0' at 'shardCount'")


def test_a_wrong_type(cbor):
    answer = cbor.call("CreateStream", {"StreamName": ["x"], "ShardCount": 1})
    assert (answer.status, answer.code) == (400, "SerializationException")


def test_a_wrong_signature(cbor):
    answer = cbor.call("ListStreams", {}, secret="wrong/secret+wrong/secret+wrong/secret000")
    assert (answer.status, answer.code) == (400, "InvalidSignatureException")


def test_shards_and_the_end_of_one(cbor):
    name = _create(cbor)
    middle = streams.SPACE // 2
    split = {"StreamName": name, "ShardToSplit": SHARD, "NewStartingHashKey": str(middle)}
    answer = cbor.call("SplitShard", split)
    assert (answer.status, answer.body) == (200, b"")

    def children():
        at_latest = {"StreamName": name, "ShardFilter": {"Type": "AT_LATEST"}}
        shards = cbor.value("ListShards", at_latest)["Shards"]
        return len(shards) == 2 and shards

    assert [shard["ParentShardId"] for shard in until(children)] == [SHARD, SHARD]
    page = cbor.value("GetRecords", {"ShardIterator": _iterator(cbor, name)})
    assert "NextShardIterator" not in page
    assert [child["ParentShards"] for child in page["ChildShards"]] == [[SHARD], [SHARD]]


def test_consumers(cbor):
    name = _create(cbor)
    summary = cbor.value("DescribeStreamSummary", {"StreamName": name})["StreamDescriptionSummary"]
    made = {"StreamARN": summary["StreamARN"], "ConsumerName": "app"}
    arn = cbor.value("RegisterStreamConsumer", made)["Consumer"]["ConsumerARN"]
    described = cbor.value("DescribeStreamConsumer", {"ConsumerARN": arn})["ConsumerDescription"]
    assert described["ConsumerName"] == "app"
