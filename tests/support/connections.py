"""What a server of the tests does to a connection."""

from __future__ import annotations

import http.server
import socket
import struct


def reset(handler: http.server.BaseHTTPRequestHandler) -> None:
    """Close with a RST, as a broken network does, instead of an orderly end."""
    handler.close_connection = True
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # Files of the request hold the descriptor; shutdown would send a FIN first.
    handler.rfile.close()
    handler.wfile.close()
    handler.connection.close()
