-- The field mapping as a whole after each change of it, so that people see what was changed and can go back.
CREATE TABLE pugmark.mapping_versions (
    version        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at             TIMESTAMPTZ NOT NULL,
    actor          TEXT NOT NULL,
    -- mapping.create, mapping.update, mapping.delete, mapping.restore; mapping.found: changed past Pugmark, or never noted before.
    action         TEXT NOT NULL,
    reason         TEXT NOT NULL,
    correlation_id TEXT,
    -- JSON: a list of mappings, by source.
    mappings       TEXT NOT NULL
);
