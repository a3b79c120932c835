"""What the control plane costs as it grows: shards in one stream, streams, consumers.

    conformance/python's environment/bin/python bench/control_plane.py BINARY [--most 10000]

For each size: the median of calls on one kept connection, what the server's start takes, what it holds,
and what it does when nobody asks. A flat column is a good one. Prints Markdown.
"""

import argparse
import http.client
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "conformance" / "python"))

from rig import raw  # noqa: E402
from rig.server import Server  # noqa: E402

CALLS = 41
IDLE_SECONDS = 5
TICKS = os.sysconf("SC_CLK_TCK")
ENTRIES = [{"Data": "eA==", "PartitionKey": f"key-{n}"} for n in range(500)]


class Line:
    """Signed calls on one kept connection."""

    def __init__(self, server):
        self.server = server
        self.connection = http.client.HTTPConnection(*server.address, timeout=120)

    def call(self, operation, value):
        body = json.dumps(value).encode()
        head = {"Content-Type": raw.JSON, "X-Amz-Target": raw.TARGET + operation}
        headers = raw.signed_headers(self.server.endpoint, body, head)
        began = time.perf_counter()
        self.connection.request("POST", "/", body=body, headers=headers)
        answer = self.connection.getresponse()
        text = answer.read()
        took = time.perf_counter() - began
        assert answer.status == 200, (operation, answer.status, text[:500])
        return took, json.loads(text) if text else None

    def median_ms(self, operation, value):
        """Of calls with one input, or with the one of each turn."""
        inputs = (value(turn) if callable(value) else value for turn in range(CALLS))
        return statistics.median(self.call(operation, one)[0] for one in inputs) * 1000


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def measured(folder, fill, calls):
    """Fills a server, starts it again, and times calls on it: a row of figures."""
    server = Server(folder / "data").start()
    filled_seconds = time.perf_counter()
    fill(Line(server))
    filled_seconds = time.perf_counter() - filled_seconds
    server.stop()
    server.start()
    line = Line(server)
    row = {"made in": f"{filled_seconds:.1f} s", "start to ready": f"{server.ready['ready_ms']} ms"}
    row["resident after a start"] = f"{server.resident_bytes() / 2**20:.0f} MiB"
    for name, call in calls(line).items():
        row[name] = f"{line.median_ms(*call):.1f} ms" if call else "–"
    before = cpu_seconds(server.process.pid)
    # Nobody asks: what is used is the server's own doing.
    time.sleep(IDLE_SECONDS)
    idle = (cpu_seconds(server.process.pid) - before) / IDLE_SECONDS
    resolution = 1 / TICKS / IDLE_SECONDS
    shown = f"{idle * 100:.1f} %" if idle else f"< {resolution * 100:.1f} %"
    row["CPU when nobody asks, of one core"] = shown
    server.stop()
    return row


def create(line, name, shards):
    line.call("CreateStream", {"StreamName": name, "ShardCount": shards})


def shards(count):
    def fill(line):
        create(line, "s", count)
        line.call("PutRecords", {"StreamName": "s", "Records": ENTRIES})

    def calls(line):
        at = {"StreamName": "s", "ShardId": "0", "ShardIteratorType": "TRIM_HORIZON"}
        iterator = line.call("GetShardIterator", at)[1]["ShardIterator"]
        latest = {"StreamName": "s", "MaxResults": 100, "ShardFilter": {"Type": "AT_LATEST"}}

        def merge(turn):
            pair = {"ShardToMerge": str(2 * turn), "AdjacentShardToMerge": str(2 * turn + 1)}
            return {"StreamName": "s", **pair}

        return {
            "DescribeStreamSummary": ("DescribeStreamSummary", {"StreamName": "s"}),
            "DescribeStream": ("DescribeStream", {"StreamName": "s"}),
            "ListShards of 100": ("ListShards", {"StreamName": "s", "MaxResults": 100}),
            "the same, AT_LATEST": ("ListShards", latest),
            "PutRecord": ("PutRecord", {"StreamName": "s", **ENTRIES[0]}),
            "PutRecords of 500": ("PutRecords", {"StreamName": "s", "Records": ENTRIES}),
            "GetRecords": ("GetRecords", {"ShardIterator": iterator, "Limit": 10}),
            "MergeShards": ("MergeShards", merge) if count >= 2 * CALLS else None,
        }

    return fill, calls


def streams(count):
    def fill(line):
        for number in range(count):
            create(line, f"s{number:05}", 1)

    def calls(line):
        last = f"s{count - 1:05}"
        at = {"StreamName": last, "ShardId": "0", "ShardIteratorType": "TRIM_HORIZON"}
        iterator = line.call("GetShardIterator", at)[1]["ShardIterator"]
        return {
            "ListStreams of 10": ("ListStreams", {"Limit": 10}),
            "DescribeStreamSummary": ("DescribeStreamSummary", {"StreamName": last}),
            "PutRecord": ("PutRecord", {"StreamName": last, **ENTRIES[0]}),
            "GetRecords": ("GetRecords", {"ShardIterator": iterator, "Limit": 10}),
        }

    return fill, calls


def consumers(count):
    """As many to a stream as it may have."""
    each = min(count, 20)
    last = f"s{(count - 1) // each:05}"

    def arn_of(line, name):
        summary = line.call("DescribeStreamSummary", {"StreamName": name})[1]
        return summary["StreamDescriptionSummary"]["StreamARN"]

    def fill(line):
        for number in range(count):
            name = f"s{number // each:05}"
            if number % each == 0:
                create(line, name, 1)
                arn = arn_of(line, name)
            line.call("RegisterStreamConsumer", {"StreamARN": arn, "ConsumerName": f"c{number}"})

    def calls(line):
        arn = arn_of(line, last)
        one = {"StreamARN": arn, "ConsumerName": f"c{count - 1}"}
        return {
            "DescribeStreamSummary": ("DescribeStreamSummary", {"StreamName": last}),
            "DescribeStreamConsumer": ("DescribeStreamConsumer", one),
            "ListStreamConsumers of 10": ("ListStreamConsumers", {"StreamARN": arn, "MaxResults": 10}),
            "PutRecord": ("PutRecord", {"StreamName": last, **ENTRIES[0]}),
        }

    return fill, calls


CURVES = {
    "shards in one stream": (shards, [1, 100, 1_000, 10_000]),
    "streams": (streams, [1, 10, 100, 1_000]),
    "consumers, 20 to a stream": (consumers, [1, 10, 100, 1_000]),
}


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("binary", type=Path)
    options.add_argument("--most", type=int, default=10_000, help="the largest size to try")
    options = options.parse_args()
    os.environ["LEVADA_BINARY"] = str(options.binary.resolve())
    for title, (curve, sizes) in CURVES.items():
        rows = {}
        for size in (size for size in sizes if size <= options.most):
            with tempfile.TemporaryDirectory() as folder:
                rows[size] = measured(Path(folder), *curve(size))
        heads = [f"{size:,}" for size in rows]
        print(f"| {title} | " + " | ".join(heads) + " |")
        print("|---" * (len(heads) + 1) + "|")
        for name in next(iter(rows.values())):
            print(f"| {name} | " + " | ".join(row[name] for row in rows.values()) + " |")
        print(flush=True)


if __name__ == "__main__":
    main()
