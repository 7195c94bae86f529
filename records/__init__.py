"""The one system of record: tables, migrations and the few transactions everybody uses. No web pages and no scoring."""
