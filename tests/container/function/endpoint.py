"""Stands for the Lambda API: accepts every invocation and prints its path and event."""

from http.server import BaseHTTPRequestHandler, HTTPServer


class Accept(BaseHTTPRequestHandler):
    def do_POST(self):
        event = self.rfile.read(int(self.headers["Content-Length"]))
        print(self.path, event.decode(), flush=True)
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words):
        pass


if __name__ == "__main__":
    server = HTTPServer(("127.0.0.1", 9100), Accept)
    print("ready", flush=True)
    server.serve_forever()
