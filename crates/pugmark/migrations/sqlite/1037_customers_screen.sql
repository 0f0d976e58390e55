-- What people look customers up by, for lists of any length: names by their beginnings, phones by their last nine digits
-- however they are spelled, e-mail addresses and documents in any case.
CREATE INDEX customers_first_name ON customers (lower("firstName"));
CREATE INDEX customers_middle_name ON customers (lower("middleName"));
CREATE INDEX customers_last_name ON customers (lower("lastName"));
CREATE INDEX customers_email ON customers (lower("email"));
CREATE INDEX customers_id_number ON customers (upper("idNumber"));
CREATE INDEX customers_phone ON customers (substr(replace(replace(replace(replace(replace(replace("phoneNumber",
    ' ', ''), '-', ''), '(', ''), ')', ''), '+', ''), '.', ''), -9));

-- Every operation of a lane, finished ones as well: a customer's journey. The condition, which every row fulfils, keeps SQLite
-- from taking the index for statements about what waits in a lane.
CREATE INDEX queue_lane_history ON vtiger_sync_queue (lane, id) WHERE kind <> '';
-- Records that have a dead letter.
CREATE INDEX queue_dead_records ON vtiger_sync_queue (entity_type, entity_id)
    WHERE status = 'FAILED' AND dead_at IS NOT NULL AND heir IS NULL AND lane_seq >= 0;
-- Deliveries that concern a record, and what people did to one thing.
CREATE INDEX webhook_deliveries_record ON webhook_deliveries (record_id, received_at, id);
CREATE INDEX audit_log_subject ON audit_log (subject, id);
-- Links in one status, in the order of their records.
DROP INDEX crm_links_status;
CREATE INDEX crm_links_in_order ON crm_links (entity_type, sync_status, entity_id);
