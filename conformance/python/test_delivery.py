"""What Firehose delivers: names, bodies, headers, when, from where, and what became of what failed."""

import base64
import gzip
import io
import json
import re
import zipfile
from datetime import datetime, timedelta, timezone

import pytest

from rig import clients, deliveries, functions, streams
from rig.command import move_clock
from rig.server import ACCOUNT, REGION, Server
from rig.waiting import until

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:transform"


@pytest.fixture(scope="module")
def lambdas():
    """Functions whose answer each test sets."""
    with functions.serving(None) as outside:
        yield outside


@pytest.fixture(scope="module")
def dev(tmp_path_factory, lambdas):
    """A server in development mode: its clock can be moved."""
    folder = tmp_path_factory.mktemp("delivery") / "data"
    started = Server(folder, "--dev", "--lambda-endpoint", lambdas.endpoint).start()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def firehose(dev):
    return clients.client(dev.endpoint, service="firehose")


@pytest.fixture(scope="module")
def s3(dev):
    return clients.client(dev.endpoint, service="s3")


@pytest.fixture
def bucket(s3):
    return deliveries.bucket(s3)


def delivered(s3, bucket, count=1, prefix=""):
    """The objects, once there are `count`."""
    def enough():
        found = deliveries.objects(s3, bucket, prefix)
        return found if len(found) >= count else None

    found = until(enough, what=f"{count} objects")
    assert len(found) == count, list(found)
    return found


def test_a_name_and_a_body(firehose, s3, bucket):
    name = deliveries.create(firehose, bucket, BufferingHints=deliveries.hints(1, 0))
    before = datetime.now(timezone.utc)
    firehose.put_record(DeliveryStreamName=name, Record={"Data": b"one"})
    [(key, (body, answer))] = delivered(s3, bucket).items()
    parts = re.fullmatch(
        rf"(\d{{4}}/\d\d/\d\d/\d\d)/{name}-1-(\d{{4}}-\d\d-\d\d-\d\d-\d\d-\d\d)-{UUID}", key
    )
    assert parts, key
    assert body == b"one"
    assert answer["ContentType"] == "application/octet-stream"
    assert "ContentEncoding" not in answer
    arrived = datetime.strptime(parts[2], "%Y-%m-%d-%H-%M-%S").replace(tzinfo=timezone.utc)
    assert parts[1] == arrived.strftime("%Y/%m/%d/%H")
    assert before - timedelta(seconds=2) <= arrived


def test_records_follow_each_other_verbatim(dev, firehose, s3, bucket):
    name = deliveries.create(firehose, bucket, BufferingHints=deliveries.hints(5, 300))
    deliveries.put(firehose, name, [b"a", b"", b"b\n", b"c"])
    assert not deliveries.objects(s3, bucket)
    move_clock(dev, "+301s")
    [(body, _)] = delivered(s3, bucket).values()
    assert body == b"ab\nc"


def test_a_full_buffer_does_not_wait(firehose, s3, bucket):
    name = deliveries.create(firehose, bucket, BufferingHints=deliveries.hints(1, 900))
    deliveries.put(firehose, name, [bytes([65 + n]) * 600_000 for n in range(3)])
    found = delivered(s3, bucket, 2)
    assert [len(body) for body, _ in found.values()] == [600_000, 600_000], "the third one waits"


@pytest.mark.parametrize(
    ("form", "extension", "encoding", "read"),
    [
        ("UNCOMPRESSED", "", None, lambda body: body),
        ("GZIP", ".gz", "gzip", gzip.decompress),
        ("ZIP", ".zip", "zip", lambda body: unzipped(body)),
        ("Snappy", ".snappy", "snappy-java", None),
        ("HADOOP_SNAPPY", ".snappy", "hadoop-snappy", None),
    ],
)
def test_compression(firehose, s3, bucket, form, extension, encoding, read):
    hints = deliveries.hints(1, 0)
    name = deliveries.create(firehose, bucket, BufferingHints=hints, CompressionFormat=form)
    firehose.put_record(DeliveryStreamName=name, Record={"Data": b"line\n" * 1000})
    [(key, (body, answer))] = delivered(s3, bucket).items()
    assert re.search(UUID + re.escape(extension) + "$", key), key
    assert answer.get("ContentEncoding") == encoding
    assert answer["ContentType"] == "application/octet-stream"
    if read:
        assert read(body) == b"line\n" * 1000
    elif form == "Snappy":
        assert body.startswith(b"\x82SNAPPY\x00")


def unzipped(body):
    archive = zipfile.ZipFile(io.BytesIO(body))
    [entry] = archive.namelist()
    return archive.read(entry)


@pytest.mark.parametrize(
    ("prefix", "wanted"),
    [
        ("legacy", r"legacy\d{4}/\d\d/\d\d/\d\d/"),
        ("logs/", r"logs/\d{4}/\d\d/\d\d/\d\d/"),
        ("y=!{timestamp:yyyy}/'q'/", r"y=\d{4}/'q'/"),
        ("r/!{firehose:random-string}/", r"r/[A-Za-z0-9]{11}/"),
        ("!{timestamp:'day='yyyy-MM-dd}/x", r"day=\d{4}-\d\d-\d\d/x"),
    ],
)
def test_prefixes(firehose, s3, bucket, prefix, wanted):
    more = {"ErrorOutputPrefix": "errors/!{firehose:error-output-type}/"} if "!" in prefix else {}
    hints = deliveries.hints(1, 0)
    name = deliveries.create(firehose, bucket, Prefix=prefix, BufferingHints=hints, **more)
    firehose.put_record(DeliveryStreamName=name, Record={"Data": b"x"})
    [key] = delivered(s3, bucket)
    assert re.match(rf"{wanted}{name}-1-", key), key


def test_a_time_zone_and_an_extension(firehose, s3, bucket):
    name = deliveries.create(
        firehose,
        bucket,
        BufferingHints=deliveries.hints(1, 0),
        CustomTimeZone="Asia/Tokyo",
        FileExtension=".json",
        CompressionFormat="GZIP",
    )
    firehose.put_record(DeliveryStreamName=name, Record={"Data": b"x"})
    [(key, (body, _))] = delivered(s3, bucket).items()
    assert key.endswith(".json") and gzip.decompress(body) == b"x"
    hour = datetime.strptime(key[:13], "%Y/%m/%d/%H").replace(tzinfo=timezone.utc)
    ahead = hour - datetime.now(timezone.utc)
    assert timedelta(hours=7, minutes=55) < ahead < timedelta(days=40), "Tokyo is nine hours ahead"


def test_the_version_is_in_the_name(firehose, s3, bucket):
    name = deliveries.create(firehose, bucket, BufferingHints=deliveries.hints(1, 0))
    firehose.update_destination(
        DeliveryStreamName=name,
        CurrentDeliveryStreamVersionId="1",
        DestinationId="destinationId-000000000001",
        ExtendedS3DestinationUpdate={"Prefix": "two/"},
    )
    firehose.put_record(DeliveryStreamName=name, Record={"Data": b"x"})
    [key] = delivered(s3, bucket)
    assert re.match(rf"two/\d{{4}}/\d\d/\d\d/\d\d/{name}-2-", key), key


def test_delimiters(firehose, s3, bucket):
    name = deliveries.create(
        firehose,
        bucket,
        BufferingHints=deliveries.hints(1, 0),
        ProcessingConfiguration=deliveries.processing(
            deliveries.processor("AppendDelimiterToRecord", Delimiter="\\n")
        ),
    )
    deliveries.put(firehose, name, [b"a", b"b"])
    until(lambda: deliveries.lines(s3, bucket).total() == 2)
    assert deliveries.lines(s3, bucket) == {b"a": 1, b"b": 1}


def test_a_stream_as_source(dev, firehose, s3, bucket):
    kinesis = clients.client(dev.endpoint)
    stream = streams.create(kinesis, shards=2)
    kinesis.put_record(StreamName=stream, Data=b"before\n", PartitionKey="k")
    arn = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{stream}"
    hints = deliveries.hints(1, 0)
    names = [
        deliveries.create(firehose, bucket, source=arn, BufferingHints=hints, Prefix=f"{n}/")
        for n in range(2)
    ]
    wanted = {f"line {n}".encode(): 1 for n in range(200)}
    entries = [{"Data": line + b"\n", "PartitionKey": f"k{n}"} for n, line in enumerate(wanted)]
    kinesis.put_records(StreamName=stream, Records=entries[:100])
    kinesis.update_shard_count(
        StreamName=stream, TargetShardCount=4, ScalingType="UNIFORM_SCALING"
    )
    kinesis.put_records(StreamName=stream, Records=entries[100:])
    for n, _ in enumerate(names):
        until(lambda n=n: deliveries.lines(s3, bucket, f"{n}/") == wanted, what=f"stream {n}")
    with pytest.raises(firehose.exceptions.InvalidArgumentException) as refused:
        firehose.put_record(DeliveryStreamName=names[0], Record={"Data": b"x"})
    assert refused.value.response["Error"]["Message"] == (
        "This operation is not permitted on KinesisStreamAsSource delivery stream type."
    )


def test_a_function_transforms(firehose, s3, bucket, lambdas):
    def verdict(record):
        data = functions.data_of(record)
        if data == b"drop":
            return functions.dropped(record)
        if data == b"fail":
            return functions.failed(record)
        return functions.ok(record, data.upper() + b"\n")

    lambdas.answer = functions.each(verdict)
    lambdas.calls.clear()
    name = deliveries.create(
        firehose,
        bucket,
        BufferingHints=deliveries.hints(1, 0),
        ErrorOutputPrefix="errors/!{firehose:error-output-type}/",
        Prefix="good/",
        ProcessingConfiguration=deliveries.processing(
            deliveries.function(FUNCTION)
        ),
    )
    deliveries.put(firehose, name, [b"one", b"drop", b"fail", b"two"])
    until(lambda: deliveries.lines(s3, bucket, "good/").total() == 2)
    assert deliveries.lines(s3, bucket, "good/") == {b"ONE": 1, b"TWO": 1}
    [failure] = until(lambda: deliveries.failures(s3, bucket, "errors/"))
    assert list(failure) == [
        "rawData",
        "errorCode",
        "errorMessage",
        "attemptsMade",
        "arrivalTimestamp",
        "attemptEndingTimestamp",
        "lambdaARN",
    ]
    assert base64.b64decode(failure["rawData"]) == b"fail"
    assert failure["errorCode"] == "Lambda.ProcessingFailedStatus"
    assert failure["errorMessage"] == "ProcessingFailed status set for record"
    assert failure["lambdaARN"] == FUNCTION
    [event] = lambdas.calls
    assert event["deliveryStreamArn"].endswith(f":deliverystream/{name}")
    assert event["region"] == REGION
    assert len({record["recordId"] for record in event["records"]}) == 4


def test_a_webhook_that_fails_goes_to_the_errors(firehose, s3, bucket, lambdas):
    def answer(event):
        raise functions.Failed("always")

    lambdas.answer = answer
    lambdas.calls.clear()
    name = deliveries.create(
        firehose,
        bucket,
        BufferingHints=deliveries.hints(1, 0),
        ProcessingConfiguration=deliveries.processing(
            deliveries.function(lambdas.webhook, NumberOfRetries=1)
        ),
    )
    deliveries.put(firehose, name, [b"one"])
    [(key, (body, _))] = delivered(s3, bucket).items()
    assert re.match(rf"processing-failed/\d{{4}}/\d\d/\d\d/\d\d/{name}-1-", key), key
    failure = json.loads(body)
    assert failure["errorCode"] == "Lambda.FunctionError"
    assert failure["attemptsMade"] == 2
    assert len(lambdas.calls) == 2


def test_partitions(dev, firehose, s3, bucket):
    name = deliveries.create(
        firehose,
        bucket,
        BufferingHints=deliveries.hints(64, 60),
        Prefix="customer=!{partitionKeyFromQuery:customer}/!{timestamp:yyyy}/",
        ErrorOutputPrefix="errors/!{firehose:error-output-type}/",
        DynamicPartitioningConfiguration={"Enabled": True, "RetryOptions": {"DurationInSeconds": 1}},
        ProcessingConfiguration=deliveries.processing(
            deliveries.processor(
                "MetadataExtraction",
                MetadataExtractionQuery="{customer: .customer}",
                JsonParsingEngine="JQ-1.6",
            ),
            deliveries.processor("AppendDelimiterToRecord", Delimiter="\\n"),
        ),
    )
    records = [json.dumps({"customer": n % 3, "n": n}).encode() for n in range(30)]
    deliveries.put(firehose, name, [*records, b"no json", b'{"customer": null}'])
    move_clock(dev, "+61s")
    until(lambda: deliveries.lines(s3, bucket, "customer=").total() == 30)
    for customer in range(3):
        found = deliveries.lines(s3, bucket, f"customer={customer}/")
        assert set(found) == set(records[customer::3])
    failed = until(lambda: deliveries.failures(s3, bucket, "errors/metadata-extraction-failed/"))
    raw = {base64.b64decode(failure["rawData"]) for failure in failed}
    assert raw == {b"no json", b'{"customer": null}'}


def test_a_backup_of_the_source(firehose, s3, bucket, lambdas):
    lambdas.answer = functions.each(lambda r: functions.ok(r, functions.data_of(r).upper()))
    name = deliveries.create(
        firehose,
        bucket,
        BufferingHints=deliveries.hints(1, 0),
        Prefix="new/",
        S3BackupMode="Enabled",
        S3BackupConfiguration={
            "RoleARN": deliveries.ROLE,
            "BucketARN": f"arn:aws:s3:::{bucket}",
            "Prefix": "old/",
            "BufferingHints": deliveries.hints(1, 60),
        },
        ProcessingConfiguration=deliveries.processing(
            deliveries.function(FUNCTION)
        ),
    )
    deliveries.put(firehose, name, [b"raw\n"])
    until(lambda: deliveries.lines(s3, bucket, "new/") == {b"RAW": 1})
    assert not deliveries.objects(s3, bucket, "old/")


def test_a_bucket_that_is_not_there_yet(dev, firehose, s3):
    missing = f"late-{next(deliveries.NUMBERS)}"
    name = deliveries.create(firehose, missing, BufferingHints=deliveries.hints(1, 0))
    deliveries.put(firehose, name, [b"kept"])
    s3.create_bucket(Bucket=missing)
    until(lambda: deliveries.lines(s3, missing) == {b"kept": 1}, seconds=30)
