package levada;

import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.services.kinesis.KinesisClient;
import software.amazon.awssdk.services.kinesis.model.ChildShard;
import software.amazon.awssdk.services.kinesis.model.GetRecordsResponse;
import software.amazon.awssdk.services.kinesis.model.GetShardIteratorRequest;
import software.amazon.awssdk.services.kinesis.model.PutRecordsRequestEntry;
import software.amazon.awssdk.services.kinesis.model.PutRecordsResponse;
import software.amazon.awssdk.services.kinesis.model.Record;
import software.amazon.awssdk.services.kinesis.model.ResourceNotFoundException;
import software.amazon.awssdk.services.kinesis.model.Shard;
import software.amazon.awssdk.services.kinesis.model.ShardFilterType;
import software.amazon.awssdk.services.kinesis.model.ShardIteratorType;
import software.amazon.awssdk.services.kinesis.model.StreamStatus;

/** The synchronous client: HTTP/1.1, in CBOR. */
public final class Sync {
    private static final String NAME = "java-sync";
    private static final int RECORDS = 1_000;

    private final Exchanges exchanges = new Exchanges();
    private final KinesisClient kinesis = Setting.sync(exchanges);

    public static void main(String[] arguments) throws Exception {
        Sync sync = new Sync();
        sync.putAndRead();
        sync.reshard();
        sync.readNothing();
        Check.same(List.of("application/x-amz-cbor-1.1"), List.copyOf(sync.exchanges.encodings), "encodings");
        System.out.println("operations\t" + String.join(",", sync.exchanges.operations));
    }

    private void putAndRead() throws Exception {
        Instant before = Instant.now().minusSeconds(5);
        kinesis.createStream(request -> request.streamName(NAME).shardCount(2));
        awaitActive();
        Instant created = kinesis.describeStreamSummary(request -> request.streamName(NAME))
                .streamDescriptionSummary().streamCreationTimestamp();
        Check.that(created.isAfter(before) && created.isBefore(Instant.now().plusSeconds(5)),
                "a time in CBOR is milliseconds, but the stream was created at " + created);
        put(0, RECORDS / 2);
        put(RECORDS / 2, RECORDS);

        List<Shard> shards = shards();
        Check.same(2, shards.size(), "shards");
        List<String> found = new ArrayList<>();
        for (Shard shard : shards) {
            List<Record> records = read(iterator(shard.shardId(), ShardIteratorType.TRIM_HORIZON, null, null));
            readFromTheMiddle(shard.shardId(), records);
            found.addAll(texts(records));
        }
        Check.same(texts(0, RECORDS).sorted().toList(), found.stream().sorted().toList(), "records");
        readLatest();
    }

    /** Every way to begin at a given record. */
    private void readFromTheMiddle(String shard, List<Record> all) {
        int middle = all.size() / 2;
        Record record = all.get(middle);
        String number = record.sequenceNumber();
        Check.same(texts(all.subList(middle, all.size())),
                texts(read(iterator(shard, ShardIteratorType.AT_SEQUENCE_NUMBER, number, null))), "AT");
        Check.same(texts(all.subList(middle + 1, all.size())),
                texts(read(iterator(shard, ShardIteratorType.AFTER_SEQUENCE_NUMBER, number, null))), "AFTER");
        Instant arrived = record.approximateArrivalTimestamp();
        Check.same(
                texts(all.stream().filter(r -> !r.approximateArrivalTimestamp().isBefore(arrived)).toList()),
                texts(read(iterator(shard, ShardIteratorType.AT_TIMESTAMP, null, arrived))), "AT_TIMESTAMP");
    }

    /** LATEST sees what is put later, byte for byte, and nothing else. */
    private void readLatest() {
        byte[] bytes = new byte[256];
        for (int value = 0; value < bytes.length; value++) {
            bytes[value] = (byte) value;
        }
        String shard = shards().get(0).shardId();
        String latest = iterator(shard, ShardIteratorType.LATEST, null, null);
        String put = kinesis.putRecord(request -> request.streamName(NAME).partitionKey("ключ")
                .explicitHashKey("0").data(SdkBytes.fromByteArray(bytes))).shardId();
        Check.same(shard, put, "the shard of an explicit hash key");
        List<Record> records = read(latest);
        Check.same(1, records.size(), "records after LATEST");
        Check.same(SdkBytes.fromByteArray(bytes), records.get(0).data(), "bytes");
        Check.same("ключ", records.get(0).partitionKey(), "partition key");
    }

    /** A split and a merge: the parents end and name their children. */
    private void reshard() throws Exception {
        Shard low = shards().get(0);
        Shard high = shards().get(1);
        kinesis.splitShard(request -> request.streamName(NAME).shardToSplit(low.shardId())
                .newStartingHashKey("1000"));
        awaitActive();
        List<ChildShard> children = children(low.shardId());
        Check.same(2, children.size(), "children of a split shard");
        children.forEach(child -> Check.same(List.of(low.shardId()), child.parentShards(), "parents"));
        Check.same("0", children.get(0).hashKeyRange().startingHashKey(), "the first child's range");
        Check.same("999", children.get(0).hashKeyRange().endingHashKey(), "the first child's range");

        String middle = children.get(1).shardId();
        kinesis.mergeShards(request -> request.streamName(NAME).shardToMerge(middle)
                .adjacentShardToMerge(high.shardId()));
        awaitActive();
        for (String parent : List.of(middle, high.shardId())) {
            List<ChildShard> merged = children(parent);
            Check.same(1, merged.size(), "children of merged shards");
            Check.same(List.of(high.shardId(), middle).stream().sorted().toList(),
                    merged.get(0).parentShards().stream().sorted().toList(), "parents");
        }
    }

    /** A refusal arrives as the SDK's own exception, with its request's id. */
    private void readNothing() {
        try {
            kinesis.describeStreamSummary(request -> request.streamName("java-nothing"));
        } catch (ResourceNotFoundException refusal) {
            Check.same("Stream java-nothing under account 000000000000 not found.",
                    refusal.awsErrorDetails().errorMessage(), "message");
            Check.that(refusal.requestId() != null, "a refusal has a request id");
            return;
        }
        throw new AssertionError("a stream that was never created was described");
    }

    private void awaitActive() throws InterruptedException {
        Check.until(() -> kinesis.describeStreamSummary(request -> request.streamName(NAME))
                .streamDescriptionSummary().streamStatus() == StreamStatus.ACTIVE, "ACTIVE");
    }

    private List<Shard> shards() {
        return kinesis.listShards(request -> request.streamName(NAME)
                .shardFilter(filter -> filter.type(ShardFilterType.AT_LATEST))).shards();
    }

    private void put(int from, int to) {
        List<PutRecordsRequestEntry> entries = texts(from, to).map(text -> PutRecordsRequestEntry.builder()
                .partitionKey(text).data(SdkBytes.fromUtf8String(text)).build()).toList();
        PutRecordsResponse answer = kinesis.putRecords(request -> request.streamName(NAME).records(entries));
        Check.same(0, answer.failedRecordCount(), "failed records");
        Check.same(entries.size(), answer.records().size(), "results");
    }

    private String iterator(String shard, ShardIteratorType type, String number, Instant time) {
        GetShardIteratorRequest request = GetShardIteratorRequest.builder().streamName(NAME).shardId(shard)
                .shardIteratorType(type).startingSequenceNumber(number).timestamp(time).build();
        return kinesis.getShardIterator(request).shardIterator();
    }

    /** Records up to the tip or the end of the shard. */
    private List<Record> read(String iterator) {
        List<Record> records = new ArrayList<>();
        String position = iterator;
        while (position != null) {
            String now = position;
            GetRecordsResponse page = kinesis.getRecords(request -> request.shardIterator(now).limit(300));
            records.addAll(page.records());
            position = page.records().isEmpty() && page.millisBehindLatest() == 0 ? null : page.nextShardIterator();
        }
        return records;
    }

    /** What a closed shard's last answer names. */
    private List<ChildShard> children(String shard) {
        String position = iterator(shard, ShardIteratorType.TRIM_HORIZON, null, null);
        for (int page = 0; page < RECORDS; page++) {
            String now = position;
            GetRecordsResponse answer = kinesis.getRecords(request -> request.shardIterator(now));
            Check.same(answer.nextShardIterator() == null, answer.hasChildShards(), "children and no iterator");
            if (answer.nextShardIterator() == null) {
                return answer.childShards();
            }
            position = answer.nextShardIterator();
        }
        throw new AssertionError(shard + " does not end");
    }

    private static java.util.stream.Stream<String> texts(int from, int to) {
        return IntStream.range(from, to).mapToObj(n -> "record-" + n);
    }

    private static List<String> texts(List<Record> records) {
        return records.stream().map(record -> record.data().asString(StandardCharsets.UTF_8)).toList();
    }
}
