"""boto3, pointed at the server under test."""

import boto3
from botocore.config import Config

from rig import marks
from rig.server import KEY_ID, REGION, SECRET


def client(endpoint, region=REGION, key_id=KEY_ID, secret=SECRET, service="kinesis", **config):
    """A client that says at once what the server says: no retries, nothing validated here."""
    settings = {
        "retries": {"total_max_attempts": 1},
        "parameter_validation": False,
        "connect_timeout": 5,
        "read_timeout": 60,
        **config,
    }
    made = boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        config=Config(**settings),
    )
    # Of the bucket there is no model to hold marks against.
    if service != "s3":
        made.meta.events.register(f"after-call.{service}.*", _mark)
    return made


def _mark(http_response, model, **_):
    if http_response.status_code == 200:
        marks.note(model.name, model.service_model.service_name)
