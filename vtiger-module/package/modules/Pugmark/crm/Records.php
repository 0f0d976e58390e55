<?php
require_once 'include/Webservices/Utils.php';
require_once 'include/Webservices/DescribeObject.php';
require_once 'include/Webservices/Create.php';
require_once 'include/Webservices/Retrieve.php';
require_once 'include/Webservices/Revise.php';

/** Records by way of the web service's own functions, so that permissions, workflows and value formats are its. */
final class PugmarkCrmRecords implements PugmarkRecords
{
    private $database;
    private $user;
    private $places = array();
    private $described = array();
    private $owners = array();

    public function __construct(PugmarkDatabase $database, $user)
    {
        $this->database = $database;
        $this->user = $user;
    }

    public function fields(string $module): array
    {
        $types = array();
        foreach ($this->described($module) as $field) {
            $types[$field['name']] = $field['type']['name'];
        }
        return $types;
    }

    public function readOnly(string $module): array
    {
        $names = array();
        foreach ($this->described($module) as $field) {
            // The source is described as read-only, and taken on creation all the same.
            if (empty($field['editable']) && $field['name'] !== 'source') {
                $names[] = $field['name'];
            }
        }
        return $names;
    }

    public function isOwner(string $id): bool
    {
        if (!isset($this->owners[$id])) {
            $row = null;
            foreach (array('Users' => 'SELECT id FROM vtiger_users WHERE id = ? AND deleted = 0',
                'Groups' => 'SELECT groupid FROM vtiger_groups WHERE groupid = ?') as $kind => $sql) {
                list($prefix) = explode('x', $this->id($kind, 1));
                $number = PugmarkInput::number($id, $prefix);
                $row = $row ?: ($number > 0 ? $this->database->row($sql, array($number)) : null);
            }
            $this->owners[$id] = $row !== null;
        }
        return $this->owners[$id];
    }

    public function longest(string $module, string $field): int
    {
        $place = $this->place($module, $field);
        $row = $this->database->row('SELECT CHARACTER_MAXIMUM_LENGTH AS longest FROM information_schema.COLUMNS '
            . 'WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? AND COLUMN_NAME = ?',
            array($place['tablename'], $place['columnname']));
        return $row === null ? 0 : (int) current($row);
    }

    public function exists(string $module, int $crmid): bool
    {
        return $this->database->row('SELECT crmid FROM vtiger_crmentity WHERE crmid = ? AND deleted = 0 AND setype = ?',
            array($crmid, $this->kept($module))) !== null;
    }

    public function holders(string $module, string $field, string $text): array
    {
        $place = $this->place($module, $field);
        $table = $place['tablename'];
        $column = $place['columnname'];
        $key = $place['key'];
        // Found by the index; the database takes A and a, and "a" and "a ", for the same.
        $rows = $this->database->rows("SELECT e.crmid, t.$column AS held FROM $table t "
            . "JOIN vtiger_crmentity e ON e.crmid = t.$key WHERE t.$column = ? AND e.deleted = 0 AND e.setype = ? LIMIT 50",
            array($text, $this->kept($module)));
        $found = array();
        foreach ($rows as $row) {
            if ($row['held'] === $text || decode_html($row['held']) === $text) {
                $found[] = (int) $row['crmid'];
            }
        }
        return $found;
    }

    public function read(string $module, int $crmid): array
    {
        return $this->asked(function () use ($module, $crmid) {
            return vtws_retrieve($this->id($module, $crmid), $this->user);
        });
    }

    public function create(string $module, array $fields, bool $bulk, string $mark): int
    {
        // The source is stored with the very first row of a record.
        $fields = array('source' => $mark) + $fields;
        $record = $this->saved($bulk, function () use ($module, $fields) {
            return vtws_create($module, $fields, $this->user);
        });
        $parts = explode('x', $record['id']);
        return (int) $parts[1];
    }

    public function unmark(int $crmid, string $source): void
    {
        $this->database->run("UPDATE vtiger_crmentity SET source = ? WHERE crmid = ? AND source LIKE 'PUGMARK %'",
            array($source === '' ? 'WEBSERVICE' : strtoupper($source), $crmid));
    }

    public function repair(string $module, int $crmid): void
    {
        $entity = CRMEntity::getInstance($module);
        foreach ($entity->tab_name as $table) {
            if ($table !== 'vtiger_crmentity' && isset($entity->tab_name_index[$table])) {
                $key = $entity->tab_name_index[$table];
                $this->database->run("INSERT IGNORE INTO $table ($key) VALUES (?)", array($crmid));
            }
        }
        $this->unmark($crmid, '');
    }

    public function discard(string $module, string $field, string $mark, int $after): void
    {
        $place = $this->place($module, $field);
        // As the recycle bin does it; vTiger's own deletion would trip over the missing rows.
        $this->database->run("UPDATE vtiger_crmentity e LEFT JOIN {$place['tablename']} t ON t.{$place['key']} = e.crmid "
            . "SET e.deleted = 1 WHERE e.crmid > ? AND e.source = ? AND e.setype = ? AND e.deleted = 0 "
            . "AND (t.{$place['columnname']} IS NULL OR t.{$place['columnname']} = '')", array($after, $mark, $this->kept($module)));
    }

    public function revise(string $module, int $crmid, array $fields, bool $bulk): void
    {
        // vTiger decodes HTML entities in what it revises, and only there.
        $fields = array_map(function ($value) {
            return is_string($value) ? str_replace('&', '&amp;', $value) : $value;
        }, $fields);
        $this->saved($bulk, function () use ($module, $crmid, $fields) {
            return vtws_revise(array('id' => $this->id($module, $crmid)) + $fields, $this->user);
        });
    }

    public function id(string $module, int $crmid): string
    {
        return vtws_getWebserviceEntityId($module, $crmid);
    }

    private function described(string $module): array
    {
        if ($module === 'Users') {
            throw new PugmarkRefused('ACCESS_DENIED', 'Users have operations of their own');
        }
        if (!isset($this->described[$module])) {
            $described = $this->asked(function () use ($module) {
                return vtws_describe($module, $this->user);
            });
            if (empty($described['isEntity'])) {
                throw new PugmarkRefused('ACCESS_DENIED', "$module has no records");
            }
            $this->described[$module] = $described['fields'];
        }
        return $this->described[$module];
    }

    private function saved(bool $bulk, callable $save): array
    {
        global $VTIGER_BULK_SAVE_MODE;
        $before = isset($VTIGER_BULK_SAVE_MODE) ? $VTIGER_BULK_SAVE_MODE : false;
        $VTIGER_BULK_SAVE_MODE = $bulk;
        try {
            return $this->asked($save);
        } finally {
            $VTIGER_BULK_SAVE_MODE = $before;
        }
    }

    private function asked(callable $ask): array
    {
        try {
            $answer = $ask();
        } catch (WebServiceException $refused) {
            throw new PugmarkRefused((string) $refused->getCode(), $refused->getMessage());
        } catch (DuplicateException $refused) {
            throw new PugmarkRefused('DUPLICATE_VALUE', $refused->getMessage());
        }
        if (!is_array($answer)) {
            throw new PugmarkRefused('INTERNAL_SERVER_ERROR', 'The CRM gave no answer');
        }
        return $answer;
    }

    /** Where a field's values are: tablename, columnname, and the table's key. */
    private function place(string $module, string $field): array
    {
        if (!isset($this->places["$module.$field"])) {
            $row = $this->database->row('SELECT f.tablename, f.columnname FROM vtiger_field f '
                . 'JOIN vtiger_tab t ON t.tabid = f.tabid WHERE t.name = ? AND f.fieldname = ?', array($module, $field));
            $keys = CRMEntity::getInstance($module)->tab_name_index;
            if ($row === null || !isset($keys[$row['tablename']])) {
                throw new PugmarkRefused('INVALID_INPUT', "$module has no field $field for the reference");
            }
            $this->places["$module.$field"] = $row + array('key' => $keys[$row['tablename']]);
        }
        return $this->places["$module.$field"];
    }

    /** The module's name in vtiger_crmentity. */
    private function kept(string $module): string
    {
        return $module === 'Events' ? 'Calendar' : $module;
    }
}
