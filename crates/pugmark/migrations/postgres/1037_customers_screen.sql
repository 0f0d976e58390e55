-- What people look customers up by, for lists of any length: names by their beginnings, phones by their last nine digits
-- however they are spelled, e-mail addresses and documents in any case. Nothing is added to tables that are MicroBima's own.
DO $slice$
BEGIN
    IF EXISTS (SELECT 1 FROM pugmark.settings WHERE name = 'slice.mode' AND value = '"standalone"') THEN
        CREATE INDEX customers_first_name ON public.customers (lower("firstName") COLLATE "C");
        CREATE INDEX customers_middle_name ON public.customers (lower("middleName") COLLATE "C");
        CREATE INDEX customers_last_name ON public.customers (lower("lastName") COLLATE "C");
        CREATE INDEX customers_email ON public.customers (lower("email") COLLATE "C");
        CREATE INDEX customers_id_number ON public.customers (upper("idNumber"));
        CREATE INDEX customers_phone ON public.customers (right(translate("phoneNumber", ' -()+.', ''), 9));
    END IF;
END
$slice$;

-- Every operation of a lane, finished ones as well: a customer's journey. The condition is there because SQLite's has it.
CREATE INDEX queue_lane_history ON pugmark.vtiger_sync_queue (lane, id) WHERE kind <> '';
-- Records that have a dead letter.
CREATE INDEX queue_dead_records ON pugmark.vtiger_sync_queue (entity_type, entity_id)
    WHERE status = 'FAILED' AND dead_at IS NOT NULL AND heir IS NULL AND lane_seq >= 0;
-- Deliveries that concern a record, and what people did to one thing.
CREATE INDEX webhook_deliveries_record ON pugmark.webhook_deliveries (record_id, received_at, id);
CREATE INDEX audit_log_subject ON pugmark.audit_log (subject COLLATE "C", id);
-- Links in one status, in the order of their records.
DROP INDEX pugmark.crm_links_status;
CREATE INDEX crm_links_in_order ON pugmark.crm_links (entity_type, sync_status, entity_id COLLATE "C");
