"""Enhanced monitoring: which metrics a stream's shards publish."""

import pytest

from rig import clients, streams
from rig.server import Server

# The order of AWS CLI's examples.
ALL = [
    "IncomingBytes",
    "OutgoingRecords",
    "IteratorAgeMilliseconds",
    "IncomingRecords",
    "ReadProvisionedThroughputExceeded",
    "WriteProvisionedThroughputExceeded",
    "OutgoingBytes",
]


def _shown(kinesis, name):
    summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    described = kinesis.describe_stream(StreamName=name)["StreamDescription"]
    assert summary["EnhancedMonitoring"] == described["EnhancedMonitoring"]
    (shown,) = summary["EnhancedMonitoring"]
    return shown["ShardLevelMetrics"]


def _sets(answer):
    return answer["CurrentShardLevelMetrics"], answer["DesiredShardLevelMetrics"]


def test_metrics_are_enabled_and_disabled(kinesis):
    name = streams.create(kinesis)
    assert _shown(kinesis, name) == []
    some = ["OutgoingBytes", "IncomingBytes"]
    answer = kinesis.enable_enhanced_monitoring(StreamName=name, ShardLevelMetrics=some)
    assert _sets(answer) == ([], ["IncomingBytes", "OutgoingBytes"])
    assert answer["StreamName"] == name and answer["StreamARN"].endswith(f":stream/{name}")
    assert _shown(kinesis, name) == ["IncomingBytes", "OutgoingBytes"]

    answer = kinesis.enable_enhanced_monitoring(StreamName=name, ShardLevelMetrics=["ALL"])
    assert _sets(answer) == (["IncomingBytes", "OutgoingBytes"], ALL)
    answer = kinesis.disable_enhanced_monitoring(StreamName=name, ShardLevelMetrics=some)
    assert _sets(answer) == (ALL, ALL[1:-1])
    assert _shown(kinesis, name) == ALL[1:-1]
    answer = kinesis.disable_enhanced_monitoring(StreamName=name, ShardLevelMetrics=["ALL"])
    assert _sets(answer) == (ALL[1:-1], [])
    assert _shown(kinesis, name) == []


@pytest.mark.parametrize("metrics", [[], ["Sunshine"], ALL + ["ALL"]])
def test_what_is_no_list_of_metrics(kinesis, metrics):
    name = streams.create(kinesis)
    for call in (kinesis.enable_enhanced_monitoring, kinesis.disable_enhanced_monitoring):
        with pytest.raises(kinesis.exceptions.ClientError) as refused:
            call(StreamName=name, ShardLevelMetrics=metrics)
        assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert _shown(kinesis, name) == []


def test_a_change_takes_its_time(tmp_path):
    server = Server(tmp_path / "data", "--state-delay", "400ms").start()
    kinesis = clients.client(server.endpoint)
    name = streams.create(kinesis)
    kinesis.enable_enhanced_monitoring(StreamName=name, ShardLevelMetrics=["ALL"])
    assert _shown(kinesis, name) == []
    with pytest.raises(kinesis.exceptions.ResourceInUseException):
        kinesis.disable_enhanced_monitoring(StreamName=name, ShardLevelMetrics=["ALL"])
    streams.await_active(kinesis, name)
    assert _shown(kinesis, name) == ALL
    server.stop()
