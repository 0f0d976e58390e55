<?php
test('A setting that was never set has its default', function () {
    $settings = new PugmarkSettings(new MemorySettings());
    same(array('Contacts', 'Leads'), $settings->items('modules'));
    same(6, $settings->count('shortest_password'));
    same(false, $settings->flag('webhook_enabled'));
});
test('What is set is read back at once', function () {
    $settings = new PugmarkSettings(new MemorySettings());
    same('', $settings->text('customer_url'));
    $settings->put('customer_url', 'https://desk.example.com/c/{reference}');
    same('https://desk.example.com/c/{reference}', $settings->text('customer_url'));
});
test('Settings of the wrong shape, unknown ones and those the extension keeps for itself are refused', function () {
    $settings = new PugmarkSettings(new MemorySettings());
    $wrong = array(array('shortest_password', '0'), array('shortest_password', '6 '), array('webhook_enabled', 'yes'),
        array('webhook_url', 'ftp://example.com/'), array('webhook_url', 'https://user:pw@example.com/'),
        array('webhook_url', "https://example.com/\n"), array('webhook_url', '/path'), array('customer_url', 'https://example.com/'),
        array('webhook_secret', 'plain'), array('nothing', '1'), array('installation', 'x'));
    foreach ($wrong as $pair) {
        refused('INVALID_INPUT', function () use ($settings, $pair) {
            $settings->put($pair[0], $pair[1]);
        });
    }
});
test('A wrong secret is refused without being repeated', function () {
    $message = refused('INVALID_INPUT', function () {
        (new PugmarkSettings(new MemorySettings()))->put('webhook_secret', 'whsec_topsecret');
    });
    same(false, strpos($message, 'topsecret'));
});
test('The receiver is set in parts and its secret is never shown', function () {
    $settings = new PugmarkSettings(new MemorySettings());
    $receiver = new PugmarkReceiver($settings, function ($module) {
        return in_array($module, array('Contacts', 'Leads', 'Accounts'), true);
    });
    $secret = 'whsec_' . base64_encode(str_repeat('s', 32));
    $answer = $receiver->set(array('url' => 'https://example.com/hook', 'secret' => $secret, 'modules' => array('Contacts')));
    same(array('url' => 'https://example.com/hook', 'secret' => true, 'modules' => array('Contacts'), 'enabled' => false), $answer);
    same(true, $receiver->set(array('enabled' => true))['enabled']);
    same($secret, $settings->text('webhook_secret'));
    same(array('Accounts'), $receiver->set(array('modules' => array('Accounts')))['modules']);
    same(array('Contacts', 'Leads', 'Accounts'), $settings->items('modules'), 'what is sent is also written down');
    refused('INVALID_INPUT', function () use ($receiver) {
        $receiver->set(array('modules' => array('Nonsense')));
    });
});
test('Sending cannot be switched on without an address and a secret, and a wrong part changes nothing', function () {
    $table = new MemorySettings();
    $receiver = new PugmarkReceiver(new PugmarkSettings($table), function () {
        return true;
    });
    refused('INVALID_INPUT', function () use ($receiver) {
        $receiver->set(array('enabled' => true, 'url' => 'https://example.com/'));
    });
    refused('INVALID_INPUT', function () use ($receiver) {
        $receiver->set(array('url' => 'https://example.com/', 'secret' => 'wrong'));
    });
    refused('INVALID_INPUT', function () use ($receiver) {
        $receiver->set(null);
    });
    same(array(), $table->values);
});
