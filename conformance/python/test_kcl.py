"""KCL 3 through a split, a merge, UpdateShardCount and a killed worker; and KPL's aggregates.

One run serves every test here, since a worker takes half a minute to begin: two processes share
the leases of two applications (one polls, one has enhanced fan-out), and one of them is killed.
"""

import threading
import time
from collections import Counter, defaultdict

import pytest

from rig import clients, java, marks, programs, streams, tls
from rig.waiting import until

STREAM = "kcl"
KEYS = 40
SHARED = ["polling", "fan-out"]
ALONE = ["latest", "at-timestamp"]
EVERY = SHARED + ALONE
SECONDS = 120
# What a record of KPL's begins with if it holds several.
AGGREGATED = b"\xf3\x89\x9a\xc2"

pytestmark = pytest.mark.timeout(600)


class Writer:
    """Puts numbered records of every key, and remembers which were acknowledged."""

    def __init__(self, client):
        self._client = client
        self._next = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.acknowledged = []

    def put(self, rounds=1):
        for _ in range(rounds):
            keys = [f"key-{n}" for n in range(KEYS)]
            texts = [f"{key}/{self._next}" for key in keys]
            entries = [{"Data": t.encode(), "PartitionKey": k} for k, t in zip(keys, texts)]
            streams.put_all(self._client, STREAM, entries)
            self.acknowledged += texts
            self._next += 1

    def _run(self):
        while not self._stopping.wait(0.25):
            self.put()

    def start(self):
        self._thread.start()

    def stop(self):
        assert self._thread.is_alive(), "the writer failed"
        self._stopping.set()
        self._thread.join()


class Told:
    """What the workers said, in the order in which they said it."""

    def __init__(self):
        self.events = defaultdict(list)
        self.operations = set()

    def hear(self, worker):
        def take(line):
            event, application, *rest = line
            if event == "operations":
                self.operations.update(rest[0].split(","))
            else:
                self.events[application].append((worker, event, *rest))

        return take

    def of(self, application, event) -> list:
        return [told for told in list(self.events[application]) if told[1] == event]

    def shards(self, application, event) -> set:
        return {told[2] for told in self.of(application, event)}

    def texts(self, application) -> list:
        return [told[6] for told in self.of(application, "record")]


class Run:
    """The scenario, and what came of it."""

    def __init__(self, server, kinesis, folder):
        self.server, self.kinesis, self.folder = server, kinesis, folder
        self.writer = Writer(clients.client(server.endpoint))
        self.told = Told()
        self.workers = {}
        self.leases = None
        self.aggregates = None

    def play(self):
        streams.create(self.kinesis, shards=4, name=STREAM)
        self.writer.put(rounds=3)
        self.before_timestamp = list(self.writer.acknowledged)
        timestamp = int(time.time() * 1000) + 2
        until(lambda: time.time() * 1000 > timestamp, what="the timestamp")
        self.writer.put(rounds=3)
        self.before_latest = list(self.writer.acknowledged)
        self._start_the_first(timestamp)
        self._await("the first worker", lambda: all(self._shards(app, "began") for app in SHARED))
        # Two that make the tables of leases at once get into each other's way.
        self._start_the_second()
        self._await("the latest's shards", lambda: len(self._shards("latest", "began")) == 4)
        self.writer.put(rounds=3)
        self._await("both workers in both applications", self._is_shared)
        self._await("what was put so far", self._has_all)
        self.writer.start()
        self._reshard_and_kill()
        self.writer.stop()
        self._await("everything", self._has_all)
        if self.aggregates:
            self._await("the aggregates", lambda: len(self.told.texts("kpl")) >= self.aggregates)
        self.workers["one"].finish()

    def _start_the_first(self, timestamp):
        applications = self._shared() + [f"latest:{STREAM}:polling:LATEST"]
        applications += [f"at-timestamp:{STREAM}:fan-out:AT_TIMESTAMP@{timestamp}"]
        if tls.is_served(self.server):
            applications += ["kpl:kpl:polling:TRIM_HORIZON"]
            self._aggregate()
        self.leases = java.Leases(self.folder)
        self._start_worker("one", applications)

    def _shared(self) -> list:
        return [f"{application}:{STREAM}:{application}:TRIM_HORIZON" for application in SHARED]

    def _start_worker(self, name, applications, flags=(), **more):
        self.workers[name] = java.worker(
            self.leases,
            java.program("Worker", name, *applications, flags=flags),
            self.folder / f"{name}.log",
            self.told.hear(name),
            programs.variables(self.server, **more),
        )

    def _start_the_second(self):
        """Over TLS if the port speaks it."""
        flags, more = [], {}
        if self.aggregates:
            flags = java.trusting(tls.authority(self.server, self.folder), self.folder)
            more = {"LEVADA_ENDPOINT": tls.endpoint(self.server)}
        self._start_worker("two", self._shared(), flags, **more)

    def _aggregate(self):
        """KPL speaks TLS only."""
        streams.create(self.kinesis, shards=2, name="kpl")
        self.aggregates = 2_000
        programs.run(
            self.server,
            java.program("Producer", "kpl", str(self.aggregates), str(KEYS)),
            LEVADA_ENDPOINT=tls.endpoint(self.server),
        )

    def _reshard_and_kill(self):
        zero, _, two, three = (f"shardId-{n:012}" for n in range(4))
        self.kinesis.split_shard(
            StreamName=STREAM, ShardToSplit=zero, NewStartingHashKey=str(streams.SPACE // 8)
        )
        self._await("the end of the split shard", lambda: self._all_ended({zero}))
        streams.await_active(self.kinesis, STREAM)
        self.kinesis.merge_shards(
            StreamName=STREAM, ShardToMerge=two, AdjacentShardToMerge=three
        )
        self._await("the end of the merged shards", lambda: self._all_ended({two, three}))
        self.workers["two"].kill()
        self.kinesis.update_shard_count(
            StreamName=STREAM, TargetShardCount=6, ScalingType="UNIFORM_SCALING"
        )
        streams.await_active(self.kinesis, STREAM)
        self.closed = {
            shard["ShardId"]
            for shard in streams.shards_of(self.kinesis, STREAM)
            if not streams.is_open(shard)
        }
        self._await("the end of every closed shard", lambda: self._all_ended(self.closed))

    def _is_shared(self) -> bool:
        """Each worker reads shards of each shared application."""
        names = [{told[0] for told in self.told.of(app, "began")} for app in SHARED]
        return all(workers == {"one", "two"} for workers in names)

    def _shards(self, application, event) -> set:
        return self.told.shards(application, event)

    def _all_ended(self, shards) -> bool:
        return all(self._shards(application, "ended") >= shards for application in EVERY)

    def expected(self, application) -> list:
        unseen = {"latest": self.before_latest, "at-timestamp": self.before_timestamp}
        return self.writer.acknowledged[len(unseen.get(application, [])) :]

    def _has_all(self) -> bool:
        return all(
            set(self.told.texts(app)) >= set(self.expected(app)) for app in EVERY
        )

    def _await(self, what, condition):
        def holds():
            alive = [worker for worker in self.workers.values() if worker.is_alive()]
            assert alive or not self.workers, self.tails()
            return condition()

        try:
            until(holds, seconds=SECONDS, every=0.2, what=what)
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.progress()}\n{self.tails()}") from None

    def progress(self) -> str:
        lines = []
        for application in EVERY:
            events = Counter(told[:3] for told in list(self.told.events[application]))
            lines += [f"{application} {told}: {count}" for told, count in sorted(events.items())]
        return "\n".join(lines)

    def tails(self) -> str:
        tails = [f"{name}: {worker.tail()}" for name, worker in self.workers.items()]
        return "\n".join(tails + [f"server: {self.server.tail_of_log()}"])

    def stop(self):
        for process in [*self.workers.values(), self.leases and self.leases.process]:
            if process and process.is_alive():
                process.kill()


@pytest.fixture(scope="module")
def run(server, kinesis, tmp_path_factory):
    run = Run(server, kinesis, tmp_path_factory.mktemp("kcl"))
    try:
        run.play()
    finally:
        run.stop()
    return run


@pytest.fixture(params=EVERY)
def application(request):
    return request.param


def test_nothing_is_lost_and_nothing_is_too_early(run, application):
    for operation in run.told.operations:
        marks.note(operation)
    assert set(run.told.texts(application)) == set(run.expected(application))


def test_a_record_comes_twice_only_after_a_worker_lost_its_shard(run, application):
    losers = {(told[0], told[2]) for told in run.told.of(application, "fenced")}
    first = {}
    for worker, _, shard, *_, text in run.told.of(application, "record"):
        before = first.setdefault(text, (worker, shard))
        if before != (worker, shard):
            assert before[0] == "two" or before in losers, (text, before, worker)
    counts = Counter(told[0] + told[6] for told in run.told.of(application, "record"))
    assert max(counts.values()) == 1, "one worker was given a record twice"


def test_records_of_a_key_keep_their_order(run, application):
    last = defaultdict(lambda: -1)
    seen = set()
    for text in run.told.texts(application):
        if text not in seen:
            seen.add(text)
            key, _, number = text.partition("/")
            assert last[key] < int(number), text
            last[key] = int(number)


def test_children_begin_when_their_parents_have_ended(run, application):
    assert run.told.shards(application, "ended") == run.closed
    parents = {
        shard["ShardId"]: {
            shard[name] for name in ("ParentShardId", "AdjacentParentShardId") if name in shard
        }
        for shard in streams.shards_of(run.kinesis, STREAM)
    }
    assert run.told.shards(application, "began") == set(parents)
    ended = set()
    for _, event, shard, *_ in run.told.events[application]:
        if event == "ended":
            ended.add(shard)
        if event == "began":
            assert parents[shard] <= ended, shard


def test_two_workers_share_the_shards(run):
    for application in SHARED:
        readers = {told[0] for told in run.told.of(application, "record")}
        assert readers == {"one", "two"}, application


def test_aggregated_records_are_taken_apart(run):
    if not run.aggregates:
        pytest.skip("KPL speaks TLS only, and the port does not")
    raw = [
        record
        for shard in streams.shards_of(run.kinesis, "kpl")
        for record in streams.read_shard(run.kinesis, "kpl", shard["ShardId"])
    ]
    # What KPL is given before it knows the shards goes out as it is.
    aggregated = [record for record in raw if record["Data"].startswith(AGGREGATED)]
    alone = len(raw) - len(aggregated)
    assert aggregated and run.aggregates - alone > 10 * len(aggregated), (len(raw), alone)
    wanted = [f"key-{n % KEYS}/{n // KEYS}" for n in range(run.aggregates)]
    assert sorted(run.told.texts("kpl")) == sorted(wanted)
    for _, _, _, _, _, key, text in run.told.of("kpl", "record"):
        assert text.startswith(f"{key}/")
