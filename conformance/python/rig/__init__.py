"""What the suites stand on: a server process, signed requests, readers of streams."""
