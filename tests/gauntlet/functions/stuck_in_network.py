import socket

import app
import urllib3


def urllib3_request(event):
    app.at_it()
    return urllib3.PoolManager().request("GET", f"http://127.0.0.1:{event['silent']}/").data.decode()


def socket_recv(event):
    with socket.create_connection(("127.0.0.1", event["silent"])) as connection:
        app.at_it()
        return connection.recv(1).decode()
