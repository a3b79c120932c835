"""What Kinesis's clients call besides: CloudWatch takes metrics, STS says who asks; the rest of AWS
is not here and says so."""

import datetime
import urllib.request

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from rig.server import ACCOUNT, KEY_ID, REGION, SECRET


def client(server, service, key_id=KEY_ID, secret=SECRET, **config):
    return boto3.client(
        service,
        endpoint_url=server.endpoint,
        region_name=REGION,
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        config=Config(
            retries={"total_max_attempts": 1},
            parameter_validation=False,
            connect_timeout=5,
            read_timeout=30,
            **config,
        ),
    )


def datum(index):
    return {
        "MetricName": f"metric-{index}",
        "Dimensions": [{"Name": "ShardId", "Value": f"shardId-{index:012}"}],
        "Timestamp": datetime.datetime.now(datetime.timezone.utc),
        "Value": index / 3,
        "Unit": "Count",
    }


def received(server, namespace):
    with urllib.request.urlopen(f"{server.endpoint}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    head = f'levada_metric_data_received_total{{namespace="{namespace}"}} '
    counts = [line.removeprefix(head) for line in text.splitlines() if line.startswith(head)]
    return int(counts[0]) if counts else 0


def force_protocol(cloudwatch, protocol):
    """The form that another SDK, or an older one, would have sent."""
    from botocore import parsers, serialize
    from botocore.parsers import create_parser

    model = cloudwatch.meta.service_model
    model.metadata["protocol"] = protocol
    model.__dict__.pop("protocol", None)
    model.__dict__["resolved_protocol"] = protocol
    cloudwatch._serializer = serialize.create_serializer(protocol, include_validation=False)
    cloudwatch._response_parser = create_parser(protocol)
    cloudwatch._endpoint._response_parser_factory = parsers.ResponseParserFactory()


@pytest.mark.parametrize("protocol", ["json", "query", "smithy-rpc-v2-cbor"])
@pytest.mark.parametrize("count", [1, 900])
def test_metrics_in_three_protocols(server, protocol, count):
    cloudwatch = client(server, "cloudwatch")
    force_protocol(cloudwatch, protocol)
    namespace = f"{protocol}/{count}"
    sent = []
    cloudwatch.meta.events.register(
        "before-send.cloudwatch.*", lambda request, **_: sent.append(request)
    )
    # Large bodies come compressed.
    data = [datum(index) for index in range(count)]
    answer = cloudwatch.put_metric_data(Namespace=namespace, MetricData=data)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert received(server, namespace) == count
    head = {name.lower(): value for name, value in sent[0].headers.items()}
    assert (head.get("content-encoding") == b"gzip") == (count > 1), head
    kind = {"json": "x-amz-json-1.0", "query": "form-urlencoded", "smithy-rpc-v2-cbor": "cbor"}
    content_type = head["content-type"]
    content_type = content_type.decode() if isinstance(content_type, bytes) else content_type
    assert kind[protocol] in content_type


@pytest.mark.parametrize("protocol", ["json", "query", "smithy-rpc-v2-cbor"])
def test_what_is_wrong_with_metrics(server, protocol):
    cloudwatch = client(server, "cloudwatch")
    force_protocol(cloudwatch, protocol)
    with pytest.raises(ClientError) as refused:
        cloudwatch.put_metric_data(Namespace="n", MetricData=[{"Value": 1.0}])
    error = refused.value.response["Error"]
    assert error["Code"] in ("MissingParameter", "MissingRequiredParameterException")
    assert error["Message"] == "The parameter MetricData.member.1.MetricName is required."
    with pytest.raises(ClientError) as refused:
        cloudwatch.list_metrics()
    message = refused.value.response["Error"]["Message"]
    assert "does not serve this operation of CloudWatch" in message
    assert "AWS_ENDPOINT_URL_CLOUDWATCH" in message


def test_who_asks(server):
    identity = client(server, "sts").get_caller_identity()
    assert identity["Account"] == identity["UserId"] == ACCOUNT
    assert identity["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"


@pytest.mark.parametrize(
    "key_id, secret, code",
    [("AKIANOBODY", SECRET, "InvalidClientTokenId"), (KEY_ID, "wrong", "SignatureDoesNotMatch")],
)
def test_who_asks_in_vain(server, key_id, secret, code):
    with pytest.raises(ClientError) as refused:
        client(server, "sts", key_id, secret).get_caller_identity()
    assert refused.value.response["Error"]["Code"] == code
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


ELSEWHERE = [
    ("dynamodb", "list_tables", {}, "DynamoDB", "DYNAMODB"),
    ("lambda", "list_functions", {}, "Lambda", "LAMBDA"),
    ("lambda", "invoke", {"FunctionName": "f", "Payload": b"{}"}, "Lambda", "LAMBDA"),
    ("logs", "describe_log_groups", {}, "CloudWatch Logs", "CLOUDWATCH_LOGS"),
    ("iam", "list_users", {}, "IAM", "IAM"),
    ("sns", "list_topics", {}, "SNS", "SNS"),
    ("sqs", "list_queues", {}, "SQS", "SQS"),
    ("sts", "get_session_token", {}, "STS", "STS"),
    ("codebuild", "list_projects", {}, "codebuild", "CODEBUILD"),
]


@pytest.mark.parametrize("service, call, parameters, name, variable", ELSEWHERE)
def test_the_rest_of_aws_is_not_here(server, service, call, parameters, name, variable):
    with pytest.raises(ClientError) as refused:
        getattr(client(server, service), call)(**parameters)
    error = refused.value.response["Error"]
    assert error["Code"] in ("UnknownOperationException", "InvalidAction", "UnknownOperation")
    assert error["Message"].startswith("This endpoint is Levada, which ")
    assert f" {name}. Unset AWS_ENDPOINT_URL_{variable}," in error["Message"]
