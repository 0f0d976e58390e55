<?php
/** Collects requests in a child process, answering each with the next status; gives what arrived. */
function receive(int $count, array $statuses, callable $meanwhile): array
{
    $server = stream_socket_server('tcp://127.0.0.1:0');
    $file = tempnam(sys_get_temp_dir(), 'pugmark');
    $child = pcntl_fork();
    if ($child === 0) {
        for ($number = 0; $number < $count; $number++) {
            $connection = @stream_socket_accept($server, 20);
            if (!$connection) {
                break;
            }
            $seen = '';
            while (!preg_match('/content-length: (\d+)\r\n/i', $seen, $length)
                || strlen((string) substr(strstr($seen, "\r\n\r\n"), 4)) < (int) $length[1]) {
                $read = fread($connection, 65536);
                if ($read === '' || $read === false) {
                    break;
                }
                $seen .= $read;
            }
            file_put_contents($file, json_encode($seen) . "\n", FILE_APPEND);
            $status = isset($statuses[$number]) ? $statuses[$number] : 200;
            fwrite($connection, "HTTP/1.1 $status X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            fclose($connection);
        }
        posix_kill(getmypid(), SIGKILL);
    }
    $port = substr(strrchr(stream_socket_get_name($server, false), ':'), 1);
    fclose($server);
    try {
        $meanwhile("http://127.0.0.1:$port/hook");
    } finally {
        posix_kill($child, SIGKILL);
        pcntl_waitpid($child, $status);
        $lines = file($file, FILE_IGNORE_NEW_LINES);
        unlink($file);
    }
    return array_map(function ($line) {
        $request = json_decode($line, true);
        list($head, $body) = explode("\r\n\r\n", $request, 2);
        preg_match_all('/^([a-z-]+): (.*)\r?$/mi', $head, $headers);
        return array('headers' => array_combine(array_map('strtolower', $headers[1]), array_map('trim', $headers[2])), 'body' => $body);
    }, $lines);
}

/** Ages all rows, so that numbers lost with a killed process hold no reader up. */
function settle(): void
{
    PearDatabase::getInstance()->pquery('UPDATE vtiger_pugmark_outbox SET happened_at = happened_at - INTERVAL 2 MINUTE', array());
}

function kinds(Site $site, string $module, string $cursor): array
{
    return array_map(function ($change) {
        return $change['kind'] . ' ' . $change['id'];
    }, $site->result('pugmark.changes', array('elementType' => $module, 'cursor' => $cursor, 'limit' => '500'))['changes']);
}

test('On the CRM, creating, revising, deleting and restoring a contact are found since a cursor', function () use ($site) {
    settle();
    $cursor = $site->result('pugmark.changes', array('elementType' => 'Contacts', 'cursor' => '', 'limit' => ''))['cursor'];
    $id = $site->result('create', array('elementType' => 'Contacts', 'element' => array('lastname' => 'Seen', 'assigned_user_id' => '19x1')))['id'];
    $site->result('revise', array('element' => array('id' => $id, 'firstname' => 'Now')));
    $site->result('delete', array('id' => $id));
    list(, $number) = explode('x', $id);
    CRMEntity::getInstance('Contacts')->restore('Contacts', $number);
    same(array("created $id", "updated $id", "deleted $id", "restored $id"), kinds($site, 'Contacts', $cursor));
    same(array(), kinds($site, 'Leads', $cursor));
});
test('On the CRM, the cursor 0 shows what is kept, an old one has expired, an unwatched module is refused', function () use ($site) {
    $all = $site->result('pugmark.changes', array('elementType' => 'Contacts', 'cursor' => '0', 'limit' => '500'));
    holds(count($all['changes']) > 0, 'there are changes');
    same('CURSOR_EXPIRED', $site->code('pugmark.changes', array('elementType' => 'Contacts', 'cursor' => '99999999', 'limit' => '')));
    same('MODULE_NOT_WATCHED', $site->code('pugmark.changes', array('elementType' => 'Accounts', 'cursor' => '0', 'limit' => '')));
});
test('On the CRM, a converted lead is noted with what it became', function () use ($site) {
    require_once 'include/Webservices/ConvertLead.php';
    global $current_user;
    $lead = $site->result('create', array('elementType' => 'Leads', 'element' => array('lastname' => 'Lead', 'assigned_user_id' => '19x1')))['id'];
    $cursor = $site->result('pugmark.changes', array('elementType' => 'Leads', 'cursor' => '', 'limit' => ''))['cursor'];
    $made = vtws_convertlead(array('leadId' => $lead, 'assignedTo' => '19x1', 'transferRelatedRecordsTo' => 'Contacts', 'entities' => array(
        'Contacts' => array('create' => true, 'name' => 'Contacts', 'lastname' => 'Lead'))), $current_user);
    holds(isset($made['Contacts']), json_encode($made));
    same(array("converted $lead"), kinds($site, 'Leads', $cursor));
    $row = $site->rows("SELECT detail FROM vtiger_pugmark_outbox WHERE kind = 'converted' ORDER BY id DESC LIMIT 1")[0];
    same('12x' . json_decode($row['detail'], true)['contact'], $made['Contacts']);
});
test('On the CRM, cron sends what happened in order, signed, and again with the same id after a failure', function () use ($site) {
    $secret = 'whsec_' . base64_encode(random_bytes(32));
    $ids = array();
    $requests = receive(4, array(200, 503, 200, 200), function ($url) use ($site, $secret, &$ids) {
        $site->result('pugmark.webhook', array('options' => array('url' => $url, 'secret' => $secret, 'modules' => array('Contacts'), 'enabled' => true)));
        foreach (array('One', 'Two', 'Three') as $name) {
            $ids[] = $site->result('create', array('elementType' => 'Contacts', 'element' => array('lastname' => $name, 'assigned_user_id' => '19x1')))['id'];
        }
        $site->result('create', array('elementType' => 'Leads', 'element' => array('lastname' => 'Not sent', 'assigned_user_id' => '19x1')));
        $first = $site->cron();
        holds(strpos($first, 'Pugmark outbox: {"sent":1,"given_up":0,"failed":1}') !== false, $first);
        PearDatabase::getInstance()->pquery("UPDATE vtiger_pugmark_outbox SET next_attempt = UTC_TIMESTAMP() WHERE state = 'waiting'", array());
        $second = $site->cron();
        holds(strpos($second, 'Pugmark outbox: {"sent":2,"given_up":0,"failed":0}') !== false, $second);
    });
    same(4, count($requests));
    $bodies = array_map(function ($request) {
        return json_decode($request['body'], true);
    }, $requests);
    same(array($ids[0], $ids[1], $ids[1], $ids[2]), array_map(function ($body) {
        return $body['data']['id'];
    }, $bodies));
    same($requests[1]['body'], $requests[2]['body']);
    foreach ($requests as $request) {
        $headers = $request['headers'];
        $expected = base64_encode(hash_hmac('sha256', $headers['webhook-id'] . '.' . $headers['webhook-timestamp'] . '.' . $request['body'],
            base64_decode(substr($secret, 6)), true));
        same("v1,$expected", $headers['webhook-signature']);
        holds(abs(time() - (int) $headers['webhook-timestamp']) < 60, 'the time is now');
    }
    same(array('record.created', 'Contacts', '19x1'), array($bodies[0]['type'], $bodies[0]['data']['module'], $bodies[0]['data']['crm_user']));
    $site->result('pugmark.webhook', array('options' => array('enabled' => false)));
});
test('On the CRM, a save goes through although the outbox is broken', function () use ($site) {
    $adb = PearDatabase::getInstance();
    $adb->pquery('RENAME TABLE vtiger_pugmark_outbox TO vtiger_pugmark_away', array());
    try {
        $id = $site->result('create', array('elementType' => 'Contacts', 'element' => array('lastname' => 'Through', 'assigned_user_id' => '19x1')))['id'];
        holds(strpos($id, 'x') > 0, 'it was made');
        $output = $site->cron();
        holds(strpos($output, 'Pugmark outbox failed: RuntimeException') !== false, $output);
    } finally {
        $adb->pquery('RENAME TABLE vtiger_pugmark_away TO vtiger_pugmark_outbox', array());
    }
});
test('On the CRM, a module that is disabled answers nothing, notes nothing and sends nothing; enabled, it goes on', function () use ($site) {
    vtlib_toggleModuleAccess('Pugmark', false);
    $newest = PugmarkServices::own()->outboxTable->newest();
    foreach (array('pugmark.info', 'pugmark.changes', 'pugmark.upsert', 'pugmark.setup', 'pugmark.webhook') as $operation) {
        same('ACCESS_DENIED', $site->code($operation));
    }
    $site->result('create', array('elementType' => 'Contacts', 'element' => array('lastname' => 'Unseen', 'assigned_user_id' => '19x1')));
    same($newest, PugmarkServices::own()->outboxTable->newest());
    same('0', (string) $site->value("SELECT status FROM vtiger_cron_task WHERE name = 'Pugmark outbox'"));
    vtlib_toggleModuleAccess('Pugmark', true);
    $site->result('create', array('elementType' => 'Contacts', 'element' => array('lastname' => 'Seen again', 'assigned_user_id' => '19x1')));
    same($newest + 1, PugmarkServices::own()->outboxTable->newest());
    same('1.0.0', $site->result('pugmark.info')['version']);
});
test('On the CRM, a contact has the link to its customer once an address is set', function () use ($site) {
    $shown = function () {
        $links = Vtiger_Link::getAllByType(getTabid('Contacts'), array('DETAILVIEWBASIC'), array('RECORD' => '7'));
        foreach ($links['DETAILVIEWBASIC'] as $link) {
            if ($link->linklabel === 'Open customer') {
                return $link->linkurl;
            }
        }
        return '';
    };
    same('', $shown());
    $site->command(array('settings', 'customer_url', 'https://desk.example.com/customers/{reference}'));
    PugmarkServices::own()->settings->reload();
    same('index.php?module=Pugmark&action=OpenCustomer&record=7', $shown());
});
