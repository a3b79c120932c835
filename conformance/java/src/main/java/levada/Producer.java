package levada;

import com.google.common.util.concurrent.ListenableFuture;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import software.amazon.awssdk.auth.credentials.EnvironmentVariableCredentialsProvider;
import software.amazon.kinesis.producer.KinesisProducer;
import software.amazon.kinesis.producer.KinesisProducerConfiguration;
import software.amazon.kinesis.producer.UserRecordResult;

/** KPL puts records that it aggregates. Arguments: the stream, and how many records of how many keys. */
public final class Producer {
    private Producer() {}

    public static void main(String[] arguments) throws Exception {
        String stream = arguments[0];
        int count = Integer.parseInt(arguments[1]);
        int keys = Integer.parseInt(arguments[2]);
        KinesisProducer producer = new KinesisProducer(configuration());
        List<ListenableFuture<UserRecordResult>> results = new ArrayList<>();
        for (int n = 0; n < count; n++) {
            String key = "key-" + n % keys;
            byte[] data = (key + "/" + n / keys).getBytes(StandardCharsets.UTF_8);
            results.add(producer.addUserRecord(stream, key, ByteBuffer.wrap(data)));
            if (n == 0) {
                // It aggregates what it is given once it knows the shards.
                results.get(0).get(60, TimeUnit.SECONDS);
            }
        }
        producer.flush();
        for (ListenableFuture<UserRecordResult> result : results) {
            UserRecordResult put = result.get(60, TimeUnit.SECONDS);
            Check.that(put.isSuccessful(), "a record was not put: " + put.getAttempts());
        }
        producer.destroy();
        System.out.println("put\t" + count);
        System.exit(0);
    }

    private static KinesisProducerConfiguration configuration() throws Exception {
        return new KinesisProducerConfiguration()
                .setKinesisEndpoint(Setting.ENDPOINT.getHost())
                .setKinesisPort(Setting.ENDPOINT.getPort())
                .setStsEndpoint(Setting.ENDPOINT.getHost())
                .setStsPort(Setting.ENDPOINT.getPort())
                .setVerifyCertificate(false)
                .setMetricsLevel("none")
                .setRegion(System.getenv("AWS_REGION"))
                .setCredentialsProvider(EnvironmentVariableCredentialsProvider.create())
                .setTempDirectory(Files.createTempDirectory("kpl").toString());
    }
}
