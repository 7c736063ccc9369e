-- A form that expires, a consent that begins or runs out: what time alone changes, no trigger sees. At the clinic's
-- midnight its builder, whose own rows alone the policy lets in, puts these patients into the queue.
grant insert (clinic_id, entity, patient_id) on operational.outbox to {builders};
