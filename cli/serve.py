"""`fairstall serve`: the scoring API on a port. What `fairstall up` shares with it is built here too."""

import ctypes
import gc
import logging
import os
import secrets
import socket
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fairstall.cli.bundles import bundle_in_force
from fairstall.cli.settings import (
    DEFAULT_CONTROL_RATE,
    DEFAULT_DEADLINE_S,
    DEFAULT_HOME,
    DEFAULT_HOST,
    DEFAULT_MODEL_EVIDENCE,
    DEFAULT_NEAR_DUPLICATES,
    DEFAULT_PORT,
    DEFAULT_REMEMBERED_TEXTS,
    DEFAULT_STORE_DEADLINE_S,
    TRACES_TO,
    BundleSetting,
    ControlRateSetting,
    DatabaseSetting,
    DeadlineSetting,
    HomeSetting,
    HostSetting,
    ModelEvidenceSetting,
    NearDuplicatesSetting,
    PoliciesSetting,
    PortSetting,
    RememberedTextsSetting,
    StoreDeadlineSetting,
    WebhookNetworksSetting,
    database_url,
    models_folder,
    traces_wanted,
)
from fairstall.model.bundle import Bundle
from fairstall.model.control import ControlSample, ListingShare
from fairstall.model.deployed import POINTER_FILE, Beside, Role
from fairstall.model.errors import MissingExtra, SetupError
from fairstall.model.policies import PolicySet
from fairstall.model.policy_file import load_policies, starter_policies

if TYPE_CHECKING:
    from collections.abc import Callable

    import uvicorn
    from fastapi import FastAPI
    from sqlalchemy import Engine

    from fairstall.model.assess import LookAlikes
    from fairstall.serving.app import Parts
    from fairstall.serving.batcher import Batcher
    from fairstall.serving.besides import BesideWatch
    from fairstall.serving.blocked import BlockedIndex
    from fairstall.serving.explaining import Explaining
    from fairstall.serving.limits import Limits
    from fairstall.serving.metrics import Telemetry
    from fairstall.serving.reload import Canary
    from fairstall.serving.shadowing import Shadowing
    from fairstall.serving.tracing import Tracing
    from fairstall.serving.webhooks.background import CourierThread
    from fairstall.serving.writer import SubmissionStore

log = logging.getLogger("fairstall.serving")

CONTROL_KEY_FILE = "control.key"
CONTROL_KEY_BYTES = 32
DRAIN_S = 30
TURN_S = 0.001  # after which a thread that computes makes room for another that waits; Python's own is 0.005
YOUNG_OBJECTS = 10_000  # made before the collector looks at them; Python's 700 are there after a few requests
KEEP_ALIVE_S = 75  # longer than the idle time of common load balancers


def serve(
    home: HomeSetting = DEFAULT_HOME,
    host: HostSetting = DEFAULT_HOST,
    port: PortSetting = DEFAULT_PORT,
    database: DatabaseSetting = None,
    bundle: BundleSetting = None,
    policies: PoliciesSetting = None,
    control_rate: ControlRateSetting = DEFAULT_CONTROL_RATE,
    near_duplicates: NearDuplicatesSetting = DEFAULT_NEAR_DUPLICATES,
    deadline: DeadlineSetting = DEFAULT_DEADLINE_S,
    store_deadline: StoreDeadlineSetting = DEFAULT_STORE_DEADLINE_S,
    remembered_texts: RememberedTextsSetting = DEFAULT_REMEMBERED_TEXTS,
    model_evidence: ModelEvidenceSetting = DEFAULT_MODEL_EVIDENCE,
    webhook_networks: WebhookNetworksSetting = "",
) -> None:
    """Serve the scoring API until SIGTERM or Ctrl-C; requests in flight are answered first."""
    gc.disable()  # until it serves: nearly all that is made before stays for good
    log_json_lines()
    listener = listen(host, port)
    app = build_scoring_app(
        home=home,
        database=database_url(home, database),
        bundle=bundle,
        policies=policies,
        control_rate=control_rate,
        near_duplicates=near_duplicates,
        deadline_s=deadline,
        store_deadline_s=store_deadline,
        remembered_texts=remembered_texts,
        model_evidence=model_evidence,
        webhook_networks=webhook_networks,
    )
    run_app(app, listener)


def build_scoring_app(
    *,
    home: Path,
    database: str,
    bundle: Path | None,
    policies: Path | None,
    control_rate: float,
    webhook_networks: str = "",
    near_duplicates: float = DEFAULT_NEAR_DUPLICATES,
    deadline_s: float = DEFAULT_DEADLINE_S,
    store_deadline_s: float = DEFAULT_STORE_DEADLINE_S,
    remembered_texts: int = DEFAULT_REMEMBERED_TEXTS,
    model_evidence: bool = DEFAULT_MODEL_EVIDENCE,
    store: "SubmissionStore | None" = None,
) -> "FastAPI":
    """The scoring app, its store migrated and its model loaded and warm; other apps can be mounted on it.

    Without `bundle` it serves the champion in the home folder, or the starter bundle as long as there is none, and
    takes up each newly promoted one. With a `store` decisions go there instead of into the database.

    Raises SetupError or StoreUnavailable.
    """
    from fairstall.model.assess import none_known
    from fairstall.serving.batcher import open_batcher
    from fairstall.serving.limits import Limits
    from fairstall.serving.metrics import Telemetry
    from fairstall.serving.reload import BundleWatch, ModelInService, pointer_signature

    home.mkdir(parents=True, exist_ok=True)
    limits = Limits(deadline_s=deadline_s, store_deadline_s=store_deadline_s, remembered_texts=remembered_texts)
    telemetry, folder = Telemetry(), models_folder(home)
    seen = pointer_signature(folder / POINTER_FILE)
    policy_set = load_policies(policies) if policies else starter_policies()
    control = ControlSample(control_key(home), control_rate)
    blocked = blocked_index(limits, near_duplicates)
    look_alikes = none_known if blocked is None else blocked.resembled
    opened = partial(
        open_batcher,
        policies=policy_set,
        control=control,
        limits=limits,
        on_batch=telemetry.batch,
        look_alikes=look_alikes,
    )
    with ThreadPoolExecutor(1) as pool:
        opening = pool.submit(lambda: opened(bundle_in_force(home, bundle)))
        # All that needs no model is imported and opened meanwhile.
        from fairstall.serving.app import Parts, create_app, utc_now
        from fairstall.serving.blocked_watch import BlockedWatch
        from fairstall.serving.sealing import SealingPasses
        from fairstall.serving.tallying import TallyPasses

        engine = migrated_store(database, deadline_s=store_deadline_s)
        tracing = request_tracing() if traces_wanted() else None
        courier = webhook_courier(engine, telemetry, webhook_networks, tracing)
        model = ModelInService(opening.result(), telemetry)
    watch = None if bundle else BundleWatch(folder, model, opened, telemetry, seen=seen)
    log.info("serving %s", model.batcher.assessor.versions.model)
    parts = Parts(engine, model, telemetry, allowed_limits(limits), watch)
    return create_app(
        replace(
            parts,
            store=store,
            blocked=None if blocked is None else BlockedWatch(engine, blocked, telemetry, utc_now),
            sealing=SealingPasses(engine, utc_now),
            explaining=explaining(parts) if model_evidence else None,
            tallying=TallyPasses(engine, utc_now),
            courier=courier,
            shadowing=shadowing(parts, folder, policy_set, control, look_alikes),
            canary=None if bundle else canary_watch(parts, folder, opened, control),
            tracing=tracing,
        )
    )


def migrated_store(database: str, *, deadline_s: float) -> "Engine":
    """The store at its newest schema; what comes later has a deadline. Raises SetupError or StoreUnavailable."""
    from fairstall.records.engine import open_engine
    from fairstall.records.schema import migrate

    engine = open_engine(database, deadline_s=deadline_s)
    migrate(engine)
    return engine


def allowed_limits(limits: "Limits") -> "Limits":
    """The same, with no more connections than this process may have files open."""
    from fairstall.serving.connections import room_for_connections

    return replace(limits, connections=room_for_connections(limits.connections))


def canary_watch(
    parts: "Parts", folder: Path, opened: "Callable[[Bundle], Batcher]", control: ControlSample
) -> "BesideWatch[Canary]":
    """What lets the canary that the models folder names answer its share, drawn independently of the control sample."""
    from fairstall.serving.besides import BesideWatch
    from fairstall.serving.reload import Canary

    def open_canary(bundle: Bundle, beside: Beside) -> Canary:
        return Canary(opened(bundle), ListingShare(control.key, Role.CANARY, beside.share))

    telemetry = parts.telemetry
    return BesideWatch(
        folder, Role.CANARY, open_canary, parts.model.set_canary, lambda: telemetry.canary_fell_back("load")
    )


def shadowing(
    parts: "Parts", folder: Path, policies: PolicySet, control: ControlSample, look_alikes: "LookAlikes"
) -> "Shadowing":
    """What takes up the shadow that the models folder names, and stores what it finds."""
    from fairstall.records.shadow import record_comparisons
    from fairstall.serving.shadow import ShadowParts
    from fairstall.serving.shadowing import Shadowing

    made_of = ShadowParts(
        policies=policies,
        control=control,
        look_alikes=look_alikes,
        wait_until_idle=parts.model.wait_until_idle,
        store=partial(record_comparisons, parts.engine),
        telemetry=parts.telemetry,
        clock=parts.clock,
        most_tokens=parts.limits.shadow_tokens,
    )
    return Shadowing(folder, made_of.open, parts.telemetry)


def explaining(parts: "Parts") -> "Explaining":
    """What finds the model evidence of open cases while the app runs."""
    from fairstall.serving.explaining import Explaining

    most_waiting = parts.limits.unexplained_cases
    return Explaining(parts.engine, parts.model, parts.telemetry, parts.clock, most_waiting=most_waiting)


def blocked_index(limits: "Limits", threshold: float) -> "BlockedIndex | None":
    """What compares listings with blocked ones; None for a threshold of 0."""
    from fairstall.serving.blocked import BlockedIndex

    return BlockedIndex(most=limits.blocked_prints, threshold=threshold) if threshold else None


def webhook_courier(
    engine: "Engine", telemetry: "Telemetry", networks: str, tracing: "Tracing | None"
) -> "CourierThread":
    """What delivers the store's events while the app runs. Raises SetupError for networks that cannot be read."""
    from fairstall.records.deliveries import DeliveryQueue
    from fairstall.serving.app import utc_now
    from fairstall.serving.webhooks.addresses import AddressRules, read_networks
    from fairstall.serving.webhooks.background import CourierThread
    from fairstall.serving.webhooks.courier import Courier
    from fairstall.serving.webhooks.sender import Sender

    rules = AddressRules(read_networks(networks))
    return CourierThread(Courier(DeliveryQueue(engine), Sender(rules), telemetry, utc_now, tracing=tracing))


def request_tracing() -> "Tracing":
    """What traces requests and webhooks, set up by OpenTelemetry's own variables. Raises MissingExtra."""
    try:
        from fairstall.serving.open_telemetry import export_traces
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("opentelemetry"):
            raise
        raise MissingExtra(" or ".join(TRACES_TO), "tracing") from error
    return export_traces()


def control_key(home: Path) -> bytes:
    """The key that draws the control sample, made once for each home folder and readable by its owner alone."""
    path = home / CONTROL_KEY_FILE
    if not path.exists():
        _make_control_key(path)
    key = path.read_bytes()
    if len(key) != CONTROL_KEY_BYTES:
        raise SetupError(f"{path} has {len(key)} bytes instead of {CONTROL_KEY_BYTES}: restore it, or move it away")
    return key


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises SetupError when the address is taken or not ours."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise SetupError(f"cannot listen on {host}:{port}: {error.strerror}; choose another --port") from error


def run_app(app: "FastAPI", listener: socket.socket) -> None:
    """Serve on a listening socket until SIGTERM or SIGINT, and answer what is in flight before it ends."""
    import uvicorn

    config = server_config(app)
    take_short_turns()
    # What was loaded so far stays for good: the collector need not walk it again while requests wait.
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)
    gc.enable()
    give_back_memory()
    host, port = listener.getsockname()[:2]
    log.info("listening on http://%s:%d", host, port)
    uvicorn.Server(config).run(sockets=[listener])


def take_short_turns() -> None:
    """Let the threads of a service wait less for each other: many of them answer, and none has long to compute."""
    sys.setswitchinterval(TURN_S)


def give_back_memory() -> None:
    """Return to the system what only starting needed; glibc would keep it, other libraries need not be told."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)


def server_config(app: "FastAPI") -> "uvicorn.Config":
    """How uvicorn serves an app. Nobody here speaks WebSocket, so a request for one is a request like any other."""
    import uvicorn

    return uvicorn.Config(
        app,
        loop="uvloop",
        http=app.state.connection,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=DRAIN_S,
    )


def log_json_lines() -> None:
    """Log to standard error, one JSON object a line."""
    from fairstall.serving.log_lines import JsonLines

    handler: logging.Handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # None of this is in a line.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.getLogger("alembic").setLevel(logging.WARNING)


def _make_control_key(path: Path) -> None:
    """Written aside and linked into place, so that of two processes that start together one key wins, whole."""
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=".control-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(CONTROL_KEY_BYTES))
        os.link(aside, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(aside)
