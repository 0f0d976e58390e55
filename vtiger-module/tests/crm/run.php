<?php
/**
 * Runs the suite on a real vTiger: php crm/run.php DIR. Started by ../run.php; installs the extension, uses it over
 * HTTP from a PHP server of its own on the loopback address, and removes it again.
 */
$tree = isset($argv[1]) ? realpath($argv[1]) : false;
if (!$tree || !is_file("$tree/config.inc.php") || !is_file("$tree/webservice.php")) {
    fwrite(STDERR, "Not the folder of a vTiger CRM: " . (isset($argv[1]) ? $argv[1] : '') . "\n");
    exit(2);
}
require dirname(__DIR__) . '/runner.php';
require __DIR__ . '/site.php';
foreach (glob(dirname(__DIR__) . '/contracts/*.php') as $file) {
    require $file;
}
PugmarkRunner::$lenient = true;
// vTiger's configuration hides fatal errors.
register_shutdown_function(function () {
    $error = error_get_last();
    if ($error && in_array($error['type'], array(E_ERROR, E_PARSE, E_CORE_ERROR, E_COMPILE_ERROR), true)) {
        fwrite(STDERR, $error['message'] . ' at ' . $error['file'] . ':' . $error['line'] . "\n");
    }
});
chdir($tree);
require 'config.inc.php';
if (is_file('config_override.php')) {
    require_once 'config_override.php';
}
if (is_file('vendor/autoload.php')) {
    require_once 'vendor/autoload.php';
}
require_once 'include/Webservices/Relation.php';
require_once 'vtlib/Vtiger/Module.php';
require_once 'includes/main/WebUI.php';
require_once 'vtlib/Vtiger/Package.php';
// vTiger's own code warns a lot.
error_reporting(E_ERROR);
$adb = PearDatabase::getInstance();
$current_user = Users::getActiveAdminUser();
if (Vtiger_Module::getInstance('Pugmark')) {
    fwrite(STDERR, "The extension is installed in $tree; the suite wants a CRM without it\n");
    exit(2);
}

$site = new Site($tree, dirname(__DIR__, 2) . '/package');
register_shutdown_function(array($site, 'close'));
echo 'On vTiger ' . vtws_getVtigerVersion() . ', PHP ' . PHP_VERSION . "\n";
foreach (array('install', 'upsert', 'killed', 'outbox', 'users', 'remove') as $part) {
    require __DIR__ . "/$part.php";
}
exit(PugmarkRunner::run('On vTiger:') ? 1 : 0);
