-- Everything of a database but its rows, in one short text: equal texts, equal databases once they are empty.
SELECT md5(concat_ws(
    ';',
    (SELECT string_agg(
        concat_ws(' ', oid, relname, relnamespace, relkind, relpersistence, relowner, relhastriggers, relhasrules,
            relrowsecurity, reloptions, relacl), ',' ORDER BY oid) FROM pg_class WHERE oid >= 16384),
    (SELECT string_agg(
        concat_ws(' ', attrelid, attnum, attname, atttypid, atttypmod, attnotnull, atthasdef, attisdropped, attacl),
        ',' ORDER BY attrelid, attnum) FROM pg_attribute WHERE attrelid >= 16384),
    (SELECT string_agg(concat_ws(' ', indexrelid, indisvalid, indisready, indisunique), ',' ORDER BY indexrelid)
        FROM pg_index WHERE indexrelid >= 16384),
    (SELECT string_agg(concat_ws(' ', oid, convalidated), ',' ORDER BY oid) FROM pg_constraint WHERE oid >= 16384),
    (SELECT string_agg(concat_ws(' ', oid, pg_get_expr(adbin, adrelid)), ',' ORDER BY oid) FROM pg_attrdef),
    (SELECT string_agg(version_num, ',') FROM alembic_version),
    (SELECT count(*) FROM pg_proc WHERE oid >= 16384),
    (SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal),
    (SELECT count(*) FROM pg_type WHERE oid >= 16384),
    (SELECT count(*) FROM pg_namespace),
    (SELECT count(*) FROM pg_extension),
    (SELECT count(*) FROM pg_statistic WHERE starelid >= 16384),
    (SELECT count(*) FROM pg_largeobject_metadata),
    (SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()),
    (SELECT count(*) FROM pg_db_role_setting AS s JOIN pg_database AS d ON d.oid = s.setdatabase
        WHERE d.datname = current_database())
))
