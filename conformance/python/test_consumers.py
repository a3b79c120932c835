"""Consumers: registered, described, listed, deregistered."""

import pytest

from rig import fan_out, streams


@pytest.fixture()
def stream(kinesis):
    name = streams.create(kinesis)
    summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    return {"name": name, "arn": summary["StreamARN"]}


def test_a_consumer_is_registered(kinesis, stream):
    made = kinesis.register_stream_consumer(StreamARN=stream["arn"], ConsumerName="app")["Consumer"]
    assert made["ConsumerName"] == "app"
    assert made["ConsumerStatus"] in ("CREATING", "ACTIVE")
    created = int(made["ConsumerCreationTimestamp"].timestamp())
    assert made["ConsumerARN"] == f"{stream['arn']}/consumer/app:{created}"
    by_arn = kinesis.describe_stream_consumer(ConsumerARN=made["ConsumerARN"])
    by_name = kinesis.describe_stream_consumer(StreamARN=stream["arn"], ConsumerName="app")
    assert by_arn["ConsumerDescription"] == by_name["ConsumerDescription"]
    assert by_arn["ConsumerDescription"]["StreamARN"] == stream["arn"]


def test_a_consumer_is_named_more_than_once(kinesis, stream):
    arn = fan_out.register(kinesis, stream["name"], "app")
    described = kinesis.describe_stream_consumer(StreamARN=stream["arn"], ConsumerARN=arn)
    assert described["ConsumerDescription"]["ConsumerARN"] == arn
    with pytest.raises(kinesis.exceptions.InvalidArgumentException):
        kinesis.describe_stream_consumer(ConsumerARN=arn, ConsumerName="another")
    kinesis.deregister_stream_consumer(
        StreamARN=stream["arn"], ConsumerName="app", ConsumerARN=arn
    )


def test_the_arn_of_an_earlier_consumer_of_that_name_names_nothing(kinesis, stream):
    arn = fan_out.register(kinesis, stream["name"], "app")
    base, created = arn.rsplit(":", 1)
    earlier = f"{base}:{int(created) - 1}"
    with pytest.raises(kinesis.exceptions.ResourceNotFoundException):
        kinesis.describe_stream_consumer(ConsumerARN=earlier)
    with pytest.raises(kinesis.exceptions.ResourceNotFoundException):
        kinesis.deregister_stream_consumer(ConsumerARN=earlier)
    assert kinesis.describe_stream_consumer(ConsumerARN=arn)


def test_consumers_are_counted_and_listed_by_pages(kinesis, stream):
    names = [f"app-{n}" for n in range(5)]
    for name in names:
        fan_out.register(kinesis, stream["name"], name)
    summary = kinesis.describe_stream_summary(StreamName=stream["name"])
    assert summary["StreamDescriptionSummary"]["ConsumerCount"] == 5
    pages = kinesis.get_paginator("list_stream_consumers").paginate(
        StreamARN=stream["arn"], PaginationConfig={"PageSize": 2}
    )
    listed = [page["Consumers"] for page in pages]
    assert [len(page) for page in listed] == [2, 2, 1]
    assert sorted(c["ConsumerName"] for page in listed for c in page) == names


def test_a_consumer_is_deregistered(kinesis, stream):
    arn = fan_out.register(kinesis, stream["name"], "app")
    kinesis.deregister_stream_consumer(ConsumerARN=arn)
    assert kinesis.list_stream_consumers(StreamARN=stream["arn"])["Consumers"] == []
    with pytest.raises(kinesis.exceptions.ResourceNotFoundException):
        kinesis.describe_stream_consumer(ConsumerARN=arn)
    with pytest.raises(kinesis.exceptions.ResourceNotFoundException):
        kinesis.subscribe_to_shard(
            ConsumerARN=arn, ShardId="shardId-0", StartingPosition={"Type": "LATEST"}
        )
    fan_out.register(kinesis, stream["name"], "app")


def test_a_name_is_registered_once(kinesis, stream):
    fan_out.register(kinesis, stream["name"], "app")
    with pytest.raises(kinesis.exceptions.ResourceInUseException):
        kinesis.register_stream_consumer(StreamARN=stream["arn"], ConsumerName="app")


def test_a_stream_with_consumers_is_deleted_only_on_purpose(kinesis, stream):
    fan_out.register(kinesis, stream["name"], "app")
    words = "there are consumers associated with this data stream"
    with pytest.raises(kinesis.exceptions.ResourceInUseException, match=words):
        kinesis.delete_stream(StreamName=stream["name"])
    kinesis.delete_stream(StreamName=stream["name"], EnforceConsumerDeletion=True)
    with pytest.raises(kinesis.exceptions.ResourceNotFoundException):
        kinesis.describe_stream_summary(StreamName=stream["name"])
