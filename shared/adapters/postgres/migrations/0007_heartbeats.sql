-- When something that must happen again and again happened last: health looks at it.
CREATE TABLE heartbeats (
    name  text PRIMARY KEY,
    at    timestamptz NOT NULL
);
