<?php
test('On the CRM, a contact is created once, revised by what differs, and left alone when nothing does', function () use ($site) {
    $reference = fresh('c');
    $fields = array('lastname' => "O'Brien & <b>\\", 'firstname' => 'Zoë', 'cf_weekly_payment_total' => 12.5,
        'cf_last_payment_date' => '2026-01-02', 'cf_payment_count' => 3, 'emailoptout' => true);
    $created = $site->upsert(array(contact($reference, $fields)))[0];
    same('created', $created['status']);
    same(array('reference' => $reference, 'status' => 'unchanged', 'id' => $created['id']), $site->upsert(array(contact($reference, $fields)))[0]);
    same('updated', $site->upsert(array(contact($reference, array('firstname' => 'Ann') + $fields)))[0]['status']);
    $record = $site->result('retrieve', array('id' => $created['id']));
    same(array("O'Brien & <b>\\", 'Ann', $reference), array($record['lastname'], $record['firstname'], $record['cf_microbima_customer_id']));
    same(1, count($site->contacts($reference)));
});
test('On the CRM, text is kept to the letter, whether a record is created or revised', function () use ($site) {
    foreach (array('AT&amp;T & Co', '&lt;b&gt; <b>', 'a\\b\'c"d', '100% ?', 'Ünï — 中') as $text) {
        $reference = fresh('c');
        $id = $site->upsert(array(contact($reference, array('lastname' => $text))))[0]['id'];
        same($text, $site->result('retrieve', array('id' => $id))['lastname'], 'created');
        $site->upsert(array(contact($reference, array('lastname' => 'between'))));
        same('updated', $site->upsert(array(contact($reference, array('lastname' => $text))))[0]['status']);
        same($text, $site->result('retrieve', array('id' => $id))['lastname'], 'revised');
        same('unchanged', $site->upsert(array(contact($reference, array('lastname' => $text))))[0]['status']);
    }
});
test('On the CRM, an owner that is not there is refused for its element only, and the source is as for any record', function () use ($site) {
    $reference = fresh('c');
    $owned = function (string $name, string $owner) use ($reference) {
        return array('reference' => "$reference-$name", 'fields' => array('lastname' => 'Owned'), 'createOnly' => array('assigned_user_id' => $owner));
    };
    $answers = $site->upsert(array($owned('a', '19x9999'), $owned('b', '12x1'), $owned('c', '19x1'), $owned('d', '20x2')));
    same(array('refused', 'refused', 'created', 'created'), array_column($answers, 'status'));
    same(array('REFERENCE_INVALID', 'REFERENCE_INVALID'), array_column($answers, 'code'));
    same('WEBSERVICE', $site->result('retrieve', array('id' => $answers[2]['id']))['source']);
    same('20x2', $site->result('retrieve', array('id' => $answers[3]['id']))['assigned_user_id']);
});
test('On the CRM, an unexpected value is a conflict and nothing is written', function () use ($site) {
    $reference = fresh('c');
    $site->upsert(array(contact($reference, array('firstname' => 'Ann'))));
    $answer = $site->upsert(array(array('expect' => array('firstname' => 'Eve')) + contact($reference, array('firstname' => 'Bob'))))[0];
    same(array('conflict', array('firstname' => 'Ann')), array($answer['status'], $answer['current']));
    same('updated', $site->upsert(array(array('expect' => array('firstname' => 'Ann', 'cf_id_number' => '', 'mobile' => null)) + contact($reference, array('firstname' => 'Bob'))))[0]['status']);
});
test('On the CRM, what it refuses is told for its element only', function () use ($site) {
    $reference = fresh('c');
    $answers = $site->upsert(array(array('reference' => "$reference-a", 'fields' => array('lastname' => 'No owner')),
        contact("$reference-b", array('account_id' => '19x1')), contact("$reference-c", array('nonsense' => '1')), contact("$reference-d")));
    same(array('refused', 'refused', 'refused', 'created'), array_column($answers, 'status'));
    same(array('MANDATORY_FIELDS_MISSING', 'REFERENCE_INVALID', 'INVALID_FIELD'), array_column($answers, 'code'));
    same('created', $site->upsert(array(contact("$reference-a")))[0]['status']);
});
test('On the CRM, a deleted contact is refused with its id and not made again', function () use ($site) {
    $reference = fresh('c');
    $id = $site->upsert(array(contact($reference)))[0]['id'];
    $site->result('delete', array('id' => $id));
    $answer = $site->upsert(array(contact($reference)))[0];
    same(array('refused', 'RECORD_DELETED', $id), array($answer['status'], $answer['code'], $answer['id']));
    same(array(), $site->contacts($reference));
});
test('On the CRM, a contact made by the ordinary operation is taken over; two are ambiguous; another case is another reference', function () use ($site) {
    $reference = fresh('c');
    $plain = function (string $reference) use ($site) {
        return $site->result('create', array('elementType' => 'Contacts', 'element' => array('lastname' => 'Old',
            'assigned_user_id' => '19x1', 'cf_microbima_customer_id' => $reference)))['id'];
    };
    $id = $plain($reference);
    same(array('reference' => $reference, 'status' => 'updated', 'id' => $id), $site->upsert(array(contact($reference)))[0]);
    same('created', $site->upsert(array(contact(strtoupper($reference))))[0]['status']);
    $plain("$reference-two");
    $plain("$reference-two");
    same('AMBIGUOUS_REFERENCE', $site->upsert(array(contact("$reference-two")))[0]['code']);
});
test('On the CRM, bulk saves write no history and no outbox, and are repeated safely', function () use ($site) {
    $reference = fresh('bulk');
    $before = PugmarkServices::own()->outboxTable->newest();
    $elements = array_map(function ($number) use ($reference) {
        return contact("$reference-$number", array('firstname' => 'Back-fill'));
    }, range(1, 20));
    same(array('created' => 20), array_count_values(array_column($site->upsert($elements, array('bulk' => true)), 'status')));
    same(array('unchanged' => 20), array_count_values(array_column($site->upsert($elements, array('bulk' => true)), 'status')));
    same($before, PugmarkServices::own()->outboxTable->newest());
    $id = $site->contacts("$reference-1")[0];
    same('0', (string) $site->value('SELECT COUNT(*) FROM vtiger_modtracker_basic WHERE crmid = ?', array($id)));
    same('Back-fill', $site->result('retrieve', array('id' => "12x$id"))['firstname']);
});
test('On the CRM, eight callers at once with the same 25 references make 25 contacts', function () use ($site) {
    $reference = fresh('race');
    $elements = array_map(function ($number) use ($reference) {
        return contact("$reference-$number");
    }, range(1, 25));
    $requests = array();
    for ($caller = 1; $caller <= 8; $caller++) {
        shuffle($elements);
        $requests[] = $site->request('pugmark.upsert', array('elementType' => 'Contacts', 'reference' => 'cf_microbima_customer_id',
            'elements' => $elements, 'options' => array()), "admin#$caller");
    }
    $created = 0;
    foreach ($site->together($requests) as $answer) {
        holds(isset($answer['result']['results']), json_encode($answer));
        $statuses = array_count_values(array_column($answer['result']['results'], 'status'));
        $created += isset($statuses['created']) ? $statuses['created'] : 0;
        same(0, isset($statuses['refused']) ? $statuses['refused'] : 0, json_encode($answer));
    }
    same(25, $created);
    foreach (range(1, 25) as $number) {
        same(1, count($site->contacts("$reference-$number")));
    }
});
test('On the CRM, a wrong call is refused as a whole', function () use ($site) {
    $call = array('elementType' => 'Contacts', 'reference' => 'cf_microbima_customer_id', 'elements' => array(contact('x')), 'options' => array());
    same('TOO_MANY', $site->code('pugmark.upsert', array('elements' => array_fill(0, 101, contact('x'))) + $call));
    same('INVALID_INPUT', $site->code('pugmark.upsert', array('elements' => '[{"broken') + $call));
    same('INVALID_INPUT', $site->code('pugmark.upsert', array('reference' => 'cf_nothing') + $call));
    same('ACCESS_DENIED', $site->code('pugmark.upsert', array('elementType' => 'Nonsense') + $call));
    same('ACCESS_DENIED', $site->code('pugmark.upsert', array('elementType' => 'Users', 'reference' => 'user_name') + $call));
});
