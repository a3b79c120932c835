"""Subscriptions, read as events."""

from botocore.exceptions import ClientError

from rig.waiting import until


def register(client, name, consumer) -> str:
    """A consumer, ACTIVE; its ARN."""
    stream = client.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    made = client.register_stream_consumer(StreamARN=stream["StreamARN"], ConsumerName=consumer)
    arn = made["Consumer"]["ConsumerARN"]

    def is_active():
        described = client.describe_stream_consumer(ConsumerARN=arn)["ConsumerDescription"]
        return described["ConsumerStatus"] == "ACTIVE"

    until(is_active, what=f"{consumer} ACTIVE")
    return arn


def subscribe(client, arn, shard, kind, **more):
    """The stream of events, as soon as an earlier subscription lets go."""

    def attempt():
        try:
            return client.subscribe_to_shard(
                ConsumerARN=arn, ShardId=shard, StartingPosition={"Type": kind, **more}
            )["EventStream"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceInUseException":
                raise
            return None

    return until(attempt, seconds=15, every=0.2, what="a subscription")


def events_of(subscription):
    """Each event's content."""
    for event in subscription:
        yield event["SubscribeToShardEvent"]


def collect(subscription, enough) -> tuple:
    """Events until they hold enough records; the records and the last event."""
    records = []
    for event in events_of(subscription):
        records += event["Records"]
        if len(records) >= enough:
            subscription.close()
            return records, event
    raise AssertionError(f"the subscription ended after {len(records)} records")
