CREATE TABLE IF NOT EXISTS `anysession` (
    -- SHA-256 of the cookie's id: from it nobody gets the id back.
    session_key BINARY(32) NOT NULL PRIMARY KEY,
    -- Random, and another one with every write.
    version     BIGINT     NOT NULL,
    -- The longest kind, so that no mode of the server can cut a payload off.
    payload     LONGBLOB   NOT NULL,
    -- Whose session it is, NULL before anybody signed in. UTF-8 as bytes: a collation would take some users for one.
    user_id     VARBINARY(255),
    -- Milliseconds since 1970-01-01T00:00:00Z, like the deadline. From its deadline on a session counts as gone.
    created     BIGINT     NOT NULL,
    deadline    BIGINT     NOT NULL,
    KEY `anysession_deadline` (deadline),
    KEY `anysession_user` (user_id)
) ENGINE = InnoDB;
