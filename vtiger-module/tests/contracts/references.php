<?php
/** What every table of references does; run on the double, and on the real one where there is a CRM. */
function reference_table_contract(string $which, callable $make): void
{
    test("A reference never noted has no row ($which)", function () use ($make) {
        same(null, $make()->find('Contacts', 'unheard'));
    });
    test("A started reference has no record until it is finished ($which)", function () use ($make) {
        $table = $make();
        $table->start('Contacts', 'r-1');
        same(array('started', null), array_slice(array_values($table->find('Contacts', 'r-1')), 0, 2));
        $table->finish('Contacts', 'r-1', 7);
        same(array('done', 7), array_slice(array_values($table->find('Contacts', 'r-1')), 0, 2));
    });
    test("Starting a reference again changes nothing ($which)", function () use ($make) {
        $table = $make();
        $table->start('Contacts', 'r-2');
        $table->finish('Contacts', 'r-2', 8);
        $table->start('Contacts', 'r-2');
        same(array('done', 8), array_slice(array_values($table->find('Contacts', 'r-2')), 0, 2));
    });
    test("Only a started reference can be forgotten ($which)", function () use ($make) {
        $table = $make();
        foreach (array('r-3', 'r-4') as $reference) {
            $table->start('Contacts', $reference);
        }
        $table->finish('Contacts', 'r-4', 9);
        $table->forget('Contacts', 'r-3');
        $table->forget('Contacts', 'r-4');
        same(null, $table->find('Contacts', 'r-3'));
        same(9, $table->find('Contacts', 'r-4')['crmid']);
    });
    test("References are told apart by module, case and every character ($which)", function () use ($make) {
        $table = $make();
        $table->start('Contacts', 'Ref-é');
        foreach (array(array('Leads', 'Ref-é'), array('Contacts', 'ref-é'), array('Contacts', 'Ref-e')) as $other) {
            same(null, $table->find($other[0], $other[1]), $other[1]);
        }
    });
    test("A reference of 128 characters is kept whole ($which)", function () use ($make) {
        $table = $make();
        $table->start('Contacts', str_repeat('é', 127) . 'a');
        same(null, $table->find('Contacts', str_repeat('é', 127) . 'b'));
        same('started', $table->find('Contacts', str_repeat('é', 127) . 'a')['state']);
    });
}
