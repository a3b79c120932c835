"""Records that Firehose converts: the file as pyarrow reads it, and what became of what did not fit."""

import base64
import io
import json

import pytest
from pyarrow import parquet

from rig import clients, deliveries
from rig.command import move_clock
from rig.server import ACCOUNT, REGION, Server
from rig.waiting import until

COLUMNS = [
    {"Name": "id", "Type": "bigint"},
    {"Name": "ticker", "Type": "string"},
    {"Name": "price", "Type": "double"},
    {"Name": "tags", "Type": "array<string>"},
]


@pytest.fixture(scope="module")
def dev(tmp_path_factory):
    """A server that knows the table `ticks` from a folder."""
    folder = tmp_path_factory.mktemp("conversion")
    (folder / "schemas").mkdir()
    table = {
        "Name": "ticks",
        "DatabaseName": "market",
        "StorageDescriptor": {"Columns": COLUMNS},
    }
    (folder / "schemas" / "ticks.json").write_text(json.dumps({"Table": table}))
    started = Server(folder / "data", "--dev", "--schemas", str(folder / "schemas")).start()
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


def create(firehose, bucket, table="ticks", serializer=None):
    """A delivery stream that converts into `table`; its name."""
    return deliveries.create(
        firehose,
        bucket,
        Prefix="data/",
        ErrorOutputPrefix="errors/!{firehose:error-output-type}/",
        BufferingHints=deliveries.hints(64, 60),
        DataFormatConversionConfiguration={
            "SchemaConfiguration": {
                "RoleARN": deliveries.ROLE,
                "DatabaseName": "market",
                "TableName": table,
            },
            "InputFormatConfiguration": {"Deserializer": {"OpenXJsonSerDe": {}}},
            "OutputFormatConfiguration": {"Serializer": serializer or {"ParquetSerDe": {}}},
        },
    )


def delivered(dev, s3, bucket, prefix):
    """The one object below `prefix`: its name, its body and its headers."""
    move_clock(dev, "+61s")
    found = until(lambda: deliveries.objects(s3, bucket, prefix), what=f"an object below {prefix}")
    [(key, (body, answer))] = found.items()
    return key, body, answer


def test_rows_and_failures(dev, firehose, s3, bucket):
    name = create(firehose, bucket)
    good = [
        {"id": 1, "ticker": "AAA", "price": 1.5, "tags": ["x", "y"]},
        {"ID": 2, "ticker": None, "tags": [], "unknown": True},
    ]
    bad = [b"no JSON", b'{"id":"oops"}']
    deliveries.put(firehose, name, [json.dumps(record).encode() for record in good] + bad)
    key, body, answer = delivered(dev, s3, bucket, "data/")
    assert key.endswith(".parquet")
    assert answer["ContentEncoding"] == "hadoop-snappy"
    table = parquet.read_table(io.BytesIO(body))
    assert [str(field.type) for field in table.schema][:3] == ["int64", "string", "double"]
    assert table.to_pylist() == [
        good[0],
        {"id": 2, "ticker": None, "price": None, "tags": []},
    ]
    prefix = "errors/format-conversion-failed/"
    lines = until(lambda: deliveries.failures(s3, bucket, prefix), what="error lines")
    assert {base64.b64decode(line["rawData"]): line["lastErrorCode"] for line in lines} == {
        bad[0]: "DataFormatConversion.ParseError",
        bad[1]: "DataFormatConversion.MalformedData",
    }
    assert lines[0]["dataCatalogTable"] == {
        "catalogId": ACCOUNT,
        "databaseName": "market",
        "tableName": "ticks",
        "region": REGION,
        "versionId": "LATEST",
        "catalogArn": None,
    }


def test_the_serializer_s_options(dev, firehose, s3, bucket):
    options = {"Compression": "GZIP", "WriterVersion": "V2", "EnableDictionaryCompression": True}
    name = create(firehose, bucket, serializer={"ParquetSerDe": options})
    deliveries.put(firehose, name, [b'{"ticker":"AAA"}'] * 100)
    _, body, answer = delivered(dev, s3, bucket, "data/")
    assert "ContentEncoding" not in answer
    file = parquet.ParquetFile(io.BytesIO(body))
    column = file.metadata.row_group(0).column(1)
    assert (column.compression, column.has_dictionary_page) == ("GZIP", True)
    assert file.read().num_rows == 100


def test_a_table_that_is_missing(dev, firehose, s3, bucket):
    name = create(firehose, bucket, table="nothing")
    deliveries.put(firehose, name, [b"{}", b"{}"])
    delivered(dev, s3, bucket, "errors/format-conversion-failed/")
    lines = deliveries.failures(s3, bucket, "errors/")
    assert [line["lastErrorCode"] for line in lines] == ["DataFormatConversion.EntityNotFound"] * 2
    assert not deliveries.objects(s3, bucket, "data/")
