"""Certificates for servers on loopback, by an authority that nobody else trusts, made with the openssl command."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path


class Authority:
    """Signs certificates for loopback: `right`, `expired`, and `other_name`, which is for other.example.

    Args:
        folder: where its files are. `bundle` is what a client needs that trusts it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bundle = folder / "ca.pem"
        self._make("ca", "-x509", "-subj", "/CN=Test CA")
        self._sign("right", "DNS:localhost", "-days", "30")
        self._sign("expired", "DNS:localhost", "-days", "-1")
        self._sign("other_name", "DNS:other.example", "-days", "30")

    def _make(self, name: str, *arguments: str) -> None:
        self._openssl(
            "req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem", *arguments
        )

    def _sign(self, name: str, subject: str, *arguments: str) -> None:
        self._make(name, "-subj", "/CN=localhost")
        (self.folder / "names").write_text(f"subjectAltName={subject}")
        self._openssl(
            "x509", "-req", "-in", f"{name}.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-extfile", "names", "-out", f"{name}.signed", *arguments,
        )  # fmt: skip

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)

    def context(self, name: str = "right") -> ssl.SSLContext:
        """What a server with such a certificate needs."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.folder / f"{name}.signed", self.folder / f"{name}.key")
        return context
