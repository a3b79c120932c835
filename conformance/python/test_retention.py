"""How long records live: up, down, and what a shorter life takes away for ever."""


import pytest

from rig import clients, streams
from rig.command import move_clock
from rig.server import ACCOUNT, Server
from rig.waiting import until

SHARD = "shardId-000000000000"


def _hours(kinesis, name):
    summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    described = kinesis.describe_stream(StreamName=name)["StreamDescription"]
    assert described["RetentionPeriodHours"] == summary["RetentionPeriodHours"]
    return summary["RetentionPeriodHours"]


def _increase(kinesis, name, hours):
    kinesis.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=hours)


def _decrease(kinesis, name, hours):
    kinesis.decrease_stream_retention_period(StreamName=name, RetentionPeriodHours=hours)


def test_it_goes_up_and_down(kinesis):
    name = streams.create(kinesis)
    assert _hours(kinesis, name) == 24
    for change, hours in [(_increase, 25), (_increase, 25), (_increase, 8760), (_decrease, 24)]:
        change(kinesis, name, hours)
        assert _hours(kinesis, name) == hours


@pytest.mark.parametrize(
    "change, hours, message",
    [
        (
            change,
            hours,
            f"{bound} allowed retention period is {limit} hours. "
            f"Requested retention period ({hours} hours) is too {word}.",
        )
        for change in (_increase, _decrease)
        for hours, bound, limit, word in [
            (23, "Minimum", 24, "short"),
            (-1, "Minimum", 24, "short"),
            (8761, "Maximum", 8760, "long"),
            (2**31 - 1, "Maximum", 8760, "long"),
        ]
    ]
    + [
        (
            _increase,
            24,
            "Requested retention period (24 hours) for stream {name} can not be shorter than "
            "existing retention period (30 hours). Use DecreaseRetentionPeriod API.",
        ),
        (
            _decrease,
            31,
            "Requested retention period (31 hours) for stream {name} can not be longer than "
            "existing retention period (30 hours). Use IncreaseRetentionPeriod API.",
        ),
    ],
)
def test_what_it_may_not_be(kinesis, change, hours, message):
    name = streams.create(kinesis)
    _increase(kinesis, name, 30)
    with pytest.raises(kinesis.exceptions.InvalidArgumentException) as refused:
        change(kinesis, name, hours)
    assert refused.value.response["Error"]["Message"] == message.format(name=name)
    assert _hours(kinesis, name) == 30


def test_the_stream_is_looked_for_first(kinesis):
    for change in (_increase, _decrease):
        with pytest.raises(kinesis.exceptions.ResourceNotFoundException) as refused:
            change(kinesis, "no-such-stream", 1)
        said = refused.value.response["Error"]["Message"]
        assert said == f"Stream no-such-stream under account {ACCOUNT} not found."


def test_the_stream_is_updating_meanwhile(tmp_path):
    server = Server(tmp_path / "data", "--state-delay", "400ms").start()
    kinesis = clients.client(server.endpoint)
    name = streams.create(kinesis)
    _increase(kinesis, name, 48)
    summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    assert (summary["StreamStatus"], summary["RetentionPeriodHours"]) == ("UPDATING", 24)
    with pytest.raises(kinesis.exceptions.ResourceInUseException) as refused:
        _increase(kinesis, name, 72)
    assert refused.value.response["Error"]["Message"] == (
        f"Stream {name} under account {ACCOUNT} not ACTIVE, instead in state UPDATING"
    )
    assert streams.await_active(kinesis, name)["RetentionPeriodHours"] == 48
    server.stop()


def test_what_a_shorter_life_took_away_does_not_come_back(tmp_path):
    server = Server(tmp_path / "data", "--dev").start()
    kinesis = clients.client(server.endpoint)
    name = streams.create(kinesis)
    _increase(kinesis, name, 72)
    old = kinesis.put_record(StreamName=name, Data=b"old", PartitionKey="k")
    move_clock(server, "+30h")
    kinesis.put_record(StreamName=name, Data=b"young", PartitionKey="k")

    def read(kind="TRIM_HORIZON", **more):
        position = streams.iterator(kinesis, name, SHARD, kind, **more)
        return [record["Data"] for record in streams.read_from(kinesis, position)[0]]

    at_the_old = {"StartingSequenceNumber": old["SequenceNumber"]}
    assert read() == [b"old", b"young"]
    _decrease(kinesis, name, 24)
    assert read() == [b"young"]
    _increase(kinesis, name, 72)
    assert read() == [b"young"]
    assert read("AT_SEQUENCE_NUMBER", **at_the_old) == [b"young"]
    assert read("AT_TIMESTAMP", Timestamp=0) == [b"young"]
    server.kill()
    server.start()
    kinesis = clients.client(server.endpoint)
    until(lambda: _hours(kinesis, name) == 72)
    assert read() == [b"young"]
    server.stop()
