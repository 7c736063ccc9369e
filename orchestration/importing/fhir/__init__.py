"""FHIR R4 into the operational zone: each resource becomes rows of the same entities that CSV files have.

mapping     a mapping file: which organisation is which clinic, which code is which question
reading     NDJSON files and Bundles to resources, with line or entry numbers; what is none apart
references  whom or what a reference means
values      what FHIR's data types say
index       which clinic a visit or a patient belongs to, and whom an identifier means
people      Patient, RelatedPerson, Consent
facts       Coverage, AllergyIntolerance, Condition, and blood types
visits      Appointment, Encounter
forms       QuestionnaireResponse, and observations that answer a question
plans       CarePlan, ServiceRequest, Procedure
rows        a row and where it comes from; what cannot be one, and what is left out
resources   which resource type becomes what, and in which order
run         one import from start to end
"""
