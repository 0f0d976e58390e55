<?php
/**
 * Runs the extension's tests: php vtiger-module/tests/run.php [part of a sentence]
 *
 * With PUGMARK_TEST_VTIGER_TREE naming the folder of an installed vTiger, the suite in crm/ is run on it too: it
 * installs the extension there, uses it, and removes it again. Use a CRM that is there for tests.
 */
$missing = array_filter(array('json', 'mbstring', 'openssl', 'simplexml'), function ($extension) {
    return !extension_loaded($extension);
});
if ($missing) {
    fwrite(STDERR, 'PHP lacks ' . implode(', ', $missing) . "\n");
    exit(2);
}
require __DIR__ . '/runner.php';
require dirname(__DIR__) . '/package/modules/Pugmark/lib/load.php';
require __DIR__ . '/doubles.php';
require __DIR__ . '/doubles_outside.php';

PugmarkRunner::$only = isset($argv[1]) ? $argv[1] : '';
foreach (array_merge(glob(__DIR__ . '/contracts/*.php'), glob(__DIR__ . '/unit/*.php')) as $file) {
    require $file;
}
reference_table_contract('in memory', function () {
    return new MemoryReferences(new World());
});
outbox_table_contract('in memory', function () {
    return new MemoryOutbox(new World());
});
$failed = PugmarkRunner::run();

$tree = getenv('PUGMARK_TEST_VTIGER_TREE');
if ($tree) {
    // A process of its own: vTiger wants the global variables for itself.
    passthru(escapeshellarg(PHP_BINARY) . ' ' . escapeshellarg(__DIR__ . '/crm/run.php') . ' ' . escapeshellarg($tree), $code);
    $failed = $failed || $code !== 0;
} else {
    echo "Not run: the suite on a real vTiger (PUGMARK_TEST_VTIGER_TREE is not set)\n";
}
exit($failed ? 1 : 0);
