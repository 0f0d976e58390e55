<?php
/**
 * Installs, sets and removes the extension on the server, as the user that the web server runs as:
 *
 *   php pugmark.php install [--crm DIR] ZIP      installs it, or updates it where it is installed
 *   php pugmark.php settings [--crm DIR]         shows the settings
 *   php pugmark.php settings [--crm DIR] NAME VALUE
 *   php pugmark.php status [--crm DIR]           what waits in the outbox
 *   php pugmark.php uninstall [--crm DIR] [--drop-fields] [--keep-files]
 *
 * DIR is the CRM's folder, the one with config.inc.php; by default the current one. The script needs no other file,
 * so it can be taken out of the zip for the first install.
 */
if (PHP_SAPI !== 'cli') {
    exit;
}
$pugmarkArguments = array_slice($argv, 1);
$pugmarkAt = array_search('--crm', $pugmarkArguments, true);
if ($pugmarkAt !== false) {
    $pugmarkCrm = isset($pugmarkArguments[$pugmarkAt + 1]) ? $pugmarkArguments[$pugmarkAt + 1] : '';
    array_splice($pugmarkArguments, $pugmarkAt, 2);
} else {
    $pugmarkCrm = getcwd();
}
$pugmarkFiles = array_map(function ($argument) {
    return is_file($argument) ? realpath($argument) : $argument;
}, $pugmarkArguments);
if ($pugmarkCrm === '' || !@chdir($pugmarkCrm) || !is_file('config.inc.php')) {
    fwrite(STDERR, "Not the folder of a vTiger CRM: $pugmarkCrm\n");
    exit(2);
}
// vTiger's configuration hides fatal errors.
register_shutdown_function(function () {
    $error = error_get_last();
    if ($error && in_array($error['type'], array(E_ERROR, E_PARSE, E_CORE_ERROR, E_COMPILE_ERROR), true)) {
        fwrite(STDERR, $error['message'] . "\n");
    }
});
// vTiger wants its globals made at the top level.
require 'config.inc.php';
if (is_file('config_override.php')) {
    require_once 'config_override.php';
}
if (is_file('vendor/autoload.php')) {
    require_once 'vendor/autoload.php';
}
require_once 'vtlib/Vtiger/Module.php';
require_once 'includes/main/WebUI.php';
require_once 'vtlib/Vtiger/Package.php';
$adb = PearDatabase::getInstance();
$current_user = Users::getActiveAdminUser();
exit(pugmark_main($pugmarkFiles));

function pugmark_main(array $arguments): int
{
    $command = (string) array_shift($arguments);
    try {
        if ($command === 'install' && count($arguments) === 1) {
            return pugmark_install($arguments[0]);
        }
        if (in_array($command, array('settings', 'status', 'uninstall'), true)) {
            if (!Vtiger_Module::getInstance('Pugmark')) {
                fwrite(STDERR, "Pugmark is not installed here\n");
                return 1;
            }
            require_once 'modules/Pugmark/crm/Services.php';
            return call_user_func('pugmark_' . $command, new PugmarkServices(), $arguments);
        }
    } catch (PugmarkRefused $refused) {
        fwrite(STDERR, $refused->getMessage() . "\n");
        return 1;
    } catch (Throwable $failure) {
        fwrite(STDERR, get_class($failure) . ': ' . $failure->getMessage() . "\n");
        return 1;
    }
    fwrite(STDERR, "Usage: pugmark.php install ZIP | settings [NAME VALUE] | status | uninstall [--drop-fields] [--keep-files]\n");
    return 2;
}

function pugmark_install(string $zip): int
{
    $package = new Vtiger_Package();
    // import() and update() say nothing about a file that is no such zip.
    if (!is_file($zip) || !$package->checkZip($zip) || $package->getModuleNameFromZip($zip) !== 'Pugmark') {
        fwrite(STDERR, "Not a zip of the Pugmark extension: $zip\n");
        return 1;
    }
    $installed = Vtiger_Module::getInstance('Pugmark');
    $installed ? $package->update($installed, $zip) : $package->import($zip, true);
    $module = Vtiger_Module::getInstance('Pugmark');
    $operations = PearDatabase::getInstance()->pquery("SELECT 1 FROM vtiger_ws_operation WHERE name = 'pugmark.info'", array());
    if (!$module || PearDatabase::getInstance()->num_rows($operations) !== 1) {
        fwrite(STDERR, "The CRM did not install the extension; see its logs\n");
        return 1;
    }
    echo 'Pugmark ' . $module->version . ($installed ? ' updated' : ' installed') . "\n";
    return 0;
}

function pugmark_settings(PugmarkServices $services, array $arguments): int
{
    if (count($arguments) === 2) {
        $services->settings->put($arguments[0], $arguments[1]);
    }
    foreach (PugmarkSettings::KNOWN as $name => $about) {
        if (count($arguments) === 0 || $arguments[0] === $name) {
            $value = $services->settings->text($name);
            printf("%-18s %s   (%s)\n", $name, $about[0] === 'secret' && $value !== '' ? '(set)' : $value, $about[2]);
        }
    }
    return 0;
}

function pugmark_status(PugmarkServices $services, array $arguments): int
{
    echo 'module ' . ($services->isEnabled() ? 'enabled' : 'disabled') . "\n";
    foreach ($services->outboxTable->counts() as $state => $count) {
        echo "$state $count\n";
    }
    return 0;
}

function pugmark_uninstall(PugmarkServices $services, array $arguments): int
{
    if (in_array('--drop-fields', $arguments, true)) {
        require_once 'modules/Pugmark/crm/CustomFields.php';
        $fields = new PugmarkCrmCustomFields($services->database);
        $fields->drop($services->settings->items('modules'));
    }
    Vtiger_Module::getInstance('Pugmark')->delete();
    if (!in_array('--keep-files', $arguments, true)) {
        pugmark_delete('cron/modules/Pugmark');
        pugmark_delete('modules/Pugmark');
        pugmark_delete('languages/en_us/Pugmark.php');
    }
    echo "Pugmark removed\n";
    return 0;
}

function pugmark_delete(string $path): void
{
    if (is_dir($path) && !is_link($path)) {
        foreach (array_diff(scandir($path), array('.', '..')) as $name) {
            pugmark_delete("$path/$name");
        }
        rmdir($path);
    } elseif (file_exists($path)) {
        unlink($path);
    }
}
