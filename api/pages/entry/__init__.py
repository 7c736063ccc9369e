"""Signing in and out, codes, passwords, and what the links of messages lead to."""

from api.pages.entry import book, sessions, sign_in, unsubscribe, verify

ROUTERS = (
    book.router,
    sessions.router,
    sign_in.router,
    unsubscribe.router,
    verify.router,
)
