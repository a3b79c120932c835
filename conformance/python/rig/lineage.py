"""Load on a stream that is resharded meanwhile: writers, a reader that follows the tree, a resharder.

All of them outlive a restart of the server: they ask `Target` where it is now.
"""

import random
import threading
import time
from collections import defaultdict

from botocore.exceptions import BotoCoreError, ClientError

from rig import clients, streams

KEYS_EACH = 4


class Target:
    """Where the server is; each thread keeps a client of its own."""

    def __init__(self, endpoint):
        self.endpoint = endpoint
        self._own = threading.local()

    def client(self):
        if getattr(self._own, "endpoint", None) != self.endpoint:
            self._own.endpoint = self.endpoint
            self._own.client = clients.client(self.endpoint, read_timeout=20)
        return self._own.client


def _is_retried(error):
    """Whether an SDK would try again: nobody answered, or the fault is the server's."""
    if isinstance(error, BotoCoreError):
        return True
    return error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500


class _Worker(threading.Thread):
    """A thread that works until it is told to stop, and keeps what broke it."""

    def __init__(self, target, name):
        super().__init__(daemon=True)
        self.target, self.stream = target, name
        self.stopping = threading.Event()
        self.broken = None
        self.outages = 0

    def run(self):
        try:
            while not self.stopping.is_set():
                try:
                    self.work(self.target.client())
                except (BotoCoreError, ClientError) as error:
                    if not _is_retried(error):
                        raise
                    self.outages += 1
                    time.sleep(0.02)
        except Exception as error:  # noqa: BLE001 - told by `finish`
            self.broken = error

    def finish(self, seconds=30):
        self.stopping.set()
        self.join(seconds)
        assert not self.is_alive(), f"{type(self).__name__} hangs"
        if self.broken:
            raise self.broken


class Writer(_Worker):
    """Counts upwards under keys of its own, a record of each key in every call."""

    def __init__(self, target, name, label):
        super().__init__(target, name)
        self.keys = [f"writer-{label}.{n}" for n in range(KEYS_EACH)]
        self.count = 0
        # What was answered, by key; the last call before an outage was not.
        self.acknowledged = {key: {} for key in self.keys}

    def work(self, client):
        self.count += 1
        data = str(self.count).encode()
        if self.count % 5 == 0:
            key = self.keys[self.count % len(self.keys)]
            answer = client.put_record(StreamName=self.stream, Data=data, PartitionKey=key)
            self.acknowledged[key][self.count] = (answer["ShardId"], answer["SequenceNumber"])
            return
        entries = [{"Data": data, "PartitionKey": key} for key in self.keys]
        answer = client.put_records(StreamName=self.stream, Records=entries)
        assert answer["FailedRecordCount"] == 0, answer
        for key, result in zip(self.keys, answer["Records"]):
            self.acknowledged[key][self.count] = (result["ShardId"], result["SequenceNumber"])


class TreeReader(_Worker):
    """Reads a shard once all its parents are read to their ends, as KCL does."""

    def __init__(self, target, name):
        super().__init__(target, name)
        self.iterators = {}
        self.ended = set()
        self.seen = set()
        # (count, shard, sequence number) in the order of reading, by key.
        self.read = defaultdict(list)
        self.caught_up = set()
        for shard in streams.shards_of(target.client(), name):
            if "ParentShardId" not in shard:
                self._begin(shard["ShardId"])

    def _begin(self, shard):
        if shard not in self.seen:
            self.seen.add(shard)
            self.iterators[shard] = None

    def work(self, client):
        for shard, position in list(self.iterators.items()):
            if position is None:
                position = streams.iterator(client, self.stream, shard)
            page = client.get_records(ShardIterator=position)
            for record in page["Records"]:
                found = (int(record["Data"]), shard, record["SequenceNumber"])
                self.read[record["PartitionKey"]].append(found)
            is_at_tip = page["MillisBehindLatest"] == 0 and not page["Records"]
            (self.caught_up.add if is_at_tip else self.caught_up.discard)(shard)
            if "NextShardIterator" in page:
                assert "ChildShards" not in page, page
                self.iterators[shard] = page["NextShardIterator"]
                continue
            del self.iterators[shard]
            self.caught_up.discard(shard)
            self.ended.add(shard)
            assert page["ChildShards"], f"{shard} ended without children"
            for child in page["ChildShards"]:
                assert shard in child["ParentShards"], child
                if self.ended.issuperset(child["ParentShards"]):
                    self._begin(child["ShardId"])

    def has_caught_up(self):
        reading = set(list(self.iterators))
        return bool(reading) and self.caught_up >= reading


class Resharder(_Worker):
    """Takes the stream to each count in turn, again and again; now and then one shard by hand."""

    def __init__(self, target, name, counts, seed):
        super().__init__(target, name)
        self.counts, self.changes = counts, 0
        self.chance = random.Random(seed)

    def work(self, client):
        try:
            summary = client.describe_stream_summary(StreamName=self.stream)
            if summary["StreamDescriptionSummary"]["StreamStatus"] != "ACTIVE":
                return
            if self.chance.random() < 0.25:
                self._split_one(client)
            else:
                count = self.counts[self.changes % len(self.counts)]
                client.update_shard_count(
                    StreamName=self.stream, TargetShardCount=count, ScalingType="UNIFORM_SCALING"
                )
            self.changes += 1
        except ClientError as error:
            # A change from before an outage is still under way.
            if error.response["Error"]["Code"] != "ResourceInUseException":
                raise

    def _split_one(self, client):
        shards = [s for s in streams.shards_of(client, self.stream) if streams.is_open(s)]
        shard = self.chance.choice(shards)
        low, high = streams.range_of(shard)
        client.split_shard(
            StreamName=self.stream,
            ShardToSplit=shard["ShardId"],
            NewStartingHashKey=str(self.chance.randrange(low + 2, high)),
        )


def judge(writers, reader):
    """Per key: everything acknowledged was read, nothing twice, everything in order."""
    total = 0
    for writer in writers:
        for key, acknowledged in writer.acknowledged.items():
            found = reader.read[key]
            counts = [count for count, _, _ in found]
            assert counts == sorted(set(counts)), f"{key}: twice, or out of order"
            places = {count: (shard, number) for count, shard, number in found}
            lost = [count for count, place in acknowledged.items() if places.get(count) != place]
            assert not lost, f"{key}: {len(lost)} of {len(acknowledged)} are not where they were put"
            total += len(acknowledged)
    return total
