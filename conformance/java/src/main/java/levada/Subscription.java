package levada;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.reactivestreams.Subscriber;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.awssdk.services.kinesis.model.Record;
import software.amazon.awssdk.services.kinesis.model.StartingPosition;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardEvent;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardEventStream;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardResponseHandler;

/** A subscription to a shard, read event by event. */
final class Subscription implements Subscriber<SubscribeToShardEventStream>, AutoCloseable {
    private static final long SECONDS = 15;

    /** Completes when the subscription has ended. */
    final CompletableFuture<Void> ended;

    private final BlockingQueue<SubscribeToShardEvent> events = new LinkedBlockingQueue<>();
    private volatile org.reactivestreams.Subscription upstream;

    Subscription(KinesisAsyncClient kinesis, String consumer, String shard, StartingPosition position) {
        SubscribeToShardResponseHandler reader = SubscribeToShardResponseHandler.builder()
                .onEventStream(publisher -> publisher.subscribe(this))
                .build();
        ended = kinesis.subscribeToShard(request -> request.consumerARN(consumer).shardId(shard)
                .startingPosition(position), reader);
    }

    /** Whether the server has answered with a stream of events. */
    boolean isOpen() {
        return upstream != null;
    }

    SubscribeToShardEvent next() throws InterruptedException {
        SubscribeToShardEvent event = events.poll(SECONDS, TimeUnit.SECONDS);
        Check.that(event != null, "no event within " + SECONDS + " s; ended: " + ended);
        return event;
    }

    /** Records until there are enough. */
    List<Record> take(int count) throws InterruptedException {
        List<Record> records = new ArrayList<>();
        while (records.size() < count) {
            records.addAll(next().records());
        }
        return records;
    }

    /** Everything up to the event that ends the shard, which is kept as the last. */
    SubscribeToShardEvent last(List<Record> records) throws InterruptedException {
        while (true) {
            SubscribeToShardEvent event = next();
            records.addAll(event.records());
            Check.same(event.continuationSequenceNumber() == null, event.hasChildShards(),
                    "children and nothing to continue from");
            if (event.continuationSequenceNumber() == null) {
                return event;
            }
        }
    }

    @Override
    public void onSubscribe(org.reactivestreams.Subscription subscription) {
        upstream = subscription;
        subscription.request(Long.MAX_VALUE);
    }

    @Override
    public void onNext(SubscribeToShardEventStream event) {
        if (event instanceof SubscribeToShardEvent content) {
            events.add(content);
        }
    }

    @Override
    public void onError(Throwable failure) {}

    @Override
    public void onComplete() {}

    @Override
    public void close() {
        if (upstream != null) {
            upstream.cancel();
        }
    }
}
