"""`levada du` and `levada cat`: what takes the room, and what is in a file."""

import json

import pytest

from rig import clients, streams
from rig.command import run
from rig.server import Server
from rig.waiting import until



def lines(*arguments):
    ran = run(*arguments)
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A server whose folder has a segment of two streams, and a stream that is gone."""
    data = tmp_path_factory.mktemp("du") / "data"
    server = Server(data).start()
    client = clients.client(server.endpoint)
    for name, shards, records in (("large", 2, 900), ("small", 1, 30), ("gone", 1, 100)):
        streams.create(client, shards=shards, name=name)
        for start in range(0, records, 300):
            entries = [
                {"Data": f"{name} {n} é\n".encode() * 40, "PartitionKey": f"key-{n}"}
                for n in range(start, min(start + 300, records))
            ]
            client.put_records(StreamName=name, Records=entries)
    until(lambda: any((data / "segments").iterdir()), what="a flush", seconds=30)
    client.delete_stream(StreamName="gone")
    placed = client.put_record(StreamName="small", Data=b"last", PartitionKey="key")
    yield server, data, placed
    server.stop()


def test_du_adds_up_streams_and_shards(served):
    _, data, _ = served
    [report] = lines("du", "--data", data, "--json")
    assert report["in_use"]
    by_name = {line["stream"]: line for line in report["streams"]}
    assert set(by_name) == {"large", "small"}
    large, small = by_name["large"], by_name["small"]
    assert (large["account"], large["region"]) == ("000000000000", "us-east-1")
    assert large["records"] == 900 and small["records"] == 31
    assert len(large["shards"]) == 2
    assert sum(shard["records"] for shard in large["shards"]) == 900
    assert large["live_bytes"] > 10 * small["live_bytes"] > 0
    assert small["lane_bytes"] > 0, "the last record is in the lane only"
    deleted = report["deleted"]
    assert deleted["live_bytes"] + deleted["trimmed_bytes"] > 0
    files = list((data / "segments").iterdir())
    assert report["segments"]["bytes"] == sum(file.stat().st_size for file in files)
    told = run("du", "--data", data)
    assert told.returncode == 0 and "us-east-1/large" in told.stdout


def test_cat_shows_a_segment(served):
    _, data, _ = served
    segment = sorted((data / "segments").iterdir())[0]
    items = lines("cat", segment, "--json")
    assert items[0]["file"] == "segment"
    blocks = [item for item in items if "block" in item]
    assert blocks and all(block["whole"] for block in blocks)
    records = [item for item in items if "record" in item]
    assert sum(block["count"] for block in blocks if block["first"] != "0.0") == len(records)
    own = [item for item in records if item["name"] == "small shardId-000000000000"]
    assert len(own) == 30
    assert own[0]["data"].startswith("small 0 é\\n")
    assert own[0]["partition_key"] == "key-0"
    assert own[0]["sequence_number"].startswith("49")
    rows = [item for item in items if "row" in item]
    assert any("large" in (row["says"] or "") for row in rows)
    number = int(segment.name, 16)
    assert lines("cat", number, "--data", data, "--json") == items
    text = run("cat", f"segments/{segment.name}", "--data", data)
    assert text.returncode == 0 and "large shardId-000000000001" in text.stdout
    index = run("cat", segment, "--index")
    assert "key-0" not in index.stdout and index.stdout.count("block at") == len(blocks)


def test_cat_shows_the_ring_and_the_manifest(served):
    _, data, placed = served
    found = []
    for file in sorted((data / "ring").iterdir()):
        found += lines("cat", file, "--json", "--as", "hex")
    [last] = [item for item in found if item.get("data") == b"last".hex()]
    assert last["sequence_number"] == placed["SequenceNumber"]
    assert any("chunk" in item for item in found)
    manifest = max((data / "manifest").iterdir())
    shown = run("cat", manifest)
    assert shown.returncode == 0 and "next epoch" in shown.stdout and "segment " in shown.stdout


def test_cat_refuses_what_is_none_of_ours(served, tmp_path):
    other = tmp_path / "other"
    other.write_text("something else")
    refused = run("cat", other)
    assert refused.returncode == 1 and "neither a segment" in refused.stderr
    missing = run("cat", "7000", "--data", tmp_path)
    assert missing.returncode == 1 and "help:" in missing.stderr
