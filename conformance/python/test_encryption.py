"""Encryption with a KMS key: what it says of streams and records; keys are taken at their word."""

import pytest

from rig import clients, raw, streams
from rig.server import ACCOUNT, Server

SHARD = "shardId-000000000000"
UUID = "12345678-1234-1234-1234-123456789012"
ARN = f"arn:aws:kms:us-east-1:{ACCOUNT}:"
KEYS = [UUID, f"{ARN}key/{UUID}", "alias/aws/kinesis", f"{ARN}alias/MyAliasName"]


def _start(kinesis, name, key="alias/aws/kinesis", kind="KMS"):
    kinesis.start_stream_encryption(StreamName=name, EncryptionType=kind, KeyId=key)


def _stop(kinesis, name, key="alias/aws/kinesis", kind="KMS"):
    kinesis.stop_stream_encryption(StreamName=name, EncryptionType=kind, KeyId=key)


def _described(kinesis, name):
    summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    described = kinesis.describe_stream(StreamName=name)["StreamDescription"]
    for answer in (summary, described):
        yield answer["EncryptionType"], answer.get("KeyId")


@pytest.mark.parametrize("key", KEYS)
def test_a_key_is_named_in_four_ways(kinesis, key):
    name = streams.create(kinesis)
    _start(kinesis, name, key)
    assert list(_described(kinesis, name)) == [("KMS", key)] * 2
    _stop(kinesis, name, key)
    assert list(_described(kinesis, name)) == [("NONE", None)] * 2


def test_records_say_how_they_were_put(kinesis):
    name = streams.create(kinesis)
    put = {"StreamName": name, "PartitionKey": "k"}
    entries = [{"Data": b"in a batch", "PartitionKey": "k"}]
    plain = kinesis.put_record(Data=b"plain", **put)
    assert "EncryptionType" not in plain
    assert "EncryptionType" not in kinesis.put_records(StreamName=name, Records=entries)
    _start(kinesis, name)
    assert kinesis.put_record(Data=b"encrypted", **put)["EncryptionType"] == "KMS"
    assert kinesis.put_records(StreamName=name, Records=entries)["EncryptionType"] == "KMS"
    _stop(kinesis, name)
    assert "EncryptionType" not in kinesis.put_record(Data=b"plain again", **put)
    records = streams.read_shard(kinesis, name, SHARD)
    kinds = [record.get("EncryptionType") for record in records]
    assert kinds == [None, None, "KMS", "KMS", None]


def test_bad_keys_and_kinds(kinesis):
    name = streams.create(kinesis)
    for call in (_start, _stop):
        for key in ["orders", "alias/", "key/orders", f"{ARN}queue/x", "arn:aws:kms:x"]:
            with pytest.raises(kinesis.exceptions.InvalidArgumentException):
                call(kinesis, name, key)
        with pytest.raises(kinesis.exceptions.InvalidArgumentException):
            call(kinesis, name, kind="NONE")
        with pytest.raises(kinesis.exceptions.ResourceNotFoundException):
            call(kinesis, "no-such-stream")
    assert list(_described(kinesis, name)) == [("NONE", None)] * 2


def test_asking_again_changes_nothing(kinesis):
    name = streams.create(kinesis)
    _stop(kinesis, name)
    _start(kinesis, name)
    _start(kinesis, name)
    assert list(_described(kinesis, name)) == [("KMS", "alias/aws/kinesis")] * 2


def test_a_stream_is_updating_until_records_are_encrypted(tmp_path):
    server = Server(tmp_path / "data", "--state-delay", "400ms").start()
    kinesis = clients.client(server.endpoint)
    name = streams.create(kinesis)
    _start(kinesis, name)
    summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    assert (summary["StreamStatus"], summary["EncryptionType"]) == ("UPDATING", "NONE")
    put = kinesis.put_record(StreamName=name, Data=b"x", PartitionKey="k")
    assert "EncryptionType" not in put
    with pytest.raises(kinesis.exceptions.ResourceInUseException):
        _stop(kinesis, name)
    assert streams.await_active(kinesis, name)["EncryptionType"] == "KMS"
    put = kinesis.put_record(StreamName=name, Data=b"x", PartitionKey="k")
    assert put["EncryptionType"] == "KMS"
    server.stop()


def test_25_keys_and_25_ends_in_a_day(tmp_path):
    server = Server(tmp_path / "data", "--limits", "aws").start()
    # AWS's rate for these two is five a second; only the daily quota is asked for here.
    kinesis = clients.client(server.endpoint, retries={"mode": "standard", "max_attempts": 20})
    name = streams.create(kinesis)
    for _ in range(25):
        _start(kinesis, name)
        _stop(kinesis, name)
    quick = clients.client(server.endpoint)
    with pytest.raises(kinesis.exceptions.LimitExceededException) as refused:
        _start(quick, name)
    said = refused.value.response["Error"]["Message"]
    assert name in said
    assert list(_described(kinesis, name)) == [("NONE", None)] * 2
    server.stop()


def test_in_cbor(server, kinesis):
    name = streams.create(kinesis)
    cbor = raw.RawClient(server, raw.CBOR)
    key = {"StreamName": name, "EncryptionType": "KMS", "KeyId": KEYS[1]}
    assert cbor.call("StartStreamEncryption", key).body == b""
    cbor.value("PutRecord", {"StreamName": name, "Data": b"x", "PartitionKey": "k"})
    (record,) = streams.read_shard(kinesis, name, SHARD)
    assert record["EncryptionType"] == "KMS"
    assert cbor.call("StopStreamEncryption", key).status == 200
