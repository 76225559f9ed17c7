"""The probe on Flask: the routes of the Rust probes, where Flask can serve them, and some to look at what is stored.

How sessions are kept is said in Flask's own names, as variables that start with FLASK_, such as
FLASK_SESSION_KEY_PREFIX=app: and where in STORE_URL: redis://, a URL of SQLAlchemy's, or a folder.
"""

import os
import socket
import time
import traceback

from flask import Flask, current_app, flash, get_flashed_messages, jsonify, request, session
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user
from flask_session import Session
from msgspec.msgpack import Ext

from stores import store_of
from values import VALUES

app = Flask(__name__)
app.config["SECRET_KEY"] = "s3cret"
app.config.from_prefixed_env()
store = store_of(app, os.environ["STORE_URL"])
Session(app)
login_manager = LoginManager(app)


class User(UserMixin):
    def __init__(self, name):
        self.id = name


@login_manager.user_loader
def user(name):
    return User(name)


@app.errorhandler(Exception)
def failed(error):
    """A test that fails says why."""
    return traceback.format_exc(), 500


@app.before_request
def wait():
    """The session is loaded; ?gate=PORT waits until whoever listens there has let it pass."""
    if gate := request.args.get("gate"):
        with socket.create_connection(("127.0.0.1", int(gate))) as connection:
            connection.recv(1)
    time.sleep(int(request.args.get("delay", 0)) / 1000)


@app.get("/none")
def none():
    return "ok"


@app.get("/get/<key>")
def get(key):
    return str(session.get(key, "-"))


@app.get("/set/<key>/<value>")
def set_(key, value):
    session[key] = value
    return "ok"


@app.get("/incr/<key>")
def incr(key):
    session[key] = session.get(key, 0) + 1
    return str(session[key])


@app.get("/remove/<key>")
def remove(key):
    session.pop(key, None)
    return "ok"


@app.get("/clear")
def clear():
    session.clear()
    return "ok"


@app.get("/login/<name>")
def login(name):
    login_user(User(name))
    current_app.session_interface.regenerate(session)
    return "ok"


@app.get("/logout")
def logout():
    """All that Flask's authors recommend. ?only leaves what is no concern of Flask-Login's."""
    logout_user()
    if "only" not in request.args:
        session.clear()
    return "ok"


@app.get("/regenerate")
def regenerate():
    current_app.session_interface.regenerate(session)
    return "ok"


@app.get("/permanent/<value>")
def permanent(value):
    session.permanent = value == "true"
    return "ok"


@app.get("/flash/<category>/<message>")
def flash_(category, message):
    flash(message, category)
    return "ok"


@app.get("/flashes")
def flashes():
    return jsonify(get_flashed_messages(with_categories=True))


@app.get("/fresh")
def fresh():
    return str(session.get("_fresh"))


@app.get("/dump")
def dump():
    """What is no JSON is shown as Python shows it."""
    return jsonify(
        data={str(key): shown(session[key]) for key in session if key != "_permanent"},
        user=current_user.get_id(),
        permanent=session.permanent,
    )


def shown(value):
    return value if isinstance(value, (str, int, bool)) else repr(value)


@app.get("/rows")
def rows():
    return jsonify(list(VALUES))


@app.get("/store/<row>")
def store_value(row):
    """Stores a row of the table of values."""
    session["v"] = VALUES[row]
    return "ok"


@app.get("/repr/<key>")
def show_value(key):
    value = session[key]
    return f"Ext({value.code}, {value.data!r})" if isinstance(value, Ext) else repr(value)


def key(sid):
    return app.session_interface.key_prefix + sid


@app.get("/raw/<sid>")
def raw(sid):
    """What the store holds for an id, without a look at the session: hexadecimal."""
    data = store.read(key(sid))
    return "-" if data is None else data.hex()


@app.get("/plant/<sid>/", defaults={"data": ""})
@app.get("/plant/<sid>/<data>")
def plant(sid, data):
    """Puts bytes into the store under an id, for an hour, and answers the cookie for it."""
    store.write(key(sid), bytes.fromhex(data))
    sessions = app.session_interface
    value = sessions._sign(app, sid) if sessions.use_signer else sid
    return f"{app.config['SESSION_COOKIE_NAME']}={value}"


@app.get("/ttl/<sid>")
def ttl(sid):
    """How many seconds the store will keep it."""
    return str(round(store.ttl(key(sid))))
