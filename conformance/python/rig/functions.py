"""Functions that transform records: a Lambda-compatible endpoint and webhooks, in this process.

Lambda itself cannot be had here; what is held to is its Invoke API, as its reference has it."""

import base64
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

INVOKE = re.compile(r"/2015-03-31/functions/([^/]+)/invocations")


class Functions:
    """Every function and every webhook is `answer(event)`: an answer, or `Failed`, `Refused`."""

    def __init__(self, answer):
        self.answer = answer
        self.calls = []
        self.names = []
        self.lock = threading.Lock()
        self.listener = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.listener.daemon_threads = True

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.listener.server_port}"

    @property
    def webhook(self):
        return f"{self.endpoint}/transform"

    def _handler(functions):  # noqa: N805 - the outer one is meant
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                event = json.loads(self.rfile.read(int(self.headers["content-length"])))
                invoked = INVOKE.fullmatch(self.path)
                with functions.lock:
                    functions.calls.append(event)
                    functions.names.append(unquote(invoked[1]) if invoked else self.path)
                try:
                    body, status, failed = functions.answer(event), 200, None
                except Failed as error:
                    body, status, failed = {"errorMessage": str(error)}, 200, "Unhandled"
                except Refused as error:
                    body, status, failed = {"message": str(error)}, error.status, None
                if failed and not invoked:
                    status = 500
                body = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                if failed and invoked:
                    self.send_header("x-amz-function-error", failed)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        return Handler


class Failed(Exception):
    """The function raised."""


class Refused(Exception):
    """Lambda did not call the function."""

    def __init__(self, status):
        super().__init__(str(status))
        self.status = status


@contextmanager
def serving(answer):
    """Functions that are there while the block runs."""
    functions = Functions(answer)
    threading.Thread(target=functions.listener.serve_forever, daemon=True).start()
    try:
        yield functions
    finally:
        functions.listener.shutdown()
        functions.listener.server_close()


def data_of(record):
    return base64.b64decode(record["data"])


def ok(record, data, **partition_keys):
    """A record that goes on as `data`."""
    verdict = {
        "recordId": record["recordId"],
        "result": "Ok",
        "data": base64.b64encode(data).decode(),
    }
    return verdict | ({"metadata": {"partitionKeys": partition_keys}} if partition_keys else {})


def dropped(record):
    return {"recordId": record["recordId"], "result": "Dropped"}


def failed(record):
    return {"recordId": record["recordId"], "result": "ProcessingFailed", "data": record["data"]}


def each(verdict):
    """A function that judges every record alone."""
    return lambda event: {"records": [verdict(record) for record in event["records"]]}
