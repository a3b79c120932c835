"""Which operations the tests that passed have called with success."""

_called = set()
_proven = set()


def note(operation: str, service: str = "kinesis") -> None:
    """An operation answered well in the test that runs now."""
    _called.add(f"{service}.{operation}")


def settle(passed: bool) -> None:
    """The test is over: what it called counts only if it passed."""
    if passed:
        _proven.update(_called)
    _called.clear()


def proven() -> list:
    return sorted(_proven)
