"""`fairstall console`: the review console alone, over the store in the home folder or on PostgreSQL."""

from datetime import timedelta
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
    PoliciesSetting,
    PortSetting,
    SessionHoursSetting,
    database_url,
)

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from starlette.applications import Starlette

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
) -> None:
    """Serve the review console under /console, without the scoring API."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.responses import RedirectResponse
    from starlette.routing import Mount, Route

    from fairstall.model.policy_file import load_policies, starter_policies
    from fairstall.records.engine import migrate, open_engine

    engine = open_engine(database_url(home, database))
    migrate(engine)
    app = build_console(
        engine,
        load_policies(policies) if policies else starter_policies(),
        session_hours=session_hours,
        idle_minutes=idle_minutes,
        keep_views_days=keep_views_days,
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
) -> "Starlette":
    """The console as the settings want it."""
    from fairstall.labeling.console import create_console
    from fairstall.labeling.sessions import SessionLimits

    return create_console(
        engine=engine,
        policies=policies,
        session_limits=SessionLimits(timedelta(hours=session_hours), timedelta(minutes=idle_minutes)),
        keep_views_days=keep_views_days,
    )
