package levada;

import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;
import software.amazon.awssdk.http.nio.netty.NettyNioAsyncHttpClient;
import software.amazon.awssdk.services.cloudwatch.CloudWatchAsyncClient;
import software.amazon.awssdk.services.dynamodb.DynamoDbAsyncClient;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.kinesis.common.ConfigsBuilder;
import software.amazon.kinesis.common.InitialPositionInStream;
import software.amazon.kinesis.common.InitialPositionInStreamExtended;
import software.amazon.kinesis.common.KinesisClientUtil;
import software.amazon.kinesis.coordinator.Scheduler;
import software.amazon.kinesis.exceptions.InvalidStateException;
import software.amazon.kinesis.exceptions.ShutdownException;
import software.amazon.kinesis.leases.LeaseAssignmentStrategy;
import software.amazon.kinesis.leases.LeaseManagementConfig;
import software.amazon.kinesis.lifecycle.events.InitializationInput;
import software.amazon.kinesis.lifecycle.events.LeaseLostInput;
import software.amazon.kinesis.lifecycle.events.ProcessRecordsInput;
import software.amazon.kinesis.lifecycle.events.ShardEndedInput;
import software.amazon.kinesis.lifecycle.events.ShutdownRequestedInput;
import software.amazon.kinesis.metrics.NullMetricsFactory;
import software.amazon.kinesis.processor.RecordProcessorCheckpointer;
import software.amazon.kinesis.processor.ShardRecordProcessor;
import software.amazon.kinesis.processor.SingleStreamTracker;
import software.amazon.kinesis.retrieval.KinesisClientRecord;
import software.amazon.kinesis.retrieval.RetrievalSpecificConfig;
import software.amazon.kinesis.retrieval.fanout.FanOutConfig;
import software.amazon.kinesis.retrieval.polling.PollingConfig;

/**
 * KCL, as an application runs it; what it is told is printed, a line per event.
 *
 * <p>Arguments: the worker's name, then one {@code APPLICATION:STREAM:polling|fan-out:POSITION} per
 * application. It stops when its standard input ends, and says which operations KCL called.
 */
public final class Worker {
    /** How long a silent worker keeps its leases. */
    private static final long FAILOVER_MILLIS = 6_000;
    /** How often the leader shares leases out, and says that it lives. */
    private static final long LEADER_MILLIS = 2_000;

    private static final Exchanges EXCHANGES = new Exchanges();

    private Worker() {}

    public static void main(String[] arguments) throws Exception {
        KinesisAsyncClient kinesis = KinesisClientUtil.createKinesisAsyncClient(KinesisAsyncClient.builder()
                .endpointOverride(Setting.ENDPOINT)
                .overrideConfiguration(configuration -> configuration.addExecutionInterceptor(EXCHANGES)));
        DynamoDbAsyncClient leases = DynamoDbAsyncClient.builder()
                .endpointOverride(URI.create(System.getenv("LEASES_ENDPOINT")))
                .httpClientBuilder(NettyNioAsyncHttpClient.builder())
                .build();
        List<Scheduler> schedulers = new ArrayList<>();
        for (int index = 1; index < arguments.length; index++) {
            Scheduler scheduler = scheduler(arguments[0], arguments[index].split(":"), kinesis, leases);
            new Thread(scheduler, arguments[index]).start();
            schedulers.add(scheduler);
        }
        while (System.in.read() >= 0) {
            // Standard input says nothing; its end is the word.
        }
        for (Scheduler scheduler : schedulers) {
            scheduler.shutdown();
        }
        say("operations", "", String.join(",", EXCHANGES.operations));
        Runtime.getRuntime().halt(0);
    }

    private static Scheduler scheduler(
            String worker, String[] wanted, KinesisAsyncClient kinesis, DynamoDbAsyncClient leases) {
        String application = wanted[0];
        String stream = wanted[1];
        ConfigsBuilder configs = new ConfigsBuilder(
                new SingleStreamTracker(stream, position(wanted[3])), application, kinesis, leases, metrics(),
                worker, () -> new Printer(application));
        LeaseManagementConfig management = configs.leaseManagementConfig()
                .failoverTimeMillis(FAILOVER_MILLIS)
                .shardSyncIntervalMillis(5_000)
                .leaseAssignmentIntervalMillis(LEADER_MILLIS)
                .dynamoDbLockBasedLeaderHeartbeatPeriodInMillis(LEADER_MILLIS)
                .dynamoDbLockBasedLeaderLeaseDurationInMillis(FAILOVER_MILLIS)
                .leaseAssignmentStrategy(LeaseAssignmentStrategy.LEASE_COUNT_BASED);
        // Else KCL asks the machine's cloud who it is.
        management.workerUtilizationAwareAssignmentConfig().disableWorkerMetrics(true);
        RetrievalSpecificConfig retrieval = wanted[2].equals("polling")
                ? new PollingConfig(stream, kinesis).idleTimeBetweenReadsInMillis(500)
                : new FanOutConfig(kinesis).streamName(stream).applicationName(application);
        return new Scheduler(
                configs.checkpointConfig(),
                configs.coordinatorConfig().parentShardPollIntervalMillis(1_000)
                        .shardConsumerDispatchPollIntervalMillis(200),
                management,
                configs.lifecycleConfig(),
                configs.metricsConfig().metricsFactory(new NullMetricsFactory()),
                configs.processorConfig(),
                configs.retrievalConfig().retrievalSpecificConfig(retrieval));
    }

    /** A client that {@link NullMetricsFactory} leaves unused. */
    private static CloudWatchAsyncClient metrics() {
        return CloudWatchAsyncClient.builder()
                .endpointOverride(Setting.ENDPOINT)
                .httpClientBuilder(NettyNioAsyncHttpClient.builder())
                .build();
    }

    /** {@code TRIM_HORIZON}, {@code LATEST}, or {@code AT_TIMESTAMP@} and milliseconds. */
    private static InitialPositionInStreamExtended position(String text) {
        String[] parts = text.split("@");
        return parts.length == 2
                ? InitialPositionInStreamExtended.newInitialPositionAtTimestamp(new Date(Long.parseLong(parts[1])))
                : InitialPositionInStreamExtended.newInitialPosition(InitialPositionInStream.valueOf(parts[0]));
    }

    /** One line, written at once: another process reads it even if this one is killed next. */
    private static void say(String event, String application, Object... rest) {
        StringBuilder line = new StringBuilder(event).append('\t').append(application);
        for (Object part : rest) {
            line.append('\t').append(part);
        }
        synchronized (System.out) {
            System.out.println(line);
            System.out.flush();
        }
    }

    /** Prints what a shard brings, and checkpoints after every batch. */
    private static final class Printer implements ShardRecordProcessor {
        private final String application;
        private String shard;

        Printer(String application) {
            this.application = application;
        }

        @Override
        public void initialize(InitializationInput input) {
            shard = input.shardId();
            say("began", application, shard, input.extendedSequenceNumber());
        }

        @Override
        public void processRecords(ProcessRecordsInput input) {
            for (KinesisClientRecord record : input.records()) {
                say("record", application, shard, record.sequenceNumber(), record.subSequenceNumber(),
                        record.partitionKey(), StandardCharsets.UTF_8.decode(record.data()));
            }
            if (!input.records().isEmpty()) {
                checkpoint(input.checkpointer());
            }
        }

        @Override
        public void leaseLost(LeaseLostInput input) {
            say("lost", application, shard);
        }

        @Override
        public void shardEnded(ShardEndedInput input) {
            say("ended", application, shard);
            checkpoint(input.checkpointer());
        }

        @Override
        public void shutdownRequested(ShutdownRequestedInput input) {
            checkpoint(input.checkpointer());
        }

        private void checkpoint(RecordProcessorCheckpointer checkpointer) {
            try {
                checkpointer.checkpoint();
            } catch (ShutdownException taken) {
                // Another worker has the lease now and will see these records again.
                say("fenced", application, shard);
            } catch (InvalidStateException broken) {
                throw new IllegalStateException(broken);
            }
        }
    }
}
