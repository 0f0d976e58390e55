//! The integration plan's checklist of what to try by hand (section 11.3), each row as a test of its name.

mod custom_fields_map_correctly;
mod customer_creation_syncs_to_vtiger;
mod customer_updates_sync_to_vtiger;
mod dependant_addition_creates_note;
mod existing_user_sync_to_vtiger_manual_button;
mod failed_syncs_retry_automatically;
mod lead_conversion_creates_customer;
mod missing_requirement_creates_task;
mod new_user_creation_creates_vtiger_user_with_checkbox;
mod password_reset_syncs_to_both_systems;
mod user_disable_syncs_to_vtiger;
mod user_enable_syncs_to_vtiger;
mod user_sync_detects_missing_vtiger_account;
mod vtiger_sync_status_displays_correctly_in_ui;
mod weekly_payment_summary_sent;
