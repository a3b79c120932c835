"""The AWS CLI, pointed here by `levada env`."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rig import marks
from rig.server import binary, environment

SECONDS = 60


@pytest.fixture(scope="module")
def shell(server):
    """Runs a shell line after `eval "$(levada env)"`, as the README says."""
    tools = Path(sys.executable).parent
    variables = environment(
        PATH=f"{tools}:{Path(binary()).parent}:{os.environ['PATH']}",
        AWS_PAGER="",
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
    )

    def run(line):
        script = f'eval "$(levada env --data "{server.data}")"; {line}'
        return subprocess.run(
            ["bash", "-c", script], capture_output=True, text=True, timeout=SECONDS, env=variables
        )

    return run


def _operation(line) -> str:
    """`aws kinesis list-streams …` calls ListStreams."""
    return "".join(part.capitalize() for part in line.split()[2].split("-"))


@pytest.fixture(scope="module")
def aws(shell):
    def call(line, service="kinesis"):
        ran = shell(f"aws {service} {line}")
        assert ran.returncode == 0, ran.stderr
        marks.note(_operation(f"aws {service} {line}"), service)
        return json.loads(ran.stdout) if ran.stdout.strip() else None

    return call


def test_a_stream_from_the_shell(aws):
    aws("create-stream --stream-name shell --shard-count 2")
    assert "shell" in aws("list-streams")["StreamNames"]
    summary = aws("describe-stream-summary --stream-name shell")["StreamDescriptionSummary"]
    assert summary["StreamStatus"] == "ACTIVE"
    assert len(aws("list-shards --stream-name shell")["Shards"]) == 2
    placed = aws("put-record --stream-name shell --partition-key k --data aGVsbG8=")
    position = aws(
        f"get-shard-iterator --stream-name shell --shard-id {placed['ShardId']} "
        "--shard-iterator-type TRIM_HORIZON"
    )["ShardIterator"]
    [record] = aws(f"get-records --shard-iterator '{position}'")["Records"]
    assert record["SequenceNumber"] == placed["SequenceNumber"]
    assert base64.b64decode(record["Data"]) in (b"hello", b"aGVsbG8=")


def test_settings_from_the_shell(aws):
    aws("create-stream --stream-name settings --shard-count 1")
    name = "--stream-name settings"
    aws(f"increase-stream-retention-period {name} --retention-period-hours 48")
    aws(f"start-stream-encryption {name} --encryption-type KMS --key-id alias/aws/kinesis")
    sets = aws(f"enable-enhanced-monitoring {name} --shard-level-metrics ALL")
    assert (len(sets["CurrentShardLevelMetrics"]), len(sets["DesiredShardLevelMetrics"])) == (0, 7)
    summary = aws(f"describe-stream-summary {name}")["StreamDescriptionSummary"]
    assert (summary["RetentionPeriodHours"], summary["EncryptionType"]) == (48, "KMS")
    arn = summary["StreamARN"]
    aws(f"tag-resource --resource-arn {arn} --tags team=river")
    assert aws(f"list-tags-for-resource --resource-arn {arn}")["Tags"] == [
        {"Key": "team", "Value": "river"}
    ]
    assert aws(f"get-resource-policy --resource-arn {arn}") == {"Policy": "{}"}
    assert aws("describe-limits")["ShardLimit"] == 500


def test_a_delivery_stream_from_the_shell(aws):
    place = "RoleARN=arn:aws:iam::000000000000:role/r,BucketARN=arn:aws:s3:::b"
    name = "--delivery-stream-name shell"

    def call(line):
        return aws(line, "firehose")

    call(f"create-delivery-stream {name} --extended-s3-destination-configuration {place}")
    assert "shell" in call("list-delivery-streams --limit 1000")["DeliveryStreamNames"]
    assert len(call(f"put-record {name} --record Data=aGVsbG8=")["RecordId"]) == 224
    put = call(f"put-record-batch {name} --records Data=aGVsbG8= Data=aGVsbG8=")
    assert (put["FailedPutCount"], len(put["RequestResponses"])) == (0, 2)
    call(f"tag-delivery-stream {name} --tags Key=team,Value=river")
    tags = call(f"list-tags-for-delivery-stream {name}")["Tags"]
    assert tags == [{"Key": "team", "Value": "river"}]
    call(f"untag-delivery-stream {name} --tag-keys team")
    call(f"start-delivery-stream-encryption {name}")
    call(f"stop-delivery-stream-encryption {name}")
    call(
        f"update-destination {name} --current-delivery-stream-version-id 1 "
        "--destination-id destinationId-000000000001 "
        "--extended-s3-destination-update Prefix=shell/"
    )
    described = call(f"describe-delivery-stream {name}")["DeliveryStreamDescription"]
    assert described["VersionId"] == "2"
    assert described["Destinations"][0]["ExtendedS3DestinationDescription"]["Prefix"] == "shell/"
    call(f"delete-delivery-stream {name}")
    assert "shell" not in call("list-delivery-streams --limit 1000")["DeliveryStreamNames"]


def test_waiting_in_the_shell(shell, aws):
    aws("create-stream --stream-name waited --shard-count 1")
    assert shell("aws kinesis wait stream-exists --stream-name waited").returncode == 0
    aws("delete-stream --stream-name waited")
    assert shell("aws kinesis wait stream-not-exists --stream-name waited").returncode == 0


def test_an_error_in_the_shell(shell):
    ran = shell("aws kinesis describe-stream-summary --stream-name nowhere")
    assert ran.returncode != 0
    assert "ResourceNotFoundException" in ran.stderr
    assert "Stream nowhere under account 000000000000 not found." in ran.stderr
