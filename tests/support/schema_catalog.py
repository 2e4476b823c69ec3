"""The catalog of a database as text, for comparing schemas."""

from __future__ import annotations

import asyncpg

CATALOG = {
    "columns": """
        SELECT attrelid::regclass || '.' || attname || ' ' || attnum || ' ' || format_type(atttypid, atttypmod)
            || CASE WHEN attnotnull THEN ' not null' ELSE '' END || ' identity:' || attidentity::text
            || ' generated:' || attgenerated::text || ' default:' || coalesce(pg_get_expr(adbin, adrelid), '')
        FROM pg_attribute LEFT JOIN pg_attrdef ON (adrelid, adnum) = (attrelid, attnum)
        JOIN pg_class c ON c.oid = attrelid
        WHERE attnum > 0 AND NOT attisdropped AND c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
            AND c.relname <> 'alembic_version'
    """,
    "constraints": """
        SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace AND contype <> 'n' AND conrelid <> 0
            AND conrelid::regclass::text <> 'alembic_version'
    """,
    "indexes": """
        SELECT pg_get_indexdef(indexrelid) || CASE WHEN indisvalid THEN '' ELSE ' INVALID' END FROM pg_index
        JOIN pg_class c ON c.oid = indrelid
        WHERE c.relnamespace = 'public'::regnamespace AND c.relname <> 'alembic_version'
    """,
    "table options": """
        SELECT relname || ' ' || reloptions::text FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND reloptions IS NOT NULL
    """,
    "sequences": """
        SELECT concat_ws(' ', sequencename, data_type, start_value, increment_by, cycle) FROM pg_sequences
        WHERE schemaname = 'public'
    """,
    "functions": """
        SELECT pg_get_functiondef(p.oid) FROM pg_proc p WHERE pronamespace = 'public'::regnamespace
            AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
    """,
    "triggers": "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
}


async def first_column(url: str, sql: str) -> list[str]:
    """Return the first column of a query's rows as sorted texts."""
    connection = await asyncpg.connect(url)
    try:
        return sorted(str(row[0]) for row in await connection.fetch(sql))
    finally:
        await connection.close()


async def execute_statements(url: str, *statements: str) -> None:
    """Run statements, each in a transaction of its own."""
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def catalog(url: str) -> dict[str, list[str]]:
    """Return the whole catalog."""
    return {part: await first_column(url, sql) for part, sql in CATALOG.items()}


async def differences(one: str, other: str) -> dict[str, list[str]]:
    """Return the entries that only one of two databases has, by part of the catalog."""
    of_one, of_other = await catalog(one), await catalog(other)
    found = {part: sorted(set(of_one[part]) ^ set(of_other[part])) for part in CATALOG}
    return {part: different for part, different in found.items() if different}
