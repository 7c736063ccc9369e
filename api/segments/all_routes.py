"""The routes of segments together: words that stand in a path come before slugs."""

from api.segments.editing_routes import router as editing
from api.segments.explaining_routes import router as explaining
from api.segments.history_routes import router as history
from api.segments.language_routes import router as language
from api.segments.member_routes import router as members
from api.segments.routes import router as reading
from api.segments.trying_routes import router as trying

ROUTERS = (language, trying, editing, history, explaining, members, reading)
