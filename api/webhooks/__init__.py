"""Webhooks: a clinic's systems are told who entered and left its segments, in order, at least once.

schemas     endpoints and deliveries as managers see them
service     what managers may do; repository has its statements
signing     secrets and signatures (Standard Webhooks)
feed        what an endpoint is told, read from the clinic's feed and recorded by the same statement
queue       endpoints and deliveries as the courier works through them
transport   HTTPS to public addresses alone
sender      one delivery of an endpoint after the other, tried again, beside other senders
notices     managers are told of an endpoint that was given up
courier     a sender's set-up
"""
