<?php
/** What every outbox table does; run on the double, and on the real one where there is a CRM. */
function outbox_table_contract(string $which, callable $make): void
{
    $row = function (string $state = 'kept', array $detail = array()) {
        return array('module' => 'Contacts', 'crmid' => 34, 'kind' => 'updated', 'crm_user' => 1, 'detail' => $detail,
            'state' => $state);
    };
    test("Rows come back in order after a number, as they were written ($which)", function () use ($make, $row) {
        $table = $make();
        $first = $table->add($row('kept', array('contact' => 5)));
        $second = $table->add(array('crm_user' => null) + $row());
        $rows = $table->after($first - 1, 10);
        same(array($first, $second), array_column($rows, 'id'));
        same(array('Contacts', 34, 'updated', 1, array('contact' => 5)), array($rows[0]['module'], $rows[0]['crmid'],
            $rows[0]['kind'], $rows[0]['crm_user'], $rows[0]['detail']));
        same(null, $rows[1]['crm_user']);
        same(array($second), array_column($table->after($first, 10), 'id'));
        same(1, count($table->after($first - 1, 1)));
    });
    test("A new row has no age and a time in UTC ($which)", function () use ($make, $row) {
        $table = $make();
        $id = $table->add($row());
        $read = $table->after($id - 1, 1)[0];
        holds($read['age'] >= 0 && $read['age'] <= 2, 'its age is about nothing');
        same(1, preg_match('/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/', $read['at']));
    });
    test("The head is the first row that waits ($which)", function () use ($make, $row) {
        $table = $make();
        same(null, $table->head());
        $table->add($row('kept'));
        $first = $table->add($row('waiting'));
        $second = $table->add($row('waiting'));
        same($first, $table->head()['id']);
        $table->mark($first, array('state' => 'sent', 'attempts' => 1, 'last_answer' => '200'));
        same($second, $table->head()['id']);
        $table->mark($second, array('state' => 'waiting', 'attempts' => 3, 'next_attempt' => '2026-01-01 00:01:00'));
        same(array(3, '2026-01-01 00:01:00'), array($table->head()['attempts'], $table->head()['next_attempt']));
        same(array('kept' => 1, 'sent' => 1, 'waiting' => 1), $table->counts());
    });
    test("Rows are removed up to a number and numbers are not given out again ($which)", function () use ($make, $row) {
        $table = $make();
        $table->add($row());
        $second = $table->add($row());
        $third = $table->add($row());
        $table->removeUpTo($second);
        same(array($third), array_column($table->after(0, 10), 'id'));
        same($third, $table->newest());
        holds($table->add($row()) > $third, 'the next number is higher');
        same(0, $table->newestAged(3600));
        same($table->newest(), $table->newestAged(0));
    });
}
