<?php
function access(string $callers = ''): PugmarkAccess
{
    return new PugmarkAccess(new PugmarkSettings(new MemorySettings(array('password_callers' => $callers))));
}

test('Only an administrator may call any of the operations', function () {
    foreach (array_keys(PugmarkAccess::OPERATIONS) as $operation) {
        refused('ACCESS_DENIED', function () use ($operation) {
            access('ada')->demand($operation, true, false, 'ada');
        });
    }
});
test('A disabled module refuses every operation, also to an administrator', function () {
    foreach (array_keys(PugmarkAccess::OPERATIONS) as $operation) {
        refused('ACCESS_DENIED', function () use ($operation) {
            access('ada')->demand($operation, false, true, 'ada');
        });
    }
});
test('Nobody may set passwords while the list of callers is empty', function () {
    refused('ACCESS_DENIED', function () {
        access('')->demand('pugmark.user_create', true, true, 'ada');
    });
    same(false, access('')->maySetPasswords(''));
});
test('A caller on the list may set passwords, in whatever case the name is written', function () {
    access('bob, Ada')->demand('pugmark.user_password', true, true, 'ADA');
    same(true, access('bob, Ada')->maySetPasswords('ada'));
    same(false, access('bob, Ada')->maySetPasswords('ad'));
});
test('The listed operations leave out what the caller may not use', function () {
    same(array('pugmark.user_create', 'pugmark.user_password'),
        array_values(array_diff(access('ada')->operations('ada'), access('ada')->operations('bob'))));
    same(array_keys(PugmarkAccess::OPERATIONS), access('ada')->operations('ada'));
});
test('The PHP functions take the registered parameters, by name and in order, and the user last', function () {
    $before = getcwd();
    chdir(dirname(__DIR__, 2) . '/package');
    require_once 'modules/Pugmark/api.php';
    chdir($before);
    foreach (PugmarkAccess::OPERATIONS as $operation => $registered) {
        $names = array_map(function ($parameter) {
            return $parameter->getName();
        }, (new ReflectionFunction(str_replace('.', '_', $operation)))->getParameters());
        same(array_merge(array_keys($registered[1]), array('user')), $names, $operation);
        same(strtolower($operation), $operation, 'vTiger lowers the names of operations');
    }
});
test('The version in the code is the one in the manifest', function () {
    $manifest = simplexml_load_file(dirname(__DIR__, 2) . '/package/manifest.xml');
    require_once dirname(__DIR__, 2) . '/package/modules/Pugmark/crm/Services.php';
    same((string) $manifest->version, PugmarkServices::VERSION);
    same('Pugmark', (string) $manifest->name);
});
