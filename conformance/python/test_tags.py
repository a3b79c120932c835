"""Tags of a stream."""

import pytest

from rig import streams


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
