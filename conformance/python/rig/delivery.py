"""Delivery streams as the tests make them."""

from rig import streams
from rig.server import ACCOUNT, REGION
from rig.waiting import until

ROLE = f"arn:aws:iam::{ACCOUNT}:role/firehose"
BUCKET = "arn:aws:s3:::results"
PLACE = {"RoleARN": ROLE, "BucketARN": BUCKET}
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:transform"
DESTINATION = "destinationId-000000000001"

# Of every kind of destination the least that AWS takes.
LEAST = {
    "ExtendedS3": PLACE,
    "S3": PLACE,
    "Redshift": {
        "RoleARN": ROLE,
        "ClusterJDBCURL": "jdbc:redshift://a.us-east-1.redshift.amazonaws.com:5439/dev",
        "CopyCommand": {"DataTableName": "t"},
        "Username": "somebody",
        "Password": "a-secret",
        "S3Configuration": PLACE,
    },
    "Elasticsearch": {
        "RoleARN": ROLE,
        "DomainARN": f"arn:aws:es:{REGION}:{ACCOUNT}:domain/search",
        "IndexName": "i",
        "S3Configuration": PLACE,
    },
    "Amazonopensearchservice": {
        "RoleARN": ROLE,
        "ClusterEndpoint": "https://search.example.com",
        "IndexName": "i",
        "S3Configuration": PLACE,
    },
    "AmazonOpenSearchServerless": {
        "RoleARN": ROLE,
        "CollectionEndpoint": "https://collection.example.com",
        "IndexName": "i",
        "S3Configuration": PLACE,
    },
    "Splunk": {
        "HECEndpoint": "https://splunk.example.com:8088",
        "HECEndpointType": "Raw",
        "HECToken": "a-token",
        "S3Configuration": PLACE,
    },
    "HttpEndpoint": {
        "EndpointConfiguration": {"Url": "https://example.com", "Name": "n", "AccessKey": "a-secret"},
        "S3Configuration": PLACE,
    },
    "Snowflake": {
        "AccountUrl": "abcdefgh.us-east-1.snowflakecomputing.com",
        "PrivateKey": "YWJj" * 64,
        "KeyPassphrase": "a-secret",
        "User": "somebody",
        "Database": "d",
        "Schema": "s",
        "Table": "t",
        "RoleARN": ROLE,
        "S3Configuration": PLACE,
    },
    "Iceberg": {
        "RoleARN": ROLE,
        "CatalogConfiguration": {"CatalogARN": f"arn:aws:glue:{REGION}:{ACCOUNT}:catalog"},
        "DestinationTableConfigurationList": [
            {"DestinationTableName": "t", "DestinationDatabaseName": "d"}
        ],
        "S3Configuration": PLACE,
    },
}


def describe(firehose, name):
    return firehose.describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"]


def destination(firehose, name, kind="ExtendedS3"):
    return describe(firehose, name)["Destinations"][0][f"{kind}DestinationDescription"]


def create(firehose, kind="ExtendedS3", name=None, configuration=None, **more):
    """A delivery stream, ACTIVE."""
    name = name or streams.fresh_name("delivery")
    configuration = {**LEAST[kind], **(configuration or {})}
    more[f"{kind}DestinationConfiguration"] = configuration
    firehose.create_delivery_stream(DeliveryStreamName=name, **more)
    until(lambda: describe(firehose, name)["DeliveryStreamStatus"] == "ACTIVE", what="ACTIVE")
    return name


def update(firehose, name, kind="ExtendedS3", **members):
    version = describe(firehose, name)["VersionId"]
    firehose.update_destination(
        DeliveryStreamName=name,
        CurrentDeliveryStreamVersionId=version,
        DestinationId=DESTINATION,
        **{f"{kind}DestinationUpdate": members},
    )
