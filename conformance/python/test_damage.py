"""A bit flips anywhere in a stopped folder: it is named, or of no consequence; nobody reads a wrong byte."""

import json
import os
import random
import shutil
import urllib.error
import urllib.request

import pytest
from botocore.exceptions import ClientError

from rig import clients, streams
from rig.command import run
from rig.server import Server
from rig.waiting import until

NAMES = ("beans", "lentils")
SEED = 20261124
FLIPS = 600 if os.environ.get("LEVADA_LONG") else 32
# Keys of the server, which are no data: doctor does not know them.
KEYS = {"ca.pem", "tls-authority", "token-key"}
PAGE = 4096
# The last chunks of a ring: late records, a split, and the empty chunk that proves them.
RECENT_PAGES = 16
# What a start reads that is not there to be read again: a lock, and where the last process listened.
TRANSIENT = {"lock", "endpoint"}


def _contents(client):
    """Everything that can be read, by number, and whether anything could not."""
    found, whole = {}, True
    for name in NAMES:
        try:
            shards = streams.shards_of(client, name)
        except ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] >= 400
            whole = False
            continue
        for shard in shards:
            position = streams.iterator(client, name, shard["ShardId"])
            while position is not None:
                try:
                    page = client.get_records(ShardIterator=position, Limit=1_000)
                except ClientError as error:
                    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 500
                    whole = False
                    break
                for record in page["Records"]:
                    found[name, record["SequenceNumber"]] = (record["PartitionKey"], record["Data"])
                if not page["Records"] and page["MillisBehindLatest"] == 0:
                    break
                position = page.get("NextShardIterator")
    return found, whole


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with every kind of file, and what it holds."""
    data = tmp_path_factory.mktemp("damage") / "data"
    server = Server(data).start()
    client = clients.client(server.endpoint)
    chance = random.Random(SEED)
    for name in NAMES:
        streams.create(client, shards=2, name=name)
        entries = [
            {"Data": chance.randbytes(900), "PartitionKey": f"k{n}"} for n in range(1_500)
        ]
        streams.put_all(client, name, entries)
    until(lambda: any((data / "segments").iterdir()), what="a flush", seconds=30)
    client.split_shard(
        StreamName=NAMES[0], ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**125)
    )
    streams.put_all(client, NAMES[0], [{"Data": b"late", "PartitionKey": f"k{n}"} for n in range(200)])
    # What comes last is proven to be whole by nothing that came after it.
    last = client.put_record(StreamName=NAMES[1], Data=b"last", PartitionKey="last")
    held, whole = _contents(client)
    assert whole and len(held) == 3_201
    server.kill()
    return data, held, (NAMES[1], last["SequenceNumber"])


def _kinds(data):
    """The folder's files by kind: by the folder they are in, or each for itself."""
    kinds = {}
    for path in sorted(data.rglob("*")):
        if path.is_file() and path.name not in TRANSIENT and path.stat().st_size > 0:
            inside = path.relative_to(data)
            kind = inside.parts[0]
            kinds.setdefault(kind, []).append(inside)
    return kinds


def _place(chance, path, kind):
    """A bit of a file. Of a ring, which is mostly empty, one in what was written last: no segment has that."""
    size = path.stat().st_size
    at = chance.randrange(size)
    if kind == "ring":
        whole = path.read_bytes()
        pages = [start for start in range(0, size, PAGE) if any(whole[start : start + PAGE])]
        at = chance.choice(pages[-RECENT_PAGES:] or [0]) + chance.randrange(PAGE)
    return at, 1 << chance.randrange(8)


def _said(server):
    try:
        with urllib.request.urlopen(f"{server.endpoint}/health/ready", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def _start(data):
    """The server; or nothing, if it refuses such a folder and says why."""
    server = Server(data)
    try:
        return server.start()
    except AssertionError:
        said = server.tail_of_log()
        assert "help:" in said and "panicked" not in said, said
        assert server.process.returncode not in (None, 0) and server.process.returncode > 0
        return None


def test_a_flipped_bit_is_named_or_of_no_consequence(folder, tmp_path):
    whole_folder, held, last = folder
    kinds = _kinds(whole_folder)
    assert {"ring", "segments", "manifest", "FORMAT"} <= kinds.keys(), kinds
    # What holds data is looked at twice as often as the rest.
    order = sorted(kinds) + ["manifest", "ring", "segments"]
    chance = random.Random(SEED)
    outcomes = {kind: {"whole": 0, "named": 0, "refused": 0} for kind in kinds}
    for number in range(FLIPS):
        kind = order[number % len(order)]
        data = tmp_path / "data"
        shutil.copytree(whole_folder, data)
        path = data / chance.choice(kinds[kind])
        at, mask = _place(chance, path, kind)
        where = f"{path.relative_to(data)} at {at} by {mask:#x}"
        with path.open("r+b") as file:
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ mask]))
        examined = run("doctor", "--data", data, "--json")
        # A folder whose FORMAT is another's is refused by everybody.
        findings = json.loads(examined.stdout)["findings"] if examined.stdout else None
        assert findings is not None or "help:" in examined.stderr, (where, examined.stderr)

        server = _start(data)
        if server is None:
            outcomes[kind]["refused"] += 1
            assert kind in KEYS or examined.returncode != 0, f"{where}: doctor finds it sound"
        else:
            found, readable = _contents(clients.client(server.endpoint))
            wrong = [key for key, value in found.items() if held.get(key) != value]
            assert not wrong, f"{where}: wrong bytes at {wrong[:3]}"
            status, said = _said(server)
            missing = held.keys() - found.keys() - {last}
            if missing or not readable:
                assert examined.returncode != 0, f"{where}: {len(missing)} missing, doctor says nothing"
                assert status == 503, f"{where}: {len(missing)} missing, and ready: {said}"
                outcomes[kind]["named"] += 1
            else:
                outcomes[kind]["named" if status != 200 or findings else "whole"] += 1
            assert server.is_alive()
            server.kill()
            assert "panicked" not in server.log.read_text(errors="replace"), where
        shutil.rmtree(data)
        server and server.log.unlink()
    print(json.dumps(outcomes))
    assert sum(own["named"] + own["refused"] for own in outcomes.values()) > FLIPS // 8
