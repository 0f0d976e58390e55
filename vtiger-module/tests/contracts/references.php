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
        same(array('state' => 'started', 'crmid' => null), $table->find('Contacts', 'r-1'));
        $table->finish('Contacts', 'r-1', 7);
        same(array('state' => 'done', 'crmid' => 7), $table->find('Contacts', 'r-1'));
    });
    test("Starting a reference again changes nothing ($which)", function () use ($make) {
        $table = $make();
        $table->start('Contacts', 'r-2');
        $table->finish('Contacts', 'r-2', 8);
        $table->start('Contacts', 'r-2');
        same(array('state' => 'done', 'crmid' => 8), $table->find('Contacts', 'r-2'));
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
