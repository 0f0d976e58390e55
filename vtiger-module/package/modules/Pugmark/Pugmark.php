<?php
require_once __DIR__ . '/crm/Services.php';

/** vTiger's handle on the module: told when it is installed, updated, switched and removed. */
class Pugmark
{
    public function vtlib_handler($module, $event)
    {
        $installer = (new PugmarkServices())->installer();
        if ($event === 'module.postinstall' || $event === 'module.postupdate') {
            $installer->install();
        } elseif ($event === 'module.enabled') {
            $installer->enable(true);
        } elseif ($event === 'module.disabled') {
            $installer->enable(false);
        } elseif ($event === 'module.preuninstall') {
            $installer->remove();
        }
    }
}
