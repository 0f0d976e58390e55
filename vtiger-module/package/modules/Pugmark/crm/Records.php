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

    public function __construct(PugmarkDatabase $database, $user)
    {
        $this->database = $database;
        $this->user = $user;
    }

    public function fields(string $module): array
    {
        if ($module === 'Users') {
            throw new PugmarkRefused('ACCESS_DENIED', 'Users have operations of their own');
        }
        $described = $this->asked(function () use ($module) {
            return vtws_describe($module, $this->user);
        });
        if (empty($described['isEntity'])) {
            throw new PugmarkRefused('ACCESS_DENIED', "$module has no records");
        }
        $types = array();
        foreach ($described['fields'] as $field) {
            $types[$field['name']] = $field['type']['name'];
        }
        return $types;
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

    public function create(string $module, array $fields, bool $bulk): int
    {
        $record = $this->saved($bulk, function () use ($module, $fields) {
            return vtws_create($module, $fields, $this->user);
        });
        $parts = explode('x', $record['id']);
        return (int) $parts[1];
    }

    public function revise(string $module, int $crmid, array $fields, bool $bulk): void
    {
        $this->saved($bulk, function () use ($module, $crmid, $fields) {
            return vtws_revise(array('id' => $this->id($module, $crmid)) + $fields, $this->user);
        });
    }

    public function id(string $module, int $crmid): string
    {
        return vtws_getWebserviceEntityId($module, $crmid);
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
