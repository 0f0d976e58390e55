//! A store as months of work leave it: filled by the program itself as far as a test can have that, and by hand for the rest.

use pugmark_sandbox::{Fault, FaultPlan};

use super::Stores;
use crate::harness::{Writer, eventually, new_id};
use crate::program::{Serving, configured};

/// The customers of such a store.
pub(super) struct Filled {
    /// All of them, with the last name each has by now.
    pub(super) customers: Vec<(String, &'static str)>,
}

/// Delivered, cut short by a kill, waiting, and not yet planned: a customer of each kind, and everything around them.
pub(super) async fn fill(stores: &Stores) -> Filled {
    let world = &stores.world;
    let program = stores.source().await;
    let running = world.start().await;
    let delivered = program.insert_customer("Wanjiru").await;
    let edited = program.insert_customer("Kamau").await;
    let family = [
        format!(
            "INSERT INTO dependants (\"id\", \"customerId\", \"firstName\", \"lastName\", \"relationship\", \"createdByPartnerId\") \
             VALUES ('{}', '{delivered}', 'Zuri', 'Otieno', 'CHILD', 1)",
            new_id()
        ),
        format!(
            "INSERT INTO policies (\"id\", \"productName\", \"premium\", \"frequency\", \"paymentCadence\", \"customerId\", \
             \"packageId\") VALUES ('a0000000-0000-4000-8000-000000000001', 'Mfanisi', 1500.5, 'WEEKLY', 7, '{delivered}', 1)"
        ),
        "INSERT INTO policy_payments (\"policyId\", \"paymentType\", \"transactionReference\", \"amount\", \
         \"expectedPaymentDate\", \"actualPaymentDate\", \"paymentStatus\") VALUES \
         ('a0000000-0000-4000-8000-000000000001', 'MPESA', 'R1', 100, 1700000000123456, 1700000000123456, 'COMPLETED'), \
         ('a0000000-0000-4000-8000-000000000001', 'MPESA', 'R2', 99.9, 1700000000123456, 1700000000123456, 'COMPLETED')"
            .to_owned(),
    ];
    for statement in family {
        program.sql(statement).await;
    }
    program.wait_until_idle().await;
    program
        .sql(format!(
            "UPDATE dependants SET \"deletedAt\" = 1700000000123456 WHERE \"customerId\" = '{delivered}'"
        ))
        .await;
    program.wait_until_idle().await;
    running.shutdown().await;

    let cut_short = cut_short(stores, &program).await;

    let unplanned = program.insert_customer("Odhiambo").await;
    program.set(&edited, "lastName", "'Ng''ang''a'").await;
    for statement in by_hand(&delivered) {
        program.sql(statement).await;
    }
    Filled {
        customers: vec![
            (delivered, "Wanjiru"),
            (edited, "Ng'ang'a"),
            (cut_short, "Chepkoech"),
            (unplanned, "Odhiambo"),
        ],
    }
}

/// A customer whose contact was made by a call that the program did not live to see answered.
async fn cut_short(stores: &Stores, program: &Writer) -> String {
    let world = &stores.world;
    let folder = tempfile::tempdir().expect("a folder");
    world
        .crm
        .faults()
        .set(FaultPlan::new(1).nth("create", 1, Fault::HangAfterEffect));
    let mut command = configured(world, folder.path(), &["serve"]);
    command
        .env("PUGMARK__VTIGER__CALL_TIMEOUT", "30s")
        .env("PUGMARK__QUEUE__LEASE", "90s");
    let serving = Serving::start(command).await;
    let customer = program.insert_customer("Cheptoo").await;
    world.wait_for_contact(&customer, |_| true).await;
    eventually("the attempt is under way", || async {
        (program
            .count("vtiger_sync_queue WHERE status = 'PROCESSING'")
            .await
            == 1)
            .then_some(())
    })
    .await;
    // What happens to a customer whose lane is busy waits.
    program.set(&customer, "lastName", "'Chepkoech'").await;
    eventually("the change waits", || async {
        (program
            .count("vtiger_sync_queue WHERE status = 'PENDING'")
            .await
            > 0)
        .then_some(())
    })
    .await;
    drop(serving);
    world.crm.faults().clear();
    customer
}

/// What a short life does not come to: every other table has a row or two, with values that are hard to carry over.
fn by_hand(customer: &str) -> Vec<String> {
    let id = "X'0190a5c0000070008000000000000001'";
    let statements = [
        "INSERT INTO vtiger_sync_queue (id, kind, entity_type, entity_id, operation, lane, lane_seq, head, status, priority, \
         retry_count, max_retries, deferrals, next_attempt_at, payload, sealed_payload, secret_expires_at, outcome, error_code, \
         error_message, correlation_id, idempotency_key, attempts, inherited_attempts, dead_at, requested_by, human_action, \
         first_queued_at, created_at, updated_at) VALUES ($id, 'user.create', 'User', 'u-1', 'CREATE', 'user:u-1', 1, 0, 'FAILED', \
         2, 3, 3, 0, 1700000000000001, '{\"b\":1.50,\"a\":\"null \\u0000 byte\"}', X'00ff10', 1700000086400000, '{}', 'PUG-2006', \
         'O''Neil \u{1F42F}', 'c-1', 'k-1', 3, 0, 1700000000000009, 'me', '{\"who\":\"me\"}', 1700000000000001, 1700000000000001, \
         1700000000000009)",
        "INSERT INTO queue_lanes (lane, last_seq) VALUES ('user:u-1', 1)",
        "INSERT INTO queue_pauses (kind, paused_by, paused_at) VALUES ('maxio.onboard', 'me', 1700000000000001)",
        "INSERT INTO queue_idempotency_keys (idempotency_key, operation_id, created_at) VALUES ('k-1', $id, 1700000000000001)",
        "INSERT INTO vtiger_sync_correlations (correlation_id, operation_id) VALUES ('c-2', $id)",
        "INSERT INTO audit_log (at, actor, action, subject, reason) VALUES (1700000000000001, 'me', 'retry', 'k-1', NULL)",
        "INSERT INTO capture_errors (table_name, event, sqlstate, message, at, healed_at) \
         VALUES ('customers', 'INSERT', '22021', 'bad', 1700000000000001, 1700000000000002)",
        "INSERT INTO payment_summary_runs (week, scheduled, again, requested_by, correlation_id, created_at, planned_at) \
         VALUES ('2023-11-13', 1, 0, 'clock', 'c-3', 1700000000000001, 1700000000000002)",
        "INSERT INTO payment_summaries (week, customer_id, run) VALUES ('2023-11-13', '$customer', 1)",
        "INSERT INTO task_assignments (task_id, requirement_id, customer_id, assignee, closed, remarks, assigned_at) \
         VALUES ('t-1', 'r-1', '$customer', '19x5', 1, '[\"gone\"]', 1700000000000001)",
        "INSERT INTO task_turns (assignee, turn) VALUES ('19x5', 7)",
        "INSERT INTO account_steps (operation_id, step, begun_at, finished_at) VALUES ($id, 'login', 1700000000000001, NULL)",
        "INSERT INTO grants (user_id, right_name, granted_by, granted_at) VALUES ('u-1', 'customer_care', 'me', 1700000000000001)",
        "INSERT INTO mapping_runs (requested_by, correlation_id, contacts, created_at, queued_at) \
         VALUES ('me', 'c-4', 2, 1700000000000001, 1700000000000002)",
        "INSERT INTO webhook_deliveries (received_at, endpoint, proof, secret_number, dedup_key, body, correlation_id, status) \
         VALUES (1700000000000001, 'maxio', 'hmac', 1, 'd-1', '<p>\u{e9}</p>', 'c-5', 'IGNORED')",
        "INSERT INTO webhook_keys (dedup_key, delivery_id, seen_at) VALUES ('d-1', 1, 1700000000000001)",
        "INSERT INTO lead_arrivals (lead, job_id, delivery_key, content) VALUES ('2x99', $id, 'id:1', '{}')",
        "INSERT INTO webhook_refusals (hour, endpoint, reason, count, last_at) \
         VALUES (1699999200000000, 'vtiger', 'signature', 3, 1700000000000001)",
        "INSERT INTO lead_conversions (record_id, module, claim, noticed_by, state, correlation_id, created_at, updated_at) \
         VALUES ('12x77', 'Contacts', 'signed', 'webhook', 'DONE', 'c-6', 1700000000000001, 1700000000000001)",
        "INSERT INTO conflicts (id, customer_id, source, field, label, kind, ours, theirs, status, found_at, updated_at, resolved_at) \
         VALUES ('x-1', '$customer', 'email', 'email', 'Email', 'both_changed', 'a@x', 'b@x', 'RESOLVED', 1, 2, 3)",
        "INSERT INTO crm_cursors (module, modified_time, record_id, seen, updated_at) \
         VALUES ('Leads', '2023-11-14 22:13:20', '12x9', '{\"12x9\":\"h\"}', 1700000000000001)",
        "INSERT INTO reconcile_runs (fix, recreate, requested_by, correlation_id, phase, created_at, ended_at) \
         VALUES (0, 0, 'me', 'c-7', 'ended', 1700000000000001, 1700000000000002)",
        "INSERT INTO reconcile_findings (run_id, kind, entity_id, vtiger_id, detail) VALUES (1, 'extra', '', '12x8', '{\"n\":1e2}')",
        "INSERT INTO backfill_runs (dry_run, confirmed, bulk, match_by, requested_by, correlation_id, phase, created_at, ended_at) \
         VALUES (1, 0, 0, 'reference', 'me', 'c-8', 'ended', 1700000000000001, 1700000000000002)",
        "INSERT INTO backfill_contacts (run_id, vtiger_id, reference, id_key, email_key, held) VALUES (1, '12x8', '', '', '', '{}')",
        "INSERT INTO backfill_matches (run_id, customer_id, outcome, detail) VALUES (1, '$customer', 'new', '{}')",
        "INSERT INTO sync_jobs (job_id, vtiger_lead_id, status, step, sealed_data, requested_by, correlation_id, created_at, \
         updated_at, ended_at) VALUES ($id, '10x5', 'failed', 'checked', X'0102', 'webhook', 'c-9', 1, 2, 3)",
        "INSERT INTO sync_job_steps (job_id, step, begun_at, token) VALUES ($id, 'customer', 1700000000000001, 'tok')",
        "INSERT INTO onboarding_forms (tracking_id, client_id, source, content_hash, sealed_fields, state, requested_by, \
         correlation_id, created_at, updated_at, ended_at) VALUES ($id, '10x5', 'api', X'aa', X'bb', 'saved', 'p', 'c-10', 1, 2, 3)",
        "INSERT INTO onboarding_drafts (client_id, draft_id, sealed, updated_at) VALUES ('10x5', $id, X'cc', 1700000000000001)",
        "INSERT INTO onboarding_links (client_id, generation, updated_at, updated_by) VALUES ('10x5', 2, 1700000000000001, 'me')",
        "INSERT INTO console_users (user_id, name, email, email_key, role, password_hash, created_at, created_by) \
         VALUES ($id, 'Asha', 'Asha@example.org', 'asha@example.org', 'admin', '$argon2id$x', 1700000000000001, 'me')",
        "INSERT INTO console_sessions (session_id, digest, user_id, opened_with, user_agent, peer, created_at, seen_at, expires_at) \
         VALUES ($id, X'aa01', $id, 'password', '', '127.0.0.1', 1700000000000001, 1700000000000001, 1700000000000002)",
        "INSERT INTO console_links (link_id, digest, purpose, user_id, created_at, created_by, expires_at) \
         VALUES ($id, X'aa02', 'password', $id, 1700000000000001, 'me', 1700000000000002)",
        "INSERT INTO console_sign_ins (subject, failures, last_at, wait_until) \
         VALUES ('peer:127.0.0.1', 2, 1700000000000001, 1700000000000001)",
        "INSERT INTO api_tokens (token_id, digest, name, right_name, created_at, created_by, expires_at) \
         VALUES ($id, X'aa03', 'export', 'customer_care', 1700000000000001, 'me', 1700000000000002)",
        "INSERT INTO mapping_versions (at, actor, action, reason, mappings) \
         VALUES (1700000000000001, 'me', 'mapping.create', '', '[]')",
        "INSERT INTO maxio_slot_waits (waiter, since, seen_at) VALUES ($id, 1700000000000001, 1700000000000001)",
        "INSERT INTO maxio_debits (subscription_id, event_id, said, received_at) VALUES ('s-1', 9, 'failed', 1700000000000001)",
        "INSERT INTO partners (\"partnerName\") VALUES ('Other')",
        "DELETE FROM partners WHERE \"partnerName\" = 'Other'",
        "INSERT INTO test_customers (\"id\", \"name\", \"phoneNumber\") \
         VALUES ('b0000000-0000-4000-8000-000000000001', 'Test', '0700000000')",
        "INSERT INTO entity_status_changes (\"id\", \"entityType\", \"customerId\", \"fromStatus\", \"toStatus\", \"reason\", \
         \"trigger\", \"changedBy\", \"metadata\") VALUES ('c0000000-0000-4000-8000-000000000001', 'CUSTOMER', '$customer', 'A', 'B', \
         'why', 'SYSTEM', 'c0000000-0000-4000-8000-000000000002', '{\"z\":1,\"a\":[1.0,null]}')",
    ];
    statements
        .iter()
        .map(|sql| sql.replace("$id", id).replace("$customer", customer))
        .collect()
}
