<?php
test('Removed by the command line, nothing of the extension is left and the CRM goes on', function () use ($site) {
    list($code, $output) = $site->command(array('uninstall', '--drop-fields'));
    same(array(0, 'Pugmark removed'), array($code, $output));
    foreach (array("SELECT COUNT(*) FROM vtiger_ws_operation WHERE name LIKE 'pugmark%'",
        "SELECT COUNT(*) FROM vtiger_ws_operation_parameters WHERE operationid NOT IN (SELECT operationid FROM vtiger_ws_operation)",
        "SELECT COUNT(*) FROM vtiger_eventhandlers WHERE handler_class LIKE 'Pugmark%'",
        "SELECT COUNT(*) FROM vtiger_cron_task WHERE name LIKE 'Pugmark%'", "SELECT COUNT(*) FROM vtiger_links WHERE linkurl LIKE '%Pugmark%'",
        "SELECT COUNT(*) FROM vtiger_tab WHERE name = 'Pugmark'", "SELECT COUNT(*) FROM vtiger_field WHERE fieldname = 'cf_microbima_customer_id'",
        "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME LIKE 'vtiger_pugmark%'",
        "SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND COLUMN_NAME = 'cf_microbima_customer_id'") as $sql) {
        same('0', (string) $site->value($sql), $sql);
    }
    foreach (array('modules/Pugmark', 'cron/modules/Pugmark', 'languages/en_us/Pugmark.php') as $path) {
        same(false, file_exists($site->tree . '/' . $path), $path);
    }
    same(false, strpos((string) file_get_contents($site->tree . '/tabdata.php'), 'Pugmark'), 'the list of modules');
    $id = $site->result('create', array('elementType' => 'Contacts', 'element' => array('lastname' => 'After', 'assigned_user_id' => '19x1')))['id'];
    $site->result('delete', array('id' => $id));
    same(false, strpos($site->cron(), 'Pugmark'));
});
