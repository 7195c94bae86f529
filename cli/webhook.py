"""`fairstall webhook`: the endpoints that are told of events. A new secret is printed alone, and only once."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from fairstall.cli.settings import DEFAULT_HOME, DatabaseSetting, HomeSetting, WebhookNetworksSetting
from fairstall.cli.store import opened_store
from fairstall.model.errors import ServiceError
from fairstall.records import redelivery, webhooks
from fairstall.records.deliveries import DeliveryState, Target

if TYPE_CHECKING:
    from fairstall.serving.webhooks.sender import Answer

app = typer.Typer(
    name="webhook", help="Register endpoints that are told of events.", no_args_is_help=True, add_completion=False
)

Endpoint: TypeAlias = Annotated[str, typer.Argument(help="An endpoint's id or URL, as `fairstall webhook list` shows.")]
Moment: TypeAlias = Annotated[datetime, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="In UTC.")]


@app.command()
def add(
    url: Annotated[str, typer.Argument(help="Where events are posted to; https, unless it is on this machine.")],
    kinds: Annotated[str, typer.Option(help="The kinds of events to send, comma-separated. By default all.")] = "",
    allow_http: Annotated[
        bool, typer.Option("--allow-http", help="Allow http, which anybody between can read.")
    ] = False,
    home: HomeSetting = DEFAULT_HOME,
    database: DatabaseSetting = None,
) -> None:
    """Register an endpoint and print its secret, alone, on standard output. It gets what happens from now on."""
    chosen = [kind.strip() for kind in kinds.split(",") if kind.strip()]
    with opened_store(home, database) as engine:
        new = webhooks.add_endpoint(engine, url, chosen, now=_now(), allow_http=allow_http)
    _show_once(new)


@app.command("list")
def list_(home: HomeSetting = DEFAULT_HOME, database: DatabaseSetting = None) -> None:
    """Print id, URL, kinds, state, and how many deliveries wait and failed, tab-separated, oldest first."""
    with opened_store(home, database) as engine:
        for one in webhooks.list_endpoints(engine):
            state = f"{one.state}: {one.reason}" if one.reason else str(one.state)
            if one.state == "enabled" and one.failing_since:
                state = f"failing since {one.failing_since:%Y-%m-%dT%H:%M:%SZ}"
            counts = (f"{one.waiting} waiting", f"{one.failed} failed")
            typer.echo("\t".join((one.endpoint_id, one.url, ",".join(one.kinds) or "all", state, *counts)))


@app.command()
def remove(endpoint: Endpoint, home: HomeSetting = DEFAULT_HOME, database: DatabaseSetting = None) -> None:
    """Take an endpoint out of use for good, with its secret and what waits for it."""
    with opened_store(home, database) as engine:
        webhooks.remove_endpoint(engine, endpoint, now=_now())
    typer.echo(f"{endpoint} is removed.", err=True)


@app.command()
def disable(endpoint: Endpoint, home: HomeSetting = DEFAULT_HOME, database: DatabaseSetting = None) -> None:
    """Send nothing to an endpoint until it is enabled; what happens meanwhile is not queued for it."""
    with opened_store(home, database) as engine:
        webhooks.disable_endpoint(engine, endpoint, now=_now())
    typer.echo(f"{endpoint} is disabled.", err=True)


@app.command()
def enable(endpoint: Endpoint, home: HomeSetting = DEFAULT_HOME, database: DatabaseSetting = None) -> None:
    """Send to an endpoint again that was disabled; `replay` brings it what it missed."""
    with opened_store(home, database) as engine:
        webhooks.enable_endpoint(engine, endpoint, now=_now())
    typer.echo(f"{endpoint} is enabled.", err=True)


@app.command()
def rotate(
    endpoint: Endpoint,
    overlap_hours: Annotated[
        float, typer.Option(min=0.0, max=720.0, help="How long the old secret signs beside the new one.")
    ] = 24.0,
    home: HomeSetting = DEFAULT_HOME,
    database: DatabaseSetting = None,
) -> None:
    """Give an endpoint a new secret and print it, alone, on standard output."""
    with opened_store(home, database) as engine:
        new = webhooks.rotate_secret(engine, endpoint, overlap=timedelta(hours=overlap_hours), now=_now())
    _show_once(new)


@app.command("test")
def ping(
    endpoint: Endpoint,
    home: HomeSetting = DEFAULT_HOME,
    database: DatabaseSetting = None,
    webhook_networks: WebhookNetworksSetting = "",
) -> None:
    """Send an event of the kind webhook.ping from here, once, and print what the endpoint answered."""
    with opened_store(home, database) as engine:
        target = webhooks.target_of(engine, endpoint)
    answer = asyncio.run(_post_ping(target, webhook_networks))
    if not answer.accepted:
        raise ServiceError(f"{target.url} did not take the ping: {answer.told}")
    typer.echo(f"{target.url} took the ping: {answer.told}")


@app.command()
def deliveries(
    endpoint: Endpoint,
    state: Annotated[DeliveryState, typer.Option(help="Which deliveries to show.")] = DeliveryState.FAILED,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    home: HomeSetting = DEFAULT_HOME,
    database: DatabaseSetting = None,
) -> None:
    """Print an endpoint's deliveries, newest first: event id, kind, attempts, time and result of the last one."""
    with opened_store(home, database) as engine:
        for one in redelivery.list_deliveries(engine, endpoint, state=state, at_most=limit):
            at = f"{one.attempted_at:%Y-%m-%dT%H:%M:%SZ}" if one.attempted_at else "-"
            typer.echo("\t".join((one.event_id, one.kind, str(one.attempts), at, one.result or "-")))


@app.command()
def retry(endpoint: Endpoint, home: HomeSetting = DEFAULT_HOME, database: DatabaseSetting = None) -> None:
    """Begin anew with every delivery to an endpoint that failed for good."""
    with opened_store(home, database) as engine:
        count = redelivery.retry_failed(engine, endpoint, now=_now())
    typer.echo(f"Deliveries due again: {count}", err=True)


@app.command()
def replay(
    endpoint: Endpoint,
    since: Moment,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="By default now.")
    ] = None,
    home: HomeSetting = DEFAULT_HOME,
    database: DatabaseSetting = None,
) -> None:
    """Send every event of a span of time again, also those that the endpoint missed while it was disabled."""
    now = _now()
    begin, end = since.replace(tzinfo=UTC), until.replace(tzinfo=UTC) if until else now
    with opened_store(home, database) as engine:
        count = redelivery.replay(engine, endpoint, since=begin, until=end, now=now)
    typer.echo(f"Events due: {count}", err=True)


async def _post_ping(target: Target, networks: str) -> "Answer":
    from fairstall.serving.webhooks.addresses import AddressRules, read_networks
    from fairstall.serving.webhooks.message import ping_event, sign_message
    from fairstall.serving.webhooks.sender import Sender

    sender, now = Sender(AddressRules(read_networks(networks))), _now()
    try:
        return await sender.post(target.url, sign_message(ping_event(now), target.secrets, now=now))
    finally:
        sender.close()


def _show_once(new: webhooks.NewSecret) -> None:
    typer.echo(new.secret)
    typer.echo(f"Endpoint {new.endpoint_id}: keep its secret now, it is not shown again.", err=True)


def _now() -> datetime:
    return datetime.now(UTC)
