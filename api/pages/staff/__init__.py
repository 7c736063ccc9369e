"""A clinic's front desk: appointments, bookings for patients, what they bring, doubtful registrations."""

from fastapi import APIRouter

from api.pages.staff import appointments, booking, brought, merges

ROUTERS: tuple[APIRouter, ...] = (appointments.router, booking.router, brought.router, merges.router)
