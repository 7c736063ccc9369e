"""A clinic's front desk: appointments, bookings for patients, doubtful registrations."""

from fastapi import APIRouter

from api.pages.staff import appointments, booking, merges

ROUTERS: tuple[APIRouter, ...] = (appointments.router, booking.router, merges.router)
