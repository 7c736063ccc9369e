"""Who read and changed what: the access log, runs and imports, reviews of it, and its seal."""

from api.pages.auditor import batches, log, reviews, seal

ROUTERS = (log.router, batches.router, reviews.router, seal.router)
