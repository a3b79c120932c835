"""Delivery streams, and what has come of them in the bucket."""

import gzip
import itertools
import json
from collections import Counter

from rig.server import ACCOUNT

ROLE = f"arn:aws:iam::{ACCOUNT}:role/firehose"
NUMBERS = itertools.count(1)


def bucket(s3):
    """A new bucket's name."""
    name = f"deliveries-{next(NUMBERS)}"
    s3.create_bucket(Bucket=name)
    return name


def create(firehose, bucket, source=None, **extended):
    """A delivery stream into `bucket`; its name. `extended` goes into its S3 configuration."""
    name = f"hose-{next(NUMBERS)}"
    more = {"DeliveryStreamType": "DirectPut"}
    if source:
        more = {
            "DeliveryStreamType": "KinesisStreamAsSource",
            "KinesisStreamSourceConfiguration": {"KinesisStreamARN": source, "RoleARN": ROLE},
        }
    firehose.create_delivery_stream(
        DeliveryStreamName=name,
        ExtendedS3DestinationConfiguration={
            "RoleARN": ROLE,
            "BucketARN": f"arn:aws:s3:::{bucket}",
            **extended,
        },
        **more,
    )
    return name


def hints(mib, seconds):
    return {"SizeInMBs": mib, "IntervalInSeconds": seconds}


def processor(kind, **parameters):
    listed = [{"ParameterName": n, "ParameterValue": str(v)} for n, v in parameters.items()]
    return {"Type": kind, "Parameters": listed}


def function(arn, **parameters):
    """A function that is called at once."""
    return processor(
        "Lambda", LambdaArn=arn, BufferSizeInMBs=1, BufferIntervalInSeconds=0, **parameters
    )


def processing(*processors):
    return {"Enabled": True, "Processors": list(processors)}


def put(firehose, name, datas):
    """Puts `datas`, 500 at a time; all must be taken."""
    datas = list(datas)
    for start in range(0, len(datas), 500):
        records = [{"Data": data} for data in datas[start : start + 500]]
        answer = firehose.put_record_batch(DeliveryStreamName=name, Records=records)
        assert answer["FailedPutCount"] == 0, answer


def objects(s3, bucket, prefix=""):
    """Every object below `prefix`, by key: its body, and the answer with its headers."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
    answers = {key: s3.get_object(Bucket=bucket, Key=key) for key in keys}
    return {key: (answer["Body"].read(), answer) for key, answer in answers.items()}


def lines(s3, bucket, prefix=""):
    """How often each line is in the objects below `prefix`."""
    found = Counter()
    for body, answer in objects(s3, bucket, prefix).values():
        if answer.get("ContentEncoding") == "gzip":
            body = gzip.decompress(body)
        found.update(body.splitlines())
    return found


def failures(s3, bucket, prefix):
    """The lines of the error objects below `prefix`, read."""
    return [json.loads(line) for line in lines(s3, bucket, prefix).elements()]
