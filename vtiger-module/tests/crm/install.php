<?php
test('A file that is no zip of the extension is refused', function () use ($site) {
    list($code, $output) = $site->command(array('install', __FILE__));
    same(1, $code);
    holds(strpos($output, 'Not a zip') !== false, $output);
});
test('The zip installs by the command line', function () use ($site) {
    list($code, $output) = $site->command(array('install', $site->zip()));
    same('Pugmark 1.0.0 installed', $output);
    same(0, $code);
    same('9', (string) $site->value("SELECT COUNT(*) FROM vtiger_ws_operation WHERE name LIKE 'pugmark.%'"));
    same('4', (string) $site->value("SELECT COUNT(*) FROM vtiger_eventhandlers WHERE handler_class = 'PugmarkOutboxHandler' AND is_active = 1"));
    same('1', (string) $site->value("SELECT COUNT(*) FROM vtiger_cron_task WHERE name = 'Pugmark outbox' AND status = 1"));
});
test('Installing again is an update: it keeps settings and adds nothing twice', function () use ($site) {
    $site->command(array('settings', 'shortest_password', '7'));
    $installation = $site->value("SELECT value FROM vtiger_pugmark_settings WHERE name = 'installation'");
    list($code, $output) = $site->command(array('install', $site->zip()));
    same(array(0, 'Pugmark 1.0.0 updated'), array($code, $output));
    same('9', (string) $site->value("SELECT COUNT(*) FROM vtiger_ws_operation WHERE name LIKE 'pugmark.%'"));
    same('4', (string) $site->value("SELECT COUNT(*) FROM vtiger_eventhandlers WHERE handler_class = 'PugmarkOutboxHandler'"));
    same('1', (string) $site->value("SELECT COUNT(*) FROM vtiger_links WHERE linklabel = 'Open customer'"));
    same('7', $site->value("SELECT value FROM vtiger_pugmark_settings WHERE name = 'shortest_password'"));
    same($installation, $site->value("SELECT value FROM vtiger_pugmark_settings WHERE name = 'installation'"));
    require_once 'modules/Pugmark/crm/Services.php';
    $site->open();
});
test('An administrator is told version, modules and operations, without those for passwords', function () use ($site) {
    $info = $site->result('pugmark.info');
    same(array('1.0.0', vtws_getVtigerVersion(), array('Contacts', 'Leads'), false), array($info['version'], $info['vtiger'],
        $info['modules'], $info['passwords']));
    same(false, in_array('pugmark.user_create', $info['operations'], true));
    same(7, count($info['operations']));
});
test('The fields of the synchronisation are made once by three calls at once, and are described by their names', function () use ($site) {
    $made = 0;
    foreach ($site->together(array_map(function ($caller) use ($site) {
        return $site->request('pugmark.setup', array('options' => array('modules' => array('Contacts', 'Leads'))), "admin#$caller");
    }, range(1, 3))) as $answer) {
        same(10, count($answer['result']['fields']));
        $made += count(array_filter(array_column($answer['result']['fields'], 'created')));
    }
    same(10, $made);
    $second = $site->result('pugmark.setup', array('options' => array('modules' => array('Contacts', 'Leads'))));
    same(array(false), array_values(array_unique(array_column($second['fields'], 'created'))));
    same(false, $second['index']['created']);
    same('1', (string) $site->value("SELECT COUNT(*) FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() "
        . "AND TABLE_NAME = 'vtiger_contactscf' AND COLUMN_NAME = 'cf_microbima_customer_id'"));
    $types = array();
    foreach ($site->result('describe', array('elementType' => 'Contacts'))['fields'] as $field) {
        $types[$field['label']] = array($field['name'], $field['type']['name']);
    }
    same(array('cf_microbima_customer_id', 'string'), $types['Microbima Customer Id']);
    same(array('cf_id_number', 'string'), $types['ID Number']);
    same(array('cf_weekly_payment_total', 'double'), $types['Weekly Payment Total']);
    same(array('cf_last_payment_date', 'date'), $types['Last Payment Date']);
    same(array('cf_payment_count', 'integer'), $types['Payment Count']);
});
reference_table_contract('in the CRM', function () {
    PearDatabase::getInstance()->pquery('TRUNCATE TABLE vtiger_pugmark_references', array());
    return PugmarkServices::own()->references();
});
outbox_table_contract('in the CRM', function () {
    PearDatabase::getInstance()->pquery('TRUNCATE TABLE vtiger_pugmark_outbox', array());
    return PugmarkServices::own()->outboxTable;
});
test('The secret of the receiver lies sealed in the database', function () use ($site) {
    $secret = 'whsec_' . base64_encode(random_bytes(32));
    $site->result('pugmark.webhook', array('options' => array('secret' => $secret)));
    $stored = $site->value("SELECT value FROM vtiger_pugmark_settings WHERE name = 'webhook_secret'");
    holds(strlen($stored) > 40 && strpos($stored, substr($secret, 6)) === false, 'it is not there in clear');
    PugmarkServices::own()->settings->reload();
    same($secret, PugmarkServices::own()->settings->text('webhook_secret'));
    same(false, strpos($site->command(array('settings'))[1], $secret));
});
test('A lock is held against other connections and is gone with its connection', function () use ($site) {
    $script = 'chdir(%s); require "config.inc.php"; $m = new mysqli($dbconfig["db_server"], $dbconfig["db_username"], '
        . '$dbconfig["db_password"], $dbconfig["db_name"], (int) ltrim($dbconfig["db_port"], ":")); '
        . '$r = $m->query("SELECT GET_LOCK(CONCAT(\'pugmark\', MD5(CONCAT(DATABASE(), \'|" . hash("sha256", "t") . "\'))), 0)"); echo $r->fetch_row()[0];';
    $locks = PugmarkServices::own()->locks;
    same(true, $locks->take('t', 0));
    same('0', $site->php(array('-r', sprintf($script, var_export($site->tree, true))))[1]);
    $locks->release('t');
    same('1', $site->php(array('-r', sprintf($script, var_export($site->tree, true))))[1]);
    same(true, $locks->take('t', 0));
    $locks->release('t');
});
