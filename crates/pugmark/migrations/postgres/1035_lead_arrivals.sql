-- Leads that were received and answered and whose first job is still to be stored with its operation and its delivery: under load,
-- one short row is what a sender waits for. While a lead stands here nobody else gives it a job.
CREATE TABLE pugmark.lead_arrivals (
    number       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    lead         TEXT NOT NULL,
    -- The job it will have; its sender was told so.
    job_id       UUID NOT NULL,
    -- The sender's own id of the delivery, where it has one.
    delivery_key TEXT,
    -- JSON: the job and the delivery. Bank data in it is sealed.
    content      TEXT NOT NULL
);
CREATE UNIQUE INDEX lead_arrivals_lead ON pugmark.lead_arrivals (lead);
CREATE UNIQUE INDEX lead_arrivals_key ON pugmark.lead_arrivals (delivery_key) WHERE delivery_key IS NOT NULL;
