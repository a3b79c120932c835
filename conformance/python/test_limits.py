"""AWS's rates and quotas, as `--limits aws` holds them: who is refused, with which words, until when."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from rig import clients, fan_out, streams
from rig.command import move_clock
from rig.refusals import refusal
from rig.server import ACCOUNT, Server
from rig.waiting import until

SHARD = "shardId-000000000000"
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def aws(tmp_path_factory):
    """A server with AWS's limits, whose clock can be moved."""
    started = Server(
        tmp_path_factory.mktemp("limits") / "data", "--limits", "aws", "--dev"
    ).start()
    yield started
    started.stop()


@pytest.fixture
def limited(aws):
    """A client that says at once what it is told."""
    return clients.client(aws.endpoint)


@pytest.fixture
def patient(aws):
    """A client that tries again, for what the tests only need."""
    return clients.client(aws.endpoint, retries={"total_max_attempts": 12, "mode": "standard"})


def refusals(call, count, **given):
    """Calls at once; the refusals among the answers."""

    def attempt(_):
        try:
            call(**given)
            return None
        except call.__self__.exceptions.ClientError as error:
            return error.response["Error"]["Code"], error.response["Error"]["Message"]

    with ThreadPoolExecutor(10) as pool:
        return [answer for answer in pool.map(attempt, range(count)) if answer]


def write_refusal(name):
    return (
        "ProvisionedThroughputExceededException",
        f"Rate exceeded for shard {SHARD} in stream {name} under account {ACCOUNT}.",
    )


def test_put_records_throttles_record_by_record(limited, patient):
    name = streams.create(patient)
    entries = [{"Data": b"x", "PartitionKey": str(n)} for n in range(500)]
    put, failed = 0, []
    for _ in range(6):
        answer = limited.put_records(StreamName=name, Records=entries)
        refused = [record for record in answer["Records"] if "ErrorCode" in record]
        assert answer["FailedRecordCount"] == len(refused)
        assert len(answer["Records"]) == len(entries)
        failed += refused
        put += len(entries) - len(refused)
    assert put >= 1000 and failed, (put, len(failed))
    assert {(f["ErrorCode"], f["ErrorMessage"]) for f in failed} == {write_refusal(name)}
    assert all("SequenceNumber" not in f and "ShardId" not in f for f in failed)
    records = streams.read_shard(patient, name, SHARD)
    assert len(records) == put, "exactly what was acknowledged is there"


def test_put_record_throttles_by_bytes(limited, patient, aws):
    name = streams.create(patient)
    limited.put_record(StreamName=name, Data=b"x" * (MIB - 1), PartitionKey="k")
    refused = refusal(
        limited.put_record, StreamName=name, Data=b"x" * (MIB // 2), PartitionKey="k"
    )
    assert refused == write_refusal(name)
    move_clock(aws, "+1s")
    limited.put_record(StreamName=name, Data=b"x" * (MIB // 2), PartitionKey="k")


def test_a_large_record_empties_the_tank(limited, patient, aws):
    name = streams.fresh_name()
    patient.create_stream(StreamName=name, ShardCount=1, MaxRecordSizeInKiB=10_240)
    streams.await_active(patient, name)
    large = {"StreamName": name, "Data": b"x" * (10 * MIB - 1), "PartitionKey": "k"}
    limited.put_record(**large)
    small = {"StreamName": name, "Data": b"x" * MIB, "PartitionKey": "k"}
    assert refusal(limited.put_record, **large) == write_refusal(name)
    move_clock(aws, "+2s")
    limited.put_record(**small)
    assert refusal(limited.put_record, **large) == write_refusal(name)
    move_clock(aws, "+10s")
    limited.put_record(**large)


def test_five_reads_a_second(limited, patient, aws):
    name = streams.create(patient)
    position = streams.iterator(patient, name, SHARD)
    refused = refusals(limited.get_records, 20, ShardIterator=position)
    said = f"Rate exceeded for Shard - {ACCOUNT}/{name}/{SHARD}"
    assert set(refused) == {("ProvisionedThroughputExceededException", said)}
    assert len(refused) >= 10
    move_clock(aws, "+1s")
    assert limited.get_records(ShardIterator=position)["Records"] == []


def test_after_ten_mebibytes_reads_are_refused_for_five_seconds(limited, patient, aws):
    name = streams.create(patient)
    for _ in range(10):
        limited.put_record(StreamName=name, Data=b"x" * (MIB - 1), PartitionKey="k")
        move_clock(aws, "+1s")
    position = streams.iterator(patient, name, SHARD)
    began = time.monotonic()
    assert len(limited.get_records(ShardIterator=position)["Records"]) == 10
    for _ in range(4):
        code, _ = refusal(limited.get_records, ShardIterator=position, Limit=1)
        assert code == "ProvisionedThroughputExceededException"
        if time.monotonic() - began > 0.8:
            break
        move_clock(aws, "+1s")
    move_clock(aws, "+5s")
    assert limited.get_records(ShardIterator=position, Limit=1)["Records"]


def test_five_iterators_a_second(limited, patient):
    name = streams.create(patient)
    refused = refusals(
        limited.get_shard_iterator,
        20,
        StreamName=name,
        ShardId=SHARD,
        ShardIteratorType="LATEST",
    )
    assert len(refused) >= 10 and set(refused) == {write_refusal(name)}


def test_one_subscription_a_second(limited, patient, aws):
    name = streams.create(patient)
    arn = fan_out.register(patient, name, "app")
    wanted = {"ConsumerARN": arn, "ShardId": SHARD, "StartingPosition": {"Type": "LATEST"}}
    limited.subscribe_to_shard(**wanted)["EventStream"].close()

    def code():
        return refusal(limited.subscribe_to_shard, **wanted)[0]

    # Until the server has seen the first one go it is in use; then it is merely too early.
    move_clock(aws, "+5s")
    limited.subscribe_to_shard(**wanted)["EventStream"].close()
    assert code() in ("ResourceInUseException", "LimitExceededException")
    move_clock(aws, "+5s")
    limited.subscribe_to_shard(**wanted)["EventStream"].close()


def test_the_control_plane_says_whose_rate_is_exceeded(limited, patient):
    said = ("LimitExceededException", f"Rate exceeded for account {ACCOUNT}.")
    refused = refusals(limited.list_streams, 30)
    assert len(refused) >= 10 and set(refused) == {said}
    name = streams.create(patient)
    said = ("LimitExceededException", f"Rate exceeded for stream {name} under account {ACCOUNT}.")
    refused = refusals(limited.describe_stream, 40, StreamName=name)
    assert len(refused) >= 15 and set(refused) == {said}


def test_regions_do_not_share_a_rate(aws, limited):
    there = clients.client(aws.endpoint, region="eu-central-1")
    until(lambda: refusals(limited.list_streams, 20), what="a rate used up")
    there.list_streams()


def test_listing_shards_is_counted_for_each_stream(limited, patient):
    names = [streams.create(patient) for _ in range(2)]
    for name in names:
        assert refusals(limited.list_shards, 100, StreamName=name) == []


def test_scaling_has_steps_and_ten_calls_a_day(limited, patient, aws):
    name = streams.create(patient, shards=4)

    def scale(target, client=patient):
        return client.update_shard_count(
            StreamName=name, TargetShardCount=target, ScalingType="UNIFORM_SCALING"
        )

    counts = "Current open shard count: 4, Target shard count:"
    assert refusal(scale, 9, limited) == (
        "LimitExceededException",
        f"UpdateShardCount cannot scale up over double your current open shard count. {counts} 9",
    )
    assert refusal(scale, 1, limited) == (
        "LimitExceededException",
        f"UpdateShardCount cannot scale down below half your current open shard count. {counts} 1",
    )
    for target in [8, 4] * 5:
        scale(target)
        streams.await_active(patient, name)
    used_up = (
        "LimitExceededException",
        f"Rate exceeded for stream {name} under account {ACCOUNT}.",
    )
    assert refusal(scale, 8, limited) == used_up
    move_clock(aws, "+23h")
    assert refusal(scale, 8, limited) == used_up
    move_clock(aws, "+2h")
    scale(8, limited)


def test_a_day_has_two_changes_of_mode(limited, patient, aws):
    name = streams.create(patient)
    arn = streams.await_active(patient, name)["StreamARN"]

    def switch(mode):
        limited.update_stream_mode(StreamARN=arn, StreamModeDetails={"StreamMode": mode})

    switch("ON_DEMAND")
    switch("ON_DEMAND")
    switch("PROVISIONED")
    assert refusal(switch, "ON_DEMAND") == (
        "LimitExceededException",
        f"Rate exceeded for stream {name} under account {ACCOUNT}.",
    )
    move_clock(aws, "+25h")
    switch("ON_DEMAND")


def test_an_account_has_a_quota_of_shards(limited, patient):
    elsewhere = "ap-southeast-7"
    there = clients.client(limited.meta.endpoint_url, region=elsewhere)
    there.create_stream(StreamName="most", ShardCount=150)
    assert refusal(there.create_stream, StreamName="more", ShardCount=51) == (
        "LimitExceededException",
        "This request would exceed the shard limit for the account "
        f"{ACCOUNT} in {elsewhere}. Current shard count for the account: 150. Limit: 200. "
        "Number of additional shards that would have resulted from this request: 51. "
        "Refer to the AWS Service Limits page (http://docs.aws.amazon.com/general/latest/gr/"
        "aws_service_limits.html) for current limits and how to request higher limits.",
    )
    # On the way to 151 every one of the 150 is split.
    code, message = refusal(
        there.update_shard_count,
        StreamName="most",
        TargetShardCount=151,
        ScalingType="UNIFORM_SCALING",
    )
    assert code == "LimitExceededException" and message.startswith("This request would exceed")


def test_an_account_has_fifty_on_demand_streams(limited):
    region = "eu-west-1"
    there = clients.client(
        limited.meta.endpoint_url,
        region=region,
        retries={"total_max_attempts": 20, "mode": "standard"},
    )
    at_once = clients.client(limited.meta.endpoint_url, region=region)
    mode = {"StreamModeDetails": {"StreamMode": "ON_DEMAND"}}
    for index in range(50):
        there.create_stream(StreamName=f"s{index}", **mode)

    def attempt():
        code, message = refusal(at_once.create_stream, StreamName="more", **mode)
        return code == "LimitExceededException" and "Rate" not in message and message

    assert until(attempt, what="the quota, not the rate") == (
        f"This request would exceed the limit on the number of On-Demand streams for the account "
        f"{ACCOUNT} in {region}. Current On-Demand streams count: 50. Limit: 50."
    )


def test_five_streams_are_created_at_once(tmp_path):
    server = Server(tmp_path / "data", "--limits", "aws", "--state-delay", "60s").start()
    client = clients.client(server.endpoint)
    for index in range(5):
        client.create_stream(StreamName=f"s{index}", ShardCount=1)

    def attempt():
        code, message = refusal(client.create_stream, StreamName="more", ShardCount=1)
        return code == "LimitExceededException" and "Rate" not in message and message

    assert until(attempt, what="the quota, not the rate") == (
        "This request would have exceed the limit on the number  of streams that can "
        f"simultaneously be in CREATING or DELETING for the account {ACCOUNT}. Limit: 5."
    )
    server.stop()


def test_without_limits_nothing_is_refused(kinesis):
    name = streams.create(kinesis)
    entries = [{"Data": b"x", "PartitionKey": str(n)} for n in range(500)]
    for _ in range(5):
        assert kinesis.put_records(StreamName=name, Records=entries)["FailedRecordCount"] == 0
    position = streams.iterator(kinesis, name, SHARD)
    assert refusals(kinesis.get_records, 30, ShardIterator=position, Limit=1) == []
    assert refusals(kinesis.list_streams, 60) == []
    assert refusals(kinesis.describe_stream_summary, 60, StreamName=name) == []


