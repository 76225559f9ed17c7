"""Where Flask-Session keeps sessions, and a way around it to the bytes."""

import hashlib
import os
import struct
import time
from datetime import UTC, datetime, timedelta

HOUR = 3600


def store_of(app, url):
    """Points Flask-Session to the place that a URL names."""
    if url.startswith("redis://"):
        return RedisStore(app, url)
    if "://" in url:
        return SqlStore(app, url)
    return FileStore(app, url)


class RedisStore:
    def __init__(self, app, url):
        from redis import Redis

        self.client = Redis.from_url(url)
        app.config.update(SESSION_TYPE="redis", SESSION_REDIS=self.client)

    def read(self, key):
        return self.client.get(key)

    def write(self, key, data):
        self.client.set(key, data, ex=HOUR)

    def ttl(self, key):
        return self.client.ttl(key)


class SqlStore:
    def __init__(self, app, url):
        from flask_sqlalchemy import SQLAlchemy
        from sqlalchemy.pool import NullPool

        # Workers are forked, and a connection must not be shared.
        options = {"poolclass": NullPool}
        if url.startswith("sqlite:"):
            # By default Python waits five seconds for a locked file, too little on a machine that is busy.
            options["connect_args"] = {"timeout": 60}
        app.config.update(
            SESSION_TYPE="sqlalchemy",
            SQLALCHEMY_DATABASE_URI=url,
            SQLALCHEMY_ENGINE_OPTIONS=options,
        )
        self.database = app.config["SESSION_SQLALCHEMY"] = SQLAlchemy(app)
        schema = app.config.get("SESSION_SQLALCHEMY_SCHEMA")
        if schema:
            with app.app_context():
                self.make_schema(schema)
        table = app.config.get("SESSION_SQLALCHEMY_TABLE", "sessions")
        self.table = f"{schema}.{table}" if schema else table

    def make_schema(self, schema):
        """Flask-Session makes the table but not its schema."""
        from sqlalchemy import text
        from sqlalchemy.exc import IntegrityError

        try:
            self.database.session.execute(text(f"CREATE SCHEMA IF NOT EXISTS {schema}"))
            self.database.session.commit()
        except IntegrityError:
            # Another worker was faster.
            self.database.session.rollback()

    def run(self, statement, **values):
        from sqlalchemy import text

        rows = self.database.session.execute(text(statement.format(table=self.table)), values)
        found = rows.first() if rows.returns_rows else None
        self.database.session.commit()
        return found

    def read(self, key):
        found = self.run("SELECT data FROM {table} WHERE session_id = :key", key=key)
        return found and bytes(found[0])

    def write(self, key, data):
        expiry = (datetime.now(UTC) + timedelta(seconds=HOUR)).strftime("%Y-%m-%d %H:%M:%S.%f")
        self.run("DELETE FROM {table} WHERE session_id = :key", key=key)
        self.run(
            "INSERT INTO {table} (session_id, data, expiry) VALUES (:key, :data, :expiry)",
            key=key,
            data=data,
            expiry=expiry,
        )

    def ttl(self, key):
        (expiry,) = self.run("SELECT expiry FROM {table} WHERE session_id = :key", key=key)
        if isinstance(expiry, str):
            expiry = datetime.fromisoformat(expiry)
        return (expiry.replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds()


class FileStore:
    """Cachelib's files with its JSON serializer. FILE_NAMES=md5 names them as it did before 0.16."""

    def __init__(self, app, folder):
        from cachelib.file import FileSystemCache
        from cachelib.serializers import JSONSerializer

        class JsonFileSystemCache(FileSystemCache):
            serializer = JSONSerializer()

        self.folder = folder
        self.hash = getattr(hashlib, os.environ.get("FILE_NAMES", "sha256"))
        cache = JsonFileSystemCache(folder, threshold=0, hash_method=self.hash)
        app.config.update(SESSION_TYPE="cachelib", SESSION_CACHELIB=cache)

    def path(self, key):
        return os.path.join(self.folder, self.hash(key.encode()).hexdigest())

    def read(self, key):
        try:
            with open(self.path(key), "rb") as file:
                return file.read()[4:]
        except FileNotFoundError:
            return None

    def write(self, key, data):
        with open(self.path(key), "wb") as file:
            file.write(struct.pack("I", int(time.time()) + HOUR) + data)

    def ttl(self, key):
        with open(self.path(key), "rb") as file:
            return struct.unpack("I", file.read(4))[0] - time.time()
