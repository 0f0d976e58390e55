<?php
/** A CRM with contacts, and the upsert on it. */
final class UpsertCase
{
    public $world;
    public $records;
    public $references;
    public $locks;

    public function __construct()
    {
        $this->world = new World();
        $this->records = new MemoryRecords($this->world);
        $this->references = new MemoryReferences($this->world);
        $this->locks = new MemoryLocks();
    }

    public function run(array $elements, $options = null): array
    {
        return (new PugmarkUpsert($this->records, $this->references, $this->locks))
            ->run('Contacts', 'cf_ref', $elements, $options)['results'];
    }

    public function one(array $element, $options = null): array
    {
        return $this->run(array($element), $options)[0];
    }

    public function live(): int
    {
        return count(array_diff_key($this->records->records, $this->records->deleted));
    }
}

/** State and record of the reference c-1. */
function kept(UpsertCase $case): array
{
    $row = $case->references->rows['Contacts|c-1'];
    return array($row['state'], $row['crmid']);
}

function sorted(array $record): array
{
    ksort($record);
    return $record;
}

test('A new reference creates a record that holds it, with the fields for creation only', function () {
    $case = new UpsertCase();
    $answer = $case->one(array('reference' => 'c-1', 'fields' => array('lastname' => 'Otieno'),
        'createOnly' => array('assigned_user_id' => '19x1')));
    same(array('reference' => 'c-1', 'status' => 'created', 'id' => '12x2'), $answer);
    same(array('assigned_user_id' => '19x1', 'cf_ref' => 'c-1', 'lastname' => 'Otieno', 'source' => 'WEBSERVICE'),
        sorted($case->records->records[2]));
});
test('A repeated call creates nothing twice and writes nothing', function () {
    $case = new UpsertCase();
    $element = array('reference' => 'c-1', 'fields' => array('lastname' => 'Otieno', 'total' => 12.5, 'emailoptout' => false));
    $case->one($element);
    same(array('reference' => 'c-1', 'status' => 'unchanged', 'id' => '12x2'), $case->one($element));
    same(1, count($case->records->saves));
});
test('Only what differs is revised, and the fields for creation only are left alone', function () {
    $case = new UpsertCase();
    $case->one(array('reference' => 'c-1', 'fields' => array('lastname' => 'Otieno', 'firstname' => 'Ann')));
    $answer = $case->one(array('reference' => 'c-1', 'fields' => array('lastname' => 'Otieno', 'firstname' => 'Anna'),
        'createOnly' => array('mobile' => '1')));
    same('updated', $answer['status']);
    same(array('revise', 2, array('firstname' => 'Anna'), false), end($case->records->saves));
});
test('Elements are answered in order and one refused does not stop the others', function () {
    $case = new UpsertCase();
    $answers = $case->run(array(
        array('reference' => 'a', 'fields' => array('lastname' => 'A')),
        array('reference' => '', 'fields' => array('lastname' => 'B')),
        'no object',
        array('reference' => 'c', 'fields' => array('nonsense' => 'C')),
        array('reference' => 'd', 'fields' => array('lastname' => array('D'))),
        array('reference' => 'e', 'fields' => array('lastname' => 'E')),
    ));
    same(array('created', 'refused', 'refused', 'refused', 'refused', 'created'), array_column($answers, 'status'));
    same(array('a', '', '', 'c', 'd', 'e'), array_column($answers, 'reference'));
    same(array('INVALID_INPUT', 'INVALID_INPUT', 'INVALID_FIELD', 'INVALID_FIELD'), array_column($answers, 'code'));
});
test('The same reference twice in one call makes one record', function () {
    $case = new UpsertCase();
    $answers = $case->run(array(array('reference' => 'a', 'fields' => array('lastname' => 'A')),
        array('reference' => 'a', 'fields' => array('lastname' => 'B'))));
    same(array('created', 'updated'), array_column($answers, 'status'));
    same(1, $case->live());
});
test('More than a hundred elements are refused as a whole', function () {
    $case = new UpsertCase();
    refused('TOO_MANY', function () use ($case) {
        $case->run(array_fill(0, 101, array('reference' => 'a', 'fields' => array('lastname' => 'A'))));
    });
    same(0, $case->live());
    $hundred = array_map(function ($number) {
        return array('reference' => "r$number", 'fields' => array('lastname' => 'A'));
    }, range(1, 100));
    same(100, count($case->run($hundred)));
});
test('A value that is not the expected one is a conflict: it is shown, and nothing is written', function () {
    $case = new UpsertCase();
    $case->one(array('reference' => 'c-1', 'fields' => array('lastname' => 'Otieno', 'firstname' => 'Ann', 'mobile' => '1')));
    $answer = $case->one(array('reference' => 'c-1', 'fields' => array('firstname' => 'Anna', 'mobile' => '2'),
        'expect' => array('firstname' => 'Eve', 'mobile' => '1')));
    same(array('reference' => 'c-1', 'status' => 'conflict', 'id' => '12x2',
        'current' => array('firstname' => 'Ann', 'mobile' => '1')), $answer);
    same('1', $case->records->records[2]['mobile']);
    same('updated', $case->one(array('reference' => 'c-1', 'fields' => array('firstname' => 'Anna'),
        'expect' => array('firstname' => 'Ann', 'mobile' => '1')))['status']);
});
test('An expected empty value is what an empty field holds', function () {
    $case = new UpsertCase();
    $case->one(array('reference' => 'c-1', 'fields' => array('lastname' => 'Otieno')));
    same('updated', $case->one(array('reference' => 'c-1', 'fields' => array('firstname' => 'Ann'),
        'expect' => array('firstname' => null)))['status']);
});
test('A deleted record is refused with its id, and is not made again', function () {
    $case = new UpsertCase();
    $case->one(array('reference' => 'c-1', 'fields' => array('lastname' => 'Otieno')));
    $case->records->deleted[2] = true;
    $answer = $case->one(array('reference' => 'c-1', 'fields' => array('lastname' => 'Otieno')));
    same(array('refused', 'RECORD_DELETED', '12x2'), array($answer['status'], $answer['code'], $answer['id']));
    same(0, $case->live());
});
test('A record made before the extension was there is found by the field and taken over', function () {
    $case = new UpsertCase();
    $case->records->keep(40, array('cf_ref' => 'c-1', 'lastname' => 'Old'));
    same(array('reference' => 'c-1', 'status' => 'updated', 'id' => '12x40'),
        $case->one(array('reference' => 'c-1', 'fields' => array('lastname' => 'New'))));
    same(array('done', 40), kept($case));
});
test('Two records with one reference are refused as ambiguous and neither is touched', function () {
    $case = new UpsertCase();
    $case->records->keep(40, array('cf_ref' => 'c-1'));
    $case->records->keep(41, array('cf_ref' => 'c-1'));
    same('AMBIGUOUS_REFERENCE', $case->one(array('reference' => 'c-1', 'fields' => array('lastname' => 'X')))['code']);
    same(array(), $case->records->saves);
});
test('A linked record that lost its reference by hand gets it back', function () {
    $case = new UpsertCase();
    $case->one(array('reference' => 'c-1', 'fields' => array('lastname' => 'Otieno')));
    $case->records->keep(2, array('cf_ref' => ''));
    same('updated', $case->one(array('reference' => 'c-1', 'fields' => array('lastname' => 'Otieno')))['status']);
    same('c-1', $case->records->records[2]['cf_ref']);
});
test('Wherever the process is killed, the repeated call leaves exactly one record, whole and unmarked', function () {
    foreach (array('before start', 'after start', 'before create', 'after half of create', 'after most of create', 'after create',
        'before unmark', 'after unmark', 'before finish', 'after finish') as $place) {
        $case = new UpsertCase();
        list($when, $call) = explode(' ', $place, 2);
        $when === 'before' ? $case->world->dieBefore = $call : $case->world->dieAfter = $call;
        $element = array('reference' => 'c-1', 'fields' => array('lastname' => 'Otieno'));
        $case->one($element);
        $case->world->restart();
        $answer = $case->one($element);
        holds(in_array($answer['status'], array('created', 'updated', 'unchanged'), true), "answered when killed $place: " . json_encode($answer));
        same(1, $case->live(), $place);
        $crmid = (int) substr($answer['id'], 3);
        same(array('c-1', 'Otieno'), array($case->records->records[$crmid]['cf_ref'], $case->records->records[$crmid]['lastname']), $place);
        same(true, isset($case->records->complete[$crmid]), $place);
        same(array(), array_diff_key($case->records->marks, $case->records->deleted), $place);
        same(array('done', $crmid), kept($case), $place);
    }
});
test('A record whose making was cut off is saved once more, so that the CRM\'s events see it', function () {
    $case = new UpsertCase();
    $case->world->dieAfter = 'most of create';
    $element = array('reference' => 'c-1', 'fields' => array('lastname' => 'Otieno'));
    $case->one($element);
    $case->world->restart();
    same('updated', $case->one($element)['status']);
    same(array('revise', 2, array('cf_ref' => 'c-1', 'lastname' => 'Otieno'), false), end($case->records->saves));
});
test('A record that somebody gave another reference while its making was unfinished is not removed', function () {
    $case = new UpsertCase();
    $case->world->dieAfter = 'create';
    $element = array('reference' => 'c-1', 'fields' => array('lastname' => 'Otieno'));
    $case->one($element);
    $case->world->restart();
    $case->records->keep(2, array('cf_ref' => 'c-9'));
    same('12x3', $case->one($element)['id']);
    same(2, $case->live());
});
test('A record stored before a handler of the CRM failed counts as created', function () {
    $case = new UpsertCase();
    $case->records->failAfter = new RuntimeException('workflow broke');
    same(array('reference' => 'c-1', 'status' => 'created', 'id' => '12x2'),
        $case->one(array('reference' => 'c-1', 'fields' => array('lastname' => 'Otieno'))));
});
test('What the CRM refuses is passed on, and the next call can still create', function () {
    $case = new UpsertCase();
    $case->records->failBefore = new PugmarkRefused('MANDATORY_FIELDS_MISSING', 'lastname does not have a value');
    $answer = $case->one(array('reference' => 'c-1', 'fields' => array('firstname' => 'A')));
    same(array('MANDATORY_FIELDS_MISSING', 'lastname does not have a value'), array($answer['code'], $answer['message']));
    same(array(), $case->references->rows, 'nothing is noted of what was not made');
    $case->records->failBefore = null;
    same('created', $case->one(array('reference' => 'c-1', 'fields' => array('lastname' => 'A')))['status']);
});
test('The message of an unexpected error is not shown', function () {
    $case = new UpsertCase();
    $case->records->failBefore = new RuntimeException('password=hunter2');
    $answer = $case->one(array('reference' => 'c-1', 'fields' => array('lastname' => 'A')));
    same('INTERNAL_SERVER_ERROR', $answer['code']);
    same(false, strpos(json_encode($answer), 'hunter2'));
});
test('A record that does not hold its reference after all is not taken for created', function () {
    $case = new UpsertCase();
    $case->records->loseReference = true;
    $answer = $case->one(array('reference' => 'c-1', 'fields' => array('lastname' => 'A')));
    same('CREATE_UNPROVEN', $answer['code']);
    same('started', $case->references->rows['Contacts|c-1']['state']);
});
test('A reference that another call works on is answered as busy, and locks are given back', function () {
    $case = new UpsertCase();
    $case->locks->foreign = array('reference|Contacts|busy');
    $answers = $case->run(array(array('reference' => 'busy', 'fields' => array('lastname' => 'A')),
        array('reference' => 'free', 'fields' => array('lastname' => 'A'))));
    same('BUSY', $answers[0]['code']);
    same('created', $answers[1]['status']);
    $case->records->failBefore = new RuntimeException('x');
    $case->one(array('reference' => 'broken', 'fields' => array('lastname' => 'A')));
    same(array(), $case->locks->held);
    same(array('reference|Contacts|free', 'reference|Contacts|broken'), $case->locks->taken);
});
test('Bulk is passed on, and is off unless asked for', function () {
    $case = new UpsertCase();
    $case->one(array('reference' => 'a', 'fields' => array('lastname' => 'A')), array('bulk' => true));
    $case->one(array('reference' => 'b', 'fields' => array('lastname' => 'B')), array());
    same(array(true, false), array_column($case->records->saves, 3));
});
test('A reference that the field would cut or garble is refused before anything is made', function () {
    $case = new UpsertCase();
    foreach (array(str_repeat('x', 65), ' blank', "emoji \u{1F600}") as $reference) {
        same('INVALID_INPUT', $case->one(array('reference' => $reference, 'fields' => array('lastname' => 'A')))['code']);
    }
    same(0, $case->live());
});
test('Fields may repeat the reference but not contradict it', function () {
    $case = new UpsertCase();
    same('INVALID_FIELD', $case->one(array('reference' => 'a', 'fields' => array('cf_ref' => 'b')))['code']);
    same('created', $case->one(array('reference' => 'a', 'fields' => array('cf_ref' => 'a', 'lastname' => 'A')))['status']);
});
test('Owners that are not there, references that are no ids, and read-only fields are refused', function () {
    $case = new UpsertCase();
    foreach (array('assigned_user_id' => '19x99', 'account_id' => '12x5 or 1=1') as $name => $value) {
        same('REFERENCE_INVALID', $case->one(array('reference' => 'a', 'fields' => array($name => $value)))['code']);
    }
    same('INVALID_FIELD', $case->one(array('reference' => 'a', 'fields' => array('modifiedtime' => '2026-01-01 00:00:00')))['code']);
    same('created', $case->one(array('reference' => 'a', 'fields' => array('lastname' => 'A', 'assigned_user_id' => '20x2', 'account_id' => null)))['status']);
    same('conflict', $case->one(array('reference' => 'a', 'fields' => array(), 'expect' => array('modifiedtime' => '2026-01-01 00:00:00')))['status']);
});
test('A source is taken on creation and is no difference later', function () {
    $case = new UpsertCase();
    $case->one(array('reference' => 'a', 'fields' => array('lastname' => 'A', 'source' => 'MICROBIMA')));
    same('MICROBIMA', $case->records->records[2]['source']);
    same('unchanged', $case->one(array('reference' => 'a', 'fields' => array('lastname' => 'A', 'source' => 'OTHER')))['status']);
});
test('A module without the reference field, or no module at all, refuses the call', function () {
    $case = new UpsertCase();
    $upsert = new PugmarkUpsert($case->records, $case->references, $case->locks);
    refused('INVALID_INPUT', function () use ($upsert) {
        $upsert->run('Contacts', 'cf_nothing', array(), null);
    });
    refused('ACCESS_DENIED', function () use ($upsert) {
        $upsert->run('Nonsense', 'cf_ref', array(), null);
    });
});
test('Values are compared as the web service shows them', function () {
    $same = array(array('double', '12.50', 12.5), array('boolean', '', false), array('boolean', '1', true),
        array('string', '', null), array('multipicklist', 'A |##| B', 'B |##| A'), array('text', "a\r\nb", "a\nb"),
        array('integer', '3', 3));
    $different = array(array('string', '1.0', '1'), array('double', '', 0), array('string', 'A', 'a'),
        array('phone', '+254', '254'), array('string', '1e3', '1000'));
    foreach ($same as $case) {
        same(true, PugmarkComparison::same($case[0], $case[1], $case[2]), json_encode($case));
    }
    foreach ($different as $case) {
        same(false, PugmarkComparison::same($case[0], $case[1], $case[2]), json_encode($case));
    }
});
