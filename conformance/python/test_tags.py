"""Tags of a stream."""

import pytest

from rig import raw, streams
from rig.server import ACCOUNT, REGION


def _tags(kinesis, name):
    answer = kinesis.list_tags_for_stream(StreamName=name)
    assert answer["HasMoreTags"] is False
    return {tag["Key"]: tag["Value"] for tag in answer["Tags"]}


def test_tags_are_added_changed_and_removed(kinesis):
    name = streams.create(kinesis)
    assert _tags(kinesis, name) == {}
    kinesis.add_tags_to_stream(StreamName=name, Tags={"team": "river", "stage": "test"})
    kinesis.add_tags_to_stream(StreamName=name, Tags={"stage": "production", "größe": ""})
    assert _tags(kinesis, name) == {"team": "river", "stage": "production", "größe": ""}
    kinesis.remove_tags_from_stream(StreamName=name, TagKeys=["team", "nothing"])
    assert _tags(kinesis, name) == {"stage": "production", "größe": ""}


def test_tags_of_a_new_stream(kinesis):
    name = streams.fresh_name()
    kinesis.create_stream(StreamName=name, ShardCount=1, Tags={"a": "1"})
    streams.await_active(kinesis, name)
    assert _tags(kinesis, name) == {"a": "1"}


def test_tags_are_listed_by_pages(kinesis):
    name = streams.create(kinesis)
    kinesis.add_tags_to_stream(StreamName=name, Tags={f"key-{n}": str(n) for n in range(5)})
    first = kinesis.list_tags_for_stream(StreamName=name, Limit=2)
    assert [tag["Key"] for tag in first["Tags"]] == ["key-0", "key-1"]
    assert first["HasMoreTags"] is True
    rest = kinesis.list_tags_for_stream(StreamName=name, ExclusiveStartTagKey="key-1")
    assert [tag["Key"] for tag in rest["Tags"]] == ["key-2", "key-3", "key-4"]
    assert rest["HasMoreTags"] is False


def test_a_stream_has_at_most_fifty_tags(kinesis):
    name = streams.create(kinesis)
    kinesis.add_tags_to_stream(StreamName=name, Tags={f"key-{n}": "" for n in range(50)})
    with pytest.raises(kinesis.exceptions.ClientError):
        kinesis.add_tags_to_stream(StreamName=name, Tags={"one-more": ""})
    assert len(_tags(kinesis, name)) == 50


def _tags_of(kinesis, arn):
    return {tag["Key"]: tag["Value"] for tag in kinesis.list_tags_for_resource(ResourceARN=arn)["Tags"]}


def _arn(kinesis, name):
    return kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]


def test_tags_of_a_stream_by_its_arn_are_the_same(kinesis):
    name = streams.create(kinesis)
    arn = _arn(kinesis, name)
    assert _tags_of(kinesis, arn) == {}
    kinesis.tag_resource(ResourceARN=arn, Tags={"team": "river", "stage": "test"})
    assert _tags_of(kinesis, arn) == _tags(kinesis, name) == {"team": "river", "stage": "test"}
    kinesis.untag_resource(ResourceARN=arn, TagKeys=["team", "nothing"])
    assert _tags_of(kinesis, arn) == _tags(kinesis, name) == {"stage": "test"}


def test_tags_of_a_consumer(kinesis):
    arn = _arn(kinesis, streams.create(kinesis))
    answer = kinesis.register_stream_consumer(
        StreamARN=arn, ConsumerName="app", Tags={"born": "with"}
    )
    consumer = answer["Consumer"]["ConsumerARN"]
    assert _tags_of(kinesis, consumer) == {"born": "with"}
    kinesis.tag_resource(ResourceARN=consumer, Tags={"größe": "", "born": "again"})
    assert _tags_of(kinesis, consumer) == {"born": "again", "größe": ""}
    assert _tags_of(kinesis, arn) == {}
    kinesis.untag_resource(ResourceARN=consumer, TagKeys=["born"])
    assert _tags_of(kinesis, consumer) == {"größe": ""}
    full = {f"key-{n}": "" for n in range(49)}
    kinesis.tag_resource(ResourceARN=consumer, Tags=full)
    with pytest.raises(kinesis.exceptions.InvalidArgumentException):
        kinesis.tag_resource(ResourceARN=consumer, Tags={"one-more": ""})
    assert len(_tags_of(kinesis, consumer)) == 50


def test_tags_that_are_none(kinesis):
    arn = _arn(kinesis, streams.create(kinesis))
    answer = kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="app")
    for resource in (arn, answer["Consumer"]["ConsumerARN"]):
        for bad in ("a!", "a%"):
            with pytest.raises(kinesis.exceptions.InvalidArgumentException):
                kinesis.tag_resource(ResourceARN=resource, Tags={bad: "x"})
            with pytest.raises(kinesis.exceptions.InvalidArgumentException):
                kinesis.untag_resource(ResourceARN=resource, TagKeys=[bad])
        assert _tags_of(kinesis, resource) == {}


@pytest.mark.parametrize(
    "what", ["stream/none", "channel/none", "queue/none", "stream/none/consumer/app:1"]
)
def test_what_is_not_there_has_no_tags(kinesis, what):
    arn = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:{what}"
    with pytest.raises(kinesis.exceptions.ResourceNotFoundException):
        kinesis.list_tags_for_resource(ResourceARN=arn)
    with pytest.raises(kinesis.exceptions.ResourceNotFoundException):
        kinesis.tag_resource(ResourceARN=arn, Tags={"a": "b"})
    with pytest.raises(kinesis.exceptions.ResourceNotFoundException):
        kinesis.untag_resource(ResourceARN=arn, TagKeys=["a"])


def test_tags_in_cbor(server, kinesis):
    arn = _arn(kinesis, streams.create(kinesis))
    cbor = raw.RawClient(server, raw.CBOR)
    assert cbor.call("TagResource", {"ResourceARN": arn, "Tags": {"a": "b"}}).body == b""
    listed = cbor.value("ListTagsForResource", {"ResourceARN": arn})
    assert listed == {"Tags": [{"Key": "a", "Value": "b"}]}
    assert cbor.call("UntagResource", {"ResourceARN": arn, "TagKeys": ["a"]}).body == b""
    assert cbor.value("ListTagsForResource", {"ResourceARN": arn}) == {"Tags": []}
