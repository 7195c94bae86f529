"""`fairstall console`: the review console alone, over the store in the home folder or on PostgreSQL."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from fairstall.cli.settings import (
    DEFAULT_HOME,
    DEFAULT_HOST,
    DEFAULT_IDLE_MINUTES,
    DEFAULT_PORT,
    DEFAULT_SESSION_HOURS,
    KEEP_FOR_EVER,
    DatabaseSetting,
    HomeSetting,
    HostSetting,
    IdleMinutesSetting,
    KeepViewsDaysSetting,
    OidcSecretSetting,
    OidcSetting,
    PoliciesSetting,
    PortSetting,
    SessionHoursSetting,
    database_url,
)
from fairstall.model.errors import MissingExtra

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from starlette.applications import Starlette

    from fairstall.labeling.oidc import Provider
    from fairstall.model.policies import PolicySet


def console(
    home: HomeSetting = DEFAULT_HOME,
    host: HostSetting = DEFAULT_HOST,
    port: PortSetting = DEFAULT_PORT,
    database: DatabaseSetting = None,
    policies: PoliciesSetting = None,
    session_hours: SessionHoursSetting = DEFAULT_SESSION_HOURS,
    idle_minutes: IdleMinutesSetting = DEFAULT_IDLE_MINUTES,
    keep_views_days: KeepViewsDaysSetting = KEEP_FOR_EVER,
    oidc: OidcSetting = None,
    oidc_secret: OidcSecretSetting = None,
) -> None:
    """Serve the review console under /console, without the scoring API."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.responses import RedirectResponse
    from starlette.routing import Mount, Route

    from fairstall.model.policy_file import load_policies, starter_policies
    from fairstall.records.engine import migrate, open_engine

    provider = provider_of(oidc, oidc_secret)
    engine = open_engine(database_url(home, database))
    migrate(engine)
    app = build_console(
        engine,
        load_policies(policies) if policies else starter_policies(),
        session_hours=session_hours,
        idle_minutes=idle_minutes,
        keep_views_days=keep_views_days,
        provider=provider,
    )
    start = Route("/", lambda _request: RedirectResponse("/console/", status_code=307))
    uvicorn.run(Starlette(routes=[start, Mount("/console", app)]), host=host, port=port)


def build_console(
    engine: "Engine",
    policies: "PolicySet",
    *,
    session_hours: float,
    idle_minutes: float,
    keep_views_days: int,
    provider: "Provider | None",
) -> "Starlette":
    """The console as the settings want it."""
    from fairstall.labeling.console import create_console
    from fairstall.labeling.sessions import SessionLimits

    return create_console(
        engine=engine,
        policies=policies,
        session_limits=SessionLimits(timedelta(hours=session_hours), timedelta(minutes=idle_minutes)),
        keep_views_days=keep_views_days,
        provider=provider,
    )


def provider_of(oidc: Path | None, secret: str | None) -> "Provider | None":
    """The identity provider that a file tells of. Raises SetupError."""
    if oidc is None:
        return None
    from fairstall.labeling.console import utc_now
    from fairstall.labeling.oidc_settings import load_oidc_settings

    settings = load_oidc_settings(oidc, secret)
    try:
        from fairstall.labeling.oidc import Provider
    except ModuleNotFoundError as error:
        raise MissingExtra("--oidc", "oidc") from error
    return Provider(settings, utc_now)
