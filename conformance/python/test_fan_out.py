"""SubscribeToShard as boto3 and KCL need it."""

import threading
import time

import pytest

from rig import clients, fan_out, streams
from rig.server import Server
from rig.waiting import until

SHARD = "shardId-000000000000"


@pytest.fixture()
def stream(kinesis):
    name = streams.create(kinesis)
    return {"name": name, "consumer": fan_out.register(kinesis, name, "app")}


def _put(kinesis, stream, texts):
    entries = [{"Data": text.encode(), "PartitionKey": "k"} for text in texts]
    return streams.put_all(kinesis, stream["name"], entries)


def test_what_is_there_arrives(kinesis, stream):
    placed = _put(kinesis, stream, ["a", "b", "c"])
    subscription = fan_out.subscribe(kinesis, stream["consumer"], SHARD, "TRIM_HORIZON")
    records, last = fan_out.collect(subscription, 3)
    assert [record["Data"] for record in records] == [b"a", b"b", b"c"]
    assert [record["SequenceNumber"] for record in records] == [
        result["SequenceNumber"] for result in placed
    ]
    assert last["MillisBehindLatest"] == 0
    assert last["ContinuationSequenceNumber"]
    assert "ChildShards" not in last


def test_what_comes_is_pushed(kinesis, stream):
    subscription = fan_out.subscribe(kinesis, stream["consumer"], SHARD, "LATEST")
    got, failure = [], []

    def listen():
        try:
            got.extend(fan_out.collect(subscription, 10)[0])
        except Exception as error:  # noqa: BLE001 - told to the test's own thread
            failure.append(error)

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    for number in range(10):
        _put(kinesis, stream, [str(number)])
    until(lambda: not listener.is_alive(), what="ten pushed records")
    assert not failure
    assert [record["Data"].decode() for record in got] == [str(number) for number in range(10)]


def test_a_silent_shard_says_so_about_every_five_seconds(kinesis, stream):
    subscription = fan_out.subscribe(kinesis, stream["consumer"], SHARD, "LATEST")
    event = next(fan_out.events_of(subscription))
    subscription.close()
    assert event["Records"] == []
    assert event["ContinuationSequenceNumber"]
    assert event["MillisBehindLatest"] == 0


@pytest.mark.parametrize("kind", ["AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"])
def test_a_place_by_sequence_number(kinesis, stream, kind):
    placed = _put(kinesis, stream, ["a", "b", "c"])
    start = placed[1]["SequenceNumber"]
    subscription = fan_out.subscribe(
        kinesis, stream["consumer"], SHARD, kind, SequenceNumber=start
    )
    expected = [b"b", b"c"] if kind.startswith("AT") else [b"c"]
    records, _ = fan_out.collect(subscription, len(expected))
    assert [record["Data"] for record in records] == expected


def test_a_place_by_time(kinesis, stream):
    _put(kinesis, stream, ["a"])
    [record] = streams.read_shard(kinesis, stream["name"], SHARD)
    subscription = fan_out.subscribe(
        kinesis,
        stream["consumer"],
        SHARD,
        "AT_TIMESTAMP",
        Timestamp=record["ApproximateArrivalTimestamp"],
    )
    records, _ = fan_out.collect(subscription, 1)
    assert [record["Data"] for record in records] == [b"a"]


def test_a_continuation_goes_on_without_replay(kinesis, stream):
    _put(kinesis, stream, [f"{n}" for n in range(50)])
    first = fan_out.subscribe(kinesis, stream["consumer"], SHARD, "TRIM_HORIZON")
    records, last = fan_out.collect(first, 50)
    _put(kinesis, stream, [f"{n}" for n in range(50, 80)])
    second = fan_out.subscribe(
        kinesis,
        stream["consumer"],
        SHARD,
        "AFTER_SEQUENCE_NUMBER",
        SequenceNumber=last["ContinuationSequenceNumber"],
    )
    more, _ = fan_out.collect(second, 30)
    assert [record["Data"].decode() for record in records + more] == [f"{n}" for n in range(80)]


def test_a_heartbeats_continuation_goes_on_too(kinesis, stream):
    _put(kinesis, stream, ["seen"])
    first = fan_out.subscribe(kinesis, stream["consumer"], SHARD, "LATEST")
    heartbeat = next(fan_out.events_of(first))
    first.close()
    _put(kinesis, stream, ["new"])
    second = fan_out.subscribe(
        kinesis,
        stream["consumer"],
        SHARD,
        "AFTER_SEQUENCE_NUMBER",
        SequenceNumber=heartbeat["ContinuationSequenceNumber"],
    )
    records, _ = fan_out.collect(second, 1)
    assert [record["Data"] for record in records] == [b"new"]


def test_a_second_call_is_refused_and_later_takes_over(server, kinesis, stream):
    first = fan_out.subscribe(kinesis, stream["consumer"], SHARD, "LATEST")
    with pytest.raises(kinesis.exceptions.ResourceInUseException):
        kinesis.subscribe_to_shard(
            ConsumerARN=stream["consumer"], ShardId=SHARD, StartingPosition={"Type": "LATEST"}
        )
    second = fan_out.subscribe(
        clients.client(server.endpoint), stream["consumer"], SHARD, "LATEST"
    )
    # The first one ends instead of waiting for its five minutes.
    assert all(event["Records"] == [] for event in fan_out.events_of(first))
    _put(kinesis, stream, ["for the second"])
    records, _ = fan_out.collect(second, 1)
    assert [record["Data"] for record in records] == [b"for the second"]


def test_consumers_and_shards_do_not_disturb_each_other(kinesis):
    name = streams.create(kinesis, shards=2)
    consumers = [fan_out.register(kinesis, name, f"app-{n}") for n in range(2)]
    keys = [str(start) for start, _ in streams.even_ranges(2)]
    entries = [{"Data": key.encode(), "PartitionKey": "k", "ExplicitHashKey": key} for key in keys]
    streams.put_all(kinesis, name, entries)
    for arn in consumers:
        for index, key in enumerate(keys):
            shard = f"shardId-{index:012}"
            subscription = fan_out.subscribe(kinesis, arn, shard, "TRIM_HORIZON")
            records, _ = fan_out.collect(subscription, 1)
            assert [record["Data"] for record in records] == [key.encode()]


def test_the_end_of_a_shard(kinesis, stream):
    _put(kinesis, stream, ["a", "b"])
    name = stream["name"]
    middle = streams.SPACE // 2
    kinesis.split_shard(StreamName=name, ShardToSplit=SHARD, NewStartingHashKey=str(middle))
    streams.await_active(kinesis, name)
    subscription = fan_out.subscribe(kinesis, stream["consumer"], SHARD, "TRIM_HORIZON")
    events = list(fan_out.events_of(subscription))
    records = [record["Data"] for event in events for record in event["Records"]]
    assert records == [b"a", b"b"]
    assert all("ContinuationSequenceNumber" in event for event in events[:-1])
    assert all("ChildShards" not in event for event in events[:-1])
    _assert_end(events[-1], middle)


def test_a_split_under_a_subscription_ends_it(kinesis, stream):
    name = stream["name"]
    middle = streams.SPACE // 2
    subscription = fan_out.subscribe(kinesis, stream["consumer"], SHARD, "LATEST")
    _put(kinesis, stream, ["last words"])
    kinesis.split_shard(StreamName=name, ShardToSplit=SHARD, NewStartingHashKey=str(middle))
    split_at = time.monotonic()
    events = list(fan_out.events_of(subscription))
    assert time.monotonic() - split_at < 4, "the end waited for a heartbeat"
    records = [record["Data"] for event in events for record in event["Records"]]
    assert records == [b"last words"]
    _assert_end(events[-1], middle)


def test_a_server_that_stops_ends_its_subscriptions(tmp_path):
    """A subscriber keeps nobody waiting; the next server carries its place on."""
    server = Server(tmp_path / "data").start()
    client = clients.client(server.endpoint)
    name = streams.create(client)
    arn = fan_out.register(client, name, "app")
    placed = client.put_record(StreamName=name, Data=b"before", PartitionKey="k")
    subscription = fan_out.subscribe(client, arn, SHARD, "TRIM_HORIZON")
    events = fan_out.events_of(subscription)
    assert len(next(events)["Records"]) == 1
    stopping = time.monotonic()
    server.stop()
    assert time.monotonic() - stopping < 8
    assert [event["Records"] for event in events] in ([], [[]])

    server = Server(tmp_path / "data").start()
    client = clients.client(server.endpoint)
    client.put_record(StreamName=name, Data=b"after", PartitionKey="k")
    again = fan_out.subscribe(
        client, arn, SHARD, "AFTER_SEQUENCE_NUMBER", SequenceNumber=placed["SequenceNumber"]
    )
    records, _ = fan_out.collect(again, 1)
    assert [record["Data"] for record in records] == [b"after"]
    server.stop()


def _assert_end(event, middle):
    """What KCL accepts as the end: no continuation, and children that name their parents."""
    assert "ContinuationSequenceNumber" not in event
    children = sorted(event["ChildShards"], key=lambda child: child["ShardId"])
    assert [child["ShardId"][-1] for child in children] == ["1", "2"]
    assert all(child["ParentShards"] == [SHARD] for child in children)
    ranges = [streams.range_of(child) for child in children]
    assert ranges == [(0, middle - 1), (middle, streams.SPACE - 1)]
