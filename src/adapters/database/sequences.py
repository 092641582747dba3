"""The counters that number rows: no number is given twice, not even where the row that had it is gone."""

from sqlalchemy import Connection, Table, case, column, func, select, text


def used(connection: Connection, table: Table) -> int:
    """The highest number that rows of this table have had; 0 where it has none, or does not number them."""
    numbered = table.autoincrement_column
    if numbered is None:
        return 0
    highest = connection.scalar(select(func.max(numbered))) or 0
    return max(highest, _counted(connection, table))


def set_used(connection: Connection, table: Table, number: int) -> None:
    """Within the transaction: the next row gets the number after this one."""
    if table.autoincrement_column is None:
        return
    if connection.dialect.name == "postgresql":  # setval would outlive a rollback
        connection.exec_driver_sql(f"ALTER SEQUENCE {_sequence(connection, table)} RESTART WITH {number + 1}")
        return
    given = {"name": table.name, "number": number}
    connection.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), given)
    connection.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :number)"), given)


def _counted(connection: Connection, table: Table) -> int:
    if connection.dialect.name == "postgresql":
        last = case((column("is_called"), column("last_value")), else_=column("last_value") - 1)
        return connection.scalar(select(last).select_from(text(_sequence(connection, table)))) or 0
    return connection.scalar(text("SELECT seq FROM sqlite_sequence WHERE name = :name"), {"name": table.name}) or 0


def _sequence(connection: Connection, table: Table) -> str:
    """Its name, as it may stand in a statement."""
    numbered = table.autoincrement_column
    name = connection.scalar(select(func.pg_get_serial_sequence(table.name, numbered.name if numbered is not None else "")))
    if name is None:
        raise LookupError(f"Nothing numbers the rows of {table.name}.")
    return str(name)
