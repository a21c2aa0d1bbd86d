"""A gx-serve of one's own to try things on, for the scripts in this folder and for scripts/bench/serve."""
import contextlib
import http.client
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
# How long an answer may take, in seconds: a server under a sanitizer is slow.
PATIENCE = float(os.environ.get("GX_PATIENCE") or 60)
BIN = pathlib.Path(os.environ.get("GX_BIN") or ROOT / ".build/bin").resolve()


def gx(command, *arguments, **options):
    """Runs one of the commands to its end and returns its stdout."""
    words = [str(BIN / command), *map(str, arguments)]
    done = subprocess.run(words, capture_output=True, **options)
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def pictures(count=8, size=256, kind="jpg", seed=0):
    """Files of galaxies, drawn by gx-synth."""
    with tempfile.TemporaryDirectory() as folder:
        gx("gx-synth", "-q", "-n", count, "--size", size, "--format", kind, "--seed", seed, "--pictures", folder)
        files = sorted(path for path in pathlib.Path(folder).rglob("*") if path.is_file())
        return [path.read_bytes() for path in files]


def form(*parts, boundary="gx-7f3a"):
    """A form's body and Content-Type, of (name, filename or None, content)."""
    body = b""
    for name, filename, content in parts:
        shown = "" if filename is None else f'; filename="{filename}"'
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{shown}\r\n'.encode()
        body += b"\r\n" + content + b"\r\n"
    return body + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


class Server:
    """A process that listens on a free port of this machine; stderr and the access log are kept in `folder`."""

    def __init__(self, *arguments, environment=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="gx-serve-"))
        self.log, self.errors = self.folder / "access.ndjson", self.folder / "stderr"
        words = ["--listen", "127.0.0.1:0", "--access-log", self.log, "--keys", self.folder / "keys.ndjson", *arguments]
        self.process = subprocess.Popen(
            [str(BIN / "gx-serve"), *map(str, words)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=self.errors.open("wb"), env={**os.environ, **(environment or {})})
        self.port = int(self.wait_for(r"listening on https?://[^ ]*:(\d+)/", 120).group(1))

    @property
    def pid(self):
        return self.process.pid

    def messages(self):
        return self.errors.read_text(errors="replace")

    def wait_for(self, pattern, seconds=60, after=0):
        """The match of `pattern` in stderr behind its first `after` characters."""
        end = time.monotonic() + seconds
        while True:
            found = re.search(pattern, self.messages()[after:])
            if found:
                return found
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"gx-serve never said '{pattern}': {self.messages()[-2000:]}")
            time.sleep(0.02)

    @property
    def is_running(self):
        return self.process.poll() is None

    def rss(self):
        """Resident memory in MiB."""
        return rss(self.pid)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self, seconds=60):
        """Ends it with SIGTERM; its exit status."""
        if self.is_running:
            self.signal(signal.SIGTERM)
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        return status

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def serving(*arguments, **options):
    server = Server(*arguments, **options)
    try:
        yield server
    finally:
        server.remove()


def rss(pid):
    """Resident memory of a process in MiB."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text).group(1)) / 1024


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body


def ask(port, method, target, body=None, headers=None, source=None, timeout=PATIENCE):
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection(
        "127.0.0.1", port, timeout=timeout, source_address=(source, 0) if source else None)
    try:
        connection.request(method, target, body, headers or {})
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def classify(port, picture, source=None, key=None, timeout=PATIENCE, target="/api/classify"):
    body, kind = form(("image", "galaxy.jpg", picture))
    headers = {"Content-Type": kind}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    return ask(port, "POST", target, body, headers, source, timeout)


def connect(port, source=None, timeout=10):
    return socket.create_connection(("127.0.0.1", port), timeout, (source, 0) if source else None)


def everything(client, seconds=10):
    """All that comes until the other side ends the connection or is silent for `seconds`, and whether it ended."""
    client.settimeout(seconds)
    got = b""
    try:
        while piece := client.recv(65536):
            got += piece
        return got, True
    except TimeoutError:
        return got, False
    except OSError:
        return got, True


def raw(port, text, source=None, seconds=3):
    """Sends bytes as they are; what comes back, and whether the server ended the connection."""
    with connect(port, source) as client:
        with contextlib.suppress(OSError):
            client.sendall(text)
        return everything(client, seconds)


def statuses(got):
    """The status codes of the answers in a connection's bytes."""
    return [int(code) for code in re.findall(rb"HTTP/1\.[01] (\d{3})", got)]


def table(names, rows):
    """Markdown."""
    cells = [[str(cell).replace("|", "\\|") for cell in row] for row in rows]
    return "\n".join(
        ["| " + " | ".join(names) + " |", "|---" * len(names) + "|"] + ["| " + " | ".join(row) + " |" for row in cells])
