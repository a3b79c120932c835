package levada;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.awssdk.services.kinesis.model.ChildShard;
import software.amazon.awssdk.services.kinesis.model.ConsumerStatus;
import software.amazon.awssdk.services.kinesis.model.GetRecordsResponse;
import software.amazon.awssdk.services.kinesis.model.PutRecordsRequestEntry;
import software.amazon.awssdk.services.kinesis.model.Record;
import software.amazon.awssdk.services.kinesis.model.ResourceInUseException;
import software.amazon.awssdk.services.kinesis.model.ShardIteratorType;
import software.amazon.awssdk.services.kinesis.model.StartingPosition;
import software.amazon.awssdk.services.kinesis.model.StreamStatus;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardEvent;

/** The asynchronous client: Netty, HTTP/2, CBOR; and JSON for subscriptions. */
public final class Async {
    private static final String NAME = "java-async";
    private static final String SHARD = "shardId-000000000000";
    private static final int RECORDS = 1_000;

    private final Exchanges exchanges = new Exchanges();
    private final KinesisAsyncClient kinesis = Setting.async(exchanges);
    private String consumer;

    public static void main(String[] arguments) throws Exception {
        Async async = new Async();
        async.create();
        async.manyAtOnce();
        async.subscribe();
        async.endOfShard();
        System.out.println("operations\t" + String.join(",", async.exchanges.operations));
        System.exit(0);
    }

    private void create() throws Exception {
        kinesis.createStream(request -> request.streamName(NAME).shardCount(1)).get();
        awaitActive();
        String stream = kinesis.describeStreamSummary(request -> request.streamName(NAME)).get()
                .streamDescriptionSummary().streamARN();
        consumer = kinesis.registerStreamConsumer(request -> request.streamARN(stream).consumerName("java")).get()
                .consumer().consumerARN();
        Check.until(() -> kinesis.describeStreamConsumer(request -> request.consumerARN(consumer)).join()
                .consumerDescription().consumerStatus() == ConsumerStatus.ACTIVE, "consumer ACTIVE");
    }

    /** Puts in order, then reads with as many requests at a time as the connection carries. */
    private void manyAtOnce() throws Exception {
        for (int from = 0; from < RECORDS; from += 500) {
            put(from, from + 500);
        }
        List<CompletableFuture<GetRecordsResponse>> answers = IntStream.range(0, 50)
                .mapToObj(n -> kinesis.getShardIterator(request -> request.streamName(NAME).shardId(SHARD)
                        .shardIteratorType(ShardIteratorType.TRIM_HORIZON)))
                .map(answer -> answer.thenCompose(got -> kinesis.getRecords(request -> request
                        .shardIterator(got.shardIterator()))))
                .toList();
        for (CompletableFuture<GetRecordsResponse> answer : answers) {
            Check.same(texts(0, RECORDS), texts(answer.get(30, TimeUnit.SECONDS).records()), "records");
        }
    }

    /** Everything arrives, then heartbeats; a second subscription goes on after a record, without it. */
    private void subscribe() throws Exception {
        List<Record> records;
        try (Subscription first = subscription(SHARD, position("TRIM_HORIZON", null))) {
            records = first.take(RECORDS);
            Check.same(texts(0, RECORDS), texts(records), "subscribed records");
            SubscribeToShardEvent heartbeat = first.next();
            Check.same(List.of(), heartbeat.records(), "a heartbeat's records");
            Check.that(heartbeat.continuationSequenceNumber() != null, "a heartbeat says where to continue");
            Check.same(0L, heartbeat.millisBehindLatest(), "behind");
            put(RECORDS, RECORDS + 100);
            Check.same(texts(RECORDS, RECORDS + 100), texts(first.take(100)), "records put meanwhile");
        }
        String after = records.get(RECORDS / 2).sequenceNumber();
        try (Subscription second = subscription(SHARD, position("AFTER_SEQUENCE_NUMBER", after))) {
            Check.same(texts(RECORDS / 2 + 1, RECORDS + 100), texts(second.take(RECORDS / 2 + 99)), "resumed");
        }
    }

    /** The last event of a split shard names its children, and the subscription ends. */
    private void endOfShard() throws Exception {
        Subscription parent = subscription(SHARD, position("LATEST", null));
        parent.next();
        kinesis.splitShard(request -> request.streamName(NAME).shardToSplit(SHARD)
                .newStartingHashKey("170141183460469231731687303715884105728")).get();
        awaitActive();
        SubscribeToShardEvent last = parent.last(new ArrayList<>());
        Check.same(2, last.childShards().size(), "children");
        parent.ended.get(10, TimeUnit.SECONDS);
        put(2_000, 2_100);
        List<String> found = new ArrayList<>();
        for (ChildShard child : last.childShards()) {
            Check.same(List.of(SHARD), child.parentShards(), "parents");
            String id = child.shardId();
            kinesis.splitShard(request -> request.streamName(NAME).shardToSplit(id).newStartingHashKey(
                    child.hashKeyRange().startingHashKey().equals("0") ? "1000"
                            : "170141183460469231731687303715884109999")).get();
            awaitActive();
            List<Record> records = new ArrayList<>();
            subscription(id, position("TRIM_HORIZON", null)).last(records);
            found.addAll(texts(records));
        }
        Check.same(texts(2_000, 2_100).stream().sorted().toList(), found.stream().sorted().toList(), "children's");
    }

    private void awaitActive() throws InterruptedException {
        Check.until(() -> kinesis.describeStreamSummary(request -> request.streamName(NAME)).join()
                .streamDescriptionSummary().streamStatus() == StreamStatus.ACTIVE, "ACTIVE");
    }

    /** A subscription, as soon as an earlier one lets go. */
    private Subscription subscription(String shard, StartingPosition position) throws Exception {
        while (true) {
            Subscription subscription = new Subscription(kinesis, consumer, shard, position);
            try {
                Check.until(() -> subscription.ended.isDone() || subscription.isOpen(), "a subscription");
                if (subscription.ended.isCompletedExceptionally()) {
                    subscription.ended.join();
                }
                return subscription;
            } catch (CompletionException refusal) {
                if (!(refusal.getCause() instanceof ResourceInUseException)) {
                    throw refusal;
                }
                Thread.sleep(200);
            }
        }
    }

    private static StartingPosition position(String type, String number) {
        return StartingPosition.builder().type(type).sequenceNumber(number).build();
    }

    private void put(int from, int to) throws Exception {
        List<PutRecordsRequestEntry> entries = texts(from, to).stream().map(text -> PutRecordsRequestEntry.builder()
                .partitionKey(text).data(SdkBytes.fromUtf8String(text)).build()).toList();
        Check.same(0, kinesis.putRecords(request -> request.streamName(NAME).records(entries)).get()
                .failedRecordCount(), "failed records");
    }

    private static List<String> texts(int from, int to) {
        return IntStream.range(from, to).mapToObj(n -> "record-" + n).toList();
    }

    private static List<String> texts(List<Record> records) {
        return records.stream().map(record -> record.data().asUtf8String()).toList();
    }
}
