"""Migrations lead to the tables that an empty store is given at once; processes that start together take turns."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, inspect, select, text

from fairstall.model.identifiers import earliest_id
from fairstall.records import schema as schema_module
from fairstall.records.engine import open_engine, reading, writing
from fairstall.records.leaves import digest_of_body
from fairstall.records.schema import migrate
from fairstall.records.seals import seal_all
from fairstall.records.tables import metadata
from fairstall.records.verification import Verification

MIGRATE = """
import sys
from fairstall.records.engine import open_engine
from fairstall.records.schema import migrate
sys.stdin.readline()
migrate(open_engine(sys.argv[1]))
"""


def schema(connection: Connection) -> dict[str, object]:
    """Everything that the database says of its tables, in an order of its own."""
    inspector = inspect(connection)
    return {
        table: {
            "columns": {c["name"]: {**c, "type": str(c["type"])} for c in inspector.get_columns(table)},
            "primary key": inspector.get_pk_constraint(table),
            "foreign keys": sorted(inspector.get_foreign_keys(table), key=str),
            "unique": sorted(inspector.get_unique_constraints(table), key=str),
            "checks": sorted(inspector.get_check_constraints(table), key=str),
            "indexes": index_statements(connection, table),
        }
        for table in inspector.get_table_names()
    }


def index_statements(connection: Connection, table: str) -> list[str]:
    if connection.dialect.name == "sqlite":
        query = "SELECT sql FROM sqlite_master WHERE tbl_name = :table AND type = 'index' AND sql IS NOT NULL"
    else:
        query = "SELECT indexdef FROM pg_indexes WHERE tablename = :table"
    return sorted(connection.execute(text(query), {"table": table}).scalars())


def upgrade(connection: Connection, version: str, folder: Path = schema_module._MIGRATIONS) -> None:
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.attributes["connection"] = connection
    command.upgrade(config, version)


def test_migrations_lead_to_the_tables_that_an_empty_store_is_given(store_url):
    engine, versions = open_engine(store_url), select(schema_module._VERSIONS)
    migrate(engine)
    with writing(engine) as connection:
        given, version = schema(connection), connection.execute(versions).all()
        metadata.drop_all(connection)
        schema_module._VERSIONS.drop(connection)
    with writing(engine) as connection:
        upgrade(connection, "head")
        assert schema(connection) == given
        assert connection.execute(versions).all() == version
    assert "alembic_version" in given
    engine.dispose()


def test_an_event_stored_before_webhooks_is_kept_and_queued_for_nobody(store_url):
    engine = open_engine(store_url)
    with writing(engine) as connection:
        upgrade(connection, "0001")
        event = "'e-1', 'decision.made', '{}', '2026-11-22T12:00:00.000000Z'"
        connection.execute(text(f"INSERT INTO events (event_id, kind, body, happened_at) VALUES ({event})"))
    migrate(engine)
    with reading(engine) as connection:
        assert connection.execute(text("SELECT event_id, kind FROM events")).all() == [("e-1", "decision.made")]
        assert connection.execute(text("SELECT count(*) FROM deliveries")).scalar_one() == 0
    engine.dispose()


def test_a_decision_stored_before_the_audit_chain_is_sealed_like_any_other(store_url):
    engine = open_engine(store_url)
    body = {"listing_id": "l", "seller_id": "s", "title": "Chair", "description": ""}
    assessment = '{"outcome": "approve", "findings": [], "doubts": [], "evasion": {}, "scores": {"p": 1e-05}}'
    at, digest = "2026-11-22T12:00:00.000000Z", digest_of_body(body)
    listing = f"'{digest}', 'l', 's', '{json.dumps(body)}', '{at}'"
    decision = (
        f"'{earliest_id(datetime.fromisoformat(at))}', 'l', 's', '{digest}', '{at}', 'approve', 'model', 'm', 'p'"
    )
    with writing(engine) as connection:
        upgrade(connection, "0006")
        run = connection.exec_driver_sql
        run(f"INSERT INTO listings (digest, listing_id, seller_id, body, received_at) VALUES ({listing})")
        columns = "decision_id, listing_id, seller_id, listing_digest, decided_at, outcome, actor, model_version"
        run(f"INSERT INTO decisions ({columns}, policies_version, assessment) VALUES ({decision}, '{assessment}')")
    migrate(engine)
    assert seal_all(engine, lambda: datetime.now(UTC)) == 1
    assert Verification(engine).run().rows == 1
    engine.dispose()


def test_migrating_again_changes_nothing(engine):
    with reading(engine) as connection:
        before = schema(connection)
    migrate(engine)
    with reading(engine) as connection:
        assert schema(connection) == before


def test_processes_that_migrate_at_once_take_turns(store_url):
    processes = [
        subprocess.Popen([sys.executable, "-c", MIGRATE, store_url], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    results = [process.communicate(b"go\n", timeout=60)[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], results
    engine = open_engine(store_url)
    with reading(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM alembic_version")).scalar_one() == 1
    engine.dispose()


def test_a_migration_that_fails_leaves_nothing_behind(store_url, tmp_path, monkeypatch):
    broken = tmp_path / "migrations"
    (broken / "versions").mkdir(parents=True)
    shipped = schema_module._MIGRATIONS
    (broken / "env.py").write_text((shipped / "env.py").read_text())
    (broken / "versions" / "0001.py").write_text("revision, down_revision = '0001', None\ndef upgrade():\n    pass\n")
    (broken / "versions" / "0002.py").write_text(
        "from alembic import op\nrevision, down_revision = '0002', '0001'\n"
        "def upgrade():\n    op.execute('CREATE TABLE half (done INTEGER)')\n    raise RuntimeError('broken')\n"
    )
    engine = open_engine(store_url)
    with writing(engine) as connection:
        upgrade(connection, "0001", broken)
    monkeypatch.setattr(schema_module, "_MIGRATIONS", broken)
    with pytest.raises(RuntimeError, match="broken"):
        migrate(engine)
    with reading(engine) as connection:
        assert inspect(connection).get_table_names() == ["alembic_version"]
        assert connection.execute(select(schema_module._VERSIONS)).scalar_one() == "0001"
    engine.dispose()


def test_migrations_form_one_line_and_only_go_forward():
    scripts = ScriptDirectory(str(schema_module._MIGRATIONS))
    revisions = list(scripts.walk_revisions())
    assert len(scripts.get_heads()) == 1
    assert [revision.revision for revision in reversed(revisions)] == [
        f"{number:04d}" for number in range(1, len(revisions) + 1)
    ]
    assert not any(hasattr(revision.module, "downgrade") for revision in revisions)


def test_tables_are_readable_by_plain_sqlalchemy_too(engine):
    plain = create_engine(engine.url)
    with plain.connect() as connection:
        assert set(metadata.tables) < set(inspect(connection).get_table_names())
    plain.dispose()
