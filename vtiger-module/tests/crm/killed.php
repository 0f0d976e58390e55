<?php
test('However often the web server is killed in the middle of upserts, each reference ends with exactly one contact', function () use ($site) {
    $reference = fresh('kill');
    $elements = array_map(function ($number) use ($reference) {
        return contact("$reference-$number", array('firstname' => $reference));
    }, range(1, 40));
    $parameters = array('elementType' => 'Contacts', 'reference' => 'cf_microbima_customer_id', 'elements' => $elements,
        'options' => array());
    $made = array();
    for ($round = 0; $round < 12; $round++) {
        $site->kill();
        $site->open(1);
        $request = $site->request('pugmark.upsert', $parameters);
        $multi = curl_multi_init();
        curl_multi_add_handle($multi, $request);
        // Waits until at least one more contact is there, then kills at some point of the next ones.
        $before = count_made($site, $reference);
        $end = microtime(true) + 20;
        do {
            curl_multi_exec($multi, $running);
            curl_multi_select($multi, 0.005);
        } while ($running && count_made($site, $reference) < $before + 1 && microtime(true) < $end);
        usleep(random_int(0, 200000));
        $site->kill();
        curl_multi_remove_handle($multi, $request);
        $made[] = count_made($site, $reference);
    }
    $site->open();
    $answers = $site->upsert($elements);
    same(array(), array_diff(array_column($answers, 'status'), array('created', 'updated', 'unchanged')), json_encode($answers));
    foreach ($elements as $element) {
        same(1, count($site->contacts($element['reference'])), $element['reference']);
    }
    holds($made[0] > 0 && $made[0] < 40, 'the first kill came in the middle: ' . json_encode($made));
    same('40', (string) $site->value("SELECT COUNT(*) FROM vtiger_crmentity WHERE setype = 'Contacts' AND deleted = 0 AND label = ?",
        array("$reference Otieno")), 'half-made records are not left behind');
    same('0', (string) $site->value("SELECT COUNT(*) FROM vtiger_crmentity WHERE deleted = 0 AND source LIKE 'PUGMARK%'"));
    $entity = CRMEntity::getInstance('Contacts');
    foreach ($entity->tab_name as $table) {
        same('0', (string) $site->value("SELECT COUNT(*) FROM vtiger_crmentity e LEFT JOIN $table t ON t.{$entity->tab_name_index[$table]} = e.crmid "
            . "WHERE e.label = ? AND e.deleted = 0 AND t.{$entity->tab_name_index[$table]} IS NULL", array("$reference Otieno")), $table);
    }
    $halves = $site->value("SELECT COUNT(*) FROM vtiger_crmentity WHERE deleted = 1 AND source LIKE 'PUGMARK%'");
    echo 'killed in the middle of upserts: contacts after each kill ' . implode(',', $made) . "; half-made records removed so far $halves\n";
});

function count_made(Site $site, string $reference): int
{
    return (int) $site->value("SELECT COUNT(*) FROM vtiger_contactscf WHERE cf_microbima_customer_id LIKE ?", array("$reference-%"));
}
