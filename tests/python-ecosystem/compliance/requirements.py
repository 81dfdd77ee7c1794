"""What SQLAlchemy's suite may expect; what it may not, with the reasons.

What is named in neither table is as SQLAlchemy itself has it for a dialect that it does not know.
"""

from sqlalchemy.testing import exclusions
from sqlalchemy.testing.requirements import SuiteRequirements

SUPPORTED = """
    aggregate_order_by async_dialect autocommit boolean_col_expressions check_constraint_reflection
    computed_columns computed_columns_default_persisted computed_columns_reflect_persisted
    computed_columns_stored computed_columns_virtual create_table_as create_temp_table_as ctes
    ctes_on_dml ctes_with_update_delete date_historic datetime_historic dbapi_lastrowid except_
    expression_server_defaults fk_constraint_option_reflection_ondelete_noaction
    fk_constraint_option_reflection_ondelete_restrict
    fk_constraint_option_reflection_onupdate_restrict foreign_key_constraint_name_reflection
    foreign_key_constraint_option_reflection_ondelete
    foreign_key_constraint_option_reflection_onupdate has_temp_table index_ddl_if_exists
    indexes_with_expressions infinity_floats
    inline_check_constraint_reflection intersect isolation_level json_type
    mod_operator_as_percent_sign nullsordering order_by_label_with_expression
    percent_schema_names precision_numerics_enotation_small reflect_table_options
    reflects_pk_names savepoints server_defaults skip_autocommit_rollback supports_bitwise_and
    supports_bitwise_not supports_bitwise_or supports_bitwise_shift supports_bitwise_xor
    table_ddl_if_exists temp_table_names temporary_views timestamp_microseconds tuple_in
    unicode_ddl update_from views window_functions window_range window_range_numeric
    window_range_non_numeric datetime_literals column_collation_reflection repeated_column_foreign_keys
    repeated_remote_col_foreign_keys deferrable_fks indexes_check_column_order
    reflect_indexes_with_expressions ctes_with_values table_value_constructor
    precision_numerics_retains_significant_digits precision_numerics_many_significant_digits
    json_deserializer_binary non_updating_cascade nvarchar_types
""".split()

EXCLUDED: dict[str, str] = {
}


class Requirements(SuiteRequirements):
    pass


for _name in SUPPORTED:
    setattr(Requirements, _name, property(lambda self: exclusions.open()))
for _name, _reason in EXCLUDED.items():
    setattr(Requirements, _name, property(lambda self, why=_reason: exclusions.skip_if(lambda: True, why)))
