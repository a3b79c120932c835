"""The package as its users use it: run where the wheel is installed."""

import os
import subprocess

import boto3
import pytest

import levada


def test_a_record_through_the_fixture(levada_server):
    kinesis = levada_server.client("kinesis")
    kinesis.create_stream(StreamName="orders", ShardCount=1)
    kinesis.put_record(StreamName="orders", PartitionKey="k", Data=b"hello")
    shard = kinesis.list_shards(StreamName="orders")["Shards"][0]["ShardId"]
    iterator = kinesis.get_shard_iterator(
        StreamName="orders", ShardId=shard, ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    records = kinesis.get_records(ShardIterator=iterator)["Records"]
    assert [record["Data"] for record in records] == [b"hello"]


def test_code_that_makes_its_own_clients(levada_server, monkeypatch):
    levada_server.apply(monkeypatch)
    assert boto3.client("kinesis").meta.endpoint_url == levada_server.endpoint_url
    boto3.client("kinesis").list_streams()


def test_the_environment_leaves_other_services_alone(levada_server):
    assert levada_server.env["AWS_ENDPOINT_URL_KINESIS"] == levada_server.endpoint_url
    assert levada_server.env["AWS_ACCESS_KEY_ID"] == levada_server.access_key
    assert "AWS_ENDPOINT_URL" not in levada_server.env


def test_a_folder_outlives_its_server(tmp_path):
    for _ in range(2):
        with levada.server(data=tmp_path / "data", region="eu-west-1") as aws:
            kinesis = aws.client("kinesis")
            if not kinesis.list_streams()["StreamNames"]:
                kinesis.create_stream(StreamName="kept", ShardCount=1)
            assert kinesis.list_streams()["StreamNames"] == ["kept"]
            arn = kinesis.describe_stream_summary(StreamName="kept")
            assert ":eu-west-1:" in arn["StreamDescriptionSummary"]["StreamARN"]


def test_two_servers_know_nothing_of_each_other():
    with levada.server(in_memory=True) as one, levada.server(in_memory=True) as other:
        one.client("kinesis").create_stream(StreamName="mine", ShardCount=1)
        assert other.client("kinesis").list_streams()["StreamNames"] == []
        stranger = one.client("kinesis", endpoint_url=other.endpoint_url)
        with pytest.raises(stranger.exceptions.ClientError):
            stranger.list_streams()


def test_it_ends_with_the_block():
    with pytest.raises(KeyError), levada.server() as aws:
        raise KeyError
    assert aws._process.returncode == 0


def test_what_went_wrong_is_said(tmp_path):
    with pytest.raises(levada.StartError, match="unexpected argument"):
        with levada.server(flags=("--no-such-flag",)):
            pass
    with pytest.raises(ValueError):
        with levada.server(in_memory=True, data=tmp_path):
            pass
    with pytest.raises(ValueError):
        with levada.server(in_memory=False):
            pass


def test_the_callers_own_settings_do_not_reach_the_server(monkeypatch, tmp_path):
    (tmp_path / "levada.toml").write_text('auth = "none"\n')
    monkeypatch.setenv("LEVADA_CONFIG", str(tmp_path / "levada.toml"))
    monkeypatch.setenv("LEVADA_LISTEN", "nonsense")
    with levada.server() as aws:
        assert "not checked" not in aws.log()


def test_the_command_is_installed():
    binary = levada.find_binary()
    assert os.path.basename(os.path.dirname(binary)) == "bin"
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True)
    assert said.stdout.startswith("levada ")
