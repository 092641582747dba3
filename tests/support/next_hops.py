"""The next hops of notifiers: servers for SMTP and HTTP in this process, and the harnesses of the contract."""

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from tests.support.messages import SENDER, TEMPLATES, parsed, part

from vestibule.adapters.notifier import AppriseNotifier, FileNotifier, MemoryNotifier, SmtpNotifier
from vestibule.application.ports import OutgoingMessage, TemporaryFailure
from vestibule.testing.contracts.notifier import NotifierHarness, mail_message, sms_message


class Relay:
    """An SMTP server. `answers` overrides the reply 250 to MAIL, RCPT or DATA; DATA takes `seconds`."""

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.implicit_tls: ssl.SSLContext | None = None
        self.answers: dict[str, str] = {}
        self.received: list[tuple[str, list[str], bytes]] = []
        self.logins: list[LoginPassword] = []
        self.encrypted: list[bool] = []
        self.connections = 0
        self.quits = 0
        self.drops_quit = False
        self.seconds = 0.0
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._open: list[SMTP] = []
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    async def handle_MAIL(self, _: SMTP, __: Session, envelope: Envelope, address: str, ___: list[str]) -> str:  # noqa: N802 — aiosmtpd's name
        envelope.mail_from = address
        return self.answers.get("MAIL", "250 OK")

    async def handle_RCPT(self, _: SMTP, __: Session, envelope: Envelope, address: str, ___: list[str]) -> str:  # noqa: N802 — aiosmtpd's name
        envelope.rcpt_tos.append(address)
        return self.answers.get("RCPT", "250 OK")

    async def handle_DATA(self, _: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 — aiosmtpd's name
        await asyncio.sleep(self.seconds)
        if "DATA" not in self.answers:
            assert envelope.mail_from is not None
            assert isinstance(envelope.content, bytes)
            self.received.append((envelope.mail_from, list(envelope.rcpt_tos), envelope.content))
            self.encrypted.append(session.ssl is not None or self.implicit_tls is not None)
        return self.answers.get("DATA", "250 OK")

    async def handle_QUIT(self, protocol: SMTP, _: Session, __: Envelope) -> str:  # noqa: N802 — aiosmtpd's name
        self.quits += 1
        if self.drops_quit:
            assert isinstance(protocol.transport, asyncio.WriteTransport)
            protocol.transport.abort()
        return "221 Bye"

    def authenticate(self, _: SMTP, __: Session, ___: Envelope, ____: str, login: LoginPassword) -> AuthResult:
        self.logins.append(login)
        return AuthResult(success=login == LoginPassword(b"vestibule", b"p@ss/w:rd#?%"), handled=False)

    def _connected(self) -> SMTP:
        self.connections += 1
        self._open.append(SMTP(self, hostname="relay.example", loop=self._loop, **self.options))
        return self._open[-1]

    def open(self) -> None:
        serving = self._loop.create_server(self._connected, "127.0.0.1", self.port, ssl=self.implicit_tls)
        self._server = asyncio.run_coroutine_threadsafe(serving, self._loop).result(5)
        self.port = self._server.sockets[0].getsockname()[1]

    def hang_up(self) -> None:
        """Aborts all open connections."""
        asyncio.run_coroutine_threadsafe(self._abort_all(), self._loop).result(5)

    async def _abort_all(self) -> None:
        while self._open:
            transport = self._open.pop().transport
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()

    def close(self) -> None:
        assert self._server is not None
        self._loop.call_soon_threadsafe(self._server.close)
        self.hang_up()
        asyncio.run_coroutine_threadsafe(self._server.wait_closed(), self._loop).result(5)

    def stop(self) -> None:
        self.close()
        asyncio.run_coroutine_threadsafe(self._cancel_all(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    @staticmethod
    async def _cancel_all() -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


@contextmanager
def relay(implicit_tls: ssl.SSLContext | None = None, **options: Any) -> Iterator[Relay]:
    server = Relay(**options)
    server.implicit_tls = implicit_tls
    if options.get("authenticator") is not None:
        server.options["authenticator"] = server.authenticate
    server.open()
    try:
        yield server
    finally:
        server.stop()


class Gateway:
    """An HTTP server for the requests of Apprise's `json://` and `form://`; with the status 0 it hangs up without an answer."""

    def __init__(self) -> None:
        self.status = 200
        self.received: list[tuple[str, str]] = []
        self.port = 0

    def open(self) -> None:
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                if gateway.status == 0:
                    self.close_connection = True
                    return
                if gateway.status < 300:
                    gateway.received.append((self.path, body))
                self.send_response(gateway.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Logs nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@contextmanager
def gateway_server() -> Iterator[Gateway]:
    server = Gateway()
    server.open()
    try:
        yield server
    finally:
        server.close()


def file_harness(directory: Path, message: Callable[..., OutgoingMessage]) -> NotifierHarness:
    def arrived() -> list[tuple[str, str]]:
        messages = []
        for file in sorted(directory.iterdir()):
            mail = parsed(file.read_bytes())
            messages.append((mail["To"], part(mail, "plain") if mail.is_multipart() else mail.get_content()))
        return messages

    def break_down() -> None:
        directory.rmdir()
        directory.write_text("in the way")

    return NotifierHarness(FileNotifier(directory, TEMPLATES, SENDER), message, arrived, break_down, directory.unlink)


def smtp_harness(server: Relay) -> NotifierHarness:
    def arrived() -> list[tuple[str, str]]:
        return [(to, part(parsed(raw), "plain")) for _, [to], raw in server.received]

    notifier = SmtpNotifier(f"smtp://127.0.0.1:{server.port}", SENDER, TEMPLATES)
    return NotifierHarness(notifier, mail_message, arrived, server.close, server.open)


def apprise_harness(server: Gateway) -> NotifierHarness:
    def arrived() -> list[tuple[str, str]]:
        bodies = [json.loads(body) for _, body in server.received]
        return [(body["to"], body["message"]) for body in bodies]

    notifier = AppriseNotifier(f"json://127.0.0.1:{server.port}/send", TEMPLATES)
    return NotifierHarness(notifier, sms_message, arrived, server.close, server.open)


def memory_harness() -> NotifierHarness:
    memory = MemoryNotifier()

    def arrived() -> list[tuple[str, str]]:
        return [(message.recipient, "{code} {reference}".format(**message.values)) for message in memory.messages]

    return NotifierHarness(memory, mail_message, arrived, lambda: memory.fail_next(TemporaryFailure("down")))


class ScriptedMailServer:
    """An SMTP server with STARTTLS and AUTH that, in the first conversation that comes to the step `at`, answers with `does`.

    That is an answer such as `450 4.2.0`, or `drops`, `is silent`, `offers no STARTTLS`, `speaks no TLS`. At other times it
    accepts everything. `accepted` has the recipients of the mails that it took, `names` what clients called themselves.
    """

    _ANSWERS: Mapping[str, str] = {
        "connection": "220 scripted",
        "EHLO": "250-scripted\r\n250-STARTTLS\r\n250 AUTH PLAIN",
        "STARTTLS": "220 go on",
        "AUTH": "235 welcome",
        "DATA": "354 go on",
    }

    def __init__(self, at: str = "", does: str = "", tls: ssl.SSLContext | None = None) -> None:
        self._at, self._does, self._tls = at, does, tls
        self._told: threading.Thread | None = None
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self.accepted: list[str] = []
        self.names: list[str] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        socket.create_connection(("127.0.0.1", self.port), 1).close()  # wakes the thread that accepts
        for thread in self._threads:
            thread.join(5)
        self._listening.close()

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listening.accept()
            connection.settimeout(5)
            if self._stopped.is_set():
                connection.close()
                return
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        recipient = ""
        with suppress(OSError, EOFError), closing(connection):
            accepts = self._answer(connection, "connection")
            while accepts or not self._stopped.is_set():
                line = _line_from(connection)
                step = {"HELO": "EHLO", "STAR": "STARTTLS"}.get(line[:4].upper(), line[:4].upper())
                accepts = self._answer(connection, step)
                if step == "EHLO":
                    self.names.append(line[5:])
                elif step == "RCPT":
                    recipient = line.partition("<")[2].partition(">")[0]
                elif step == "STARTTLS" and accepts:
                    assert self._tls is not None
                    connection = self._tls.wrap_socket(connection, server_side=True)
                elif step == "DATA" and accepts:
                    while _line_from(connection) != ".":
                        pass
                    if self._answer(connection, "content"):
                        self.accepted.append(recipient)
        connection.close()

    def _answer(self, connection: socket.socket, step: str) -> bool:
        """Returns whether it accepts the command; raises `EOFError` if the conversation is over."""
        answer = self._ANSWERS.get(step, "250 OK")
        if step != self._at or self._told not in (None, threading.current_thread()):
            connection.sendall(f"{answer}\r\n".encode())
            return True
        self._told = threading.current_thread()
        match self._does:
            case "drops":
                raise EOFError
            case "is silent":
                self._stopped.wait(2)
                raise EOFError
            case "offers no STARTTLS":
                connection.sendall(answer.replace("250-STARTTLS\r\n", "").encode() + b"\r\n")
                return True
            case "speaks no TLS":
                connection.sendall(f"{answer}\r\n".encode())
                connection.recv(1)
                connection.sendall(b"502 what?\r\n")
                while connection.recv(1024):
                    pass
                raise EOFError
            case answer_as_told:
                connection.sendall(f"{answer_as_told}\r\n".encode("latin-1"))
        return self._does[:3] == answer[:3] and self._does[3:4] != "-"


def _line_from(connection: socket.socket) -> str:
    line = bytearray()
    while not line.endswith(b"\n"):
        if not (byte := connection.recv(1)):
            raise EOFError
        line += byte
    return line.decode("latin-1").rstrip("\r\n")
