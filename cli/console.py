"""`fairstall console`: the review console alone, over the store in the home folder or on PostgreSQL."""

from fairstall.cli.bundles import thresholds_in_force
from fairstall.cli.serve import control_key
from fairstall.cli.settings import (
    DEFAULT_GOLDEN_SHARE,
    DEFAULT_HOME,
    DEFAULT_HOST,
    DEFAULT_NEAR_DUPLICATES,
    DEFAULT_PORT,
    DEFAULT_STORE_DEADLINE_S,
    BundleSetting,
    DatabaseSetting,
    GoldenShareSetting,
    HomeSetting,
    HostSetting,
    NearDuplicatesSetting,
    PoliciesSetting,
    PortSetting,
    StoreDeadlineSetting,
    database_url,
)


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
) -> None:
    """Serve the review console under /console, without the scoring API."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.responses import RedirectResponse
    from starlette.routing import Mount, Route

    from fairstall.labeling.console import create_console
    from fairstall.model.policy_file import load_policies, starter_policies
    from fairstall.records.engine import migrate, open_engine

    engine = open_engine(database_url(home, database), deadline_s=store_deadline)
    migrate(engine)
    home.mkdir(parents=True, exist_ok=True)
    review = create_console(
        engine=engine,
        policies=load_policies(policies) if policies else starter_policies(),
        near_duplicates=near_duplicates,
        thresholds=thresholds_in_force(home, bundle),
        key=control_key(home),
        golden_share=golden_share,
    )
    app = Starlette(
        routes=[
            Route("/", lambda _request: RedirectResponse("/console/", status_code=307)),
            Mount("/console", review),
        ]
    )
    uvicorn.run(app, host=host, port=port)
