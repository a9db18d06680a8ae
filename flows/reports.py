"""Reports over HTTP on this machine, so that the UI can link to them: a browser opens no file://.

The address holds a secret of the server's home: who is let into the UI finds it there.
"""

import os
import secrets
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tasks.output import Output

TYPES = {".html": "text/html; charset=utf-8", ".csv": "text/csv; charset=utf-8"}


def secret_of(home: Path) -> str:
    """Return the secret of a server's home; made at its first start, for its owner's eyes."""
    path = home / "reports.secret"
    if not path.exists():
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(16))
    return path.read_text()


@contextmanager
def served(port: int, secret: str) -> Iterator[str]:
    """Serve the reports and tables of any output folder while the context lasts.

    Yields
    ------
    str
        What to put before the absolute path of a report.
    """
    handler = type("Handler", (_Handler,), {"secret": secret, "port": port})
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{port}/{secret}"
        finally:
            server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    secret = ""
    port = 0

    def do_GET(self) -> None:
        path = self._file()
        if path is None:
            self.send_error(404)
            return
        body = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", TYPES.get(path.suffix, "application/octet-stream"))
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)

    def _file(self) -> Path | None:
        """Return the file that is asked for, if it is one that a run wrote for people."""
        # Another name for this address would let a foreign page in the browser ask.
        if self.headers.get("Host") not in (f"127.0.0.1:{self.port}", f"localhost:{self.port}"):
            return None
        _, secret, rest = (urllib.parse.unquote(self.path) + "//").split("/", 2)
        if not secrets.compare_digest(secret.encode(), self.secret.encode()):
            return None
        path = Path("/" + rest.rstrip("/"))
        output = Output(path.parent)
        known = path in output.files and output.ledger.is_file() and path.is_file()
        return path if known else None

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the address is a secret."""
