"""Who may do what: Cedar policies, their schema, and the cases that show what they mean.

model      a request in this project's words
decide     the policies, parsed once; a request in, a ruling out
entities   the request in Cedar's terms
states     what a read alone finds out, decided on beforehand
*.cedar    one file a concern; every policy carries an @id, which the audit log names
cases      ALLOW/*.json and DENY/*.json: read by auditors, run as tests
"""
