-- The weekly summary of payments, and the figures that a contact shows.

-- One row each time a week is summed up. It is planned page by page, in the order of the customers' ids; whoever plans the
-- next page holds the row, so that one process does it and another can go on after a crash.
CREATE TABLE pugmark.payment_summary_runs (
    id             BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- Its Monday.
    week           DATE NOT NULL,
    -- The week that contacts showed before: whoever paid in it and not in this one goes back to zero.
    previous_week  DATE,
    -- One customer alone; NULL is all of them, and then contacts show this week unless they show a newer one.
    customer_id    TEXT,
    scheduled      BOOLEAN NOT NULL,
    -- Also those whose summary of this week was planned before.
    again          BOOLEAN NOT NULL,
    requested_by   TEXT NOT NULL,
    correlation_id TEXT NOT NULL,
    -- The last customer of the last page.
    cursor         TEXT,
    planned        BIGINT NOT NULL DEFAULT 0,
    known          BIGINT NOT NULL DEFAULT 0,
    created_at     TIMESTAMPTZ NOT NULL,
    planned_at     TIMESTAMPTZ
);
CREATE UNIQUE INDEX payment_summary_runs_scheduled ON pugmark.payment_summary_runs (week) WHERE scheduled;
CREATE INDEX payment_summary_runs_shown ON pugmark.payment_summary_runs (week) WHERE customer_id IS NULL;
CREATE INDEX payment_summary_runs_open ON pugmark.payment_summary_runs (id) WHERE planned_at IS NULL;

-- Whose summary of which week was planned, and by which run last.
CREATE TABLE pugmark.payment_summaries (
    week        DATE NOT NULL,
    customer_id TEXT NOT NULL,
    run         BIGINT NOT NULL,
    PRIMARY KEY (week, customer_id)
);

-- Where figures of payments go when the CRM has these fields. A mapping that an operator has made already stays as it is.
INSERT INTO pugmark.vtiger_custom_field_mapping (microbima_field, vtiger_field_name, field_type) VALUES
    ('paymentCount', 'cf_payment_count', 'NUMBER'),
    ('paymentTotal', 'cf_payment_total', 'NUMBER'),
    ('lastPaymentDate', 'cf_last_payment_date', 'DATE'),
    ('weeklyPaymentTotal', 'cf_weekly_payment_total', 'NUMBER'),
    ('weeklyPaymentCount', 'cf_weekly_payment_count', 'NUMBER'),
    ('weeklyPaymentAverage', 'cf_weekly_payment_average', 'NUMBER'),
    ('weeklyFirstPaymentDate', 'cf_weekly_payment_first', 'DATE'),
    ('weeklyLastPaymentDate', 'cf_weekly_payment_last', 'DATE'),
    ('weeklyPaymentWeek', 'cf_weekly_payment_week', 'DATE')
ON CONFLICT DO NOTHING;
