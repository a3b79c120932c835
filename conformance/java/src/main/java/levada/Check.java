package levada;

import java.util.Objects;
import java.util.function.Supplier;

/** What must hold, and waiting for what must come to hold. */
final class Check {
    private static final long SECONDS = 20;

    private Check() {}

    static void that(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    static void same(Object expected, Object found, String what) {
        that(Objects.equals(expected, found), what + ": expected " + expected + ", found " + found);
    }

    static void until(Supplier<Boolean> condition, String what) throws InterruptedException {
        long deadline = System.nanoTime() + SECONDS * 1_000_000_000L;
        while (!condition.get()) {
            that(System.nanoTime() < deadline, what + " did not come within " + SECONDS + " s");
            Thread.sleep(20);
        }
    }
}
