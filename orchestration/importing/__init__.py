"""Files into the operational zone: the only way in for data of other systems.

fields      what each entity may hold
mapping     a mapping file: which column of which file is which field
reading     bytes to rows of text, with line numbers; broken lines apart
shaping     rows of text to typed entities; rows that break the contract apart
known       whom the rows speak of
roster      the patients that an import has met
patients    patients: new ones at once, the rest at the end
people      people, profiles and registrations
consents    consent events with their evidence
records     clinical records, idempotently
contacts    encrypted contact fields
quarantine  what broke the contract, as it was, encrypted
piece       one piece of a file
session     an import's connections and lock
dry_run     what an import would do
fhir        FHIR resources to the same entities
facts       what is said of profiles, one fact a row
guardians   guardians who come with their own name
run         one import from start to end
folding     what many rows say of one patient, in one
staging     frames into temporary tables
commands    `cloister import`
"""
