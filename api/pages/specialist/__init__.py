"""A specialist's day."""

from fastapi import APIRouter

from api.pages.specialist import agenda, records

# `records` first: `/agenda/{clinic}/forms/…` is no appointment's.
ROUTERS: tuple[APIRouter, ...] = (records.router, agenda.router)
