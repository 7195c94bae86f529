"""`fairstall console`: the review console alone, over the store in the home folder or on PostgreSQL."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from fairstall.cli.bundles import thresholds_in_force
from fairstall.cli.serve import control_key
from fairstall.cli.settings import (
    DEFAULT_GOLDEN_SHARE,
    DEFAULT_HOME,
    DEFAULT_HOST,
    DEFAULT_IDLE_MINUTES,
    DEFAULT_NEAR_DUPLICATES,
    DEFAULT_PORT,
    DEFAULT_SESSION_HOURS,
    DEFAULT_STORE_DEADLINE_S,
    KEEP_FOR_EVER,
    BundleSetting,
    DatabaseSetting,
    GoldenShareSetting,
    HomeSetting,
    HostSetting,
    IdleMinutesSetting,
    KeepViewsDaysSetting,
    NearDuplicatesSetting,
    OidcSecretSetting,
    OidcSetting,
    PoliciesSetting,
    PortSetting,
    SessionHoursSetting,
    StoreDeadlineSetting,
    database_url,
)
from fairstall.model.errors import MissingExtra

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from starlette.applications import Starlette

    from fairstall.labeling.oidc import Provider
    from fairstall.model.certificates import PolicyThresholds
    from fairstall.model.policies import PolicySet


def console(
    home: HomeSetting = DEFAULT_HOME,
    host: HostSetting = DEFAULT_HOST,
    port: PortSetting = DEFAULT_PORT,
    database: DatabaseSetting = None,
    bundle: BundleSetting = None,
    policies: PoliciesSetting = None,
    store_deadline: StoreDeadlineSetting = DEFAULT_STORE_DEADLINE_S,
    near_duplicates: NearDuplicatesSetting = DEFAULT_NEAR_DUPLICATES,
    golden_share: GoldenShareSetting = DEFAULT_GOLDEN_SHARE,
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
    from fairstall.records.engine import open_engine
    from fairstall.records.schema import migrate

    provider = provider_of(oidc, oidc_secret)
    engine = open_engine(database_url(home, database), deadline_s=store_deadline)
    migrate(engine)
    home.mkdir(parents=True, exist_ok=True)
    app = build_console(
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
    start = Route("/", lambda _request: RedirectResponse("/console/", status_code=307))
    uvicorn.run(Starlette(routes=[start, Mount("/console", app)]), host=host, port=port)


def build_console(
    engine: "Engine",
    policies: "PolicySet",
    *,
    near_duplicates: float,
    thresholds: "Callable[[], Mapping[str, PolicyThresholds]]",
    key: bytes,
    golden_share: float,
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
        near_duplicates=near_duplicates,
        thresholds=thresholds,
        key=key,
        golden_share=golden_share,
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
