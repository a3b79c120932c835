package levada;

import java.net.URI;
import java.time.Duration;
import software.amazon.awssdk.core.client.config.ClientOverrideConfiguration;
import software.amazon.awssdk.http.nio.netty.NettyNioAsyncHttpClient;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.retries.DefaultRetryStrategy;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.awssdk.services.kinesis.KinesisClient;

/** Clients of the server under test; the keys and the region come from the environment, as everybody's do. */
final class Setting {
    static final URI ENDPOINT = URI.create(System.getenv("LEVADA_ENDPOINT"));

    private Setting() {}

    /** HTTP/1.1. A refusal is not tried again: the tests want to see it. */
    static KinesisClient sync(Exchanges exchanges) {
        return KinesisClient.builder()
                .endpointOverride(ENDPOINT)
                .httpClientBuilder(UrlConnectionHttpClient.builder())
                .overrideConfiguration(once(exchanges))
                .build();
    }

    /** HTTP/2, as the SDK wants it for Kinesis: on a plain port with prior knowledge. */
    static KinesisAsyncClient async(Exchanges exchanges) {
        return KinesisAsyncClient.builder()
                .endpointOverride(ENDPOINT)
                .httpClientBuilder(NettyNioAsyncHttpClient.builder())
                .overrideConfiguration(once(exchanges))
                .build();
    }

    private static ClientOverrideConfiguration once(Exchanges exchanges) {
        return ClientOverrideConfiguration.builder()
                .addExecutionInterceptor(exchanges)
                .retryStrategy(DefaultRetryStrategy.doNotRetry())
                .apiCallTimeout(Duration.ofSeconds(30))
                .build();
    }
}
