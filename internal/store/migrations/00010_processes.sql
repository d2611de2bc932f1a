-- +goose Up
-- How often something is done, over all processes: when all of it may be done at once
-- again. The key is a digest of what it is and whose.
CREATE TABLE paces (
    key      TEXT PRIMARY KEY,
    ready_at BIGINT NOT NULL
);
