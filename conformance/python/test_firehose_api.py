"""Data Firehose's API: delivery streams of every kind made, described, changed, filled, deleted."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import ANY

import pytest

from rig import clients, delivery, raw, streams
from rig.delivery import DESTINATION, FUNCTION, LEAST, PLACE, ROLE
from rig.server import ACCOUNT, REGION, Server
from rig.waiting import until

CONVERSION = {
    "SchemaConfiguration": {"RoleARN": ROLE, "DatabaseName": "db", "TableName": "table"},
    "InputFormatConfiguration": {"Deserializer": {"OpenXJsonSerDe": {}}},
    "OutputFormatConfiguration": {"Serializer": {"ParquetSerDe": {}}},
}
# What AWS fills into any S3 part.
S3_DEFAULTS = {
    "BufferingHints": {"SizeInMBs": 5, "IntervalInSeconds": 300},
    "CloudWatchLoggingOptions": {"Enabled": False},
    "CompressionFormat": "UNCOMPRESSED",
    "EncryptionConfiguration": {"NoEncryptionConfig": "NoEncryption"},
}


def _lambda(**more):
    parameters = {"LambdaArn": FUNCTION, **more}
    return {
        "Type": "Lambda",
        "Parameters": [
            {"ParameterName": name, "ParameterValue": value} for name, value in parameters.items()
        ],
    }


def _refused(firehose, call, code, words=None, **arguments):
    with pytest.raises(firehose.exceptions.ClientError) as refused:
        getattr(firehose, call)(**arguments)
    error = refused.value.response["Error"]
    assert error["Code"] == code, error
    assert words is None or words in error["Message"], error


def test_a_new_stream_is_described(firehose):
    name = delivery.create(firehose)
    described = delivery.describe(firehose, name)
    created = described.pop("CreateTimestamp")
    assert abs(created.timestamp() - time.time()) < 60
    plain = {**PLACE, **S3_DEFAULTS}
    assert described == {
        "DeliveryStreamName": name,
        "DeliveryStreamARN": f"arn:aws:firehose:{REGION}:{ACCOUNT}:deliverystream/{name}",
        "DeliveryStreamStatus": "ACTIVE",
        "DeliveryStreamType": "DirectPut",
        "DeliveryStreamEncryptionConfiguration": {"Status": "DISABLED"},
        "VersionId": "1",
        "Destinations": [
            {
                "DestinationId": DESTINATION,
                "S3DestinationDescription": plain,
                "ExtendedS3DestinationDescription": {**plain, "S3BackupMode": "Disabled"},
            }
        ],
        "HasMoreDestinations": False,
    }


def test_plain_s3_is_described_as_extended_too(firehose):
    name = delivery.create(firehose, "S3", configuration={"Prefix": "legacy/"})
    for kind in ("S3", "ExtendedS3"):
        assert delivery.destination(firehose, name, kind)["Prefix"] == "legacy/"
    firehose.update_destination(
        DeliveryStreamName=name,
        CurrentDeliveryStreamVersionId="1",
        DestinationId=DESTINATION,
        ExtendedS3DestinationUpdate={"FileExtension": ".log"},
    )
    assert delivery.destination(firehose, name)["FileExtension"] == ".log"
    assert "FileExtension" not in delivery.destination(firehose, name, "S3")


@pytest.mark.parametrize("kind", LEAST)
def test_every_kind_of_destination_is_described(firehose, kind):
    asked = LEAST[kind]
    name = delivery.create(firehose, kind)
    (destination,) = delivery.describe(firehose, name)["Destinations"]
    assert "secret" not in json.dumps(destination) and "YWJj" not in json.dumps(destination)
    described = destination[f"{kind}DestinationDescription"]
    renamed = {"S3Configuration": "S3DestinationDescription"}
    hidden = {"Password", "PrivateKey", "KeyPassphrase"}
    for member, value in asked.items():
        if member in hidden:
            continue
        given = described[renamed.get(member, member)]
        if isinstance(value, dict):
            value = {key: part for key, part in value.items() if key != "AccessKey"}
            assert value.items() <= given.items()
        else:
            assert given == value
    if "S3Configuration" in asked:
        assert described["S3DestinationDescription"] == {**PLACE, **S3_DEFAULTS}
        delivery.update(firehose, name, kind, S3Update={"Prefix": "new/"}) if kind != "Iceberg" else (
            delivery.update(firehose, name, kind, S3Configuration={**PLACE, "Prefix": "new/"})
        )
        again = delivery.destination(firehose, name, kind)
        assert again["S3DestinationDescription"]["Prefix"] == "new/"
        again["S3DestinationDescription"].pop("Prefix")
        assert again == described
    assert described["CloudWatchLoggingOptions"] == {"Enabled": False}


@pytest.mark.parametrize(
    "kind, expected",
    [
        ("Redshift", {"RetryOptions": 3600, "S3BackupMode": "Disabled"}),
        ("Elasticsearch", {"BufferingHints": (5, 300), "RetryOptions": 300, "IndexRotationPeriod": "OneDay"}),
        ("AmazonOpenSearchServerless", {"BufferingHints": (5, 300), "S3BackupMode": "FailedDocumentsOnly"}),
        ("Splunk", {"BufferingHints": (5, 60), "HECAcknowledgmentTimeoutInSeconds": 180}),
        ("HttpEndpoint", {"BufferingHints": (5, 300), "RetryOptions": 300, "S3BackupMode": "FailedDataOnly"}),
        ("Snowflake", {"BufferingHints": (128, 0), "DataLoadingOption": "JSON_MAPPING"}),
        ("Iceberg", {"BufferingHints": (5, 300), "RetryOptions": 300, "S3BackupMode": "FailedDataOnly"}),
    ],
)
def test_defaults_of_each_kind(firehose, kind, expected):
    described = delivery.destination(firehose, delivery.create(firehose, kind), kind)
    for member, value in expected.items():
        given = described[member]
        if member == "RetryOptions":
            given = given["DurationInSeconds"]
        if member == "BufferingHints":
            given = (given["SizeInMBs"], given["IntervalInSeconds"])
        assert given == value, member


def test_only_s3_takes_records_yet(firehose):
    name = delivery.create(firehose, "HttpEndpoint")
    _refused(
        firehose,
        "put_record",
        "UnsupportedOperationException",
        "Levada does not deliver to HttpEndpoint yet",
        DeliveryStreamName=name,
        Record={"Data": b"x"},
    )


def test_records_are_put(firehose):
    name = delivery.create(firehose)
    one = firehose.put_record(DeliveryStreamName=name, Record={"Data": b""})
    assert one["Encrypted"] is False
    records = [{"Data": bytes([n % 256]) * n} for n in range(500)]
    many = firehose.put_record_batch(DeliveryStreamName=name, Records=records)
    assert (many["FailedPutCount"], many["Encrypted"]) == (0, False)
    answers = many["RequestResponses"]
    assert all(set(answer) == {"RecordId"} for answer in answers)
    ids = [one["RecordId"], *(answer["RecordId"] for answer in answers)]
    assert len(set(ids)) == 501 and {len(one) for one in ids} == {224}


def test_in_cbor(server):
    client = raw.RawClient(server, raw.CBOR, service="firehose")
    name = streams.fresh_name("delivery")
    place = {"ExtendedS3DestinationConfiguration": PLACE}
    client.value("CreateDeliveryStream", {"DeliveryStreamName": name, **place})
    records = [{"Data": b"a"}, {"Data": b""}]
    put = client.value("PutRecordBatch", {"DeliveryStreamName": name, "Records": records})
    assert (put["FailedPutCount"], len(put["RequestResponses"])) == (0, 2)
    described = client.value("DescribeDeliveryStream", {"DeliveryStreamName": name})
    described = described["DeliveryStreamDescription"]
    tag, created_ms = described["CreateTimestamp"]
    assert tag == "tag 1" and abs(created_ms / 1000 - time.time()) < 60
    assert described["Destinations"][0]["ExtendedS3DestinationDescription"]["BufferingHints"]


def test_a_stream_is_deleted_once(firehose):
    """Of many who delete at once, and again, none hurts a new one of the name."""
    name = delivery.create(firehose)

    def delete(_):
        try:
            firehose.delete_delivery_stream(DeliveryStreamName=name)
            return "deleted"
        except firehose.exceptions.ResourceNotFoundException:
            return "not there"

    with ThreadPoolExecutor(8) as pool:
        ends = list(pool.map(delete, range(8)))
    assert ends.count("deleted") == 1, ends
    delivery.create(firehose, name=name)
    firehose.put_record(DeliveryStreamName=name, Record={"Data": b"x"})


def test_updates_race_for_a_version(firehose):
    name = delivery.create(firehose)

    def update(n):
        try:
            firehose.update_destination(
                DeliveryStreamName=name,
                CurrentDeliveryStreamVersionId="1",
                DestinationId=DESTINATION,
                ExtendedS3DestinationUpdate={"Prefix": f"{n}/"},
            )
            return n
        except firehose.exceptions.ConcurrentModificationException:
            return None

    with ThreadPoolExecutor(8) as pool:
        (winner,) = [n for n in pool.map(update, range(8)) if n is not None]
    assert delivery.describe(firehose, name)["VersionId"] == "2"
    assert delivery.destination(firehose, name)["Prefix"] == f"{winner}/"


def test_how_much_may_be_put(firehose):
    name = delivery.create(firehose)
    most = b"x" * 1_024_000
    firehose.put_record(DeliveryStreamName=name, Record={"Data": most})
    words = "at 'record.data' failed to satisfy constraint: Member must have length less than or equal to 1024000"
    record = {"Data": most + b"x"}
    _refused(firehose, "put_record", "ValidationException", words, DeliveryStreamName=name, Record=record)
    words = "1 validation error detected: Value at 'records.2.member.data' failed"
    records = [{"Data": b"x"}, record]
    _refused(firehose, "put_record_batch", "ValidationException", words, DeliveryStreamName=name, Records=records)
    quarter = {"Data": b"x" * 838_861}
    firehose.put_record_batch(DeliveryStreamName=name, Records=[quarter] * 4 + [{"Data": b"x" * 838_860}])
    _refused(
        firehose,
        "put_record_batch",
        "InvalidArgumentException",
        "Records size exceeds 4 MB limit",
        DeliveryStreamName=name,
        Records=[quarter] * 5,
    )
    words = "at 'records' failed to satisfy constraint: Member must have length less than or equal to 500"
    records = [{"Data": b"x"}] * 501
    _refused(firehose, "put_record_batch", "ValidationException", words, DeliveryStreamName=name, Records=records)


def test_a_kinesis_stream_as_source(firehose, kinesis):
    stream = streams.create(kinesis)
    arn = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{stream}"
    name = delivery.create(
        firehose,
        DeliveryStreamType="KinesisStreamAsSource",
        KinesisStreamSourceConfiguration={"KinesisStreamARN": arn, "RoleARN": ROLE},
    )
    described = delivery.describe(firehose, name)
    assert described["DeliveryStreamType"] == "KinesisStreamAsSource"
    source = described["Source"]["KinesisStreamSourceDescription"]
    assert source.pop("DeliveryStartTimestamp") == described["CreateTimestamp"]
    assert source == {"KinesisStreamARN": arn, "RoleARN": ROLE}
    assert "DeliveryStreamEncryptionConfiguration" not in described
    words = "This operation is not permitted on KinesisStreamAsSource delivery stream type."
    record = {"Data": b"x"}
    _refused(firehose, "put_record", "InvalidArgumentException", words, DeliveryStreamName=name, Record=record)


def test_other_sources_are_described(firehose):
    cluster = {
        "MSKClusterARN": f"arn:aws:kafka:{REGION}:{ACCOUNT}:cluster/a/a-1",
        "TopicName": "topic",
        "AuthenticationConfiguration": {"RoleARN": ROLE, "Connectivity": "PRIVATE"},
    }
    name = delivery.create(firehose, DeliveryStreamType="MSKAsSource", MSKSourceConfiguration=cluster)
    source = delivery.describe(firehose, name)["Source"]["MSKSourceDescription"]
    assert source.pop("DeliveryStartTimestamp")
    assert source == cluster
    hint = {"ThroughputHintInMBs": 7}
    name = delivery.create(firehose, DirectPutSourceConfiguration=hint)
    assert delivery.describe(firehose, name)["Source"] == {"DirectPutSourceDescription": hint}


def test_streams_are_listed(server):
    """In a region of its own, so that only these are there."""
    firehose = clients.client(server.endpoint, service="firehose", region="eu-north-1")
    assert firehose.list_delivery_streams() == {
        "DeliveryStreamNames": [],
        "HasMoreDeliveryStreams": False,
        "ResponseMetadata": ANY,
    }
    source = {"KinesisStreamARN": f"arn:aws:kinesis:eu-north-1:{ACCOUNT}:stream/s", "RoleARN": ROLE}
    for n in range(6):
        delivery.create(firehose, name=f"list-{n:02}")
    for n in range(6, 12):
        delivery.create(
            firehose,
            name=f"list-{n:02}",
            DeliveryStreamType="KinesisStreamAsSource",
            KinesisStreamSourceConfiguration=source,
        )
    names = [f"list-{n:02}" for n in range(12)]

    def listed(**arguments):
        answer = firehose.list_delivery_streams(**arguments)
        return answer["DeliveryStreamNames"], answer["HasMoreDeliveryStreams"]

    assert listed() == (names[:10], True)
    assert listed(Limit=12) == (names, False)
    assert listed(Limit=1) == (names[:1], True)
    assert listed(ExclusiveStartDeliveryStreamName="list-09") == (names[10:], False)
    assert listed(ExclusiveStartDeliveryStreamName="a") == (names[:10], True)
    assert listed(DeliveryStreamType="DirectPut") == (names[:6], False)
    assert listed(DeliveryStreamType="KinesisStreamAsSource", Limit=5) == (names[6:11], True)
    firehose.delete_delivery_stream(DeliveryStreamName="list-00", AllowForceDelete=True)
    assert listed(Limit=1) == (names[1:2], True)
    _refused(firehose, "describe_delivery_stream", "ResourceNotFoundException", DeliveryStreamName="list-00")
    # The name is free again.
    delivery.create(firehose, name="list-00")


def test_tags(firehose):
    tags = [{"Key": f"{n}_k", "Value": f"{n}_v"} for n in range(1, 51)]
    name = delivery.create(firehose, Tags=tags)

    def listed(**arguments):
        answer = firehose.list_tags_for_delivery_stream(DeliveryStreamName=name, **arguments)
        return answer["Tags"], answer["HasMoreTags"]

    assert listed() == (tags, False)
    assert listed(Limit=1) == (tags[:1], True)
    assert listed(ExclusiveStartTagKey="30_k") == (tags[30:], False)
    assert listed(ExclusiveStartTagKey="foo") == (tags, False)
    more = {"DeliveryStreamName": name, "Tags": [{"Key": "one-more"}]}
    _refused(firehose, "tag_delivery_stream", "LimitExceededException", **more)
    reserved = {"DeliveryStreamName": name, "Tags": [{"Key": "aws:x"}]}
    words = "Value at 'tags.1.member.key' failed to satisfy constraint: Member must satisfy regular"
    _refused(firehose, "tag_delivery_stream", "ValidationException", words, **reserved)
    firehose.tag_delivery_stream(DeliveryStreamName=name, Tags=[{"Key": "2_k", "Value": "new"}])
    firehose.untag_delivery_stream(
        DeliveryStreamName=name, TagKeys=[tag["Key"] for tag in tags[2:]] + ["nothing"]
    )
    assert listed() == ([tags[0], {"Key": "2_k", "Value": "new"}], False)


def test_encryption(firehose):
    name = delivery.create(firehose)
    key = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/a"

    def encryption():
        return delivery.describe(firehose, name)["DeliveryStreamEncryptionConfiguration"]

    firehose.start_delivery_stream_encryption(DeliveryStreamName=name)
    assert encryption() == {"KeyType": "AWS_OWNED_CMK", "Status": "ENABLED"}
    put = firehose.put_record(DeliveryStreamName=name, Record={"Data": b"x"})
    assert put["Encrypted"] is True
    own = {"KeyType": "CUSTOMER_MANAGED_CMK", "KeyARN": key}
    firehose.start_delivery_stream_encryption(
        DeliveryStreamName=name, DeliveryStreamEncryptionConfigurationInput=own
    )
    assert encryption() == {**own, "Status": "ENABLED"}
    firehose.stop_delivery_stream_encryption(DeliveryStreamName=name)
    assert encryption() == {"Status": "DISABLED"}
    name = delivery.create(firehose, DeliveryStreamEncryptionConfigurationInput=own)
    assert encryption() == {**own, "Status": "ENABLED"}


def test_a_lambda_processor_gets_its_defaults(firehose):
    processing = {"Processors": [_lambda(BufferIntervalInSeconds="70", BufferSizeInMBs="2")]}
    name = delivery.create(firehose, configuration={"ProcessingConfiguration": processing})
    described = delivery.destination(firehose, name)["ProcessingConfiguration"]
    assert described["Enabled"] is False
    parameters = [
        (parameter["ParameterName"], parameter["ParameterValue"])
        for parameter in described["Processors"][0]["Parameters"]
    ]
    assert parameters == [
        ("LambdaArn", FUNCTION),
        ("NumberOfRetries", "3"),
        ("RoleArn", ROLE),
        ("BufferSizeInMBs", "2"),
        ("BufferIntervalInSeconds", "70"),
    ]
    # An update replaces the whole block, or leaves it alone.
    delivery.update(firehose, name, Prefix="changed/")
    assert delivery.destination(firehose, name)["ProcessingConfiguration"] == described
    delivery.update(firehose, name, ProcessingConfiguration={"Enabled": False})
    assert delivery.destination(firehose, name)["ProcessingConfiguration"] == {"Enabled": False}


def test_conversion_is_changed_member_by_member(firehose):
    name = delivery.create(
        firehose, configuration={"DataFormatConversionConfiguration": CONVERSION}
    )
    described = delivery.destination(firehose, name)
    assert described["BufferingHints"] == {"SizeInMBs": 128, "IntervalInSeconds": 300}
    assert described["DataFormatConversionConfiguration"] == {**CONVERSION, "Enabled": True}
    schema = {"SchemaConfiguration": {"TableName": "other"}}
    delivery.update(firehose, name, DataFormatConversionConfiguration=schema)
    stored = delivery.destination(firehose, name)["DataFormatConversionConfiguration"]
    assert stored["SchemaConfiguration"] == {"RoleARN": ROLE, "DatabaseName": "db", "TableName": "other"}
    delivery.update(firehose, name, DataFormatConversionConfiguration={"Enabled": False})
    delivery.update(firehose, name, CompressionFormat="GZIP")
    with pytest.raises(firehose.exceptions.InvalidArgumentException):
        delivery.update(firehose, name, DataFormatConversionConfiguration={"Enabled": True})
    described = delivery.describe(firehose, name)
    assert (described["VersionId"], described["LastUpdateTimestamp"] is not None) == ("4", True)
    delivery.update(
        firehose,
        name,
        CompressionFormat="UNCOMPRESSED",
        DataFormatConversionConfiguration={"Enabled": True},
    )
    plain = delivery.create(firehose)
    with pytest.raises(firehose.exceptions.InvalidArgumentException, match="at least 64"):
        delivery.update(firehose, plain, DataFormatConversionConfiguration=CONVERSION)


def test_what_cannot_be_taken_back(firehose):
    partitions = {
        "DynamicPartitioningConfiguration": {"Enabled": True},
        "Prefix": "c=!{partitionKeyFromLambda:c}/",
        "ErrorOutputPrefix": "errors/",
        "ProcessingConfiguration": {"Enabled": True, "Processors": [_lambda()]},
    }
    name = delivery.create(firehose, configuration=partitions)
    described = delivery.destination(firehose, name)
    assert described["BufferingHints"]["SizeInMBs"] == 128
    assert described["DynamicPartitioningConfiguration"] == {
        "Enabled": True,
        "RetryOptions": {"DurationInSeconds": 300},
    }
    for stream, change in (
        (name, {"DynamicPartitioningConfiguration": {"Enabled": False}, "Prefix": "a/"}),
        (delivery.create(firehose), partitions),
    ):
        with pytest.raises(firehose.exceptions.InvalidArgumentException, match="Dynamic Partitioning"):
            delivery.update(firehose, stream, **change)
    retries = {"RetryOptions": {"DurationInSeconds": 60}}
    delivery.update(firehose, name, DynamicPartitioningConfiguration=retries)
    described = delivery.destination(firehose, name)
    assert described["DynamicPartitioningConfiguration"] == {"Enabled": True, **retries}
    plain = delivery.create(firehose)
    with pytest.raises(firehose.exceptions.InvalidArgumentException, match="S3BackupUpdate.RoleARN"):
        delivery.update(firehose, plain, S3BackupMode="Enabled", S3BackupUpdate={"Prefix": "b/"})
    delivery.update(firehose, plain, S3BackupMode="Enabled", S3BackupUpdate=PLACE)
    backup = {"S3BackupMode": "Enabled", "S3BackupConfiguration": PLACE}
    name = delivery.create(firehose, configuration=backup)
    assert delivery.destination(firehose, name)["S3BackupDescription"] == {**PLACE, **S3_DEFAULTS}
    with pytest.raises(firehose.exceptions.InvalidArgumentException, match="Disabling S3 backup"):
        delivery.update(firehose, name, S3BackupMode="Disabled")
    delivery.update(firehose, name, S3BackupUpdate={"Prefix": "backup/"})
    stored = delivery.destination(firehose, name)["S3BackupDescription"]
    assert stored == {**PLACE, **S3_DEFAULTS, "Prefix": "backup/"}


def test_another_kind_of_destination_replaces_the_old_one(firehose):
    name = delivery.create(firehose, configuration={"Prefix": "old/"})
    redshift = {**LEAST["Redshift"], "S3Update": PLACE}
    del redshift["S3Configuration"]
    delivery.update(firehose, name, "Redshift", **redshift)
    (destination,) = delivery.describe(firehose, name)["Destinations"]
    assert set(destination) == {"DestinationId", "RedshiftDestinationDescription"}
    assert "Prefix" not in destination["RedshiftDestinationDescription"]["S3DestinationDescription"]
    with pytest.raises(firehose.exceptions.InvalidArgumentException, match="must not be null"):
        delivery.update(firehose, name, "ExtendedS3", RoleARN=ROLE)
    delivery.update(firehose, name, "ExtendedS3", **PLACE)
    assert "Prefix" not in delivery.destination(firehose, name)


def test_a_stream_survives_a_restart(tmp_path):
    server = Server(tmp_path / "data").start()
    firehose = clients.client(server.endpoint, service="firehose")
    name = delivery.create(firehose, "Splunk", Tags=[{"Key": "a", "Value": "1"}])
    firehose.start_delivery_stream_encryption(DeliveryStreamName=name)
    before = delivery.describe(firehose, name)
    server.stop()
    server = Server(tmp_path / "data").start()
    firehose = clients.client(server.endpoint, service="firehose")
    assert delivery.describe(firehose, name) == before
    tags = firehose.list_tags_for_delivery_stream(DeliveryStreamName=name)["Tags"]
    assert tags == [{"Key": "a", "Value": "1"}]
    server.stop()


def test_states_take_their_time(tmp_path):
    server = Server(tmp_path / "data", "--state-delay", "700ms").start()
    firehose = clients.client(server.endpoint, service="firehose")
    name = "slow"
    firehose.create_delivery_stream(DeliveryStreamName=name, ExtendedS3DestinationConfiguration=PLACE)
    assert delivery.describe(firehose, name)["DeliveryStreamStatus"] == "CREATING"
    for call in ("delete_delivery_stream", "start_delivery_stream_encryption"):
        _refused(firehose, call, "ResourceInUseException", DeliveryStreamName=name)
    record = {"Data": b"x"}
    _refused(firehose, "put_record", "ResourceNotFoundException", DeliveryStreamName=name, Record=record)
    until(lambda: delivery.describe(firehose, name)["DeliveryStreamStatus"] == "ACTIVE")
    firehose.start_delivery_stream_encryption(DeliveryStreamName=name)

    def encryption():
        return delivery.describe(firehose, name)["DeliveryStreamEncryptionConfiguration"]["Status"]

    assert encryption() == "ENABLING"
    _refused(firehose, "stop_delivery_stream_encryption", "ResourceInUseException", DeliveryStreamName=name)
    until(lambda: encryption() == "ENABLED")
    firehose.stop_delivery_stream_encryption(DeliveryStreamName=name)
    assert encryption() == "DISABLING"
    until(lambda: encryption() == "DISABLED")
    firehose.delete_delivery_stream(DeliveryStreamName=name)
    assert delivery.describe(firehose, name)["DeliveryStreamStatus"] == "DELETING"
    firehose.delete_delivery_stream(DeliveryStreamName=name)
    until(lambda: not firehose.list_delivery_streams()["DeliveryStreamNames"])
    server.stop()


def test_quotas_hold_where_aws_s_do(tmp_path):
    server = Server(tmp_path / "data", "--limits", "aws").start()
    firehose = clients.client(server.endpoint, service="firehose")
    firehose.create_delivery_stream(DeliveryStreamName="q", ExtendedS3DestinationConfiguration=PLACE)

    def switch(call):
        def tried():
            try:
                getattr(firehose, call)(DeliveryStreamName="q")
                return "done"
            except firehose.exceptions.ClientError as refused:
                code = refused.response["Error"]["Code"]
                # Five calls a second of an operation: not what this is about.
                return None if code == "ThrottlingException" else code

        return until(tried)

    calls = ["start_delivery_stream_encryption", "stop_delivery_stream_encryption"]
    assert [switch(calls[n % 2]) for n in range(25)] == ["done"] * 25
    assert switch(calls[1]) == "LimitExceededException"
    # One MiB each second outside the large regions.
    firehose = clients.client(server.endpoint, service="firehose", region="eu-north-1")
    firehose.create_delivery_stream(DeliveryStreamName="q", ExtendedS3DestinationConfiguration=PLACE)
    record = {"Data": b"x" * 400 * 1024}
    put = firehose.put_record_batch(DeliveryStreamName="q", Records=[record] * 4)
    assert put["FailedPutCount"] == 2
    slow = {"ErrorCode": "ServiceUnavailableException", "ErrorMessage": "Slow down."}
    assert [set(answer) for answer in put["RequestResponses"][:2]] == [{"RecordId"}] * 2
    assert put["RequestResponses"][2:] == [slow] * 2
    _refused(
        firehose,
        "put_record",
        "ServiceUnavailableException",
        "Slow down.",
        DeliveryStreamName="q",
        Record={"Data": b"x" * 900 * 1024},
    )
    server.stop()
