CREATE TABLE IF NOT EXISTS "anysession" (
    -- SHA-256 of the cookie's id: from it nobody gets the id back.
    session_key BYTEA  NOT NULL PRIMARY KEY CHECK (octet_length(session_key) = 32),
    -- Random, and another one with every write.
    version     BIGINT NOT NULL,
    payload     BYTEA  NOT NULL,
    -- Whose session it is, NULL before anybody signed in.
    user_id     TEXT,
    -- Milliseconds since 1970-01-01T00:00:00Z, like the deadline. From its deadline on a session counts as gone.
    created     BIGINT NOT NULL,
    deadline    BIGINT NOT NULL
);
CREATE INDEX IF NOT EXISTS "anysession_deadline" ON "anysession" (deadline);
CREATE INDEX IF NOT EXISTS "anysession_user" ON "anysession" (user_id) WHERE user_id IS NOT NULL;
