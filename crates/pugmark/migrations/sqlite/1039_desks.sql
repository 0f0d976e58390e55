-- Onboarding jobs as the console shows them: those that go on by themselves and those that stand still, by the step that was reached.
CREATE INDEX sync_jobs_under_way ON sync_jobs (step, job_id) WHERE status IN ('pending', 'processing', 'maxio_created');
CREATE INDEX sync_jobs_stuck ON sync_jobs (step, job_id) WHERE status = 'failed' AND COALESCE(error_code, '') <> 'CANCELLED';
CREATE INDEX sync_jobs_cancelled ON sync_jobs (job_id) WHERE status = 'failed' AND error_code = 'CANCELLED';

-- Forms that are not in the CRM as a whole: they wait, or a person has to see to them.
CREATE INDEX onboarding_forms_unsaved ON onboarding_forms (state, tracking_id) WHERE state <> 'saved';
