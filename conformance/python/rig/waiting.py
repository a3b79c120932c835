"""Waiting for a condition, never for a time."""

import time


def until(condition, seconds=20.0, every=0.02, what="the condition"):
    """Returns the first truthy answer of `condition`; fails if there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come within {seconds} s")
        time.sleep(every)
