"""A record becomes an object exactly once, whenever the server is killed: with compression, retries,
partitions and functions, into buckets of its own and into another server's."""

import base64
import json
import os
import random
import socket
import threading
import uuid
from collections import Counter

import pytest

from rig import clients, deliveries, functions
from rig.command import run
from rig.server import ACCOUNT, KEY_ID, REGION, SECRET, Server
from rig.waiting import until

KILLS = 100 if os.environ.get("LEVADA_LONG") else 20
WRITERS = 2
DELIVERED_SECONDS = 60


class Writer(threading.Thread):
    """Puts records until the server dies under it; remembers which were taken."""

    def __init__(self, endpoint, name, label):
        super().__init__(daemon=True)
        self.firehose = clients.client(endpoint, service="firehose", read_timeout=20)
        self.name, self.label = name, label
        self.chance = random.Random(label)
        self.taken = []

    def run(self):
        try:
            for number in range(10**9):
                count = self.chance.randrange(1, 40)
                ids = [f"{self.label}/{number}/{n}" for n in range(count)]
                records = [{"Data": self._line(each)} for each in ids]
                answer = self.firehose.put_record_batch(
                    DeliveryStreamName=self.name, Records=records
                )
                assert answer["FailedPutCount"] == 0
                self.taken += ids
        except Exception:  # noqa: BLE001 - the server was killed; what was not answered may be lost
            return

    def _line(self, each):
        filler = "x" * self.chance.choice([0, 100, 3_000])
        record = {"id": each, "customer": f"c{self.chance.randrange(6)}", "filler": filler}
        return json.dumps(record).encode() + b"\n"


def flush_until_killed(server, name):
    """What there is becomes objects all the time: partitions cannot ask for that by themselves."""
    while run("deliver", "flush", name, "--data", server.data).returncode == 0:
        pass


def put_until_killed(server, name, label, chance):
    """What was taken before the kill."""
    threading.Thread(target=flush_until_killed, args=(server, name), daemon=True).start()
    writers = [Writer(server.endpoint, name, f"{label}.{n}") for n in range(WRITERS)]
    for writer in writers:
        writer.start()
    # The moment is the point: any will do, and the seed says which.
    killer = threading.Timer(chance.uniform(0.05, 0.8), server.kill)
    killer.start()
    killer.join()
    for writer in writers:
        writer.join(30)
        assert not writer.is_alive()
    return [each for writer in writers for each in writer.taken]


def found(s3, bucket):
    """How often each record's id is in the bucket."""
    ids = Counter()
    for line, count in deliveries.lines(s3, bucket).items():
        ids[json.loads(line)["id"]] += count
    return ids


def run_kills(start, name, taken_from, seed):
    """Kills a server KILLS times while records come in and go out; then every one taken is there
    once. `start` gives a server, `taken_from(server)` what the bucket holds."""
    chance = random.Random(seed)
    taken = []
    server = start()
    for number in range(KILLS):
        taken += put_until_killed(server, name, f"{seed}-{number}", chance)
        server = start()
    assert taken
    wanted = set(taken)

    def delivered():
        run("deliver", "flush", name, "--data", server.data)
        return wanted <= taken_from(server).keys()

    until(
        delivered,
        DELIVERED_SECONDS,
        every=0.5,
        what="everything that was taken",
    )
    twice = {each: count for each, count in taken_from(server).items() if count > 1}
    assert not twice, f"{len(twice)} records were delivered more than once"
    return server


def s3_of(server):
    return clients.client(server.endpoint, service="s3")


def prepared(data, flags, **extended):
    """A folder with a bucket and a delivery stream into it; how to start it, and their names."""

    def start():
        return Server(data, *flags).start()

    server = start()
    bucket = deliveries.bucket(s3_of(server))
    firehose = clients.client(server.endpoint, service="firehose")
    name = deliveries.create(firehose, bucket, **extended)
    server.stop()
    return start, bucket, name


def test_plain_records(tmp_path):
    start, bucket, name = prepared(
        tmp_path / "data",
        [],
        CompressionFormat="GZIP",
        BufferingHints=deliveries.hints(1, 0),
    )
    run_kills(start, name, lambda server: found(s3_of(server), bucket), "plain").stop()


def test_partitions_and_a_function_that_never_answers_the_same(tmp_path):
    chance = random.Random("function")

    def transform(event):
        if chance.random() < 0.15:
            raise functions.Failed("at random")
        return {"records": [verdict(record) for record in event["records"]]}

    def verdict(record):
        read = json.loads(functions.data_of(record))
        # Whoever asks again gets another answer: only a committed one may be delivered.
        drawn = {"id": read["id"], "customer": read["customer"], "draw": str(uuid.uuid4())}
        line = json.dumps(drawn).encode() + b"\n"
        return functions.ok(record, line, bucket=str(chance.randrange(3)))

    with functions.serving(transform) as outside:
        start, bucket, name = prepared(
            tmp_path / "data",
            ["--lambda-endpoint", outside.endpoint],
            BufferingHints=deliveries.hints(64, 60),
            Prefix="c=!{partitionKeyFromQuery:customer}/b=!{partitionKeyFromLambda:bucket}/",
            ErrorOutputPrefix="failed/!{firehose:error-output-type}/",
            DynamicPartitioningConfiguration={"Enabled": True},
            ProcessingConfiguration=deliveries.processing(
                deliveries.function(
                    f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:draw", NumberOfRetries=5
                ),
                deliveries.processor(
                    "MetadataExtraction",
                    MetadataExtractionQuery="{customer: .customer}",
                    JsonParsingEngine="JQ-1.6",
                ),
            ),
        )
        run_kills(
            start, name, lambda server: found_and_failed(s3_of(server), bucket), "drawn"
        ).stop()


def found_and_failed(s3, bucket):
    """How often each record's id is in the bucket: delivered, or in an error object."""
    ids = Counter()
    for line, count in deliveries.lines(s3, bucket).items():
        read = json.loads(line)
        if "rawData" in read:
            read = json.loads(base64.b64decode(read["rawData"]))
        ids[read["id"]] += count
    return ids


@pytest.mark.parametrize("victim", ["deliverer", "both"])
def test_into_another_server_that_is_killed_too(tmp_path, victim):
    chance = random.Random(victim)
    listen = free_port()
    store = Server(tmp_path / "store")
    store.arguments[store.arguments.index("127.0.0.1:0")] = f"127.0.0.1:{listen}"
    store.start()
    bucket = deliveries.bucket(s3_of(store))
    flags = ["--s3-endpoint", store.endpoint]
    keys = {"LEVADA_S3_ACCESS_KEY_ID": KEY_ID, "LEVADA_S3_SECRET_ACCESS_KEY": SECRET}

    def start():
        if victim == "both" and chance.random() < 0.5:
            store.kill()
            store.start()
        return Server(tmp_path / "data", *flags, **keys).start()

    server = start()
    firehose = clients.client(server.endpoint, service="firehose")
    name = deliveries.create(firehose, bucket, BufferingHints=deliveries.hints(1, 0))
    server.stop()
    run_kills(start, name, lambda _: found(s3_of(store), bucket), f"outside-{victim}").stop()
    store.stop()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
