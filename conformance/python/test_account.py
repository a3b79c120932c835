"""What an account may have, and what it has committed to."""

import datetime

import pytest

from rig import clients, streams
from rig.command import move_clock
from rig.server import Server

DAY = datetime.timedelta(days=1)


def _limits(kinesis):
    answer = kinesis.describe_limits()
    answer.pop("ResponseMetadata")
    return answer


def _commitment(answer):
    return answer["MinimumThroughputBillingCommitment"]


def _wish(kinesis, status):
    wish = {"Status": status}
    return _commitment(kinesis.update_account_settings(MinimumThroughputBillingCommitment=wish))


def _commitment_now(kinesis):
    return _commitment(kinesis.describe_account_settings())


def test_limits_count_shards_and_streams(server):
    # A region of its own is a world of its own; in most the quota is 200 shards.
    kinesis = clients.client(server.endpoint, region="eu-north-1")
    assert _limits(clients.client(server.endpoint))["ShardLimit"] == 500
    empty = {
        "ShardLimit": 200,
        "OpenShardCount": 0,
        "OnDemandStreamCount": 0,
        "OnDemandStreamCountLimit": 50,
        "ChannelCount": 0,
        "ChannelCountLimit": 0,
    }
    assert _limits(kinesis) == empty
    name = streams.create(kinesis, shards=3)
    on_demand = streams.fresh_name()
    kinesis.create_stream(StreamName=on_demand, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    streams.await_active(kinesis, on_demand)
    kinesis.split_shard(
        StreamName=name, ShardToSplit="shardId-000000000000", NewStartingHashKey="1000"
    )
    streams.await_active(kinesis, name)
    assert _limits(kinesis) == {**empty, "OpenShardCount": 4, "OnDemandStreamCount": 1}
    kinesis.delete_stream(StreamName=name)
    assert _limits(kinesis) == {**empty, "OnDemandStreamCount": 1}


def test_a_commitment_lasts_a_day(tmp_path):
    server = Server(tmp_path / "data", "--dev").start()
    kinesis = clients.client(server.endpoint)
    assert _commitment_now(kinesis) == {"Status": "DISABLED"}
    assert _wish(kinesis, "DISABLED") == {"Status": "DISABLED"}

    entered = _wish(kinesis, "ENABLED")
    assert set(entered) == {"Status", "StartedAt", "EarliestAllowedEndAt"}
    assert entered["Status"] == "ENABLED"
    assert entered["EarliestAllowedEndAt"] - entered["StartedAt"] == DAY
    assert _commitment_now(kinesis) == entered == _wish(kinesis, "ENABLED")

    ending = _wish(kinesis, "DISABLED")
    assert ending == {**entered, "Status": "ENABLED_UNTIL_EARLIEST_ALLOWED_END"}
    assert _wish(kinesis, "ENABLED") == entered, "the wish is taken back"
    assert _wish(kinesis, "DISABLED") == ending
    elsewhere = clients.client(server.endpoint, region="eu-west-1")
    assert _commitment_now(elsewhere) == {"Status": "DISABLED"}

    move_clock(server, "+25h")
    ended = _commitment_now(kinesis)
    assert ended == {
        "Status": "DISABLED",
        "StartedAt": entered["StartedAt"],
        "EndedAt": entered["EarliestAllowedEndAt"],
    }
    assert _wish(kinesis, "ENABLED")["StartedAt"] > ended["EndedAt"]
    server.kill()
    server.start()
    assert _commitment_now(clients.client(server.endpoint))["Status"] == "ENABLED"
    server.stop()


def test_what_is_no_wish(kinesis):
    for wish in [{"Status": "MAYBE"}, {}]:
        with pytest.raises(kinesis.exceptions.ClientError) as refused:
            kinesis.update_account_settings(MinimumThroughputBillingCommitment=wish)
        assert refused.value.response["Error"]["Code"] == "ValidationException"


def test_more_consumers_for_those_who_committed(server):
    kinesis = clients.client(server.endpoint, region="ap-south-1")
    arns = {}
    for mode, more in [("PROVISIONED", {"ShardCount": 1}), ("ON_DEMAND", {})]:
        name = streams.fresh_name()
        kinesis.create_stream(StreamName=name, StreamModeDetails={"StreamMode": mode}, **more)
        arns[mode] = streams.await_active(kinesis, name)["StreamARN"]

    def register(mode, consumers):
        for number in consumers:
            kinesis.register_stream_consumer(
                StreamARN=arns[mode], ConsumerName=f"app-{number}"
            )

    for mode in arns:
        register(mode, range(20))
        with pytest.raises(kinesis.exceptions.LimitExceededException):
            register(mode, [20])
    _wish(kinesis, "ENABLED")
    register("ON_DEMAND", range(20, 50))
    for mode in arns:
        with pytest.raises(kinesis.exceptions.LimitExceededException):
            register(mode, [50])
