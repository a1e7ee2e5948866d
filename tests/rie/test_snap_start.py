"""SnapStart: the environment is restored once, however many runtime processes it sees."""

import http.client
import http.server
import threading

import pytest

from tests.support.emulator import Emulator
from tests.support.functions import FUNCTIONS, continuing

RESTORE = "/2018-06-01/runtime/restore/next"


class RuntimeApi(http.server.ThreadingHTTPServer):
    """The emulator's runtime API with the one path that it lacks."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = None
        self.restores = 0


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == RESTORE:
            self.server.restores += 1
            self.respond(200, {}, b"")
        else:
            self.forward(None)

    def do_POST(self):
        self.forward(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def forward(self, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.upstream)
        try:
            connection.request(self.command, self.path, body, dict(self.headers))
            response = connection.getresponse()
            self.respond(response.status, dict(response.getheaders()), response.read())
        except OSError:
            self.close_connection = True  # the emulator has ended
        finally:
            connection.close()

    def respond(self, status, headers, body):
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(name="runtime_api")
def _runtime_api():
    with RuntimeApi() as api:
        threading.Thread(target=api.serve_forever, daemon=True).start()
        yield api
        api.shutdown()


def test_a_replaced_process_runs_the_hooks_after_a_restore_and_asks_for_none(
    edge_runtime, layer, lambda_api, runtime_api, tmp_path
):
    """Its modules were not in the snapshot; before-snapshot hooks have nothing to do in it."""
    wrapper = tmp_path / "other-wrapper"
    wrapper.write_text(f'#!/bin/sh\nAWS_LAMBDA_RUNTIME_API=127.0.0.1:{runtime_api.server_port} exec "$@"\n')
    wrapper.chmod(0o755)
    env = continuing(lambda_api, AWS_LAMBDA_INITIALIZATION_TYPE="snap-start", CARRYON_NEXT_WRAPPER=str(wrapper))
    with Emulator(edge_runtime, FUNCTIONS, "restored.handler", layer=layer, env=env) as function:
        runtime_api.upstream = function.runtime_port
        before = function.invoke({}).json
        stuck = function.invoke({"do": "swallow"})
        after = [function.invoke({}).json for _ in range(2)]

    assert before["ran"] == ["before snapshot", "after restore"]
    assert stuck.events == ["rescued", "continued"], stuck
    assert before["pid"] != after[0]["pid"] == after[1]["pid"]
    assert after[0]["ran"] == after[1]["ran"] == ["after restore"]
    assert runtime_api.restores == 1
