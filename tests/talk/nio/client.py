"""A second Matrix client that Testudo did not write: matrix-nio, driven by JSON lines.

    python client.py HOMESERVER FOLDER

One order a line on standard input, such as {"id": 1, "do": "say", "room": "!r", "text": "hello"}; each is answered by
one line with the same `id`, and either `ok` or `error`. What its own sync brings is printed as it comes: lines with
`seen`. It ends when its input does. matrix-nio knows nothing of cross-signing, so `sign` does that here, with the
keys' plain rules, as any other implementation would; and what a verification has beside the emojis (that one is asked
for, that it is done, and that it is about an identity) the two orders for that add.
"""

import asyncio
import contextlib
import io
import json
import sys

import nio
from nio.crypto.attachments import decrypt_attachment
from nio.crypto.sas import Sas
from nacl.signing import SigningKey
from signedjson.sign import sign_json
from unpaddedbase64 import encode_base64

# Its codes are in proper base64, which the specification has under this name only.
Sas._mac_normal = "hkdf-hmac-sha256.v2"
Sas._mac_v1 = [Sas._mac_normal]


def say(**line):
    print(json.dumps(line, default=str), flush=True)


class Human:
    """One account on one device."""

    def __init__(self, homeserver, folder):
        self.homeserver, self.folder = homeserver, folder
        self.client = None
        self.syncing = None
        self.master = None
        self.told = asyncio.Queue()

    async def login(self, user, password, device="nio"):
        settings = nio.AsyncClientConfig(encryption_enabled=True, store_sync_tokens=True)
        self.client = nio.AsyncClient(self.homeserver, user, store_path=self.folder, config=settings)
        answer = await self.client.login(password, device_name=device)
        require(answer, nio.LoginResponse)
        require(await self.client.keys_upload(), nio.KeysUploadResponse)
        self.client.add_event_callback(self.seen, nio.Event)
        self.client.add_event_callback(self.invited, nio.InviteMemberEvent)
        self.client.add_to_device_callback(self.tell, (nio.KeyVerificationEvent, nio.UnknownToDeviceEvent))
        self.syncing = asyncio.ensure_future(self.client.sync_forever(timeout=10000, full_state=True))
        await self.client.synced.wait()
        return {"user": self.client.user_id, "device": self.client.device_id}

    async def seen(self, room, event):
        source = event.source
        say(
            seen="event",
            room=room.room_id,
            event=event.event_id,
            sender=event.sender,
            kind=source.get("type"),
            content=source.get("content", {}),
            sealed=bool(event.decrypted) or isinstance(event, nio.MegolmEvent),
            readable=not isinstance(event, nio.MegolmEvent),
        )

    async def invited(self, room, event):
        if event.state_key == self.client.user_id and event.membership == "invite":
            say(seen="invitation", room=room.room_id, sender=event.sender)

    async def tell(self, event):
        self.told.put_nowait((event.sender, event.source["type"], event.source["content"]))

    async def next(self, by, step):
        """The next step of a verification by somebody."""
        while True:
            sender, kind, content = await self.told.get()
            if sender == by and kind == f"m.key.verification.{step}":
                return content
            if kind == "m.key.verification.cancel":
                raise RuntimeError(f"it was cancelled: {content}")

    async def step(self, user, device, step, content):
        message = nio.ToDeviceMessage(f"m.key.verification.{step}", user, device, content)
        require(await self.client.to_device(message), nio.ToDeviceResponse)

    async def accept_verification(self, by):
        """Accepts that somebody verifies us; the emojis that both must show."""
        asked = await self.next(by, "request")
        transaction, device = asked["transaction_id"], asked["from_device"]
        # What is compared are keys, so they must be known.
        self.client.olm.users_for_key_query.add(by)
        require(await self.client.keys_query(), nio.KeysQueryResponse)
        ready = {"from_device": self.client.device_id, "methods": ["m.sas.v1"], "transaction_id": transaction}
        await self.step(by, device, "ready", ready)
        await self.next(by, "start")
        sas = self.client.key_verifications[transaction]
        # matrix-nio writes the digest in hexadecimal; the specification has base64.
        sas.commitment = encode_base64(bytes.fromhex(sas.commitment))
        require(await self.client.accept_key_verification(transaction), nio.ToDeviceResponse)
        await self.next(by, "key")
        await self.client.send_to_device_messages()
        # Each of these is the number of an emoji; matrix-nio takes them for bytes still.
        numbers = sas.established_sas.bytes(sas._extra_info).emoji_indices
        emojis = [Sas.emoji[number][0] for number in numbers]
        return {"transaction": transaction, "emojis": emojis}

    async def confirm_verification(self, transaction):
        """The emojis are the same: vouches for this device and for the identity that signed it."""
        self.client.confirm_key_verification(transaction)
        sas = self.client.key_verifications[transaction]
        by, device = sas.other_olm_device.user_id, sas.other_olm_device.id
        user, own = self.client.user_id, self.client.device_id
        keys = {f"ed25519:{own}": sas.own_fp_key, f"ed25519:{self.master}": self.master}
        info = f"MATRIX_KEY_VERIFICATION_MAC{user}{own}{by}{device}{transaction}"
        mac = sas.established_sas.calculate_mac
        vouched = {name: mac(key, info + name) for name, key in keys.items()}
        names = mac(",".join(sorted(keys)), info + "KEY_IDS")
        await self.step(by, device, "mac", {"mac": vouched, "keys": names, "transaction_id": transaction})
        await self.next(by, "mac")
        await self.step(by, device, "done", {"transaction_id": transaction})
        await self.next(by, "done")
        return {"verified": sas.verified}

    async def sign(self):
        """Makes a cross-signing identity and signs this device with it."""
        user, device = self.client.user_id, self.client.device_id
        keys = {usage: SigningKey.generate() for usage in ("master", "self_signing", "user_signing")}
        for key in keys.values():
            key.alg, key.version = "ed25519", encode_base64(bytes(key.verify_key))
        public = {}
        for usage, key in keys.items():
            body = {"user_id": user, "usage": [usage], "keys": {f"ed25519:{key.version}": key.version}}
            public[f"{usage}_key"] = body if usage == "master" else sign_json(body, user, keys["master"])
        await self.post("keys/device_signing/upload", public)
        self.master = keys["master"].version
        known = await self.post("keys/query", {"device_keys": {user: [device]}})
        mine = known["device_keys"][user][device]
        mine.pop("unsigned", None)
        signed = sign_json(mine, user, keys["self_signing"])
        await self.post("keys/signatures/upload", {user: {device: signed}})
        return {}

    async def post(self, path, body):
        answer = await self.client.send(
            "POST",
            f"/_matrix/client/v3/{path}",
            data=json.dumps(body),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {self.client.access_token}"},
        )
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {await answer.text()}")
        return await answer.json()

    async def join(self, room):
        require(await self.client.join(room), nio.JoinResponse)
        while room not in self.client.rooms:
            await self.client.synced.wait()
            await asyncio.sleep(0)
        return {}

    async def leave(self, room):
        require(await self.client.room_leave(room), nio.RoomLeaveResponse)
        return {}

    async def send(self, room, kind, content):
        answer = await self.client.room_send(room, kind, content, ignore_unverified_devices=True)
        require(answer, nio.RoomSendResponse)
        return {"event": answer.event_id}

    async def sessions(self, room):
        """The ids of the keys that open what was said in a room."""
        store = self.client.olm.inbound_group_store
        return {"sessions": sorted({session.id for session in store if session.room_id == room})}

    async def attach(self, room, name, mime, text):
        data = text.encode()
        uploaded, keys = await self.client.upload(
            io.BytesIO(data), content_type=mime, filename=name, encrypt=True, filesize=len(data)
        )
        require(uploaded, nio.UploadResponse)
        file = {**keys, "url": uploaded.content_uri}
        content = {"msgtype": "m.file", "body": name, "file": file, "info": {"size": len(data), "mimetype": mime}}
        return await self.send(room, "m.room.message", content)

    async def read(self, file):
        answer = await self.client.download(file["url"])
        require(answer, nio.DownloadResponse)
        data = decrypt_attachment(answer.body, file["key"]["k"], file["hashes"]["sha256"], file["iv"])
        return {"text": data.decode()}

    async def close(self):
        if self.syncing is not None:
            self.syncing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.syncing
        if self.client is not None:
            await self.client.close()


def require(answer, kind):
    if not isinstance(answer, kind):
        raise RuntimeError(str(answer))


async def main():
    human = Human(*sys.argv[1:3])
    reader = asyncio.StreamReader(limit=1 << 22)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    names = ("login", "sign", "join", "leave", "send", "attach", "read", "sessions")
    names += ("accept_verification", "confirm_verification")
    orders = {name: getattr(human, name) for name in names}
    while line := await reader.readline():
        order = json.loads(line)
        number, name = order.pop("id"), order.pop("do")
        try:
            say(id=number, ok=await orders[name](**order))
        except Exception as error:  # noqa: BLE001 - whatever it is, the one who asked must know
            say(id=number, error=f"{type(error).__name__}: {error}")
    await human.close()


if __name__ == "__main__":
    asyncio.run(main())
