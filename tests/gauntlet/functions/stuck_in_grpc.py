import app
import grpc


def unary_call(event):
    with grpc.insecure_channel(f"127.0.0.1:{event['grpc']}") as channel:
        call = channel.unary_unary("/carryon.Silence/Ask")
        app.at_it()
        return call(b"").decode()
