<?php
function fields_on(MemoryFields $crm, $options, ?MemorySettings $settings = null, ?MemoryLocks $locks = null): array
{
    return (new PugmarkFields($crm, new PugmarkSettings($settings ?: new MemorySettings()), $locks ?: new MemoryLocks()))->setUp($options);
}

test('All fields are made on every module, and the reference gets an index', function () {
    $crm = new MemoryFields();
    $answer = fields_on($crm, array('modules' => array('Contacts', 'Leads')));
    same(10, count($answer['fields']));
    same(array('module' => 'Contacts', 'name' => 'cf_microbima_customer_id', 'label' => 'Microbima Customer Id', 'created' => true),
        $answer['fields'][0]);
    same(array('created' => true), $answer['index']);
    same(array('Contacts.cf_microbima_customer_id', 'Leads.cf_microbima_customer_id'), $crm->indexes);
});
test('The names of the fields are their labels in small letters', function () {
    foreach (PugmarkFields::FIELDS as $name => $field) {
        same('cf_' . str_replace(' ', '_', strtolower($field[0])), $name);
    }
});
test('A second set-up makes nothing', function () {
    $crm = new MemoryFields();
    fields_on($crm, array('modules' => array('Contacts')));
    $answer = fields_on($crm, array('modules' => array('Contacts')));
    same(array(false, false, false, false, false), array_column($answer['fields'], 'created'));
    same(array('created' => false), $answer['index']);
});
test('A field made by hand under the same label is used under its own name', function () {
    $crm = new MemoryFields();
    $crm->fields['Contacts']['cf_853'] = 'Microbima Customer Id';
    $answer = fields_on($crm, array('modules' => array('Contacts')));
    same(array('cf_853', false), array($answer['fields'][0]['name'], $answer['fields'][0]['created']));
    same(array('Contacts.cf_853'), $crm->indexes);
});
test('Another field can carry the reference, and is remembered', function () {
    $crm = new MemoryFields();
    $settings = new MemorySettings();
    $crm->fields['Contacts']['cf_901'] = 'Our Id';
    fields_on($crm, array('modules' => array('Contacts'), 'referenceField' => 'cf_901'), $settings);
    same(array('Contacts.cf_901'), $crm->indexes);
    same('cf_901', $settings->values['reference_field']);
    refused('INVALID_INPUT', function () use ($crm) {
        fields_on($crm, array('modules' => array('Contacts'), 'referenceField' => 'cf_nothing'));
    });
});
test('Unknown modules and options of another shape make nothing', function () {
    $crm = new MemoryFields();
    foreach (array(null, array(), array('modules' => 'Contacts'), array('modules' => array('Nonsense')),
        array('modules' => array('Contacts', "x' or 1"))) as $options) {
        refused('INVALID_INPUT', function () use ($crm, $options) {
            fields_on($crm, $options);
        });
    }
    same(array('lastname'), array_keys($crm->fields['Contacts']));
});
test('Two set-ups at once do not make fields twice, and the lock is given back', function () {
    $crm = new MemoryFields();
    $locks = new MemoryLocks();
    $locks->foreign = array('setup');
    refused('BUSY', function () use ($crm, $locks) {
        fields_on($crm, array('modules' => array('Contacts')), null, $locks);
    });
    same(array('lastname'), array_keys($crm->fields['Contacts']));
    $locks->foreign = array();
    fields_on($crm, array('modules' => array('Contacts')), null, $locks);
    same(array(array('setup'), array()), array($locks->taken, $locks->held));
});
