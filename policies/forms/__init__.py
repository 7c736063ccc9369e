"""Forms as data: what a template asks, what an answer to it may be, and what is worked out of the answers.

question   the kinds of questions, and when one shows
template   a form as a clinic defines it
answers    the answers to one form: checked, scored, and as rows that segments read
standard   the templates that every clinic starts with
"""
