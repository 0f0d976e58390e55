<?php
require_once 'include/events/VTEventHandler.inc';

/**
 * Writes changes of the watched modules to the outbox. vTiger calls this in the middle of every save of any module: it
 * must be short, and an error in it must never reach the one who saves.
 */
class PugmarkOutboxHandler extends VTEventHandler
{
    const KINDS = array('vtiger.entity.afterdelete' => 'deleted', 'vtiger.entity.afterrestore' => 'restored',
        'vtiger.lead.convertlead' => 'converted');

    public function handleEvent($eventName, $entityData)
    {
        try {
            require_once 'modules/Pugmark/crm/Services.php';
            global $current_user;
            $kind = isset(self::KINDS[$eventName]) ? self::KINDS[$eventName]
                : ($entityData->isNew() ? 'created' : 'updated');
            $caller = empty($current_user->id) ? null : (int) $current_user->id;
            $module = (string) $entityData->getModuleName();
            $detail = $kind === 'converted' ? $this->made($entityData) : array();
            PugmarkServices::own()->outbox()->record($module, (int) $this->number($entityData->getId()), $kind, $caller, $detail);
        } catch (Throwable $failure) {
            error_log('Pugmark outbox: ' . get_class($failure) . ' at ' . basename($failure->getFile()) . ':'
                . $failure->getLine());
        }
    }

    /** What a lead became. */
    private function made($entityData): array
    {
        $ids = isset($entityData->entityIds) ? (array) $entityData->entityIds : array();
        $made = array();
        foreach (array('Contacts' => 'contact', 'Accounts' => 'account', 'Potentials' => 'potential') as $module => $name) {
            if (!empty($ids[$module])) {
                $made[$name] = $this->number($ids[$module]);
            }
        }
        return $made;
    }

    /** 34 from 34 or 12x34. */
    private function number($id): int
    {
        $parts = explode('x', (string) $id);
        return (int) end($parts);
    }
}
