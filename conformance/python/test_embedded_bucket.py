"""The embedded bucket: S3 on the server's own port, for the AWS CLI and boto3, durable like everything else."""

import base64
import hashlib
import http.client
import json
import os
import random
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from rig import tls
from rig.command import run
from rig.server import KEY_ID, REGION, SECRET, Server, binary, environment
from rig.waiting import until

MIB = 1024 * 1024
SECONDS = 120


def s3_of(endpoint, key_id=KEY_ID, secret=SECRET, verify=None, style="path", **settings):
    config = {
        "retries": {"total_max_attempts": 1},
        "s3": {"addressing_style": style},
        "connect_timeout": 5,
        "read_timeout": 60,
        "max_pool_connections": 32,
        **settings,
    }
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        verify=verify,
        config=Config(**config),
    )


@pytest.fixture(scope="module")
def s3(server):
    return s3_of(server.endpoint)


@pytest.fixture()
def bucket(s3, request):
    name = f"b-{hashlib.md5(request.node.name.encode()).hexdigest()[:20]}"
    s3.create_bucket(Bucket=name)
    yield name
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=name):
        for found in page.get("Contents", []):
            s3.delete_object(Bucket=name, Key=found["Key"])
    s3.delete_bucket(Bucket=name)


def refused(call, **parameters):
    with pytest.raises(ClientError) as error:
        call(**parameters)
    answer = error.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def body_of(s3, bucket, key, **parameters):
    return s3.get_object(Bucket=bucket, Key=key, **parameters)["Body"].read()


@pytest.fixture(scope="module")
def shell(server):
    """Runs a shell line after `eval "$(levada env)"`."""
    tools = Path(sys.executable).parent
    variables = environment(
        PATH=f"{tools}:{Path(binary()).parent}:{os.environ['PATH']}",
        AWS_PAGER="",
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
    )

    def call(line):
        script = f'eval "$(levada env --data "{server.data}")"; {line}'
        ran = subprocess.run(
            ["bash", "-c", script], capture_output=True, text=True, timeout=SECONDS, env=variables
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    return call


def test_the_cli_makes_copies_lists_and_removes(shell, tmp_path):
    small, large, back = (tmp_path / name for name in ("small", "large", "back"))
    small.write_bytes(b"hello\n")
    large.write_bytes(random.Random(1).randbytes(20 * MIB))
    shell("aws s3 mb s3://from-the-cli")
    assert "from-the-cli" in shell("aws s3 ls")
    shell(f"aws s3 cp {small} s3://from-the-cli/a/small.txt")
    shell(f"aws s3 cp {large} s3://from-the-cli/large")
    listed = shell("aws s3 ls s3://from-the-cli")
    assert "PRE a/" in listed and str(20 * MIB) in listed
    assert "a/small.txt" in shell("aws s3 ls --recursive s3://from-the-cli")
    shell(f"aws s3 cp s3://from-the-cli/large {back}")
    assert back.read_bytes() == large.read_bytes()
    assert shell("aws s3 cp s3://from-the-cli/a/small.txt -") == "hello\n"
    assert shell("echo piped | aws s3 cp - s3://from-the-cli/piped") == ""
    assert shell("aws s3 cp s3://from-the-cli/piped -") == "piped\n"
    # Both in one request and in parts that are copied.
    shell("aws s3 cp s3://from-the-cli/large s3://from-the-cli/copy")
    shell(f"aws s3 cp s3://from-the-cli/copy {back}")
    assert back.read_bytes() == large.read_bytes()
    shell("aws s3 mv s3://from-the-cli/a/small.txt s3://from-the-cli/moved")
    folder = tmp_path / "folder"
    for index in range(12):
        (folder / f"d{index % 3}").mkdir(parents=True, exist_ok=True)
        (folder / f"d{index % 3}" / f"ö {index}+&.txt").write_text(f"{index}")
    shell(f"aws s3 sync {folder} s3://from-the-cli/synced")
    (folder / "d0" / "new").write_text("new")
    assert shell(f"aws s3 sync {folder} s3://from-the-cli/synced").count("upload:") == 1
    other = tmp_path / "other"
    shell(f"aws s3 sync s3://from-the-cli/synced {other}")
    assert subprocess.run(["diff", "-r", folder, other], check=False).returncode == 0
    shell("aws s3 rm --recursive s3://from-the-cli/synced")
    assert "synced" not in shell("aws s3 ls --recursive s3://from-the-cli")
    shell("aws s3 rb --force s3://from-the-cli")
    assert "from-the-cli" not in shell("aws s3 ls")


def test_buckets(s3):
    s3.create_bucket(Bucket="made-once")
    s3.create_bucket(Bucket="made-once")
    s3.head_bucket(Bucket="made-once")
    assert s3.get_bucket_location(Bucket="made-once")["LocationConstraint"] is None
    abroad = {"LocationConstraint": "eu-west-1"}
    s3.create_bucket(Bucket="abroad", CreateBucketConfiguration=abroad)
    assert s3.get_bucket_location(Bucket="abroad")["LocationConstraint"] == "eu-west-1"
    again = refused(s3.create_bucket, Bucket="abroad", CreateBucketConfiguration=abroad)
    assert again == ("BucketAlreadyOwnedByYou", 409)
    names = [own["Name"] for own in s3.list_buckets()["Buckets"]]
    assert {"abroad", "made-once"} <= set(names) and names == sorted(names)
    s3.put_object(Bucket="made-once", Key="k", Body=b"")
    assert refused(s3.delete_bucket, Bucket="made-once") == ("BucketNotEmpty", 409)
    s3.delete_object(Bucket="made-once", Key="k")
    for name in ("made-once", "abroad"):
        s3.delete_bucket(Bucket=name)
        assert refused(s3.delete_bucket, Bucket=name) == ("NoSuchBucket", 404)
    assert refused(s3.head_bucket, Bucket="made-once") == ("404", 404)


def test_errors(s3, bucket):
    for call in (s3.get_object, s3.delete_object):
        assert refused(call, Bucket="no-such-bucket", Key="k") == ("NoSuchBucket", 404)
    put = dict(Bucket="no-such-bucket", Key="k", Body=b"x" * 300_000)
    assert refused(s3.put_object, **put) == ("NoSuchBucket", 404)
    assert refused(s3.list_objects_v2, Bucket="no-such-bucket") == ("NoSuchBucket", 404)
    assert refused(s3.get_object, Bucket=bucket, Key="none") == ("NoSuchKey", 404)
    assert refused(s3.head_object, Bucket=bucket, Key="none") == ("404", 404)
    s3.delete_object(Bucket=bucket, Key="none")
    assert refused(s3.put_object, Bucket=bucket, Key="k" * 1025)[0] == "KeyTooLongError"
    large = {"a": "x" * 2100}
    assert refused(s3.put_object, Bucket=bucket, Key="k", Metadata=large)[0] == "MetadataTooLarge"
    assert refused(s3.get_bucket_acl, Bucket=bucket) == ("NotImplemented", 501)
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"x", ContentMD5=base64.b64encode(
        hashlib.md5(b"y").digest()).decode()) == ("BadDigest", 400)
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"x", ChecksumCRC32="AAAAAA==")[0] == "BadDigest"
    assert refused(s3.head_object, Bucket=bucket, Key="k") == ("404", 404)


def test_names_that_no_bucket_may_have(server):
    """Past boto3, which refuses some of them itself."""
    for name in ("Ab", "a_b", "192.168.1.1", "a..b"):
        assert signed(server, "PUT", f"/{name}")[:2] == (400, "InvalidBucketName"), name


def signed(server, method, path, body=b"", headers=()):
    """One request, signed by botocore."""
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    request = AWSRequest(method, server.endpoint + path, data=body, headers=dict(headers))
    S3SigV4Auth(Credentials(KEY_ID, SECRET), "s3", REGION).add_auth(request)
    connection = http.client.HTTPConnection(*server.address, timeout=10)
    connection.request(method, path, body, dict(request.headers))
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    code = text.partition("<Code>")[2].partition("</Code>")[0]
    return answer.status, code, text


def test_wrong_keys(server):
    wrong = s3_of(server.endpoint, secret="wrong")
    assert refused(wrong.list_buckets) == ("SignatureDoesNotMatch", 403)
    large = dict(Bucket="any-bucket", Key="k", Body=b"x" * 200_000)
    assert refused(wrong.put_object, **large) == ("SignatureDoesNotMatch", 403)
    nobody = s3_of(server.endpoint, key_id="AKIANOBODY0000000000")
    assert refused(nobody.list_buckets) == ("InvalidAccessKeyId", 403)
    unsigned = s3_of(server.endpoint, signature_version=UNSIGNED)
    assert refused(unsigned.list_buckets)[1] == 403


def test_what_is_kept_of_an_object(s3, bucket):
    kept = {
        "ContentType": "text/x-levada",
        "ContentEncoding": "gzip",
        "CacheControl": "max-age=7",
        "ContentDisposition": "attachment",
        "ContentLanguage": "de",
        "Metadata": {"colour": "blue", "empty": ""},
    }
    put = s3.put_object(Bucket=bucket, Key="ä/ü +&=?#", Body=b"12345", **kept)
    assert put["ETag"] == f'"{hashlib.md5(b"12345").hexdigest()}"'
    for call in (s3.head_object, s3.get_object):
        found = call(Bucket=bucket, Key="ä/ü +&=?#")
        assert {name: found[name] for name in kept} == kept
        assert (found["ContentLength"], found["ETag"]) == (5, put["ETag"])
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "ä/ü +&=?#"})
    assert s3.head_object(Bucket=bucket, Key="copy")["Metadata"] == kept["Metadata"]
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/copy",
                   MetadataDirective="REPLACE", Metadata={"new": "1"})
    assert s3.head_object(Bucket=bucket, Key="copy")["Metadata"] == {"new": "1"}
    s3.put_object(Bucket=bucket, Key="plain", Body=b"")
    plain = s3.get_object(Bucket=bucket, Key="plain")
    assert (plain["ContentType"], plain["Body"].read()) == ("binary/octet-stream", b"")
    assert "ContentEncoding" not in plain


def test_ranges_and_conditions_of_reads(s3, bucket):
    body = random.Random(2).randbytes(300_000)
    tag = s3.put_object(Bucket=bucket, Key="k", Body=body)["ETag"]
    for header, start, end in [("0-0", 0, 1), ("65530-65545", 65530, 65546), ("-10", 299_990, 300_000),
                               ("299999-", 299_999, 300_000), ("100-9999999", 100, 300_000)]:
        part = s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={header}")
        assert part["Body"].read() == body[start:end]
        assert part["ContentRange"] == f"bytes {start}-{end - 1}/300000"
        assert part["ResponseMetadata"]["HTTPStatusCode"] == 206
    read = dict(Bucket=bucket, Key="k")
    assert refused(s3.get_object, Range="bytes=300000-", **read) == ("InvalidRange", 416)
    assert refused(s3.get_object, IfMatch='"other"', **read) == ("PreconditionFailed", 412)
    assert refused(s3.get_object, IfNoneMatch=tag, **read) == ("304", 304)
    assert refused(s3.head_object, IfModifiedSince="2999-01-01", **read) == ("304", 304)
    assert refused(s3.get_object, IfUnmodifiedSince="2000-01-01", **read) == ("PreconditionFailed", 412)
    assert body_of(s3, bucket, "k", IfMatch=tag, IfModifiedSince="2000-01-01") == body


def test_listing(s3, bucket):
    keys = sorted([f"{top}/{n:03}" for top in "abc" for n in range(40)] + ["a", "b!", "z/é/1", "z/é/2"],
                  key=str.encode)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: s3.put_object(Bucket=bucket, Key=key, Body=key.encode()), keys))

    def listed(operation, **parameters):
        found, prefixes = [], []
        pages = s3.get_paginator(operation).paginate(Bucket=bucket, **parameters)
        for page in pages:
            found += [own["Key"] for own in page.get("Contents", [])]
            prefixes += [own["Prefix"] for own in page.get("CommonPrefixes", [])]
        return found, prefixes

    for operation in ("list_objects", "list_objects_v2"):
        assert listed(operation) == (keys, [])
        assert listed(operation, PaginationConfig={"PageSize": 7}) == (keys, [])
        assert listed(operation, Delimiter="/", PaginationConfig={"PageSize": 1}) == (
            ["a", "b!"], ["a/", "b/", "c/", "z/"])
        assert listed(operation, Prefix="z/", Delimiter="/") == ([], ["z/é/"])
        assert listed(operation, Prefix="b/01", PaginationConfig={"PageSize": 3})[0] == [
            f"b/{n:03}" for n in range(10, 20)]
    after = s3.list_objects_v2(Bucket=bucket, StartAfter="c/037")["Contents"]
    assert [own["Key"] for own in after] == ["c/038", "c/039", "z/é/1", "z/é/2"]
    first = s3.list_objects_v2(Bucket=bucket, MaxKeys=1, FetchOwner=True)["Contents"][0]
    assert (first["Size"], first["ETag"]) == (1, f'"{hashlib.md5(b"a").hexdigest()}"')
    assert s3.list_objects_v2(Bucket=bucket, MaxKeys=0)["KeyCount"] == 0
    bad = refused(s3.list_objects_v2, Bucket=bucket, ContinuationToken="@@")
    assert bad == ("InvalidArgument", 400)
    gone = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})
    assert sorted(own["Key"] for own in gone["Deleted"]) == sorted(keys)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_of_eight_that_put_one_key_if_absent_one_wins(server, s3, bucket):
    clients = [s3_of(server.endpoint) for _ in range(8)]
    for round_number in range(10):
        start = threading.Barrier(8)

        def put(racer, key=f"k{round_number}", start=start):
            start.wait()
            try:
                clients[racer].put_object(Bucket=bucket, Key=key, Body=f"{racer}", IfNoneMatch="*")
                return racer
            except ClientError as error:
                assert error.response["Error"]["Code"] == "PreconditionFailed"
                assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 412

        with ThreadPoolExecutor(8) as pool:
            winners = [racer for racer in pool.map(put, range(8)) if racer is not None]
        assert len(winners) == 1
        assert body_of(s3, bucket, f"k{round_number}") == f"{winners[0]}".encode()
    tag = s3.head_object(Bucket=bucket, Key="k0")["ETag"]
    write = dict(Bucket=bucket, Key="k0", Body=b"x")
    assert refused(s3.put_object, IfMatch='"other"', **write) == ("PreconditionFailed", 412)
    s3.put_object(IfMatch=tag, **write)
    assert refused(s3.put_object, IfMatch=tag, **write) == ("PreconditionFailed", 412)
    absent = dict(Bucket=bucket, Key="none", Body=b"x", IfMatch=tag)
    assert refused(s3.put_object, **absent) == ("NoSuchKey", 404)


@pytest.mark.parametrize("signature", [None, "s3v4"])
def test_presigned_urls(server, bucket, signature):
    """Of both versions: boto3 makes the older one unless it is told otherwise."""
    s3 = s3_of(server.endpoint, signature_version=signature)
    put = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "p q"})
    assert ("X-Amz-Signature" in put) == (signature == "s3v4")
    request = urllib.request.Request(put, data=b"presigned", method="PUT", headers={"Content-Type": ""})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200
    get = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "p q"})
    with urllib.request.urlopen(get, timeout=10) as answer:
        assert answer.read() == b"presigned"
    with pytest.raises(urllib.error.HTTPError) as forged:
        urllib.request.urlopen(get.replace("p%20q", "other"), timeout=10)
    assert forged.value.code == 403 and b"SignatureDoesNotMatch" in forged.value.read()
    old = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "p q"}, ExpiresIn=-1)
    with pytest.raises(urllib.error.HTTPError) as expired:
        urllib.request.urlopen(old, timeout=10)
    assert expired.value.code in (400, 403)


def test_uploads_in_parts(s3, bucket):
    made = s3.create_multipart_upload(Bucket=bucket, Key="big", ContentType="x/y", Metadata={"a": "b"})
    upload = dict(Bucket=bucket, Key="big", UploadId=made["UploadId"])
    parts = [random.Random(n).randbytes(5 * MIB if n < 3 else 1000) for n in range(1, 4)]
    with ThreadPoolExecutor(3) as pool:
        tags = list(pool.map(
            lambda n: s3.upload_part(PartNumber=n, Body=parts[n - 1], **upload)["ETag"], range(1, 4)))
    assert [part["Size"] for part in s3.list_parts(**upload)["Parts"]] == [5 * MIB, 5 * MIB, 1000]
    listed = s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    assert [own["UploadId"] for own in listed] == [made["UploadId"]]
    named = [{"PartNumber": n, "ETag": tag} for n, tag in enumerate(tags, 1)]

    def complete(parts):
        return refused(s3.complete_multipart_upload, MultipartUpload={"Parts": parts}, **upload)

    assert complete(named[::-1]) == ("InvalidPartOrder", 400)
    assert complete([{"PartNumber": 1, "ETag": tags[1]}]) == ("InvalidPart", 400)
    assert complete([{"PartNumber": 7, "ETag": tags[1]}]) == ("InvalidPart", 400)
    done = s3.complete_multipart_upload(MultipartUpload={"Parts": named}, **upload)
    joined = hashlib.md5(b"".join(hashlib.md5(part).digest() for part in parts)).hexdigest()
    assert done["ETag"] == f'"{joined}-3"'
    assert body_of(s3, bucket, "big") == b"".join(parts)
    across = s3.get_object(Bucket=bucket, Key="big", Range=f"bytes={5 * MIB - 3}-{5 * MIB + 2}")
    assert across["Body"].read() == parts[0][-3:] + parts[1][:3]
    assert s3.head_object(Bucket=bucket, Key="big")["Metadata"] == {"a": "b"}
    assert refused(s3.list_parts, **upload) == ("NoSuchUpload", 404)
    given_up = s3.create_multipart_upload(Bucket=bucket, Key="big")["UploadId"]
    own = dict(Bucket=bucket, Key="big", UploadId=given_up)
    small = [s3.upload_part(PartNumber=n, Body=b"small", **own)["ETag"] for n in (1, 2)]
    small = [{"PartNumber": n, "ETag": tag} for n, tag in enumerate(small, 1)]
    too_small = refused(s3.complete_multipart_upload, MultipartUpload={"Parts": small}, **own)
    assert too_small == ("EntityTooSmall", 400)
    assert refused(s3.upload_part, PartNumber=10_001, Body=b"", **own) == ("InvalidArgument", 400)
    s3.abort_multipart_upload(**own)
    assert refused(s3.upload_part, PartNumber=1, Body=b"", **own) == ("NoSuchUpload", 404)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_bodies_as_sdks_send_them(server, s3, bucket, tmp_path_factory):
    """Chunked with trailers over TLS, chunked and signed, and the virtual-hosted style."""
    authority = tls.authority(server, tmp_path_factory.mktemp("s3-authority"))
    body = random.Random(3).randbytes(3 * MIB)
    endpoint = server.endpoint.replace("http://127.0.0.1", "https://localhost")
    secure = s3_of(endpoint, verify=str(authority))
    for algorithm in ("CRC32", "SHA1", "SHA256", "CRC32C", "CRC64NVME"):
        try:
            put = secure.put_object(Bucket=bucket, Key=algorithm, Body=body, ChecksumAlgorithm=algorithm)
        except Exception as error:  # noqa: BLE001 - some need a library of AWS's own
            assert "MissingDependency" in type(error).__name__, error
            continue
        found = secure.get_object(Bucket=bucket, Key=algorithm, ChecksumMode="ENABLED")
        assert found[f"Checksum{algorithm}"] == put[f"Checksum{algorithm}"]
        assert found["Body"].read() == body
        assert "ContentEncoding" not in found
    hosted = s3_of(server.endpoint.replace("127.0.0.1", "localhost"), style="virtual")
    hosted.meta.events.register("before-send.s3", _to_loopback)
    hosted.put_object(Bucket=bucket, Key="hosted", Body=b"hosted")
    assert body_of(s3, bucket, "hosted") == b"hosted"
    assert hosted.list_objects_v2(Bucket=bucket, Prefix="hosted")["KeyCount"] == 1


def _to_loopback(request, **_):
    """Names below localhost need not resolve here: the host stays, the address is the server's."""
    host = request.url.split("/")[2]
    request.headers["Host"] = host
    request.url = request.url.replace(host, f"127.0.0.1:{host.rsplit(':', 1)[1]}", 1)


def test_without_signatures_everything_is_served_to_everyone(tmp_path):
    server = Server(tmp_path / "data", "--auth", "none").start()
    try:
        body = random.Random(4).randbytes(2 * MIB)
        for client in (s3_of(server.endpoint), s3_of(server.endpoint, signature_version=UNSIGNED)):
            client.create_bucket(Bucket="open-to-all")
            client.put_object(Bucket="open-to-all", Key="k", Body=body, ContentEncoding="gzip")
            found = client.get_object(Bucket="open-to-all", Key="k")
            assert (found["Body"].read(), found["ContentEncoding"]) == (body, "gzip")
            assert client.list_objects_v2(Bucket="open-to-all")["KeyCount"] == 1
            client.delete_objects(Bucket="open-to-all", Delete={"Objects": [{"Key": "k"}]})
        with urllib.request.urlopen(f"{server.endpoint}/health/ready", timeout=5) as answer:
            assert answer.status == 200
        get = s3_of(server.endpoint).generate_presigned_url("list_objects_v2", {"Bucket": "open-to-all"})
        assert b"ListBucketResult" in urllib.request.urlopen(get, timeout=5).read()
    finally:
        server.stop()


def test_a_large_upload_takes_little_memory_and_its_room_comes_back(tmp_path):
    server = Server(tmp_path / "data").start()
    try:
        s3 = s3_of(server.endpoint)
        s3.create_bucket(Bucket="large")
        s3.put_object(Bucket="large", Key="warm", Body=b"x" * MIB)
        before = server.resident_bytes()
        bytes_max = 200 * MIB
        with open(tmp_path / "zeros", "wb") as zeros:
            zeros.truncate(bytes_max)
        with open(tmp_path / "zeros", "rb") as zeros:
            s3.put_object(Bucket="large", Key="one", Body=zeros)
        assert server.resident_bytes() - before < 40 * MIB
        digest = hashlib.md5()
        for piece in s3.get_object(Bucket="large", Key="one")["Body"].iter_chunks(MIB):
            digest.update(piece)
        assert s3.head_object(Bucket="large", Key="one")["ETag"] == f'"{digest.hexdigest()}"'
        assert server.resident_bytes() - before < 60 * MIB
        assert taken(server) > bytes_max
        s3.delete_object(Bucket="large", Key="one")
        until(lambda: taken(server) < 2 * MIB, what="the room of what was deleted")
        # Who hangs up half-way leaves nothing.
        connection = http.client.HTTPConnection(*server.address, timeout=10)
        url = s3.generate_presigned_url("put_object", {"Bucket": "large", "Key": "half"})
        connection.putrequest("PUT", url.partition(server.endpoint)[2])
        connection.putheader("Content-Length", str(20 * MIB))
        connection.endheaders()
        connection.send(b"x" * (5 * MIB))
        until(lambda: taken(server) > 3 * MIB, what="half an upload")
        connection.close()
        until(lambda: taken(server) < 2 * MIB, what="the room of half an upload")
        assert refused(s3.head_object, Bucket="large", Key="half") == ("404", 404)
    finally:
        server.stop()
    report = json.loads(run("doctor", "--data", server.data, "--json").stdout)
    assert report["sound"] and report["findings"] == [] and report["checked"]["blobs"] == 1


def taken(server):
    """Bytes of the files in the folder of blobs."""
    found = 0
    for folder, _, names in os.walk(server.data / "blobs"):
        for name in names:
            try:
                found += os.stat(os.path.join(folder, name)).st_size
            except FileNotFoundError:
                pass
    return found


class Writer(threading.Thread):
    """Puts and overwrites objects until the server dies under it; remembers what was acknowledged."""

    def __init__(self, endpoint, label):
        super().__init__(daemon=True)
        self.s3 = s3_of(endpoint, read_timeout=20)
        self.label = label
        self.chance = random.Random(label)
        self.acknowledged = {}
        self.sent = {}

    def run(self):
        try:
            for number in range(10**9):
                key = f"{self.label}/{number % 20}"
                body = self.chance.randbytes(self.chance.choice([0, 100, 70_000, 9 * MIB]))
                self.sent[key] = hashlib.md5(body).hexdigest()
                if len(body) > 8 * MIB:
                    self._in_parts(key, body)
                else:
                    self.s3.put_object(Bucket="survivors", Key=key, Body=body)
                self.acknowledged[key] = self.sent[key]
        except Exception:  # noqa: BLE001 - the server was killed; what was not answered may be there or not
            return

    def _in_parts(self, key, body):
        own = dict(Bucket="survivors", Key=key)
        own["UploadId"] = self.s3.create_multipart_upload(**own)["UploadId"]
        parts = []
        for number, start in enumerate(range(0, len(body), 5 * MIB), 1):
            tag = self.s3.upload_part(PartNumber=number, Body=body[start:start + 5 * MIB], **own)["ETag"]
            parts.append({"PartNumber": number, "ETag": tag})
        self.s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **own)


def test_what_was_acknowledged_survives_kill_9(tmp_path):
    rounds = 30 if os.environ.get("LEVADA_LONG") else 5
    server = Server(tmp_path / "data").start()
    s3_of(server.endpoint).create_bucket(Bucket="survivors")
    known = {}
    for number in range(rounds):
        writers = [Writer(server.endpoint, f"{number}.{n}") for n in range(4)]
        for writer in writers:
            writer.start()
        time.sleep(random.Random(number).uniform(0.5, 2.0))
        server.kill()
        for writer in writers:
            writer.join(30)
        server.start()
        s3 = s3_of(server.endpoint)
        for writer in writers:
            known.update({key: {tag} for key, tag in writer.acknowledged.items()})
            for key, tag in writer.sent.items():
                # The last one may have arrived without its answer.
                known.setdefault(key, {tag, None}).add(tag)
        found = {}
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket="survivors"):
            for own in page.get("Contents", []):
                found[own["Key"]] = hashlib.md5(body_of(s3, "survivors", own["Key"])).hexdigest()
        for key, tags in known.items():
            assert found.get(key) in tags, key
        assert set(found) <= set(known)
        known = {key: {tag} for key, tag in found.items()}
    server.stop()
    assert len(known) > 10
    report = json.loads(run("doctor", "--data", server.data, "--json").stdout)
    assert report["sound"] and report["findings"] == []


def test_backup_and_du_know_the_objects(tmp_path):
    server = Server(tmp_path / "data").start()
    s3 = s3_of(server.endpoint)
    s3.create_bucket(Bucket="kept-safe")
    for number in range(5):
        s3.put_object(Bucket="kept-safe", Key=f"{number}", Body=f"{number}" * 10_000)
    place = tmp_path / "backups"
    first = json.loads(run("backup", place, "--data", server.data, "--json").stdout)
    s3.put_object(Bucket="kept-safe", Key="0", Body=b"new")
    second = json.loads(run("backup", place, "--data", server.data, "--json").stdout)
    assert (first["copied_blobs"], second["blobs"], second["copied_blobs"]) == (5, 5, 1)
    du = json.loads(run("du", "--data", server.data, "--json").stdout)
    assert du["blobs"]["files"] == 5
    server.stop()
    for point, body in ((1, b"0" * 10_000), (2, b"new")):
        target = tmp_path / f"restored-{point}"
        restored = run("restore", place, "--data", target, "--point", point)
        assert restored.returncode == 0, restored.stderr
        again = Server(target).start()
        try:
            assert body_of(s3_of(again.endpoint), "kept-safe", "0") == body
            assert body_of(s3_of(again.endpoint), "kept-safe", "4") == b"4" * 10_000
        finally:
            again.stop()


def test_metrics_count_the_calls(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="counted", Body=b"x")
    refused(s3.get_object, Bucket=bucket, Key="none")
    with urllib.request.urlopen(f"{server.endpoint}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    lines = [line for line in text.splitlines() if 'service="s3"' in line]
    assert any('"PutObject"' in line for line in lines)
    assert any('"GetObject"' in line and "NoSuchKey" in line for line in lines)
