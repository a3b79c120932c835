"""AWS/Kinesis's metrics on `/metrics`, and what a call leaves in the log."""

import json
import re
import urllib.request

import pytest

from rig import clients, fan_out, streams
from rig.command import move_clock
from rig.server import ACCOUNT, KEY_ID, REGION, Server
from rig.waiting import until

LINE = re.compile(r'(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?P<labels>.*)\})? (?P<value>\S+)')


def scrape(server):
    """Every sample: (name, labels) to value."""
    with urllib.request.urlopen(f"{server.endpoint}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    samples = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        found = LINE.fullmatch(line)
        assert found, line
        labels = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', found["labels"] or ""))
        key = (found["name"], frozenset(labels.items()))
        assert key not in samples, f"told twice: {line}"
        samples[key] = float(found["value"])
    return samples


def of(samples, name, **labels):
    """A metric's count and sum."""
    key = frozenset({"account": ACCOUNT, "region": REGION, **labels}.items())
    return samples.get((f"{name}_count", key)), samples.get((f"{name}_sum", key))



@pytest.fixture
def stream(kinesis):
    return streams.create(kinesis, shards=2)


def test_puts(server, kinesis, stream):
    kinesis.put_record(StreamName=stream, PartitionKey="four", Data=b"123456")
    entries = [{"PartitionKey": "k", "Data": b"x" * n} for n in range(1, 11)]
    kinesis.put_records(StreamName=stream, Records=entries)
    samples = scrape(server)

    def own(name):
        return of(samples, f"aws_kinesis_{name}", stream=stream)

    assert own("put_record_bytes") == (1, 10)
    assert own("put_record_success") == (1, 1)
    assert own("put_records_bytes") == (1, 65)
    assert own("put_records_success") == (1, 1)
    assert own("put_records_total_records") == (1, 10)
    assert own("put_records_successful_records") == (1, 10)
    assert own("put_records_failed_records") == (1, 0)
    assert own("put_records_throttled_records") == (1, 0)
    assert own("incoming_bytes") == (2, 75)
    assert own("incoming_records") == (2, 11)
    assert own("write_provisioned_throughput_exceeded") == (2, 0)
    count, milliseconds = own("put_records_latency_milliseconds")
    assert count == 1 and 0 < milliseconds < 10_000
    assert own("get_records_bytes") == (None, None)


def test_gets(server, kinesis, stream):
    shard = "shardId-000000000000"
    for n in range(3):
        kinesis.put_record(StreamName=stream, PartitionKey="k", Data=b"12345", ExplicitHashKey="0")
    position = streams.iterator(kinesis, stream, shard)
    page = kinesis.get_records(ShardIterator=position, Limit=2)
    kinesis.get_records(ShardIterator=page["NextShardIterator"])
    samples = scrape(server)

    def own(name):
        return of(samples, f"aws_kinesis_get_records_{name}", stream=stream)

    assert own("records") == (2, 3)
    assert own("bytes") == (2, 18)
    assert own("success") == (2, 2)
    count, age = own("iterator_age_milliseconds")
    assert count == 2 and age == page["MillisBehindLatest"]
    exceeded = "aws_kinesis_read_provisioned_throughput_exceeded"
    assert of(samples, exceeded, stream=stream) == (2, 0)


def test_a_consumer(server, kinesis, stream):
    arn = fan_out.register(kinesis, stream, "watched")
    subscription = fan_out.subscribe(kinesis, arn, "shardId-000000000000", "TRIM_HORIZON")
    kinesis.put_record(StreamName=stream, PartitionKey="k", Data=b"12345", ExplicitHashKey="0")
    fan_out.collect(subscription, enough=1)
    # Held, or else its end would let the next one in.
    shard, start = "shardId-000000000001", {"Type": "LATEST"}
    held = kinesis.subscribe_to_shard(ConsumerARN=arn, ShardId=shard, StartingPosition=start)
    with pytest.raises(kinesis.exceptions.ResourceInUseException):
        kinesis.subscribe_to_shard(ConsumerARN=arn, ShardId=shard, StartingPosition=start)
    held["EventStream"].close()
    samples = scrape(server)

    def own(name):
        return of(samples, f"aws_kinesis_{name}", stream=stream, consumer="watched")

    attempts, successes = own("subscribe_to_shard_success")
    assert successes == 2
    assert own("subscribe_to_shard_rate_exceeded") == (attempts, attempts - successes)
    assert own("subscribe_to_shard_event_records")[1] == 1
    assert own("subscribe_to_shard_event_bytes")[1] == 6
    events, published = own("subscribe_to_shard_event_success")
    assert events == published >= 1
    assert own("subscribe_to_shard_event_millis_behind_latest")[0] == events


def shard_of(samples, stream, name, shard="shardId-000000000000"):
    return of(samples, f"aws_kinesis_shard_{name}", stream=stream, shard=shard)


def test_shards_only_where_they_are_asked_for(server, kinesis, stream):
    def use():
        entry = {"PartitionKey": "k", "Data": b"12345", "ExplicitHashKey": "0"}
        kinesis.put_records(StreamName=stream, Records=[entry, entry])
        streams.read_shard(kinesis, stream, "shardId-000000000000")

    use()
    assert shard_of(scrape(server), stream, "incoming_records") == (None, None)
    kinesis.enable_enhanced_monitoring(
        StreamName=stream, ShardLevelMetrics=["IncomingRecords", "OutgoingBytes"]
    )
    streams.await_active(kinesis, stream)
    use()
    samples = scrape(server)
    assert shard_of(samples, stream, "incoming_records") == (1, 2)
    assert shard_of(samples, stream, "outgoing_bytes")[1] == 4 * 6
    assert shard_of(samples, stream, "incoming_bytes") == (None, None)
    other = "shardId-000000000001"
    assert shard_of(samples, stream, "incoming_records", shard=other) == (None, None)
    kinesis.enable_enhanced_monitoring(StreamName=stream, ShardLevelMetrics=["ALL"])
    streams.await_active(kinesis, stream)
    use()
    samples = scrape(server)
    assert shard_of(samples, stream, "incoming_bytes")[1] == 2 * 12
    assert shard_of(samples, stream, "iterator_age_milliseconds")[0] > 0
    assert shard_of(samples, stream, "read_provisioned_throughput_exceeded")[1] == 0
    assert shard_of(samples, stream, "write_provisioned_throughput_exceeded")[1] == 0
    kinesis.disable_enhanced_monitoring(StreamName=stream, ShardLevelMetrics=["ALL"])
    streams.await_active(kinesis, stream)
    assert shard_of(scrape(server), stream, "incoming_records") == (None, None)


def test_throttles(tmp_path):
    limited = Server(tmp_path / "data", "--limits", "aws").start()
    client = clients.client(limited.endpoint)
    stream = streams.create(client)
    big = [{"PartitionKey": "k", "Data": b"x" * 400_000} for _ in range(8)]
    answer = client.put_records(StreamName=stream, Records=big)
    failed = answer["FailedRecordCount"]
    assert 0 < failed < 8
    position = streams.iterator(client, stream, "shardId-000000000000")
    refused = 0
    for _ in range(12):
        try:
            client.get_records(ShardIterator=position, Limit=1)
        except client.exceptions.ProvisionedThroughputExceededException:
            refused += 1
    assert refused > 0
    samples = scrape(limited)

    def own(name):
        return of(samples, f"aws_kinesis_{name}", stream=stream)

    assert own("put_records_throttled_records") == (1, failed)
    assert own("put_records_successful_records") == (1, 8 - failed)
    assert own("write_provisioned_throughput_exceeded") == (1, failed)
    assert own("incoming_records") == (1, 8 - failed)
    assert own("read_provisioned_throughput_exceeded") == (12, refused)
    assert own("get_records_success") == (12, 12 - refused)
    limited.stop()


def test_a_stream_that_is_gone_is_not_told(server, kinesis):
    stream = streams.create(kinesis)
    kinesis.put_record(StreamName=stream, PartitionKey="k", Data=b"x")
    assert of(scrape(server), "aws_kinesis_incoming_records", stream=stream) == (1, 1)
    kinesis.delete_stream(StreamName=stream)
    assert of(scrape(server), "aws_kinesis_incoming_records", stream=stream) == (None, None)


def test_the_last_minute_has_its_greatest(tmp_path):
    dev = Server(tmp_path / "data", "--dev").start()
    client = clients.client(dev.endpoint)
    stream = streams.create(client)
    for size in (10, 300, 20):
        client.put_record(StreamName=stream, PartitionKey="k", Data=b"x" * size)
    move_clock(dev, "+1m")
    labels = frozenset({"account": ACCOUNT, "region": REGION, "stream": stream}.items())
    name = "aws_kinesis_put_record_bytes_last_minute_max"
    assert until(lambda: scrape(dev).get((name, labels)), what="a closed minute") == 301
    dev.stop()


def lines_of(server, target):
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    return [line["fields"] | {"level": line["level"]} for line in lines if line["target"] == target]


def test_a_line_per_call_and_a_line_per_change(tmp_path):
    log = "info,levada::access=debug"
    told = Server(tmp_path / "data", "--log", log, "--log-format", "json").start()
    client = clients.client(told.endpoint)
    stream = streams.create(client)
    put = client.put_record(StreamName=stream, PartitionKey="k", Data=b"x")
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.delete_stream(StreamName="nobody")
    client.delete_stream(StreamName=stream)
    told.stop()
    arn = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{stream}"
    [line] = [li for li in lines_of(told, "levada::access") if li["operation"] == "PutRecord"]
    assert line["request_id"] == put["ResponseMetadata"]["RequestId"]
    assert (line["resource"], line["account"], line["region"]) == (arn, ACCOUNT, REGION)
    assert (line["status"], line["fault"], line["level"]) == (200, "-", "DEBUG")
    assert line["micros"] > 0 and line["bytes_in"] > 0 and line["bytes_out"] > 0
    assert line["peer"] == "127.0.0.1"
    changes = lines_of(told, "levada::audit")
    said = [(line["operation"], line["status"], line["fault"]) for line in changes]
    assert said == [
        ("CreateStream", 200, "-"),
        ("DeleteStream", 400, "ResourceNotFoundException"),
        ("DeleteStream", 200, "-"),
    ]
    assert changes[0]["principal"] == f"arn:aws:iam::{ACCOUNT}:root"
    assert changes[2]["resource"] == arn
    assert KEY_ID not in told.log.read_text()


def test_quiet_unless_asked(tmp_path):
    quiet = Server(tmp_path / "data", "--log-format", "json").start()
    client = clients.client(quiet.endpoint)
    client.list_streams()
    stream = streams.create(client)
    quiet.stop()
    assert lines_of(quiet, "levada::access") == []
    assert [line["resource"][-len(stream) :] for line in lines_of(quiet, "levada::audit")] == [stream]
