"""What SQLAlchemy's suite may expect; what it may not, with the reasons.

What is named in neither table is as SQLAlchemy itself has it for a dialect that it does not know.
"""

from sqlalchemy.testing import exclusions
from sqlalchemy.testing.requirements import SuiteRequirements

SUPPORTED = """
    aggregate_order_by async_dialect autocommit boolean_col_expressions
    check_constraint_reflection column_collation_reflection computed_columns
    computed_columns_reflect_persisted computed_columns_stored computed_columns_virtual
    create_table_as create_temp_table_as ctes ctes_on_dml ctes_with_update_delete
    date_historic datetime_historic datetime_literals dbapi_lastrowid except_
    expression_server_defaults fk_constraint_option_reflection_ondelete_noaction
    fk_constraint_option_reflection_ondelete_restrict
    fk_constraint_option_reflection_onupdate_restrict foreign_key_constraint_name_reflection
    foreign_key_constraint_option_reflection_ondelete
    foreign_key_constraint_option_reflection_onupdate has_temp_table index_ddl_if_exists
    indexes_check_column_order infinity_floats inline_check_constraint_reflection intersect
    isolation_level json_type mod_operator_as_percent_sign nullsordering
    order_by_label_with_expression percent_schema_names precision_numerics_enotation_small
    reflect_table_options reflects_pk_names repeated_column_foreign_keys
    repeated_remote_col_foreign_keys savepoints server_defaults skip_autocommit_rollback
    supports_bitwise_and supports_bitwise_not supports_bitwise_or supports_bitwise_shift
    supports_bitwise_xor table_ddl_if_exists temp_table_names
    temporary_views timestamp_microseconds tuple_in update_from views window_functions
    window_range window_range_numeric
""".split()

EXCLUDED = {
    "schemas": "schemas are SQLite's attached files: one database is what is replicated together",
    "regexp_match": "SQLite has no REGEXP of its own, and no function can be added over a wire",
    "regexp_replace": "SQLite has none, and no function can be added over a wire",
    "two_phase_transactions": "SQLite has none",
    "unicode_ddl": "its tables for SQLite have foreign keys to columns that are not unique, which "
    "plain SQLite does not check unless it is asked to, and nodes do",
    "non_updating_cascade": "foreign keys are enforced",
    "deferrable_fks": "its tables refer to columns that are not unique",
    "implicitly_named_constraints": "SQLite gives constraints no names of its own",
    "parens_in_union_contained_select_w_limit_offset": "SQLite has no parentheses in a UNION",
    "parens_in_union_contained_select_wo_limit_offset": "SQLite has no parentheses in a UNION",
    "precision_numerics_many_significant_digits": "SQLite's numbers have 15 significant digits",
    "precision_numerics_retains_significant_digits": "SQLite's numbers do not keep trailing zeros",
    "cast_precision_numerics_many_significant_digits": "SQLite's numbers have 15 significant digits",
    "table_value_constructor": "SQLite gives the columns of VALUES no names",
    "ctes_with_values": "SQLite gives the columns of VALUES no names",
    "window_range_non_numeric": "dates are texts, from which SQLite cannot subtract an interval",
    "server_side_cursors": "the suite knows by their names which drivers have them; our own tests "
    "stream rows",
    "implicit_decimal_binds": "a Decimal is bound as text, and SQLite's numbers are binary",
    "indexes_with_expressions": "SQLAlchemy does not reflect expressions of SQLite's indexes",
    "json_deserializer_binary": "JSON is text",
    "computed_columns_default_persisted": "computed columns of SQLite are virtual by default",
}


class Requirements(SuiteRequirements):
    pass


for _name in SUPPORTED:
    setattr(Requirements, _name, property(lambda self: exclusions.open()))
for _name, _reason in EXCLUDED.items():
    _skipped = exclusions.skip_if(exclusions.BooleanPredicate(True, _reason))
    setattr(Requirements, _name, property(lambda self, skipped=_skipped: skipped))
