<?php
function new_user(string $name, array $changes = array()): array
{
    return $changes + array('user_name' => $name, 'user_password' => 'secret-one', 'first_name' => 'Jane', 'last_name' => 'Doe',
        'email1' => "$name@example.com", 'roleid' => 'Sales Person', 'reference' => "ref-$name");
}

function knows_password(string $name, string $password): bool
{
    $user = CRMEntity::getInstance('Users');
    $user->column_fields['user_name'] = $name;
    return (bool) $user->doLogin($password);
}

test('On the CRM, only callers on the list of the server create users and set passwords', function () use ($site) {
    same('ACCESS_DENIED', $site->code('pugmark.user_create', array('element' => new_user(fresh('u')))));
    same('ACCESS_DENIED', $site->code('pugmark.user_password', array('id' => '19x1', 'password' => 'long enough')));
    same(0, $site->command(array('settings', 'password_callers', 'admin'))[0]);
    same(true, $site->result('pugmark.info')['passwords']);
    same(9, count($site->result('pugmark.info')['operations']));
});
test('On the CRM, a user is created once for its reference, can log in, and is refused every operation', function () use ($site) {
    $name = fresh('u');
    $user = $site->result('pugmark.user_create', array('element' => new_user($name)));
    same(array($name, "$name@example.com", 'Active', 'H5', 'Jane', 'Doe'), array($user['user_name'], $user['email1'], $user['status'],
        $user['roleid'], $user['first_name'], $user['last_name']));
    same($user, $site->result('pugmark.user_create', array('element' => new_user($name))));
    same('1', (string) $site->value('SELECT COUNT(*) FROM vtiger_users WHERE user_name = ?', array($name)));
    same('DUPLICATE_USER_NAME', $site->code('pugmark.user_create', array('element' => new_user(strtoupper($name), array('reference' => fresh('r'))))));
    same(true, knows_password($name, 'secret-one'));
    holds(strlen($site->session($name)) > 5, 'the web service lets the user in');
    foreach (array_keys(PugmarkAccess::OPERATIONS) as $operation) {
        same('ACCESS_DENIED', $site->code($operation, array(), $name), $operation);
    }
});
test('On the CRM, four calls at once for one reference make one user', function () use ($site) {
    $name = fresh('u');
    $requests = array();
    foreach (range(1, 4) as $caller) {
        $requests[] = $site->request('pugmark.user_create', array('element' => new_user($name)), "admin#$caller");
    }
    $ids = array_map(function ($answer) {
        return isset($answer['result']['id']) ? $answer['result']['id'] : json_encode($answer);
    }, $site->together($requests));
    same(1, count(array_unique($ids)), json_encode($ids));
    same('1', (string) $site->value('SELECT COUNT(*) FROM vtiger_users WHERE user_name = ?', array($name)));
});
test('On the CRM, a user is made inactive, found, changed and made active again, and keeps its password and key', function () use ($site) {
    $name = fresh('u');
    $id = $site->result('pugmark.user_create', array('element' => new_user($name)))['id'];
    $key = $site->value('SELECT accesskey FROM vtiger_users WHERE user_name = ?', array($name));
    same('Inactive', $site->result('pugmark.user_update', array('id' => $id, 'element' => array('status' => 'Inactive')))['status']);
    same(false, knows_password($name, 'secret-one'));
    same(array('Inactive'), array_column($site->result('pugmark.user_find', array('userName' => strtoupper($name)))['users'], 'status'));
    $user = $site->result('pugmark.user_update', array('id' => $id, 'element' => array('status' => 'Active', 'roleid' => 'H4',
        'last_name' => "O'Roe", 'phone_mobile' => '+254700000000')));
    same(array('Active', 'H4', "O'Roe"), array($user['status'], $user['roleid'], $user['last_name']));
    same(true, knows_password($name, 'secret-one'));
    same($key, $site->value('SELECT accesskey FROM vtiger_users WHERE user_name = ?', array($name)));
    same('+254700000000', $site->value('SELECT phone_mobile FROM vtiger_users WHERE user_name = ?', array($name)));
});
test('On the CRM, a password is set, also for an inactive user, and the old one is gone', function () use ($site) {
    $name = fresh('u');
    $id = $site->result('pugmark.user_create', array('element' => new_user($name)))['id'];
    same(array('id' => $id), $site->result('pugmark.user_password', array('id' => $id, 'password' => "new 'secret\\ é")));
    same(true, knows_password($name, "new 'secret\\ é"));
    same(false, knows_password($name, 'secret-one'));
    $site->result('pugmark.user_update', array('id' => $id, 'element' => array('status' => 'Inactive')));
    $site->result('pugmark.user_password', array('id' => $id, 'password' => 'third secret'));
    $site->result('pugmark.user_update', array('id' => $id, 'element' => array('status' => 'Active')));
    same(true, knows_password($name, 'third secret'));
});
test('On the CRM, wrong users, roles, statuses and passwords are refused by name', function () use ($site) {
    $name = fresh('u');
    $create = function (array $changes) use ($site, $name) {
        return $site->code('pugmark.user_create', array('element' => new_user($name, $changes)));
    };
    same('MANDATORY_FIELDS_MISSING', $create(array('email1' => '')));
    same('ROLE_NOT_FOUND', $create(array('roleid' => 'H99')));
    same('WEAK_PASSWORD', $create(array('user_password' => 'six666')), 'the setting says seven');
    same('INVALID_INPUT', $site->code('pugmark.user_create', array('element' => '{"broken')));
    same('RECORD_NOT_FOUND', $site->code('pugmark.user_update', array('id' => '19x99999', 'element' => array('last_name' => 'X'))));
    same('RECORD_NOT_FOUND', $site->code('pugmark.user_password', array('id' => '12x1', 'password' => 'long enough')));
    same('INVALID_STATUS', $site->code('pugmark.user_update', array('id' => '19x1', 'element' => array('status' => 'Gone'))));
    same('0', (string) $site->value('SELECT COUNT(*) FROM vtiger_users WHERE user_name = ?', array($name)));
});
test('On the CRM, no password is found in our tables or in its logs', function () use ($site) {
    $name = fresh('u');
    $site->result('pugmark.user_create', array('element' => new_user($name, array('user_password' => 'needle-in-haystack'))));
    foreach (array('vtiger_pugmark_settings', 'vtiger_pugmark_references', 'vtiger_pugmark_outbox') as $table) {
        same(false, strpos(json_encode($site->rows("SELECT * FROM $table")), 'needle-in-haystack'), $table);
    }
    foreach (glob($site->tree . '/logs/*') as $file) {
        same(false, strpos((string) file_get_contents($file), 'needle-in-haystack'), $file);
    }
});
