"""`fairstall up`: everything on one port, with a first login, for a first look and for one machine in production."""

import gc
import json
import logging
import shlex
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from fairstall.cli.bundles import thresholds_in_force
from fairstall.cli.console import build_console, provider_of
from fairstall.cli.first_login import FILE, FirstLogin, first_login
from fairstall.cli.serve import build_scoring_app, control_key, listen, log_json_lines, run_app
from fairstall.cli.settings import (
    DEFAULT_CONTROL_RATE,
    DEFAULT_DEADLINE_S,
    DEFAULT_GOLDEN_SHARE,
    DEFAULT_HOME,
    DEFAULT_HOST,
    DEFAULT_IDLE_MINUTES,
    DEFAULT_MODEL_EVIDENCE,
    DEFAULT_NEAR_DUPLICATES,
    DEFAULT_PORT,
    DEFAULT_REMEMBERED_TEXTS,
    DEFAULT_SESSION_HOURS,
    DEFAULT_STORE_DEADLINE_S,
    KEEP_FOR_EVER,
    BundleSetting,
    ControlRateSetting,
    DatabaseSetting,
    DeadlineSetting,
    GoldenShareSetting,
    HomeSetting,
    HostSetting,
    IdleMinutesSetting,
    KeepViewsDaysSetting,
    ModelEvidenceSetting,
    NearDuplicatesSetting,
    OidcSecretSetting,
    OidcSetting,
    PoliciesSetting,
    PortSetting,
    RememberedTextsSetting,
    SessionHoursSetting,
    StoreDeadlineSetting,
    WebhookNetworksSetting,
    database_url,
)
from fairstall.model.policy_file import load_policies, starter_policies

if TYPE_CHECKING:
    from starlette.applications import Starlette

EXAMPLE = {
    "listing_id": "1",
    "seller_id": "ana",
    "title": "Scrimshaw on genuine whale tooth",
    "description": "Old piece from a family estate, 14 cm.",
}


def up(
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
    golden_share: GoldenShareSetting = DEFAULT_GOLDEN_SHARE,
    session_hours: SessionHoursSetting = DEFAULT_SESSION_HOURS,
    idle_minutes: IdleMinutesSetting = DEFAULT_IDLE_MINUTES,
    keep_views_days: KeepViewsDaysSetting = KEEP_FOR_EVER,
    oidc: OidcSetting = None,
    oidc_secret: OidcSecretSetting = None,
) -> None:
    """Serve the scoring API and the review console on one port, and print how to log in and how to score."""
    from fairstall.records.engine import open_engine

    gc.disable()  # as in `serve`, until it serves
    log_json_lines()
    logging.getLogger().setLevel(logging.WARNING)  # a person reads this terminal
    provider = provider_of(oidc, oidc_secret)
    listener = listen(host, port)
    url = database_url(home, database)
    app = build_scoring_app(
        home=home,
        database=url,
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
    engine = open_engine(url, deadline_s=store_deadline)
    console = build_console(
        engine,
        load_policies(policies) if policies else starter_policies(),
        near_duplicates=near_duplicates,
        thresholds=thresholds_in_force(home, bundle),
        key=control_key(home),
        golden_share=golden_share,
        session_hours=session_hours,
        idle_minutes=idle_minutes,
        keep_views_days=keep_views_days,
        provider=provider,
    )
    mount_console(app, console)
    login = first_login(engine, home, lambda: datetime.now(UTC))
    address = f"http://{reachable(host)}:{listener.getsockname()[1]}"
    typer.echo(welcome(address, login, passwords=provider is None or provider.settings.passwords))
    run_app(app, listener)


def reachable(host: str) -> str:
    """What to write into a browser on this machine for the address that the server listens on."""
    return "localhost" if host in ("0.0.0.0", "::", "") else host


def mount_console(app: "Starlette", console: "Starlette") -> None:
    """The console under /console, and the bare address leading to it."""
    from starlette.responses import RedirectResponse

    app.mount("/console", console)
    app.add_route("/", lambda _request: RedirectResponse("/console/", status_code=307))


def welcome(address: str, login: FirstLogin | None, *, passwords: bool = True) -> str:
    """What a newcomer needs to know, in the order of need."""
    key = login.api_key if login else "YOUR_KEY"
    curl = " \\\n    ".join(
        (
            f"curl -s {address}/v1/score",
            f"-H 'Authorization: Bearer {key}'",
            "-H 'Content-Type: application/json'",
            f"-d {shlex.quote(json.dumps(EXAMPLE))}",
        )
    )
    if not passwords:
        who = "log in with single sign-on"
    elif login:
        who = f"log in as {login.user} with the password {login.password}"
    else:
        who = "log in with your own name (fairstall user create NAME adds one)"
    kept = f"\n  The login and the key are in {FILE} in the home folder until you delete it.\n" if login else ""
    return f"""
Fairstall is up.

  Console  {address}/console/   {who}
  API      {address}/v1/score   described at {address}/openapi.json

  Score a listing:

  {curl}
{kept}
  Ctrl-C ends it; everything answered is kept.
"""
