"""A gRPC server that never answers: prints its port, and holds each call until the caller is gone."""

import concurrent.futures
import threading

import grpc

_CALLS = 20


class _Silence(grpc.GenericRpcHandler):
    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return grpc.unary_unary_rpc_method_handler(_hold)


def _hold(request: bytes, context: grpc.ServicerContext) -> bytes:
    gone = threading.Event()
    if context.add_callback(gone.set):
        gone.wait()
    return b""


def main() -> None:
    """Serve until killed."""
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(_CALLS))
    server.add_generic_rpc_handlers((_Silence(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
