"""A Synapse of one's own on 127.0.0.1 for as long as standard input is open.

    python homeserver.py FOLDER [--name NAME] [--port PORT] [--set JSON] [--ahead SECONDS]

Prints one JSON line when it serves, then does what each line of standard input says and answers it with one line:
`register NAME PASSWORD [admin]`, `room NAME PASSWORD INVITED…`, `stop`, `kill`, `start`. Everything is in FOLDER and can be started from it again.
It speaks to nobody else: no federation, no key servers, no reports. `--set` lays more configuration over ours; `--ahead` puts its clock ahead.
"""

import argparse
import ctypes
import hashlib
import hmac
import json
import os
import pathlib
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

PATIENCE = 90
PR_SET_PDEATHSIG = 1

# Synapse with another time of day: what is first in its arguments is how many seconds it is ahead.
SKEWED = """
import sys, time
ahead, right = float(sys.argv.pop(1)), time.time
time.time = lambda: right() + ahead
from synapse.app.homeserver import main
main()
"""

# A test says more in a second than a person in an hour; what limits is tested with limits of its own.
UNLIMITED = {"per_second": 10000, "burst_count": 10000}


def configuration(folder, name, port):
    """Synapse's configuration; JSON is YAML."""
    secret = folder / "secret"
    if not secret.exists():
        secret.write_text(secrets.token_hex(32))
        (folder / "signing.key").write_text(f"ed25519 a_{secrets.token_hex(2)} {secrets.token_hex(22)[:43]}\n")
    shared = secret.read_text()
    logging = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
        "handlers": {
            "file": {
                "class": "logging.FileHandler",
                "formatter": "line",
                "filename": str(folder / "homeserver.log"),
            }
        },
        "root": {"level": "WARNING", "handlers": ["file"]},
    }
    (folder / "log.json").write_text(json.dumps(logging))
    return {
        "server_name": name,
        "public_baseurl": f"http://127.0.0.1:{port}/",
        "pid_file": str(folder / "homeserver.pid"),
        "listeners": [
            {
                "port": port,
                "type": "http",
                "bind_addresses": ["127.0.0.1"],
                "resources": [{"names": ["client"], "compress": False}],
            }
        ],
        "database": {"name": "sqlite3", "args": {"database": str(folder / "homeserver.db")}},
        "log_config": str(folder / "log.json"),
        "media_store_path": str(folder / "media"),
        "signing_key_path": str(folder / "signing.key"),
        "registration_shared_secret": shared,
        "macaroon_secret_key": shared,
        "form_secret": shared,
        "trusted_key_servers": [],
        "suppress_key_server_warning": True,
        "federation_domain_whitelist": [],
        "report_stats": False,
        "presence": {"enabled": False},
        # Cheap hashes of passwords that everybody knows.
        "bcrypt_rounds": 4,
        "rc_message": UNLIMITED,
        "rc_registration": UNLIMITED,
        "rc_login": dict.fromkeys(["address", "account", "failed_attempts"], UNLIMITED),
        "rc_joins": {"local": UNLIMITED, "remote": UNLIMITED},
        "rc_joins_per_room": UNLIMITED,
        "rc_invites": dict.fromkeys(["per_room", "per_user", "per_issuer"], UNLIMITED),
        "rc_room_creation": UNLIMITED,
        "rc_admin_redaction": UNLIMITED,
        "rc_key_requests": UNLIMITED,
        "rc_media_create": UNLIMITED,
    }


class Homeserver:
    """The process, and the few questions that are asked of it without an account."""

    def __init__(self, folder, name, port, more, ahead):
        self.folder, self.name, self.ahead = folder, name, ahead
        self.port = port or free_port()
        self.more = more
        self.process = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        if self.process is not None:
            return
        settings = configuration(self.folder, self.name, self.port) | self.more
        path = self.folder / "homeserver.json"
        path.write_text(json.dumps(settings, indent=1))
        with open(self.folder / "output.log", "ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SKEWED, str(self.ahead), "-c", str(path)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.folder,
                preexec_fn=end_with_parent,
            )
        deadline = time.monotonic() + PATIENCE
        while not self.healthy():
            if self.process.poll() is not None or time.monotonic() > deadline:
                said = (self.folder / "output.log").read_text(errors="replace")
                logged = self.folder / "homeserver.log"
                said += logged.read_text(errors="replace") if logged.exists() else ""
                raise RuntimeError(f"the homeserver does not start: {said[-4000:]}")
            # Between two looks at another process.
            time.sleep(0.05)

    def healthy(self):
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def end(self, number):
        if self.process is None:
            return
        self.process.send_signal(number)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def ask(self, method, path, body, token=None):
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        url = f"{self.url}/_matrix/client/v3/{path}"
        request = urllib.request.Request(url, json.dumps(body).encode(), headers, method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)

    def room(self, user, password, invited):
        """An encrypted room; what it is made with is no device afterwards."""
        identifier = {"type": "m.id.user", "user": user}
        login = {"type": "m.login.password", "identifier": identifier, "password": password}
        token = self.ask("POST", "login", login)["access_token"]
        encryption = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
        room = {"preset": "private_chat", "name": "Testudo", "invite": invited, "initial_state": [encryption]}
        made = self.ask("POST", "createRoom", room, token)["room_id"]
        self.ask("POST", "logout", {}, token)
        return {"room": made}

    def register(self, user, password, admin=False):
        path = f"{self.url}/_synapse/admin/v1/register"
        with urllib.request.urlopen(path, timeout=PATIENCE) as answer:
            nonce = json.load(answer)["nonce"]
        words = [nonce, user, password, "admin" if admin else "notadmin"]
        key = (self.folder / "secret").read_bytes()
        seal = hmac.new(key, "\0".join(words).encode(), hashlib.sha1).hexdigest()
        body = {"nonce": nonce, "username": user, "password": password, "admin": admin, "mac": seal}
        # A person's devices are those that he logs in with.
        body["inhibit_login"] = not admin
        request = urllib.request.Request(
            path, json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            made = json.load(answer)
        return {"user": made["user_id"], "token": made.get("access_token")}


def end_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def obey(homeserver, words):
    match words:
        case ["register", user, password, *admin]:
            return homeserver.register(user, password, admin == ["admin"])
        case ["room", user, password, *invited]:
            return homeserver.room(user, password, invited)
        case ["stop"]:
            homeserver.end(signal.SIGTERM)
        case ["kill"]:
            homeserver.end(signal.SIGKILL)
        case ["start"]:
            homeserver.start()
        case _:
            raise RuntimeError(f"no such order: {' '.join(words)}")
    return {}


def say(value):
    print(json.dumps(value), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--name", default="home.test")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--set", type=json.loads, default={}, metavar="JSON")
    parser.add_argument("--ahead", type=float, default=0.0, metavar="SECONDS")
    options = parser.parse_args()
    os.umask(0o077)
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    # A key of the terminal is for whoever started us; he closes our input when he is done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Who waits for signals blocks them, and hands that on.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    homeserver = Homeserver(folder, options.name, options.port, options.set, options.ahead)
    try:
        homeserver.start()
        say({"url": homeserver.url, "name": homeserver.name, "database": str(folder / "homeserver.db")})
        for line in sys.stdin:
            try:
                say(obey(homeserver, line.split()))
            except urllib.error.HTTPError as error:
                say({"error": f"{error}: {error.read().decode(errors='replace')}"})
            except Exception as error:  # noqa: BLE001 - whatever it is, the one who asked must know
                say({"error": f"{type(error).__name__}: {error}"})
    finally:
        homeserver.end(signal.SIGKILL)


if __name__ == "__main__":
    main()
