"""A small Flask application that is on its way to Rust. Its pages under /account have gone already: src/main.rs."""

import os
from datetime import UTC, datetime
from urllib.parse import urlsplit

from flask import Flask, abort, flash, get_flashed_messages, redirect, render_template, request, session
from flask_login import (
    LoginManager,
    UserMixin,
    current_user,
    fresh_login_required,
    login_user,
    logout_user,
)
from flask_session import Session
from redis import Redis

app = Flask(__name__)
app.config.update(
    SECRET_KEY=os.environ["SECRET_KEY"],
    SESSION_TYPE="redis",
    SESSION_REDIS=Redis.from_url(os.environ["SESSION_URL"]),
    SESSION_COOKIE_SAMESITE="Lax",
    # A request that only reads must not write what it has read over what others wrote meanwhile.
    SESSION_REFRESH_EACH_REQUEST=False,
)
Session(app)
login_manager = LoginManager(app)
login_manager.refresh_view = "home"


class User(UserMixin):
    def __init__(self, name):
        self.id = name


@login_manager.user_loader
def user(name):
    return User(name)


@app.before_request
def refuse_other_sites():
    """Browsers name the site of a form. A larger application has Flask-WTF for this."""
    if request.method == "POST" and urlsplit(request.origin or "").netloc != request.host:
        abort(403)


@app.get("/")
def home():
    session["visits"] = session.get("visits", 0) + 1
    return page("home.html", visits=session["visits"])


@app.post("/sign-in")
def sign_in():
    if request.form["name"] and request.form["password"] == "demo":
        app.session_interface.regenerate(session)
        login_user(User(request.form["name"]))
        session["since"] = datetime.now(UTC)
        flash(f"Welcome, {current_user.id}.", "info")
    else:
        flash("Name or password is wrong.", "error")
    return redirect("/")


@app.post("/sign-out")
def sign_out():
    logout_user()
    session.clear()
    flash("You are signed out.", "info")
    return redirect("/")


@app.get("/password")
@fresh_login_required
def password():
    """Only for those who have typed their password in this session."""
    return page("password.html")


def page(template, **values):
    """The Rust pages have the same frame, from the same templates."""
    messages = get_flashed_messages(with_categories=True)
    return render_template(
        template,
        user=current_user.get_id() or "",
        theme=session.get("theme", "light"),
        messages=[{"category": category, "message": message} for category, message in messages],
        maker="Flask",
        **values,
    )
