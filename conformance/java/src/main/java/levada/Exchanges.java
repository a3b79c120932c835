package levada;

import java.util.Set;
import java.util.concurrent.ConcurrentSkipListSet;
import software.amazon.awssdk.core.interceptor.Context;
import software.amazon.awssdk.core.interceptor.ExecutionAttributes;
import software.amazon.awssdk.core.interceptor.ExecutionInterceptor;
import software.amazon.awssdk.core.interceptor.SdkExecutionAttribute;
import software.amazon.awssdk.http.SdkHttpRequest;

/** Remembers which operations answered well and in which encodings; prints the exchange that did not. */
final class Exchanges implements ExecutionInterceptor {
    final Set<String> operations = new ConcurrentSkipListSet<>();
    final Set<String> encodings = new ConcurrentSkipListSet<>();

    @Override
    public void beforeTransmission(Context.BeforeTransmission context, ExecutionAttributes attributes) {
        context.httpRequest().firstMatchingHeader("Content-Type").ifPresent(encodings::add);
    }

    @Override
    public void afterExecution(Context.AfterExecution context, ExecutionAttributes attributes) {
        operations.add(attributes.getAttribute(SdkExecutionAttribute.OPERATION_NAME));
    }

    @Override
    public void onExecutionFailure(Context.FailedExecution context, ExecutionAttributes attributes) {
        StringBuilder text = new StringBuilder("failed: ");
        text.append(attributes.getAttribute(SdkExecutionAttribute.OPERATION_NAME));
        text.append("\n  input: ").append(brief(context.request()));
        context.httpRequest().ifPresent(request -> text.append("\n  request: ").append(line(request)));
        context.httpResponse().ifPresent(response ->
                text.append("\n  response: ").append(response.statusCode()).append(' ').append(response.headers()));
        text.append("\n  ").append(context.exception());
        System.err.println(text);
    }

    private static String line(SdkHttpRequest request) {
        return request.method() + " " + request.getUri() + " " + request.headers().entrySet().stream()
                .filter(header -> !header.getKey().equalsIgnoreCase("Authorization"))
                .toList();
    }

    private static String brief(Object value) {
        String text = value.toString();
        return text.length() <= 500 ? text : text.substring(0, 500) + "…";
    }
}
