"""The largest record of a stream, from 1 to 10 MiB."""

import pytest

from rig import clients, streams
from rig.server import Server

KIB = 1024


def _arn(kinesis, name):
    return kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]


def test_it_grows_and_shrinks(kinesis):
    name = streams.create(kinesis)
    arn = _arn(kinesis, name)
    large = {"StreamName": name, "PartitionKey": "k", "Data": bytes(10_240 * KIB - 1)}
    with pytest.raises(kinesis.exceptions.InvalidArgumentException):
        kinesis.put_record(**large)
    kinesis.update_max_record_size(StreamARN=arn, MaxRecordSizeInKiB=10_240)
    assert streams.await_active(kinesis, name)["MaxRecordSizeInKiB"] == 10_240
    kinesis.put_record(**large)
    with pytest.raises(kinesis.exceptions.InvalidArgumentException):
        kinesis.put_record(**{**large, "PartitionKey": "kk"})
    kinesis.update_max_record_size(StreamARN=arn, MaxRecordSizeInKiB=1_024)
    with pytest.raises(kinesis.exceptions.InvalidArgumentException):
        kinesis.put_record(**large)
    (record,) = streams.read_shard(kinesis, name, "shardId-000000000000")
    assert len(record["Data"]) == len(large["Data"])


@pytest.mark.parametrize("kib", [1_023, 10_241, 0, -1])
def test_what_it_may_not_be(kinesis, kib):
    name = streams.create(kinesis)
    with pytest.raises(kinesis.exceptions.ValidationException):
        kinesis.update_max_record_size(StreamARN=_arn(kinesis, name), MaxRecordSizeInKiB=kib)


def test_a_stream_must_be_named(kinesis):
    with pytest.raises(kinesis.exceptions.InvalidArgumentException):
        kinesis.update_max_record_size(MaxRecordSizeInKiB=2_048)


def test_it_takes_effect_when_the_stream_is_active_again(tmp_path):
    server = Server(tmp_path / "data", "--state-delay", "400ms").start()
    kinesis = clients.client(server.endpoint)
    name = streams.create(kinesis)
    kinesis.update_max_record_size(StreamARN=_arn(kinesis, name), MaxRecordSizeInKiB=2_048)
    summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    assert (summary["StreamStatus"], summary["MaxRecordSizeInKiB"]) == ("UPDATING", 1_024)
    assert streams.await_active(kinesis, name)["MaxRecordSizeInKiB"] == 2_048
    server.stop()
